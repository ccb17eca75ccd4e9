"""Arithmetic, comparisons and reductions of ``K``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.dispatch import dispatch
from lamina.ops import arithmetic, elementwise, reduce

Axis = int | Sequence[int] | None


def square(x: Any) -> Any:
    """Multiply each value by itself.

    >>> square(jnp.array([3.0]))
    Array([9.], dtype=float32)
    """
    return dispatch(jnp.square, x)


def abs(x: Any) -> Any:
    """Absolute value.

    >>> abs(jnp.array([-3.0]))
    Array([3.], dtype=float32)
    """
    return dispatch(jnp.abs, x)


def _sqrt(x: Any) -> Any:
    x = elementwise.as_float(x)
    return jnp.sqrt(jnp.where(x < 0, jnp.zeros_like(x), x))


def sqrt(x: Any) -> Any:
    """Square root; negative values count as 0, as in every release that had ``K``.

    >>> sqrt(jnp.array([4.0, -1.0]))
    Array([2., 0.], dtype=float32)
    """
    return dispatch(_sqrt, x)


def _exp(x: Any) -> Any:
    return jnp.exp(elementwise.as_float(x))


def exp(x: Any) -> Any:
    """Exponential function.

    >>> exp(jnp.array([0.0]))
    Array([1.], dtype=float32)
    """
    return dispatch(_exp, x)


def _log(x: Any) -> Any:
    return jnp.log(elementwise.as_float(x))


def log(x: Any) -> Any:
    """Natural logarithm.

    >>> log(jnp.array([1.0]))
    Array([0.], dtype=float32)
    """
    return dispatch(_log, x)


def round(x: Any) -> Any:
    """Nearest integer; halves go to the even one.

    >>> round(jnp.array([0.5, 1.5, -1.2]))
    Array([ 0.,  2., -1.], dtype=float32)
    """
    return dispatch(jnp.round, x)


def sign(x: Any) -> Any:
    """-1, 0 or 1.

    >>> sign(jnp.array([-3.0, 0.0]))
    Array([-1.,  0.], dtype=float32)
    """
    return dispatch(jnp.sign, x)


def _sin(x: Any) -> Any:
    return jnp.sin(elementwise.as_float(x))


def sin(x: Any) -> Any:
    """Sine.

    >>> sin(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    return dispatch(_sin, x)


def _cos(x: Any) -> Any:
    return jnp.cos(elementwise.as_float(x))


def cos(x: Any) -> Any:
    """Cosine.

    >>> cos(jnp.array([0.0]))
    Array([1.], dtype=float32)
    """
    return dispatch(_cos, x)


def pow(x: Any, a: Any) -> Any:
    """Power.

    >>> pow(jnp.array([3.0]), 2)
    Array([9.], dtype=float32)
    """
    return dispatch(arithmetic.power, x, a)


def _clip(x: Any, low: Any, high: Any) -> Any:
    x = jnp.asarray(x)
    if low is not None:
        x = arithmetic.maximum(x, jnp.asarray(low).astype(x.dtype))
    if high is not None:
        x = arithmetic.minimum(x, jnp.asarray(high).astype(x.dtype))
    return x


def clip(x: Any, min_value: Any, max_value: Any) -> Any:
    """Cut off at both ends.

    Args:
        x: values.
        min_value: lower bound, or None.
        max_value: upper bound, or None; one below `min_value` counts as `min_value`.

    >>> clip(jnp.array([-3.0, 0.5, 7.0]), 0, 1)
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    numbers = isinstance(min_value, int | float) and isinstance(max_value, int | float)
    if numbers and max_value < min_value:
        max_value = min_value
    return dispatch(_clip, x, min_value, max_value)


def equal(x: Any, y: Any) -> Any:
    """Whether both are equal, element by element.

    >>> equal(jnp.array([1, 2]), 2)
    Array([False,  True], dtype=bool)
    """
    return dispatch(arithmetic.equal, x, y)


def not_equal(x: Any, y: Any) -> Any:
    """Whether both differ, element by element.

    >>> not_equal(jnp.array([1, 2]), 2)
    Array([ True, False], dtype=bool)
    """
    return dispatch(arithmetic.not_equal, x, y)


def greater(x: Any, y: Any) -> Any:
    """Whether the first is larger, element by element.

    >>> greater(jnp.array([1, 2]), 1)
    Array([False,  True], dtype=bool)
    """
    return dispatch(arithmetic.greater, x, y)


def greater_equal(x: Any, y: Any) -> Any:
    """Whether the first is at least as large, element by element.

    >>> greater_equal(jnp.array([1, 2]), 2)
    Array([False,  True], dtype=bool)
    """
    return dispatch(arithmetic.greater_equal, x, y)


def less(x: Any, y: Any) -> Any:
    """Whether the first is smaller, element by element.

    >>> less(jnp.array([1, 2]), 2)
    Array([ True, False], dtype=bool)
    """
    return dispatch(arithmetic.less, x, y)


def less_equal(x: Any, y: Any) -> Any:
    """Whether the first is at most as large, element by element.

    >>> less_equal(jnp.array([1, 2]), 1)
    Array([ True, False], dtype=bool)
    """
    return dispatch(arithmetic.less_equal, x, y)


lesser = less
lesser_equal = less_equal


def maximum(x: Any, y: Any) -> Any:
    """Larger one of both, element by element.

    >>> maximum(jnp.array([-1.0, 2.0]), 0.0)
    Array([0., 2.], dtype=float32)
    """
    return dispatch(arithmetic.maximum, x, y)


def minimum(x: Any, y: Any) -> Any:
    """Smaller one of both, element by element.

    >>> minimum(jnp.array([-1.0, 2.0]), 0.0)
    Array([-1.,  0.], dtype=float32)
    """
    return dispatch(arithmetic.minimum, x, y)


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Add up over one axis, several, or all.

    >>> sum(jnp.ones((2, 3)), axis=1)
    Array([3., 3.], dtype=float32)
    """
    return dispatch(reduce.sum, x, axis, keepdims)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Multiply over one axis, several, or all.

    >>> prod(jnp.array([2.0, 3.0]))
    Array(6., dtype=float32)
    """
    return dispatch(reduce.prod, x, axis, keepdims)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean over one axis, several, or all; a float for integers and booleans too.

    >>> mean(jnp.array([True, False]))
    Array(0.5, dtype=float32)
    """
    return dispatch(reduce.mean, x, axis, keepdims)


def var(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean of the squared distances to the mean.

    >>> var(jnp.array([1.0, 3.0]))
    Array(1., dtype=float32)
    """
    return dispatch(reduce.var, x, axis, keepdims)


def std(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Square root of `var`.

    >>> std(jnp.array([1.0, 5.0]))
    Array(2., dtype=float32)
    """
    return dispatch(reduce.std, x, axis, keepdims)


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest value.

    >>> max(jnp.array([[1, 4], [3, 2]]), axis=0)
    Array([3, 4], dtype=int32)
    """
    return dispatch(reduce.max, x, axis, keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Smallest value.

    >>> min(jnp.array([[1, 4], [3, 2]]), axis=0)
    Array([1, 2], dtype=int32)
    """
    return dispatch(reduce.min, x, axis, keepdims)


def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether any value is not 0.

    >>> any(jnp.array([[0, 2], [0, 0]]), axis=1)
    Array([ True, False], dtype=bool)
    """
    return dispatch(reduce.any, x, axis, keepdims)


def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether no value is 0.

    >>> all(jnp.array([[1, 2], [0, 1]]), axis=1)
    Array([ True, False], dtype=bool)
    """
    return dispatch(reduce.all, x, axis, keepdims)


def argmax(x: Any, axis: int | None = -1) -> Any:
    """Index of the first largest value.

    >>> argmax(jnp.array([[1, 4, 4], [3, 2, 1]]))
    Array([1, 0], dtype=int32)
    """
    return dispatch(reduce.argmax, x, axis)


def argmin(x: Any, axis: int | None = -1) -> Any:
    """Index of the first smallest value.

    >>> argmin(jnp.array([[1, 4, 1], [3, 2, 1]]))
    Array([0, 2], dtype=int32)
    """
    return dispatch(reduce.argmin, x, axis)


def cumsum(x: Any, axis: int = 0) -> Any:
    """Running sum along an axis.

    >>> cumsum(jnp.array([1, 2, 3]))
    Array([1, 3, 6], dtype=int32)
    """
    return dispatch(reduce.cumsum, x, axis)


def cumprod(x: Any, axis: int = 0) -> Any:
    """Running product along an axis.

    >>> cumprod(jnp.array([1, 2, 3]))
    Array([1, 2, 6], dtype=int32)
    """
    return dispatch(reduce.cumprod, x, axis)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Logarithm of the sum of exponentials, without overflow.

    >>> logsumexp(jnp.array([1000.0, 1000.0])).round(2)
    Array(1000.69, dtype=float32)
    """
    return dispatch(reduce.logsumexp, x, axis, keepdims)


def stop_gradient(variables: Any) -> Any:
    """Hand on values as constants: no gradient flows through them.

    Args:
        variables: a tensor or a list of them.

    >>> stop_gradient(jnp.array([1.0]))
    Array([1.], dtype=float32)
    """
    if isinstance(variables, list | tuple):
        return [dispatch(jax.lax.stop_gradient, one) for one in variables]
    return dispatch(jax.lax.stop_gradient, variables)
