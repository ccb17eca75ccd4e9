"""Pooling over windows of one to three spatial axes.

XLA's own gradient of max pooling (select and scatter) is some ten times slower on a CPU
than the reductions and copies used here. An N-dimensional pool is a pool along the last
spatial axis, then along the one before it, and so on: the first maximum of the first row that
has it is the first maximum of the window in row-major order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.ops.conv import conv_output_size, window_padding
from lamina.ops.shape import spatial_axes

if TYPE_CHECKING:
    from lamina.typing import Array, DataFormat, Padding


def pool_output_size(size: int | None, window: int, stride: int, *, padding: Padding) -> int | None:
    """Size of a spatial axis after pooling; None for an unknown size.

    >>> pool_output_size(13, 2, 2, padding="valid"), pool_output_size(13, 2, 2, padding="same")
    (6, 7)
    """
    return conv_output_size(size, window, stride, padding=padding)


def max_pool(
    x: Any,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Padding = "valid",
    data_format: DataFormat = "channels_last",
) -> Array:
    """Largest value in each window; its gradient goes to the first one that is as large.

    Args:
        x: array of batch, one to three spatial axes, and channels.
        window: size of the window along each spatial axis.
        strides: step of the window along each spatial axis.
        padding: ``valid`` or ``same`` (TensorFlow's rule).
        data_format: where the channels are.

    Raises:
        ValueError: the window does not fit.

    >>> max_pool(jnp.arange(4.0).reshape(1, 4, 1), (2,), (2,)).ravel()
    Array([1., 3.], dtype=float32)
    """
    x = jnp.asarray(x)
    floating = jnp.issubdtype(x.dtype, jnp.inexact)
    lowest = -jnp.inf if floating else jnp.iinfo(x.dtype).min
    for axis, size, stride in _cases(x, window, strides, data_format):
        x, _ = _fit(x, axis, size, stride, padding, lowest)
        x = _max_along(x, axis, size, stride)
    return x


def average_pool(
    x: Any,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Padding = "valid",
    data_format: DataFormat = "channels_last",
) -> Array:
    """Mean of each window; cells of the padding do not count.

    Args:
        x: array of batch, one to three spatial axes, and channels.
        window: size of the window along each spatial axis.
        strides: step of the window along each spatial axis.
        padding: ``valid`` or ``same`` (TensorFlow's rule).
        data_format: where the channels are.

    Raises:
        ValueError: the window does not fit.

    >>> average_pool(jnp.arange(3.0).reshape(1, 3, 1), (2,), (2,), "same").ravel()
    Array([0.5, 2. ], dtype=float32)
    """
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.inexact):
        x = x.astype(jnp.result_type(float))
    share = 1.0
    for axis, size, stride in _cases(x, window, strides, data_format):
        x, counts = _fit(x, axis, size, stride, padding, 0)
        x = _sum_along(x, axis, size, stride)
        if (counts == counts[0]).all():
            share /= int(counts[0])
        else:
            shares = jnp.asarray(1 / counts, x.dtype)
            x = x * lax.broadcast_in_dim(shares, x.shape, (axis,))
    return x * share


def global_max_pool(
    x: Any, data_format: DataFormat = "channels_last", keepdims: bool = False
) -> Array:
    """Largest value over all spatial axes.

    >>> global_max_pool(jnp.arange(6.0).reshape(1, 3, 2))
    Array([[4., 5.]], dtype=float32)
    """
    x = jnp.asarray(x)
    return jnp.max(x, spatial_axes(x.ndim, data_format), keepdims=keepdims)


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
    if mask is None:
        return jnp.mean(x, axes, keepdims=keepdims)
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


def _cases(
    x: Array, window: Sequence[int], strides: Sequence[int], data_format: DataFormat
) -> list[tuple[int, int, int]]:
    """Axis, window and stride of each spatial axis, the last one first."""
    axes = spatial_axes(x.ndim, data_format)
    return list(zip(axes, window, strides, strict=True))[::-1]


def _fit(
    x: Array, axis: int, window: int, stride: int, padding: Padding, fill: float
) -> tuple[Array, np.ndarray]:
    """Pad and cut an axis to what the windows cover; and how many real cells each covers."""
    size = x.shape[axis]
    out = pool_output_size(size, window, stride, padding=padding)
    if out is None or out < 1:
        raise ValueError(
            f"pooling: a window of {window} does not fit axis {axis} of an input of shape "
            f"{x.shape}."
        )
    before, _ = window_padding(size, window, stride, 1, padding)
    starts = np.arange(out) * stride - before
    counts = np.minimum(starts + window, size) - np.maximum(starts, 0)
    covered = (out - 1) * stride + window
    after = covered - before - size
    if after < 0:
        x = lax.slice_in_dim(x, 0, size + after, axis=axis)
    if before or after > 0:
        config = [(0, 0, 0)] * x.ndim
        config[axis] = (before, max(after, 0), 0)
        x = lax.pad(x, jnp.asarray(fill, x.dtype), config)
    return x, counts


def _cell(x: Array, axis: int, window: int, stride: int, offset: int) -> Array:
    """The cell at `offset` of every window along an axis that `_fit` made."""
    last = x.shape[axis] - window + offset + 1
    return lax.slice_in_dim(x, offset, last, stride, axis)


def _spread(parts: list[Array], axis: int, stride: int, size: int) -> Array:
    """Add up what each cell of the windows got, where the cell came from.

    Cells ``r, r + stride, ...`` of window w belong to places ``stride * (w + 0, 1, ...) + r``:
    for each r their sum is one row of additions, and the rows are then interleaved.
    """
    rows = -(-size // stride)
    phases = []
    for phase in range(stride):
        total = None
        for shift, part in enumerate(parts[phase::stride]):
            config = [(0, 0, 0)] * part.ndim
            config[axis] = (shift, rows - part.shape[axis] - shift, 0)
            moved = lax.pad(part, jnp.zeros((), part.dtype), config)
            total = moved if total is None else total + moved
        phases.append(jnp.zeros_like(phases[0]) if total is None else total)
    whole = jnp.stack(phases, axis + 1)
    whole = whole.reshape(*whole.shape[:axis], rows * stride, *whole.shape[axis + 2 :])
    return lax.slice_in_dim(whole, 0, size, axis=axis)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_along(x: Array, axis: int, window: int, stride: int) -> Array:
    """Maximum of each window along one axis."""
    if window == stride:
        return jnp.max(_blocks(x, axis, window), axis + 1)
    best = _cell(x, axis, window, stride, 0)
    for offset in range(1, window):
        best = jnp.maximum(best, _cell(x, axis, window, stride, offset))
    return best


def _blocks(x: Array, axis: int, window: int) -> Array:
    return x.reshape(*x.shape[:axis], x.shape[axis] // window, window, *x.shape[axis + 1 :])


def _max_along_forward(x: Array, axis: int, window: int, stride: int) -> tuple[Array, Any]:
    best = _max_along(x, axis, window, stride)
    kind = jnp.uint8 if window < 256 else jnp.int32
    first = jnp.full(best.shape, window - 1, kind)
    for offset in range(window - 2, -1, -1):
        here = _cell(x, axis, window, stride, offset) == best
        first = jnp.where(here, jnp.asarray(offset, kind), first)
    return best, (first, x.shape[axis])


def _max_along_backward(
    axis: int, window: int, stride: int, kept: Any, gradient: Array
) -> tuple[Array]:
    first, size = kept
    parts = [jnp.where(first == offset, gradient, 0.0) for offset in range(window)]
    return (_spread(parts, axis, stride, size),)


_max_along.defvjp(_max_along_forward, _max_along_backward)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _sum_along(x: Array, axis: int, window: int, stride: int) -> Array:
    """Sum of each window along one axis."""
    if window == stride:
        return jnp.sum(_blocks(x, axis, window), axis + 1)
    total = _cell(x, axis, window, stride, 0)
    for offset in range(1, window):
        total = total + _cell(x, axis, window, stride, offset)
    return total


def _sum_along_forward(x: Array, axis: int, window: int, stride: int) -> tuple[Array, int]:
    return _sum_along(x, axis, window, stride), x.shape[axis]


def _sum_along_backward(
    axis: int, window: int, stride: int, size: int, gradient: Array
) -> tuple[Array]:
    return (_spread([gradient] * window, axis, stride, size),)


_sum_along.defvjp(_sum_along_forward, _sum_along_backward)


__all__ = [
    "average_pool",
    "global_average_pool",
    "global_max_pool",
    "max_pool",
    "pool_output_size",
]
