"""Arithmetic and comparisons of two arrays by NumPy's rules, stated explicitly.

The results are the same under JAX's strict promotion: dtypes and ranks are made equal before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina.ops import native_each

if TYPE_CHECKING:
    from lamina.typing import Array


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int | float)


def common_dtype(*values: Any) -> Any:
    """The dtype that NumPy's rules of arithmetic give for arrays and Python numbers.

    >>> common_dtype(jnp.ones(2, "int32"), 0.5)
    dtype('float32')
    """
    parts = [value if _is_number(value) else jnp.asarray(value) for value in values]
    with jax.numpy_dtype_promotion("standard"):
        return jnp.dtype(jnp.result_type(*parts))


def same_dtype(*values: Any) -> list[Array]:
    """All values as arrays of one dtype.

    >>> [x.dtype.name for x in same_dtype(jnp.ones(2), jnp.ones(3, "int32"))]
    ['float32', 'float32']
    """
    dtype = common_dtype(*values)
    return [jnp.asarray(value).astype(dtype) for value in values]


def aligned(left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides with one dtype and one rank; a Python number stays one.

    >>> x, y = aligned(jnp.ones((2, 3)), jnp.ones(3, "int32"))
    >>> x.shape, y.shape, y.dtype.name
    ((2, 3), (1, 3), 'float32')
    """
    if _is_number(left) and _is_number(right):
        return left, right
    dtype = common_dtype(left, right)
    if _is_number(left) or _is_number(right):
        cast = [
            side if _is_number(side) else jnp.asarray(side).astype(dtype) for side in (left, right)
        ]
        return cast[0], cast[1]
    left, right = jnp.asarray(left).astype(dtype), jnp.asarray(right).astype(dtype)
    rank = max(left.ndim, right.ndim)
    left, right = (side.reshape((1,) * (rank - side.ndim) + side.shape) for side in (left, right))
    return left, right


def broadcast(*values: Any) -> list[Array]:
    """All values as arrays of one dtype and one shape.

    >>> [x.shape for x in broadcast(jnp.ones((2, 1)), jnp.ones(3))]
    [(2, 3), (2, 3)]
    """
    arrays = same_dtype(*values)
    shape = jnp.broadcast_shapes(*(array.shape for array in arrays))
    return [_broadcast_to(array, shape) for array in arrays]


def _broadcast_to(array: Array, shape: tuple[Any, ...]) -> Array:
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    return jnp.broadcast_to(array, shape)


def where(condition: Any, x: Any, y: Any) -> Array:
    """Values of `x` where the condition holds, else those of `y`.

    >>> where(jnp.array([True, False]), 1.0, jnp.array([[5.0, 6.0]]))
    Array([[1., 6.]], dtype=float32)
    """
    x, y = same_dtype(x, y)
    condition = jnp.asarray(condition).astype(bool)
    shape = jnp.broadcast_shapes(condition.shape, x.shape, y.shape)
    return jnp.where(*(_broadcast_to(part, shape) for part in (condition, x, y)))


def _binary(function: Callable[..., Any], name: str, text: str) -> Callable[[Any, Any], Any]:
    def compute(x: Any, y: Any) -> Array:
        return function(*aligned(x, y))

    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = f"{text}, element by element."
    return compute


add = _binary(native_each.add, "add", "Sum")
subtract = _binary(jnp.subtract, "subtract", "Difference")
multiply = _binary(jnp.multiply, "multiply", "Product")
divide = _binary(jnp.true_divide, "divide", "Quotient, a float")
power = _binary(jnp.power, "power", "Power")
maximum = _binary(jnp.maximum, "maximum", "Larger one")
minimum = _binary(jnp.minimum, "minimum", "Smaller one")
equal = _binary(jnp.equal, "equal", "Whether both are equal")
not_equal = _binary(jnp.not_equal, "not_equal", "Whether both differ")
greater = _binary(jnp.greater, "greater", "Whether the first is larger")
greater_equal = _binary(
    jnp.greater_equal, "greater_equal", "Whether the first is at least as large"
)
less = _binary(jnp.less, "less", "Whether the first is smaller")
less_equal = _binary(jnp.less_equal, "less_equal", "Whether the first is at most as large")


__all__ = [
    "add",
    "aligned",
    "broadcast",
    "common_dtype",
    "divide",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "maximum",
    "minimum",
    "multiply",
    "not_equal",
    "power",
    "same_dtype",
    "subtract",
    "where",
]
