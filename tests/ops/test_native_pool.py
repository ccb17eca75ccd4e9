"""Pooling by the kernels for CPUs against NumPy."""

import ctypes
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops import library, native_pool
from lamina.ops.global_pool import global_average_pool, global_max_pool
from lamina.ops.pool import average_pool, max_pool

rng = np.random.default_rng(29)

pytestmark = pytest.mark.skipif(not library.fewest(), reason="lamina was built without kernels")


def noise(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, "float32")


def is_called(function: Any, *arrays: Any) -> bool:
    return "custom_call @lamina_pool(" in jax.jit(function).lower(*arrays).as_text()


def slow(x, window, strides, kind):
    """One place after the other, in float64; windows must fit."""
    sizes = [(n - w) // s + 1 for n, w, s in zip(x.shape[1:-1], window, strides, strict=True)]
    y = np.empty((len(x), *sizes, x.shape[-1]))
    for place in np.ndindex(*sizes):
        cells = [slice(p * s, p * s + w) for p, s, w in zip(place, strides, window, strict=True)]
        axes = tuple(range(1, x.ndim - 1))
        y[(slice(None), *place)] = kind(x[(slice(None), *cells)].astype("float64"), axes)
    return y


CASES = [
    ((2, 7, 9, 5), (2, 3), (2, 3)),
    ((2, 7, 9, 5), (3, 2), (1, 2)),
    ((1, 8, 8, 33), (2, 2), (2, 2)),
    ((3, 11, 6, 64), (4, 1), (3, 1)),
    ((2, 25, 24, 70), (3, 3), (2, 2)),
    ((2, 40, 17), (3,), (2,)),
    ((5, 300, 130), (2,), (2,)),
    ((2, 37, 6), (20,), (20,)),
]


@pytest.mark.parametrize(("shape", "window", "strides"), CASES)
def test_windows(shape, window, strides):
    x = noise(*shape)
    largest, means = partial(max_pool, window=window, strides=strides), None
    means = partial(average_pool, window=window, strides=strides)
    # Long windows side by side go another way.
    assert is_called(means, x)
    assert is_called(largest, x)
    np.testing.assert_array_equal(jax.jit(largest)(x), slow(x, window, strides, np.max))
    np.testing.assert_allclose(
        jax.jit(means)(x), slow(x, window, strides, np.mean), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("width", [4, 8, 16])
def test_narrower_vectors(width):
    kernels = ctypes.CDLL(str(Path(library.__file__).parents[1] / "native" / library.LIBRARY))
    x = noise(2, 7, 9, 83)
    try:
        if kernels.lamina_conv_use_widest(width) < width:
            pytest.skip(f"this processor has no vectors of {width}")
        np.testing.assert_array_equal(max_pool(x, (3, 2), (2, 2)), slow(x, (3, 2), (2, 2), np.max))
    finally:
        kernels.lamina_conv_use_widest(16)


@pytest.mark.parametrize("shape", [(2, 5, 7, 6), (3, 40, 17), (1, 398, 250), (2, 3, 4, 5, 8)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_all_places(shape, keepdims):
    x, axes = noise(*shape), tuple(range(1, len(shape) - 1))
    largest = partial(global_max_pool, keepdims=keepdims)
    means = partial(global_average_pool, keepdims=keepdims)
    assert is_called(largest, x)
    # A long axis alone is added up with what comes before it.
    assert is_called(means, x) == (shape != (1, 398, 250))
    np.testing.assert_array_equal(jax.jit(largest)(x), x.max(axes, keepdims=keepdims))
    np.testing.assert_allclose(
        jax.jit(means)(x), x.mean(axes, "float64", keepdims=keepdims), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["max", "mean"])
@pytest.mark.parametrize(("shape", "window", "strides"), CASES)
def test_gradients(shape, window, strides, kind):
    """Numbers differ, so that the largest one is known, and no step leads past another."""
    x = (rng.permutation(np.prod(shape)).reshape(shape) / 100).astype("float32")
    pool = {"max": max_pool, "mean": average_pool}[kind]
    y = slow(x, window, strides, {"max": np.max, "mean": np.mean}[kind])
    weights, expected = noise(*y.shape), np.zeros(shape)
    for place in np.ndindex(*y.shape[1:-1]):
        cells = tuple(
            slice(p * s, p * s + w) for p, s, w in zip(place, strides, window, strict=True)
        )
        whole = (slice(None), *cells)
        value, given = (array[(slice(None), *place)] for array in (y, weights))
        spread = (slice(None), *[None] * len(window))
        share = x[whole] == value[spread] if kind == "max" else 1 / np.prod(window)
        expected[whole] += share * given[spread]
    step = jax.jit(jax.grad(lambda x: (pool(x, window, strides) * weights).sum()))
    np.testing.assert_allclose(step(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "window", "strides"), CASES[:3])
def test_ties_go_to_the_first(shape, window, strides):
    ones = jnp.ones(shape)
    found = jax.grad(lambda x: max_pool(x, window, strides).sum())(ones)
    expected = np.zeros(shape)
    for place in np.ndindex(*max_pool(ones, window, strides).shape[1:-1]):
        first = tuple(p * s for p, s in zip(place, strides, strict=True))
        expected[(slice(None), *first)] += 1
    np.testing.assert_array_equal(found, expected)


def test_gradients_of_all_places():
    x, weights = noise(2, 5, 7, 6), noise(2, 6)
    found = jax.grad(lambda x: (global_max_pool(x) * weights).sum())(x)
    best = x == x.max((1, 2), keepdims=True)
    np.testing.assert_allclose(found, best * weights[:, None, None], rtol=1e-6)
    found = jax.grad(lambda x: (global_average_pool(x) * weights).sum())(x)
    np.testing.assert_allclose(
        found, np.broadcast_to(weights[:, None, None] / 35, x.shape), rtol=1e-5
    )
    along = jax.jvp(global_average_pool, (x,), (2 * x,))[1]
    np.testing.assert_allclose(along, 2 * x.mean((1, 2)), rtol=1e-4, atol=1e-6)


def test_transpose_of_means():
    x, ct = noise(2, 5, 7, 6), noise(2, 6)
    (found,) = jax.linear_transpose(global_average_pool, x)(ct)
    np.testing.assert_allclose(found, np.broadcast_to(ct[:, None, None] / 35, x.shape), rtol=1e-5)
    means = partial(native_pool.pool, window=(2, 3), strides=(2, 2), means=True)
    ct = noise(2, 2, 3, 6)
    (found,) = jax.linear_transpose(means, x)(ct)
    expected = np.zeros(x.shape)
    for i, j in np.ndindex(2, 3):
        expected[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3] += ct[:, None, None, i, j] / 6
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_numbers_that_are_none_stay_so():
    x = noise(2, 4, 4, 20)
    x[0, 1, 0, 3] = np.nan
    x[1, 0, 0, 5] = -np.inf
    y = np.asarray(max_pool(x, (2, 2), (2, 2)))
    assert np.isnan(y[0, 0, 0, 3])
    assert np.isfinite(np.delete(y.ravel(), 3)).all()
    for cell in np.ndindex(2, 2):
        x = np.full((1, 2, 2, 16), -np.inf, "f")
        x[(0, *cell)] = np.nan
        assert np.isnan(max_pool(x, (2, 2), (2, 2))).all()
        x[(0, *cell)] = -3
        np.testing.assert_array_equal(global_max_pool(x), np.full((1, 16), -3))


def test_vectorization_and_export():
    x = noise(3, 2, 7, 9, 5)
    pool = partial(max_pool, window=(2, 3), strides=(1, 2))
    found = jax.jit(jax.vmap(pool, 2, 1))(np.moveaxis(x, 0, 2))
    for number in range(3):
        np.testing.assert_array_equal(found[:, number], slow(x[number], (2, 3), (1, 2), np.max))
    for function in (
        pool,
        partial(average_pool, window=(2, 3), strides=(1, 2)),
        global_max_pool,
        global_average_pool,
    ):
        exported = jax.export.export(jax.jit(function))(x[0])
        assert "custom_call" not in exported.mlir_module()
        np.testing.assert_allclose(exported.call(x[0]), function(x[0]), rtol=1e-5, atol=1e-6)


def test_what_the_kernels_do_not_take():
    x = noise(2, 6, 7, 5)
    pool = partial(max_pool, window=(2, 2), strides=(1, 2))
    assert is_called(pool, x)
    assert not is_called(pool, x.astype("float16"))
    assert not is_called(pool, x[..., :3])
    assert not is_called(partial(pool, data_format="channels_first"), x)
    assert not is_called(partial(average_pool, window=(2, 2), strides=(2, 2), padding="same"), x)
    assert not is_called(partial(max_pool, window=(2,) * 3, strides=(1,) * 3), noise(2, 4, 4, 4, 8))
    assert not native_pool.takes(jnp.ones((0, 4, 8)))


def test_the_largest_of_padded_windows():
    x = -1 - np.abs(noise(2, 7, 9, 5))
    pool = partial(max_pool, window=(3, 3), strides=(2, 2), padding="same")
    assert is_called(pool, x)
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
    np.testing.assert_array_equal(jax.jit(pool)(x), slow(padded, (3, 3), (2, 2), np.max))


@pytest.mark.parametrize("options", [[3, 2, 2, 1, 0], [2, 2, 0, 1, 0], [2, 2, 2, 1]])
def test_wrong_calls_are_refused(options):
    call = jax.ffi.ffi_call("lamina_pool", jax.ShapeDtypeStruct((1, 2, 3, 8), jnp.float32))
    with pytest.raises(Exception, match="lamina_pool: "):
        jax.block_until_ready(call(jnp.ones((1, 4, 4, 8)), options=np.array(options, "int64")))
