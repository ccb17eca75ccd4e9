"""`SimpleRNN`, `LSTM` and `GRU`: recurrent layers with a cell of their own."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.core import dialects
from lamina.layers.holding import Maker
from lamina.layers.recurrent import RNN
from lamina.layers.recurrent_cells import (
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    checked_implementation,
)
from lamina.typing import Config, LayerOptions


class OfCell(RNN):
    """A recurrent layer that makes its cell itself, and shows the cell's arguments and weights."""

    cell_class: ClassVar[type]
    unsaid: ClassVar[tuple[str, ...]] = ()

    def __getattr__(self, name: str) -> Any:
        cell = vars(self).get("cell")
        if cell is not None and name in _shown(type(self).cell_class):
            return getattr(cell, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def get_config(self) -> Config:
        config = super().get_config()
        for word in ("use_cudnn", *self.unsaid):  # how, not what
            config.pop(word, None)
        return config


def _shown(cell: type) -> tuple[str, ...]:
    """What a layer shows of its cell."""
    return (*dialects.parameters(cell), "kernel", "recurrent_kernel", "bias")


@registry.register("layer")
class SimpleRNN(OfCell):
    """Run over sequences, feeding the output of each step back into the next.

    ``output = activation(inputs @ kernel + state @ recurrent_kernel + bias)``, and the output is
    the next state. Inputs are ``(batch, steps, features)``; a masked step leaves state and output
    as they were. Elman (1990).

    Args:
        units: size of the output and of the state.
        activation: function applied last, or its name.
        use_bias: whether to add a learned vector.
        kernel_initializer: first values of the kernel, of shape ``(features, units)``.
        recurrent_initializer: first values of the recurrent kernel, ``(units, units)``.
        bias_initializer: first values of the bias.
        kernel_regularizer: penalty on the kernel.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        recurrent_constraint: function applied to the recurrent kernel after each update.
        bias_constraint: function applied to the bias after each update.
        dropout: part of the inputs that is dropped in training, the same at all steps.
        recurrent_dropout: part of the state that is dropped in training, the same at all steps.
        return_sequences: whether the output has all steps, not the last one alone.
        return_state: whether the last state comes too: a list of the output and it.
        go_backwards: whether the last step is the first; outputs stand in reversed order.
        stateful: whether a batch begins with the states that the one before led to.
        unroll: whether the steps are written out instead of looped over.
        seed: seed of the dropout; by default that of the run and the layer's place in it.
        zero_output_for_mask: whether outputs of masked steps are 0, instead of those before.
        implementation: accepted for code of Keras 1 and 2: there is one gate only.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, an input that is not ``(batch, steps,
            features)``, `stateful` without a known batch size, or `unroll` without a known
            number of steps.

    >>> SimpleRNN(4, return_sequences=True).compute_output_shape((None, 7, 3))
    (None, 7, 4)
    """

    cell_class = SimpleRNNCell
    unsaid = ("implementation",)

    def __init__(
        self,
        units: int,
        activation: activations.Like = "tanh",
        use_bias: bool = True,
        kernel_initializer: initializers.Like = "glorot_uniform",
        recurrent_initializer: initializers.Like = "orthogonal",
        bias_initializer: initializers.Like = "zeros",
        kernel_regularizer: regularizers.Like = None,
        recurrent_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        recurrent_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        *,
        seed: int | None = None,
        zero_output_for_mask: bool | None = None,
        implementation: int = 2,
        **options: Unpack[LayerOptions],
    ) -> None:
        cell = Maker(
            SimpleRNNCell,
            units=units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
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
        self.implementation = checked_implementation(implementation, self)


@registry.register("layer")
class LSTM(OfCell):
    """Run over sequences with a long short-term memory.

    Gates ``i``, ``f``, ``c``, ``o`` stand side by side in the weights:
    ``c' = f * c + i * activation(c gate)`` and ``output = o * activation(c')``. Inputs are
    ``(batch, steps, features)``; states are the output and the memory. A masked step leaves states
    and output as they were. Hochreiter and Schmidhuber (1997).

    Args:
        units: size of the output and of each state.
        activation: of the memory and of the output, a function or its name.
        recurrent_activation: of the gates.
        use_bias: whether to add a learned vector.
        kernel_initializer: first values of the kernel, of shape ``(features, 4 * units)``.
        recurrent_initializer: first values of the recurrent kernel, ``(units, 4 * units)``.
        bias_initializer: first values of the bias.
        unit_forget_bias: whether the bias of the forget gate begins at 1.
        kernel_regularizer: penalty on the kernel.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        recurrent_constraint: function applied to the recurrent kernel after each update.
        bias_constraint: function applied to the bias after each update.
        dropout: part of the inputs that is dropped in training, the same at all steps.
        recurrent_dropout: part of the state that is dropped in training, the same at all steps.
        implementation: 2 drops the same values for all gates, 1 and 0 others for each gate.
        return_sequences: whether the output has all steps, not the last one alone.
        return_state: whether the last states come too: a list of the output and them.
        go_backwards: whether the last step is the first; outputs stand in reversed order.
        stateful: whether a batch begins with the states that the one before led to.
        unroll: whether the steps are written out instead of looped over.
        seed: seed of the dropout; by default that of the run and the layer's place in it.
        zero_output_for_mask: whether outputs of masked steps are 0, instead of those before.
        use_cudnn: accepted for code of Keras 3; how it is computed does not depend on it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, an input that is not ``(batch, steps,
            features)``, `stateful` without a known batch size, or `unroll` without a known
            number of steps.

    >>> LSTM(4).compute_output_shape((None, 7, 3))
    (None, 4)
    >>> LSTM(4, return_state=True).compute_output_shape((None, 7, 3))
    [(None, 4), (None, 4), (None, 4)]
    """

    cell_class = LSTMCell

    def __init__(
        self,
        units: int,
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        *,
        seed: int | None = None,
        zero_output_for_mask: bool | None = None,
        use_cudnn: bool | str = "auto",
        **options: Unpack[LayerOptions],
    ) -> None:
        self.use_cudnn = use_cudnn
        cell = Maker(
            LSTMCell,
            units=units,
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
            implementation=implementation,
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
class GRU(OfCell):
    """Run over sequences with a gated recurrent unit.

    Gates ``z`` and ``r`` and the candidate stand side by side in the weights:
    ``output = z * state + (1 - z) * candidate``. Inputs are ``(batch, steps, features)``; a masked
    step leaves state and output as they were. Cho and others (2014).

    Args:
        units: size of the output and of the state.
        activation: of the candidate, a function or its name.
        recurrent_activation: of the gates.
        use_bias: whether to add a learned vector.
        kernel_initializer: first values of the kernel, of shape ``(features, 3 * units)``.
        recurrent_initializer: first values of the recurrent kernel, ``(units, 3 * units)``.
        bias_initializer: first values of the bias, of shape ``(2, 3 * units)``; without
            `reset_after` it is ``(3 * units,)``.
        kernel_regularizer: penalty on the kernel.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        activity_regularizer: penalty on the output, divided by the batch size.
        kernel_constraint: function applied to the kernel after each update.
        recurrent_constraint: function applied to the recurrent kernel after each update.
        bias_constraint: function applied to the bias after each update.
        dropout: part of the inputs that is dropped in training, the same at all steps.
        recurrent_dropout: part of the state that is dropped in training, the same at all steps.
        implementation: 2 drops the same values for all gates, 1 and 0 others for each gate.
        return_sequences: whether the output has all steps, not the last one alone.
        return_state: whether the last state comes too: a list of the output and it.
        go_backwards: whether the last step is the first; outputs stand in reversed order.
        stateful: whether a batch begins with the states that the one before led to.
        unroll: whether the steps are written out instead of looped over.
        reset_after: whether the reset gate acts on the product with the recurrent kernel, as in
            CuDNN and ``tf.keras``, or on the state before it, as in Keras 1 and 2.
        seed: seed of the dropout; by default that of the run and the layer's place in it.
        zero_output_for_mask: whether outputs of masked steps are 0, instead of those before.
        use_cudnn: accepted for code of Keras 3; how it is computed does not depend on it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, an input that is not ``(batch, steps,
            features)``, `stateful` without a known batch size, or `unroll` without a known
            number of steps.

    >>> GRU(4, return_sequences=True).compute_output_shape((None, 7, 3))
    (None, 7, 4)
    """

    cell_class = GRUCell

    def __init__(
        self,
        units: int,
        activation: activations.Like = "tanh",
        recurrent_activation: activations.Like = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: initializers.Like = "glorot_uniform",
        recurrent_initializer: initializers.Like = "orthogonal",
        bias_initializer: initializers.Like = "zeros",
        kernel_regularizer: regularizers.Like = None,
        recurrent_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        recurrent_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        *,
        seed: int | None = None,
        zero_output_for_mask: bool | None = None,
        use_cudnn: bool | str = "auto",
        **options: Unpack[LayerOptions],
    ) -> None:
        self.use_cudnn = use_cudnn
        cell = Maker(
            GRUCell,
            units=units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            implementation=implementation,
            reset_after=reset_after,
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
