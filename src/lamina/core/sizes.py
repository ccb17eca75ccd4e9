"""Unknown sizes: what stands for them while a function is traced, and what they must be."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from lamina.core import faulty
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable

PROBES = (1680, 3360)
"""Sizes that stand for unknown ones when a shape is inferred: divisible by most numbers, and such
as few models have. A layer that is built meanwhile gets ``None`` in their place."""

MOST_TRIALS = 16
"""Choices of sizes that are tried before a function is said not to fit its inputs."""

Fixed = dict[int, int]
"""Axes whose unknown size must be this one."""


class Traced(NamedTuple):
    """What came out with two choices of the unknown sizes.

    Attributes:
        first: abstract results with the first size.
        second: the same with the second size.
        fixed: the axes whose size is not free, because a constant has that size.
    """

    first: Any
    second: Any
    fixed: Fixed


def traced(
    trace: Callable[[int, Fixed], Any],
    inputs: Sequence[SymbolicTensor],
    function: Callable[..., Any],
    arguments: Any,
) -> Traced:
    """Trace a function with sizes in the place of the unknown ones.

    Where it fails with any size, the sizes of the constants that it computes with are tried.

    Args:
        trace: gives abstract results for a size and for those of fixed axes.
        inputs: its symbolic inputs.
        function: the function, of which the constants are looked at.
        arguments: its arguments, likewise.

    Raises:
        Exception: what the function raised, without the sizes that were put in.
    """
    axes = sorted({a for t in inputs for a, size in enumerate(t.shape) if size is None})
    if not axes:
        first = trace(PROBES[0], {})
        return Traced(first, first, {})
    try:
        return Traced(trace(PROBES[0], {}), trace(PROBES[1], {}), {})
    except (TypeError, ValueError) as error:
        if not faulty.asks_for_values(error):
            for fixed in itertools.islice(_choices(axes, inputs, function, arguments), MOST_TRIALS):
                found = _tried(trace, fixed, free=len(fixed) < len(axes))
                if found is not None:
                    return found
        _hide(error, trace)
        raise
    except Exception as error:
        _hide(error, trace)
        raise


def _tried(trace: Callable[[int, Fixed], Any], fixed: Fixed, free: bool) -> Traced | None:
    try:
        first = trace(PROBES[0], fixed)
        return Traced(first, trace(PROBES[1], fixed) if free else first, fixed)
    except Exception:
        return None


def _choices(
    axes: list[int], inputs: Sequence[SymbolicTensor], function: Any, arguments: Any
) -> Iterator[Fixed]:
    """Sizes for some of the axes, the fewest first."""
    arrays = list(_arrays([arguments, *_captured(function)]))
    known = [one.shape for one in (*arrays, *inputs)] + _fixed_within(function)
    options = {axis: _sizes(axis, inputs, known) for axis in axes}
    constants = [one.shape for one in arrays if not isinstance(one, Variable)]
    loose = dict.fromkeys(size for shape in constants for size in shape if size > 1)
    for number in range(1, len(axes) + 1):
        for chosen in itertools.combinations(axes, number):
            for sizes in itertools.product(*(options[axis] for axis in chosen)):
                yield dict(zip(chosen, sizes, strict=True))
    for axis, size in itertools.product(axes, loose):
        if size not in options[axis]:
            yield {axis: size}


def _sizes(axis: int, inputs: Sequence[SymbolicTensor], known: Sequence[Any]) -> list[int]:
    """The sizes that known shapes have where an unknown one is, counted from either end."""
    found: dict[int, None] = {}
    for tensor, shape in itertools.product(inputs, known):
        if axis < len(tensor.shape) and tensor.shape[axis] is None:
            for place in (axis, axis - len(tensor.shape) + len(shape)):
                size = shape[place] if 0 <= place < len(shape) else None
                if size is not None and size > 1:
                    found[size] = None
    return list(found)


def _arrays(values: Any) -> Iterator[Any]:
    """All arrays and variables in lists, tuples and dicts."""
    if isinstance(values, jax.Array | np.ndarray | Variable):
        yield values
    elif isinstance(values, list | tuple):
        for part in values:
            yield from _arrays(part)
    elif isinstance(values, dict):
        for part in values.values():
            yield from _arrays(part)


def _captured(function: Any) -> list[Any]:
    """What a function computes with beside its arguments, and likewise the layer of a method."""
    owner = getattr(function, "__self__", None)
    own = list(vars(owner).values()) if hasattr(owner, "__dict__") else []
    found, functions = list(own), [function, getattr(type(owner), "call", None), *own]
    for one in functions:
        if inspect.isfunction(one) and faulty.is_foreign(one):
            outside = inspect.getclosurevars(one)
            found += [*outside.nonlocals.values(), *outside.globals.values()]
            found += [*(one.__defaults__ or ()), *(one.__kwdefaults__ or {}).values()]
    return found


def _fixed_within(function: Any) -> list[tuple[int | None, ...]]:
    """The sizes that a graph needs, if the function is that of a model: as shapes."""
    graph = getattr(getattr(function, "__self__", None), "graph", None)
    fixed = [t.fixed for node in getattr(graph, "nodes", ()) for t in node.output_tensors]
    return [tuple(one.get(axis) for axis in range(max(one) + 1)) for one in fixed if one]


_NUMBER = re.compile(r"(?<![\w.])(\d{3,})(?!\w|\.\d)")
"""Numbers that a size may have become; those in names and addresses differ for other reasons."""


def _hide(error: Exception, trace: Callable[[int, Fixed], Any]) -> None:
    """Take the sizes that were put in out of a message; they are what differs with another one."""
    if not error.args or not isinstance(error.args[0], str):
        return
    other = None
    try:
        trace(PROBES[1], {})
    except Exception as again:
        other = again.args[0] if again.args and isinstance(again.args[0], str) else None
    error.args = (_without_sizes(error.args[0], other), *error.args[1:])


def _without_sizes(message: str, other: str | None) -> str:
    parts, others = _NUMBER.split(message), _NUMBER.split(other or "")
    if parts[::2] != others[::2]:
        others = [str(2 * int(p)) if p == str(PROBES[0]) else p for p in parts]
    pairs = zip(parts, others, strict=True)
    return "".join(a if a == b else _named(int(a), int(b)) for a, b in pairs)


def _named(one: int, two: int) -> str:
    """A number that depends on the unknown size, in words of it."""
    factor, rest = divmod(two - one, PROBES[1] - PROBES[0])
    offset = one - factor * PROBES[0]
    if rest or factor < 1:
        return "unknown"
    return ("" if factor == 1 else f"{factor}*") + "None" + (f"{offset:+d}" if offset else "")


def explain(error: Exception, node: Any, arrays: Any) -> None:
    """Say of an error in a node of a graph which size its inputs must have.

    Raises:
        ValueError: the node computes with a constant that the sizes of the arrays do not fit.
    """
    fixed = next((t.fixed for t in node.output_tensors if t.fixed), None)
    if not fixed or isinstance(error, SizeError):
        return
    places = [f"axis {axis} must have size {size}" for axis, size in fixed.items()]
    found = [str(tuple(one.shape)) for one in _arrays(arrays)]
    rows = f" Feed {fixed[0]} rows at a time (batch_size={fixed[0]})." if 0 in fixed else ""
    operation = node.operation
    raise SizeError(
        f"{type(operation).__name__} {operation.name!r} computes with a constant for which "
        f"{' and '.join(places)}, but it runs on arrays of shapes {', '.join(found)}.{rows}"
    ) from None


class SizeError(ValueError):
    """A graph was built with a constant that other sizes do not fit."""
