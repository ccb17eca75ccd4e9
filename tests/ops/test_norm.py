"""Normalization against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.norm import (
    batch_moments,
    batch_norm,
    group_norm,
    l2_normalize,
    layer_norm,
    rms_norm,
)

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


def along(weight, axes, rank):
    """A weight with axes of size 1 for those that it does not have."""
    sizes = dict(zip(sorted(axis % rank for axis in axes), weight.shape, strict=True))
    return weight.reshape([sizes.get(axis, 1) for axis in range(rank)])


@pytest.mark.parametrize("axes", [(-1,), (1,), (2, 1), (-1, 0), (0, 1, 2)])
@pytest.mark.parametrize("centered", [True, False])
def test_layer_norm(axes, centered):
    shape = [x.shape[axis] for axis in sorted(axis % 3 for axis in axes)]
    gamma, beta = rng.normal(size=shape).astype("f"), rng.normal(size=shape).astype("f")
    wide = x.astype("d")
    mean = wide.mean(axes, keepdims=True) if centered else 0.0
    expected = (wide - mean) / np.sqrt(wide.var(axes, keepdims=True) + 0.5)
    expected = expected * along(gamma, axes, 3) + along(beta, axes, 3)
    found = layer_norm(x, gamma, beta, axis=axes, epsilon=0.5, centered=centered)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [(-1,), (1,), (2, 1), (0, 2)])
def test_rms_norm(axes):
    shape = [x.shape[axis] for axis in sorted(axis % 3 for axis in axes)]
    scale, wide = rng.normal(size=shape).astype("f"), x.astype("d")
    expected = wide / np.sqrt((wide**2).mean(axes, keepdims=True) + 0.5) * along(scale, axes, 3)
    np.testing.assert_allclose(rms_norm(x, scale, axis=axes, epsilon=0.5), expected, rtol=1e-5)


@pytest.mark.parametrize("axis", [1, -1, 2])
@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm(axis, groups):
    images = rng.normal(3, 2, (2, 6, 6, 6)).astype("f")
    gamma, beta = rng.normal(size=6).astype("f"), rng.normal(size=6).astype("f")
    moved = np.moveaxis(images.astype("d"), axis, -1)
    expected = np.empty(moved.shape)
    for sample in range(2):
        for first in range(0, 6, 6 // groups):
            part = moved[sample, ..., first : first + 6 // groups]
            normed = (part - part.mean()) / np.sqrt(part.var() + 0.25)
            expected[sample, ..., first : first + 6 // groups] = normed
    expected = np.moveaxis(expected * gamma + beta, -1, axis)
    found = group_norm(images, gamma, beta, groups=groups, axis=axis, epsilon=0.25)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("function", [layer_norm, rms_norm, lambda x: group_norm(x, groups=2)])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_normalized_in_32_bits(function, dtype):
    large = (x * 1000).astype(dtype)
    found = function(large)
    assert found.dtype == dtype
    expected = function(large.astype("f"))
    np.testing.assert_allclose(found.astype("f"), expected, rtol=1e-2, atol=1e-3)


def test_digits_are_kept_far_from_zero():
    far = np.float32(4000.0) + x
    distance = far.astype("d") - far.astype("d").mean(-1, keepdims=True)
    expected = distance / np.sqrt(distance.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(layer_norm(far), expected, atol=2e-3)
