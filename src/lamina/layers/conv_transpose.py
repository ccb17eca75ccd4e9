"""Transposed convolutions: the way back through a convolution, to larger outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.layers import checks
from lamina.layers.conv import Windows
from lamina.ops.conv import conv_transpose, conv_transpose_output_size
from lamina.typing import DataFormat, LayerOptions, Padding, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class ConvTranspose(Windows):
    """Lay learned windows beside each other, each times a value of the input, and add them up.

    This is the gradient of a convolution: it leads from the shape of that convolution's output to
    the shape of its input.

    Args:
        filters: number of channels of the output.
        kernel_size: size of the window along each axis; one int for all.
        strides: distance of neighbouring windows in the output: the factor by which it grows.
        padding: that of the convolution which is inverted: ``valid``, or ``same`` for outputs
            `strides` times as large as the input.
        output_padding: cells that are added at the end to the smallest output that fits, fewer
            than `strides`; by default as many as make the output as large as `padding` says.
        data_format: where the channels are.
        dilation_rate: distance of the cells of the window.
        activation: function applied last, or its name.
        use_bias: whether to add a learned vector to the product.
        kernel_initializer: first values of the kernel, of shape
            ``(*kernel_size, filters, channels)``.
        bias_initializer: first values of the bias, of shape ``(filters,)``.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        bias_constraint: function applied to the bias after each update.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, strides and dilation together, or an
            `output_padding` that is not smaller than the strides.
    """

    output_size: tuple[int, ...] | None = None
    """Spatial sizes of the output where they are stated, not computed."""

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
        self.filters = checks.positive(filters, "filters", self)
        self.set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.output_padding = None
        if output_padding is not None:
            added = checks.per_axis(output_padding, self.rank, "output_padding", self, least=0)
            if any(more >= step for more, step in zip(added, self.strides, strict=True)):
                raise ValueError(
                    f"{self}: output_padding must be smaller than strides along each axis, got "
                    f"{added} and {self.strides}."
                )
            self.output_padding = added

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters, channels)

    def add_weights(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight("kernel", shape)
        self.bias = self.add_weight("bias", (self.filters,)) if self.use_bias else None

    def output_sizes(self, input_shape: Shape) -> Shape:
        if self.output_size is not None:
            return self.output_size
        added = self.output_padding or (None,) * self.rank
        sizes = self.spatial(input_shape)
        axes = zip(sizes, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return tuple(
            conv_transpose_output_size(*axis, padding=self.padding, output_padding=more)  # type: ignore[arg-type]
            for axis, more in zip(axes, added, strict=True)
        )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.joined(input_shape, self.output_sizes(input_shape), self.filters)

    def product(self, inputs: Array, kernel: Array) -> Array:
        self.compute_output_shape(inputs.shape)  # its error names the layer
        return conv_transpose(
            inputs,
            kernel,
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,  # type: ignore[arg-type]
            output_padding=self.output_padding,
            output_size=self.output_size,
            data_format=self.data_format,
        )


@registry.register("layer", "Convolution1DTranspose")
class Conv1DTranspose(ConvTranspose):
    """`ConvTranspose` over time steps: inputs ``(batch, steps, channels)``.

    Arguments are those of `ConvTranspose`. Channels come last whatever ``keras.json`` says, unless
    `data_format` does.

    >>> Conv1DTranspose(16, 3, strides=2, padding="same").compute_output_shape((None, 10, 8))
    (None, 20, 16)
    """

    rank = 1
    takes_sequences = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: DataFormat | None = "channels_last",
        dilation_rate: int | Sequence[int] = 1,
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
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format or "channels_last",
            dilation_rate,
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


@registry.register("layer", "Convolution2DTranspose")
class Conv2DTranspose(ConvTranspose):
    """`ConvTranspose` over height and width: inputs ``(batch, height, width, channels)``.

    Arguments are those of `ConvTranspose`. With ``channels_first`` inputs and outputs are
    ``(batch, channels, height, width)``; the kernel keeps its shape.

    >>> Conv2DTranspose(16, 3, strides=2, padding="same").compute_output_shape((None, 14, 15, 3))
    (None, 28, 30, 16)
    """

    rank = 2


@registry.register("layer", "Convolution3DTranspose", "Deconvolution3D", "Deconv3D")
class Conv3DTranspose(ConvTranspose):
    """`ConvTranspose` over three axes: inputs ``(batch, depth, height, width, channels)``.

    Arguments are those of `ConvTranspose`.

    >>> Conv3DTranspose(16, 3, strides=2).compute_output_shape((None, 4, 5, 6, 3))
    (None, 9, 11, 13, 16)
    """

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: DataFormat | None = None,
        activation: activations.Like = None,
        use_bias: bool = True,
        kernel_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        kernel_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        *,
        dilation_rate: int | Sequence[int] = 1,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
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
