"""`Bidirectional`: a recurrent layer in both directions of time."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

import jax.numpy as jnp

from lamina import registry
from lamina.core.layer import Layer
from lamina.layers import checks
from lamina.layers import recurrent_steps as steps
from lamina.layers.holding import claim
from lamina.layers.wrappers import Wrapper
from lamina.typing import Config

if TYPE_CHECKING:
    from lamina.typing import Array

MergeMode = Literal["concat", "sum", "mul", "ave"]

_NEEDED = ("go_backwards", "return_sequences", "return_state", "stateful")


@registry.register("layer")
class Bidirectional(Wrapper):
    """Run over sequences in both directions of time, and merge the two outputs.

    The layer within is copied: `forward_layer` runs as it does, `backward_layer` the other way. The
    weights are those of the first and then those of the second. Schuster and Paliwal (1997).

    Args:
        layer: a recurrent layer.
        merge_mode: ``"concat"``, ``"sum"``, ``"mul"``, ``"ave"``, or ``None`` for a list of both.
        weights: initial values of the weights.
        backward_layer: the layer for the other direction, where it is not a copy of the first;
            with the other `go_backwards`.
        options: what every layer takes, see `Layer`.

    Raises:
        TypeError: `layer` is no recurrent layer.
        ValueError: an unknown `merge_mode`, or a `backward_layer` that does not fit.

    >>> from lamina.layers import Input, LSTM
    >>> Bidirectional(LSTM(4, return_sequences=True))(Input((7, 3))).shape
    (None, 7, 8)
    """

    supports_masking = True
    takes_sequences = True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **options: Any,
    ) -> None:
        Layer.__init__(self, weights=weights, **options)
        for what, one in (("layer", layer), ("backward_layer", backward_layer)):
            if one is not None or what == "layer":
                self._check_within(what, one)
        if merge_mode is not None:
            merge_mode = checks.one_of(merge_mode, MergeMode, "merge_mode", self)
        self.merge_mode = merge_mode
        self.forward_layer = _twin(layer, "forward_", layer.go_backwards)
        self._own_backward = backward_layer is not None
        self.backward_layer = (
            backward_layer
            if self._own_backward
            else _twin(layer, "backward_", not layer.go_backwards)
        )
        self._check_pair()
        for one in (self.forward_layer, self.backward_layer):
            if getattr(one, "zero_output_for_mask", 0) is None and one.return_sequences:
                one.zero_output_for_mask = True
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.stateful = self.forward_layer.stateful
        self.input_spec = self.forward_layer.input_spec

    def _check_within(self, what: str, layer: Any) -> None:
        missing = [word for word in _NEEDED if not hasattr(layer, word)]
        if not isinstance(layer, Layer) or missing:
            raise TypeError(
                f"{self}: {what} must be a recurrent layer, such as LSTM(32), got {layer!r}."
            )

    def _check_pair(self) -> None:
        """Raise a ``ValueError`` unless the two layers differ in their direction alone."""
        one, other = self.forward_layer, self.backward_layer
        if one.go_backwards == other.go_backwards:
            raise ValueError(
                f"{self}: backward_layer must have go_backwards={not one.go_backwards}, the other "
                f"than layer, got {other.go_backwards}."
            )
        for word in _NEEDED[1:]:
            if getattr(one, word) != getattr(other, word):
                raise ValueError(
                    f"{self}: layer and backward_layer must have the same {word}, got "
                    f"{getattr(one, word)} and {getattr(other, word)}."
                )

    @property
    def layer(self) -> Any:
        """The layer that runs forwards."""
        return self.forward_layer

    def build(self, input_shape: Any) -> None:
        shape = steps.first_shape(input_shape)
        for one in (self.forward_layer, self.backward_layer):
            if not one.built:
                one.build(shape)
                claim(self, one.weights)
        self.input_spec = self.forward_layer.input_spec

    @property
    def states(self) -> list[Any]:
        """The states that both layers keep."""
        return [*self.forward_layer.states, *self.backward_layer.states]

    def reset_states(self, states: Any = None) -> None:
        """Set the states of both layers to zero, or to given values: first those of the forward.

        Args:
            states: an array for each state.
        """
        halves: Any = (None, None) if states is None else self._halves(states, "reset_states")
        self.forward_layer.reset_states(halves[0])
        self.backward_layer.reset_states(halves[1])

    reset_state = reset_states

    def _halves(self, states: Any, what: str) -> tuple[list[Any], list[Any]]:
        """States of the forward and of the backward layer."""
        listed = steps.plain_states(states)
        if len(listed) % 2:
            raise ValueError(
                f"{self}: {what} needs the states of the forward layer and then those of the "
                f"backward one, as many of each, got {len(listed)}."
            )
        half = len(listed) // 2
        return listed[:half], listed[half:]

    def __call__(
        self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any
    ) -> Any:
        """Apply the layer.

        Args:
            inputs: tensor of shape ``(batch, steps, ...)``; or a list of it, the initial states
                and the constants, as Keras 2 has it.
            initial_state: states before the first step: those of the forward layer, then those
                of the backward one.
            constants: tensors that the cells take at each step.
            kwargs: ``mask`` and ``training``.
        """
        if steps.are_tensors(inputs):
            if initial_state is not None or constants is not None:
                raise ValueError(
                    f"{self}: inputs are a list, which holds the initial states, so initial_state "
                    "and constants cannot be given beside it. Pass the sequence alone."
                )
            end = len(inputs) - (getattr(self.forward_layer, "num_constants", None) or 0)
            inputs, initial_state, constants = inputs[0], inputs[1:end], inputs[end:]
        if initial_state:
            kwargs["initial_state"] = steps.plain_states(initial_state)
            halves = self._halves(kwargs["initial_state"], "initial_state")
            for layer, half in zip((self.forward_layer, self.backward_layer), halves, strict=True):
                if hasattr(layer, "_check_initial"):
                    layer._check_initial(inputs, half)
        if constants:
            kwargs["constants"] = steps.plain_states(constants)
        return super().__call__(inputs, **kwargs)

    def call(
        self,
        inputs: Array,
        mask: Any = None,
        training: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        del training
        ahead: dict[str, Any] = {"mask": mask} if mask is not None else {}
        if constants is not None:
            ahead["constants"] = constants
        back = dict(ahead)
        if initial_state is not None:
            halves = self._halves(initial_state, "initial_state")
            ahead["initial_state"], back["initial_state"] = halves
        first = self.forward_layer(inputs, **ahead)
        second = self.backward_layer(inputs, **back)
        states = []
        if self.return_state:
            (first, *one), (second, *other) = first, second
            states = [*one, *other]
        if self.return_sequences:
            second = jnp.flip(second, 1)
        output = self._merged(first, second)
        if not self.return_state:
            return output
        return [*output, *states] if self.merge_mode is None else [output, *states]

    def _merged(self, first: Array, second: Array) -> Any:
        if self.merge_mode is None:
            return [first, second]
        if self.merge_mode == "concat":
            return jnp.concatenate([first, second], -1)
        if self.merge_mode == "mul":
            return first * second
        total = first + second
        return total / 2 if self.merge_mode == "ave" else total

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        if mask is None or not self.return_sequences:
            return None
        outputs = 2 if self.merge_mode is None else 1
        if not self.return_state:
            return [mask] * outputs if outputs > 1 else mask
        return [mask] * outputs + [None] * len(self.states)

    def compute_output_shape(self, input_shape: Any) -> Any:
        found = self.forward_layer.compute_output_shape(steps.first_shape(input_shape))
        output, states = (found[0], list(found[1:])) if self.return_state else (found, [])
        if self.merge_mode == "concat":
            output = (*output[:-1], 2 * output[-1])
        outputs = [output, output] if self.merge_mode is None else [output]
        if self.return_state:
            return [*outputs, *states, *states]
        return outputs if self.merge_mode is None else output

    def get_config(self) -> Config:
        # Not read off the constructor: its `weights` are values, and those of the layer are others.
        config: Config = {"name": self.name, "trainable": self.trainable}
        config["dtype"] = self.dtype_policy.name
        if self.batch_input_shape is not None:
            config["batch_input_shape"] = self.batch_input_shape
        config["layer"] = layer = registry.serialize(self.forward_layer)
        if isinstance(layer, Layer):  # within `clone_model`: a copy
            layer.name = layer.name.removeprefix("forward_")
        else:
            layer["config"]["name"] = layer["config"]["name"].removeprefix("forward_")
        config["merge_mode"] = self.merge_mode
        if self._own_backward:
            config["backward_layer"] = registry.serialize(self.backward_layer)
        return config


def _twin(layer: Layer, prefix: str, backwards: bool) -> Any:
    """A copy of a layer with a name of its own, and with weights of its own if it has some."""
    name = prefix + layer.name.removeprefix(prefix)
    if not layer.built or prefix == "forward_":
        twin = copy.deepcopy(layer)
    else:
        config = layer.get_config()
        twin = type(layer).from_config(config)
    twin.name = name
    twin.go_backwards = backwards  # type: ignore[attr-defined]
    return twin
