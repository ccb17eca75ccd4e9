"""Families of functions of one array, of two, and reductions, by Keras 3's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special

from lamina.backend.keras3.names import words
from lamina.ops import arithmetic, elementwise

UNARY = words(
    "abs absolute angle arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert bitwise_not "
    "cbrt ceil conj conjugate copy cos cosh deg2rad exp exp2 expm1 fabs floor fliplr flipud i0 "
    "imag isfinite isinf isnan isneginf isposinf isreal log log10 log1p log2 logical_not "
    "negative rad2deg ravel real reciprocal sign signbit sin sinc sinh sqrt square tan tanh "
    "trunc"
)
"""Names of functions of one array that are those of ``jax.numpy``."""

BINARY = words(
    "add arctan2 bitwise_and bitwise_or bitwise_xor equal floor_divide fmax fmin fmod gcd "
    "greater greater_equal heaviside hypot lcm less less_equal logaddexp logaddexp2 logical_and "
    "logical_or logical_xor maximum minimum mod multiply nextafter not_equal power subtract "
    "true_divide"
)
"""Names of functions of two arrays that are those of ``jax.numpy``."""

REDUCTIONS = words(
    "all amax amin any argmax argmin count_nonzero max mean median min nanargmax nanargmin "
    "nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar prod ptp std sum var"
)
"""Names of reductions that are those of ``jax.numpy``."""

ACTIVATIONS = words(
    "celu elu glu hard_shrink hard_silu hard_tanh leaky_relu log_sigmoid log_softmax relu relu6 "
    "selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid "
    "sparsemax squareplus tanh_shrink threshold"
)
"""Names of activations that are those of `lamina.ops.elementwise`."""

RENAMED = {
    "hard_swish": "hard_silu",
    "swish": "silu",
    "divide": "true_divide",
    "bitwise_left_shift": "left_shift",
    "bitwise_right_shift": "right_shift",
}


def _named(function: Callable[..., Any], name: str, text: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


def _unary(name: str) -> Callable[..., Any]:
    own = getattr(jnp, name)

    def compute(x: Any) -> Any:
        return own(jnp.asarray(x))

    return _named(compute, name, f"``jax.numpy.{name}`` of a tensor.")


def _binary(name: str) -> Callable[..., Any]:
    own = getattr(jnp, name)

    def compute(x1: Any, x2: Any) -> Any:
        # Two Python numbers become arrays; all else as NumPy's rules have it.
        left, right = arithmetic.aligned(x1, x2)
        return own(left, right)

    def bits(x: Any, y: Any) -> Any:
        return compute(x, y)

    if name.startswith("bitwise"):
        return _named(bits, name, f"``jax.numpy.{name}`` of two tensors, by NumPy's rules.")
    return _named(compute, name, f"``jax.numpy.{name}`` of two tensors, by NumPy's rules.")


def _reduction(name: str) -> Callable[..., Any]:
    own = getattr(jnp, name)

    def compute(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return own(jnp.asarray(x), axis=_axes(axis), keepdims=keepdims)

    return _named(compute, name, f"``jax.numpy.{name}`` over one axis, several, or all.")


def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Largest value over one axis, several, or all; not less than `initial`.

    >>> max(jnp.array([1.0, 3.0]), initial=5.0)
    Array(5., dtype=float32)
    """
    return jnp.max(jnp.asarray(x), _axes(axis), keepdims=keepdims, initial=initial)


def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Smallest value over one axis, several, or all; not more than `initial`.

    >>> min(jnp.array([1.0, 3.0]), initial=0.0)
    Array(0., dtype=float32)
    """
    return jnp.min(jnp.asarray(x), _axes(axis), keepdims=keepdims, initial=initial)


def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Product over one axis, several, or all.

    >>> prod(jnp.array([2, 3]), dtype="float32")
    Array(6., dtype=float32)
    """
    return jnp.prod(jnp.asarray(x), _axes(axis), dtype, keepdims=keepdims)


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def rsqrt(x: Any) -> Any:
    """One divided by the square root."""
    return jax.lax.rsqrt(elementwise.as_float(x))


