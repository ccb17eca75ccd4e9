"""Normalization against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.norm import batch_moments, batch_norm, l2_normalize

rng = np.random.default_rng(0)
x = rng.normal(3, 2, (4, 5, 6)).astype("f")


@pytest.mark.parametrize("axis", [None, 1, -1, (0, 2), [1, 2]])
def test_l2_normalize(axis):
    axes = tuple(axis) if isinstance(axis, list) else axis
    expected = x / np.sqrt((x**2).sum(axes, keepdims=True))
    np.testing.assert_allclose(l2_normalize(x, axis), expected, rtol=1e-5)


def test_zeros_stay_zeros_with_a_finite_gradient():
    value, slope = jax.value_and_grad(lambda x: l2_normalize(x)[0])(jnp.zeros(3))
    assert value == 0
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("axes", [(0,), (0, 1), (-3, -1)])
def test_moments(axes):
    mean, variance = batch_moments(x, axes)
    np.testing.assert_allclose(mean, x.mean(axes), rtol=1e-5)
    np.testing.assert_allclose(variance, x.var(axes), rtol=1e-4)


@pytest.mark.parametrize("axes", [(0, 1), (0,)])
def test_moments_of_what_counts(axes):
    mask = rng.integers(0, 2, (4, 5)).astype(bool)
    mask[0] = True
    mean, variance = batch_moments(x, axes, mask)
    values = np.ma.masked_array(x, np.broadcast_to(~mask[..., None], x.shape))
    np.testing.assert_allclose(mean, values.mean(axes), rtol=1e-5)
    np.testing.assert_allclose(variance, values.var(axes), rtol=1e-4)


def test_moments_of_nothing():
    mean, variance = batch_moments(x, (0, 1), np.zeros((4, 5), bool))
    assert not mean.any()
    assert not variance.any()


def test_large_means_do_not_eat_the_variance():
    far = (x + 3000).astype("f")
    np.testing.assert_allclose(batch_moments(far, (0, 1))[1], x.var((0, 1)), rtol=1e-2)


def test_half_precision_is_summed_in_single():
    mean, _ = batch_moments(jnp.full((5000, 1), 3, jnp.float16), (0,))
    assert mean.dtype == jnp.float32
    assert mean.tolist() == [3.0]


@pytest.mark.parametrize("axis", [1, -1, (1, 2)])
@pytest.mark.parametrize("with_beta", [False, True])
@pytest.mark.parametrize("with_gamma", [False, True])
def test_batch_norm(axis, with_beta, with_gamma):
    axes = axis if isinstance(axis, tuple) else (axis,)
    sizes = [x.shape[a] for a in axes]
    shape = [1] * 3
    for a in axes:
        shape[a] = x.shape[a]
    mean, beta, gamma = (rng.normal(size=sizes).astype("f") for _ in range(3))
    variance = rng.uniform(0.5, 2, sizes).astype("f")
    y = batch_norm(
        x,
        mean,
        variance,
        beta if with_beta else None,
        gamma if with_gamma else None,
        axis=axis,
        epsilon=0.1,
    )
    expected = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 0.1)
    expected = expected * gamma.reshape(shape) if with_gamma else expected
    expected = expected + beta.reshape(shape) if with_beta else expected
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_keeps_the_dtype():
    moments = jnp.ones(6), jnp.ones(6)
    assert batch_norm(jnp.asarray(x, jnp.bfloat16), *moments).dtype == jnp.bfloat16
