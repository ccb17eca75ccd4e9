"""Sizes, borders, blocks and colours of images, by the names of ``keras.ops.image``.

Images are one, ``(height, width, channels)``, or a batch of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.backend.conv import checked_padding
from lamina.backend.keras3.names import own, spatial, unspatial, whole, wholes
from lamina.backend.keras3.windows import window_places
from lamina.backend.old_names import normalize_data_format
from lamina.ops.geometry import window_padding

METHODS = {
    "bilinear": "linear",
    "nearest": "nearest",
    "bicubic": "cubic",
    "lanczos3": "lanczos3",
    "lanczos5": "lanczos5",
}


def as_given(values: Any, kind: Any) -> Any:
    """Floating values in the dtype of the images: whole numbers are rounded and cut off.

    >>> as_given(jnp.array([3.6, 300.0]), jnp.dtype("uint8")).tolist()
    [4, 255]
    """
    if not jnp.issubdtype(kind, jnp.integer):
        return values.astype(kind)
    limits = jnp.iinfo(kind)
    return jnp.clip(jnp.round(values), limits.min, limits.max).astype(kind)


def as_floats(images: Any) -> Any:
    """Images of whole numbers as float32, others as they are.

    >>> as_floats(jnp.ones(2, "uint8")).dtype
    dtype('float32')
    """
    inexact = jnp.issubdtype(images.dtype, jnp.inexact)
    return images if inexact else images.astype("float32")


def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Any:
    """Resize images.

    Args:
        images: one image or a batch.
        size: height and width of the result: one int, or two.
        interpolation: ``bilinear``, ``nearest``, ``bicubic``, ``lanczos3`` or ``lanczos5``.
        antialias: take the mean of more pixels where images get smaller.
        crop_to_aspect_ratio: first cut the images to the ratio of `size`.
        pad_to_aspect_ratio: first add borders up to the ratio of `size`.
        fill_mode: only ``constant``.
        fill_value: value of these borders.
        data_format: where the channels are.

    Raises:
        ValueError: an argument has a wrong value.

    >>> resize(jnp.ones((2, 4, 6, 3)), (2, 5)).shape
    (2, 2, 5, 3)
    """
    who, place = "image.resize", normalize_data_format(data_format)
    height, width = wholes(f"ops.{who}", "size", size, 2)
    if interpolation not in METHODS or fill_mode != "constant":
        raise ValueError(
            f"ops.{who}: interpolation must be one of {', '.join(map(repr, METHODS))}, and "
            f"fill_mode 'constant'; got {interpolation!r} and {fill_mode!r}."
        )
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(f"ops.{who}: images are cropped or padded to the ratio, not both.")
    x = spatial(who, images, place)
    if crop_to_aspect_ratio:
        x = _cropped(x, height, width)
    if pad_to_aspect_ratio:
        x = _padded(x, height, width, fill_value)
    shape = (*x.shape[:-3], height, width, x.shape[-1])
    found = jax.image.resize(as_floats(x), shape, METHODS[interpolation], antialias=antialias)
    return unspatial(as_given(found, x.dtype), place, 4)


def _fitting(x: Any, height: int, width: int) -> tuple[int, int]:
    """Height for the width of the images, and width for their height, in another ratio."""
    return int(x.shape[-2] * height / width), int(x.shape[-3] * width / height)


def _cropped(x: Any, height: int, width: int) -> Any:
    high, wide = _fitting(x, height, width)
    high, wide = max(min(x.shape[-3], high), 1), max(min(x.shape[-2], wide), 1)
    top, left = (x.shape[-3] - high) // 2, (x.shape[-2] - wide) // 2
    return x[..., top : top + high, left : left + wide, :]


def _padded(x: Any, height: int, width: int, fill_value: float) -> Any:
    high, wide = _fitting(x, height, width)
    rows, columns = max(high - x.shape[-3], 0), max(wide - x.shape[-2], 0)
    around = [(rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2), (0, 0)]
    around = [(0, 0)] * (x.ndim - 3) + around
    return jnp.pad(x, around, constant_values=jnp.asarray(fill_value).astype(x.dtype))


def _borders(who: str, kind: str, names: tuple[str, str, str], given: Any, total: int) -> Any:
    """Borders before and after an axis, from two of: these, and the size that results."""
    if sum(one is not None for one in given) != 2:
        raise ValueError(f"ops.{who}: give two of {', '.join(names)}, got {given}.")
    for name, one in zip(names, given, strict=True):
        if one is not None:
            whole(f"ops.{who}", name, one, least=0)
    before, after, size = given
    rest = size if size is None else (size - total if kind == "pad" else total - size)
    before = rest - after if before is None else before
    after = rest - before if after is None else after
    if min(before, after) < 0 or (kind == "crop" and before + after > total):
        raise ValueError(
            f"ops.{who}: {', '.join(names)} of {given} do not fit an axis of size {total}."
        )
    return before, after


_SIDES = (("top", "bottom", "target_height"), ("left", "right", "target_width"))


def _both(who: str, kind: str, given: tuple[Any, ...], sizes: Any) -> list[tuple[int, int]]:
    top, left, bottom, right, height, width = given
    found = []
    for side, own_values, size in zip(
        _SIDES, ((top, bottom, height), (left, right, width)), sizes, strict=True
    ):
        word = "padding" if kind == "pad" else "cropping"
        names = (f"{side[0]}_{word}", f"{side[1]}_{word}", side[2])
        found.append(_borders(who, kind, names, own_values, size))
    return found


def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Add borders of zeros: for each axis, two of both borders and the size that results.

    Args:
        images: one image or a batch.
        top_padding: rows above.
        left_padding: columns to the left.
        bottom_padding: rows below.
        right_padding: columns to the right.
        target_height: height of the result.
        target_width: width of the result.
        data_format: where the channels are.

    Raises:
        ValueError: not two of them are given for an axis, or they do not fit.

    >>> pad_images(jnp.ones((2, 3, 1)), 1, 0, target_height=5, target_width=4).shape
    (5, 4, 1)
    """
    who, place = "image.pad_images", normalize_data_format(data_format)
    x = spatial(who, images, place)
    given = (top_padding, left_padding, bottom_padding, right_padding, target_height, target_width)
    around = [(0, 0)] * (x.ndim - 3) + _both(who, "pad", given, x.shape[-3:-1]) + [(0, 0)]
    return unspatial(jnp.pad(x, around), place, 4)


