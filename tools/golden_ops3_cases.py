"""The calls whose results `golden_ops3` records: ``(name, arguments, keywords)``."""

import numpy as np

RNG = np.random.RandomState(11)


def noise(*shape, dtype="float32"):
    return RNG.standard_normal(shape).astype(dtype)


def unit(*shape):
    return RNG.uniform(size=shape).astype("float32")


def ints(high, *shape):
    return RNG.randint(0, high, size=shape).astype("int32")


def definite(*shape):
    root = noise(*shape, shape[-1])
    return (root @ np.swapaxes(root, -1, -2) + np.eye(shape[-1])).astype("float32")


A, B, STACK = noise(3, 4), noise(3, 4), noise(2, 3, 3)
HOLES = np.where(A > 0.5, np.nan, A).astype("float32")
PAIR = (noise(2, 6), noise(2, 6))
LOGITS = noise(2, 7, 4)
LENGTHS = np.array([7, 5], "int32")
IMAGE = noise(2, 6, 5, 3)
COUNTS = ints(5, 9)
IDS = np.array([0, 2, 2, 0, 4], "int32")

LINEAR = [
    ("cholesky", [definite(2, 3)], {}),
    ("cholesky", [definite(3)], {"upper": True}),
    ("cholesky_inverse", [np.linalg.cholesky(definite(3))], {}),
    ("cholesky_inverse", [np.linalg.cholesky(definite(3)).T], {"upper": True}),
    ("det", [STACK], {}),
    ("slogdet", [STACK], {}),
    ("logdet", [STACK], {}),
    ("inv", [STACK], {}),
    ("pinv", [noise(2, 3, 4)], {}),
    ("lu_factor", [STACK], {}),
    ("svd", [noise(3, 4)], {"compute_uv": False}),
    ("eigh", [definite(4) * 0 + np.diag([3.0, 1.0, 2.0, 0.5]).astype("float32")], {}),
    ("matrix_rank", [np.diag([5.0, 1.0, 0.1]).astype("float32")], {"tol": 0.5}),
    ("matrix_rank", [np.stack([np.ones((3, 3)), np.eye(3)]).astype("float32")], {}),
    ("solve", [STACK, noise(2, 3, 2)], {}),
    ("solve_triangular", [np.tril(STACK), noise(2, 3, 2)], {"lower": True}),
    ("solve_triangular", [np.triu(STACK), noise(2, 3, 2)], {}),
    ("lstsq", [noise(5, 3), noise(5, 2)], {}),
    ("lstsq", [noise(5, 3), noise(5)], {}),
    ("cdist", [noise(2, 3, 4), noise(2, 5, 4)], {}),
    ("cross", [noise(2, 3), noise(3)], {}),
    ("cross", [noise(3, 4), noise(3, 4)], {"axis": 0}),
    ("kron", [noise(2, 3), noise(3, 2)], {}),
    ("vander", [noise(4), 3], {"increasing": True}),
    ("corrcoef", [A], {}),
    ("correlate", [noise(6), noise(3)], {"mode": "same"}),
    ("correlate", [ints(5, 6), ints(5, 3)], {"mode": "full"}),
    ("norm", [STACK], {"ord": "fro", "axis": (1, 2)}),
]
SIGNAL = [
    ("fft", [PAIR], {}),
    ("fft2", [PAIR], {}),
    ("ifft2", [PAIR], {}),
    ("rfft", [noise(2, 6)], {"fft_length": 8}),
    ("rfft", [noise(2, 6)], {"fft_length": 5}),
    ("irfft", [PAIR], {}),
    ("irfft", [PAIR], {"fft_length": 9}),
    ("extract_sequences", [noise(2, 11), 4, 3], {}),
    ("stft", [noise(2, 23), 6, 4, 8], {}),
    ("stft", [noise(23), 5, 3, 8], {"window": "hamming", "center": False}),
    ("stft", [noise(23), 5, 3, 7], {"window": unit(5)}),
    ("istft", [(noise(2, 6, 5), noise(2, 6, 5)), 6, 4, 8], {}),
    ("istft", [(noise(2, 6, 5), noise(2, 6, 5)), 6, 4, 8], {"length": 19}),
    ("istft", [(noise(2, 6, 5), noise(2, 6, 5)), 6, 3, 8], {"window": "hamming", "length": 17}),
    ("istft", [(noise(6, 5), noise(6, 5)), 8, 2, 8], {"window": "hann", "center": False}),
    *((name, [7], {}) for name in ("bartlett", "blackman", "hamming", "hanning")),
    ("kaiser", [7, 5.0], {}),
    ("polar", [unit(4), noise(4)], {}),
    ("view_as_complex", [noise(3, 2)], {}),
    ("view_as_real", [(noise(3) + 1j * noise(3)).astype("complex64")], {}),
]
COUNTING = [
    ("nonzero", [ints(3, 3, 4)], {}),
    ("unique", [COUNTS], {}),
    ("unique", [COUNTS], {"return_index": True, "return_inverse": True, "return_counts": True}),
    ("unique", [COUNTS], {"size": 7, "fill_value": -1}),
    ("unique", [ints(2, 5, 2)], {"axis": 0, "return_counts": True}),
    ("digitize", [A, np.array([-1.0, 0.0, 0.5], "float32")], {}),
    ("histogram", [A[0]], {"bins": 5}),
    ("histogram", [A[0]], {"bins": 4, "range": (-1.0, 1.0)}),
    ("bincount", [COUNTS], {"minlength": 7}),
    ("bincount", [COUNTS], {"weights": noise(9)}),
    ("bincount", [ints(4, 2, 6)], {"minlength": 6}),
    ("isin", [COUNTS, np.array([1, 3], "int32")], {"invert": True}),
    ("unravel_index", [ints(24, 5), (2, 3, 4)], {}),
    ("select", [[A > 1, A > 0], [A, B]], {"default": 7}),
    ("segment_sum", [noise(5, 2), IDS, 6], {}),
    ("segment_max", [noise(5, 2), IDS, 5], {}),
    ("segment_min", [noise(5, 2), IDS, 6], {}),
    ("segment_prod", [noise(5, 2), IDS, 6], {}),
    ("top_k", [A, 2], {}),
]
MAKING = [
    ("empty_like", [A], {"dtype": "int32"}),
    ("tri", [3, 5, 1], {}),
    ("linspace", [noise(3), noise(3)], {"num": 4, "axis": 1}),
    ("linspace", [1, 4], {"num": 3, "endpoint": False, "retstep": True}),
    ("logspace", [0.5, noise(3), 4], {"base": 3}),
    ("geomspace", [1.0, unit(3) + 1, 4], {"axis": -1}),
    ("diagflat", [ints(9, 2, 2), -1], {}),
    ("array_split", [noise(7, 2), 3], {}),
    ("array_split", [A, 3], {"axis": 1}),
    ("hsplit", [A, 2], {}),
    ("vsplit", [A, [1]], {}),
    ("dsplit", [noise(2, 3, 4), [1, 2]], {}),
    ("dstack", [[A, B]], {}),
    ("quantile", [A, np.array([0.1, 0.6], "float32")], {"axis": 1, "method": "lower"}),
    ("nanquantile", [HOLES, 0.3], {"axis": 1}),
    ("percentile", [A, 30], {"axis": (0, 1), "keepdims": True}),
    ("nanpercentile", [HOLES, 40], {"axis": 0, "method": "nearest"}),
    ("nancumsum", [HOLES], {"axis": 1}),
    ("nancumprod", [HOLES], {}),
    ("trapezoid", [A], {"x": noise(3), "axis": 0}),
    ("trapezoid", [A], {"dx": 0.5}),
    ("ldexp", [A, ints(4, 3, 4)], {}),
    ("view", [A, "int32"], {}),
    ("view", [A, "uint8"], {}),
    ("view", [ints(99, 2, 4).astype("uint8"), "float32"], {}),
    ("saturate_cast", [np.array([-9.0, 3.7, 1e20], "float32"), "uint8"], {}),
    ("saturate_cast", [np.array([-1e20, 3.7, 1e20], "float32"), "int32"], {}),
    ("saturate_cast", [np.array([-9, 300], "int32"), "uint8"], {}),
    ("saturate_cast", [np.array([1e9, -1e9], "float32"), "float16"], {}),
    ("saturate_cast", [np.array([0.0, 3.0, -2.0], "float32"), "bool"], {}),
    ("max", [A], {"axis": 1, "initial": 0.5}),
    ("min", [A], {"initial": -9.0}),
    ("prod", [ints(5, 4)], {"dtype": "float32"}),
    *(
        ("scatter_update", [noise(4), np.array([[0], [0], [2]]), noise(3)], {"reduction": how})
        for how in ("add", "max", "min", "mul")
    ),
]
STEPS = {"dilation": (2, 1), "padding": 1, "stride": (1, 2)}
WINDOWS = [
    ("unfold", [noise(2, 3, 6, 5), (2, 3)], STEPS),
    ("fold", [noise(2, 18, 18), (6, 5), (2, 3)], STEPS),
    ("adaptive_average_pool", [IMAGE, (4, 2)], {}),
    ("adaptive_max_pool", [noise(2, 3, 7), 4], {"data_format": "channels_first"}),
    ("adaptive_max_pool", [noise(2, 5, 4, 3, 2), 2], {}),
    ("depth_to_space", [noise(2, 2, 3, 8), 2], {}),
    ("depth_to_space", [noise(2, 8, 2, 3), 2], {"data_format": "channels_first"}),
    ("space_to_depth", [noise(2, 4, 6, 3), 2], {}),
    ("space_to_depth", [noise(2, 3, 4, 6), 2], {"data_format": "channels_first"}),
    ("psnr", [A, B, 2.0], {}),
    ("rearrange", [noise(4, 6, 5), "a (b c) d -> (d a) c b"], {"b": 2}),
    ("ctc_loss", [ints(3, 2, 3) + 1, LOGITS, np.array([3, 2]), LENGTHS], {}),
    ("ctc_loss", [ints(3, 2, 2), LOGITS, np.array([2, 1]), LENGTHS], {"mask_index": 3}),
    ("ctc_decode", [LOGITS, LENGTHS], {}),
    ("ctc_decode", [LOGITS, LENGTHS], {"merge_repeated": False, "mask_index": 2}),
    ("ctc_decode", [LOGITS, LENGTHS, "beam_search"], {"top_paths": 3}),
    ("ctc_decode", [LOGITS, LENGTHS, "beam_search"], {"mask_index": 2, "beam_width": 40}),
    ("dot_product_attention", [noise(2, 3, 4, 5)] + [noise(2, 6, 4, 5) for _ in "kv"],
     {"mask": np.tri(3, 6, 2, bool)[None, None], "scale": 0.4}),
    ("multi_hot", [ints(5, 3, 2), 5], {}),
    ("moments", [A, 0], {"keepdims": True, "synchronized": False}),
    ("einsum", ["ab,cb->ac", A, B], {"optimize": True}),
]  # fmt: skip
PIXELS = RNG.uniform(size=(2, 7, 6, 3)).astype("float32")
PLANE = PIXELS[0, :, :, 0]
BYTES = (255 * PIXELS).astype("uint8")
FIRST = np.transpose(PIXELS, (0, 3, 1, 2))
SHEAR = np.array([1.1, 0.2, -1, 0.1, 0.9, 0.5, 0, 0], "float32")
CORNERS = np.array([[0, 0], [0, 6], [5, 0], [5, 6]], "float32")
ENDS = CORNERS + np.array([[1, 0.5], [0.25, -1], [0, 0.7], [-1, 0]], "float32")
LARGE = RNG.uniform(size=(2, 14, 13, 2)).astype("float32")
PLACES = RNG.uniform(-3, 9, size=(2, 12)).astype("float32")
FILLS = ("constant", "nearest", "wrap", "mirror", "reflect")
METHODS = ("nearest", "bicubic", "lanczos3", "lanczos5")

