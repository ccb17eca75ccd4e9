"""Activations as layers: `Activation`, `Softmax`, `ReLU`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import activations, registry
from lamina.layers.checks import as_given, is_int, not_negative, number
from lamina.layers.elementwise import Elementwise, as_float
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class Activation(Elementwise):
    """Apply a function to each value, or along the last axis as softmax does.

    Args:
        activation: the function, or its name.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an unknown name.

    >>> Activation("relu")(jnp.array([[-1.0, 2.0]]))
    Array([[0., 2.]], dtype=float32)
    """

    def __init__(self, activation: activations.Like, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)

    def call(self, inputs: Array) -> Array:
        return self.activation(as_float(inputs, self))


@registry.register("layer")
class Softmax(Elementwise):
    """Exponentials that sum to 1 along an axis.

    A mask of the rank of the input, such as one passed as ``layer(x, mask=mask)``, leaves out
    the places where it is false; an axis of size 1 stands for all places along it. A mask of
    another rank, such as one of time steps, changes nothing and passes through.

    Args:
        axis: the axis, or several that are normalized together.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `axis` is no int and no sequence of ints, or the input has no such axis.

    >>> Softmax()(jnp.array([[0.0, 0.0]]))
    Array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, axis: int | Sequence[int] = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        axes: Any = (axis,) if is_int(axis) else axis
        if not isinstance(axes, Sequence) or not axes or not all(is_int(one) for one in axes):
            raise ValueError(f"{self}: axis must be an int or several of them, got {axis!r}.")
        if len(set(axes)) < len(axes):
            raise ValueError(f"{self}: axis must hold each axis once, got {axis!r}.")
        self.axis: Any = as_given(axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        for axis in axes:
            if not -len(input_shape) <= axis < len(input_shape):
                raise ValueError(
                    f"{self}: axis {axis} is not one of an input of shape {input_shape}."
                )
        if len({axis % len(input_shape) for axis in axes}) < len(axes):
            raise ValueError(
                f"{self}: axis {self.axis} holds an axis of an input of shape {input_shape} twice."
            )
        return input_shape

    def call(self, inputs: Array, mask: Any = None) -> Array:
        inputs = as_float(inputs, self)
        self.compute_output_shape(inputs.shape)
        if mask is not None and _spreads(mask.shape, inputs.shape):
            far = -3e4 if inputs.dtype == jnp.float16 else -1e9
            inputs = inputs + jnp.where(mask, 0.0, far).astype(inputs.dtype)
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        return activations.softmax(inputs, axis)


def _spreads(mask: Shape, shape: Shape) -> bool:
    """Whether a mask has the rank of an array, and its sizes or 1."""
    return len(mask) == len(shape) and all(a in (1, b) for a, b in zip(mask, shape, strict=True))


@registry.register("layer")
class ReLU(Elementwise):
    """Positive values as they are, others times a slope.

    ``f(x) = max_value`` where ``x >= max_value``, ``x`` where ``threshold < x < max_value``,
    and ``negative_slope * (x - threshold)`` elsewhere, which is 0 at the threshold.

    The first of these rules that holds counts, also where `max_value` lies below the threshold;
    between the two Keras gives what it gives below.

    Args:
        max_value: the largest output; ``None`` for no limit.
        negative_slope: slope below the threshold, 0 or more.
        threshold: where the values begin to pass; a negative one as in Keras 2, Keras 3 refuses it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument is no number, or `max_value` or `negative_slope` is negative.

    >>> ReLU(max_value=6.0)(jnp.array([[-1.0, 2.0, 8.0]]))
    Array([[0., 2., 6.]], dtype=float32)
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        stated = max_value is not None
        self.max_value = not_negative(max_value, "max_value", self) if stated else None
        self.negative_slope = not_negative(negative_slope, "negative_slope", self)
        self.threshold = number(threshold, "threshold", self)

    def call(self, inputs: Array) -> Array:
        return activations.relu(
            as_float(inputs, self),
            negative_slope=self.negative_slope,
            max_value=self.max_value,
            threshold=self.threshold,
        )
