"""Named activations: functions of one tensor, for layers and for use on their own.

All take arrays, variables and symbolic tensors; the formulas are in `lamina.ops.elementwise`.
A layer takes a name, a function of your own, or a layer such as ``LeakyReLU()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp  # noqa: F401  (for the examples)

from lamina import registry
from lamina.core.dispatch import dispatch
from lamina.ops import elementwise

Like = str | Mapping[str, Any] | Callable[..., Any] | None
"""What a layer takes as an activation; see `get`."""


@registry.register("activation")
def relu(
    x: Any,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
    *,
    alpha: float | None = None,
) -> Any:
    """Rectify: keep values above the threshold, replace the others by 0.

    Nair and Hinton (2010).

    Args:
        x: values.
        negative_slope: others become ``negative_slope * (x - threshold)``.
        max_value: larger values are cut off there.
        threshold: where the function bends.
        alpha: the name of `negative_slope` in Keras 1 and 2.

    Raises:
        ValueError: both `negative_slope` and `alpha` are given.

    >>> relu(jnp.array([-2.0, 0.5, 9.0]), negative_slope=0.5, max_value=6.0)
    Array([-1. ,  0.5,  6. ], dtype=float32)
    """
    if alpha is not None:
        if negative_slope:
            raise ValueError(
                f"relu: alpha is the old name of negative_slope: give one of them, "
                f"got {alpha!r} and {negative_slope!r}."
            )
        negative_slope = alpha
    return dispatch(elementwise.relu, x, negative_slope, max_value, threshold)


@registry.register("activation")
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """Keep values above the threshold; replace the others by a default.

    Args:
        x: values.
        threshold: the bound.
        default_value: what others become.

    >>> threshold(jnp.array([1.0, 2.0]), 1.0, -5.0)
    Array([-5.,  2.], dtype=float32)
    """
    return dispatch(elementwise.threshold, x, threshold, default_value)


@registry.register("activation")
def linear(x: Any) -> Any:
    """Return the input.

    >>> linear(jnp.array([1.5]))
    Array([1.5], dtype=float32)
    """
    return dispatch(elementwise.linear, x)


@registry.register("activation")
def relu6(x: Any) -> Any:
    """Rectify and cut off at 6.

    >>> relu6(jnp.array([-1.0, 2.0, 8.0]))
    Array([0., 2., 6.], dtype=float32)
    """
    return dispatch(elementwise.relu6, x)


@registry.register("activation")
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """Multiply negative values by a slope.

    Args:
        x: values.
        negative_slope: the slope; 0.2 here, 0.3 in the layer `LeakyReLU`.

    >>> leaky_relu(jnp.array([-2.0, 3.0]))
    Array([-0.4,  3. ], dtype=float32)
    """
    return dispatch(elementwise.leaky_relu, x, negative_slope)


@registry.register("activation")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Keep positive values; ``alpha * (exp(x) - 1)`` for others. Clevert et al. (2016).

    Args:
        x: values.
        alpha: minus the limit for very negative values.

    >>> elu(jnp.array([0.0, 2.0]))
    Array([0., 2.], dtype=float32)
    """
    return dispatch(elementwise.elu, x, alpha)


@registry.register("activation")
def selu(x: Any) -> Any:
    """Scale `elu` so that activations keep mean 0 and variance 1. Klambauer et al. (2017).

    >>> selu(jnp.array([0.0, 1.0]))
    Array([0.      , 1.050701], dtype=float32)
    """
    return dispatch(elementwise.selu, x)


@registry.register("activation")
def celu(x: Any, alpha: float = 1.0) -> Any:
    """Keep positive values; ``alpha * (exp(x / alpha) - 1)`` for others. Barron (2017).

    Args:
        x: values.
        alpha: minus the limit for very negative values.

    >>> celu(jnp.array([0.0, 2.0]))
    Array([0., 2.], dtype=float32)
    """
    return dispatch(elementwise.celu, x, alpha)


@registry.register("activation")
def gelu(x: Any, approximate: bool = False) -> Any:
    """Multiply by the normal distribution function. Hendrycks and Gimpel (2016).

    Args:
        x: values.
        approximate: use the form with ``tanh``.

    >>> gelu(jnp.array([0.0, 9.0]))
    Array([0., 9.], dtype=float32)
    """
    return dispatch(elementwise.gelu, x, approximate)


