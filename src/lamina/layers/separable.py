"""Convolutions in two steps: each channel by itself, then the channels at each place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.layers import checks
from lamina.layers.conv import Windows
from lamina.ops.conv import separable_conv
from lamina.typing import CausalPadding, DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


class SeparableConv(Windows):
    """Slide windows over each channel by itself, then mix the channels at each place.

    Args:
        filters: number of channels of the output.
        kernel_size: size of the window along each axis; one int for all.
        strides: steps of the window.
        padding: ``valid`` for no padding, ``same`` for outputs of the size of the input divided
            by the stride; over one axis also ``causal``, where outputs see no later inputs.
        data_format: where the channels are.
        dilation_rate: distance of the cells of the window.
        depth_multiplier: number of windows for each channel of the input.
        activation: function applied last, or its name.
        use_bias: whether to add a learned vector to the product.
        depthwise_initializer: first values of the windows, of shape
            ``(*kernel_size, channels, depth_multiplier)``.
        pointwise_initializer: first values of the mixing, of shape
            ``(*ones, channels * depth_multiplier, filters)``.
        bias_initializer: first values of the bias, of shape ``(filters,)``.
        depthwise_regularizer: penalty on the windows.
        pointwise_regularizer: penalty on the mixing.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        depthwise_constraint: function applied to the windows after each update.
        pointwise_constraint: function applied to the mixing after each update.
        bias_constraint: function applied to the bias after each update.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, strides and dilation together, or an input
            that is too small for the window.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: CausalPadding = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: activations.Like = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.Like = "glorot_uniform",
        pointwise_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        depthwise_regularizer: regularizers.Like = None,
        pointwise_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        depthwise_constraint: constraints.Like = None,
        pointwise_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            activation,
            use_bias,
            depthwise_initializer,
            bias_initializer,
            depthwise_regularizer,
            bias_regularizer,
            activity_regularizer,
            depthwise_constraint,
            bias_constraint,
            **options,
        )
        self.filters = checks.positive(filters, "filters", self)
        self.set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = checks.positive(depth_multiplier, "depth_multiplier", self)
        self.depthwise_initializer = self.kernel_initializer
        self.depthwise_regularizer = self.kernel_regularizer
        self.depthwise_constraint = self.kernel_constraint
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.pointwise_constraint = constraints.get(pointwise_constraint)

    @property
    def depthwise_kernel(self) -> Variable:
        """The windows."""
        return self.kernel

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, channels, self.depth_multiplier)

    def add_weights(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(
            "depthwise_kernel",
            shape,
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel",
            (*(1,) * self.rank, shape[-2] * shape[-1], self.filters),
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )
        self.bias = self.add_weight("bias", (self.filters,)) if self.use_bias else None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.joined(input_shape, self.output_sizes(input_shape), self.filters)

    def product(self, inputs: Array, kernel: Array) -> Array:
        self.compute_output_shape(inputs.shape)  # its error names the layer
        return separable_conv(
            inputs,
            kernel,
            self.pointwise_kernel.value.astype(kernel.dtype),
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,
            data_format=self.data_format,
        )


@registry.register("layer", "SeparableConvolution1D")
class SeparableConv1D(SeparableConv):
    """`SeparableConv` over time steps: inputs ``(batch, steps, channels)``.

    Arguments are those of `SeparableConv`. Channels come last whatever ``keras.json`` says, unless
    `data_format` does. With ``padding="causal"`` the output at a step sees no later one.

    >>> SeparableConv1D(16, 3, padding="causal").compute_output_shape((None, 10, 8))
    (None, 10, 16)
    """

    rank = 1
    paddings = CausalPadding
    takes_sequences = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: CausalPadding = "valid",
        data_format: DataFormat | None = "channels_last",
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: activations.Like = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.Like = "glorot_uniform",
        pointwise_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        depthwise_regularizer: regularizers.Like = None,
        pointwise_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        depthwise_constraint: constraints.Like = None,
        pointwise_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format or "channels_last",
            dilation_rate,
            depth_multiplier,
            activation,
            use_bias,
            depthwise_initializer,
            pointwise_initializer,
            bias_initializer,
            depthwise_regularizer,
            pointwise_regularizer,
            bias_regularizer,
            activity_regularizer,
            depthwise_constraint,
            pointwise_constraint,
            bias_constraint,
            **options,
        )


@registry.register("layer", "SeparableConvolution2D")
class SeparableConv2D(SeparableConv):
    """`SeparableConv` over height and width: inputs ``(batch, height, width, channels)``.

    Arguments are those of `SeparableConv`. With ``channels_first`` inputs and outputs are
    ``(batch, channels, height, width)``; the kernels keep their shapes.

    >>> SeparableConv2D(16, 3, strides=2, padding="same").compute_output_shape((None, 28, 30, 3))
    (None, 14, 15, 16)
    """

    rank = 2
