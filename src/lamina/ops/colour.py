"""What changes the colours of images: batches ``(batch, height, width, channels)`` of floats.

Values are those of bytes, from 0 to 255, where nothing else is said. Numbers for each image are
arrays ``(batch, 1, 1, 1)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.typing import Array

LEVELS = 256


def blended(images: Array, others: Array, share: Any) -> Array:
    """``images + share * (others - images)``: a share of 1 gives the others.

    `others` and the share may have axes of size 1.

    >>> blended(jnp.zeros((1, 1, 2, 1)), jnp.ones((1, 1, 1, 1)), jnp.full((1, 1, 1, 1), 0.25))
    Array([[[[0.25],
             [0.25]]]], dtype=float32)
    """
    others, share = (jnp.broadcast_to(one, images.shape) for one in (others, share))
    return images + share.astype(images.dtype) * (others - images)


def means(images: Array) -> Array:
    """The mean of each channel of each image, of shape ``(batch, 1, 1, channels)``.

    >>> means(jnp.array([[[[1.0], [3.0]]]])).ravel()
    Array([2.], dtype=float32)
    """
    return jnp.mean(images, (1, 2), keepdims=True)


def smoothed(images: Array) -> Array:
    """Each pixel five times and its eight neighbours once, divided by 13; outside is 0.

    >>> smoothed(jnp.full((1, 3, 3, 1), 13.0))[0, :, :, 0].round().astype(int).tolist()
    [[8, 10, 8], [10, 13, 10], [8, 10, 8]]
    """
    # Sums of shifted images: a convolution would be slow in a loop on a CPU.
    wide = jnp.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    around = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    return (around + 4 * images) / 13


def blurred(images: Array, size: Sequence[int], sigma: Any) -> Array:
    """Images under a Gaussian window, one axis after the other; outside is 0.

    Args:
        images: a batch.
        size: odd height and width of the window.
        sigma: deviations along both axes, an array of 2 numbers above 0.

    >>> blurred(jnp.ones((1, 3, 3, 1)), (1, 3), jnp.array([1.0, 1e-3])).ravel().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    for axis, points in enumerate(size, 1):
        at = jnp.arange(points, dtype=jnp.float32) - points // 2
        # A softmax is the same quotient of exponentials, and stays finite for a tiny deviation.
        weights = jax.nn.softmax(
            -0.5 * jnp.square(at / sigma[axis - 1].astype(jnp.float32))
        ).astype(images.dtype)
        around = [(0, 0)] * 4
        around[axis] = (points // 2, points // 2)
        wide, length = jnp.pad(images, around), images.shape[axis]
        parts = [
            weights[n] * jax.lax.slice_in_dim(wide, n, n + length, axis=axis) for n in range(points)
        ]
        images = sum(parts[1:], parts[0])
    return images


def posterized(images: Array, bits: Any) -> Array:
    """The highest bits of each value; the others become 0.

    Args:
        images: a batch.
        bits: how many, from 1 to 8, for each image.

    >>> posterized(jnp.array([[[[200.7]]]]), jnp.full((1, 1, 1, 1), 2)).ravel()
    Array([192.], dtype=float32)
    """
    step = 2.0 ** (8 - jnp.broadcast_to(bits, images.shape).astype(images.dtype))
    return jnp.floor(jnp.floor(jnp.clip(images, 0.0, 255.0)) / step) * step


def solarized(images: Array, addition: Any, threshold: Any) -> Array:
    """Add a number, then turn around what reaches the threshold: ``255 - x``.

    Args:
        images: a batch.
        addition: what is added to each image.
        threshold: the threshold of each image.

    >>> solarized(jnp.array([[[[90.0], [100.0]]]]), jnp.full((1, 1, 1, 1), 5.0), jnp.full(1, 100.0))
    Array([[[[ 95.],
             [150.]]]], dtype=float32)
    """
    addition, threshold = (
        jnp.broadcast_to(jnp.reshape(one, (-1, 1, 1, 1)), images.shape).astype(images.dtype)
        for one in (addition, threshold)
    )
    added = jnp.clip(images + addition, 0.0, 255.0)
    return jnp.where(added < threshold, added, 255.0 - added)


def stretched(images: Array) -> Array:
    """Each channel of each image from 0 to 255; a channel of one value stays.

    >>> stretched(jnp.array([[[[10.0], [20.0], [30.0]]]])).ravel().tolist()
    [0.0, 127.5, 255.0]
    """
    low, high = (jnp.broadcast_to(f(images, (1, 2), keepdims=True), images.shape) for f in _ENDS)
    flat = high == low
    scale = 255.0 / jnp.where(flat, 1.0, high - low)
    return jnp.where(flat, images, jnp.clip((images - low) * scale, 0.0, 255.0))


_ENDS: Any = (jnp.min, jnp.max)


def counted(places: Array, size: int) -> Array:
    """How often each of the numbers below `size` stands in the last axis.

    >>> counted(jnp.array([[0, 2, 2]]), 4)
    Array([[1., 0., 2., 0.]], dtype=float32)
    """
    rows = places.reshape(-1, places.shape[-1])
    first = jnp.arange(rows.shape[0], dtype=rows.dtype)[:, None] * size
    found = jnp.zeros(rows.shape[0] * size, jnp.float32)
    found = found.at[rows + jnp.broadcast_to(first, rows.shape)].add(1.0)
    return found.reshape(*places.shape[:-1], size)


def equalized(images: Array, bins: int) -> Array:
    """Values by their ranks: each channel of each image has all values about equally often.

    Args:
        images: a batch.
        bins: how many groups of values there are.

    >>> equalized(jnp.array([[[[3.0], [4.0], [4.0], [9.0]]]]), 256).ravel().tolist()
    [0.0, 170.0, 170.0, 255.0]
    """
    batch, height, width, channels = images.shape
    values = jnp.moveaxis(images, -1, 1).reshape(batch * channels, height * width)
    places = jnp.clip((values * (bins - 1) / 255.0).astype(jnp.int32), 0, bins - 1)
    found = counted(places, bins)
    below = jnp.cumsum(found, -1)
    least = jnp.min(jnp.where(below > 0, below, jnp.inf), -1, keepdims=True)
    rest = height * width - least
    table = (below - jnp.broadcast_to(least, below.shape)) * 255.0
    table = jnp.clip(jnp.round(table / jnp.broadcast_to(jnp.maximum(rest, 1.0), table.shape)), 0)
    ranked = jnp.take_along_axis(table, places, -1).astype(values.dtype)
    several = jnp.broadcast_to(rest > 0, values.shape)
    result = jnp.where(several, ranked, values).reshape(batch, channels, height, width)
    return jnp.moveaxis(result, 1, -1)


def locally_equalized(images: Array, tiles: Sequence[int], limit: float) -> Array:
    """Values by their ranks among the pixels around; too frequent values count less.

    Each tile has a table of ranks; a pixel takes the mean of those of the four tiles whose middles
    are nearest, the nearer the more. Pizer and others (1987), "Adaptive Histogram Equalization and
    Its Variations"; Zuiderveld (1994), "Contrast Limited Adaptive Histogram Equalization".

    Args:
        images: a batch.
        tiles: number of tiles along height and width.
        limit: how many times the mean a value may be counted; what is beyond is spread over all
            values. Without a limit for 0.

    >>> locally_equalized(jnp.array([[[[3.0], [4.0], [5.0], [9.0]]]]), (1, 1), 0.0).ravel().tolist()
    [63.75, 127.5, 191.25, 255.0]
    """
    batch, height, width, channels = images.shape
    sizes = [-(-size // count) for size, count in zip((height, width), tiles, strict=True)]
    more = [count * size for count, size in zip(tiles, sizes, strict=True)]
    around = ((0, 0), (0, more[0] - height), (0, more[1] - width), (0, 0))
    levels = jnp.clip(images, 0.0, 255.0).astype(jnp.int32)
    parts = jnp.pad(levels, around, "symmetric")
    parts = parts.reshape(batch, tiles[0], sizes[0], tiles[1], sizes[1], channels)
    parts = parts.transpose(0, 1, 3, 5, 2, 4).reshape(batch, *tiles, channels, -1)
    tables = _ranks(counted(parts, LEVELS), parts.shape[-1], limit)
    rows, columns = (_neighbours(*one) for one in zip((height, width), tiles, sizes, strict=True))
    result = jnp.zeros(images.shape, jnp.float32)
    picture = np.arange(batch, dtype=np.int32)[:, None, None, None]
    for row, near in rows:
        for column, close in columns:
            share = near[:, None] * close[None, :]
            value = tables[
                picture,
                row[None, :, None, None],
                column[None, None, :, None],
                np.arange(channels, dtype=np.int32)[None, None, None, :],
                levels,
            ]
            result = result + value * jnp.broadcast_to(share[None, :, :, None], value.shape)
    return result.astype(images.dtype)


def _ranks(found: Array, pixels: int, limit: float) -> Array:
    """What becomes of each value, by how often the values are there."""
    if limit > 0:
        kept = jnp.minimum(found, limit * pixels / LEVELS)
        spread = jnp.sum(found - kept, -1, keepdims=True) / LEVELS
        found = kept + jnp.broadcast_to(spread, kept.shape)
    below = jnp.cumsum(found, -1)
    least = below[..., :1]
    rest = pixels - least
    share = 255.0 / jnp.where(rest == 0, 1.0, rest)
    above = below - jnp.broadcast_to(least, below.shape)
    return jnp.clip(above * jnp.broadcast_to(share, above.shape), 0.0, 255.0)


def _neighbours(length: int, count: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each pixel of an axis the two tiles whose middles are nearest, with their weights."""
    place = (np.arange(length) - size / 2) / size
    low = np.floor(place).astype(np.int32)
    far = (place - low).astype(np.float32)
    ends = (np.clip(low, 0, count - 1), np.clip(low + 1, 0, count - 1))
    return [(ends[0], 1 - far), (ends[1], far)]
