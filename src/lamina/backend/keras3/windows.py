"""Blocks of images, pooling to a given size, and axes by name, by Keras 3's names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.backend.keras3.names import own, whole, wholes
from lamina.backend.old_names import normalize_data_format
from lamina.ops import adaptive, arithmetic, elementwise


def window_places(who: str, size: int, window: int, stride: int, dilation: int) -> np.ndarray:
    """Index of each cell of each window along one axis, of shape ``(window, count)``.

    >>> window_places("ops.unfold", 5, 2, 2, 1).tolist()
    [[0, 2], [1, 3]]
    """
    reach = dilation * (window - 1) + 1
    if size < reach:
        raise ValueError(
            f"{who}: windows that reach over {reach} cells do not fit into an axis of {size}."
        )
    starts = np.arange(0, size - reach + 1, stride)
    return dilation * np.arange(window)[:, None] + starts


Blocks = tuple[tuple[int, ...], np.ndarray, np.ndarray]


def _blocks(who: str, sizes: tuple[int, ...], *given: Any) -> Blocks:
    """Padding, and the rows and columns of the cells of all blocks of an image of that size."""
    names = ("kernel_size", "stride", "dilation")
    window, step, apart = (
        wholes(who, name, value, 2) for name, value in zip(names, given[:3], strict=True)
    )
    around = wholes(who, "padding", given[3], 2, least=0)
    rows, columns = (
        window_places(who, sizes[axis] + 2 * around[axis], window[axis], step[axis], apart[axis])
        for axis in (0, 1)
    )
    return around, rows[:, None, :, None], columns[None, :, None, :]


def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Lay the blocks of an image out in columns.

    Args:
        x: images of shape ``(batch, channels, height, width)``.
        kernel_size: size of a block: one int, or two.
        dilation: distance of the cells of a block.
        padding: zeros around the image.
        stride: step from block to block.

    Returns:
        Array of shape ``(batch, channels * height of a block * its width, blocks)``.

    Raises:
        ValueError: `x` has not four axes, a size is wrong, or no block fits.

    >>> unfold(jnp.arange(9).reshape(1, 1, 3, 3), (1, 2))[0].tolist()
    [[0, 1, 3, 4, 6, 7], [1, 2, 4, 5, 7, 8]]
    """
    x, who = jnp.asarray(x), "ops.unfold"
    if x.ndim != 4:
        raise ValueError(f"{who}: expected (batch, channels, height, width), got {x.shape}.")
    around, rows, columns = _blocks(who, x.shape[2:], kernel_size, stride, dilation, padding)
    x = jnp.pad(x, ((0, 0), (0, 0), *((pad, pad) for pad in around)))
    cells = x[:, :, rows, columns]
    _, channels, height, width, *count = cells.shape
    return cells.reshape((x.shape[0], channels * height * width, math.prod(count)))


