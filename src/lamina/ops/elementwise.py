"""Activation functions: one array in, one array of the same shape out.

All of them are finite with finite gradients for every finite input. At a kink the
gradient is that of the left side for the family of `relu` and that of the middle part for
functions that are cut off on both sides. Integers and booleans are taken as floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina.ops import native_each

if TYPE_CHECKING:
    from lamina.typing import Array

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def as_float(x: Any) -> Array:
    """Return `x` as an array of a floating dtype; integers become the default float.

    >>> as_float(3).dtype
    dtype('float32')
    """
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))


def _cut(x: Array, low: float, high: float) -> Array:
    """Clip with gradient 1 on both bounds (that of ``jnp.clip`` is one half there)."""
    return jnp.where(x < low, low, jnp.where(x > high, high, x))


def linear(x: Any) -> Array:
    """Return the input.

    >>> linear(2.0)
    Array(2., dtype=float32, weak_type=True)
    """
    return jnp.asarray(x)


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Array:
    """Rectify: 0 below the threshold, the input above it.

    ``max_value`` where x >= max_value; x where x > threshold; else
    ``negative_slope * (x - threshold)``. Nair and Hinton (2010).

    >>> relu(jnp.array([-2.0, 0.5, 9.0]), negative_slope=0.1, max_value=6.0)
    Array([-0.2,  0.5,  6. ], dtype=float32)
    """
    x = jnp.asarray(x)
    if negative_slope == 0 and threshold == 0:
        y = native_each.rectify(x) if native_each.takes(x) else jax.nn.relu(x)
    else:
        x = as_float(x)
        y = jnp.where(x > threshold, x, negative_slope * (x - threshold))
    if max_value is None:
        return y
    # The top first: it also holds where max_value lies below the threshold.
    return jnp.where(x >= max_value, jnp.asarray(max_value, y.dtype), y)


def relu6(x: Any) -> Array:
    """`relu` cut off at 6.

    >>> relu6(jnp.array([-1.0, 2.0, 8.0]))
    Array([0., 2., 6.], dtype=float32)
    """
    return relu(x, max_value=6.0)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Array:
    """Multiply negative values by a slope. Maas et al. (2013).

    >>> leaky_relu(jnp.array([-2.0, 3.0]))
    Array([-0.4,  3. ], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(x > 0, x, negative_slope * x)


def elu(x: Any, alpha: float = 1.0) -> Array:
    """Keep positive values; ``alpha * (exp(x) - 1)`` for others. Clevert et al. (2016).

    >>> elu(jnp.array([0.0, 2.0]))
    Array([0., 2.], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0.0, x)))


def selu(x: Any) -> Array:
    """`elu` scaled so that activations keep mean 0 and variance 1. Klambauer et al. (2017).

    >>> selu(jnp.array([0.0, 1.0]))
    Array([0.      , 1.050701], dtype=float32)
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def celu(x: Any, alpha: float = 1.0) -> Array:
    """Keep positive values; ``alpha * (exp(x / alpha) - 1)`` for others. Barron (2017).

    >>> celu(jnp.array([0.0, 2.0]), alpha=0.5)
    Array([0., 2.], dtype=float32)
    """
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0.")
    x = as_float(x)
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0.0, x) / alpha))


def gelu(x: Any, approximate: bool = False) -> Array:
    """Multiply by the normal distribution function of x. Hendrycks and Gimpel (2016).

    Args:
        x: values.
        approximate: use the form with ``tanh``.

    >>> gelu(jnp.array([0.0, 9.0]))
    Array([0., 9.], dtype=float32)
    """
    return jax.nn.gelu(as_float(x), approximate=approximate)


