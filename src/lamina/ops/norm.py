"""Normalization: moments, and what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

from lamina.ops import native_each

if TYPE_CHECKING:
    from lamina.typing import Array


def l2_normalize(x: Any, axis: int | Sequence[int] | None = None, epsilon: float = 1e-12) -> Array:
    """Divide by the root of the sum of squares, which is taken as at least `epsilon`.

    >>> l2_normalize(jnp.array([3.0, 4.0]))
    Array([0.6, 0.8], dtype=float32)
    """
    x = jnp.asarray(x)
    axes = tuple(axis) if isinstance(axis, Sequence) else axis
    total = jnp.sum(jnp.square(x), axes, keepdims=True)
    scale = lax.rsqrt(jnp.maximum(total, epsilon))
    return x * jnp.broadcast_to(scale, x.shape)


def batch_moments(x: Any, axes: Sequence[int], mask: Any = None) -> tuple[Array, Array]:
    """Mean and variance over some axes, those of 16 bits computed and returned in 32.

    Args:
        x: values.
        axes: axes that are averaged away.
        mask: whether each place counts; the shape of `x` without its last axes. If none
            counts, mean and variance are 0.

    Returns:
        Mean and (biased) variance, without the axes.

    >>> batch_moments(jnp.array([[1.0, 5.0], [3.0, 5.0]]), (0,))
    (Array([2., 5.], dtype=float32), Array([1., 0.], dtype=float32))
    """
    x = jnp.asarray(x)
    if x.dtype.itemsize < 4:
        x = x.astype(jnp.float32)
    axes = tuple(axis % x.ndim for axis in axes)
    if mask is None:
        mean = jnp.mean(x, axes, keepdims=True)
        variance = jnp.mean(jnp.square(x - jnp.broadcast_to(mean, x.shape)), axes)
        return mean.reshape(variance.shape), variance
    mask = jnp.asarray(mask).astype(bool)
    counted = lax.broadcast_in_dim(mask, x.shape, tuple(range(mask.ndim)))
    number = jnp.maximum(jnp.sum(counted, axes, keepdims=True), 1).astype(x.dtype)
    mean = jnp.sum(jnp.where(counted, x, 0.0), axes, keepdims=True) / number
    distance = jnp.where(counted, x - jnp.broadcast_to(mean, x.shape), 0.0)
    variance = jnp.sum(jnp.square(distance), axes) / number.reshape(mean.squeeze(axes).shape)
    return mean.reshape(variance.shape), variance


def batch_norm(
    x: Any,
    mean: Any,
    variance: Any,
    beta: Any = None,
    gamma: Any = None,
    *,
    axis: int | Sequence[int] = -1,
    epsilon: float = 1e-3,
) -> Array:
    """``(x - mean) * gamma / sqrt(variance + epsilon) + beta``. Ioffe and Szegedy (2015).

    Args:
        x: values.
        mean: mean for each place along `axis`.
        variance: likewise.
        beta: what is added in the end; None for nothing.
        gamma: factor; None for 1.
        axis: axis or axes that the moments have.
        epsilon: added to the variance.

    Returns:
        An array of the shape and dtype of `x`, computed in the dtype of the mean if that is
        wider.

    >>> batch_norm(jnp.array([[1.0], [3.0]]), jnp.array([2.0]), jnp.array([1.0]), epsilon=0.0)
    Array([[-1.],
           [ 1.]], dtype=float32)
    """
    x, mean, variance = jnp.asarray(x), jnp.asarray(mean), jnp.asarray(variance)
    gamma, beta = (None if one is None else jnp.asarray(one) for one in (gamma, beta))
    axes = tuple(a % x.ndim for a in (axis if isinstance(axis, Sequence) else (axis,)))
    vectors = [one for one in (mean, variance, gamma, beta) if one is not None]
    if axes == (x.ndim - 1,) and native_each.takes(x, *vectors):
        return native_each.normalize(x, mean, variance, gamma, beta, epsilon)
    return native_each.by_moments(x, mean, variance, gamma, beta, epsilon, axes)


def renorm_correction(
    mean: Array,
    deviation: Array,
    moving_mean: Array,
    moving_deviation: Array,
    *,
    rmin: float | None = None,
    rmax: float | None = None,
    dmax: float | None = None,
) -> tuple[Array, Array]:
    """Factor and shift from values normalized by a batch to ones by moving statistics.

    ``r = deviation / moving_deviation`` and ``d = (mean - moving_mean) / moving_deviation``, cut
    to the range from `rmin` to `rmax`, and from -`dmax` to `dmax`. No gradient passes. Ioffe
    (2017), "Batch Renormalization".

    Args:
        mean: of the batch.
        deviation: standard deviation of the batch.
        moving_mean: over many batches.
        moving_deviation: likewise, positive.
        rmin: least factor.
        rmax: largest factor.
        dmax: largest shift, up or down.

    >>> one, two = jnp.ones(1), jnp.full(1, 2.0)
    >>> [float(part[0]) for part in renorm_correction(two, two, one, one, dmax=0.5)]
    [2.0, 0.5]
    """
    factor, shift = deviation / moving_deviation, (mean - moving_mean) / moving_deviation
    if rmin is not None:
        factor = jnp.maximum(factor, rmin)
    if rmax is not None:
        factor = jnp.minimum(factor, rmax)
    if dmax is not None:
        shift = jnp.clip(shift, -dmax, dmax)
    return lax.stop_gradient(factor), lax.stop_gradient(shift)


def layer_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    *,
    axis: int | Sequence[int] = -1,
    epsilon: float = 1e-3,
    centered: bool = True,
) -> Array:
    """``(x - mean) * gamma / sqrt(variance + epsilon) + beta``, with the moments of each sample.

    Ba, Kiros and Hinton (2016), "Layer Normalization".

    Args:
        x: values.
        gamma: factor, of the sizes of `axis` in the order of the axes of `x`; None for 1.
        beta: what is added in the end, of the same shape; None for nothing.
        axis: axis or axes over which mean and variance are taken.
        epsilon: added to the variance.
        centered: whether the mean is subtracted.

    Returns:
        An array of the shape and dtype of `x`, computed in 32 bits at least.

    >>> layer_norm(jnp.array([[1.0, 3.0]]), epsilon=0.0)
    Array([[-1.,  1.]], dtype=float32)
    """
    x = jnp.asarray(x)
    wide, axes = _at_least_32(x), _places(axis, x.ndim)
    distance = wide - jnp.broadcast_to(jnp.mean(wide, axes, keepdims=True), x.shape)
    variance = jnp.mean(jnp.square(distance), axes, keepdims=True)
    scale = jnp.broadcast_to(lax.rsqrt(variance + epsilon), x.shape)
    return _affine((distance if centered else wide) * scale, gamma, beta, axes).astype(x.dtype)


def rms_norm(
    x: Any, scale: Any = None, *, axis: int | Sequence[int] = -1, epsilon: float = 1e-6
) -> Array:
    """``x * scale / sqrt(mean(x**2) + epsilon)``.

    Zhang and Sennrich (2019), "Root Mean Square Layer Normalization".

    Args:
        x: values.
        scale: factor, of the sizes of `axis` in the order of the axes of `x`; None for 1.
        axis: axis or axes over which the mean is taken.
        epsilon: added to the mean of squares.

    Returns:
        An array of the shape and dtype of `x`, computed in 32 bits at least.

    >>> rms_norm(jnp.array([[1.0, 7.0]]), epsilon=0.0)
    Array([[0.2, 1.4]], dtype=float32)
    """
    x = jnp.asarray(x)
    wide, axes = _at_least_32(x), _places(axis, x.ndim)
    square = jnp.mean(jnp.square(wide), axes, keepdims=True)
    normed = wide * jnp.broadcast_to(lax.rsqrt(square + epsilon), x.shape)
    return _affine(normed, scale, None, axes).astype(x.dtype)


def group_norm(
    x: Any,
    gamma: Any = None,
    beta: Any = None,
    *,
    groups: int,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> Array:
    """Normalize each group of channels of each sample. Wu and He (2018), "Group Normalization".

    Args:
        x: values, the first axis that of samples.
        gamma: factor of each channel; None for 1.
        beta: what is added to each channel in the end; None for nothing.
        groups: number of groups; it divides the number of channels.
        axis: axis of the channels.
        epsilon: added to the variance.

    Returns:
        An array of the shape and dtype of `x`, computed in 32 bits at least.

    >>> group_norm(jnp.array([[1.0, 3.0, 5.0, 5.0]]), groups=2, epsilon=0.0001).round(2)
    Array([[-1.,  1.,  0.,  0.]], dtype=float32)
    """
    x = jnp.asarray(x)
    place = axis % x.ndim
    channels = x.shape[place]
    split = (*x.shape[:place], groups, channels // groups, *x.shape[place + 1 :])
    over = tuple(other for other in range(1, len(split)) if other != place)
    grouped = _at_least_32(x).reshape(split)
    normed = layer_norm(grouped, axis=over, epsilon=epsilon).reshape(x.shape)
    return _affine(normed, gamma, beta, (place,)).astype(x.dtype)


def _places(axis: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Axes counted from 0, in order."""
    axes = axis if isinstance(axis, Sequence) else (axis,)
    return tuple(sorted(one % rank for one in axes))


def _at_least_32(x: Array) -> Array:
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x


def _affine(x: Array, gamma: Any, beta: Any, axes: tuple[int, ...]) -> Array:
    """``x * gamma + beta``, both along the axes."""
    if gamma is not None:
        x = x * lax.broadcast_in_dim(jnp.asarray(gamma).astype(x.dtype), x.shape, axes)
    if beta is not None:
        x = x + lax.broadcast_in_dim(jnp.asarray(beta).astype(x.dtype), x.shape, axes)
    return x


__all__ = [
    "batch_moments",
    "batch_norm",
    "group_norm",
    "l2_normalize",
    "layer_norm",
    "renorm_correction",
    "rms_norm",
]
