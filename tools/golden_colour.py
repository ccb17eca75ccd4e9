"""Layers that change colours: what Keras 3.15 makes of images with given numbers.

    KERAS_BACKEND=jax python tools/golden_colour.py

Each case has the numbers that Keras would draw, another one for each image, by Keras' names and by
lamina's. One array a case goes to ``tests/golden/colour_keras3.npz``, ``<layer>_<number>``.
"""

import os
import zlib

import numpy as np

FIRST = {"data_format": "channels_first"}
BATCH, SHAPE = 3, (3, 5, 7, 3)


def _each(*values, rank=4, kind="float32"):
    return np.array(values, kind).reshape((-1,) + (1,) * (rank - 1))


def _brightness(*values):
    return {"rgb_delta": _each(*values)}, {"added": _each(*values)}


def _contrast(*values):
    return {"contrast_factor": _each(*values)}, {"contrast": _each(*values)}


def _hue(*values):
    return {"factor": _each(*values, rank=1)}, {"turn": _each(*values)}


def _saturation(*values):
    return {"factor": _each(*values, rank=1)}, {"scale": _each(*values)}


def _degeneration(*values):
    return {"factor": _each(*values)}, {"share": _each(*values)}


def _sharpness(*values):
    return {"factor": _each(*values, rank=1)}, {"share": 1 - 2 * _each(*values)}


def _posterization(*bits):
    theirs = {"shift_factor": _each(*[8 - n for n in bits], rank=1, kind="uint8")}
    return theirs, {"bits": _each(*bits, kind="int32")}


def _solarization(additions, thresholds):
    return (
        {"additions": _each(*additions), "thresholds": _each(*thresholds)},
        {"addition": _each(*additions), "threshold": _each(*thresholds)},
    )


def _inversion(*flags):
    return {"apply_inversion": _each(*flags, rank=1, kind=bool)}, {"chosen": _each(*flags)}


def _grey(*flags):
    # Not a dict in Keras.
    return _each(*flags, kind=bool), {"chosen": _each(*flags, kind=bool)}


def _blur(flags, sigma):
    sigma = np.array(sigma, "float32")
    return (
        {"should_apply_blur": _each(*flags, rank=1, kind=bool), "blur_factor": sigma[::-1]},
        {"chosen": _each(*flags, kind=bool), "sigma": sigma},
    )


