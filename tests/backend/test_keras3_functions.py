"""Functions of ``lamina.ops`` in graphs and compiled code, their gradients and their errors."""

import os
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.ndimage
import scipy.signal

from lamina import backend as K
from lamina import ops as functions

ops: Any = functions
RNG = np.random.default_rng(8)
SQUARE = RNG.normal(size=(2, 3, 3)).astype("f")
DEFINITE = SQUARE @ SQUARE.swapaxes(1, 2) + np.eye(3, dtype="f")
PIXELS = RNG.uniform(size=(2, 6, 5, 3)).astype("f")


def close(found, wanted):
    assert np.shape(found) == np.shape(wanted)
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=3e-4, atol=3e-5)


def test_importing_lamina_loads_no_functions_of_keras3():
    code = "import sys, lamina; sys.exit('lamina.backend.keras3' in sys.modules)"
    path = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})


# Against definitions: what has no value of its own, such as the signs of eigenvectors.
def test_factors_multiply_to_the_matrix():
    wide = RNG.normal(size=(3, 4)).astype("f")
    q, r = ops.qr(wide.T)
    close(q @ r, wide.T)
    assert [part.shape for part in ops.qr(wide.T, mode="complete")] == [(4, 4), (4, 3)]
    u, s, vh = ops.svd(wide, full_matrices=False)
    close(u * np.asarray(s)[None] @ vh, wide)
    values, vectors = ops.eigh(DEFINITE)
    close(vectors * np.asarray(values)[:, None] @ np.swapaxes(vectors, 1, 2), DEFINITE)
    values, vectors = ops.eig(SQUARE[0])
    close(SQUARE[0] @ np.asarray(vectors), np.asarray(vectors) * np.asarray(values)[None])
    factors, pivots = ops.lu_factor(SQUARE[0])
    close(scipy.linalg.lu_solve((np.asarray(factors), np.asarray(pivots)), np.ones(3)),
          np.linalg.solve(SQUARE[0], np.ones(3)))  # fmt: skip


def test_stacks_of_vectors_are_solved():
    b = RNG.normal(size=(2, 3)).astype("f")
    close(ops.solve(DEFINITE, b), np.linalg.solve(DEFINITE, b[..., None])[..., 0])
    wanted = np.stack([scipy.linalg.solve_triangular(*pair) for pair in zip(DEFINITE, b)])  # noqa: B905
    close(ops.solve_triangular(DEFINITE, b), wanted)
    close(ops.cholesky_inverse(np.linalg.cholesky(DEFINITE)), np.linalg.inv(DEFINITE))


@pytest.mark.parametrize("window", ["hann", None])
def test_istft_undoes_stft(window):
    x = RNG.normal(size=(2, 24)).astype("f")
    parts = ops.stft(x, 6, 3, 8, window=window)
    close(ops.istft(parts, 6, 3, 8, window=window), x)
    frame = np.pad(x, ((0, 0), (4, 4)), "reflect")[:, 3:11]
    weights = np.ones(6) if window is None else scipy.signal.get_window(window, 6)
    close(parts[0][:, 1], np.fft.rfft(frame * np.pad(weights, 1)).real)


def test_fold_is_the_transpose_of_unfold():
    x = RNG.normal(size=(1, 2, 5, 4)).astype("f")
    steps = {"kernel_size": (2, 3), "padding": 1, "stride": 2}
    blocks = ops.unfold(x, **steps)
    other = RNG.normal(size=blocks.shape).astype("f")
    folded = ops.fold(other, (5, 4), **steps)
    close(np.sum(np.asarray(folded) * x), np.sum(np.asarray(blocks) * other))


def test_partition_and_order():
    x = RNG.permutation(9)
    order = np.asarray(ops.argpartition(x, 4))
    assert set(x[order[:4]]) == {0, 1, 2, 3}
    assert x[order[4]] == 4


