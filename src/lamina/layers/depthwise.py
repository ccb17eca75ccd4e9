"""Convolutions of each channel by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.layers import checks
from lamina.layers.conv import Windows
from lamina.ops.conv import depthwise_conv
from lamina.typing import DataFormat, LayerOptions, Padding, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


class DepthwiseConv(Windows):
    """Slide windows over each channel by itself; channels do not mix.

    Args:
        kernel_size: size of the window along each axis; one int for all.
        strides: steps of the window.
        padding: ``valid`` for no padding, ``same`` for outputs of the size of the input divided
            by the stride.
        depth_multiplier: number of windows, and so of output channels, for each channel.
        data_format: where the channels are.
        activation: function applied last, or its name.
        use_bias: whether to add a learned vector to the product.
        depthwise_initializer: first values of the kernel, of shape
            ``(*kernel_size, channels, depth_multiplier)``.
        bias_initializer: first values of the bias, of shape ``(channels * depth_multiplier,)``.
        depthwise_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        depthwise_constraint: function applied to the kernel after each update.
        bias_constraint: function applied to the bias after each update.
        dilation_rate: distance of the cells of the window.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, strides and dilation together, or an input
            that is too small for the window.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        depth_multiplier: int = 1,
        data_format: DataFormat | None = None,
        activation: activations.Like = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        depthwise_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        depthwise_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        *,
        dilation_rate: int | Sequence[int] = 1,
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
        self.set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = checks.positive(depth_multiplier, "depth_multiplier", self)
        self.depthwise_initializer = self.kernel_initializer
        self.depthwise_regularizer = self.kernel_regularizer
        self.depthwise_constraint = self.kernel_constraint

    @property
    def depthwise_kernel(self) -> Variable:
        """The kernel under its name in Keras 2; Keras 3 calls it `kernel`."""
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
        outputs = (shape[-2] * shape[-1],)
        self.bias = self.add_weight("bias", outputs) if self.use_bias else None

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        channels = self.channels(input_shape)
        outputs = None if channels is None else channels * self.depth_multiplier
        return self.joined(input_shape, self.output_sizes(input_shape), outputs)

    def product(self, inputs: Array, kernel: Array) -> Array:
        self.compute_output_shape(inputs.shape)  # its error names the layer
        return depthwise_conv(
            inputs,
            kernel,
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,
            data_format=self.data_format,
        )


@registry.register("layer")
class DepthwiseConv1D(DepthwiseConv):
    """`DepthwiseConv` over time steps: inputs ``(batch, steps, channels)``.

    Arguments are those of `DepthwiseConv`. Channels come last whatever ``keras.json`` says, unless
    `data_format` does.

    >>> DepthwiseConv1D(3, depth_multiplier=2).compute_output_shape((None, 10, 8))
    (None, 8, 16)
    """

    rank = 1
    takes_sequences = True

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        depth_multiplier: int = 1,
        data_format: DataFormat | None = "channels_last",
        dilation_rate: int | Sequence[int] = 1,
        activation: activations.Like = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        depthwise_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        depthwise_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            depth_multiplier,
            data_format or "channels_last",
            activation,
            use_bias,
            depthwise_initializer,
            bias_initializer,
            depthwise_regularizer,
            bias_regularizer,
            activity_regularizer,
            depthwise_constraint,
            bias_constraint,
            dilation_rate=dilation_rate,
            **options,
        )


@registry.register("layer")
class DepthwiseConv2D(DepthwiseConv):
    """`DepthwiseConv` over height and width: inputs ``(batch, height, width, channels)``.

    Arguments are those of `DepthwiseConv`. With ``channels_first`` inputs and outputs are
    ``(batch, channels, height, width)``; the kernel keeps its shape.

    >>> DepthwiseConv2D(3, strides=2, padding="same").compute_output_shape((None, 28, 30, 3))
    (None, 14, 15, 3)
    """

    rank = 2
