"""`RNN`: a cell over the time steps of a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from lamina import registry, regularizers
from lamina.core.layer import Layer
from lamina.core.naming import counted
from lamina.core.spec import InputSpec
from lamina.core.variable import Variable
from lamina.layers import checks
from lamina.layers import recurrent_steps as steps
from lamina.layers.holding import Maker, claim, with_layers
from lamina.layers.recurrent_cell import UnitsCell
from lamina.layers.recurrent_stack import StackedRNNCells
from lamina.ops.recurrent import over_time
from lamina.typing import Config, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class RNN(Layer):
    """Run a cell over the steps of sequences: inputs ``(batch, steps, features)``.

    A cell has a method ``call(inputs, states)``, which gives the output of a step and the list of
    new states, and an attribute ``state_size``: the size of the state, or a list of the sizes of
    several. Optional are ``output_size`` and ``get_initial_state(batch_size)``. Cells of Keras 2
    and 3 work as they are. A masked step leaves states and output as they were.

    Args:
        cell: the cell, or a list of cells, of which each takes the output of the one before.
        return_sequences: whether the output has all steps, not the last one alone.
        return_state: whether the last states come too: a list of the output and them.
        go_backwards: whether the last step is the first; outputs stand in reversed order.
        stateful: whether a batch begins with the states that the one before led to, row by row.
        unroll: whether the steps are written out instead of looped over.
        activity_regularizer: penalty on the output, divided by the batch size.
        zero_output_for_mask: whether outputs of masked steps are 0, instead of those before.
        num_constants: how many of the last tensors in a list of inputs are constants.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: the cell is none, an input has another rank or another number of features,
            `stateful` without a known batch size, or `unroll` without a known number of steps.

    >>> from lamina.layers import Input, LSTMCell
    >>> RNN([LSTMCell(4), LSTMCell(5)], return_sequences=True)(Input((7, 3))).shape
    (None, 7, 5)
    """

    supports_masking = True
    takes_sequences = True
    feature_axis = -1

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        activity_regularizer: regularizers.Like = None,
        *,
        zero_output_for_mask: bool | None = None,
        num_constants: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **options)
        self.cell = self._checked_cell(cell(self) if isinstance(cell, Maker) else cell)
        self.return_sequences = checks.flag(return_sequences, "return_sequences", self)
        self.return_state = checks.flag(return_state, "return_state", self)
        self.go_backwards = checks.flag(go_backwards, "go_backwards", self)
        self.stateful = checks.flag(stateful, "stateful", self)
        self.unroll = checks.flag(unroll, "unroll", self)
        if zero_output_for_mask is not None:
            zero_output_for_mask = checks.flag(zero_output_for_mask, "zero_output_for_mask", self)
        self.zero_output_for_mask = zero_output_for_mask
        self.num_constants = num_constants
        self._kept_states: list[Variable] = []
        self._constant_shapes: list[Shape] = []
        self.input_spec = self._spec()

    def _spec(self, axes: Any = None) -> InputSpec:
        """What inputs must be like; a cell of the user's may take more axes."""
        if isinstance(self.cell, UnitsCell | StackedRNNCells):
            return InputSpec(ndim=3, axes=axes)
        return InputSpec(min_ndim=3, axes=axes)

    def _checked_cell(self, cell: Any) -> Any:
        """A cell: something with ``call`` and ``state_size``."""
        if isinstance(cell, list | tuple):
            return StackedRNNCells(cell)
        if not hasattr(cell, "call"):
            raise ValueError(
                f"{self}: cell must be an object with the method call(inputs, states), such as "
                f"LSTMCell(32), got {cell!r}."
            )
        size = getattr(cell, "state_size", None)
        leaves = jax.tree.leaves(size)
        if not leaves or not all(checks.is_int(one) and one > 0 for one in leaves):
            raise ValueError(
                f"{self}: the cell must have an attribute state_size: the size of its state, or a "
                f"list of the sizes of several, got {size!r} of {cell!r}."
            )
        return cell

    @property
    def state_size(self) -> Any:
        """Sizes of the cell's states."""
        return self.cell.state_size

    @property
    def states(self) -> list[Any]:
        """The states that a stateful layer keeps; ``None`` for each where it keeps none."""
        return list(self._kept_states) or [None] * self._state_count()

    def _state_count(self) -> int:
        return len(jax.tree.leaves(steps.sizes_of(self.cell)))

    def _passing(self) -> list[Variable]:
        return self._kept_states

    def _state_shapes(self, input_shape: Shape) -> list[Shape]:
        """Shapes of all states, for inputs of a shape."""
        return [(input_shape[0], size) for size in jax.tree.leaves(steps.sizes_of(self.cell))]

    def get_initial_state(self, inputs: Any = None, batch_size: int | None = None) -> list[Any]:
        """The states before the first step, where none are given: those of the cell, or zeros.

        Args:
            inputs: the sequences; or say how many there are.
            batch_size: number of sequences.
        """
        batch = inputs.shape[0] if batch_size is None else batch_size
        return steps.zeros(self.cell, batch, inputs, self.compute_dtype)

    # ---- building -------------------------------------------------------------------------

    def build(self, input_shape: Shape) -> None:
        input_shape = steps.first_shape(input_shape)
        self._check_known(input_shape)
        step_shape = (input_shape[0], *input_shape[2:])
        cell = self.cell
        if isinstance(cell, Layer) and not cell.built:
            takes_constants = steps.accepts(cell.call, "constants")
            together = [step_shape, *self._constant_shapes]
            cell.build(together if self._constant_shapes and takes_constants else step_shape)
            claim(self, cell.weights)
        self.input_spec = self._spec({self.feature_axis: input_shape[self.feature_axis]})
        if self.stateful:
            self._make_states(input_shape)

    def _check_known(self, shape: Shape) -> None:
        """Raise a ``ValueError`` for sizes that must be known and are not."""
        checks.known_size(shape, self.feature_axis, self)
        self._check_length(shape)
        if self.stateful and shape[0] is None:
            raise ValueError(
                f"{self}: a stateful layer keeps a state for each row of a batch, so the batch "
                f"size must be known, got inputs of shape {shape}. State it: batch_input_shape="
                "(32, 10, 16) in the first layer, or Input(batch_shape=(32, 10, 16))."
            )

    def _check_length(self, shape: Shape) -> None:
        if self.unroll and shape[1] is None:
            raise ValueError(
                f"{self}: unroll=True needs a known number of steps, got inputs of shape {shape}. "
                "State it in the Input, in input_shape, or as input_length of an Embedding; or "
                "leave unroll out."
            )

    def _make_states(self, input_shape: Shape) -> None:
        shapes = self._state_shapes(input_shape)
        self._kept_states = [
            Variable(np.zeros(shape, self.variable_dtype), trainable=False, name="rnn_state")  # type: ignore[arg-type]
            for shape in shapes
        ]
        for place, variable in enumerate(self._kept_states):
            variable.path = f"{self.name}/rnn_state" + (f"_{place}" if place else "")

    def reset_states(self, states: Any = None) -> None:
        """Set the states of a stateful layer to zero, or to given values.

        Args:
            states: an array for each state, or one array where there is one state.

        Raises:
            AttributeError: the layer is not stateful.
            ValueError: it has no states yet, or the values do not fit.
        """
        if not self.stateful:
            raise AttributeError(f"{self}: reset_states is for layers with stateful=True.")
        if not self._kept_states:
            if states is None:
                return
            raise ValueError(
                f"{self}: reset_states got values before the layer is built, when its batch size "
                "is not known. Call it on data or build the model first."
            )
        if states is None:
            states = [np.zeros(one.shape, one.dtype) for one in self._kept_states]
        given = jax.tree.leaves(steps.plain_states(states))
        self._check_states(given, [one.shape for one in self._kept_states], "reset_states")
        for variable, value in zip(self._kept_states, given, strict=True):
            variable.assign(value)

    reset_state = reset_states

    def _check_states(self, given: Sequence[Any], shapes: Sequence[Shape], what: str) -> None:
        """Raise a ``ValueError`` unless there is a state of the right shape for each."""
        if len(given) != len(shapes):
            raise ValueError(
                f"{self}: {what} needs {counted(len(shapes), 'state')} of "
                f"shapes {', '.join(map(str, shapes))}, got {len(given)}."
            )
        for place, (one, wanted) in enumerate(zip(given, shapes, strict=True)):
            shape = tuple(np.shape(one)) if not hasattr(one, "shape") else tuple(one.shape)
            pairs = list(zip(shape, wanted, strict=False))
            if len(shape) != len(wanted) or any(
                None not in pair and pair[0] != pair[1] for pair in pairs
            ):
                raise ValueError(
                    f"{self}: state {place} of {what} must have shape {wanted}, got {shape}."
                )

    # ---- calls ----------------------------------------------------------------------------

    def __call__(
        self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any
    ) -> Any:
        """Apply the layer.

        Args:
            inputs: tensor of shape ``(batch, steps, ...)``; or a list of it, the initial states
                and the constants, as Keras 2 has it.
            initial_state: states before the first step, a tensor or a list of them.
            constants: tensors that the cell takes at each step.
            kwargs: ``mask`` and ``training``.
        """
        if steps.are_tensors(inputs):
            if initial_state is not None or constants is not None:
                raise ValueError(
                    f"{self}: inputs are a list, which holds the initial states, so initial_state "
                    "and constants cannot be given beside it. Pass the sequence alone."
                )
            inputs, initial_state, constants = self._parted(list(inputs))
        if initial_state is not None:
            kwargs["initial_state"] = steps.plain_states(initial_state)
            self._check_initial(inputs, kwargs["initial_state"])
        if constants is not None:
            kwargs["constants"] = steps.plain_states(constants)
            if not steps.accepts(self.cell.call, "constants"):
                raise ValueError(
                    f"{self}: constants were given, but call of the cell {self.cell!r} has no "
                    "argument constants."
                )
            self.num_constants = len(kwargs["constants"])
            self._constant_shapes = [tuple(one.shape) for one in kwargs["constants"]]
        return super().__call__(inputs, **kwargs)

    def _parted(self, inputs: list[Any]) -> tuple[Any, Any, Any]:
        """Sequence, states and constants of a list of all of them."""
        end = len(inputs) - (self.num_constants or 0)
        states, constants = inputs[1:end], inputs[end:]
        return inputs[0], states or None, constants or None

    def _check_initial(self, inputs: Any, states: list[Any]) -> None:
        shape = tuple(getattr(inputs, "shape", ()))
        if self.input_spec.problem(shape) is None:  # otherwise it is told later
            self._check_states(
                jax.tree.leaves(states, is_leaf=lambda one: hasattr(one, "shape")),
                self._state_shapes(shape),
                "initial_state",
            )

    def call(
        self,
        inputs: Array,
        mask: Any = None,
        training: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        way = steps.stepping(self.cell, self, steps.plain_states(constants or []), training)
        states = self._first_states(inputs, initial_state)
        sequence = jnp.swapaxes(inputs, 0, 1)
        way.prepare(sequence.shape[1:], states)
        last, outputs, states = over_time(
            way.step,
            way.given(sequence),
            states,
            self._steps_of(mask, inputs),
            every=self.return_sequences,
            backwards=self.go_backwards,
            unroll=self.unroll,
            zero_masked=bool(self.zero_output_for_mask),
            shown=way.shown(),
        )
        if self.stateful:
            for variable, value in zip(self._kept_states, jax.tree.leaves(states), strict=True):
                variable.assign(value)
        output = jnp.swapaxes(outputs, 0, 1) if self.return_sequences else last
        return [output, *states] if self.return_state else output

    def _first_states(self, inputs: Array, given: Any) -> list[Any]:
        """The states before the first step."""
        if self.stateful and self._kept_states[0].shape[0] != inputs.shape[0]:
            raise ValueError(
                f"{self}: the layer is stateful and keeps states for batches of "
                f"{self._kept_states[0].shape[0]} rows, got a batch of {inputs.shape[0]}. Pass "
                "that batch_size to fit, evaluate and predict, and data whose number of rows it "
                "divides."
            )
        dtype = self.compute_dtype
        if given is None and self.stateful:
            given = [variable.value for variable in self._kept_states]
        elif given is None:
            given = self.get_initial_state(inputs)
        cast = [jnp.asarray(one).astype(dtype) for one in jax.tree.leaves(given)]
        return steps.as_states(self.cell, cast)

    def _steps_of(self, mask: Any, inputs: Array) -> Array | None:
        """The mask by steps, ``(steps, batch)``."""
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        if mask is None:
            return None
        mask = jnp.asarray(mask).astype(bool)
        if mask.ndim == 3 and mask.shape[-1] == 1:
            mask = mask[..., 0]
        if mask.shape != inputs.shape[:2]:
            raise ValueError(
                f"{self}: the mask must have shape (batch, steps) = {inputs.shape[:2]}, got "
                f"{mask.shape}."
            )
        return jnp.swapaxes(mask, 0, 1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        found = mask if self.return_sequences else None
        if not self.return_state:
            return found
        return None if found is None else [found] + [None] * self._state_count()

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = steps.first_shape(input_shape)
        self._check_length(shape)
        output: Shape = (shape[0], *self._output_axes(shape))
        if self.return_sequences:
            output = (shape[0], shape[1], *output[1:])
        if not self.return_state:
            return output
        structure = jax.tree.structure(steps.sizes_of(self.cell))
        return [output, *jax.tree.unflatten(structure, self._state_shapes(shape))]

    def _output_axes(self, input_shape: Shape) -> Shape:
        """Sizes of the axes of an output behind batch and steps."""
        size = steps.output_size(self.cell)
        return tuple(size) if isinstance(size, list | tuple) else (int(size),)

    def get_config(self) -> Config:
        config = super().get_config()
        config["zero_output_for_mask"] = bool(self.zero_output_for_mask)
        if self.num_constants is None:
            config.pop("num_constants", None)
        return config

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Make the layer that ``get_config`` described, with its cell.

        Args:
            config: what ``get_config`` gave.
            custom_objects: classes of the caller's by name.
        """
        return cls(**with_layers(config, custom_objects, "cell"))


Recurrent = RNN
