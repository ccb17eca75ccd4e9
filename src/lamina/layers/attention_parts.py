"""The projections in layers of attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from lamina import activations, constraints, initializers, regularizers
from lamina.core.layer import Layer
from lamina.ops import attention
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


class Projection(Layer):
    """Products with a kernel of several input or output axes; a part of attention layers.

    Args:
        outputs: last axes of the output.
        count: how many last axes of the input are summed away.
        activation: function applied last.
        use_bias: whether to add a learned bias.
        kernel_initializer: first values of the kernel.
        bias_initializer: first values of the bias.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        bias_constraint: function applied to the bias after each update.
        options: what every layer takes, see `Layer`.
    """

    supports_masking = True

    def __init__(
        self,
        outputs: Sequence[Any],
        count: int = 1,
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
        self.outputs = tuple(outputs)
        self.count = count
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def build(self, input_shape: Shape) -> None:
        self.kernel = self.add_weight("kernel", (*input_shape[-self.count :], *self.outputs))
        bias = self.add_weight("bias", self.outputs) if self.use_bias else None
        self.bias: Variable | None = bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[: -self.count], *self.outputs)

    def call(self, inputs: Array) -> Array:
        dtype = self.compute_dtype
        kernel = self.kernel.value.astype(dtype)
        bias = None if self.bias is None else self.bias.value.astype(dtype)
        return self.activation(attention.project(inputs.astype(dtype), kernel, bias, self.count))


def fresh(initializer: Any) -> Any:
    """An initializer of the same config, which draws for itself."""
    if not hasattr(initializer, "get_config"):
        return initializer
    return type(initializer).from_config(initializer.get_config())