IMAGES = [
    ("resize", [PIXELS, (4, 9)], {}),
    ("resize", [PIXELS, (4, 3)], {"antialias": True}),
    *(("resize", [PIXELS[0], (5, 8)], {"interpolation": one}) for one in METHODS),
    ("resize", [BYTES, (4, 9)], {"interpolation": "bicubic"}),
    ("resize", [FIRST, (4, 9)], {"data_format": "channels_first"}),
    ("resize", [PIXELS, (4, 8)], {"crop_to_aspect_ratio": True}),
    ("resize", [PIXELS, (9, 4)], {"crop_to_aspect_ratio": True}),
    ("resize", [PIXELS, (4, 8)], {"pad_to_aspect_ratio": True, "fill_value": 3.0}),
    ("resize", [PIXELS, (9, 4)], {"pad_to_aspect_ratio": True}),
    ("pad_images", [PIXELS, 1, None, None, 2], {"target_height": 10, "target_width": 9}),
    ("pad_images", [FIRST, 1, 2, 3, 4], {"data_format": "channels_first"}),
    ("crop_images", [PIXELS, 1, None, None, 2], {"target_height": 3, "target_width": 2}),
    ("crop_images", [PIXELS[0], 1, 2, 3, 1], {}),
    ("extract_patches", [PIXELS, (2, 3)], {}),
    ("extract_patches", [PIXELS, (3, 2)], {"strides": 2, "padding": "same"}),
    ("extract_patches", [PIXELS[0], 2], {"strides": 1, "dilation_rate": (2, 3)}),
    ("extract_patches", [FIRST, 2], {"data_format": "channels_first"}),
    ("extract_patches", [noise(2, 4, 5, 6, 2), (2, 1, 3)], {"strides": (1, 2, 2)}),
    ("extract_patches_3d", [noise(4, 5, 6, 2), 2], {}),
    ("rgb_to_grayscale", [PIXELS], {}),
    ("rgb_to_grayscale", [BYTES[0]], {}),
    ("rgb_to_hsv", [PIXELS], {}),
    ("rgb_to_hsv", [FIRST], {"data_format": "channels_first"}),
    ("hsv_to_rgb", [PIXELS], {}),
    *(
        (
            "map_coordinates",
            [PIXELS[0, :, :, 0], PLACES, order],
            {"fill_mode": mode, "fill_value": 2},
        )
        for mode in FILLS
        for order in (0, 1)
    ),
    ("map_coordinates", [BYTES[0, :, :, 0], PLACES, 1], {}),
    ("affine_transform", [PIXELS, np.stack([SHEAR, 0.9 * SHEAR])], {"fill_value": 0.5}),
    ("affine_transform", [PIXELS[0], SHEAR], {"interpolation": "nearest", "fill_mode": "wrap"}),
    (
        "affine_transform",
        [FIRST[0], SHEAR],
        {"fill_mode": "reflect", "data_format": "channels_first"},
    ),
    ("affine_transform", [BYTES[1], SHEAR], {}),
    ("perspective_transform", [PIXELS[0], CORNERS, ENDS], {}),
    (
        "perspective_transform",
        [FIRST[0], ENDS, CORNERS],
        {"interpolation": "nearest", "fill_value": 2.0, "data_format": "channels_first"},
    ),
    (
        "scale_and_translate",
        [PLANE, (5, 8), np.array([0.8, 1.3], "f"), np.array([0.5, -0.3], "f"), (0, 1), "bicubic"],
        {},
    ),
    ("gaussian_blur", [FIRST], {"data_format": "channels_first"}),
    ("sobel_edges", [PIXELS], {}),
    ("sobel_edges", [FIRST], {"data_format": "channels_first"}),
    ("ssim", [LARGE, 0.8 * LARGE + 0.1], {}),
    ("ssim", [LARGE[0], LARGE[1]], {"filter_size": 5, "filter_sigma": 1.1, "max_val": 2.0}),
]
CASES = LINEAR + SIGNAL + COUNTING + MAKING + WINDOWS
CASES += [(f"image.{name}", args, kwargs) for name, args, kwargs in IMAGES]
