"""Changes of shape: no arithmetic but copies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    from lamina.typing import Array, DataFormat


def channels_to_last(x: Any) -> Array:
    """Move axis 1 to the end.

    >>> channels_to_last(jnp.ones((2, 3, 4, 5))).shape
    (2, 4, 5, 3)
    """
    return jnp.moveaxis(jnp.asarray(x), 1, -1)


def channels_to_first(x: Any) -> Array:
    """Move the last axis to place 1.

    >>> channels_to_first(jnp.ones((2, 4, 5, 3))).shape
    (2, 3, 4, 5)
    """
    return jnp.moveaxis(jnp.asarray(x), -1, 1)


def spatial_axes(rank: int, data_format: DataFormat) -> tuple[int, ...]:
    """Axes that are neither batch nor channels, of an array of rank `rank`.

    >>> spatial_axes(4, "channels_first")
    (2, 3)
    """
    first = 1 if data_format == "channels_last" else 2
    return tuple(range(first, first + rank - 2))


def flatten(x: Any, data_format: DataFormat = "channels_last") -> Array:
    """Join all axes but the first.

    With ``channels_first`` the channels are moved to the end before, so that weights behind
    it fit data of either format.

    >>> flatten(jnp.ones((2, 3, 4, 5))).shape
    (2, 60)
    """
    x = jnp.asarray(x)
    if data_format == "channels_first" and x.ndim > 2:
        x = channels_to_last(x)
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def reshape(x: Any, target: Sequence[int]) -> Array:
    """Give each sample another shape.

    Args:
        x: array of shape ``(batch, ...)``.
        target: the new shape without the batch; one size may be -1.

    Raises:
        ValueError: the number of values differs.

    >>> reshape(jnp.ones((2, 12)), (3, -1)).shape
    (2, 3, 4)
    """
    x = jnp.asarray(x)
    return x.reshape(x.shape[0], *target_shape(x.shape[1:], target))


def target_shape(shape: Sequence[int], target: Sequence[int]) -> tuple[int, ...]:
    """Fill in the -1 of a target shape, and check the number of values.

    >>> target_shape((12,), (3, -1))
    (3, 4)
    """
    shape, target = tuple(shape), tuple(target)
    count = math.prod(shape)
    known = math.prod(size for size in target if size != -1)
    if target.count(-1) > 1:
        raise ValueError(f"reshape: only one size may be -1, got {target}.")
    if target.count(-1):
        if known and count % known == 0:
            return tuple(count // known if size == -1 else size for size in target)
    elif known == count:
        return target
    raise ValueError(f"reshape: {count} values of shape {shape} do not fit the target {target}.")


def permute(x: Any, dims: Sequence[int]) -> Array:
    """Reorder the axes of each sample.

    Args:
        x: array of shape ``(batch, ...)``.
        dims: old place of each axis, counted from 1; the batch stays first.

    >>> permute(jnp.ones((2, 3, 4)), (2, 1)).shape
    (2, 4, 3)
    """
    x = jnp.asarray(x)
    if sorted(dims) != list(range(1, x.ndim)):
        raise ValueError(
            f"permute: dims must hold each of 1 to {x.ndim - 1} once, got {tuple(dims)}."
        )
    return jnp.transpose(x, (0, *dims))


def repeat_vector(x: Any, n: int) -> Array:
    """Repeat each sample n times along a new axis 1.

    >>> repeat_vector(jnp.ones((2, 3)), 5).shape
    (2, 5, 3)
    """
    x = jnp.asarray(x)
    axes = (0, *range(2, x.ndim + 1))
    return lax.broadcast_in_dim(x, (x.shape[0], n, *x.shape[1:]), axes)


def repeat_elements(x: Any, n: int, axis: int) -> Array:
    """Repeat each slice along an axis n times in place.

    >>> repeat_elements(jnp.array([1, 2]), 3, axis=0)
    Array([1, 1, 1, 2, 2, 2], dtype=int32)
    """
    x = jnp.asarray(x)
    axis %= x.ndim
    # A broadcast: its gradient is a sum, that of a gather would be a scatter.
    wide = (*x.shape[: axis + 1], n, *x.shape[axis + 1 :])
    kept = tuple(a for a in range(x.ndim + 1) if a != axis + 1)
    return lax.broadcast_in_dim(x, wide, kept).reshape(
        *x.shape[:axis], x.shape[axis] * n, *x.shape[axis + 1 :]
    )


def upsample(x: Any, factors: Sequence[int], data_format: DataFormat = "channels_last") -> Array:
    """Repeat rows, columns and so on: each spatial axis by its factor.

    >>> upsample(jnp.ones((1, 2, 3, 4)), (2, 5)).shape
    (1, 4, 15, 4)
    """
    x = jnp.asarray(x)
    for axis, factor in zip(spatial_axes(x.ndim, data_format), factors, strict=True):
        if factor != 1:
            x = repeat_elements(x, factor, axis)
    return x


def zero_pad(
    x: Any,
    padding: Sequence[Sequence[int]],
    data_format: DataFormat = "channels_last",
) -> Array:
    """Add zeros before and after each spatial axis.

    Args:
        x: array of batch, spatial axes and channels.
        padding: a pair ``(before, after)`` for each spatial axis; none negative.
        data_format: where the channels are.

    >>> zero_pad(jnp.ones((1, 2, 3, 4)), ((1, 0), (2, 2))).shape
    (1, 3, 7, 4)
    """
    x = jnp.asarray(x)
    config = [(0, 0, 0)] * x.ndim
    for axis, (before, after) in zip(spatial_axes(x.ndim, data_format), padding, strict=True):
        if before < 0 or after < 0:
            raise ValueError(f"zero_pad: padding must not be negative, got {padding}.")
        config[axis] = (before, after, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def crop(
    x: Any,
    cropping: Sequence[Sequence[int]],
    data_format: DataFormat = "channels_last",
) -> Array:
    """Cut off the ends of each spatial axis.

    Args:
        x: array of batch, spatial axes and channels.
        cropping: a pair ``(before, after)`` for each spatial axis; none negative.
        data_format: where the channels are.

    Raises:
        ValueError: nothing would be left.

    >>> crop(jnp.ones((1, 5, 6, 4)), ((1, 0), (2, 2))).shape
    (1, 4, 2, 4)
    """
    x = jnp.asarray(x)
    starts, limits = [0] * x.ndim, list(x.shape)
    for axis, (before, after) in zip(spatial_axes(x.ndim, data_format), cropping, strict=True):
        starts[axis], limits[axis] = before, x.shape[axis] - after
        if before < 0 or after < 0 or starts[axis] >= limits[axis]:
            raise ValueError(
                f"crop: {tuple(cropping)} does not fit an array of shape {x.shape}: numbers must "
                f"not be negative and must leave something of axis {axis}."
            )
    return lax.slice(x, starts, limits)


def concatenate(arrays: Sequence[Any], axis: int = -1) -> Array:
    """Join arrays along an axis that they have.

    >>> concatenate([jnp.ones((2, 3)), jnp.ones((2, 4))]).shape
    (2, 7)
    """
    return jnp.concatenate([jnp.asarray(array) for array in arrays], axis)


def stack(arrays: Sequence[Any], axis: int = 0) -> Array:
    """Join arrays of one shape along a new axis.

    >>> stack([jnp.ones(3), jnp.ones(3)], axis=-1).shape
    (3, 2)
    """
    return jnp.stack([jnp.asarray(array) for array in arrays], axis)


__all__ = [
    "channels_to_first",
    "channels_to_last",
    "concatenate",
    "crop",
    "flatten",
    "permute",
    "repeat_elements",
    "repeat_vector",
    "reshape",
    "spatial_axes",
    "stack",
    "target_shape",
    "upsample",
    "zero_pad",
]
