"""Convolutions over one to three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.kernel import KernelLayer
from lamina.layers.spatial import Spatial
from lamina.ops.conv import conv, conv_output_size
from lamina.typing import CausalPadding, DataFormat, LayerOptions, Padding, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class Windows(Spatial, KernelLayer):
    """Base of the layers that slide windows of weights over the spatial axes."""

    rank: ClassVar[int]  # type: ignore[misc]
    paddings: ClassVar[Any] = Padding
    _convolves = True

    def set_windows(
        self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any
    ) -> None:
        """Check and keep what says where the windows are."""
        self.kernel_size = checks.per_axis(kernel_size, self.rank, "kernel_size", self)
        self.strides = checks.per_axis(strides, self.rank, "strides", self)
        self.dilation_rate = checks.per_axis(dilation_rate, self.rank, "dilation_rate", self)
        self.padding: CausalPadding = checks.one_of(padding, self.paddings, "padding", self)
        self.data_format: DataFormat = checks.data_format(data_format, self)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self}: strides and dilation_rate cannot both be larger than 1, got "
                f"{self.strides} and {self.dilation_rate}."
            )
        self.channel_axis = -1 if self.data_format == "channels_last" else 1
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def output_sizes(self, input_shape: Shape) -> Shape:
        """The spatial sizes of the output."""
        sizes = self.spatial(input_shape)
        axes = zip(sizes, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return tuple(conv_output_size(*axis, padding=self.padding) for axis in axes)


class Conv(Windows):
    """Slide learned windows over the spatial axes (a cross-correlation).

    Args:
        filters: number of windows, which is the number of channels of the output.
        kernel_size: size of the window along each axis; one int for all.
        strides: steps of the window.
        padding: ``valid`` for no padding, ``same`` for outputs of the size of the input divided
            by the stride; over one axis also ``causal``, where outputs see no later inputs.
        data_format: where the channels are.
        dilation_rate: distance of the cells of the window.
        activation: function applied last, or its name.
        use_bias: whether to add a learned vector to the product.
        kernel_initializer: first values of the kernel, of shape
            ``(*kernel_size, channels // groups, filters)``.
        bias_initializer: first values of the bias, of shape ``(filters,)``.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        bias_constraint: function applied to the bias after each update.
        groups: number of parts of the channels that are convolved apart.
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
        groups: int = 1,
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
        self.groups = checks.divides(groups, self.filters, "groups", "filters", self)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        checks.divides(self.groups, channels, "groups", "the channels of the input", self)
        return (*self.kernel_size, channels // self.groups, self.filters)

    def product(self, inputs: Array, kernel: Array) -> Array:
        try:
            return conv(inputs, kernel, **self._sliding())
        except ValueError:
            self.compute_output_shape(inputs.shape)  # its error names the layer
            raise

    def call(self, inputs: Array) -> Array:
        own = type(self)
        if own.product is not Conv.product or own.biased is not Conv.biased:
            return super().call(inputs)
        inputs, kernel, bias = self.operands(inputs)
        relu = self.activation is activations.relu
        try:
            outputs = conv(inputs, kernel, bias=bias, relu=relu, **self._sliding())
        except ValueError:
            self.compute_output_shape(inputs.shape)  # its error names the layer
            raise
        done = relu or self.activation is activations.linear
        return outputs if done else self.activation(outputs)

    def _sliding(self) -> dict[str, Any]:
        """How the windows slide."""
        return {
            "strides": self.strides,
            "dilation": self.dilation_rate,
            "padding": self.padding,
            "groups": self.groups,
            "data_format": self.data_format,
        }

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.joined(input_shape, self.output_sizes(input_shape), self.filters)


@registry.register("layer", "Convolution1D")
class Conv1D(Conv):
    """`Conv` over time steps: inputs ``(batch, steps, channels)``.

    Arguments are those of `Conv`. Channels come last whatever ``keras.json`` says, unless
    `data_format` does. With ``padding="causal"`` the output at a step sees no later one.

    >>> Conv1D(16, 3, padding="causal").compute_output_shape((None, 10, 8))
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
        groups: int = 1,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
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
            groups=groups,
            **options,
        )


@registry.register("layer", "Convolution2D")
class Conv2D(Conv):
    """`Conv` over height and width: inputs ``(batch, height, width, channels)``.

    Arguments are those of `Conv`. With ``channels_first`` inputs and outputs are
    ``(batch, channels, height, width)``; the kernel keeps its shape.

    >>> Conv2D(16, 3, strides=2, padding="same").compute_output_shape((None, 28, 28, 3))
    (None, 14, 14, 16)
    """

    rank = 2


@registry.register("layer", "Convolution3D")
class Conv3D(Conv):
    """`Conv` over three axes: inputs ``(batch, depth, height, width, channels)``.

    Arguments are those of `Conv`.

    >>> Conv3D(16, 3).compute_output_shape((None, 9, 28, 29, 3))
    (None, 7, 26, 27, 16)
    """

    rank = 3
