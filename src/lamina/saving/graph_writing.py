"""Graphs of models written down: the layers, their calls on each other, inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lamina import registry
from lamina.core import sharing
from lamina.core.configurable import plain
from lamina.core.graph import Node, _Free, replace
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor
from lamina.saving import operation_writing
from lamina.typing import Config, Nested


def graph_config(model: Any) -> Config:
    """Layers, their calls, inputs and outputs, in the form of Keras 2."""
    kept: dict[int, dict[int, int]] = {}
    names = _names(model)
    functions: dict[int, Node] = {}
    for node in _nodes(model):
        calls = kept.setdefault(id(node.operation), {})
        calls[node.index] = len(calls)
        functions[id(node.operation)] = node

    def place(tensor: SymbolicTensor) -> list[Any]:
        history = tensor._keras_history
        assert history is not None
        return [names[id(history.layer)], kept[id(history.layer)][history.node_index], history[2]]

    def entry(operation: Any) -> Config:
        if not isinstance(operation, _Free):
            return _entry(operation, kept.get(id(operation), {}), place)
        try:
            return operation_writing.entry(functions[id(operation)], names[id(operation)], place)
        except NotImplementedError as error:
            raise NotImplementedError(f"{model}: {error}") from None

    with sharing.numbered(model):
        entries = [entry(operation) for operation in model.graph.layers]
    return {
        "name": model.name,
        "layers": entries,
        "input_layers": _places(model._input_structure, place),
        "output_layers": _places(model._output_structure, place),
    }


def _names(model: Any) -> dict[int, str]:
    """Names of the layers, and new ones for the functions, by identity."""
    names = {id(layer): layer.name for layer in model.graph.layers_only()}
    taken = set(names.values())
    for operation in [*model.graph.layers, *(node.operation for node in _nodes(model))]:
        if id(operation) not in names:
            function = getattr(operation, "function", None)
            word = operation_writing.name_of(function) if function else None
            name = first = word or operation.name
            number = 0
            while name in taken:
                number += 1
                name = f"{first}_{number}"
            names[id(operation)] = name
            taken.add(name)
    return names


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
    } | sharing.number(layer)


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
    names = _names(model)
    for node in _nodes(model):
        name = names[id(node.operation)]
        number = calls[name] = calls.get(name, -1) + 1
        for index, tensor in enumerate(node.output_tensors):
            found[name, number, index] = tensor
    return found
