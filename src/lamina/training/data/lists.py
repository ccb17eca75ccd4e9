"""Plain Python lists of numbers: read them as one array, or say what is wrong where."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any

import numpy as np

_PLAIN = (Number, np.generic, str, bytes, type(None))


def is_plain(value: Sequence[Any]) -> bool:
    """Whether a list is one array written out, rather than a list of arrays.

    >>> is_plain([[1, 2], [3, 4]]), is_plain([np.ones(2), [3, 4]])
    (True, False)
    """
    kinds = set(map(type, value))
    if not all(issubclass(kind, (*_PLAIN, list, tuple)) for kind in kinds):
        return False
    inner = next((item for item in value if isinstance(item, list | tuple)), None)
    return inner is None or is_plain(inner)


def from_plain(value: Sequence[Any], name: str) -> np.ndarray:
    """One array from numbers in nested lists.

    Raises:
        ValueError: the lists are ragged, empty, or hold something that is no number.

    >>> from_plain([[1, 2], [3, 4]], "x")
    array([[1, 2],
           [3, 4]])
    """
    if not value:
        raise ValueError(f"{name} is an empty list; there are no rows to work on.")
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        array = None
    if array is not None and array.dtype.kind in "biufc":
        return array
    _explain(value, name)
    _explain_lengths(value, name)
    raise ValueError(f"{name} cannot be read as one array of numbers: some of them exceed 64 bits.")


def _explain(value: Sequence[Any], name: str) -> None:
    for i, item in enumerate(value):
        at = f"{name}[{i}]"
        if isinstance(item, list | tuple):
            _explain(item, at)
        elif item is None:
            raise ValueError(f"{at} is None; all entries must be numbers.")
        elif not isinstance(item, Number | np.generic) or isinstance(item, np.character):
            raise ValueError(
                f"{at} is {item!r}, a {type(item).__name__}; all entries must be numbers. "
                "Map words to ints first."
            )


def _explain_lengths(value: Sequence[Any], name: str) -> None:
    first, short = value[0], name.rpartition(": ")[2]
    for i, item in enumerate(value):
        if _length(item) != _length(first):
            raise ValueError(
                f"{name} is ragged: {short}[0] {_described(first)} and {short}[{i}] "
                f"{_described(item)}. Rows must have the same length: pad or cut them."
            )
    if not isinstance(first, list | tuple):
        return
    for i, item in enumerate(value):
        if item:
            _explain_lengths(item, f"{name}[{i}]")
    _explain_siblings(value, name)


def _explain_siblings(value: Sequence[Any], name: str) -> None:
    """Rows may be rectangular each, and differ from one another further in."""
    first, short = np.shape(value[0]), name.rpartition(": ")[2]
    for i, item in enumerate(value):
        if np.shape(item) != first:
            raise ValueError(
                f"{name} is ragged: {short}[0] has shape {first} and {short}[{i}] has shape "
                f"{np.shape(item)}. Rows must have the same shape: pad or cut them."
            )


def _length(item: Any) -> int | None:
    return len(item) if isinstance(item, list | tuple) else None


def _described(item: Any) -> str:
    length = _length(item)
    return "is a number" if length is None else f"has length {length}"