DIFFERENTIABLE: dict[str, tuple[Any, Any]] = {
    "cholesky": (lambda x: ops.cholesky(x)[..., 1, 0], DEFINITE),
    "solve": (lambda x: ops.solve(x, np.ones((2, 3), "f")), DEFINITE),
    "slogdet": (lambda x: ops.slogdet(x)[1], DEFINITE),
    "inv": (ops.inv, DEFINITE),
    "svd": (lambda x: ops.svd(x, compute_uv=False), DEFINITE),
    "cdist": (lambda x: ops.cdist(x, SQUARE), DEFINITE),
    "rfft": (lambda x: ops.rfft(x)[1], DEFINITE),
    "fold": (lambda x: ops.fold(x, (2, 2), 1, padding=0), RNG.normal(size=(1, 2, 4)).astype("f")),
    "adaptive_average_pool": (lambda x: ops.adaptive_average_pool(x, 2), PIXELS),
    "resize": (lambda x: ops.image.resize(x, (4, 7)), PIXELS),
    "gaussian_blur": (ops.image.gaussian_blur, PIXELS),
    "trapezoid": (ops.trapezoid, DEFINITE),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_are_those_of_differences(name):
    function, x = DIFFERENTIABLE[name]
    weights = RNG.normal(size=np.shape(function(x))).astype("f")

    def loss(x: Any) -> Any:
        return jnp.sum(function(x) * weights)

    toward = RNG.normal(size=x.shape).astype("f")
    # Functions of symmetric matrices see the symmetric part of a change.
    toward = (toward + toward.swapaxes(-1, -2)) / 2 if name == "cholesky" else toward
    step = 1e-2
    difference = (loss(x + step * toward) - loss(x - step * toward)) / (2 * step)
    slope = np.sum(np.asarray(jax.grad(loss)(x)) * toward)
    np.testing.assert_allclose(slope, difference, rtol=0.03, atol=0.02)


def test_the_distance_of_a_point_to_itself_has_gradient_0():
    assert np.all(np.isfinite(jax.grad(lambda x: ops.cdist(x, x).sum())(SQUARE[0])))


OPEN: list[tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = [
    (ops.cholesky, (None, 3, 3), (None, 3, 3)),
    (lambda x: ops.svd(x)[0], (None, 3, 4), (None, 3, 3)),
    (lambda x: ops.stft(x, 4, 2, 6)[0], (None, 20), (None, 11, 4)),
    (lambda x: ops.extract_sequences(x, 4, 2), (3, None), (3, None, 4)),
    (lambda x: ops.unfold(x, 2), (None, 3, 4, 5), (None, 12, 12)),
    (lambda x: ops.adaptive_max_pool(x, 2), (2, None, None, 3), (2, 2, 2, 3)),
    (lambda x: ops.depth_to_space(x, 2), (None, None, 4, 8), (None, None, 8, 2)),
    (lambda x: ops.rearrange(x, "b (h k) c -> b h (k c)", k=2), (None, 4, 3), (None, 2, 6)),
    (lambda x: ops.unique(x, size=4), (None,), (4,)),
    (lambda x: ops.percentile(x, 30, axis=1), (None, 5), (None,)),
    (lambda x: ops.image.resize(x, (4, 2)), (None, None, None, 3), (None, 4, 2, 3)),
    (lambda x: ops.image.extract_patches(x, 2), (None, 6, 4, 3), (None, 3, 2, 12)),
    (lambda x: ops.image.elastic_transform(x, 0.0), (None, 6, 5, 3), (None, 6, 5, 3)),
    (lambda x: ops.scan(lambda c, y: (c + y, c), jnp.zeros(3), x)[1], (4, 3), (4, 3)),
    (lambda x: ops.associative_scan(lambda a, b: a + b, x), (None, 3), (None, 3)),
    (lambda x: ops.vectorized_map(ops.sum, x), (None, 3), (None,)),
    (lambda x: ops.fori_loop(0, 3, lambda i, v: v * 2.0, x), (None, 3), (None, 3)),
    (lambda x: ops.while_loop(lambda v: ops.sum(v) < 9, lambda v: v + 1, x), (2, 3), (2, 3)),
    (lambda x: ops.switch(x.shape[0] * 0, [ops.sin, ops.cos], x), (2, 3), (2, 3)),
]


@pytest.mark.parametrize("place", range(len(OPEN)))
def test_open_shapes_in_a_graph(place):
    function, given, wanted = OPEN[place]
    x = K.placeholder(given, dtype="int32" if given == (None,) else "float32")
    y = function(x)
    assert y.shape == wanted
    data = RNG.uniform(size=[4 if n is None else n for n in given]).astype(x.dtype)
    data = data @ data.swapaxes(1, 2) + np.eye(3, dtype="f") if place == 0 else data
    close(K.function([x], [y])([data])[0], np.asarray(function(data)))


def test_the_number_of_values_of_a_symbolic_tensor():
    x = K.placeholder((None, 3))
    assert K.function([x], [ops.size(x)])([np.ones((4, 3))])[0] == 12


UNKNOWN = {
    "nonzero": (ops.nonzero, r"ops.nonzero: how many values are not 0 depends on .*ops.where"),
    "where": (ops.where, r"ops.nonzero: how many values"),
    "unique": (ops.unique, r"ops.unique: how many values .* size=n"),
    "bincount": (ops.bincount, r"ops.bincount: the largest number.*ops.one_hot"),
    "segment_sum": (lambda x: ops.segment_sum(x, x), r"the number of segments .*num_segments"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_values_give_no_shape(name):
    function, text = UNKNOWN[name]
    with pytest.raises(TypeError, match=text):
        function(K.placeholder((5,), dtype="int32"))
    with pytest.raises(TypeError, match=text):
        jax.jit(function)(np.arange(5))


def test_functions_of_functions():
    assert float(ops.switch(2, [ops.sin, ops.cos, ops.square], 3.0)) == 9
    compiled = jax.jit(lambda i: ops.switch(i, [ops.sin, ops.square], jnp.float32(3)))
    assert float(compiled(1)) == 9
    assert float(compiled(7)) == 9
    value, slope, rest = ops.jvp(lambda x: (x * x, x + 1), (3.0,), (2,), has_aux=True)
    assert (float(value), float(slope), float(rest)) == (9, 12, 4)
    close(ops.associative_scan(ops.maximum, np.array([1, 3, 2]), reverse=True), [3, 3, 2])
    product = ops.vectorize(lambda a, b: a @ b, signature="(m,n),(n)->(m)")
    close(product(SQUARE, np.ones(3, "f")), SQUARE @ np.ones(3, "f"))
    power = ops.vectorize(lambda x, n: x**n, excluded={1})
    close(power(np.arange(4.0), 2), np.arange(4.0) ** 2)


def test_custom_gradients_hold_in_graphs_too():
    @ops.custom_gradient
    def tripled(x):
        return x * 2, lambda upstream: upstream * 3

    x = K.placeholder((2,))
    y = tripled(x)
    assert K.function([x], K.gradients(ops.sum(y), [x]))([np.ones(2)])[0].tolist() == [3, 3]


def test_the_soft_cap_bounds_products():
    q, k, v = RNG.normal(size=(3, 2, 4, 3, 5)).astype("f")
    plain = ops.dot_product_attention(q, k, v, is_causal=True)
    close(ops.dot_product_attention(q, k, v, is_causal=True, attn_logits_soft_cap=1e4), plain)
    even = ops.dot_product_attention(q, k, v, attn_logits_soft_cap=1e-6)
    close(even, np.broadcast_to(v.mean(1, keepdims=True), v.shape))


def test_a_batch_of_perspectives_is_each_of_them():
    corners = np.array([[0, 0], [0, 5], [4, 0], [4, 5]], "f")
    ends = corners + RNG.normal(size=(2, 4, 2)).astype("f") / 3
    both = ops.image.perspective_transform(PIXELS, np.stack([corners] * 2), ends)
    each = [ops.image.perspective_transform(PIXELS[i], corners, ends[i]) for i in (0, 1)]
    close(both, np.stack(each))


def test_projections_divide_by_the_depth():
    # Keras 3 on JAX leaves c0 and c1 to TensorFlow; a perspective is an affine transform with them.
    numbers = np.array([1.1, 0.2, 0.3, 0.1, 0.9, 0.5, 0.02, 0.05], "f")
    ramp = 10 * np.arange(6.0)[:, None, None] + np.arange(5.0)[None, :, None]
    moved = ops.image.affine_transform(ramp.astype("f"), numbers)
    x, y = 2, 3
    depth = 0.02 * x + 0.05 * y + 1
    row, column = (0.1 * x + 0.9 * y + 0.5) / depth, (1.1 * x + 0.2 * y + 0.3) / depth
    close(moved[y, x], [10 * row + column])


@pytest.mark.parametrize("size", [(3, 5), (1, 3)])
def test_blurs_have_windows_with_sides_of_their_own(size):
    # Keras 3.15 on JAX gives other values for these; those here are the definition's.
    sides = [np.exp(-0.5 * ((np.arange(n) - n // 2) / s) ** 2) for n, s in zip(size, (0.8, 1.5))]  # noqa: B905
    window = np.outer(*(side / side.sum() for side in sides))
    wanted = scipy.ndimage.correlate(PIXELS, window[None, :, :, None], mode="constant")
    close(ops.image.gaussian_blur(PIXELS, size, (0.8, 1.5)), wanted)


def test_elastic_shifts_are_smooth_and_follow_the_seed():
    places = np.stack(np.meshgrid(np.arange(48.0), np.arange(52.0), indexing="ij"), -1)
    ramps = np.broadcast_to(places.astype("f"), (9, 48, 52, 2))
    moved = ops.image.elastic_transform(ramps, 4.0, 3.0, seed=1)
    close(ops.image.elastic_transform(ramps, 4.0, 3.0, seed=1), np.asarray(moved))
    assert not np.allclose(ops.image.elastic_transform(ramps, 4.0, 3.0, seed=2), moved)
    shift = np.asarray(moved - ramps)[:, 12:-12, 12:-12]
    # Normal noise of deviation s, smoothed by a window of that width, has 1 / (2 sqrt(pi)) left;
    # Keras 3.15 gives 1.01 on the whole.
    np.testing.assert_allclose(shift.std((0, 1, 2)), 4.0 / (2 * np.sqrt(np.pi)), rtol=0.25)
    assert abs(np.corrcoef(shift[..., 0].ravel(), shift[..., 1].ravel())[0, 1]) < 0.4
    assert np.abs(np.diff(shift, axis=2)).max() < 0.6 * np.abs(shift).max()


WRONG: list[tuple[Any, type[Exception], str]] = [
    (lambda: ops.cholesky(-np.eye(3)), ValueError, "not positive definite"),
    (lambda: ops.inv(np.ones((2, 3))), ValueError, r"ops.inv: x must hold square .*\(2, 3\)"),
    (lambda: ops.solve(np.eye(3), np.ones(2)), ValueError, r"b must hold vectors .*\(2,\)"),
    (lambda: ops.lstsq(np.ones((3, 2)), np.ones(2)), ValueError, r"b of shape \(m,\)"),
    (lambda: ops.qr(np.eye(2), "raw"), ValueError, "mode must be 'reduced' or 'complete'"),
    (lambda: ops.cdist(np.ones((2, 3)), np.ones((2, 4))), ValueError, "must have one size"),
    (lambda: ops.cross(np.ones(4), np.ones(4)), ValueError, "must have 2 or 3 parts"),
    (lambda: ops.correlate([1.0], [1.0], "all"), ValueError, "got 'all'"),
    (lambda: ops.fft(np.ones(3)), ValueError, r"pair \(real part, imaginary part\)"),
    (lambda: ops.fft((np.ones(3), np.ones(2))), ValueError, "must have one shape"),
    (lambda: ops.stft(np.ones(9), 4, 0, 4), ValueError, "sequence_stride must be an int"),
    (lambda: ops.stft(np.ones(9), 4, 2, 3), ValueError, "fft_length must not be less"),
    (lambda: ops.stft(np.ones(9), 4, 2, 4, "box"), ValueError, "'hann', 'hamming', an array"),
    (lambda: ops.stft(np.ones(2), 4, 2, 4), ValueError, "cannot be mirrored"),
    (lambda: ops.extract_sequences(np.ones(3), 4, 1), ValueError, "do not fit"),
    (lambda: ops.hamming(2.5), ValueError, "ops.hamming: x must be an int"),
    (lambda: ops.view_as_complex(np.ones(3)), ValueError, "must have 2 values"),
    (lambda: ops.view(np.ones(3, "uint8"), "int32"), ValueError, "no whole number of values"),
    (lambda: ops.select([True], []), ValueError, "0 choices and 1 conditions"),
    (lambda: ops.histogram(np.ones(3), 0), ValueError, "bins must be a positive int"),
    (lambda: ops.segment_min(np.ones(3), [0, 1]), ValueError, "an id for each slice"),
    (lambda: ops.top_k(np.ones(3), 4), ValueError, "has no 4 values"),
    (lambda: ops.geomspace(-1, 1), ValueError, "must have one sign"),
    (lambda: ops.hsplit(np.ones((2, 3)), 2), ValueError, "ops.array_split"),
    (lambda: ops.dsplit(np.ones((2, 3)), 1), ValueError, "at least 3 axes"),
    (lambda: ops.ldexp(1.0, 2.0), TypeError, "integer dtype"),
    (lambda: ops.scatter_update(np.ones(2), [[0]], [1.0], "avg"), ValueError, "got 'avg'"),
    (lambda: ops.one_hot([1], 2, sparse=True), ValueError, "sparse=True is not supported"),
    (lambda: ops.multi_hot([1]), ValueError, "num_classes must be given"),
    (lambda: ops.multi_hot([1], 2, classes=3), TypeError, "no argument 'classes'"),
    (lambda: ops.layer_normalization([1.0], rms_scaling=True), ValueError, "rms_normalization"),
    (lambda: ops.unfold(np.ones((3, 4, 5)), 2), ValueError, "expected .batch, channels"),
    (lambda: ops.unfold(np.ones((1, 1, 2, 2)), 3), ValueError, "do not fit into an axis of 2"),
    (lambda: ops.fold(np.ones((1, 4, 3)), 3, 2), ValueError, r"channels \* 4, 4"),
    (lambda: ops.depth_to_space(np.ones((1, 2, 2, 3)), 2), ValueError, "3 channels do not"),
    (lambda: ops.space_to_depth(np.ones((1, 3, 2, 3)), 2), ValueError, "cannot be cut"),
    (lambda: ops.adaptive_max_pool(PIXELS, (1, 2, 3)), ValueError, "an int or 2 ints"),
    (lambda: ops.psnr(np.ones(2), np.ones(3), 1), ValueError, "must have one shape"),
    (lambda: ops.rearrange(np.ones(3), "a b"), ValueError, "'a b -> b a'"),
    (lambda: ops.rearrange(np.ones(3), "a -> b"), ValueError, "same names on both sides"),
    (lambda: ops.rearrange(np.ones(3), "(a -> a"), ValueError, "cannot be read"),
    (lambda: ops.rearrange(np.ones(3), "(a b) -> a b", a=2), ValueError, "cannot be cut into"),
    (lambda: ops.rearrange(np.ones(3), "a -> a", z=2), ValueError, "are no axes of"),
    (lambda: ops.ctc_decode(PIXELS[0], [6] * 6, "best"), ValueError, "got 'best'"),
    (lambda: ops.ctc_decode(PIXELS[0], [6] * 6, mask_index=3), ValueError, "one of 3 classes"),
    (lambda: ops.ctc_decode(PIXELS[0], [6] * 6, "beam_search", 2, 3), ValueError, "top_paths"),
    (lambda: ops.switch(3, [ops.sin], 1.0), ValueError, "from 0 to 0, got 3"),
    (lambda: ops.switch(0.5, [ops.sin], 1.0), ValueError, "integer scalar"),
    (lambda: ops.jvp(ops.sin, (1.0,), ()), ValueError, "got 0 for 1"),
    (lambda: ops.image.resize(PIXELS, 2, "area"), ValueError, "'lanczos5'"),
    (lambda: ops.image.resize(np.ones(3), 2), ValueError, r"3 or 4 axes, got shape \(3,\)"),
    (lambda: ops.image.pad_images(PIXELS, 1, 1), ValueError, "give two of top_padding"),
    (lambda: ops.image.crop_images(PIXELS, 4, 0, 4, 0), ValueError, "do not fit an axis of size 6"),
    (lambda: ops.image.pad_images(PIXELS, -1, 0, 0, 0), ValueError, "top_padding must be an int"),
    (lambda: ops.image.rgb_to_hsv(np.ones((2, 2, 3), "uint8")), ValueError, "divide by 255"),
    (lambda: ops.image.rgb_to_grayscale(np.ones((2, 2, 4))), ValueError, "3 channels, got 4"),
    (lambda: ops.image.map_coordinates(PIXELS[0, 0], [[1.0]], 1), ValueError, "each of 2 axes"),
    (lambda: ops.image.map_coordinates([1.0], [[1.0]], 2), ValueError, "order must be 0 or 1"),
    (lambda: ops.image.affine_transform(PIXELS, np.ones(6)), ValueError, r"\(8,\) or \(batch, 8\)"),
    (lambda: ops.image.ssim(PIXELS, PIXELS), ValueError, "not smaller than filter_size"),
    (lambda: ops.image.gaussian_blur(PIXELS, sigma=0), ValueError, "positive numbers"),
    (lambda: ops.resize, AttributeError, "It is lamina.ops.image.resize"),
    (lambda: ops.linalg.choleski, AttributeError, "lamina.ops.linalg.*Did you mean 'cholesky'"),
]


@pytest.mark.parametrize("place", range(len(WRONG)))
def test_mistakes_are_named(place):
    call, kind, text = WRONG[place]
    with pytest.raises(kind, match=text):
        call()
