"""`KernelLayer`: base of the layers with a kernel, a bias and an activation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import activations, constraints, initializers, regularizers
from lamina.core.layer import Layer
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.ops.linear import bias_add
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


class KernelLayer(Layer):
    """A layer of the form ``activation(product(inputs, kernel) + bias)``.

    A subclass says what shape its kernel has and how it meets the inputs.

    Args:
        activation: function applied last, or its name; ``None`` for none.
        use_bias: whether to add a learned vector to the product.
        kernel_initializer: first values of the kernel.
        bias_initializer: first values of the bias.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        bias_constraint: function applied to the bias after each update.
        options: what every layer takes, see `Layer`.

    >>> import jax.numpy as jnp
    >>> class Scale(KernelLayer):
    ...     def kernel_shape(self, channels):
    ...         return (channels,)
    ...     def product(self, inputs, kernel):
    ...         return inputs * kernel[None]
    >>> Scale(kernel_initializer="ones")(jnp.ones((1, 2))).tolist()
    [[1.0, 1.0]]
    """

    channel_axis = -1

    def __init__(
        self,
        activation: activations.Like = None,
        use_bias: bool = True,
        kernel_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        kernel_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **options)
        self.activation = activations.get(activation)
        self.use_bias = checks.flag(use_bias, "use_bias", self)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        """Shape of the kernel for inputs of `channels` channels; outputs last."""
        raise NotImplementedError

    def product(self, inputs: Array, kernel: Array) -> Array:
        """Combine inputs and kernel, before bias and activation."""
        raise NotImplementedError

    bias: Variable | None

    def add_weights(self, shape: tuple[int, ...]) -> None:
        """Make the kernel of a shape, and what comes with it."""
        self.kernel = self.add_weight("kernel", shape)
        self.bias = self.add_weight("bias", shape[-1:]) if self.use_bias else None

    def build(self, input_shape: Shape) -> None:
        channels = checks.known_size(input_shape, self.channel_axis, self)
        self.add_weights(self.kernel_shape(channels))
        stated: Any = self.input_spec
        rank = {} if stated is None else {"ndim": stated.ndim, "min_ndim": stated.min_ndim}
        self.input_spec = InputSpec(axes={self.channel_axis: channels}, **rank)

    def biased(self, outputs: Array, bias: Array) -> Array:
        """Add the bias to the product."""
        return bias_add(outputs, bias, self.channel_axis)

    def operands(self, inputs: Array) -> tuple[Array, Array, Array | None]:
        """Inputs, kernel and bias in the dtype in which the layer computes."""
        dtype = self.dtype_policy.compute_dtype
        if inputs.dtype != dtype:
            if jnp.issubdtype(inputs.dtype, jnp.complexfloating):
                raise TypeError(
                    f"{self}: the input holds complex numbers ({inputs.dtype}), and the weights "
                    "are real; pass real and imaginary parts."
                )
            inputs = inputs.astype(dtype)
        bias = None if self.bias is None else self.bias.value.astype(dtype)
        return inputs, self.kernel.value.astype(dtype), bias

    def call(self, inputs: Array) -> Array:
        inputs, kernel, bias = self.operands(inputs)
        outputs = self.product(inputs, kernel)
        if bias is not None:
            outputs = self.biased(outputs, bias)
        return outputs if self.activation is activations.linear else self.activation(outputs)
