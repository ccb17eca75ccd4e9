"""Pooling against a loop over windows; gradients go where the definition says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.ops.global_pool import global_average_pool, global_max_pool
from lamina.ops.pool import (
    average_pool,
    max_pool,
    pool_output_size,
)

rng = np.random.default_rng(3)


def windows(sizes, window, strides, padding):
    """Output place, and the slices of the input that its window covers."""
    outs, lows = [], []
    for n, w, s in zip(sizes, window, strides, strict=True):
        out = -(-n // s) if padding == "same" else (n - w) // s + 1
        total = max((out - 1) * s + w - n, 0) if padding == "same" else 0
        outs.append(out)
        lows.append(total // 2)
    for place in np.ndindex(*outs):
        yield (
            place,
            tuple(
                slice(max(p * s - low, 0), min(p * s - low + w, n))
                for p, s, low, w, n in zip(place, strides, lows, window, sizes, strict=True)
            ),
        )


def slow_pool(kind, x, window, strides, padding, weights=None):
    """Result, channels last; with weights the gradient of ``vdot(result, weights)``."""
    rank = x.ndim - 2
    found = list(windows(x.shape[1:-1], window, strides, padding))
    outs = tuple(last + 1 for last in found[-1][0])
    result = np.zeros((len(x), *outs, x.shape[-1]))
    gradient = np.zeros_like(x)
    for place, cut in found:
        for b, c in np.ndindex(len(x), x.shape[-1]):
            cells = x[(b, *cut, c)]
            result[(b, *place, c)] = cells.max() if kind is max_pool else cells.mean()
            if weights is None:
                continue
            weight = weights[(b, *place, c)]
            if kind is average_pool:
                gradient[(b, *cut, c)] += weight / cells.size
            else:
                first = np.unravel_index(np.argmax(cells), cells.shape)
                at = tuple(cut[a].start + first[a] for a in range(rank))
                gradient[(b, *at, c)] += weight
    return result, gradient


def check(kind, x, window, strides, padding):
    result, _ = slow_pool(kind, x, window, strides, padding)
    weights = rng.standard_normal(result.shape)
    _, expected = slow_pool(kind, x, window, strides, padding, weights)
    with jax.enable_x64(True):

        def last(x):
            y = kind(x, window, strides, padding)
            return jnp.vdot(y, weights), y

        def first(x):
            y = kind(jnp.moveaxis(x, -1, 1), window, strides, padding, "channels_first")
            y = jnp.moveaxis(y, 1, -1)
            return jnp.vdot(y, weights), y

        for function in last, first:
            gradient, y = jax.jit(jax.grad(function, has_aux=True))(jnp.asarray(x))
            np.testing.assert_allclose(y, result, atol=1e-12)
            np.testing.assert_allclose(gradient, expected, atol=1e-12)


CASES = [
    ((2, 11, 3), (2,), (2,)),
    ((2, 11, 3), (3,), (2,)),
    ((2, 11, 3), (2,), (3,)),
    ((2, 41, 3), (20,), (20,)),
    ((2, 41, 2), (20,), (7,)),
    ((2, 7, 6, 3), (2, 2), (2, 2)),
    ((2, 7, 9, 3), (2, 3), (2, 3)),
    ((2, 7, 6, 3), (3, 3), (2, 1)),
    ((2, 7, 6, 3), (2, 3), (3, 3)),
    ((2, 7, 6, 2), (5, 4), (5, 4)),
    ((1, 5, 6, 7, 2), (2, 2, 2), (2, 2, 2)),
    ((1, 5, 6, 7, 2), (2, 3, 2), (1, 2, 3)),
]


@pytest.mark.parametrize("kind", [max_pool, average_pool])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("shape", "window", "strides"), CASES)
def test_pool_and_gradient(kind, padding, shape, window, strides):
    check(kind, rng.standard_normal(shape), window, strides, padding)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("window", "strides"),
    [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((3, 2), (1, 1)), ((5, 4), (5, 4))],
)
def test_of_equal_maxima_the_first_gets_the_gradient(padding, window, strides):
    x = rng.integers(0, 2, (2, 9, 8, 3)).astype(float)
    check(max_pool, x, window, strides, padding)


def test_long_windows_break_ties_likewise():
    check(max_pool, rng.integers(0, 2, (2, 51, 3)).astype(float), (17,), (17,), "valid")


@settings(max_examples=12, deadline=None)
@given(
    kind=st.sampled_from([max_pool, average_pool]),
    size=st.integers(1, 12),
    window=st.integers(1, 5),
    stride=st.integers(1, 5),
    padding=st.sampled_from(["valid", "same"]),
)
def test_any_geometry(kind, size, window, stride, padding):
    x = rng.standard_normal((2, size, 3))
    out = pool_output_size(size, window, stride, padding=padding)
    assert out is not None
    if out < 1:
        with pytest.raises(ValueError, match=rf"a window of {window} does not fit axis 1"):
            kind(x, (window,), (stride,), padding)
        return
    check(kind, x, (window,), (stride,), padding)


def test_no_select_and_scatter_in_the_gradient():
    for window, strides in [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((20, 20), (20, 20))]:

        def total(x, window=window, strides=strides):
            return jnp.sum(max_pool(x, window, strides, "same"))

        text = str(jax.make_jaxpr(jax.grad(total))(jnp.ones((1, 40, 40, 1))))
        assert "scatter" not in text


def test_integers_and_low_values():
    x = jnp.array([[[-5], [-7], [-9]]])
    assert max_pool(x, (2,), (2,), "same").ravel().tolist() == [-5, -9]
    assert average_pool(x, (2,), (2,), "same").ravel().tolist() == [-6.0, -9.0]
    assert average_pool(x, (2,), (2,), "same").dtype == jnp.float32


def test_not_a_number_is_not_hidden():
    x = jnp.array([[[1.0], [jnp.nan], [2.0], [3.0]]])
    assert np.isnan(max_pool(x, (2,), (2,)).ravel()).tolist() == [True, False]


def test_half_precision_stays():
    x = jnp.ones((1, 5, 4, 2), jnp.bfloat16)
    for kind in max_pool, average_pool:
        assert kind(x, (3, 2), (2, 2), "same").dtype == jnp.bfloat16


def test_second_derivatives():
    x = jnp.asarray(rng.standard_normal((1, 6, 1)), jnp.float32)
    hessian = jax.hessian(lambda x: jnp.sum(max_pool(x, (2,), (2,)) ** 2))(x).reshape(6, 6)
    expected = np.zeros((6, 6))
    for start in 0, 2, 4:
        at = start + int(np.argmax(x[0, start : start + 2, 0]))
        expected[at, at] = 2
    np.testing.assert_array_equal(hessian, expected)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 5, 4, 3), (2, 5, 4, 6, 3)])
def test_global(data_format, keepdims, shape):
    x = rng.standard_normal(shape).astype("f")
    axes = tuple(range(1, len(shape) - 1))
    if data_format == "channels_first":
        axes = tuple(a + 1 for a in axes)
    for ours, numpy in (global_max_pool, np.max), (global_average_pool, np.mean):
        y = ours(x, data_format=data_format, keepdims=keepdims)
        np.testing.assert_allclose(y, numpy(x, axis=axes, keepdims=keepdims), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", [(2, 4, 4, 3), (2, 5, 7, 3), (2, 3, 5, 4, 3)])
def test_global_in_parts(shape, keepdims):
    with jax.enable_x64(True):
        x = np.round(2 * rng.standard_normal(shape)) / 2  # with equal maxima
        axes = tuple(range(1, len(shape) - 1))
        best, weights = x.max(axes, keepdims=True), rng.standard_normal((2, 3))
        spread = weights.reshape(2, *[1] * len(axes), 3)

        def total(pool):
            return lambda x: (pool(x, keepdims=keepdims).reshape(2, 3) * weights).sum()

        here = x == best
        expected = spread * here / here.sum(axes, keepdims=True)
        found = jax.grad(total(global_max_pool))(x)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        assert (here.sum(axes) > 1).any()
        found = jax.grad(total(global_average_pool))(x)
        expected = np.broadcast_to(spread / np.prod(shape[1:-1]), shape)
        np.testing.assert_allclose(found, expected, atol=1e-12)
        along = rng.standard_normal(shape)
        along = jax.jvp(global_average_pool, (x,), (along,))[1], along.mean(axes)
        np.testing.assert_allclose(*along, atol=1e-12)


@pytest.mark.parametrize("pool", [global_max_pool, global_average_pool])
def test_global_of_nothing_and_of_unknown_sizes(pool):
    assert pool(jnp.zeros((0, 4, 5, 3))).shape == (0, 3)
    assert pool(jnp.zeros((2, 4, 5, 0))).shape == (2, 0)
    rows, size = jax.export.symbolic_shape("b, s")
    shaped = jax.ShapeDtypeStruct((rows, size, size, 3), "float32")
    exported = jax.export.export(jax.jit(pool))(shaped)
    assert str(exported.out_avals[0].shape) == "(b, 3)"


def test_the_global_maximum_of_not_a_number():
    x = rng.standard_normal((2, 5, 7, 3))
    x[1, 4, 6, 2] = np.nan  # in what is left over by the parts
    np.testing.assert_array_equal(np.isnan(global_max_pool(x)), [[0, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_masked_mean(data_format, keepdims):
    x = rng.standard_normal((3, 5, 4)).astype("f")
    mask = np.array([[1, 1, 0, 0, 1], [0, 1, 0, 0, 0], [1, 1, 1, 1, 1]], bool)
    expected = np.stack([x[b][mask[b]].mean(0) for b in range(3)])
    given = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    y = global_average_pool(given, data_format, mask, keepdims)
    assert y.ndim == (3 if keepdims else 2)
    np.testing.assert_allclose(y.reshape(3, 4), expected, rtol=1e-5)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"mask must have shape \(batch, steps\), got \(3, 4\)"):
        global_average_pool(jnp.ones((3, 5, 4)), mask=jnp.ones((3, 4), bool))
