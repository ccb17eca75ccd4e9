"""Products of arrays, and the addition of a bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import lax

from lamina.ops import elementwise, native_rows
from lamina.ops.native_rows import along_last

if TYPE_CHECKING:
    from lamina.typing import Array


def dot_last(x: Any, kernel: Any) -> Array:
    """Multiply the last axis of `x` by a matrix, keeping the axes before it.

    It is XLA's own product for any number of rows, which is the fastest in loops over steps.

    Args:
        x: array of shape ``(..., n)``.
        kernel: array of shape ``(n, ...)``; its first axis is summed away.

    Raises:
        ValueError: the two sizes differ.

    >>> dot_last(jnp.ones((2, 3, 4)), jnp.ones((4, 5))).shape
    (2, 3, 5)
    """
    x, kernel = _fitting(x, kernel)
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))


def dense(x: Any, kernel: Any, bias: Any = None, relu: bool = False) -> Array:
    """`dot_last`, with what often follows: a bias, and zero for what is negative.

    Args:
        x: array of shape ``(..., n)``.
        kernel: array of shape ``(n, ...)``; its first axis is summed away.
        bias: array of shape ``(outputs,)`` that is added along the last axis.
        relu: whether negative results become zero, after the bias.

    Raises:
        ValueError: sizes differ.

    >>> dense(jnp.ones((2, 4)), jnp.ones((4, 3)), bias=-jnp.arange(3.0) * 3, relu=True)[0]
    Array([4., 1., 0.], dtype=float32)
    """
    x, kernel = _fitting(x, kernel)
    bias = None if bias is None else jnp.asarray(bias)
    if native_rows.multiplies(x, kernel, bias):
        return native_rows.dot(x, kernel, bias, relu)
    y = lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))
    y = y if bias is None else bias_add(y, bias)
    return elementwise.relu(y) if relu else y


def _fitting(x: Any, kernel: Any) -> tuple[Array, Array]:
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    if not x.ndim or not kernel.ndim or x.shape[-1] != kernel.shape[0]:
        raise ValueError(
            f"dot_last: the last axis of {x.shape} must have the size of the first of "
            f"{kernel.shape}."
        )
    return x, kernel


def bias_add(x: Any, bias: Any, channel_axis: int = -1) -> Array:
    """Add a bias along one axis, the same everywhere else.

    A bias of rank 1 lies along `channel_axis`. One of the rank of a sample has a value for
    every place: first its spatial axes, then the channels, whatever the order is in `x`; of
    these each has the size of `x` or 1.

    Raises:
        ValueError: the bias does not fit.

    >>> bias_add(jnp.zeros((1, 2, 3)), jnp.array([1.0, 2.0]), channel_axis=1)[0, :, 0]
    Array([1., 2.], dtype=float32)
    """
    x, bias = jnp.asarray(x), jnp.asarray(bias)
    axis = channel_axis % x.ndim
    axes = (axis,)
    placed = bias
    if 1 < bias.ndim == x.ndim - 1:
        axes = tuple(range(1, x.ndim))
        placed = jnp.moveaxis(bias, -1, axis - 1)
    sizes = [x.shape[a] for a in axes]
    single = (1,) if placed.ndim > 1 else ()
    fits = [own in (size, *single) for own, size in zip(placed.shape, sizes, strict=False)]
    if placed.ndim != len(sizes) or not all(fits):
        raise ValueError(
            f"bias_add: a bias of shape {bias.shape} does not fit axis {channel_axis} of an "
            f"array of shape {x.shape}."
        )
    if axes == (x.ndim - 1,) and x.ndim > 2 and placed.dtype in (jnp.float32, jnp.float64):
        return x + along_last(placed, x.shape)
    return x + lax.broadcast_in_dim(placed, x.shape, axes)


def matmul(x: Any, y: Any) -> Array:
    """Matrix product over the last two axes, with NumPy's rule for the others.

    >>> matmul(jnp.ones((7, 2, 3)), jnp.ones((7, 3, 4))).shape
    (7, 2, 4)
    """
    return jnp.matmul(jnp.asarray(x), jnp.asarray(y))


def tensordot(x: Any, y: Any, axes: int | Sequence[Any] = 2) -> Array:
    """Sum products over the given axes of both arrays.

    >>> tensordot(jnp.ones((2, 3)), jnp.ones((4, 3)), axes=[[1], [1]]).shape
    (2, 4)
    """
    return jnp.tensordot(jnp.asarray(x), jnp.asarray(y), axes)


def einsum(subscripts: str, *operands: Any) -> Array:
    """Sum products as the subscripts say.

    >>> einsum("bi,bi->b", jnp.ones((2, 3)), jnp.ones((2, 3)))
    Array([3., 3.], dtype=float32)
    """
    return jnp.einsum(subscripts, *(jnp.asarray(operand) for operand in operands))


def dot(x: Any, y: Any) -> Array:
    """Sum products over the last axis of `x` and the last but one of `y`.

    >>> dot(jnp.ones((2, 3)), jnp.ones((4, 3, 5))).shape
    (2, 4, 5)
    """
    return jnp.dot(jnp.asarray(x), jnp.asarray(y))


def batch_dot(x: Any, y: Any, axes: int | Sequence[int] | None = None) -> Array:
    """Sum products over one axis of each array, sample by sample.

    The result has the axes of `x` and then those of `y`, without the batch of `y` and the
    two axes that are summed; a result of rank 1 gets a last axis of size 1. Two arrays of the
    same rank above 3 are stacks of matrices: the axes between the batch and the last two are
    not combined with each other.

    Args:
        x: array of shape ``(batch, ...)``.
        y: array of shape ``(batch, ...)``.
        axes: axis of `x` and of `y`, or one for both. By default the last of `x` and the
            last but one of `y` (the last, when `y` has rank 2).

    Raises:
        ValueError: the axes do not exist, are the batch, or differ in size.

    >>> batch_dot(jnp.ones((6, 2, 3)), jnp.ones((6, 4, 3)), axes=2).shape
    (6, 2, 4)
    """
    x, y = jnp.asarray(x), jnp.asarray(y)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"batch_dot: ranks must be at least 2, got {x.shape} and {y.shape}.")
    first, second = _batch_dot_axes(x, y, axes)
    if x.shape[first] != y.shape[second]:
        raise ValueError(
            f"batch_dot: axis {first} of {x.shape} and axis {second} of {y.shape} differ in size."
        )
    stacked = 1
    if x.ndim == y.ndim > 3:
        stacked = x.ndim - 2
        if min(first, second) < stacked:
            raise ValueError(
                f"batch_dot: of arrays of rank {x.ndim} only the last two axes can be summed, "
                f"got axes {first} and {second}; use einsum."
            )
    batch = tuple(range(stacked))
    result = lax.dot_general(x, y, (((first,), (second,)), (batch, batch)))
    return result[:, None] if result.ndim == 1 else result


def _batch_dot_axes(x: Array, y: Array, axes: int | Sequence[int] | None) -> tuple[int, int]:
    if axes is None:
        axes = (-1, -1 if y.ndim == 2 else -2)
    elif isinstance(axes, int):
        axes = (axes, axes)
    if len(axes) != 2 or not all(isinstance(axis, int) for axis in axes):
        raise ValueError(f"batch_dot: axes must be an int or two, got {axes!r}.")
    found = []
    for axis, array in zip(axes, (x, y), strict=True):
        if not -array.ndim <= axis < array.ndim or axis % array.ndim == 0:
            raise ValueError(
                f"batch_dot: axis {axis} of an array of shape {array.shape} cannot be summed; "
                f"it must be one from 1 to {array.ndim - 1}."
            )
        found.append(axis % array.ndim)
    return found[0], found[1]


__all__ = ["batch_dot", "bias_add", "dense", "dot", "dot_last", "einsum", "matmul", "tensordot"]
