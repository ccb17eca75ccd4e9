"""Recurrent layers whose products are convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import jax
import jax.numpy as jnp

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.holding import Maker
from lamina.layers.recurrent import RNN
from lamina.layers.recurrent_cell import Cell
from lamina.layers.recurrent_cells import forget_bias
from lamina.layers.recurrent_layers import OfCell
from lamina.ops import recurrent
from lamina.ops.conv import conv, conv_output_size
from lamina.typing import DataFormat, LayerOptions, Padding, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


def output_shape(cell: Any, input_shape: Shape) -> Shape:
    """Shape of output and states of a cell, for inputs of one step of a shape."""
    first = cell.data_format == "channels_first"
    sizes = input_shape[2:] if first else input_shape[1:-1]
    axes = zip(sizes, cell.kernel_size, cell.strides, cell.dilation_rate, strict=True)
    spatial = tuple(conv_output_size(*axis, padding=cell.padding) for axis in axes)
    channels = (cell.filters,)
    return (input_shape[0], *channels, *spatial) if first else (input_shape[0], *spatial, *channels)


class ConvLSTMCell(Cell):
    """One step of a `ConvLSTM`, whose arguments it takes.

    Args:
        filters: number of channels of the output.
        kernel_size: size of the windows along each axis; one int for all.
        strides: steps of the windows over the inputs.
        padding: ``valid`` or ``same``, of the inputs.
        data_format: where the channels are.
        dilation_rate: distance of the cells of the windows over the inputs.
        recurrent_activation: of the gates.
        unit_forget_bias: whether the bias of the forget gate begins at 1.
    """

    rank: ClassVar[int]
    gates = 4
    implementation = 1

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: activations.Like = "tanh",
        recurrent_activation: activations.Like = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: initializers.Like = "glorot_uniform",
        recurrent_initializer: initializers.Like = "orthogonal",
        bias_initializer: initializers.Like = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: regularizers.Like = None,
        recurrent_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        recurrent_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        *,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **options,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = checks.flag(unit_forget_bias, "unit_forget_bias", self)
        self.filters = checks.positive(filters, "filters", self)
        self.kernel_size = checks.per_axis(kernel_size, self.rank, "kernel_size", self)
        self.strides = checks.per_axis(strides, self.rank, "strides", self)
        self.dilation_rate = checks.per_axis(dilation_rate, self.rank, "dilation_rate", self)
        self.padding: Padding = checks.one_of(padding, Padding, "padding", self)
        self.data_format: DataFormat = checks.data_format(data_format, self)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{self}: strides and dilation_rate cannot both be larger than 1, got "
                f"{self.strides} and {self.dilation_rate}."
            )
        self.channel_axis = 1 if self.data_format == "channels_first" else -1
        self.inner_rank = self.rank + 1

    @property
    def state_size(self) -> list[int]:
        """Numbers of channels of the states."""
        return [self.filters, self.filters]

    def kernel_shapes(self, channels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        outputs = 4 * self.filters
        return (*self.kernel_size, channels, outputs), (*self.kernel_size, self.filters, outputs)

    def state_shapes(self, input_shape: Shape) -> list[Shape]:
        return [output_shape(self, input_shape)] * 2

    def bias_values(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        return forget_bias(self.bias_initializer, self.filters)

    def input_product(self, inputs: Array, kernel: Array) -> Array:
        extra = inputs.shape[: inputs.ndim - self.rank - 1]
        found = conv(
            inputs.reshape(-1, *inputs.shape[len(extra) :]),
            kernel,
            strides=self.strides,
            dilation=self.dilation_rate,
            padding=self.padding,
            data_format=self.data_format,
        )
        return found.reshape(*extra, *found.shape[1:])

    def inner_product(self, h: Array, kernel: Array) -> Array:
        """How the output of the step before and the recurrent kernel meet."""
        if jax.default_backend() == "cpu":
            return recurrent.window_product(h, kernel, self.data_format)
        ones = (1,) * self.rank
        options: Any = {"padding": "same", "data_format": self.data_format}
        return conv(h, kernel, strides=ones, dilation=ones, **options)

    def step(self, given: Array, states: list[Array], drop: Any) -> tuple[Array, list[Array]]:
        h, c = recurrent.lstm_step(
            given,
            states,
            self.inner_kernel(),
            drop,
            self.activation,
            self.recurrent_activation,
            self.inner_product,
            self.channel_axis,
        )
        return h, [h, c]


class ConvLSTM1DCell(ConvLSTMCell):
    """One step of `ConvLSTM1D`."""

    rank = 1


@registry.register("layer")
class ConvLSTM2DCell(ConvLSTMCell):
    """One step of `ConvLSTM2D`.

    Called with the inputs ``(batch, height, width, channels)`` and a list of two states; gives the
    output and the list of new states. Arguments are those of `ConvLSTM2D`.

    >>> ConvLSTM2DCell(4, 3).compute_output_shape((None, 9, 8, 2))[0]
    (None, 7, 6, 4)
    """

    rank = 2


class ConvLSTM3DCell(ConvLSTMCell):
    """One step of `ConvLSTM3D`."""

    rank = 3


class ConvRNN(RNN):
    """Run a cell whose products are convolutions over the steps of sequences of images.

    Arguments are those of `RNN`. The cell has the attributes ``filters``, ``kernel_size``,
    ``strides``, ``padding``, ``data_format`` and ``dilation_rate``.
    """

    inner_rank: ClassVar[int]

    @property
    def feature_axis(self) -> int:  # type: ignore[override]
        """Where the channels are."""
        return 2 if self.cell.data_format == "channels_first" else -1

    def _spec(self, axes: Any = None) -> InputSpec:
        return InputSpec(ndim=self.inner_rank + 3, axes=axes)

    def _state_shapes(self, input_shape: Shape) -> list[Shape]:
        shape = output_shape(self.cell, (input_shape[0], *input_shape[2:]))
        return [shape] * self._state_count()

    def _output_axes(self, input_shape: Shape) -> Shape:
        return self._state_shapes(input_shape)[0][1:]

    def get_initial_state(self, inputs: Any = None, batch_size: int | None = None) -> list[Any]:
        """States of zeros.

        Args:
            inputs: the sequences.
            batch_size: number of sequences, where it is another.
        """
        batch = inputs.shape[0] if batch_size is None else batch_size
        shapes: Any = self._state_shapes((batch, *inputs.shape[1:]))
        return [jnp.zeros(shape, self.compute_dtype) for shape in shapes]


@registry.register("layer")
class ConvRNN2D(ConvRNN):
    """`RNN` over sequences of images, with a cell whose products are convolutions.

    Inputs are ``(batch, steps, height, width, channels)``. Arguments are those of `RNN`.

    >>> ConvRNN2D(ConvLSTM2DCell(4, 3)).compute_output_shape((None, 7, 9, 8, 2))
    (None, 7, 6, 4)
    """

    inner_rank = 2


class ConvLSTM(ConvRNN, OfCell):
    """Run over sequences with a long short-term memory whose products are convolutions.

    The product with the inputs is a convolution with `strides`, `padding` and `dilation_rate`; that
    with the state keeps its sizes. Shi and others (2015), "Convolutional LSTM network".

    Args:
        filters: number of channels of the output.
        kernel_size: size of the windows along each axis; one int for all.
        strides: steps of the windows over the inputs.
        padding: ``valid`` or ``same``, of the inputs.
        data_format: where the channels are.
        dilation_rate: distance of the cells of the windows over the inputs.
        activation: of the memory and of the output, a function or its name.
        recurrent_activation: of the gates.
        use_bias: whether to add a learned vector.
        kernel_initializer: first values of the kernel, ``(*kernel_size, channels, 4 * filters)``.
        recurrent_initializer: first values of the recurrent kernel,
            ``(*kernel_size, filters, 4 * filters)``.
        bias_initializer: first values of the bias.
        unit_forget_bias: whether the bias of the forget gate begins at 1.
        kernel_regularizer: penalty on the kernel.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        recurrent_constraint: function applied to the recurrent kernel after each update.
        bias_constraint: function applied to the bias after each update.
        return_sequences: whether the output has all steps, not the last one alone.
        go_backwards: whether the last step is the first; outputs stand in reversed order.
        stateful: whether a batch begins with the states that the one before led to.
        dropout: part of the inputs that is dropped in training, the same at all steps.
        recurrent_dropout: part of the state that is dropped in training, the same at all steps.
        return_state: whether the last states come too: a list of the output and them.
        unroll: whether the steps are written out instead of looped over.
        seed: seed of the dropout; by default that of the run and the layer's place in it.
        zero_output_for_mask: whether outputs of masked steps are 0, instead of those before.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, or an input of another rank.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: activations.Like = "tanh",
        recurrent_activation: activations.Like = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: initializers.Like = "glorot_uniform",
        recurrent_initializer: initializers.Like = "orthogonal",
        bias_initializer: initializers.Like = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: regularizers.Like = None,
        recurrent_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        recurrent_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        return_sequences: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        *,
        return_state: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        zero_output_for_mask: bool | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = Maker(
            self.cell_class,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            unit_forget_bias=unit_forget_bias,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            activity_regularizer,
            zero_output_for_mask=zero_output_for_mask,
            **options,
        )


