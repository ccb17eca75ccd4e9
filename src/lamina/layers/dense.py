"""`Dense`: a product with a matrix of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core.shapes import is_sparse
from lamina.core.spec import InputSpec
from lamina.layers.checks import positive
from lamina.layers.kernel import KernelLayer
from lamina.ops.linear import dense, dot_last
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class Dense(KernelLayer):
    """Multiply the last axis of the input by a matrix of weights.

    ``output = activation(dot(input, kernel) + bias)``. Inputs of more axes than two keep all but
    the last one: ``(batch, ..., channels)`` gives ``(batch, ..., units)``.

    Args:
        units: size of the last axis of the output.
        activation: function applied last, or its name.
        use_bias: whether to add a learned vector to the product.
        kernel_initializer: first values of the kernel, of shape ``(channels, units)``.
        bias_initializer: first values of the bias, of shape ``(units,)``.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        bias_constraint: function applied to the bias after each update.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `units` is no positive int, or the last size of the input is not known.

    >>> Dense(10).compute_output_shape((None, 7, 32))
    (None, 7, 10)
    """

    supports_masking = True
    input_spec = InputSpec(min_ndim=2)

    def __init__(
        self,
        units: int,
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
        super().__init__(
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **options,
        )
        self.units = positive(units, "units", self)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (channels, self.units)

    def product(self, inputs: Array, kernel: Array) -> Array:
        return inputs @ kernel if is_sparse(inputs) else dot_last(inputs, kernel)

    def call(self, inputs: Array) -> Array:
        own = type(self)
        plain = own.product is Dense.product and own.biased is Dense.biased
        if not plain or is_sparse(inputs):
            return super().call(inputs)
        inputs, kernel, bias = self.operands(inputs)
        relu = self.activation is activations.relu
        outputs = dense(inputs, kernel, bias, relu)
        done = relu or self.activation is activations.linear
        return outputs if done else self.activation(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)
