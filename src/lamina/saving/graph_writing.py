"""Graphs of models written down: the layers, their calls on each other, inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def tensors_by_place(model: Any) -> dict[tuple[str, int, int], SymbolicTensor]:
    """The tensors of a graph by what its config calls them.

    Args:
        model: a model with a graph.
    """
    calls: dict[str, int] = {}
    found = {}
    for node in _nodes(model):
        name = node.operation.name
        number = calls[name] = calls.get(name, -1) + 1
        for index, tensor in enumerate(node.output_tensors):
            found[name, number, index] = tensor
    return found
