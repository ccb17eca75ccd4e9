"""Reductions over one axis, several, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from lamina.typing import Array

    Axis = int | Sequence[int] | None


def _axes(axis: Axis) -> int | tuple[int, ...] | None:
    return tuple(axis) if isinstance(axis, Sequence) else axis


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Add up.

    >>> sum(jnp.ones((2, 3)), axis=1)
    Array([3., 3.], dtype=float32)
    """
    return jnp.sum(jnp.asarray(x), _axes(axis), keepdims=keepdims)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Multiply.

    >>> prod(jnp.array([2.0, 3.0]))
    Array(6., dtype=float32)
    """
    return jnp.prod(jnp.asarray(x), _axes(axis), keepdims=keepdims)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean; a float for integers and booleans too.

    >>> mean(jnp.array([True, False]))
    Array(0.5, dtype=float32)
    """
    return jnp.mean(jnp.asarray(x), _axes(axis), keepdims=keepdims)


def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Mean of the squared distances to the mean.

    >>> var(jnp.array([1, 3]))
    Array(1., dtype=float32)
    """
    return jnp.var(jnp.asarray(x), _axes(axis), keepdims=keepdims)


def std(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Square root of `var`. Its gradient is 0 where all values are equal.

    >>> std(jnp.array([1.0, 3.0]))
    Array(1., dtype=float32)
    """
    variance = var(x, axis, keepdims)
    some = variance != 0
    return jnp.where(some, jnp.sqrt(jnp.where(some, variance, 1.0)), 0.0)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest value; equal ones share the gradient.

    >>> max(jnp.array([[1, 4], [3, 2]]), axis=0)
    Array([3, 4], dtype=int32)
    """
    return jnp.max(jnp.asarray(x), _axes(axis), keepdims=keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest value; equal ones share the gradient.

    >>> min(jnp.array([[1, 4], [3, 2]]), axis=0)
    Array([1, 2], dtype=int32)
    """
    return jnp.min(jnp.asarray(x), _axes(axis), keepdims=keepdims)


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any value is true (not 0).

    >>> any(jnp.array([[0, 2], [0, 0]]), axis=1)
    Array([ True, False], dtype=bool)
    """
    return jnp.any(jnp.asarray(x), _axes(axis), keepdims=keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all values are true (not 0).

    >>> all(jnp.array([[1, 2], [0, 1]]), axis=1)
    Array([ True, False], dtype=bool)
    """
    return jnp.all(jnp.asarray(x), _axes(axis), keepdims=keepdims)


def argmax(x: Any, axis: int | None = -1, keepdims: bool = False) -> Array:
    """Index of the first largest value along an axis; of the flat array with None.

    >>> argmax(jnp.array([[1, 4, 4], [3, 2, 1]]))
    Array([1, 0], dtype=int32)
    """
    return jnp.argmax(jnp.asarray(x), axis, keepdims=keepdims)


def argmin(x: Any, axis: int | None = -1, keepdims: bool = False) -> Array:
    """Index of the first smallest value along an axis; of the flat array with None.

    >>> argmin(jnp.array([[1, 4, 1], [3, 2, 1]]))
    Array([0, 2], dtype=int32)
    """
    return jnp.argmin(jnp.asarray(x), axis, keepdims=keepdims)


def cumsum(x: Any, axis: int = 0) -> Array:
    """Running sum along an axis.

    >>> cumsum(jnp.array([1, 2, 3]))
    Array([1, 3, 6], dtype=int32)
    """
    return jnp.cumsum(jnp.asarray(x), axis)


def cumprod(x: Any, axis: int = 0) -> Array:
    """Running product along an axis.

    >>> cumprod(jnp.array([1, 2, 3]))
    Array([1, 2, 6], dtype=int32)
    """
    return jnp.cumprod(jnp.asarray(x), axis)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
    """Logarithm of the sum of exponentials, without overflow.

    >>> logsumexp(jnp.array([1000.0, 1000.0])).round(2)
    Array(1000.69, dtype=float32)
    """
    return jax.nn.logsumexp(jnp.asarray(x), _axes(axis), keepdims=keepdims)


__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "cumprod",
    "cumsum",
    "logsumexp",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]
