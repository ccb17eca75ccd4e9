"""Products, lookups and changes of shape of ``K``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.backend.checks import check_index
from lamina.backend.old_names import renamed
from lamina.core.dispatch import dispatch
from lamina.core.symbolic import SymbolicTensor
from lamina.ops import arithmetic, embedding, linear
from lamina.ops import shape as shapes


def _dot(x: Any, y: Any) -> Any:
    return linear.dot(*arithmetic.same_dtype(x, y))


def dot(x: Any, y: Any) -> Any:
    """Sum products over the last axis of `x` and the last but one of `y`.

    Raises:
        TypeError: the two sizes differ.

    >>> dot(jnp.ones((2, 3)), jnp.ones((4, 3, 5))).shape
    (2, 4, 5)
    """
    return dispatch(_dot, x, y)


def _batch_dot(x: Any, y: Any, axes: Any) -> Any:
    x, y = arithmetic.same_dtype(x, y)
    return linear.batch_dot(x, y, axes)


def batch_dot(x: Any, y: Any, axes: int | Sequence[int] | None = None) -> Any:
    """Sum products over one axis of each tensor, sample by sample.

    Args:
        x: tensor of shape ``(batch, ...)``.
        y: tensor of shape ``(batch, ...)``.
        axes: axis of `x` and of `y`, or one for both. By default the last of `x` and the
            last but one of `y` (the last, when `y` has rank 2).

    Raises:
        ValueError: the axes do not exist, are the batch, or differ in size.

    >>> batch_dot(jnp.ones((6, 2)), jnp.ones((6, 2)), axes=1).shape
    (6, 1)
    """
    return dispatch(_batch_dot, x, y, axes)


def transpose(x: Any) -> Any:
    """Reverse the order of the axes.

    >>> transpose(jnp.ones((2, 3, 4))).shape
    (4, 3, 2)
    """
    return dispatch(jnp.transpose, x)


def permute_dimensions(x: Any, pattern: Sequence[int]) -> Any:
    """Reorder all axes, the batch included.

    Args:
        x: tensor.
        pattern: old place of each axis, counted from 0.

    >>> permute_dimensions(jnp.ones((2, 3, 4)), (0, 2, 1)).shape
    (2, 4, 3)
    """
    return dispatch(jnp.transpose, x, tuple(pattern))


def _gather(reference: Any, indices: Any) -> Any:
    reference = jnp.asarray(reference)
    check_index("K.gather", indices, reference.shape[0])
    return embedding.take_rows(reference, indices)


def gather(reference: Any, indices: Any) -> Any:
    """Look up rows of a tensor.

    Args:
        reference: tensor of shape ``(rows, ...)``.
        indices: integers of any shape.

    Raises:
        TypeError: the indices are not integers.
        ValueError: an index is negative or not below the number of rows.

    >>> gather(jnp.array([[1.0], [2.0], [3.0]]), jnp.array([2, 0]))
    Array([[3.],
           [1.]], dtype=float32)
    """
    return dispatch(_gather, reference, indices)


def _concatenate(tensors: Sequence[Any], axis: int) -> Any:
    return shapes.concatenate(arithmetic.same_dtype(*tensors), axis)


def concatenate(tensors: Sequence[Any], axis: int = -1) -> Any:
    """Join tensors along an axis that they have.

    >>> concatenate([jnp.ones((2, 3)), jnp.ones((2, 4))]).shape
    (2, 7)
    """
    return dispatch(_concatenate, list(tensors), axis)


def _stack(tensors: Sequence[Any], axis: int) -> Any:
    return shapes.stack(arithmetic.same_dtype(*tensors), axis)


def stack(x: Sequence[Any], axis: int = 0) -> Any:
    """Join tensors of one shape along a new axis.

    >>> stack([jnp.ones(3), jnp.ones(3)], axis=-1).shape
    (3, 2)
    """
    return dispatch(_stack, list(x), axis)


def reshape(x: Any, shape: Sequence[Any]) -> Any:
    """Give a tensor another shape, the batch included; one size may be -1.

    A symbolic size, such as ``K.shape(x)[0]`` of an unknown batch, counts as -1.

    Raises:
        TypeError: more than one size is unknown.

    >>> reshape(jnp.ones((2, 12)), (-1, 4)).shape
    (6, 4)
    """
    unknown = [size for size in shape if isinstance(size, SymbolicTensor)]
    sizes = tuple(-1 if isinstance(size, SymbolicTensor) else int(size) for size in shape)
    if unknown and sizes.count(-1) > 1:
        raise TypeError(
            f"K.reshape: at most one size may be unknown, got {tuple(shape)}; "
            "inside of a Lambda layer all sizes are known."
        )
    return dispatch(jnp.reshape, x, sizes)


def flatten(x: Any) -> Any:
    """Join all axes into one, the batch included.

    >>> flatten(jnp.ones((2, 3))).shape
    (6,)
    """
    return dispatch(jnp.ravel, x)


def batch_flatten(x: Any) -> Any:
    """Join all axes but the first.

    >>> batch_flatten(jnp.ones((2, 3, 4))).shape
    (2, 12)
    """
    return dispatch(shapes.flatten, x)


@renamed(dim="axis")
def expand_dims(x: Any, axis: int = -1) -> Any:
    """Add an axis of size 1.

    >>> expand_dims(jnp.ones((2, 3)), 1).shape
    (2, 1, 3)
    """
    return dispatch(jnp.expand_dims, x, axis)


def squeeze(x: Any, axis: int) -> Any:
    """Remove an axis of size 1.

    Raises:
        ValueError: the axis has another size.

    >>> squeeze(jnp.ones((2, 1, 3)), 1).shape
    (2, 3)
    """
    return dispatch(jnp.squeeze, x, axis)


def repeat(x: Any, n: int) -> Any:
    """Repeat each row of a matrix along a new axis 1.

    Raises:
        ValueError: `x` is no matrix.

    >>> repeat(jnp.ones((2, 3)), 5).shape
    (2, 5, 3)
    """
    if len(np.shape(x) if not hasattr(x, "shape") else x.shape) != 2:
        raise ValueError(f"K.repeat: x must have rank 2, got {x!r}; use K.repeat_elements.")
    return dispatch(shapes.repeat_vector, x, n)


def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Repeat each slice along an axis in place.

    >>> repeat_elements(jnp.array([1, 2]), 3, axis=0)
    Array([1, 1, 1, 2, 2, 2], dtype=int32)
    """
    return dispatch(shapes.repeat_elements, x, rep, axis)


