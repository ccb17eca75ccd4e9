"""Pooling over all places of one to three spatial axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops import native_pool
from lamina.ops.shape import spatial_axes

if TYPE_CHECKING:
    from lamina.typing import Array, DataFormat


FEW = 2**15
"""Numbers up to which means over one axis are computed by the kernels on CPUs."""

PARTS = 8
"""Into how many parts pooling over all places goes on CPUs; 16 are slower than one."""


def global_max_pool(
    x: Any, data_format: DataFormat = "channels_last", keepdims: bool = False
) -> Array:
    """Largest value over all spatial axes.

    >>> global_max_pool(jnp.arange(6.0).reshape(1, 3, 2))
    Array([[4., 5.]], dtype=float32)
    """
    x = jnp.asarray(x)
    axes = spatial_axes(x.ndim, data_format)
    if data_format == "channels_last" and native_pool.takes(x):
        best = _max_by_kernels(x)
        return jnp.expand_dims(best, axes) if keepdims else best
    if not _in_parts_pays(x, data_format):
        return jnp.max(x, axes, keepdims=keepdims)
    best = lax.platform_dependent(x, cpu=_max_of_all, default=partial(jnp.max, axis=axes))
    return jnp.expand_dims(best, axes) if keepdims else best


def global_average_pool(
    x: Any,
    data_format: DataFormat = "channels_last",
    mask: Any = None,
    keepdims: bool = False,
) -> Array:
    """Mean over all spatial axes.

    Args:
        x: array of batch, one to three spatial axes, and channels.
        data_format: where the channels are.
        mask: for one spatial axis: which steps count, of shape ``(batch, steps)``. A row
            without any gives NaN, as the mean of nothing.
        keepdims: keep the spatial axes with size 1.

    Raises:
        ValueError: the mask does not fit.

    >>> x, mask = jnp.arange(6.0).reshape(1, 3, 2), jnp.array([[True, True, False]])
    >>> global_average_pool(x, mask=mask)
    Array([[1., 2.]], dtype=float32)
    """
    x = jnp.asarray(x)
    axes = spatial_axes(x.ndim, data_format)
    if mask is None and _mean_by_kernels_pays(x, data_format):
        mean = _mean_by_kernels(x)
        return jnp.expand_dims(mean, axes) if keepdims else mean
    if mask is None and not _in_parts_pays(x, data_format):
        return jnp.mean(x, axes, keepdims=keepdims)
    if mask is None:
        mean = lax.platform_dependent(x, cpu=_mean_of_all, default=partial(jnp.mean, axis=axes))
        return jnp.expand_dims(mean, axes) if keepdims else mean
    mask = jnp.asarray(mask)
    steps = (x.shape[0], *(x.shape[axis] for axis in axes))
    if len(axes) != 1 or mask.shape != steps:
        raise ValueError(
            f"global_average_pool: the mask must have shape (batch, steps), got {mask.shape} for "
            f"an input of shape {x.shape} ({data_format})."
        )
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        x = x.astype(jnp.result_type(float))
    counts = lax.broadcast_in_dim(mask.astype(x.dtype), x.shape, (0, *axes))
    total = jnp.sum(x * counts, axes, keepdims=keepdims)
    return total / jnp.sum(counts, axes, keepdims=keepdims)


def _in_parts_pays(x: Array, data_format: DataFormat) -> bool:
    """Whether pooling over all places goes by parts on CPUs.

    Not over one axis: there the rows of an `Embedding` often come before it, which XLA would look
    up anew for each part, and in the compiled loop of such nets on one core.
    """
    places = x.shape[1:-1]
    known = len(places) > 1 and all(isinstance(size, int) for size in places)
    enough = known and math.prod(places) >= 2 * PARTS
    return enough and data_format == "channels_last" and x.dtype in (jnp.float32, jnp.float64)


def _in_parts(x: Array, combine: Callable[[Array, Array], Array], rest: Any) -> Array:
    """Combine all places of an array with channels last; on a CPU in half of XLA's time.

    Parts of the places are first combined number by number, which XLA does in one loop with wide
    instructions. What is left, one part and some places, goes the usual, slower way.
    """
    x = x.reshape(x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])
    size = x.shape[1] // PARTS
    parts = [lax.slice_in_dim(x, at * size, (at + 1) * size, axis=1) for at in range(PARTS)]
    found = rest(reduce(combine, parts), 1)
    if x.shape[1] > size * PARTS:
        found = combine(found, rest(lax.slice_in_dim(x, size * PARTS, x.shape[1], axis=1), 1))
    return found


def _mean_by_kernels_pays(x: Array, data_format: DataFormat) -> bool:
    """Whether means over all places are computed by the kernels on CPUs.

    Over one axis only few: else XLA looks the rows of an `Embedding` up as it adds them.
    """
    known = data_format == "channels_last" and native_pool.takes(x)
    return known and (x.ndim > 3 or x.size <= FEW)


def _maximum(of_all: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """With the gradient of `jnp.max`: equal numbers share it."""

    def tangent(values: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        (x,), axes = values, tuple(range(1, values[0].ndim - 1))
        best = maximum(x)
        here = (x == jnp.expand_dims(best, axes)).astype(x.dtype)
        return best, jnp.sum(tangents[0] * here, axes) / jnp.sum(here, axes)

    maximum = jax.custom_jvp(of_all)
    maximum.defjvp(tangent)
    return maximum


def _mean(of_all: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """With the gradient of `jnp.mean`."""

    def tangent(values: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        return mean(*values), jnp.mean(tangents[0], tuple(range(1, tangents[0].ndim - 1)))

    mean = jax.custom_jvp(of_all)
    mean.defjvp(tangent)
    return mean


@_maximum
def _max_of_all(x: Array) -> Array:
    return _in_parts(x, lax.max, jnp.max)


@_mean
def _mean_of_all(x: Array) -> Array:
    return _in_parts(x, lax.add, jnp.sum) / math.prod(x.shape[1:-1])


@_maximum
def _max_by_kernels(x: Array) -> Array:
    return native_pool.over_all(x)


@_mean
def _mean_by_kernels(x: Array) -> Array:
    return native_pool.over_all(x, means=True)


__all__ = ["global_average_pool", "global_max_pool"]