def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Cut borders off: for each axis, two of both borders and the size that results.

    Args:
        images: one image or a batch.
        top_cropping: rows above.
        left_cropping: columns to the left.
        bottom_cropping: rows below.
        right_cropping: columns to the right.
        target_height: height of the result.
        target_width: width of the result.
        data_format: where the channels are.

    Raises:
        ValueError: not two of them are given for an axis, or they do not fit.

    >>> crop_images(jnp.ones((5, 4, 1)), 1, 0, target_height=2, target_width=3).shape
    (2, 3, 1)
    """
    who, place = "image.crop_images", normalize_data_format(data_format)
    x = spatial(who, images, place)
    given = (
        *(top_cropping, left_cropping, bottom_cropping, right_cropping),
        *(target_height, target_width),
    )
    (top, bottom), (left, right) = _both(who, "crop", given, x.shape[-3:-1])
    height, width = x.shape[-3:-1]
    return unspatial(x[..., top : height - bottom, left : width - right, :], place, 4)


def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Lay the blocks of images, or of volumes, out as channels.

    Args:
        images: one image or a batch; one volume or a batch, if `size` has three numbers.
        size: size of a block: one int, or one for each spatial axis.
        strides: step from block to block; `size` by default.
        dilation_rate: distance of the cells of a block.
        padding: ``valid`` or ``same``.
        data_format: where the channels are.

    Returns:
        For each block its cells: those of the last spatial axis follow each other, each with all
        its channels.

    >>> extract_patches(jnp.ones((2, 6, 8, 3)), (2, 4)).shape
    (2, 3, 2, 24)
    """
    count = len(size) if isinstance(size, list | tuple) else 2
    if count not in (2, 3):
        raise ValueError(
            f"ops.image.extract_patches: size must be one int, or 2 or 3, got {size!r}."
        )
    given = (size, strides, dilation_rate, padding, data_format)
    return _patches("image.extract_patches", images, given, count)


