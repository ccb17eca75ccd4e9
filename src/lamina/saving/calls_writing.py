"""Calls of layers and functions in the configs of graphs, as Keras 3 writes them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from lamina.saving import operation_table, operations
from lamina.saving.graph_writing import tensors_by_place
from lamina.typing import Config


def tensors_3(model: Any, place: Callable[[Any], Any] = list) -> Callable[[Any], Config]:
    """What writes a tensor of a graph as Keras 3 does.

    Args:
        model: a model with a graph.
        place: gives the place as it is written.
    """
    tensors = tensors_by_place(model)

    def tensor(where: Any) -> Config:
        found = tensors[tuple(where[:3])]
        about = {"shape": list(found.shape), "dtype": found.dtype.name}
        return {"class_name": "__keras_tensor__", "config": about | {"keras_history": place(where)}}

    return tensor


def function_call_3(entry: Config, calls: list[Config]) -> Config:
    """The entry of a function in a graph as Keras 3 writes it; of one that it has not, as ours.

    Args:
        entry: from `operation_writing`.
        calls: its calls in the form of Keras 3.
    """
    function, config = entry["config"]["function"], entry["config"]["arguments"]
    known = operation_table.classes().get(function.replace("_", ""))
    return {
        "module": f"keras.src.ops.{known.module}" if known else operations.OPERATION,
        "class_name": known.name if known else function,
        "config": {"name": entry["name"], **config},
        "registered_name": known.name if known else None,
        "name": entry["name"],
        "inbound_nodes": calls,
    }


def call_3(call: Any, tensor: Any) -> Config:
    """One call in the form of Keras 3.

    Args:
        call: as `graph_writing` has it.
        tensor: from `tensors_3`.
    """
    if isinstance(call, Mapping):
        filled = _filled(call, tensor)
        return {"args": filled["args"], "kwargs": filled["kwargs"]}
    inputs = [tensor(place[:3]) for place in call]
    return {
        "args": inputs if len(inputs) == 1 else [inputs],
        "kwargs": _filled(call[0][3], tensor),
    }


def _filled(value: Any, tensor: Any) -> Any:
    """Arguments of a call with tensors of Keras 3 in the place of lamina's."""
    if isinstance(value, Mapping):
        if set(value) == {"tensor"}:
            return tensor(value["tensor"])
        return {key: _filled(part, tensor) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(part, tensor) for part in value]
    return plain(value)


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value


def odd_places(twice: Collection[str]) -> Callable[[Any], list[Any]]:
    """What gives the place of a tensor where each call of some layers stands twice.

    Args:
        twice: names of the layers.
    """

    def place(value: Any) -> list[Any]:
        number = 2 * value[1] + 1 if value[0] in twice else value[1]
        return [value[0], number, value[2]]

    return place


def shifted(places: Any, place: Callable[[Any], Any]) -> Any:
    """Inputs or outputs of a graph with other places.

    Args:
        places: of `graph_writing`.
        place: gives the place as it is written.
    """
    if isinstance(places, Mapping):
        return {key: place(one) for key, one in places.items()}
    return [place(one) for one in places]
