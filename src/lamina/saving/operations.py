"""Functions in the graphs of files: ``x + 1`` of Keras 3 as the function of `lamina.ops`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from lamina import registry
from lamina.core.graph import tensors
from lamina.typing import Config

OPERATION = "lamina.ops"
"""Class name of an operation in a config that was translated."""

_MODULES = ("keras.ops", "keras.src.ops", "lamina.ops")
_NOT_ARGUMENTS = frozenset({"name", "trainable", "dtype"})

_OF_TENSORFLOW = {
    "math.add": "add",
    "__operators__.add": "add",
    "math.subtract": "subtract",
    "math.multiply": "multiply",
    "math.divide": "divide",
    "math.truediv": "true_divide",
    "math.pow": "power",
    "math.maximum": "maximum",
    "math.minimum": "minimum",
    "math.negative": "negative",
    "math.abs": "absolute",
    "math.square": "square",
    "math.sqrt": "sqrt",
    "math.exp": "exp",
    "math.log": "log",
    "math.tanh": "tanh",
    "math.sigmoid": "sigmoid",
    "nn.relu": "relu",
    "nn.sigmoid": "sigmoid",
    "nn.softmax": "softmax",
    "math.reduce_mean": "mean",
    "math.reduce_sum": "sum",
    "math.reduce_max": "max",
    "math.reduce_min": "min",
    "linalg.matmul": "matmul",
    "reshape": "reshape",
    "transpose": "transpose",
    "expand_dims": "expand_dims",
    "squeeze": "squeeze",
    "concat": "concatenate",
    "stack": "stack",
    "cast": "cast",
}
"""Functions of TensorFlow that ``tf.keras`` writes into graphs, and those of `lamina.ops`."""

_ARGUMENTS_OF_TENSORFLOW = {"perm": "axes", "input": "x", "input_tensor": "x", "tensor": "x"}


class Call(NamedTuple):
    """One call of an operation, as `Node` is one of a layer."""

    output_tensors: list[Any]


class Operation:
    """A function of `lamina.ops` that a config names, with the arguments it states.

    Args:
        config: ``name``, ``function`` and ``arguments``.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.name = str(config["name"])
        self.function = _table()[config["function"]]
        self.arguments = dict(config["arguments"])
        self.inbound_nodes: list[Call] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        outputs = self.function(*args, **self.arguments | kwargs)
        self.inbound_nodes.append(Call(list(tensors(outputs))))
        return outputs

    def __str__(self) -> str:
        return f"the function {self.function.__name__} {self.name!r}"


@cache
def _table() -> dict[str, Any]:
    """Functions of arrays and plain values; none of them takes a function or a path."""
    from lamina.backend import keras3
    from lamina.backend.keras3 import arrays, elementwise, nn

    known = {**elementwise.table(), **arrays.table(), **nn.table()}
    found = {name: function for name, function in keras3.table().items() if name in known}
    return found | {"getitem": _item}


def _item(x: Any, key: Any) -> Any:
    return x[tuple(key) if isinstance(key, list) else key]


@cache
def _folded() -> dict[str, str]:
    return {name.replace("_", ""): name for name in _table()}


def described(entry: Mapping[str, Any]) -> Config | None:
    """The config of the operation that an entry of a graph is, or ``None`` for a layer.

    Raises:
        ValueError: it is a function that lamina does not have.
    """
    config = entry.get("config")
    config = config if isinstance(config, Mapping) else {}
    word = str(entry.get("class_name"))
    if word in ("TFOpLambda", "SlicingOpLambda"):
        function = _OF_TENSORFLOW.get(str(config.get("function")))
        word = str(config.get("function"))
        arguments: Config = {}
    elif str(entry.get("module")).startswith(_MODULES):
        function = _folded().get(word.lower())
        arguments = {k: v for k, v in config.items() if k not in _NOT_ARGUMENTS}
    else:
        return None
    if function is None:
        raise ValueError(
            f"The graph calls the function {word!r}, which is none of lamina.ops."
            f"{registry.did_you_mean(word, list(_table()))} Put it into a Lambda or a layer of "
            "your own, and load the weights into that model."
        )
    name = config.get("name") or entry.get("name")
    return {"name": name, "function": function, "arguments": arguments}


def arguments_of_tensorflow(kwargs: Mapping[str, Any]) -> Config:
    """Keyword arguments of a function of TensorFlow under the names of `lamina.ops`."""
    return {
        _ARGUMENTS_OF_TENSORFLOW.get(name, name): value
        for name, value in kwargs.items()
        if name != "name"
    }
