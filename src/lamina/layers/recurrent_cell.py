"""Base of the cells: weights, dropout, and one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Unpack

import jax.numpy as jnp

from lamina import activations, constraints, initializers, regularizers
from lamina.core.layer import Layer
from lamina.layers import checks
from lamina.layers.elementwise import as_float
from lamina.ops import random, recurrent
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.core.variable import Variable
    from lamina.typing import Array


class Cell(Layer):
    """Base of the cells that are lamina's own: weights, dropout, and one step.

    Args:
        activation: function of what a step computes.
        use_bias: whether to add a learned vector.
        kernel_initializer: first values of the kernel, which meets the inputs.
        recurrent_initializer: first values of the recurrent kernel, which meets the state.
        bias_initializer: first values of the bias.
        kernel_regularizer: penalty on the kernel.
        recurrent_regularizer: penalty on the recurrent kernel.
        bias_regularizer: penalty on the bias.
        kernel_constraint: function applied to the kernel after each update.
        recurrent_constraint: function applied to the recurrent kernel after each update.
        bias_constraint: function applied to the bias after each update.
        dropout: part of the inputs that is dropped in training, the same at all steps.
        recurrent_dropout: part of the state that is dropped in training, the same at all steps.
        seed: seed of the dropout; by default that of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.
    """

    gates: ClassVar[int] = 1
    channel_axis = -1
    implementation = 2
    inner_rank = 1
    """Number of axes from the channels to the last one."""

    def __init__(
        self,
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
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.activation = activations.get(activation)
        self.use_bias = checks.flag(use_bias, "use_bias", self)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = checks.fraction(dropout, "dropout", self)
        self.recurrent_dropout = checks.fraction(recurrent_dropout, "recurrent_dropout", self)
        self.seed = checks.seed(seed, self)

    def kernel_shapes(self, channels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of kernel and recurrent kernel; outputs last."""
        raise NotImplementedError

    def state_shapes(self, input_shape: Shape) -> list[Shape]:
        """Shapes of the states, for inputs of one step of a shape."""
        raise NotImplementedError

    def bias_values(self) -> Any:
        """Initializer of the bias."""
        return self.bias_initializer

    def build(self, input_shape: Shape) -> None:
        channels = checks.known_size(input_shape, self.channel_axis, self)
        kernel, inner = self.kernel_shapes(channels)
        self.kernel = self.add_weight("kernel", kernel)
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel",
            inner,
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias: Variable | None = None
        if self.use_bias:
            shape = self.bias_shape(kernel[-1])
            self.bias = self.add_weight("bias", shape, initializer=self.bias_values())

    def bias_shape(self, outputs: int) -> tuple[int, ...]:
        """Shape of the bias, for kernels of so many outputs."""
        return (outputs,)

    def get_initial_state(
        self, inputs: Any = None, batch_size: int | None = None, dtype: Any = None
    ) -> list[Array]:
        """States of zeros, for a batch of a size."""
        if batch_size is None:
            batch_size = inputs.shape[0]
        shape = (batch_size, *(self._build_shape or (None, None))[1:])
        dtype = dtype or self.compute_dtype
        return [jnp.zeros(one, dtype) for one in self.state_shapes(shape)]  # type: ignore[arg-type]

    def factors(self, shape: Shape, state: Shape, training: Any) -> tuple[Any, Any]:
        """Factors that drop inputs and states of one step, or ``None``; for all steps the same."""
        count = 1 if self.implementation == 2 else self.gates
        found: list[Any] = []
        for rate, sizes in ((self.dropout, shape), (self.recurrent_dropout, state)):
            if not training or not rate:
                found.append(None)
                continue
            ones = jnp.ones((count, *sizes), self.compute_dtype)  # type: ignore[arg-type]
            found.append(random.dropout(ones, rate, self.random_key(self.seed)))
        return found[0], found[1]

    def given(self, inputs: Array, drop: Any) -> Array:
        """What the inputs give to all gates, for one step or for all steps at once."""
        kernel = self.kernel.value.astype(self.compute_dtype)
        bias = self.input_bias()
        axis = self.channel_axis if self.channel_axis < 0 else inputs.ndim - self.inner_rank
        return recurrent.gate_inputs(inputs, kernel, bias, drop, self.input_product, axis)

    def input_product(self, inputs: Array, kernel: Array) -> Array:
        """How inputs and kernel meet."""
        return recurrent.matrix_product(inputs, kernel)

    def input_bias(self) -> Array | None:
        """What is added to the product of inputs and kernel."""
        return None if self.bias is None else self.bias.value.astype(self.compute_dtype)

    def inner_kernel(self) -> Array:
        """The recurrent kernel, as computations take it."""
        return self.recurrent_kernel.value.astype(self.compute_dtype)

    def step(self, given: Array, states: list[Array], drop: Any) -> tuple[Array, list[Array]]:
        """Output and new states, from what the inputs of the step give and the states."""
        raise NotImplementedError

    def call(
        self, inputs: Array, states: Sequence[Array], training: Any = None
    ) -> tuple[Array, list[Array]]:
        inputs = as_float(inputs, self)
        states = [as_float(state, self) for state in _listed(states)]
        drops = self.factors(inputs.shape, states[0].shape, training)
        return self.step(self.given(inputs, drops[0]), states, drops[1])

    def compute_output_shape(self, input_shape: Any) -> Any:
        single = input_shape[0] if isinstance(input_shape, list) else input_shape
        shapes = self.state_shapes(single)
        return [shapes[0], shapes]


def _listed(states: Any) -> list[Any]:
    return list(states) if isinstance(states, list | tuple) else [states]


class UnitsCell(Cell):
    """A `Cell` whose inputs and states are vectors of features.

    Args:
        units: number of features of the output and of each state.
        arguments: those of `Cell`, in its order.
        options: those of `Cell`.
    """

    def __init__(self, units: int, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.units = checks.positive(units, "units", self)

    @property
    def state_size(self) -> Any:
        """Sizes of the states."""
        return self.units

    @property
    def output_size(self) -> int:
        """Size of the output."""
        return self.units

    def kernel_shapes(self, channels: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (channels, self.gates * self.units), (self.units, self.gates * self.units)

    def state_shapes(self, input_shape: Shape) -> list[Shape]:
        count = len(self.state_size) if isinstance(self.state_size, list) else 1
        return [(input_shape[0], self.units)] * count