@registry.register("layer")
class ConvLSTM1D(ConvLSTM):
    """`ConvLSTM` over sequences of lines: inputs ``(batch, steps, width, channels)``.

    Arguments are those of `ConvLSTM`.

    >>> ConvLSTM1D(4, 3).compute_output_shape((None, 7, 9, 2))
    (None, 7, 4)
    """

    inner_rank = 1
    cell_class = ConvLSTM1DCell


@registry.register("layer")
class ConvLSTM2D(ConvLSTM):
    """`ConvLSTM` over sequences of images: inputs ``(batch, steps, height, width, channels)``.

    Arguments are those of `ConvLSTM`. With ``channels_first`` inputs are
    ``(batch, steps, channels, height, width)``; the kernels keep their shape.

    >>> ConvLSTM2D(4, 3, padding="same").compute_output_shape((None, 7, 9, 8, 2))
    (None, 9, 8, 4)
    """

    inner_rank = 2
    cell_class = ConvLSTM2DCell


@registry.register("layer")
class ConvLSTM3D(ConvLSTM):
    """`ConvLSTM` over sequences of volumes: ``(batch, steps, depth, height, width, channels)``.

    Arguments are those of `ConvLSTM`.

    >>> ConvLSTM3D(4, 2).compute_output_shape((None, 7, 3, 4, 5, 2))
    (None, 2, 3, 4, 4)
    """

    inner_rank = 3
    cell_class = ConvLSTM3DCell
