"""Pooling to a given size: windows are as large as it asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from lamina.ops import pool
from lamina.ops.elementwise import as_float
from lamina.ops.shape import spatial_axes

if TYPE_CHECKING:
    from lamina.typing import Array, DataFormat


def adaptive_max_pool(
    x: Any, output_size: Sequence[int], data_format: DataFormat = "channels_last"
) -> Array:
    """Largest value of each window; see `adaptive_average_pool`.

    >>> adaptive_max_pool(jnp.arange(5.0).reshape(1, 5, 1), (2,)).ravel().tolist()
    [2.0, 4.0]
    """
    return _adaptive(x, output_size, data_format, largest=True)


def adaptive_average_pool(
    x: Any, output_size: Sequence[int], data_format: DataFormat = "channels_last"
) -> Array:
    """Mean of each window, of which there are as many as asked for.

    Of `n` cells the window at place `i` of `m` sees those from ``floor(i * n / m)`` on and before
    ``ceil((i + 1) * n / m)``: windows overlap, or repeat, where `m` does not divide `n`.

    Args:
        x: array of batch, spatial axes, and channels.
        output_size: size of the result along each spatial axis.
        data_format: where the channels are.

    >>> adaptive_average_pool(jnp.arange(5.0).reshape(1, 5, 1), (2,)).ravel().tolist()
    [1.0, 3.0]
    """
    return _adaptive(x, output_size, data_format, largest=False)


def _adaptive(
    x: Any, output_size: Sequence[int], data_format: DataFormat, *, largest: bool
) -> Array:
    x = as_float(x)
    axes = spatial_axes(x.ndim, data_format)
    sizes = [x.shape[axis] for axis in axes]
    if all(size % count == 0 for size, count in zip(sizes, output_size, strict=True)):
        window = [size // count for size, count in zip(sizes, output_size, strict=True)]
        pooled = pool.max_pool if largest else pool.average_pool
        return pooled(x, window, window, "valid", data_format)
    for axis, count in zip(axes, output_size, strict=True):
        x = _along(x, axis, count, largest)
    return x


def _along(x: Array, axis: int, count: int, largest: bool) -> Array:
    """The windows along one axis, each as one value."""
    size, steps = x.shape[axis], np.arange(count)
    starts, ends = steps * size // count, -(-(steps + 1) * size // count)
    places = starts[:, None] + np.arange(int((ends - starts).max()))
    inside = places < ends[:, None]
    cells = jnp.take(x, np.minimum(places, size - 1), axis)
    around = [1] * cells.ndim
    around[axis : axis + 2] = inside.shape
    inside = jnp.broadcast_to(inside.reshape(around), cells.shape)
    if largest:
        return jnp.max(jnp.where(inside, cells, -jnp.inf), axis + 1)
    return jnp.mean(cells, axis + 1, where=inside)


__all__ = ["adaptive_average_pool", "adaptive_max_pool"]
