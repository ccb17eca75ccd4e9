"""Configs of models: the graph written down; `lamina.saving.config` reads it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamina import registry
from lamina.core.configurable import plain
from lamina.core.graph import Node, _Free, replace
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor
from lamina.saving import config as reader
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


def model_from_config(config: Config, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model, without its weights, from ``{"class_name": ..., "config": ...}``.

    Args:
        config: as any release of Keras or lamina wrote it.
        custom_objects: classes and functions of yours by name; the function of a `Lambda` by the
            name of the layer.

    Raises:
        ValueError: the config is malformed, or names classes that are unknown.

    >>> dense = {"class_name": "Dense", "config": {"units": 2, "input_shape": (3,)}}
    >>> config = {"class_name": "Sequential", "config": {"layers": [dense]}}
    >>> model_from_config(config).output_shape
    (None, 2)
    """
    if isinstance(config, list):
        raise TypeError(
            "model_from_config takes {'class_name': ..., 'config': ...}, got a list, which is what "
            "get_config of a Sequential of Keras 1 gives: use Sequential.from_config."
        )
    return reader.read_model(config, custom_objects)


def model_from_json(text: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make a model, without its weights, from what ``to_json`` of any release gave.

    Args:
        text: the text.
        custom_objects: as for `model_from_config`.

    Raises:
        ValueError: the text is no JSON, or describes no model.

    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> model_from_json(Sequential([Dense(2, input_shape=(3,))]).to_json()).output_shape
    (None, 2)
    """
    return reader.read_json(text, custom_objects)


def model_from_yaml(text: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Refuse: lamina reads JSON, no YAML.

    Raises:
        ValueError: always; the message says what to do.

    >>> model_from_yaml("")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: model_from_yaml: lamina reads no YAML, ...
    """
    raise ValueError(
        "model_from_yaml: lamina reads no YAML, a format whose loaders ran code from files. Write "
        "the model as JSON with to_json() where it was made, and read it with model_from_json; "
        "in a YAML text of your own, yaml.safe_load gives the dict for model_from_config."
    )
