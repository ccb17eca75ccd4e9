"""Relatives of `ReLU`: `LeakyReLU`, `PReLU`, `ELU`, `ThresholdedReLU`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Elementwise, as_float
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


@registry.register("layer")
class LeakyReLU(Elementwise):
    """Positive values as they are, negative ones times a slope. Maas and others (2013).

    Args:
        alpha: the slope; Keras 3 calls it `negative_slope`.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `alpha` is negative or no number.

    >>> LeakyReLU(0.5)(jnp.array([[-1.0, 2.0]]))
    Array([[-0.5,  2. ]], dtype=float32)
    """

    def __init__(self, alpha: float = 0.3, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.alpha = checks.not_negative(alpha, "alpha", self)

    def call(self, inputs: Array) -> Array:
        return activations.leaky_relu(as_float(inputs, self), self.alpha)


class PerPlace(Elementwise):
    """Base of the activations that have weights of their own for each place of a sample."""

    def stated_axes(self, shared_axes: Any) -> list[int] | None:
        """The axes along which places share their weights, or a ``ValueError``."""
        if shared_axes is None:
            return None
        axes: Any = shared_axes if isinstance(shared_axes, list | tuple) else (shared_axes,)
        if not all(checks.is_int(axis) and axis > 0 for axis in axes):
            raise ValueError(
                f"{self}: shared_axes must be axes of the input from 1 on, got {shared_axes!r}."
            )
        return [int(axis) for axis in axes]

    def places(self, input_shape: Shape, shared_axes: list[int] | None) -> tuple[int, ...]:
        """Shape of the weights for an input of a shape, which later inputs must have, too."""
        shared = shared_axes or ()
        if max(shared, default=0) >= len(input_shape):
            raise ValueError(
                f"{self}: shared_axes {shared_axes} are not all axes of an input of shape "
                f"{input_shape}."
            )
        own = [axis for axis in range(1, len(input_shape)) if axis not in shared]
        known = {axis: checks.known_size(input_shape, axis, self) for axis in own}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(known))
        return tuple(known.get(axis, 1) for axis in range(1, len(input_shape)))

    def spread(self, inputs: Array, *weights: Variable) -> list[Array]:
        """Weights as arrays of the shape and the dtype of the input."""
        values = [weight.value.astype(inputs.dtype)[None] for weight in weights]
        return [jnp.broadcast_to(value, inputs.shape) for value in values]


@registry.register("layer")
class PReLU(PerPlace):
    """Positive values as they are, negative ones times a learned slope. He and others (2015).

    Args:
        alpha_initializer: first values of the slopes, one for each place of a sample.
        alpha_regularizer: penalty on the slopes.
        alpha_constraint: function applied to the slopes after each update.
        shared_axes: axes along which places share a slope, such as ``[1, 2]`` for images of
            ``channels_last``.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an axis that is none of the input, or a size that is not known.

    >>> PReLU("ones")(jnp.array([[-1.0, 2.0]]))
    Array([[-1.,  2.]], dtype=float32)
    """

    def __init__(
        self,
        alpha_initializer: initializers.Like = "zeros",
        alpha_regularizer: regularizers.Like = None,
        alpha_constraint: constraints.Like = None,
        shared_axes: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = self.stated_axes(shared_axes)

    def build(self, input_shape: Shape) -> None:
        self.alpha = self.add_weight("alpha", self.places(input_shape, self.shared_axes))

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        (slopes,) = self.spread(inputs, self.alpha)
        return jnp.where(inputs > 0, inputs, slopes * inputs)


@registry.register("layer")
class ELU(Elementwise):
    """Positive values as they are, others ``alpha * (exp(x) - 1)``. Clevert and others (2015).

    Args:
        alpha: factor of the negative part.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `alpha` is no number.

    >>> ELU()(jnp.array([[0.0, 2.0]]))
    Array([[0., 2.]], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.alpha = checks.number(alpha, "alpha", self)

    def call(self, inputs: Array) -> Array:
        return activations.elu(as_float(inputs, self), self.alpha)


@registry.register("layer")
class ThresholdedReLU(Elementwise):
    """Values above a threshold as they are, others 0. Konda and others (2014).

    Args:
        theta: the threshold, 0 or more.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `theta` is negative or no number.

    >>> ThresholdedReLU(1.5)(jnp.array([[1.0, 2.0]]))
    Array([[0., 2.]], dtype=float32)
    """

    def __init__(self, theta: float = 1.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.theta = checks.not_negative(theta, "theta", self)

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        return jnp.where(inputs > self.theta, inputs, 0.0)
