"""Pooling, resizing and padding of ``K``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp  # noqa: F401  (for the examples)

from lamina.backend.conv import Steps, checked_padding, several
from lamina.backend.old_names import normalize_data_format, renamed
from lamina.core.dispatch import dispatch
from lamina.ops import elementwise, pool, shape


def _pool(who: str, x: Any, options: tuple[Any, Any, Any, Any], pool_mode: str) -> Any:
    modes = {"max": pool.max_pool, "avg": pool.average_pool}
    if pool_mode not in modes:
        raise ValueError(f"K.{who}: pool_mode must be 'max' or 'avg', got {pool_mode!r}.")
    pool_size, strides, padding, data_format = options
    rank = len(x.shape) - 2
    return dispatch(
        modes[pool_mode],
        x,
        several(who, "pool_size", pool_size, rank),
        several(who, "strides", strides, rank),
        checked_padding(who, padding),
        normalize_data_format(data_format),
    )


@renamed()
def pool2d(
    x: Any,
    pool_size: Steps,
    strides: Steps = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Largest value or mean of each window over two axes.

    Args:
        x: tensor of batch, two spatial axes and channels.
        pool_size: size of the window.
        strides: step of the window.
        padding: ``valid`` or ``same``.
        data_format: where the channels are.
        pool_mode: ``max`` or ``avg``.

    Raises:
        ValueError: an argument has a wrong value, or the window does not fit.

    >>> pool2d(jnp.ones((1, 4, 6, 2)), (2, 3), (2, 3)).shape
    (1, 2, 2, 2)
    """
    return _pool("pool2d", x, (pool_size, strides, padding, data_format), pool_mode)


@renamed()
def pool3d(
    x: Any,
    pool_size: Steps,
    strides: Steps = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Largest value or mean of each window over three axes; arguments as in `pool2d`.

    >>> pool3d(jnp.ones((1, 4, 6, 2, 2)), (2, 3, 1), (2, 3, 1), pool_mode="avg").shape
    (1, 2, 2, 2, 2)
    """
    return _pool("pool3d", x, (pool_size, strides, padding, data_format), pool_mode)


def _bilinear(x: Any, factors: tuple[int, int], data_format: Any) -> Any:
    x = elementwise.as_float(x)
    sizes = list(x.shape)
    for axis, factor in zip(shape.spatial_axes(x.ndim, data_format), factors, strict=True):
        sizes[axis] *= factor
    return jax.image.resize(x, sizes, "linear", antialias=False)


@renamed(X="x")
def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str | None = None,
    interpolation: str = "nearest",
) -> Any:
    """Enlarge images by whole factors.

    Args:
        x: tensor of batch, rows, columns and channels.
        height_factor: factor for the rows.
        width_factor: factor for the columns.
        data_format: where the channels are.
        interpolation: ``nearest`` repeats pixels; ``bilinear`` interpolates between their
            centres (as TensorFlow 2 and Keras 3 do; TensorFlow 1 took their corners).

    Raises:
        ValueError: an argument has a wrong value.

    >>> resize_images(jnp.ones((1, 2, 3, 4)), 2, 5).shape
    (1, 4, 15, 4)
    """
    factors = several("resize_images", "factors", (height_factor, width_factor), 2)
    place = normalize_data_format(data_format)
    if interpolation == "nearest":
        return dispatch(shape.upsample, x, factors, place)
    if interpolation == "bilinear":
        return dispatch(_bilinear, x, factors, place)
    raise ValueError(
        f"K.resize_images: interpolation must be 'nearest' or 'bilinear', got {interpolation!r}."
    )


@renamed(X="x")
def resize_volumes(
    x: Any,
    depth_factor: int,
    height_factor: int,
    width_factor: int,
    data_format: str | None = None,
) -> Any:
    """Enlarge volumes by whole factors, repeating their cells.

    >>> resize_volumes(jnp.ones((1, 2, 3, 1, 4)), 1, 2, 3).shape
    (1, 2, 6, 3, 4)
    """
    given = (depth_factor, height_factor, width_factor)
    factors = several("resize_volumes", "factors", given, 3)
    return dispatch(shape.upsample, x, factors, normalize_data_format(data_format))


def _pairs(who: str, padding: Any, rank: int) -> tuple[tuple[int, int], ...]:
    """A pair for each axis; an int stands for the same on both sides."""
    given = (padding,) * rank if isinstance(padding, int) else tuple(padding)
    pairs = tuple((one, one) if isinstance(one, int) else tuple(one) for one in given)
    if len(pairs) != rank or not all(len(pair) == 2 and min(pair) >= 0 for pair in pairs):
        raise ValueError(
            f"K.{who}: padding must be {rank} pairs of numbers that are not negative, "
            f"got {padding!r}."
        )
    return pairs  # type: ignore[return-value]


def temporal_padding(x: Any, padding: int | Sequence[int] = (1, 1)) -> Any:
    """Add zeros before and after the middle axis of a tensor of rank 3.

    Args:
        x: tensor of shape ``(batch, steps, features)``.
        padding: how many before and after; an int for both.

    >>> temporal_padding(jnp.ones((1, 2, 3)), (2, 1)).shape
    (1, 5, 3)
    """
    pair = padding if isinstance(padding, int) else tuple(padding)
    return dispatch(shape.zero_pad, x, _pairs("temporal_padding", (pair,), 1))


def asymmetric_temporal_padding(x: Any, left_pad: int = 1, right_pad: int = 1) -> Any:
    """`temporal_padding` as Keras 1 spelled it.

    >>> asymmetric_temporal_padding(jnp.ones((1, 2, 3)), 2, 1).shape
    (1, 5, 3)
    """
    return temporal_padding(x, (left_pad, right_pad))


@renamed()
def spatial_2d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Add zeros around rows and columns.

    Args:
        x: tensor of batch, rows, columns and channels.
        padding: a pair, or an int for both sides, for each of the two axes.
        data_format: where the channels are.

    >>> spatial_2d_padding(jnp.ones((1, 2, 3, 4)), ((1, 0), (2, 2))).shape
    (1, 3, 7, 4)
    """
    pairs = _pairs("spatial_2d_padding", padding, 2)
    return dispatch(shape.zero_pad, x, pairs, normalize_data_format(data_format))


@renamed()
def asymmetric_spatial_2d_padding(
    x: Any,
    top_pad: int = 1,
    bottom_pad: int = 1,
    left_pad: int = 1,
    right_pad: int = 1,
    data_format: str | None = None,
) -> Any:
    """`spatial_2d_padding` as Keras 1 spelled it.

    >>> asymmetric_spatial_2d_padding(jnp.ones((1, 2, 3, 4)), 1, 0, 2, 2).shape
    (1, 3, 7, 4)
    """
    return spatial_2d_padding(x, ((top_pad, bottom_pad), (left_pad, right_pad)), data_format)


@renamed()
def spatial_3d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Add zeros around three axes; arguments as in `spatial_2d_padding`.

    >>> spatial_3d_padding(jnp.ones((1, 2, 3, 4, 5)), (1, 0, 2)).shape
    (1, 4, 3, 8, 5)
    """
    pairs = _pairs("spatial_3d_padding", padding, 3)
    return dispatch(shape.zero_pad, x, pairs, normalize_data_format(data_format))
