"""Convolutions with weights of their own for each place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax.numpy as jnp

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.conv import Windows
from lamina.ops import local
from lamina.typing import DataFormat, LayerOptions, Padding, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class LocallyConnected(Windows):
    """Slide windows as a convolution does; each place has weights of its own.

    Args:
        filters: number of channels of the output.
        kernel_size: size of the window along each axis; one int for all.
        strides: steps of the window.
        padding: ``valid`` for no padding; with `implementation` 2 and 3 also ``same``, where the
            middle of the window is above every stride-th cell.
        data_format: where the channels are.
        activation: function applied last, or its name.
        use_bias: whether to add a learned value at each place and channel.
        kernel_initializer: first values of the kernel.
        bias_initializer: first values of the bias, of shape ``(*places, filters)``.
        kernel_regularizer: penalty on the kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        bias_constraint: function applied to the bias after each update.
        implementation: form of the kernel: 1 for ``(places, cells of a window * channels,
            filters)``, 2 for a whole matrix from inputs to outputs, of which only the entries
            below windows count, 3 for these entries alone, output by output.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, or an input that is too small for the window
            or of a size that is not known.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
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
        implementation: Literal[1, 2, 3] = 1,
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
        self.set_windows(kernel_size, strides, padding, data_format, 1)
        if not checks.is_int(implementation) or implementation not in (1, 2, 3):
            raise ValueError(f"{self}: implementation must be 1, 2 or 3, got {implementation!r}.")
        self.implementation = int(implementation)
        if self.implementation == 1 and self.padding != "valid":
            raise ValueError(
                f"{self}: padding must be 'valid' with implementation=1, got {self.padding!r}. "
                "Take implementation=2 or 3, or a ZeroPadding layer before this one."
            )

    def build(self, input_shape: Shape) -> None:
        first = 1 if self.channel_axis == -1 else 2
        axes = range(first, first + self.rank)
        sizes = tuple(checks.known_size(input_shape, axis, self) for axis in axes)
        self.compute_output_shape(input_shape)  # its error says that a window does not fit
        self.sizes = sizes
        super().build(input_shape)
        known = {self.channel_axis: self.input_spec.axes[self.channel_axis]}
        known |= dict(zip(axes, sizes, strict=True))
        self.input_spec = InputSpec(ndim=self.rank + 2, axes=known)

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        places = self._places()
        if self.implementation == 1:
            return (math.prod(places), math.prod(self.kernel_size) * channels, self.filters)
        if self.implementation == 3:
            return (self._connections(channels)[0].size,)
        if self.channel_axis == -1:
            return (*self.sizes, channels, *places, self.filters)
        return (channels, *self.sizes, self.filters, *places)

    def add_weights(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight("kernel", shape)
        places = (*self._places(), self.filters)
        self.bias = self.add_weight("bias", places) if self.use_bias else None

    def _places(self) -> tuple[int, ...]:
        """The spatial sizes of the output."""
        sample = self.joined((None,), self.sizes, None)
        return tuple(size for size in self.output_sizes(sample) if size is not None)

    def _connections(self, channels: int) -> Any:
        pairs = (channels, self.filters)
        steps = self.kernel_size, self.strides, self.padding
        return local.connections(self.sizes, *steps, pairs, self.data_format)  # type: ignore[arg-type]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self.joined(input_shape, self.output_sizes(input_shape), self.filters)

    def biased(self, outputs: Array, bias: Array) -> Array:
        if self.channel_axis == -1:
            return outputs + jnp.broadcast_to(bias[None], outputs.shape)
        # All releases read the numbers of the bias as if its channels came first, too.
        return outputs + jnp.broadcast_to(bias.reshape(outputs.shape[1:])[None], outputs.shape)

    def product(self, inputs: Array, kernel: Array) -> Array:
        windows: dict[str, Any] = {"window": self.kernel_size, "strides": self.strides}
        if self.implementation == 1:
            return local.local_conv(inputs, kernel, **windows, data_format=self.data_format)
        if self.implementation == 2:
            windows |= {"padding": self.padding, "data_format": self.data_format}
            return local.masked_matrix(inputs, kernel, **windows)
        shape = self.joined(inputs.shape, self._places(), self.filters)
        flat = inputs.reshape(inputs.shape[0], -1)
        pairs = self._connections(inputs.shape[self.channel_axis])
        outputs = math.prod(self._places()) * self.filters
        return local.sparse_matrix(flat, kernel, pairs, outputs).reshape(shape)


@registry.register("layer")
class LocallyConnected1D(LocallyConnected):
    """`LocallyConnected` over time steps: inputs ``(batch, steps, channels)``.

    Arguments are those of `LocallyConnected`. Channels come last whatever ``keras.json`` says,
    unless `data_format` does.

    >>> LocallyConnected1D(16, 3).compute_output_shape((None, 10, 8))
    (None, 8, 16)
    """

    rank = 1
    takes_sequences = True

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
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
        implementation: Literal[1, 2, 3] = 1,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format or "channels_last",
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            implementation=implementation,
            **options,
        )


@registry.register("layer")
class LocallyConnected2D(LocallyConnected):
    """`LocallyConnected` over height and width: inputs ``(batch, height, width, channels)``.

    Arguments are those of `LocallyConnected`. With ``channels_first`` inputs and outputs are
    ``(batch, channels, height, width)``.

    >>> LocallyConnected2D(16, (3, 5)).compute_output_shape((None, 28, 30, 3))
    (None, 26, 26, 16)
    """

    rank = 2
