"""From data to the inputs of a graph: by position or by name, with the shapes that it expects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.core import dialects, shapes
from lamina.core.naming import counted
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable
from lamina.typing import Nested


def checked_tensors(owner: str, argument: str, structure: Nested) -> list[SymbolicTensor]:
    """All symbolic tensors of a structure.

    Raises:
        TypeError: something in it is no symbolic tensor.
    """
    found = shapes.flat(structure)
    for value in found:
        if not isinstance(value, SymbolicTensor):
            raise TypeError(
                f"Model {owner!r}: {argument} must be symbolic tensors, such as what Input() and "
                f"layers called on it return, got {described(value)}."
            )
    if not found:
        raise ValueError(f"Model {owner!r}: {argument} holds no tensor.")
    return found


def in_order(structure: Nested) -> Nested:
    """Dicts in the order of their keys: so JAX returns them, and so Keras 3 orders the weights.

    >>> in_order([{"b": 1, "a": {"d": 2, "c": 3}}])
    [{'a': {'c': 3, 'd': 2}, 'b': 1}]
    """
    if isinstance(structure, dict) and all(isinstance(key, str) for key in structure):
        return {key: in_order(structure[key]) for key in sorted(structure)}
    if isinstance(structure, list):
        return [in_order(part) for part in structure]
    return structure


def check_arguments(model: Any, config: dict[str, Any]) -> None:
    """Raise a ``NotImplementedError`` if a subclass keeps not all arguments for its config."""
    missing = [
        name
        for name in dialects.parameters(type(model))
        if name not in config and name not in ("inputs", "outputs")
    ]
    if missing:
        raise NotImplementedError(
            f"{model}: the argument {missing[0]!r} of {type(model).__name__} is kept under no "
            f"attribute of that name. Set self.{missing[0]} in __init__, or define get_config."
        )


def described(value: Any) -> str:
    """A value for messages: arrays by type, shape and dtype, others as they are."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        kind = "array" if isinstance(value, jax.Array) else type(value).__name__
        return f"{kind} of shape {tuple(value.shape)} and dtype {value.dtype}"
    return f"{type(value).__name__} {value!r}"


def check_shape(model: Any, shape: Any) -> None:
    """Raise a ``ValueError`` unless a value is a shape, or lists or dicts of shapes."""
    parts = list(shape.values()) if isinstance(shape, dict) else shape
    good = isinstance(parts, list | tuple) and len(parts) > 0
    if not good or not (shapes.is_shape(parts) or all(map(shapes.is_shape, parts))):
        raise ValueError(
            f"{model}: build needs the shape of the input, with the batch axis, such as "
            f"(None, 28, 28, 1), got {shape!r}."
        )


def unwrapped(structure: Nested) -> Nested:
    """A list of one tensor as that tensor, as Keras 2 takes it."""
    if isinstance(structure, list | tuple) and len(structure) == 1:
        return structure[0] if isinstance(structure[0], SymbolicTensor) else structure
    return structure


def check_names(owner: str, layers: Sequence[Any]) -> None:
    """Raise a ``ValueError`` if two layers have one name."""
    seen: dict[str, Any] = {}
    for layer in layers:
        if seen.setdefault(layer.name, layer) is not layer:
            raise ValueError(
                f"Model {owner!r}: two layers are named {layer.name!r}; all names must be unique."
            )


def names_of(symbolic: Sequence[SymbolicTensor], structure: Nested = None) -> list[str]:
    """A name for each input or output: its key in a dict, or that of the layer that made it."""
    if isinstance(structure, dict) and len(structure) == len(symbolic):
        return list(map(str, structure))
    names: list[str] = []
    for tensor in symbolic:
        base = getattr(tensor.op, "name", None) or tensor.name
        name, number = base, 0
        while name in names:
            number += 1
            name = f"{base}_{number}"
        names.append(name)
    return names


def aligned(
    model: Any, data: Nested, names: Sequence[str], expected: Sequence[SymbolicTensor]
) -> list[Any]:
    """The values for the inputs of a graph, in their order.

    Args:
        model: the model, for messages.
        data: an array, a list or tuple of arrays, or a dict by name.
        names: names of the inputs.
        expected: the symbolic inputs.

    Raises:
        ValueError: a wrong number, an unknown or missing name, a wrong rank or size.
    """
    fed = [place for place, tensor in enumerate(expected) if tensor.value is None]
    values = _by_place(model, data, [names[place] for place in fed])
    result: list[Any] = [_plain(tensor.value) for tensor in expected]
    for place, value in zip(fed, values, strict=True):
        result[place] = _fitted(model, names[place], value, expected[place])
    return result