def sigmoid(x: Any) -> Array:
    """``1 / (1 + exp(-x))``.

    >>> sigmoid(jnp.array([-1e4, 0.0, 1e4]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    return jax.nn.sigmoid(as_float(x))


def hard_sigmoid(x: Any, slope: float = 0.2) -> Array:
    """``slope * x + 0.5``, cut off at 0 and 1.

    The slope is 0.2 in Keras 1 and 2 and ``1 / 6`` in Keras 3.

    >>> hard_sigmoid(jnp.array([-3.0, 1.0, 3.0]))
    Array([0. , 0.7, 1. ], dtype=float32)
    """
    return _cut(slope * as_float(x) + 0.5, 0.0, 1.0)


def hard_silu(x: Any) -> Array:
    """Multiply by ``hard_sigmoid(x, 1 / 6)``. Howard et al. (2019).

    >>> hard_silu(jnp.array([-3.0, 0.0, 3.0]))
    Array([-0.,  0.,  3.], dtype=float32)
    """
    x = as_float(x)
    return x * hard_sigmoid(x, 1 / 6)


def hard_tanh(x: Any) -> Array:
    """Cut off at -1 and 1.

    >>> hard_tanh(jnp.array([-3.0, 0.5]))
    Array([-1. ,  0.5], dtype=float32)
    """
    return _cut(as_float(x), -1.0, 1.0)


def tanh(x: Any) -> Array:
    """Hyperbolic tangent.

    >>> tanh(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    return jnp.tanh(as_float(x))


def exponential(x: Any) -> Array:
    """Exponential function, ``exp(x)``.

    >>> exponential(jnp.array([0.0]))
    Array([1.], dtype=float32)
    """
    return jnp.exp(as_float(x))


def softplus(x: Any) -> Array:
    """``log(1 + exp(x))``. Dugas et al. (2001).

    >>> softplus(jnp.array([0.0, 100.0])).round(4)
    Array([  0.6931, 100.    ], dtype=float32)
    """
    return jax.nn.softplus(as_float(x))


def softsign(x: Any) -> Array:
    """``x / (1 + |x|)``.

    >>> softsign(jnp.array([-1.0, 3.0]))
    Array([-0.5 ,  0.75], dtype=float32)
    """
    x = as_float(x)
    return x / (1 + jnp.abs(x))


def silu(x: Any) -> Array:
    """Multiply by the `sigmoid` of x; also called swish. Ramachandran et al. (2017).

    >>> silu(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    return jax.nn.silu(as_float(x))


def mish(x: Any) -> Array:
    """``x * tanh(softplus(x))``. Misra (2019).

    >>> mish(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    x = as_float(x)
    return x * jnp.tanh(softplus(x))


def log_sigmoid(x: Any) -> Array:
    """Logarithm of the `sigmoid`.

    >>> log_sigmoid(jnp.array([-100.0]))
    Array([-100.], dtype=float32)
    """
    return -softplus(-as_float(x))


def glu(x: Any, axis: int = -1) -> Array:
    """First half along an axis times the `sigmoid` of the second half. Dauphin et al. (2017).

    Raises:
        ValueError: the axis has an odd size.

    >>> glu(jnp.array([4.0, 0.0]))
    Array([2.], dtype=float32)
    """
    x = as_float(x)
    if x.shape[axis] % 2:
        raise ValueError(f"glu: axis {axis} must have an even size, got shape {x.shape}.")
    value, gate = jnp.split(x, 2, axis)
    return value * sigmoid(gate)


def hard_shrink(x: Any, threshold: float = 0.5) -> Array:
    """0 from -threshold to threshold, else x.

    >>> hard_shrink(jnp.array([-0.5, 0.6]))
    Array([0. , 0.6], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(jnp.abs(x) > threshold, x, 0.0)


def soft_shrink(x: Any, threshold: float = 0.5) -> Array:
    """0 from -threshold to threshold, else x moved towards 0 by the threshold.

    >>> soft_shrink(jnp.array([-1.0, 0.2, 2.0]))
    Array([-0.5,  0. ,  1.5], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(x > threshold, x - threshold, jnp.where(x < -threshold, x + threshold, 0.0))


def tanh_shrink(x: Any) -> Array:
    """Subtract the hyperbolic tangent: ``x - tanh(x)``.

    >>> tanh_shrink(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    x = as_float(x)
    return x - jnp.tanh(x)


def threshold(x: Any, threshold: float, default_value: float) -> Array:
    """Keep values above the threshold; a default value for others.

    >>> threshold(jnp.array([1.0, 2.0]), 1.0, -5.0)
    Array([-5.,  2.], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(x > threshold, x, jnp.asarray(default_value, x.dtype))


def squareplus(x: Any, b: float = 4) -> Array:
    """``(x + sqrt(x**2 + b)) / 2``, a `softplus` without exponentials. Barron (2021).

    Raises:
        ValueError: b is negative.

    >>> squareplus(jnp.array([0.0, 1.5]))
    Array([1., 2.], dtype=float32)
    """
    if b < 0:
        raise ValueError(f"squareplus: b must not be negative, got {b}.")
    x = as_float(x)
    if b == 0:
        return jax.nn.relu(x)
    size = jnp.abs(x)
    larger = (size + jnp.sqrt(x * x + b)) / 2
    # The product of the two roots is b / 4: no cancellation for large negative x.
    return jnp.where(x < 0, (b / 4) / larger, larger)


def sparse_plus(x: Any) -> Array:
    """0 up to -1, ``(x + 1)**2 / 4`` up to 1, then x.

    >>> sparse_plus(jnp.array([-2.0, 0.0, 3.0]))
    Array([0.  , 0.25, 3.  ], dtype=float32)
    """
    x = as_float(x)
    return jnp.where(x >= 1, x, jnp.square(jnp.where(x <= -1, -1.0, x) + 1) / 4)


def sparse_sigmoid(x: Any) -> Array:
    """``(x + 1) / 2``, cut off at 0 and 1: the gradient of `sparse_plus`.

    >>> sparse_sigmoid(jnp.array([-2.0, 0.0, 3.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    return _cut(0.5 * (as_float(x) + 1), 0.0, 1.0)


def softmax(x: Any, axis: int | Sequence[int] = -1) -> Array:
    """``exp(x)`` divided by its sum along one axis or several.

    >>> softmax(jnp.array([1.0, 1.0]))
    Array([0.5, 0.5], dtype=float32)
    """
    return jax.nn.softmax(as_float(x), _axes(axis))


def log_softmax(x: Any, axis: int | Sequence[int] = -1) -> Array:
    """Logarithm of the `softmax`.

    >>> log_softmax(jnp.array([0.0, 100.0]))
    Array([-100.,    0.], dtype=float32)
    """
    return jax.nn.log_softmax(as_float(x), _axes(axis))


def _axes(axis: int | Sequence[int]) -> int | tuple[int, ...]:
    return tuple(axis) if isinstance(axis, Sequence) else axis


def sparsemax(x: Any, axis: int = -1) -> Array:
    """Nearest point of the probability simplex. Martins and Astudillo (2016).

    >>> sparsemax(jnp.array([2.0, 0.0, 1.5]))
    Array([0.75, 0.  , 0.25], dtype=float32)
    """
    x = jnp.moveaxis(as_float(x), axis, -1)
    x = x - jax.lax.stop_gradient(x.max(axis=-1, keepdims=True))
    ordered = -jnp.sort(-x, axis=-1)
    rank = jax.lax.broadcasted_iota(x.dtype, x.shape, x.ndim - 1) + 1
    total = jnp.cumsum(ordered, axis=-1)
    inside = 1 + rank * ordered > total
    count = jnp.sum(inside, axis=-1, keepdims=True)
    within = jnp.sum(jnp.where(inside, ordered, 0.0), axis=-1, keepdims=True)
    level = (within - 1) / count.astype(x.dtype)
    return jnp.moveaxis(jax.nn.relu(x - level), -1, axis)


__all__ = [
    "as_float",
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "threshold",
]
