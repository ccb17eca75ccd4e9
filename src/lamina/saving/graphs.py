"""The graph of a model: layers made from their configs, and called on each other again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamina.core import sharing
from lamina.core.graph import tensors
from lamina.core.symbolic import SymbolicTensor
from lamina.saving import limits, operations

CONSTANT = "_CONSTANT_VALUE"
"""What ``tf.keras`` writes in the place of a layer's name where an input is no tensor."""


def model_from_graph(
    cls: Any, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None
) -> Any:
    """Make a model from its layers, their calls, and the places of its inputs and outputs.

    Args:
        cls: class of the model.
        config: as `lamina.saving.config` leaves it.
        custom_objects: names of the caller's.

    Raises:
        ValueError: the config names a layer that it does not describe or describes twice, or its
            calls wait for each other in a circle.
    """
    with sharing.kept():
        found = Reader(config, custom_objects)
    found.replay()
    inputs = _restored(config["input_layers"], found.output)
    outputs = _restored(config["output_layers"], found.output)
    options = {} if config.get("trainable", True) else {"trainable": False}
    return cls(inputs, outputs, name=config.get("name"), **options)


class Reader:
    """The layers of a config, and their calls on each other.

    Args:
        config: the layers' configs with their calls, and the places of the outputs.
        custom_objects: names of the caller's.
    """

    def __init__(self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> None:
        self.layers: dict[str, Any] = {}
        self.calls: dict[str, list[Any]] = {}
        if len(config["layers"]) > limits.LAYERS:
            raise ValueError(f"The config has more than {limits.LAYERS} layers.")
        for entry in config["layers"]:
            layer = _made(entry, custom_objects)
            name = entry.get("name", layer.name)
            if name in self.layers:
                raise ValueError(
                    f"The config describes two layers named {name!r}; all names must be unique."
                )
            self.layers[name] = layer
            self.calls[name] = list(entry.get("inbound_nodes", []))
        self.first = self._first_calls(config["output_layers"])
        # Only calls in this graph count: a layer may stand in several.
        self.nodes = {
            name: [] if self.calls[name] else list(layer.inbound_nodes)
            for name, layer in self.layers.items()
        }

    def _first_calls(self, outputs: Any) -> dict[str, int]:
        """Number of the first call of each layer: Keras 2 counts from 1 for models in models."""
        largest: dict[str, int] = {}
        for place in _places_in([list(self.calls.values()), outputs]):
            largest[place[0]] = max(largest.get(place[0], 0), place[1])
        return {
            name: int(
                hasattr(layer, "_input_structure")
                and largest.get(name, -1) >= max(len(self.calls[name]), 1)
            )
            for name, layer in self.layers.items()
        }

    def output(self, place: Any) -> SymbolicTensor:
        """The tensor at ``(layer, number of the call, place in its outputs)``."""
        if not _is_place(place):
            raise ValueError(
                f"The config must name an output as [layer, call, output], got {place!r}."
            )
        name, number, index = place[:3]
        self._check_known(name)
        nodes = self.nodes[name]
        number -= self.first[name]
        if not 0 <= number < len(nodes) or not 0 <= index < len(nodes[number].output_tensors):
            raise ValueError(f"The config names output {place[:3]!r}, but there is no such call.")
        return nodes[number].output_tensors[index]

    def _check_known(self, name: str) -> None:
        if name not in self.layers:
            raise ValueError(f"The config names a layer {name!r} that it does not describe.")

    def _missing(self, call: Any) -> str | None:
        """A layer that must be called before this call can be made."""
        for name, number, *_ in _places_in(call):
            self._check_known(name)
            if len(self.nodes[name]) <= number - self.first[name]:
                return name
        return None

    def replay(self) -> None:
        """Call the layers again, each call as soon as its inputs are there."""
        waiting = {name: list(reversed(calls)) for name, calls in self.calls.items() if calls}
        blocked: dict[str, list[str]] = defaultdict(list)
        ready = list(reversed(waiting))
        while ready:
            name = ready.pop()
            calls = waiting.get(name, [])
            while calls:
                before = self._missing(calls[-1])
                if before is not None:
                    blocked[before].append(name)
                    break
                self._call(self.layers[name], calls.pop())
                self.nodes[name].append(self.layers[name].inbound_nodes[-1])
                ready.extend(reversed(blocked.pop(name, [])))
            if not calls:
                waiting.pop(name, None)
        if waiting:
            names = ", ".join(sorted(waiting))
            raise ValueError(f"The config's layers wait for each other in a circle: {names}.")

    def _call(self, layer: Any, call: Any) -> None:
        if isinstance(call, Mapping):
            args, kwargs = self._filled(call["args"]), self._filled(call["kwargs"])
        else:
            inputs = [self._input(place) for place in call]
            kwargs = self._filled(call[0][3]) if len(call[0]) > 3 else {}
            args = [inputs[0] if len(inputs) == 1 else inputs]
        if not any(True for _ in tensors((args, kwargs))):
            raise ValueError(f"The config calls {layer} on no tensor.")
        layer(*args, **{key: value for key, value in kwargs.items() if not _unsaid(key, value)})

    def _input(self, place: Any) -> Any:
        return place[2] if place[0] == CONSTANT else self.output(place)

    def _filled(self, value: Any) -> Any:
        """Arguments with tensors in the place of places."""
        if isinstance(value, Mapping):
            place = _marked_place(value)
            if place is not None:
                return self.output(place)
            return {key: self._filled(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            if _is_place(value) and value[0] in self.layers:
                return self.output(value)
            return type(value)(self._filled(part) for part in value)
        return value


def _made(entry: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> Any:
    if entry["class_name"] == operations.OPERATION:
        return operations.Operation(entry["config"])
    return sharing.deserialize(entry, custom_objects)


def _unsaid(key: str, value: Any) -> bool:
    """Whether an argument says what holds without it: Keras 3 writes ``mask: null``."""
    return value is None and key in ("mask", "training")


def _marked_place(value: Mapping[str, Any]) -> Any:
    """The place that stands for a tensor among arguments, in lamina's form or in Keras 3's."""
    if set(value) == {"tensor"}:
        return value["tensor"]
    if value.get("class_name") == "__keras_tensor__":
        return value["config"]["keras_history"]
    return None


def _is_place(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(part, int) and not isinstance(part, bool) for part in value[1:3])
        and value[1] >= 0
    )


def _places_in(call: Any) -> Iterator[Any]:
    """All places that a call takes tensors from."""
    if isinstance(call, Mapping):
        place = _marked_place(call)
        if place is not None:
            yield place
            return
        for part in call.values():
            yield from _places_in(part)
    elif isinstance(call, list | tuple):
        if _is_place(call):
            yield call
            yield from _places_in(call[3:])
            return
        for part in call:
            yield from _places_in(part)


def _restored(places: Any, tensor: Callable[[Any], SymbolicTensor]) -> Any:
    if isinstance(places, Mapping):
        return {key: tensor(place) for key, place in places.items()}
    if _is_place(places):
        return tensor(places)
    found = [tensor(place) for place in places]
    return found[0] if len(found) == 1 else found
