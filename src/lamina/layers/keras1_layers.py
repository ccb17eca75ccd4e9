"""Layers that only Keras 1 had, under its names of arguments: `Highway`, `MaxoutDense`, `SReLU`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp  # noqa: F401  (the examples)

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core.layer import Layer
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.advanced_activation import PerPlace
from lamina.layers.elementwise import as_float
from lamina.ops import keras1
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


class OldDense(Layer):
    """Base of the layers with a product and the names of arguments of Keras 1.

    Args:
        init: first values of the kernels.
        W_regularizer: penalty on the kernel.
        b_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        W_constraint: function applied to the kernel after each update.
        b_constraint: function applied to the bias after each update.
        bias: whether to add learned vectors to the products.
        options: what every layer takes, see `Layer`.
    """

    input_spec = InputSpec(ndim=2)

    def __init__(
        self,
        init: initializers.Like = "glorot_uniform",
        W_regularizer: regularizers.Like = None,
        b_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        W_constraint: constraints.Like = None,
        b_constraint: constraints.Like = None,
        bias: bool = True,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **options)
        self.init = initializers.get(init)
        self.W_regularizer = regularizers.get(W_regularizer)
        self.b_regularizer = regularizers.get(b_regularizer)
        self.W_constraint = constraints.get(W_constraint)
        self.b_constraint = constraints.get(b_constraint)
        self.bias = checks.flag(bias, "bias", self)

    def size_of(self, input_shape: Shape) -> int:
        """The number of values of a sample, which later inputs must have, too."""
        size = checks.known_size(input_shape, -1, self)
        self.input_spec = InputSpec(ndim=2, axes={-1: size})
        return size

    def computed(self, *variables: Variable | None) -> list[Any]:
        """The values of weights in the dtype of the computations."""
        dtype = self.compute_dtype
        return [None if one is None else one.value.astype(dtype) for one in variables]


@registry.register("layer")
class Highway(OldDense):
    """Mix a dense layer and its input by a learned gate. Srivastava and others (2015).

    ``output = t * activation(x W + b) + (1 - t) * x`` with ``t = sigmoid(x W_carry + b_carry)``.
    The weights are `W`, `W_carry`, `b` and `b_carry`, which begins as ones.

    Args:
        init: first values of the two kernels, of shape ``(size, size)``.
        activation: function of the transformed values, or its name.
        W_regularizer: penalty on `W`.
        b_regularizer: penalty on `b`.
        activity_regularizer: penalty on the output, divided by the batch size.
        W_constraint: function applied to `W` after each update.
        b_constraint: function applied to `b` after each update.
        bias: whether there are `b` and `b_carry`.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: the input has not two axes, or its last size is not known.

    >>> Highway().compute_output_shape((None, 5))
    (None, 5)
    """

    def __init__(
        self,
        init: initializers.Like = "glorot_uniform",
        activation: activations.Like = None,
        W_regularizer: regularizers.Like = None,
        b_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        W_constraint: constraints.Like = None,
        b_constraint: constraints.Like = None,
        bias: bool = True,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            init,
            W_regularizer,
            b_regularizer,
            activity_regularizer,
            W_constraint,
            b_constraint,
            bias,
            **options,
        )
        self.activation = activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        size = self.size_of(input_shape)
        self.W = self.add_weight("W", (size, size), initializer=self.init)
        # The gate has neither penalties nor constraints, as in Keras.
        self.W_carry = self.add_weight("W_carry", (size, size), initializer=self.init)
        self.b: Variable | None = None
        self.b_carry: Variable | None = None
        if self.bias:
            self.b = self.add_weight("b", (size,), initializer="zeros")
            self.b_carry = self.add_weight("b_carry", (size,), initializer="ones")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def call(self, inputs: Array) -> Array:
        kernel, carry, *biases = self.computed(self.W, self.W_carry, self.b, self.b_carry)
        pair = (biases[0], biases[1]) if self.bias else None
        return keras1.highway(as_float(inputs, self), kernel, carry, pair, self.activation)


@registry.register("layer")
class MaxoutDense(OldDense):
    """The largest of several dense layers, value by value. Goodfellow and others (2013).

    The weights are `W`, of shape ``(nb_feature, size, output_dim)``, and `b`, of shape
    ``(nb_feature, output_dim)``.

    Args:
        output_dim: size of the output.
        nb_feature: number of dense layers of which the largest counts.
        init: first values of `W`.
        W_regularizer: penalty on `W`.
        b_regularizer: penalty on `b`.
        activity_regularizer: penalty on the output, divided by the batch size.
        W_constraint: function applied to `W` after each update.
        b_constraint: function applied to `b` after each update.
        bias: whether there is `b`.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `output_dim` or `nb_feature` is no positive int, the input has not two axes, or
            its last size is not known.

    >>> MaxoutDense(3).compute_output_shape((None, 5))
    (None, 3)
    """

    def __init__(
        self,
        output_dim: int,
        nb_feature: int = 4,
        init: initializers.Like = "glorot_uniform",
        W_regularizer: regularizers.Like = None,
        b_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        W_constraint: constraints.Like = None,
        b_constraint: constraints.Like = None,
        bias: bool = True,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            init,
            W_regularizer,
            b_regularizer,
            activity_regularizer,
            W_constraint,
            b_constraint,
            bias,
            **options,
        )
        self.output_dim = checks.positive(output_dim, "output_dim", self)
        self.nb_feature = checks.positive(nb_feature, "nb_feature", self)

    def build(self, input_shape: Shape) -> None:
        shape = (self.nb_feature, self.size_of(input_shape), self.output_dim)
        self.W = self.add_weight("W", shape, initializer=self.init)
        self.b: Variable | None = None
        if self.bias:
            self.b = self.add_weight("b", shape[::2], initializer="zeros")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.output_dim)

    def call(self, inputs: Array) -> Array:
        return keras1.maxout(as_float(inputs, self), *self.computed(self.W, self.b))


@registry.register("layer")
class ParametricSoftplus(PerPlace):
    """``alpha * log(1 + exp(beta * x))`` with learned factors for each place of a sample.

    McFarland and others (2013). The weights are `alphas` and `betas`.

    Args:
        alpha_init: first value of all `alphas`.
        beta_init: first value of all `betas`.
        shared_axes: axes along which places share their factors, such as ``[1, 2]`` for images of
            ``channels_last``.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `alpha_init` or `beta_init` is no number, an axis is none of the input, or a
            size is not known.

    >>> float(ParametricSoftplus(1.0, 2.0)(jnp.zeros((1, 1)))[0, 0]) == float(jnp.log(2.0))
    True
    """

    def __init__(
        self,
        alpha_init: float = 0.2,
        beta_init: float = 5.0,
        shared_axes: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.alpha_init = checks.number(alpha_init, "alpha_init", self)
        self.beta_init = checks.number(beta_init, "beta_init", self)
        self.shared_axes = self.stated_axes(shared_axes)

    def build(self, input_shape: Shape) -> None:
        shape = self.places(input_shape, self.shared_axes)
        first = initializers.Constant(self.alpha_init), initializers.Constant(self.beta_init)
        self.alphas = self.add_weight("alphas", shape, initializer=first[0])
        self.betas = self.add_weight("betas", shape, initializer=first[1])

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        return keras1.parametric_softplus(inputs, *self.spread(inputs, self.alphas, self.betas))


@registry.register("layer")
class SReLU(PerPlace):
    """Values between two learned bends as they are, with learned slopes beyond. Jin et al. (2015).

    The weights are `t_left`, `a_left`, `t_right` and `a_right`: the left bend and the slope to its
    left, the distance of the right bend from it, whose sign does not count, and the slope to its
    right.

    Args:
        t_left_init: first values of the left bends.
        a_left_init: first values of the slopes to their left.
        t_right_init: first values of the distances of the right bends.
        a_right_init: first values of the slopes to their right.
        shared_axes: axes along which places share their weights, such as ``[1, 2]`` for images of
            ``channels_last``.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an axis that is none of the input, or a size that is not known.

    >>> layer = SReLU("zeros", "ones", "ones", "zeros")
    >>> layer(jnp.array([[-2.0, 0.5, 3.0]])).tolist()
    [[-2.0, 0.5, 1.0]]
    """

    def __init__(
        self,
        t_left_init: initializers.Like = "zeros",
        a_left_init: initializers.Like = "glorot_uniform",
        t_right_init: initializers.Like = "glorot_uniform",
        a_right_init: initializers.Like = "ones",
        shared_axes: int | Sequence[int] | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.t_left_init = initializers.get(t_left_init)
        self.a_left_init = initializers.get(a_left_init)
        self.t_right_init = initializers.get(t_right_init)
        self.a_right_init = initializers.get(a_right_init)
        self.shared_axes = self.stated_axes(shared_axes)

    def build(self, input_shape: Shape) -> None:
        shape = self.places(input_shape, self.shared_axes)
        self.t_left = self.add_weight("t_left", shape, initializer=self.t_left_init)
        self.a_left = self.add_weight("a_left", shape, initializer=self.a_left_init)
        self.t_right = self.add_weight("t_right", shape, initializer=self.t_right_init)
        self.a_right = self.add_weight("a_right", shape, initializer=self.a_right_init)

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        weights = self.t_left, self.a_left, self.t_right, self.a_right
        return keras1.s_relu(inputs, *self.spread(inputs, *weights))
