"""Shapes, lookups, products and new arrays, by Keras 3's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from lamina import config
from lamina.backend.keras3.names import own
from lamina.ops import arithmetic


def _dtype(dtype: Any) -> Any:
    return jnp.dtype(config.floatx() if dtype is None else dtype)


def reshape(x: Any, newshape: Any) -> Any:
    """Give a tensor another shape; one size may be -1."""
    return jnp.reshape(jnp.asarray(x), newshape)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Reorder the axes; reverse them by default."""
    return jnp.transpose(jnp.asarray(x), axes)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    return jnp.swapaxes(jnp.asarray(x), axis1, axis2)


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Move axes to other places."""
    return jnp.moveaxis(jnp.asarray(x), source, destination)


def expand_dims(x: Any, axis: Any) -> Any:
    """Add axes of size 1."""
    return jnp.expand_dims(jnp.asarray(x), axis)


def squeeze(x: Any, axis: Any = None) -> Any:
    """Remove axes of size 1."""
    return jnp.squeeze(jnp.asarray(x), axis)


def concatenate(xs: Sequence[Any], axis: int = 0) -> Any:
    """Join tensors along an axis that they have."""
    return jnp.concatenate(arithmetic.same_dtype(*xs), axis)


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Join tensors of one shape along a new axis."""
    return jnp.stack(arithmetic.same_dtype(*x), axis)


def hstack(xs: Sequence[Any]) -> Any:
    """Join tensors along the second axis (the first of vectors)."""
    return jnp.hstack(arithmetic.same_dtype(*xs))


def vstack(xs: Sequence[Any]) -> Any:
    """Join tensors along the first axis."""
    return jnp.vstack(arithmetic.same_dtype(*xs))


def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """Join two tensors, flat ones without an axis."""
    left, right = arithmetic.same_dtype(x1, x2)
    return jnp.append(left, right, axis)


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cut into equal parts, or at places along an axis."""
    x = jnp.asarray(x)
    if not isinstance(indices_or_sections, int):
        indices_or_sections = tuple(int(place) for place in indices_or_sections)
    elif x.shape[axis] % indices_or_sections:
        raise ValueError(
            f"ops.split: axis {axis} of shape {x.shape} cannot be cut into {indices_or_sections} "
            "equal parts."
        )
    return list(jnp.split(x, indices_or_sections, axis))


def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The slices along an axis."""
    x = jnp.asarray(x)
    if num is not None and num != x.shape[axis]:
        raise ValueError(f"ops.unstack: axis {axis} of shape {x.shape} has no {num} slices.")
    return [lax.index_in_dim(x, at, axis, keepdims=False) for at in range(x.shape[axis])]


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat values in place."""
    return jnp.repeat(jnp.asarray(x), repeats, axis)


def tile(x: Any, repeats: Any) -> Any:
    """Lay copies side by side."""
    return jnp.tile(jnp.asarray(x), repeats)


def flip(x: Any, axis: Any = None) -> Any:
    """Turn axes around."""
    return jnp.flip(jnp.asarray(x), axis)


def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Shift values along axes, around the end."""
    return jnp.roll(jnp.asarray(x), shift, axis)