@registry.register("activation")
def sigmoid(x: Any) -> Any:
    """Map to the range from 0 to 1: ``1 / (1 + exp(-x))``.

    >>> sigmoid(jnp.array([0.0]))
    Array([0.5], dtype=float32)
    """
    return dispatch(elementwise.sigmoid, x)


@registry.register("activation")
def hard_sigmoid(x: Any) -> Any:
    """Approximate `sigmoid` by ``0.2 * x + 0.5``, cut off at 0 and 1.

    >>> hard_sigmoid(jnp.array([-3.0, 1.0, 3.0]))
    Array([0. , 0.7, 1. ], dtype=float32)
    """
    return dispatch(elementwise.hard_sigmoid, x)


@registry.register("activation")
def hard_sigmoid_keras3(x: Any) -> Any:
    """Approximate `sigmoid` by ``x / 6 + 0.5``, cut off at 0 and 1: ``hard_sigmoid`` of Keras 3.

    Files of Keras 3 that name ``hard_sigmoid`` get it, and files for Keras 3 name it so again.

    >>> hard_sigmoid_keras3(jnp.array([-3.0, 1.5, 3.0]))
    Array([0.  , 0.75, 1.  ], dtype=float32)
    """
    return dispatch(elementwise.hard_sigmoid, x, 1 / 6)


@registry.register("activation", "hard_swish")
def hard_silu(x: Any) -> Any:
    """Multiply by ``x / 6 + 0.5``, cut off at 0 and 1. Howard et al. (2019).

    >>> hard_silu(jnp.array([0.0, 3.0]))
    Array([0., 3.], dtype=float32)
    """
    return dispatch(elementwise.hard_silu, x)


@registry.register("activation")
def hard_tanh(x: Any) -> Any:
    """Cut off at -1 and 1.

    >>> hard_tanh(jnp.array([-3.0, 0.5]))
    Array([-1. ,  0.5], dtype=float32)
    """
    return dispatch(elementwise.hard_tanh, x)


