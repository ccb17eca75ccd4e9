"""Functions in the graphs of models, ``x + 1``, written down as functions of `lamina.ops`.

Only named functions are: those of `lamina.ops`, operators, and those of ``K`` that compute the
same as one of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import config
from lamina.core.dispatch import Function
from lamina.core.graph import Node, tensors
from lamina.core.symbolic import SymbolicTensor
from lamina.saving import operation_table, operations, values
from lamina.typing import Config

NUMBERS = 2**16
"""Numbers of the largest array among the arguments that is written into a config."""

_OPERATORS = {
    **{"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide"},
    **{"floordiv": "floor_divide", "mod": "mod", "pow": "power", "matmul": "matmul"},
    **{"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"},
    **{"neg": "negative", "abs": "absolute", "getitem": "getitem"},
    **{"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "invert": "bitwise_not"},
    **{"sum": "sum", "mean": "mean", "max": "max", "min": "min", "prod": "prod", "std": "std"},
    **{"var": "var", "argmax": "argmax", "argmin": "argmin", "squeeze": "squeeze"},
    **{"astype": "cast"},
}
_OF_REDUCE = "sum mean max min prod std var argmax argmin any all logsumexp"
_OF_ARITHMETIC = "power maximum minimum greater greater_equal less less_equal equal not_equal"
_OF_JAX = "square abs sign round sin cos reshape transpose expand_dims squeeze tile flip"


def name_of(function: Callable[..., Any]) -> str | None:
    """The function of `lamina.ops` that computes what a node of a graph does, if there is one.

    Args:
        function: what the node calls.
    """
    module = getattr(function, "__module__", None)
    if module in ("lamina.core.symbolic", "_operator"):
        return _OPERATORS.get(function.__name__)
    try:
        return _names().get(function)
    except TypeError:  # not to be hashed
        return None


@cache
def _names() -> dict[Any, str]:
    """Functions that nodes call, and the names of those of `lamina.ops` that are the same."""
    from lamina.backend import create, shapes
    from lamina.backend import tensors as elements
    from lamina.ops import arithmetic, elementwise, reduce

    found: dict[Any, str] = {getattr(jnp, name): name for name in _OF_JAX.split()}
    found |= {getattr(reduce, name): name for name in _OF_REDUCE.split()}
    found |= {getattr(arithmetic, name): name for name in _OF_ARITHMETIC.split()}
    found |= {elements._exp: "exp", elements._log: "log", elements._clip: "clip"}
    found |= {shapes._concatenate: "concatenate", shapes._stack: "stack", create._cast: "cast"}
    found |= {elementwise.gelu: "gelu"}
    known = operation_table.classes()
    # The names that Keras 3 knows come last, so that they count where a function has several.
    for name, function in sorted(
        operations.table().items(), key=lambda pair: pair[0].replace("_", "") in known
    ):
        if hasattr(function, "__wrapped__"):
            found[function.__wrapped__] = name
    return found


def entry(node: Node, name: str, place: Callable[[SymbolicTensor], list[Any]]) -> Config:
    """The entry of a function in the config of a graph.

    Args:
        node: the call of the function.
        name: its name in the config.
        place: says where a tensor comes from.

    Raises:
        NotImplementedError: it is none of the named functions, or an argument cannot be written.
    """
    function = name_of(node.operation.function) if isinstance(node.operation, Function) else None
    if function is None:
        raise NotImplementedError(
            f"the function {node.operation.name!r} was applied to a symbolic tensor; a config can "
            "only name layers and functions of lamina.ops. Wrap it in a Lambda, or use a function "
            "of lamina.ops."
        )
    args, kwargs, arguments = _arguments(node, function, place)
    return {
        "name": name,
        "class_name": operations.OPERATION,
        "config": {"name": name, "function": function, "arguments": arguments},
        "inbound_nodes": [{"args": args, "kwargs": kwargs}],
    }


def _arguments(
    node: Node, name: str, place: Callable[[SymbolicTensor], list[Any]]
) -> tuple[list[Any], Config, Config]:
    """What Keras 3 has as arguments of a call, without names and with, and what it has not."""
    known = operation_table.classes().get(name.replace("_", ""))
    bound = _bound(node, name, known)
    given = _of_calls(bound) if known is None else known.given
    plain = [one.lstrip("*") for one in given]
    args: list[Any] = []
    kwargs: Config = {}
    arguments: Config = {}
    for word in (*plain, *(word for word in bound if word not in plain)):
        value = bound.get(word)
        if word not in bound:
            continue
        if word not in plain:
            arguments[word] = _written(value, name, None)
        elif f"*{word}" in given:
            args.extend(_written(part, name, place) for part in value or ())
        elif len(args) == plain.index(word):
            args.append(_written(value, name, place))
        else:
            kwargs[word] = _written(value, name, place)
    return args, kwargs, arguments


def _bound(node: Node, name: str, known: operation_table.Class | None) -> Config:
    """The arguments of a call by their names in `lamina.ops`."""
    signature = inspect.signature(operations.table()[name])
    try:
        bound = signature.bind(*node.args, **node.kwargs).arguments
    except TypeError as error:
        raise NotImplementedError(f"the function {name!r} is called otherwise: {error}.") from None
    if name == "getitem":
        bound["key"] = _spelled(bound["key"], bound["x"].ndim)
    if known is None:
        return bound
    _complete(bound, signature, known.made)
    places = {*known.made, *(word.lstrip("*") for word in known.given)}
    for word, value in bound.items():
        if word not in places:
            _check_default(name, word, value, signature)
    return {word: value for word, value in bound.items() if word in places}


def _spelled(key: Any, rank: int) -> Any:
    """An index with a slice for each axis of the dots in it, which no ``.h5`` file of Keras holds.

    Args:
        key: what stands in the brackets.
        rank: of the tensor.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if sum(part is ... for part in parts) != 1:
        return key
    place = next(i for i, part in enumerate(parts) if part is ...)
    rest = sum(part is not None and part is not ... for part in parts)
    parts[place : place + 1] = [slice(None)] * (rank - rest)
    return tuple(parts)