def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Lay the blocks of volumes out as channels; see `extract_patches`.

    >>> extract_patches_3d(jnp.ones((2, 4, 6, 8, 3)), (1, 2, 4)).shape
    (2, 4, 3, 2, 24)
    """
    given = (size, strides, dilation_rate, padding, data_format)
    return _patches("image.extract_patches_3d", volumes, given, 3)


def _patches(name: str, images: Any, given: tuple[Any, ...], count: int) -> Any:
    size, strides, dilation, padding, data_format = given
    who, place = f"ops.{name}", normalize_data_format(data_format)
    window = wholes(who, "size", size, count)
    steps = window if strides is None else wholes(who, "strides", strides, count)
    apart = wholes(who, "dilation_rate", dilation, count)
    kind = checked_padding(name, padding)
    x = spatial(name, images, place, ranks=(count + 1, count + 2))
    first = x.ndim - count - 1
    sizes = x.shape[first:-1]
    plan = list(zip(sizes, window, steps, apart, strict=True))
    around = [(0, 0)] * first + [window_padding(*one, kind) for one in plan] + [(0, 0)]
    x = jnp.pad(x, around)
    places = []
    for axis, (_, *rest) in enumerate(plan):
        found = window_places(who, x.shape[first + axis], *rest).T
        shape = [1] * (2 * count)
        shape[axis], shape[count + axis] = found.shape
        places.append(found.reshape(shape))
    cells = x[(..., *places, np.s_[:])] if first == 0 else x[(np.s_[:], *places, np.s_[:])]
    counts = cells.shape[first : first + count]
    cells = cells.reshape((*x.shape[:first], *counts, math.prod(window) * x.shape[-1]))
    return unspatial(cells, place, count + 2)


def _colours(who: str, images: Any, data_format: str | None, floats: bool) -> tuple[Any, Any]:
    place = normalize_data_format(data_format)
    x = spatial(who, images, place)
    if x.shape[-1] != 3:
        raise ValueError(f"ops.{who}: images must have 3 channels, got {x.shape[-1]}.")
    if floats and not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(
            f"ops.{who}: images must be floats from 0 to 1, got dtype {x.dtype}; divide by 255."
        )
    return x, place


def rgb_to_grayscale(images: Any, data_format: str | None = None) -> Any:
    """Brightness of coloured images: ``0.2989 red + 0.587 green + 0.114 blue``.

    Args:
        images: one image or a batch, with three channels.
        data_format: where the channels are.

    >>> rgb_to_grayscale(jnp.ones((2, 3, 3))).shape
    (2, 3, 1)
    """
    x, place = _colours("image.rgb_to_grayscale", images, data_format, False)
    wide = as_floats(x)
    found = wide[..., :1] * 0.2989 + wide[..., 1:2] * 0.587 + wide[..., 2:] * 0.114
    return unspatial(found.astype(x.dtype), place, 4)


def rgb_to_hsv(images: Any, data_format: str | None = None) -> Any:
    """Hue, saturation and value, from red, green and blue. Smith (1978).

    Args:
        images: floats from 0 to 1, with three channels.
        data_format: where the channels are.

    >>> rgb_to_hsv(jnp.array([[[0.5, 0.25, 0.25]]])).tolist()
    [[[0.0, 0.5, 0.5]]]
    """
    x, place = _colours("image.rgb_to_hsv", images, data_format, True)
    red, green, blue = jnp.moveaxis(x, -1, 0)
    high = jnp.max(x, -1)
    spread = high - jnp.min(x, -1)
    divisor = jnp.where(spread > 0, spread, 1.0)
    hue = jnp.where(high == blue, 4 + (red - green) / divisor, 0.0)
    hue = jnp.where(high == green, 2 + (blue - red) / divisor, hue)
    hue = jnp.where(high == red, (green - blue) / divisor, hue)
    hue = jnp.where(spread > 0, hue / 6 % 1.0, 0.0)
    saturation = jnp.where(high > 0, spread / jnp.where(high > 0, high, 1.0), 0.0)
    return unspatial(jnp.stack([hue, saturation, high], -1), place, 4)


def hsv_to_rgb(images: Any, data_format: str | None = None) -> Any:
    """Red, green and blue, from hue, saturation and value: the reverse of `rgb_to_hsv`.

    Args:
        images: floats from 0 to 1, with three channels.
        data_format: where the channels are.

    >>> hsv_to_rgb(jnp.array([[[1 / 3, 1.0, 0.5]]])).round(4).tolist()
    [[[0.0, 0.5, 0.0]]]
    """
    x, place = _colours("image.hsv_to_rgb", images, data_format, True)
    hue, saturation, value = jnp.moveaxis(x, -1, 0)

    def channel(shift: int) -> Any:
        # Each channel falls from its full value over two sixths of the circle, and rises again.
        at = (hue * 6 + shift) % 6.0
        return value * (1 - saturation * jnp.clip(jnp.minimum(at, 4 - at), 0.0, 1.0))

    return unspatial(jnp.stack([channel(5), channel(3), channel(1)], -1), place, 4)


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    found = own(globals())
    return {name: f for name, f in found.items() if name not in ("as_given", "as_floats")}
