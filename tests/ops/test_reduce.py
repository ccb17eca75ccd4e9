"""Reductions against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from lamina.ops import reduce

x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f")
NUMPY = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
    "var": np.var,
    "std": np.std,
    "logsumexp": special.logsumexp,
}


@pytest.mark.parametrize("name", NUMPY)
@pytest.mark.parametrize("axis", [None, 1, -1, (0, 2), [1, 2]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(name, axis, keepdims):
    expected = NUMPY[name](
        x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims
    )
    y = getattr(reduce, name)(x, axis, keepdims)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
def test_truth(name, axis):
    values = np.random.default_rng(1).integers(0, 2, (2, 3, 2))
    for given in values, values.astype(bool), values.astype("f"):
        y = getattr(reduce, name)(given, axis)
        np.testing.assert_array_equal(y, getattr(np, name)(values, axis=axis))


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_places(name, axis):
    values = np.random.default_rng(1).integers(0, 3, (4, 5))
    y = getattr(reduce, name)(values, axis)
    np.testing.assert_array_equal(y, getattr(np, name)(values, axis=axis))


@pytest.mark.parametrize("axis", [0, -1])
def test_running(axis):
    np.testing.assert_allclose(reduce.cumsum(x, axis), np.cumsum(x, axis), rtol=1e-5)
    np.testing.assert_allclose(reduce.cumprod(x, axis), np.cumprod(x, axis), rtol=1e-5)


@pytest.mark.parametrize("given", [np.array([1, 2]), np.array([True, False])])
def test_means_are_floats(given):
    for name in "mean", "var", "std":
        y = getattr(reduce, name)(given)
        assert y.dtype == jnp.float32
        np.testing.assert_allclose(y, getattr(np, name)(given))


def test_deviation_of_equal_values_has_gradient_zero():
    assert jax.grad(reduce.std)(jnp.ones(3)).tolist() == [0, 0, 0]
    slope = jax.grad(reduce.std)(jnp.array([1.0, 3.0]))
    np.testing.assert_allclose(slope, [-0.5, 0.5])


def test_logsumexp_does_not_overflow():
    np.testing.assert_allclose(reduce.logsumexp(jnp.array([500.0, 500.0])), 500 + np.log(2))
