"""Cells: what `SimpleRNN`, `LSTM` and `GRU` do at one time step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp
import numpy as np

from lamina import activations, constraints, initializers, registry, regularizers
from lamina.layers import checks
from lamina.layers.recurrent_cell import UnitsCell
from lamina.ops import recurrent
from lamina.typing import LayerOptions

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class SimpleRNNCell(UnitsCell):
    """One step of `SimpleRNN`: ``output = activation(inputs @ kernel + state @ recurrent + bias)``.

    Called with the inputs ``(batch, features)`` and a list of one state ``(batch, units)``; gives
    the output and the list of new states. Arguments are those of `SimpleRNN`.

    >>> cell = SimpleRNNCell(4)
    >>> output, states = cell(jnp.ones((2, 3)), [jnp.zeros((2, 4))])
    >>> output.shape, len(states)
    ((2, 4), 1)
    """

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
            units,
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

    def step(self, given: Array, states: list[Array], drop: Any) -> tuple[Array, list[Array]]:
        h = recurrent.simple_step(given, states[0], self.inner_kernel(), drop, self.activation)
        return h, [h]


def checked_implementation(value: Any, layer: Any) -> int:
    """0, 1 or 2: in Keras how it computes, here whether each gate has a dropout of its own."""
    if not checks.is_int(value) or value not in (0, 1, 2):
        raise ValueError(f"{layer}: implementation must be 0, 1 or 2, got {value!r}.")
    return int(value)


def forget_bias(initializer: Any, size: int) -> Any:
    """The initializer of the bias of an LSTM whose forget gate begins open.

    Args:
        initializer: of the three other gates.
        size: of each gate.
    """

    def values(shape: Any, dtype: Any = None) -> Array:
        sizes = (size, shape[0] - 2 * size)
        first, rest = (np.asarray(initializer((one,), dtype=dtype)) for one in sizes)
        return jnp.asarray(np.concatenate([first, np.ones_like(first), rest]))

    return values


@registry.register("layer")
class LSTMCell(UnitsCell):
    """One step of `LSTM`.

    Called with the inputs ``(batch, features)`` and a list of two states ``(batch, units)``, the
    output and the memory of the step before; gives the output and the list of new states.
    Arguments are those of `LSTM`.

    Args:
        recurrent_activation: of the gates.
        unit_forget_bias: whether the bias of the forget gate begins at 1.
        implementation: 2 drops the same values for all gates, 1 and 0 others for each gate.

    >>> cell = LSTMCell(4)
    >>> output, states = cell(jnp.ones((2, 3)), [jnp.zeros((2, 4)), jnp.zeros((2, 4))])
    >>> output.shape, len(states)
    ((2, 4), 2)
    """

    gates = 4

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
        kernel_constraint: constraints.Like = None,
        recurrent_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        *,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            units,
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
        self.implementation = checked_implementation(implementation, self)

    @property
    def state_size(self) -> list[int]:
        return [self.units, self.units]

    def bias_values(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        return forget_bias(self.bias_initializer, self.units)

    def step(self, given: Array, states: list[Array], drop: Any) -> tuple[Array, list[Array]]:
        functions = self.activation, self.recurrent_activation
        h, c = recurrent.lstm_step(given, states, self.inner_kernel(), drop, *functions)
        return h, [h, c]


@registry.register("layer")
class GRUCell(UnitsCell):
    """One step of `GRU`.

    Called with the inputs ``(batch, features)`` and a list of one state ``(batch, units)``; gives
    the output and the list of new states. Arguments are those of `GRU`.

    Args:
        recurrent_activation: of the gates.
        implementation: 2 drops the same values for all gates, 1 and 0 others for each gate.
        reset_after: whether the reset gate acts on the product with the recurrent kernel, as in
            CuDNN and ``tf.keras``, or on the state before it, as in Keras 1 and 2.

    >>> cell = GRUCell(4)
    >>> output, states = cell(jnp.ones((2, 3)), [jnp.zeros((2, 4))])
    >>> output.shape, cell.bias.shape
    ((2, 4), (2, 12))
    """

    gates = 3

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
        kernel_constraint: constraints.Like = None,
        recurrent_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 2,
        reset_after: bool = True,
        *,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            units,
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
        self.implementation = checked_implementation(implementation, self)
        self.reset_after = checks.flag(reset_after, "reset_after", self)

    def bias_shape(self, outputs: int) -> tuple[int, ...]:
        return (2, outputs) if self.reset_after else (outputs,)

    def input_bias(self) -> Array | None:
        bias = super().input_bias()
        return bias[0] if bias is not None and self.reset_after else bias

    def step(self, given: Array, states: list[Array], drop: Any) -> tuple[Array, list[Array]]:
        inner = super().input_bias() if self.reset_after else None
        h = recurrent.gru_step(
            given,
            states[0],
            self.inner_kernel(),
            None if inner is None else inner[1],
            drop,
            self.activation,
            self.recurrent_activation,
            self.reset_after,
        )
        return h, [h]