def tile(x: Any, n: int | Sequence[int]) -> Any:
    """Lay copies of a tensor side by side.

    Args:
        x: tensor.
        n: number of copies along each axis, or one number for the last.

    >>> tile(jnp.array([[1, 2]]), (1, 2))
    Array([[1, 2, 1, 2]], dtype=int32)
    """
    counts = (n,) if isinstance(n, int) else tuple(n)
    return dispatch(jnp.tile, x, counts)


@renamed(nb_classes="num_classes")
def one_hot(indices: Any, num_classes: int) -> Any:
    """Rows with a 1 at the index and 0 elsewhere; all 0 for an index out of range.

    >>> one_hot(jnp.array([1, 0]), 3)
    Array([[0., 1., 0.],
           [1., 0., 0.]], dtype=float32)
    """
    return dispatch(jax.nn.one_hot, indices, num_classes)


def reverse(x: Any, axes: int | Sequence[int]) -> Any:
    """Turn axes around.

    >>> reverse(jnp.array([1, 2, 3]), 0)
    Array([3, 2, 1], dtype=int32)
    """
    return dispatch(jnp.flip, x, axes if isinstance(axes, int) else tuple(axes))


def _slice(x: Any, start: Any, size: Any) -> Any:
    x = jnp.asarray(x)
    sizes = tuple(int(n) for n in size)
    if len(sizes) != x.ndim or len(start) != x.ndim:
        raise ValueError(
            f"K.slice: start and size must have one number for each of the {x.ndim} axes of shape "
            f"{x.shape}, got {start} and {size}."
        )
    if not all(isinstance(n, int | np.integer) for n in start):
        return lax.dynamic_slice(x, start, sizes)
    begin = tuple(int(n) for n in start)
    end = tuple(
        whole if n == -1 else b + n for b, n, whole in zip(begin, sizes, x.shape, strict=True)
    )
    fits = all(0 <= b <= e <= whole for b, e, whole in zip(begin, end, x.shape, strict=True))
    if not fits:
        raise ValueError(f"K.slice: from {begin}, size {sizes} does not fit shape {x.shape}.")
    return lax.slice(x, begin, end)


def slice(x: Any, start: Sequence[Any], size: Sequence[int]) -> Any:
    """Cut a block out of a tensor.

    Args:
        x: tensor.
        start: first place along each axis.
        size: size of the block along each axis; -1 for the rest.

    Raises:
        ValueError: the block does not fit.

    >>> slice(jnp.arange(12).reshape(3, 4), (1, 0), (2, -1)).shape
    (2, 4)
    """
    return dispatch(_slice, x, start, size)