def rot90(array: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Turn a plane by right angles."""
    return jnp.rot90(jnp.asarray(array), k, axes)


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """Add values at the ends of the axes."""
    x = jnp.asarray(x)
    if mode != "constant":
        return jnp.pad(x, pad_width, mode)
    fill = 0 if constant_values is None else constant_values
    return jnp.pad(x, pad_width, mode, constant_values=jnp.asarray(fill).astype(x.dtype))


def broadcast_to(x: Any, shape: Sequence[int]) -> Any:
    """Repeat values along new axes and axes of size 1."""
    x = jnp.asarray(x)
    return jnp.broadcast_to(x.reshape((1,) * (len(shape) - x.ndim) + x.shape), shape)


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Look up slices by their index; negative ones count from the end."""
    return jnp.take(jnp.asarray(x), jnp.asarray(indices), axis)


def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Look up values along an axis, by an index for each place."""
    return jnp.take_along_axis(jnp.asarray(x), jnp.asarray(indices), axis)


def get_item(x: Any, key: Any) -> Any:
    """``x[key]``."""
    return jnp.asarray(x)[key]


def slice(inputs: Any, start_indices: Any, shape: Sequence[int]) -> Any:
    """Cut out a block of a given shape."""
    return lax.dynamic_slice(jnp.asarray(inputs), tuple(start_indices), shape)


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """Replace a block."""
    inputs = jnp.asarray(inputs)
    updates = jnp.asarray(updates).astype(inputs.dtype)
    return lax.dynamic_update_slice(inputs, updates, tuple(start_indices))


def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Any:
    """Add values to zeros at the given places."""
    places = jnp.asarray(indices)
    values = jnp.asarray(values)
    return jnp.zeros(shape, values.dtype).at[tuple(jnp.moveaxis(places, -1, 0))].add(values)


def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """Replace values at the given places, or combine them with those that are there.

    Args:
        inputs: array.
        indices: places, of shape ``(count, axes)``.
        updates: a value or slice for each place.
        reduction: None to replace; ``add``, ``max``, ``min`` or ``mul`` to combine.

    >>> scatter_update(jnp.zeros(3), [[0], [0]], [1.0, 2.0], reduction="add").tolist()
    [3.0, 0.0, 0.0]
    """
    inputs, places = jnp.asarray(inputs), jnp.asarray(indices)
    updates = jnp.asarray(updates).astype(inputs.dtype)
    if reduction not in (None, "add", "max", "min", "mul"):
        raise ValueError(
            "ops.scatter_update: reduction must be None, 'add', 'max', 'min' or 'mul', got "
            f"{reduction!r}."
        )
    there = inputs.at[tuple(jnp.moveaxis(places, -1, 0))]
    return getattr(there, reduction or "set")(updates)


def argsort(x: Any, axis: int = -1) -> Any:
    """Indices that would sort."""
    return jnp.argsort(jnp.asarray(x), axis)


def sort(x: Any, axis: int = -1) -> Any:
    """Values in rising order."""
    return jnp.sort(jnp.asarray(x), axis)


def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Places at which values would have to be inserted."""
    left, right = arithmetic.same_dtype(sorted_sequence, values)
    return jnp.searchsorted(left, right, side=side)


def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours."""
    return jnp.diff(jnp.asarray(a), n, axis)


def tril(x: Any, k: int = 0) -> Any:
    """Values on and below a diagonal, else 0."""
    return jnp.tril(jnp.asarray(x), k)


def triu(x: Any, k: int = 0) -> Any:
    """Values on and above a diagonal, else 0."""
    return jnp.triu(jnp.asarray(x), k)


def diag(x: Any, k: int = 0) -> Any:
    """Diagonal of a matrix, or the matrix of a diagonal."""
    return jnp.diag(jnp.asarray(x), k)


def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Diagonal of two axes."""
    return jnp.diagonal(jnp.asarray(x), offset, axis1, axis2)


def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum of a diagonal."""
    return jnp.trace(jnp.asarray(x), offset, axis1, axis2)


def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product over the last two axes; the others broadcast."""
    left, right = arithmetic.same_dtype(x1, x2)
    if left.ndim > 2 < right.ndim and left.ndim != right.ndim:
        rank = max(left.ndim, right.ndim)
        left, right = (a.reshape((1,) * (rank - a.ndim) + a.shape) for a in (left, right))
    return jnp.matmul(left, right)


def dot(x1: Any, x2: Any) -> Any:
    """Sum products over the last axis and the last but one."""
    left, right = arithmetic.same_dtype(x1, x2)
    return jnp.dot(left, right)


def vdot(x1: Any, x2: Any) -> Any:
    """Sum products of two tensors as vectors."""
    left, right = arithmetic.same_dtype(x1, x2)
    return jnp.vdot(left, right)


def inner(x1: Any, x2: Any) -> Any:
    """Sum products over the last axes."""
    left, right = arithmetic.same_dtype(x1, x2)
    return jnp.inner(left, right)


def outer(x1: Any, x2: Any) -> Any:
    """All products of two vectors."""
    left, right = arithmetic.same_dtype(x1, x2)
    return jnp.outer(left, right)


def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sum products over given axes."""
    left, right = arithmetic.same_dtype(x1, x2)
    return jnp.tensordot(left, right, axes)


def einsum(subscripts: str, *operands: Any, **kwargs: Any) -> Any:
    """Sum products as the subscripts say; the keywords are those of ``jax.numpy.einsum``."""
    return jnp.einsum(subscripts, *arithmetic.same_dtype(*operands), **kwargs)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norm of vectors or matrices."""
    x = jnp.asarray(x)
    return jnp.linalg.norm(x, ord, axis, keepdims)


def meshgrid(*x: Any, indexing: str = "xy") -> list[Any]:
    """Coordinates of a grid."""
    return list(jnp.meshgrid(*map(jnp.asarray, x), indexing=indexing))


def cast(x: Any, dtype: Any) -> Any:
    """Convert to another dtype."""
    return jnp.asarray(x).astype(dtype)


def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros in the shape of a tensor."""
    return jnp.zeros_like(jnp.asarray(x), dtype)


def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones in the shape of a tensor."""
    return jnp.ones_like(jnp.asarray(x), dtype)


def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """One value in the shape of a tensor."""
    return jnp.full_like(jnp.asarray(x), fill_value, dtype)


def zeros(shape: Any, dtype: Any = None) -> Any:
    """Zeros."""
    return jnp.zeros(shape, _dtype(dtype))


def ones(shape: Any, dtype: Any = None) -> Any:
    """Ones."""
    return jnp.ones(shape, _dtype(dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """One value everywhere."""
    return jnp.full(shape, fill_value, _dtype(dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on a diagonal, else zeros."""
    return jnp.eye(N, M, k, _dtype(dtype))


def identity(n: int, dtype: Any = None) -> Any:
    """Identity matrix."""
    return jnp.eye(n, dtype=_dtype(dtype))


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """Numbers at equal distances."""
    return jnp.arange(start, stop, step, dtype)


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    return own(globals())