def cases():
    """``{layer: [(arguments, numbers of Keras, numbers of lamina), ...]}``."""
    f, unit, both = {"factor": 0.5}, {"value_range": (0, 1)}, {"value_range": (-1, 1)}
    clahe = {"tile_grid_size": (2, 3), "clip_limit": 40.0}
    nothing = (None, {})
    return {
        "RandomBrightness": [
            (f, *_brightness(60, -90, 7)),
            (dict(f, **unit), *_brightness(0.25, -0.5, 0.03)),
            (dict(f, **FIRST), *_brightness(60, -90, 7)),
        ],
        "RandomContrast": [
            (f, *_contrast(0.25, 1.5, 3.0)),
            (dict(f, **unit), *_contrast(0.25, 1.5, 3.0)),
            (dict(f, **FIRST), *_contrast(0.25, 1.5, 3.0)),
        ],
        "RandomHue": [
            (f, *_hue(0.3, -0.45, 0.5)),
            (dict(f, **unit), *_hue(0.3, -0.45, 0.5)),
            (dict(f, **both), *_hue(0.3, -0.45, 0.5)),
            (dict(f, **FIRST), *_hue(0.1, -0.02, 0.0)),
        ],
        # Beyond 1 Keras cuts off at the value range, and not at the strongest colour.
        "RandomSaturation": [
            (f, *_saturation(0.25, 1.0, 0.0)),
            (dict(f, **unit), *_saturation(0.25, 1.5, 9.0)),
            (dict(f, **unit, **FIRST), *_saturation(0.25, 1.5, 9.0)),
        ],
        "RandomColorDegeneration": [
            (f, *_degeneration(0.25, 1.0, -0.5)),
            (dict(f, **unit), *_degeneration(0.25, 1.0, -0.5)),
            (dict(f, **FIRST), *_degeneration(0.25, 1.0, -0.5)),
        ],
        "RandomGrayscale": [(f, *_grey(1, 0, 1)), (dict(f, **FIRST), *_grey(1, 0, 1))],
        "RandomInvert": [
            (f, *_inversion(1, 0, 1)),
            (dict(f, **unit), *_inversion(0, 1, 1)),
            (dict(f, **FIRST), *_inversion(1, 0, 1)),
        ],
        "RandomPosterization": [
            ({"factor": 4}, *_posterization(1, 3, 8)),
            (dict(factor=4, **unit), *_posterization(2, 3, 6)),
            (dict(factor=4, **FIRST), *_posterization(1, 3, 8)),
        ],
        "RandomSharpness": [
            (f, *_sharpness(0.0, 0.75, 1.0)),
            (dict(f, **unit), *_sharpness(0.25, 0.75, 1.0)),
            (dict(f, **FIRST), *_sharpness(0.0, 0.75, 1.0)),
        ],
        "RandomGaussianBlur": [
            (dict(f, kernel_size=(3, 5)), *_blur((1, 0, 1), (0.5, 1.0))),
            (dict(f, kernel_size=(3, 3), **unit), *_blur((1, 1, 1), (1.0, 1e-6))),
            (dict(f, kernel_size=(5, 3), **FIRST), *_blur((1, 0, 1), (0.9, 0.4))),
        ],
        "Solarization": [
            ({}, *_solarization((0, 20, 90), (0, 128, 200))),
            (unit, *_solarization((0, 20, 90), (0, 128, 200))),
            (both, *_solarization((0, 20, 90), (0, 128, 200))),
            (FIRST, *_solarization((0, 20, 90), (0, 128, 200))),
        ],
        "AutoContrast": [({}, *nothing), (unit, *nothing), (both, *nothing)],
        "Equalization": [
            ({"bins": 256}, *nothing),
            (dict(bins=16, **unit), *nothing),
            (dict(bins=64, **FIRST), *nothing),
        ],
        "ContrastLimitedAdaptiveHistogramEqualization": [
            (clahe, *nothing),
            (dict(clahe, clip_limit=0.0, **unit), *nothing),
            ({"clip_limit": 9.0}, *nothing),
            (dict(clahe, **FIRST), *nothing),
        ],
    }


def images(kind, place, arguments):
    """A batch in the range and the format of a layer; one channel of one image has one value."""
    rng = np.random.RandomState(zlib.crc32(f"{kind} {place}".encode()))
    found = rng.randint(20, 231, SHAPE).astype("float32")
    found[1, :, :, 2] = 77
    low, high = arguments.get("value_range", (0, 255))
    found = (low + found / 255 * (high - low)).astype("float32") if high != 255 else found
    return found.transpose(0, 3, 1, 2) if "data_format" in arguments else found


def main():
    import keras

    arrays = {}
    for kind, listed in cases().items():
        for place, (arguments, given, _) in enumerate(listed):
            options = dict(arguments)
            if kind == "RandomGaussianBlur":  # it takes the width first, against its documents
                options["kernel_size"] = options["kernel_size"][::-1]
            layer = getattr(keras.layers, kind)(**options)
            batch = keras.ops.convert_to_tensor(images(kind, place, arguments))
            if kind == "Equalization":  # it ranks all images of a batch together
                parts = [layer(one, training=True) for one in batch]
                result = np.stack([np.asarray(part) for part in parts])
            else:
                result = np.asarray(layer.transform_images(batch, given, training=True))
            arrays[f"{kind}_{place}"] = result
            print(kind, place, result.min(), result.max())
    folder = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")
    np.savez_compressed(os.path.join(folder, "colour_keras3.npz"), **arrays)


if __name__ == "__main__":
    main()