def fold(
    x: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """Add up blocks in columns to images: the reverse of `unfold`, whose gradient this is.

    Args:
        x: array of shape ``(batch, channels * height of a block * its width, blocks)``.
        output_size: height and width of the images: one int, or two.
        kernel_size: size of a block.
        dilation: distance of the cells of a block.
        padding: width of the border of the images that is left out.
        stride: step from block to block.

    Returns:
        Images of shape ``(batch, channels, height, width)``.

    Raises:
        ValueError: the shape of `x` is not that of such blocks.

    >>> fold(jnp.ones((1, 2, 6)), (3, 3), (1, 2))[0, 0].tolist()
    [[1.0, 2.0, 1.0], [1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]
    """
    x, who = jnp.asarray(x), "ops.fold"
    height, width = wholes(who, "output_size", output_size, 2)
    around, rows, columns = _blocks(who, (height, width), kernel_size, stride, dilation, padding)
    cells = rows.shape[0] * columns.shape[1]
    count = (rows.shape[2], columns.shape[3])
    if x.ndim != 3 or x.shape[1] % cells or x.shape[2] != math.prod(count):
        raise ValueError(
            f"{who}: expected shape (batch, channels * {cells}, {math.prod(count)}) for images of "
            f"{height} x {width}, got {x.shape}."
        )
    channels = x.shape[1] // cells
    blocks = x.reshape((x.shape[0], channels, rows.shape[0], columns.shape[1], *count))
    top, left = around
    shape = (x.shape[0], channels, height + 2 * top, width + 2 * left)
    images = jnp.zeros(shape, x.dtype).at[:, :, rows, columns].add(blocks)
    return images[:, :, top : top + height, left : left + width]


def _adaptive(who: str, inputs: Any, output_size: Any, data_format: Any, pool: Any) -> Any:
    x = elementwise.as_float(inputs)
    if x.ndim < 3:
        raise ValueError(f"{who}: expected batch, spatial axes and channels, got {x.shape}.")
    sizes = wholes(who, "output_size", output_size, x.ndim - 2)
    return pool(x, sizes, normalize_data_format(data_format))


def adaptive_average_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Mean of windows that are as large as the given size of the result asks.

    Args:
        inputs: array of batch, spatial axes and channels.
        output_size: size of the result along the spatial axes: one int for all, or one for each.
        data_format: where the channels are.

    >>> adaptive_average_pool(jnp.arange(5.0).reshape(1, 5, 1), 2).ravel().tolist()
    [1.0, 3.0]
    """
    return _adaptive(
        "ops.adaptive_average_pool",
        inputs,
        output_size,
        data_format,
        adaptive.adaptive_average_pool,
    )


def adaptive_max_pool(inputs: Any, output_size: Any, data_format: str | None = None) -> Any:
    """Largest value of windows that are as large as the given size of the result asks.

    Args:
        inputs: array of batch, spatial axes and channels.
        output_size: size of the result along the spatial axes: one int for all, or one for each.
        data_format: where the channels are.

    >>> adaptive_max_pool(jnp.arange(5.0).reshape(1, 5, 1), 2).ravel().tolist()
    [2.0, 4.0]
    """
    return _adaptive(
        "ops.adaptive_max_pool", inputs, output_size, data_format, adaptive.adaptive_max_pool
    )


def _image(who: str, x: Any, block_size: Any, data_format: str) -> tuple[Any, int, bool]:
    x = jnp.asarray(x)
    if x.ndim != 4:
        raise ValueError(f"{who}: expected four axes, got shape {x.shape}.")
    last = normalize_data_format(data_format) == "channels_last"
    return jnp.moveaxis(x, 1, -1) if not last else x, whole(who, "block_size", block_size), last


def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Lay channels out as blocks of pixels. Shi et al. (2016).

    Args:
        x: images of shape ``(batch, height, width, channels)``.
        block_size: height and width of the blocks; its square divides the channels.
        data_format: where the channels are.

    >>> depth_to_space(jnp.arange(4).reshape(1, 1, 1, 4), 2)[0, :, :, 0].tolist()
    [[0, 1], [2, 3]]
    """
    who = "ops.depth_to_space"
    x, block, last = _image(who, x, block_size, data_format)
    rows, height, width, channels = x.shape
    if channels % block**2:
        raise ValueError(f"{who}: {channels} channels do not make blocks of {block} x {block}.")
    kept = channels // block**2
    parts = (block, block, kept) if last else (kept, block, block)
    x = x.reshape((rows, height, width, *parts))
    x = x.transpose((0, 1, 3, 2, 4, 5) if last else (0, 3, 1, 4, 2, 5))
    sizes = (height * block, width * block)
    return x.reshape((rows, *sizes, kept) if last else (rows, kept, *sizes))


def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Lay blocks of pixels out as channels: the reverse of `depth_to_space`.

    Args:
        x: images of shape ``(batch, height, width, channels)``.
        block_size: height and width of the blocks, which divides those of the images.
        data_format: where the channels are.

    >>> space_to_depth(jnp.arange(4).reshape(1, 2, 2, 1), 2).ravel().tolist()
    [0, 1, 2, 3]
    """
    who = "ops.space_to_depth"
    x, block, last = _image(who, x, block_size, data_format)
    rows, height, width, channels = x.shape
    if height % block or width % block:
        raise ValueError(
            f"{who}: images of {height} x {width} cannot be cut into blocks of {block} x {block}."
        )
    sizes = (height // block, width // block)
    x = x.reshape((rows, sizes[0], block, sizes[1], block, channels))
    x = x.transpose((0, 1, 3, 2, 4, 5) if last else (0, 5, 2, 4, 1, 3))
    deep = channels * block**2
    return x.reshape((rows, *sizes, deep) if last else (rows, deep, *sizes))


def psnr(x1: Any, x2: Any, max_val: float) -> Any:
    """Ratio of the highest possible signal to the noise between two signals, in decibels.

    ``20 * log10(max_val) - 10 * log10(mean((x1 - x2) ** 2))``; infinite for equal signals.

    Args:
        x1: first signal.
        x2: second signal, of the same shape.
        max_val: highest value that a signal may have.

    >>> psnr(jnp.zeros(3), jnp.full(3, 0.1), 1.0).round(3)
    Array(20., dtype=float32)
    """
    x1, x2 = arithmetic.same_dtype(elementwise.as_float(x1), x2)
    if x1.shape != x2.shape:
        raise ValueError(f"ops.psnr: x1 and x2 must have one shape, got {x1.shape} and {x2.shape}.")
    highest = jnp.asarray(max_val, x1.dtype)
    return 20 * jnp.log10(highest) - 10 * jnp.log10(jnp.mean(jnp.square(x1 - x2)))


def _side(pattern: str, text: str) -> list[list[str]]:
    """Groups of names of one side of a pattern: one name, or those within brackets."""
    groups = re.findall(r"\(([^()]*)\)|(\.\.\.|[^\s()]+)", text)
    found = [[single] if single else inner.split() for inner, single in groups]
    names = [name for group in found for name in group]
    bad = [name for name in names if not (name.isidentifier() or name in ("1", "..."))]
    rest = re.sub(r"\([^()]*\)", "", text)
    if bad or set("()") & set(rest) or (["..."] not in found and "..." in names):
        raise ValueError(f"ops.rearrange: pattern {pattern!r} cannot be read at {text.strip()!r}.")
    repeated = {name for name in names if name != "1" and names.count(name) > 1}
    if repeated:
        raise ValueError(f"ops.rearrange: {sorted(repeated)} occur twice in {text.strip()!r}.")
    return [[name for name in group if name != "1"] for group in found]


def _read(pattern: str, ndim: int) -> tuple[list[list[str]], list[list[str]]]:
    """Both sides of a pattern, with names in the place of an ellipsis."""
    if pattern.count("->") != 1:
        raise ValueError(f"ops.rearrange: pattern must look like 'a b -> b a', got {pattern!r}.")
    left, right = (_side(pattern, text) for text in pattern.split("->"))
    missing = ndim - (len(left) - 1)
    open_axes = [[f"...{place}"] for place in range(missing)]
    sides = [_filled(side, open_axes) for side in (left, right)]
    names = [{name for group in side for name in group} for side in sides]
    if len(sides[0]) != ndim or names[0] != names[1]:
        raise ValueError(
            f"ops.rearrange: pattern {pattern!r} does not fit {ndim} axes with the same names on "
            "both sides."
        )
    return sides[0], sides[1]


def _filled(side: list[list[str]], open_axes: list[list[str]]) -> list[list[str]]:
    if ["..."] not in side:
        return side
    place = side.index(["..."])
    return side[:place] + open_axes + side[place + 1 :]


def _lengths(who: str, shape: Any, groups: Any, known: dict[str, int]) -> dict[str, int]:
    """Size of each axis that has a name: at most one in a group is worked out."""
    found = dict(known)
    for size, group in zip(shape, groups, strict=True):
        unknown = [name for name in group if name not in found]
        product = math.prod(found[name] for name in group if name in found)
        fits = len(unknown) == 1 and product and size % product == 0
        if not (fits or (not unknown and product == size)):
            raise ValueError(
                f"{who}: an axis of size {size} cannot be cut into ({' '.join(group)}) with the "
                f"lengths {known}."
            )
        found |= dict.fromkeys(unknown, size // product)
    return found


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Reorder, cut and join axes that have names.

    Args:
        tensor: array.
        pattern: names of the axes of the array and of the result, such as ``"b h w -> b (w h)"``.
            Brackets hold the names of axes that lie in one; ``...`` stands for any axes, ``1``
            for one of size 1.
        axes_lengths: sizes of axes within brackets, where they do not follow from the others.

    Raises:
        ValueError: the pattern cannot be read, or does not fit the shape.

    >>> rearrange(jnp.ones((2, 6, 5)), "b (h k) w -> b w h k", k=3).shape
    (2, 5, 2, 3)
    """
    x, who = jnp.asarray(tensor), "ops.rearrange"
    before, after = _read(pattern, x.ndim)
    order = [name for group in before for name in group]
    strange = sorted(set(axes_lengths) - set(order))
    if strange:
        raise ValueError(f"{who}: {strange} are no axes of {pattern!r}.")
    sizes = _lengths(who, x.shape, before, axes_lengths)
    x = x.reshape([sizes[name] for name in order])
    x = x.transpose([order.index(name) for group in after for name in group])
    return x.reshape([math.prod(sizes[name] for name in group) for group in after])


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    found = own(globals())
    del found["window_places"]
    return found
