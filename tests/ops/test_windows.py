"""Local convolutions, adaptive pooling and what Keras 1 had, against slow NumPy readings."""

# pyright: reportArgumentType=false, reportCallIssue=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from lamina.ops import adaptive, keras1, local

RNG = np.random.default_rng(3)


def noise(*shape):
    return RNG.standard_normal(shape).astype("f")


def slow_local(x, kernel, window, strides):
    """Channels last: a window at each place times a matrix of its own."""
    counts = [(n - w) // s + 1 for n, w, s in zip(x.shape[1:-1], window, strides, strict=True)]
    result = np.zeros((len(x), *counts, kernel.shape[-1]))
    for number, place in enumerate(np.ndindex(*counts)):
        cut = [slice(p * s, p * s + w) for p, s, w in zip(place, strides, window, strict=True)]
        block = x[(slice(None), *cut)].reshape(len(x), -1)
        result[(slice(None), *place)] = block @ kernel[number]
    return result


LOCAL = [
    ((2, 7, 3), (3,), (1,)),
    ((2, 8, 3), (2,), (3,)),
    ((2, 5, 6, 3), (2, 3), (1, 2)),
    ((1, 4, 5, 2), (3, 1), (1, 4)),
]


def local_case(shape, window, strides, outputs=4):
    counts = [(n - w) // s + 1 for n, w, s in zip(shape[1:-1], window, strides, strict=True)]
    kernel = noise(np.prod(counts), np.prod(window) * shape[-1], outputs)
    return noise(*shape), kernel, counts


@pytest.mark.parametrize(("shape", "window", "strides"), LOCAL)
def test_local_conv_is_a_product_at_each_place(shape, window, strides):
    x, kernel, _ = local_case(shape, window, strides)
    expected = slow_local(x, kernel, window, strides)
    found = local.local_conv(x, kernel, window=window, strides=strides)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # With the channels first the values of a window are in the order of the input, too.
    cells = kernel.reshape(len(kernel), -1, shape[-1], kernel.shape[-1])
    turned = np.swapaxes(cells, 1, 2).reshape(kernel.shape)
    options = {"window": window, "strides": strides, "data_format": "channels_first"}
    first = local.local_conv(np.moveaxis(x, -1, 1), turned, **options)
    np.testing.assert_allclose(first, np.moveaxis(expected, -1, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("shape", "window", "strides"), LOCAL)
def test_the_forms_of_local_weights_compute_the_same(shape, window, strides):
    x, kernel, counts = local_case(shape, window, strides)
    expected = slow_local(x, kernel, window, strides)
    whole = noise(*shape[1:], *counts, 4)  # what is not below a window does not count
    for number, place in enumerate(np.ndindex(*counts)):
        cut = [slice(p * s, p * s + w) for p, s, w in zip(place, strides, window, strict=True)]
        block = kernel[number].reshape(*window, shape[-1], 4)
        whole[(*cut, slice(None), *place)] = block
    options = {"window": window, "strides": strides, "padding": "valid"}
    matrix = local.masked_matrix(x, whole, **options)
    np.testing.assert_allclose(matrix, expected, rtol=1e-4, atol=1e-5)
    sizes = shape[1:-1]
    pairs = local.connections(sizes, window, strides, "valid", (shape[-1], 4), "channels_last")
    outputs = int(np.prod(counts)) * 4
    flat = whole.reshape(-1, outputs)
    weights = flat[pairs[1], pairs[0]]
    assert weights.size == kernel.size
    assert (np.diff(pairs[0] * flat.shape[0] + pairs[1]) > 0).all()
    sparse = local.sparse_matrix(x.reshape(len(x), -1), weights, pairs, outputs)
    np.testing.assert_allclose(sparse.reshape(matrix.shape), expected, rtol=1e-4, atol=1e-5)


def test_gradients_of_local_weights():
    with jax.enable_x64(True):
        x, kernel = jnp.asarray(noise(2, 5, 4, 2), "float64"), jnp.asarray(noise(12, 8, 3), "f8")

        def run(x, kernel):
            return local.local_conv(x, kernel, window=(2, 2), strides=(1, 1))

        check_grads(run, (x, kernel), 1, ["rev"])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.sampled_from(["valid", "same"]))
def test_connected_places_lie_below_the_window(size, window, stride, padding):
    if padding == "valid" and window > size:
        return
    seen = local.connected((size,), (window,), (stride,), padding)
    for place in range(seen.shape[1]):
        start = place * stride - (window // 2 if padding == "same" else 0)
        inside = [cell for cell in range(size) if start <= cell < start + window]
        assert np.flatnonzero(seen[:, place]).tolist() == inside


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="5 places with 6 values"):
        local.local_conv(noise(1, 7, 2), noise(4, 6, 3), window=(3,), strides=(1,))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.booleans())
def test_adaptive_windows(size, count, largest, first):
    x = RNG.standard_normal((2, size, 3)).astype("f")
    expected = np.zeros((2, count, 3))
    for place in range(count):
        block = x[:, place * size // count : -(-(place + 1) * size // count)]
        expected[:, place] = block.max(1) if largest else block.mean(1)
    pooled = adaptive.adaptive_max_pool if largest else adaptive.adaptive_average_pool
    if first:
        found = np.moveaxis(pooled(np.moveaxis(x, -1, 1), (count,), "channels_first"), 1, -1)
    else:
        found = pooled(x, (count,))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_s_relu_has_two_bends():
    x, weights = noise(6, 5), [noise(6, 5) for _ in range(4)]
    t_left, a_left, t_right, a_right = weights
    right = t_left + np.abs(t_right)
    expected = np.where(x < t_left, t_left + a_left * (x - t_left), x)
    expected = np.where(x > right, right + a_right * (x - right), expected)
    found = keras1.s_relu(*map(jnp.asarray, (x, *weights)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_highway_mixes_by_its_gate():
    x, kernel, carry, b, c = noise(4, 3), noise(3, 3), noise(3, 3), noise(3), noise(3)
    gate = 1 / (1 + np.exp(-(x @ carry + c)))
    expected = gate * np.tanh(x @ kernel + b) + (1 - gate) * x
    arrays = [jnp.asarray(a) for a in (x, kernel, carry)]
    found = keras1.highway(*arrays, (jnp.asarray(b), jnp.asarray(c)), jnp.tanh)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_maxout_takes_the_largest_product():
    x, kernel, bias = noise(4, 3), noise(2, 3, 5), noise(2, 5)
    expected = np.max([x @ kernel[k] + bias[k] for k in range(2)], axis=0)
    found = keras1.maxout(*map(jnp.asarray, (x, kernel, bias)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_connections_serve_32_bits_and_then_64():
    """Their arrays are kept, and JAX keeps by the array what it made of it."""

    pairs = local.connections((7,), (3,), (2,), "valid", (2, 3), "channels_last")

    def total(x):
        kernel = jnp.arange(len(pairs[0]), dtype=x.dtype)
        return (local.sparse_matrix(x, kernel, pairs, 9) ** 2).sum()

    x = noise(2, 14)
    value = jax.jit(total)(x)
    with jax.enable_x64(True):
        again, slope = jax.jit(jax.value_and_grad(total))(x.astype("float64"))
    np.testing.assert_allclose(again, value, rtol=1e-5)
    np.testing.assert_allclose(np.vdot(slope, x), 2 * float(again), rtol=1e-12)
