"""Rows of a table, looked up by their index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

from lamina.ops import native_rows

if TYPE_CHECKING:
    from lamina.typing import Array


def take_rows(table: Any, index: Any) -> Array:
    """Look up rows of a table.

    An index out of range gives the nearest row: callers find and report it with
    `first_bad_row`.

    Args:
        table: array of shape ``(rows, ...)``.
        index: integers of any shape.

    Returns:
        Array of shape ``(*index.shape, ...)``.

    Raises:
        TypeError: the indices are not integers.

    >>> take_rows(jnp.array([[1.0], [2.0], [3.0]]), jnp.array([2, 0]))
    Array([[3.],
           [1.]], dtype=float32)
    """
    table, index = jnp.asarray(table), _integers(index, "take_rows")
    if native_rows.takes(table, index):
        return native_rows.take(table, index)
    return jnp.take(table, index, axis=0, mode="clip")


def first_bad_row(index: Any, size: int) -> tuple[Array, Array]:
    """Find the first index that is not in ``[0, size)``.

    Args:
        index: integers of any shape; the first axis is the batch.
        size: number of rows of the table.

    Returns:
        The row of the batch as an int32 scalar, -1 if there is none, and the index found
        there (0 if there is none).

    >>> row, value = first_bad_row(jnp.array([[0, 1], [7, 2]]), 3)
    >>> int(row), int(value)
    (1, 7)
    """
    index = _integers(index, "first_bad_row")
    if not native_rows.searches(index):
        return first_bad((index < 0) | (index >= size), index)
    return _told(native_rows.first_outside(index, size), index)


def first_bad(bad: Array, values: Array) -> tuple[Array, Array]:
    """Find the first value that is marked as bad.

    Args:
        bad: booleans; the first axis is the batch.
        values: what they were decided on, of the same shape.

    Returns:
        The row of the batch as an int32 scalar, -1 if there is none, and the value found
        there (0 if there is none).

    >>> row, value = first_bad(jnp.array([False, True, True]), jnp.array([5, 7, 9]))
    >>> int(row), int(value)
    (1, 7)
    """
    if not values.size:
        return jnp.int32(-1), jnp.zeros((), values.dtype)
    places, behind = lax.iota(jnp.int32, values.size), _int32(values.size)
    # A minimum is one vectorised pass; argmax of booleans is not.
    place = lax.select(lax.reshape(bad, places.shape), places, lax.full_like(places, behind))
    return _told(lax.reduce_min(place, (0,)), values)


def _told(first: Array, values: Array) -> tuple[Array, Array]:
    """The row and the value at a place, unless that is behind all."""
    found = lax.lt(first, _int32(values.size))
    per_row = values.size // values.shape[0] if values.ndim else 1
    # A slice begins at the last place at most.
    value = lax.dynamic_slice(lax.reshape(values, (values.size,)), (first,), (1,))
    row = lax.select(found, lax.div(first, _int32(per_row)), _int32(-1))
    return row, lax.select(found, lax.squeeze(value, (0,)), lax.full((), 0, values.dtype))


def _int32(number: Any) -> Array:
    """A number that may stand for a symbolic size."""
    return lax.convert_element_type(number, jnp.int32)


def _integers(index: Any, who: str) -> Array:
    index = jnp.asarray(index)
    if not jnp.issubdtype(index.dtype, jnp.integer):
        raise TypeError(f"{who}: indices must be integers, got dtype {index.dtype.name}.")
    # The size of the table may not fit a narrower type.
    return index if index.dtype.itemsize >= 4 else index.astype(jnp.int32)


__all__ = ["first_bad", "first_bad_row", "take_rows"]
