"""Configs of models: the graph written down, and read again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamina import registry
from lamina.core.configurable import plain
from lamina.core.graph import Node, _Free, replace
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor
from lamina.typing import Config, Nested


def graph_config(model: Any) -> Config:
    """Layers, their calls, inputs and outputs, in the form of Keras 2."""
    graph = model.graph
    kept: dict[int, dict[int, int]] = {}
    for node in _nodes(model):
        if isinstance(node.operation, _Free):
            raise NotImplementedError(
                f"{model}: the function {node.operation.name!r} was applied to a symbolic tensor; "
                "a config can only name layers. Wrap it in a Lambda."
            )
        calls = kept.setdefault(id(node.operation), {})
        calls[node.index] = len(calls)

    def place(tensor: SymbolicTensor) -> list[Any]:
        history = tensor._keras_history
        assert history is not None
        return [history.layer.name, kept[id(history.layer)][history.node_index], history[2]]

    layers = [_entry(layer, kept.get(id(layer), {}), place) for layer in graph.layers_only()]
    return {
        "name": model.name,
        "layers": layers,
        "input_layers": _places(model._input_structure, place),
        "output_layers": _places(model._output_structure, place),
    }


def _nodes(model: Any) -> Iterator[Node]:
    seen: set[int] = set()
    for tensor in model.graph.inputs:
        if tensor.node is not None and id(tensor.node) not in seen:
            seen.add(id(tensor.node))
            yield tensor.node
    yield from (node for node in model.graph.nodes if id(node) not in seen)


def _places(structure: Nested, place: Callable[[SymbolicTensor], list[Any]]) -> Any:
    if isinstance(structure, SymbolicTensor):
        return [place(structure)]
    if isinstance(structure, dict):
        return {key: place(value) for key, value in structure.items()}
    return [place(value) for value in structure]


def _entry(
    layer: Layer, calls: dict[int, int], place: Callable[[SymbolicTensor], list[Any]]
) -> Config:
    nodes = [_call(layer.inbound_nodes[index], place) for index in calls]
    return {
        "name": layer.name,
        "class_name": registry.registered_name(type(layer)),
        "config": layer.get_config(),
        "inbound_nodes": [node for node in nodes if node is not None],
    }


def _call(node: Node, place: Callable[[SymbolicTensor], list[Any]]) -> Any:
    """One call: the inputs as places, other arguments as a dict with the last of them."""
    if not node.input_tensors:
        return None
    inputs, rest = (node.args[0], node.args[1:]) if node.args else (None, ())
    kwargs = {key: replace(value, _marked(place)) for key, value in node.kwargs.items()}
    kwargs = {key: plain(value) for key, value in kwargs.items()}
    if rest or inputs is None or isinstance(inputs, dict):
        args = [replace(argument, _marked(place)) for argument in node.args]
        return {"args": plain(args), "kwargs": kwargs}
    single = isinstance(inputs, SymbolicTensor)
    places = [[*place(t), {}] for t in ([inputs] if single else inputs)]
    places[0][3] = kwargs
    return places


def _marked(place: Callable[[SymbolicTensor], list[Any]]) -> Callable[[SymbolicTensor], Any]:
    return lambda tensor: {"tensor": place(tensor)}


def model_from_graph(
    cls: Any, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None
) -> Any:
    """Make a model from the config that `graph_config` gives, or Keras 1, 2 and 3.

    Raises:
        ValueError: the config names a layer that it does not describe, or its calls wait for each
            other in a circle.
    """
    found = _Reader(config, custom_objects)
    found.replay()
    inputs = _restored(config["input_layers"], found.output)
    outputs = _restored(config["output_layers"], found.output)
    return cls(inputs, outputs, name=config.get("name"))


class _Reader:
    """The layers of a config, and their calls on each other.

    Args:
        config: the layers' configs with their calls, and the places of the outputs.
        custom_objects: names of the caller's.
    """

    def __init__(self, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None) -> None:
        self.layers: dict[str, Layer] = {}
        self.waiting: dict[str, list[Any]] = {}
        self._outputs = config["output_layers"]
        for entry in config["layers"]:
            layer = registry.deserialize("layer", entry, custom_objects)
            name = entry.get("name", layer.name)
            self.layers[name] = layer
            self.waiting[name] = list(entry.get("inbound_nodes", []))
        self.first = {name: self._first(name) for name in self.layers}

    def _first(self, name: str) -> int:
        """Number of the first call of a layer: Keras 2 counts from 1 for models in models."""
        if not hasattr(self.layers[name], "_input_structure"):
            return 0
        calls = [call for waiting in self.waiting.values() for call in waiting]
        places = _places_in([calls, self._outputs])
        used = [place[1] for place in places if place[0] == name]
        return int(bool(used) and max(used) >= max(len(self.waiting[name]), 1))

    def output(self, place: Any) -> SymbolicTensor:
        """The tensor at ``(layer, number of the call, place in its outputs)``."""
        name, number, index = place[:3]
        nodes = self._known(name).inbound_nodes
        number -= self.first[name]
        if not 0 <= number < len(nodes) or not 0 <= index < len(nodes[number].output_tensors):
            raise ValueError(f"The config names output {place!r}, but there is no such call.")
        return nodes[number].output_tensors[index]

    def _known(self, name: str) -> Layer:
        if name not in self.layers:
            raise ValueError(f"The config names a layer {name!r} that it does not describe.")
        return self.layers[name]

    def _ready(self, call: Any) -> bool:
        for name, number, *_ in _places_in(call):
            if len(self._known(name).inbound_nodes) <= number - self.first[name]:
                return False
        return True

    def replay(self) -> None:
        """Call the layers again, each call as soon as its inputs are there."""
        waiting = {name: calls for name, calls in self.waiting.items() if calls}
        while waiting:
            moved = False
            for name in list(waiting):
                calls = waiting[name]
                while calls and self._ready(calls[0]):
                    self._call(self.layers[name], calls.pop(0))
                    moved = True
                if not calls:
                    del waiting[name]
            if not moved:
                names = ", ".join(sorted(waiting))
                raise ValueError(f"The config's layers wait for each other in a circle: {names}.")

    def _call(self, layer: Layer, call: Any) -> None:
        if isinstance(call, Mapping):
            layer(*self._filled(call["args"]), **self._filled(call["kwargs"]))
            return
        inputs = [self.output(place) for place in call]
        kwargs = self._filled(call[0][3]) if len(call[0]) > 3 else {}
        layer(inputs[0] if len(inputs) == 1 else inputs, **kwargs)

    def _filled(self, value: Any) -> Any:
        """Arguments with tensors in the place of places."""
        if isinstance(value, Mapping):
            place = _marked_place(value)
            if place is not None:
                return self.output(place)
            return {key: self._filled(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._filled(part) for part in value)
        return value


def _marked_place(value: Mapping[str, Any]) -> Any:
    """The place that stands for a tensor among arguments, in lamina's form or in Keras 3's."""
    if set(value) == {"tensor"}:
        return value["tensor"]
    if value.get("class_name") == "__keras_tensor__":
        return value["config"]["keras_history"]
    return None


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
        if len(call) in (3, 4) and isinstance(call[0], str) and isinstance(call[1], int):
            yield call
            yield from _places_in(call[3:])
            return
        for part in call:
            yield from _places_in(part)


def _restored(places: Any, tensor: Callable[[Any], SymbolicTensor]) -> Any:
    if isinstance(places, Mapping):
        return {key: tensor(place) for key, place in places.items()}
    if places and isinstance(places[0], str):
        return tensor(places)
    found = [tensor(place) for place in places]
    return found[0] if len(found) == 1 else found


def model_from_config(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model, without its weights, from ``{"class_name": ..., "config": ...}``.

    >>> dense = {"class_name": "Dense", "config": {"units": 2, "input_shape": (3,)}}
    >>> config = {"class_name": "Sequential", "config": {"layers": [dense]}}
    >>> model_from_config(config).output_shape
    (None, 2)
    """
    return registry.deserialize("layer", config, custom_objects)


def model_from_json(text: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model, without its weights, from what ``to_json`` gave.

    Raises:
        ValueError: the text is no JSON, or describes no model.

    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> model_from_json(Sequential([Dense(2, input_shape=(3,))]).to_json()).output_shape
    (None, 2)
    """
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"model_from_json: the text is not JSON ({error}).") from None
    return model_from_config(config, custom_objects)
