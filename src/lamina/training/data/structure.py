"""Nested lists, tuples and dicts of arrays: walking, naming, unpacking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamina.typing import Nested

Data = tuple[Nested, Nested, Nested]
"""Inputs, targets and sample weights; each ``None``, an array, or arrays in lists and dicts."""


def map_named(function: Callable[[Any, str], Any], value: Nested, name: str) -> Nested:
    """Apply ``function(leaf, name)`` to all leaves; tuples become lists, ``None`` stays.

    >>> map_named(lambda leaf, name: f"{name}={leaf}", {"a": (1, None)}, "x")
    {'a': ["x['a'][0]=1", None]}
    """
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: map_named(function, item, f"{name}[{key!r}]") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_named(function, item, f"{name}[{i}]") for i, item in enumerate(value)]
    return function(value, name)


def map_leaves(function: Callable[[Any], Any], value: Nested) -> Nested:
    """Apply ``function(leaf)`` to all leaves, as `map_named` does without the names."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {key: map_leaves(function, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [map_leaves(function, item) for item in value]
    return function(value)


def named_leaves(value: Nested, name: str) -> Iterator[tuple[str, Any]]:
    """All leaves with their names, in order.

    >>> list(named_leaves([3, {"a": 4}], "y"))
    [('y[0]', 3), ("y[1]['a']", 4)]
    """
    found: list[tuple[str, Any]] = []
    map_named(lambda leaf, at: found.append((at, leaf)), value, name)
    return iter(found)


def unpack_x_y_sample_weight(data: Nested) -> Data:
    """Take apart what a data set yields for one batch.

    Args:
        data: ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)`` as a tuple or a list; anything
            else is `x` alone.

    Raises:
        ValueError: a tuple or list that is empty or has more than three entries.

    >>> unpack_x_y_sample_weight(([1, 2], 3))
    ([1, 2], 3, None)
    >>> unpack_x_y_sample_weight({"a": 1})
    ({'a': 1}, None, None)
    """
    if not isinstance(data, list | tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            "A batch is x, (x, y) or (x, y, sample_weight), got a "
            f"{type(data).__name__} of {len(data)} entries. Several inputs go into a list "
            "inside: ([x1, x2], y)."
        )
    x, y, sample_weight = (*data, None, None)[:3]
    return x, y, sample_weight


def pack_x_y_sample_weight(x: Nested, y: Nested = None, sample_weight: Nested = None) -> Nested:
    """Put together what `unpack_x_y_sample_weight` takes apart, as short as it goes.

    Inputs alone come back bare, unless they are a tuple or a list, which would read as a pair.

    >>> pack_x_y_sample_weight(1), pack_x_y_sample_weight(1, 2), pack_x_y_sample_weight(1, None, 3)
    (1, (1, 2), (1, None, 3))
    """
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, list | tuple) else x


unpack = unpack_x_y_sample_weight