def held_rows(model: Any) -> int | None:
    """Rows of the arrays that a model holds as ``Input(tensor=array)``, if it is fed nothing."""
    if not model.inputs or any(tensor.value is None for tensor in model.inputs):
        return None
    return next((tensor.value.shape[0] for tensor in model.inputs if tensor.value.shape), None)


def _by_place(model: Any, data: Nested, names: list[str]) -> list[Any]:
    if isinstance(data, dict):
        keys = _keys(model, names)
        found = [next((word for word in keys[name] if word in data), None) for name in names]
        for name, key in zip(names, found, strict=True):
            if key is None:
                raise _missing(model, name, data, keys)
        return [data[key] for key in found]
    values = shapes.flat(data) if isinstance(data, list | tuple) else [data]
    if not names and (data is None or np.shape(data)[1:] == (0,)):
        return []  # all inputs are Input(tensor=array), and FixedSource gave the rows alone
    if data is None or len(values) != len(names):
        given = 0 if data is None else len(values)
        raise ValueError(
            f"{model} has {counted(len(names), 'input')} ({', '.join(names)}), but got {given}."
            + (" Pass them as a list or as a dict by name." if len(names) > 1 else "")
        )
    return values


def _missing(model: Any, name: str, data: dict[Any, Any], keys: dict[str, list[str]]) -> ValueError:
    """The error for an input without data; a key that is no input may be a misspelt name."""
    words = [word for known in keys.values() for word in known]
    for key in data:
        guess = "" if key in words else registry.did_you_mean(str(key), words)
        if guess:
            return ValueError(f"{model}: unknown key {key!r} in the dict of inputs.{guess}")
    return ValueError(
        f"{model}: no data for input {name!r}; the dict has "
        f"{', '.join(map(repr, data)) or 'nothing'}, the model the inputs "
        f"{', '.join(map(repr, keys))}."
    )


def _keys(model: Any, names: list[str]) -> dict[str, list[str]]:
    """For each input, the words under which a dict may hold its data."""
    keys = {name: [name] for name in names}
    if isinstance(model._input_structure, dict):
        for key, name in zip(model._input_structure, model.input_names, strict=False):
            if name in keys:
                keys[name].append(key)
    return keys


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Variable) else value


def _fitted(model: Any, name: str, value: Any, expected: SymbolicTensor) -> Any:
    """The value, with a last axis of size 1 added where only that is missing."""
    if not hasattr(value, "shape"):
        value = np.asarray(value)
    if isinstance(value, SymbolicTensor) or not isinstance(value.shape, tuple):
        return value
    shape, wanted = tuple(value.shape), expected.shape
    if len(shape) == len(wanted) - 1 and wanted[-1] == 1 and hasattr(value, "reshape"):
        value = value.reshape((*shape, 1))
        shape = tuple(value.shape)
    if len(shape) != len(wanted):
        raise ValueError(
            f"{model}: input {name!r} expects shape {wanted}, rank {len(wanted)}, got an array of "
            f"shape {shape}, rank {len(shape)}.{_rank_hint(shape, wanted)}"
        )
    for axis, (size, want) in enumerate(zip(shape, wanted, strict=True)):
        if want is not None and size is not None and size != want:
            raise ValueError(
                f"{model}: input {name!r} expects shape {wanted}, got an array of shape {shape}: "
                f"axis {axis} has size {size} instead of {want}."
                + ("" if axis else _batch_hint(want))
            )
    return _as_declared(value, expected)


def _batch_hint(want: int) -> str:
    return (
        f" The batch size is fixed: pass batch_size={want} to fit, evaluate and predict, and a "
        f"number of rows that {want} divides."
    )


def _as_declared(value: Any, expected: SymbolicTensor) -> Any:
    """Integers where the input is declared as float become floats, as Keras does."""
    wanted = expected.dtype
    kind = getattr(value, "dtype", None)
    if kind is None or kind == wanted or not hasattr(value, "astype"):
        return value
    if jnp.issubdtype(wanted, jnp.floating) and not jnp.issubdtype(kind, jnp.complexfloating):
        return value.astype(wanted)
    if jnp.issubdtype(wanted, jnp.integer):
        on_host = isinstance(value, np.ndarray)
        return value.astype(wanted if on_host else jax.dtypes.canonicalize_dtype(wanted))
    return value


def _rank_hint(shape: tuple[int, ...], wanted: Any) -> str:
    if len(shape) == len(wanted) - 1:
        if wanted[1:] == shape:
            return " A single sample needs a batch axis in front: x[None]."
        return " If the channels are missing, add an axis: x[..., None]."
    return ""
