"""Functions in the graphs of files: ``x + 1`` of Keras 3 as the function of `lamina.ops`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from lamina import registry
from lamina.core.graph import tensors
from lamina.saving import operation_table, values
from lamina.typing import Config

OPERATION = "lamina.ops"
"""Class name of an operation in a config that was translated."""

_MODULES = ("keras.ops", "keras.src.ops", "lamina.ops")
_NOT_ARGUMENTS = frozenset({"name", "trainable"})

_OF_TENSORFLOW = {
    "__operators__.getitem": "getitem",
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

_ARGUMENTS_OF_TENSORFLOW = {
    **{"perm": "axes", "input": "x", "input_tensor": "x", "tensor": "x", "y": "x2", "b": "x2"},
    **{"shape": "newshape"},
}


_TAKES_FUNCTIONS = frozenset(
    [
        *("cond", "scan", "fori_loop", "while_loop", "map", "vectorized_map", "associative_scan"),
        *("custom_gradient", "convert_to_numpy"),
    ]
)
"""Functions that take functions, which a config cannot hold, or leave the graph."""


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
        self.function = table()[config["function"]]
        self.arguments = {key: _axes(value) for key, value in config["arguments"].items()}
        known = operation_table.classes().get(config["function"].replace("_", ""))
        starred = known is None or any(word.startswith("*") for word in known.given)
        self.given = () if known is None or starred else known.given  # not always the first ones
        self.inbound_nodes: list[Call] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "subscripts" in self.arguments:  # of einsum, which has them first
            args = (self.arguments["subscripts"], *args)
            outputs = self.function(*args, **kwargs)
        else:
            given = dict(zip(self.given, args, strict=False))
            outputs = self.function(*args[len(given) :], **given | self.arguments | kwargs)
        self.inbound_nodes.append(Call(list(tensors(outputs))))
        return outputs

    def __str__(self) -> str:
        return f"the function {self.function.__name__} {self.name!r}"


@cache
def table() -> dict[str, Any]:
    """Functions of arrays and plain values; none of them takes a function or a path.

    >>> "mean" in table(), "map" in table()
    (True, False)
    """
    from lamina.backend import keras3

    whole = keras3.group("image") | keras3.table()
    found = {name: function for name, function in whole.items() if name not in _TAKES_FUNCTIONS}
    return found | {"getitem": _item}


def _axes(value: Any) -> Any:
    """Several axes as a tuple; JSON has lists alone."""
    return tuple(value) if isinstance(value, list) else value


def _item(x: Any, key: Any) -> Any:
    return x[tuple(key) if isinstance(key, list) else key]


@cache
def _folded() -> dict[str, str]:
    return {name.replace("_", ""): name for name in table()}


def _is_bare(word: str, module: Any, config: Mapping[str, Any]) -> bool:
    """Whether an entry without a module is a function: Keras 3 leaves it out in ``.h5`` files."""
    known = word.lower() in _folded() and registry.find_custom(word) is None
    return known and module is None and "trainable" not in config  # which layers state


def described(entry: Mapping[str, Any], bare: bool = False) -> Config | None:
    """The config of the operation that an entry of a graph is, or ``None`` for a layer.

    Args:
        entry: the entry.
        bare: whether functions may come without a module.

    Raises:
        ValueError: it is a function that lamina does not have.
    """
    config = entry.get("config")
    config = config if isinstance(config, Mapping) else {}
    arguments: Config
    word = str(entry.get("class_name"))
    if word == OPERATION:
        word = str(config.get("function"))
        function = word if word in table() else None
        given = config.get("arguments")
        arguments = dict(given) if isinstance(given, Mapping) else {}
    elif word in ("TFOpLambda", "SlicingOpLambda"):
        function = _OF_TENSORFLOW.get(str(config.get("function")))
        word = str(config.get("function"))
        arguments = {}
    elif str(entry.get("module")).startswith(_MODULES) or (
        bare and _is_bare(word, entry.get("module"), config)
    ):
        function = _folded().get(word.replace("_", "").lower())
        arguments = {k: v for k, v in config.items() if k not in _NOT_ARGUMENTS}
    else:
        return None
    if function is None:
        raise ValueError(
            f"The graph calls the function {word!r}, which is none of lamina.ops."
            f"{registry.did_you_mean(word, list(table()))} Put it into a Lambda or a layer of "
            "your own, and load the weights into that model."
        )
    name = config.get("name") or entry.get("name")
    return {"name": name, "function": function, "arguments": values.restored(arguments)}


def arguments_of_tensorflow(kwargs: Mapping[str, Any]) -> Config:
    """Keyword arguments of a function of TensorFlow under the names of `lamina.ops`."""
    found = {
        _ARGUMENTS_OF_TENSORFLOW.get(name, name): value
        for name, value in kwargs.items()
        if name not in ("name", "slice_spec")
    }
    if "slice_spec" in kwargs:
        found["key"] = _slices(kwargs["slice_spec"])
    return found


def _slices(value: Any) -> Any:
    """What stands in the brackets of ``x[...]``, as ``tf.keras`` writes it."""
    if isinstance(value, Mapping) and set(value) == {"start", "stop", "step"}:
        return values.a_slice(value)
    if isinstance(value, list | tuple):
        return tuple(_slices(part) for part in value)
    return value
