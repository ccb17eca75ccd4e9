"""Pooling over windows of one to three spatial axes.

XLA's own gradient of max pooling (select and scatter) is some ten times slower on a CPU
than the reductions and copies used here. An N-dimensional pool is a pool along the last
spatial axis, then along the one before it, and so on: the first maximum of the first row that
has it is the first maximum of the window in row-major order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.ops import native_pool
from lamina.ops.geometry import conv_output_size, window_padding
from lamina.ops.shape import spatial_axes

if TYPE_CHECKING:
    from lamina.typing import Array, DataFormat, Padding


LONG = 16
"""Cells of a window up to which operations are unrolled where it can be chosen."""


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
    cases = _cases(x, window, strides, data_format)
    if tuple(window) == tuple(strides) and math.prod(window) <= LONG:
        for axis, size, stride in cases:
            x, _ = _fit(x, axis, size, stride, padding, lowest)
        return _max_tiled(x, spatial_axes(x.ndim, data_format), tuple(window))
    if _by_kernels(x, data_format):
        for axis, size, stride in cases:
            x, _ = _fit(x, axis, size, stride, padding, lowest)
        return _max_windows(x, tuple(window), tuple(strides))
    for axis, size, stride in cases:
        x, _ = _fit(x, axis, size, stride, padding, lowest)
        x = _max_along(x, axis, size, stride)
    return x


def _by_kernels(x: Array, data_format: DataFormat) -> bool:
    return data_format == "channels_last" and x.ndim < 5 and native_pool.takes(x)


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
    if _by_kernels(x, data_format) and padding == "valid":
        for axis, size, stride in _cases(x, window, strides, data_format):
            x, _ = _fit(x, axis, size, stride, padding, 0)
        return _mean_windows(x, tuple(window), tuple(strides))
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


def _largest(x: Array, axis: int, window: int, stride: int) -> Array:
    if _is_long(window, stride):
        return jnp.max(_blocks(x, axis, window), axis + 1)
    return reduce(lax.max, _cells(x, (axis,), (window,), (stride,)))


def _largest_forward(x: Array, axis: int, window: int, stride: int) -> tuple[Array, Any]:
    best = _largest(x, axis, window, stride)
    if _is_long(window, stride):
        blocks = _blocks(x, axis, window)
        place = lax.broadcasted_iota(jnp.int32, blocks.shape, axis + 1)
        here = blocks == lax.broadcast_in_dim(best, blocks.shape, _without(x.ndim, axis + 1))
        return best, (jnp.min(jnp.where(here, place, window - 1), axis + 1), x.shape[axis])
    first = _first_equal(_cells(x, (axis,), (window,), (stride,)), best)
    return best, (first, x.shape[axis])


def _largest_backward(
    axis: int, window: int, stride: int, kept: Any, gradient: Array
) -> tuple[Array]:
    first, size = kept
    if _is_long(window, stride):
        shape = (*first.shape[: axis + 1], window, *first.shape[axis + 1 :])
        kept_axes = _without(first.ndim, axis + 1)
        place = lax.broadcasted_iota(jnp.int32, shape, axis + 1)
        here = place == lax.broadcast_in_dim(first, shape, kept_axes)
        spread = jnp.where(here, lax.broadcast_in_dim(gradient, shape, kept_axes), 0.0)
        return (_unblock(spread, axis),)
    return (_spread(_shares(first, gradient, window), axis, stride, size),)


_max_along = jax.custom_vjp(_largest, nondiff_argnums=(1, 2, 3))
_max_along.defvjp(_largest_forward, _largest_backward)


def _tiled(x: Array, axes: Sequence[int], window: Sequence[int]) -> Array:
    """Maximum of small windows that lie side by side, over all their axes at once."""
    return reduce(lax.max, _cells(x, axes, window, window))


def _tiled_forward(x: Array, axes: Sequence[int], window: Sequence[int]) -> tuple[Array, Array]:
    best = _tiled(x, axes, window)
    return best, _first_equal(_cells(x, axes, window, window), best)


def _tiled_backward(
    axes: Sequence[int], window: Sequence[int], first: Array, gradient: Array
) -> tuple[Array]:
    parts = _shares(first, gradient, math.prod(window))
    for axis, count in zip(axes[::-1], window[::-1], strict=True):
        parts = [
            _unblock(jnp.stack(parts[start : start + count], axis + 1), axis)
            for start in range(0, len(parts), count)
        ]
    return (parts[0],)


def _tiled_alone(x: Array, axes: Sequence[int], window: Sequence[int]) -> Array:
    """`_tiled` where nothing is differentiated.

    XLA fuses this form with the convolution before it and the product behind it.
    """
    if axes[0] == 1 and x.ndim < 5 and native_pool.takes(x):
        return native_pool.pool(x, window, window)
    cells = [1] * x.ndim
    for axis, count in zip(axes, window, strict=True):
        cells[axis] = count
    exact = jnp.issubdtype(x.dtype, jnp.inexact)
    least = -jnp.inf if exact else jnp.iinfo(x.dtype).min
    return lax.reduce_window(x, np.asarray(least, x.dtype), lax.max, cells, cells, "VALID")


_max_tiled = jax.custom_vjp(_tiled_alone, nondiff_argnums=(1, 2))
_max_tiled.defvjp(_tiled_forward, _tiled_backward)


def _max_by_axes(x: Array, window: Sequence[int], strides: Sequence[int]) -> Array:
    for axis in range(len(window), 0, -1):
        x = _max_along(x, axis, window[axis - 1], strides[axis - 1])
    return x


def _mean_by_axes(x: Array, window: Sequence[int], strides: Sequence[int]) -> Array:
    for axis in range(len(window), 0, -1):
        x = _sum_along(x, axis, window[axis - 1], strides[axis - 1])
    return x * (1.0 / math.prod(window))


Windows = Callable[[Any, Sequence[int], Sequence[int]], Any]


def _with_gradient(pool: Windows, by_axes: Windows) -> Windows:
    """Pooling that has the gradient of another way to the same."""

    def forward(x: Array, window: Sequence[int], strides: Sequence[int]) -> tuple[Array, Any]:
        return jax.vjp(lambda x: by_axes(x, window, strides), x)

    def backward(
        window: Sequence[int], strides: Sequence[int], pull: Any, gradient: Array
    ) -> tuple[Array]:
        return pull(gradient)

    made = jax.custom_vjp(pool, nondiff_argnums=(1, 2))
    made.defvjp(forward, backward)
    return made


def _max_by_kernels(x: Array, window: Sequence[int], strides: Sequence[int]) -> Array:
    return native_pool.pool(x, window, strides)


def _mean_by_kernels(x: Array, window: Sequence[int], strides: Sequence[int]) -> Array:
    return native_pool.pool(x, window, strides, means=True)


_max_windows = _with_gradient(_max_by_kernels, _max_by_axes)
_mean_windows = _with_gradient(_mean_by_kernels, _mean_by_axes)


def _total(x: Array, axis: int, window: int, stride: int) -> Array:
    if _is_long(window, stride):
        return jnp.sum(_blocks(x, axis, window), axis + 1)
    return reduce(jnp.add, _cells(x, (axis,), (window,), (stride,)))


def _total_forward(x: Array, axis: int, window: int, stride: int) -> tuple[Array, int]:
    return _total(x, axis, window, stride), x.shape[axis]


def _total_backward(
    axis: int, window: int, stride: int, size: int, gradient: Array
) -> tuple[Array]:
    return (_spread([gradient] * window, axis, stride, size),)


_sum_along = jax.custom_vjp(_total, nondiff_argnums=(1, 2, 3))
_sum_along.defvjp(_total_forward, _total_backward)


def _is_long(window: int, stride: int) -> bool:
    """Whether the windows lie side by side and are too long to unroll."""
    return window == stride and window > LONG


def _without(rank: int, axis: int) -> tuple[int, ...]:
    return tuple(a for a in range(rank + 1) if a != axis)


def _blocks(x: Array, axis: int, window: int) -> Array:
    return x.reshape(*x.shape[:axis], x.shape[axis] // window, window, *x.shape[axis + 1 :])


def _unblock(x: Array, axis: int) -> Array:
    """Join an axis with the one behind it."""
    return x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])


def _cells(
    x: Array, axes: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> list[Array]:
    """One array for each cell of the window, in row-major order: its value in all windows."""
    cells = [x]
    for axis, size, stride in zip(axes, window, strides, strict=True):
        last = x.shape[axis] - size + 1
        cells = [
            lax.slice_in_dim(cell, offset, last + offset, stride, axis)
            for cell in cells
            for offset in range(size)
        ]
    return cells


def _first_equal(cells: list[Array], best: Array) -> Array:
    """Number of the first cell that equals the best one."""
    kind = jnp.uint8 if len(cells) < 256 else jnp.int32
    first = lax.full(best.shape, len(cells) - 1, kind)
    for number in range(len(cells) - 2, -1, -1):
        first = lax.select(lax.eq(cells[number], best), lax.full_like(first, number), first)
    return first


def _shares(first: Array, gradient: Array, cells: int) -> list[Array]:
    """The gradient of each cell: that of the window where the cell is the first maximum."""
    numbers, nothing = map(first.dtype.type, range(cells)), lax.full_like(gradient, 0)
    return [lax.select(lax.eq(first, number), gradient, nothing) for number in numbers]


def _spread(parts: list[Array], axis: int, stride: int, size: int) -> Array:
    """Add up what each cell of the windows got, where the cell came from.

    Cells ``r, r + stride, ...`` of window w belong to places ``stride * (w + 0, 1, ...) + r``:
    for each r their sum is one row of additions, and the rows are then interleaved.
    """
    rows = -(-size // stride)
    empty = [0] * parts[0].ndim
    phases = []
    for phase in range(stride):
        total = None
        for shift, part in enumerate(parts[phase::stride]):
            low, high = empty.copy(), empty.copy()
            low[axis], high[axis] = shift, rows - part.shape[axis] - shift
            moved = lax.pad(
                part, jnp.zeros((), part.dtype), list(zip(low, high, empty, strict=True))
            )
            total = moved if total is None else total + moved
        phases.append(jnp.zeros_like(phases[0]) if total is None else total)
    return lax.slice_in_dim(_unblock(jnp.stack(phases, axis + 1), axis), 0, size, axis=axis)


__all__ = [
    "average_pool",
    "max_pool",
    "pool_output_size",
]