def erf(x: Any) -> Any:
    """Error function."""
    return jax.scipy.special.erf(elementwise.as_float(x))


def erfc(x: Any) -> Any:
    """One less the error function."""
    return jax.scipy.special.erfc(elementwise.as_float(x))


def erfinv(x: Any) -> Any:
    """Inverse of the error function."""
    return jax.scipy.special.erfinv(elementwise.as_float(x))


def gelu(x: Any, approximate: bool = True) -> Any:
    """Multiply by the normal distribution function; with ``tanh`` unless told otherwise."""
    return elementwise.gelu(x, approximate)


def hard_sigmoid(x: Any) -> Any:
    """``x / 6 + 0.5``, cut off at 0 and 1: this function has Keras 3's slope."""
    return elementwise.hard_sigmoid(x, 1 / 6)


def round(x: Any, decimals: int = 0) -> Any:
    """Nearest number with so many decimals; halves go to the even one."""
    return jnp.round(jnp.asarray(x), decimals)


def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """Cut off at both ends."""
    return arithmetic.minimum(arithmetic.maximum(x, x_min), x_max)


def left_shift(x: Any, y: Any) -> Any:
    """Shift the bits to the left."""
    return jnp.left_shift(*arithmetic.aligned(x, y))


def right_shift(x: Any, y: Any) -> Any:
    """Shift the bits to the right."""
    return jnp.right_shift(*arithmetic.aligned(x, y))


def divide_no_nan(x1: Any, x2: Any) -> Any:
    """Quotient, and 0 where the divisor is 0."""
    left, right = arithmetic.broadcast(elementwise.as_float(x1), x2)
    return jnp.where(right == 0, 0.0, left / jnp.where(right == 0, 1.0, right))


def nan_to_num(x: Any, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """Finite numbers in the place of NaN and infinities."""
    return jnp.nan_to_num(jnp.asarray(x), nan=nan, posinf=posinf, neginf=neginf)


def isclose(
    x1: Any, x2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Whether both are close to each other."""
    return jnp.isclose(*arithmetic.broadcast(x1, x2), rtol=rtol, atol=atol, equal_nan=equal_nan)


def allclose(
    x1: Any, x2: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Whether all values are close to each other."""
    return jnp.all(isclose(x1, x2, rtol, atol, equal_nan))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Logarithm of the sum of exponentials, without overflow."""
    return jax.nn.logsumexp(elementwise.as_float(x), axis, keepdims=keepdims)


def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """Mean with weights."""
    x = elementwise.as_float(x)
    if weights is None:
        return jnp.mean(x, axis)
    weights = jnp.asarray(weights).astype(x.dtype)
    if weights.ndim == 1 and x.ndim > 1:
        around = [1] * x.ndim
        around[axis] = weights.size
        weights = weights.reshape(around)
    weights = jnp.broadcast_to(weights, x.shape)
    return jnp.sum(x * weights, axis) / jnp.sum(weights, axis)


def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running sum."""
    return jnp.cumsum(jnp.asarray(x), axis, dtype)


def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running product."""
    return jnp.cumprod(jnp.asarray(x), axis, dtype)


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    found: dict[str, Callable[..., Any]] = {name: _unary(name) for name in UNARY}
    found |= {name: _binary(name) for name in BINARY}
    found |= {name: _reduction(name) for name in REDUCTIONS}
    found |= {name: getattr(elementwise, name) for name in ACTIVATIONS}
    own = words(
        "allclose average clip cumprod cumsum divide_no_nan erf erfc erfinv gelu hard_sigmoid "
        "isclose left_shift logsumexp max min nan_to_num prod right_shift round rsqrt"
    )
    found |= {name: globals()[name] for name in own}
    return found | {old: found[new] for old, new in RENAMED.items()}
