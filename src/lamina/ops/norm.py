"""Normalization: moments, and what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

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
    axes = tuple(a % x.ndim for a in (axis if isinstance(axis, Sequence) else (axis,)))
    scale = lax.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * jnp.asarray(gamma).astype(scale.dtype)

    def along(values: Array) -> Array:
        return lax.broadcast_in_dim(values, x.shape, axes)

    # Subtracting the mean first: x * scale - mean * scale would lose digits.
    result = (x.astype(scale.dtype) - along(mean)) * along(scale)
    if beta is not None:
        result = result + along(jnp.asarray(beta).astype(scale.dtype))
    return result.astype(x.dtype)


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


__all__ = ["batch_moments", "batch_norm", "l2_normalize", "renorm_correction"]