@registry.register("activation")
def tanh(x: Any) -> Any:
    """Take the hyperbolic tangent.

    >>> tanh(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    return dispatch(elementwise.tanh, x)


@registry.register("activation")
def exponential(x: Any) -> Any:
    """Take the exponential.

    >>> exponential(jnp.array([0.0]))
    Array([1.], dtype=float32)
    """
    return dispatch(elementwise.exponential, x)


@registry.register("activation")
def softplus(x: Any) -> Any:
    """Take ``log(1 + exp(x))``. Dugas et al. (2001).

    >>> softplus(jnp.array([100.0]))
    Array([100.], dtype=float32)
    """
    return dispatch(elementwise.softplus, x)


@registry.register("activation")
def softsign(x: Any) -> Any:
    """Divide by ``1 + |x|``.

    >>> softsign(jnp.array([-1.0, 3.0]))
    Array([-0.5 ,  0.75], dtype=float32)
    """
    return dispatch(elementwise.softsign, x)


@registry.register("activation", "swish")
def silu(x: Any) -> Any:
    """Multiply by the `sigmoid`; also called swish. Ramachandran et al. (2017).

    >>> silu(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    return dispatch(elementwise.silu, x)


@registry.register("activation")
def mish(x: Any) -> Any:
    """Multiply by ``tanh(softplus(x))``. Misra (2019).

    >>> mish(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    return dispatch(elementwise.mish, x)


@registry.register("activation")
def log_sigmoid(x: Any) -> Any:
    """Take the logarithm of the `sigmoid`.

    >>> log_sigmoid(jnp.array([-100.0]))
    Array([-100.], dtype=float32)
    """
    return dispatch(elementwise.log_sigmoid, x)


@registry.register("activation")
def glu(x: Any, axis: int = -1) -> Any:
    """Multiply the first half along an axis by the `sigmoid` of the second. Dauphin et al. (2017).

    Args:
        x: values.
        axis: the axis, of even size.

    Raises:
        ValueError: the axis has an odd size.

    >>> glu(jnp.array([4.0, 0.0]))
    Array([2.], dtype=float32)
    """
    return dispatch(elementwise.glu, x, axis)


@registry.register("activation")
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Replace values from -threshold to threshold by 0.

    Args:
        x: values.
        threshold: the bound.

    >>> hard_shrink(jnp.array([-0.5, 0.75]))
    Array([0.  , 0.75], dtype=float32)
    """
    return dispatch(elementwise.hard_shrink, x, threshold)


@registry.register("activation")
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Move values towards 0 by the threshold, not beyond it.

    Args:
        x: values.
        threshold: the distance.

    >>> soft_shrink(jnp.array([-1.0, 0.25, 2.0]))
    Array([-0.5,  0. ,  1.5], dtype=float32)
    """
    return dispatch(elementwise.soft_shrink, x, threshold)


@registry.register("activation")
def tanh_shrink(x: Any) -> Any:
    """Subtract the hyperbolic tangent.

    >>> tanh_shrink(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    return dispatch(elementwise.tanh_shrink, x)


@registry.register("activation")
def squareplus(x: Any, b: float = 4) -> Any:
    """Take ``(x + sqrt(x**2 + b)) / 2``. Barron (2021).

    Args:
        x: values.
        b: width of the bend, at least 0.

    >>> squareplus(jnp.array([0.0, 1.5]))
    Array([1., 2.], dtype=float32)
    """
    return dispatch(elementwise.squareplus, x, b)


@registry.register("activation")
def sparse_plus(x: Any) -> Any:
    """Take 0 up to -1, ``(x + 1)**2 / 4`` up to 1, then x.

    >>> sparse_plus(jnp.array([-2.0, 0.0, 3.0]))
    Array([0.  , 0.25, 3.  ], dtype=float32)
    """
    return dispatch(elementwise.sparse_plus, x)


@registry.register("activation")
def sparse_sigmoid(x: Any) -> Any:
    """Take ``(x + 1) / 2``, cut off at 0 and 1.

    >>> sparse_sigmoid(jnp.array([-2.0, 0.0, 3.0]))
    Array([0. , 0.5, 1. ], dtype=float32)
    """
    return dispatch(elementwise.sparse_sigmoid, x)


@registry.register("activation")
def softmax(x: Any, axis: int | Sequence[int] = -1) -> Any:
    """Turn values into probabilities that sum to 1 along an axis.

    Args:
        x: values.
        axis: the axis, or axes.

    >>> softmax(jnp.array([[0.0, 0.0]]))
    Array([[0.5, 0.5]], dtype=float32)
    """
    return dispatch(elementwise.softmax, x, axis)


@registry.register("activation")
def log_softmax(x: Any, axis: int | Sequence[int] = -1) -> Any:
    """Take the logarithm of `softmax`, without overflow.

    Args:
        x: values.
        axis: the axis, or axes.

    >>> log_softmax(jnp.array([0.0, -200.0]))
    Array([   0., -200.], dtype=float32)
    """
    return dispatch(elementwise.log_softmax, x, axis)


@registry.register("activation")
def sparsemax(x: Any, axis: int = -1) -> Any:
    """Project onto the probabilities: many become exactly 0. Martins and Astudillo (2016).

    Args:
        x: values.
        axis: the axis.

    >>> sparsemax(jnp.array([1.5, 0.5, 0.0]))
    Array([1., 0., 0.], dtype=float32)
    """
    return dispatch(elementwise.sparsemax, x, axis)


swish = silu
hard_swish = hard_silu


def get(identifier: Like) -> Any:
    """The activation that a name, a config, a function or a layer stands for.

    Args:
        identifier: as in the module's description; None is `linear`.

    Raises:
        ValueError: an unknown name or a wrong config.
        TypeError: none of these.

    >>> get("swish") is silu, get(None) is linear
    (True, True)
    """
    if identifier is None:
        return linear
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    found = registry.resolve("activation", identifier)
    if not callable(found):
        raise TypeError(f"An activation must be callable, got {found!r}.")
    return found


def serialize(activation: Any) -> Any:
    """The name of a function, or the config of a layer, to write into a file.

    >>> serialize(swish)
    'silu'
    """
    return registry.serialize(activation)


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Make the activation that `serialize` described: a function or a layer.

    >>> deserialize("silu") is silu
    True
    """
    if isinstance(config, Mapping):
        name = config.get("class_name")
        # Exact names only: the layer LeakyReLU and the function leaky_relu differ in their slope.
        if isinstance(name, str) and name in registry.names("layer"):
            return registry.deserialize("layer", config, custom_objects)
    return registry.deserialize("activation", config, custom_objects)


__all__ = [
    "Like",
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_sigmoid_keras3",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
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
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]