def _complete(bound: Config, signature: inspect.Signature, names: Sequence[str]) -> None:
    """Say all arguments, as other releases may have other defaults."""
    for word in names:
        parameter = signature.parameters.get(word)
        if word not in bound and parameter is not None and parameter.default is not parameter.empty:
            bound[word] = parameter.default
        if word == "data_format" and bound.get(word) is None:
            bound[word] = config.image_data_format()
        if word == "strides" and bound.get(word) is None and "pool_size" in bound:
            bound[word] = bound["pool_size"]  # without it Keras 3.15 fails on JAX


def _of_calls(bound: Mapping[str, Any]) -> list[str]:
    """The arguments with tensors in them, for a function that Keras 3 does not have."""
    return [word for word, value in bound.items() if any(True for _ in tensors(value))]


def _check_default(name: str, word: str, value: Any, signature: inspect.Signature) -> None:
    if value is None or value == signature.parameters[word].default:
        return
    raise NotImplementedError(
        f"the function {name!r} is called with {word}={value!r}, for which Keras 3 has no place in "
        "a config. Use a layer, or wrap it in a Lambda."
    )


def _written(value: Any, name: str, place: Callable[[SymbolicTensor], list[Any]] | None) -> Any:
    """An argument as plain data."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_written(part, name, place) for part in value]
    if isinstance(value, SymbolicTensor) and place is not None:
        return {"tensor": place(value)}
    if value is ... or (isinstance(value, slice) and _is_plain(value)):
        return values.written(value)
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    if isinstance(value, np.ndarray | np.generic | jax.Array) and value.size <= NUMBERS:
        return values.written(np.asarray(value))
    raise NotImplementedError(
        f"the function {name!r} has the argument {value!r:.100}, which cannot stand in a config. "
        "Make it the weight of a layer of your own, or an input."
    )


def _is_plain(value: slice) -> bool:
    return all(end is None or isinstance(end, int) for end in (value.start, value.stop, value.step))
