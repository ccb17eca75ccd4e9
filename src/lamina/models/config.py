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
    """Make a model from the config that `graph_config` gives, or Keras 1 and 2."""
    layers: dict[str, Layer] = {}
    waiting: list[tuple[str, Any]] = []
    offsets: dict[str, int] = {}
    for entry in config["layers"]:
        layer = registry.deserialize("layer", entry, custom_objects)
        name = entry.get("name", layer.name)
        layers[name] = layer
        offsets[name] = 0
        waiting.extend((name, call) for call in entry.get("inbound_nodes", []))
    _replay(layers, waiting)

    def tensor(place: Any) -> SymbolicTensor:
        return _output(layers, place)

    inputs = _restored(config["input_layers"], tensor)
    outputs = _restored(config["output_layers"], tensor)
    return cls(inputs, outputs, name=config.get("name"))


def _restored(places: Any, tensor: Callable[[Any], SymbolicTensor]) -> Any:
    if isinstance(places, Mapping):
        return {key: tensor(place) for key, place in places.items()}
    if places and isinstance(places[0], str):
        return tensor(places)
    found = [tensor(place) for place in places]
    return found[0] if len(found) == 1 else found


def _output(layers: dict[str, Layer], place: Any) -> SymbolicTensor:
    name, node, index = place[:3]
    if name not in layers:
        raise ValueError(f"The config names a layer {name!r} that it does not describe.")
    return layers[name].inbound_nodes[node].output_tensors[index]


def _replay(layers: dict[str, Layer], waiting: list[tuple[str, Any]]) -> None:
    """Call the layers again, each call as soon as its inputs are there."""
    while waiting:
        left = []
        for name, call in waiting:
            if (waiting_first := next((n for n, _ in left if n == name), None)) or not _ready(
                layers, call
            ):
                del waiting_first
                left.append((name, call))
                continue
            _apply(layers, layers[name], call)
        if len(left) == len(waiting):
            names = ", ".join(sorted({name for name, _ in left}))
            raise ValueError(f"The config's layers wait for each other in a circle: {names}.")
        waiting = left


def _ready(layers: dict[str, Layer], call: Any) -> bool:
    for place in _all_places(call):
        layer = layers.get(place[0])
        if layer is None:
            raise ValueError(f"The config names a layer {place[0]!r} that it does not describe.")
        if len(layer.inbound_nodes) <= place[1]:
            return False
    return True


def _all_places(call: Any) -> Iterator[Any]:
    if isinstance(call, Mapping):
        if set(call) == {"tensor"}:
            yield call["tensor"]
            return
        for part in call.values():
            yield from _all_places(part)
    elif isinstance(call, list | tuple):
        if len(call) in (3, 4) and isinstance(call[0], str) and isinstance(call[1], int):
            yield call
            if len(call) == 4:
                yield from _all_places(call[3])
            return
        for part in call:
            yield from _all_places(part)


def _apply(layers: dict[str, Layer], layer: Layer, call: Any) -> None:
    def fill(value: Any) -> Any:
        if isinstance(value, Mapping):
            if set(value) == {"tensor"}:
                return _output(layers, value["tensor"])
            return {key: fill(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(fill(part) for part in value)
        return value

    if isinstance(call, Mapping):
        layer(*fill(call["args"]), **fill(call["kwargs"]))
        return
    inputs = [_output(layers, place) for place in call]
    kwargs = fill(call[0][3]) if len(call[0]) > 3 else {}
    layer(inputs[0] if len(inputs) == 1 else inputs, **kwargs)


def model_from_config(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model, without its weights, from ``{"class_name": ..., "config": ...}``."""
    return registry.deserialize("layer", config, custom_objects)


def model_from_json(text: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model, without its weights, from what ``to_json`` gave.

    Raises:
        ValueError: the text is no JSON, or describes no model.
    """
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ValueError(f"model_from_json: the text is not JSON ({error}).") from None
    return model_from_config(config, custom_objects)


def clone_model(model: Any, input_tensors: Any = None) -> Any:
    """A model of the same layers, with new weights.

    Args:
        model: a model with a graph.
        input_tensors: symbolic tensors to build it on, instead of new inputs.
    """
    copy = type(model).from_config(model.get_config())
    if input_tensors is None:
        return copy
    given = input_tensors if isinstance(input_tensors, list | tuple) else [input_tensors]
    outputs = copy(given[0] if len(given) == 1 else list(given))
    return type(model)(input_tensors, outputs)
