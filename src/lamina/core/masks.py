"""Masks of arrays outside of a graph: they are kept beside the array for as long as it lives."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

table: dict[int, tuple[weakref.ref[Any], Any, str]] = {}
"""For the identity of an array: the array, its mask, and the name of the layer that made it."""


_origins: dict[int, tuple[weakref.ref[Any], str]] = {}
"""For the identity of a mask: the mask, and the name of the layer that made it."""


def remember(array: Any, mask: Any, layer: str) -> None:
    """Keep a mask for an array.

    Args:
        array: array or tracer.
        mask: its mask.
        layer: name of the layer that gave it; that of an earlier one stays if the mask is known.
    """
    name = _origin_of(mask) or layer
    key = id(array)
    table[key] = (weakref.ref(array, lambda _: table.pop(key, None)), mask, name)
    came_from(mask, name)


def came_from(mask: Any, layer: str) -> None:
    """Keep the name of the layer that made a mask, for messages."""
    key = id(mask)
    _origins[key] = (weakref.ref(mask, lambda _: _origins.pop(key, None)), layer)


def recall(array: Any) -> Any:
    """The mask of an array, or ``None``."""
    if not table:
        return None
    found = table.get(id(array))
    return found[1] if found is not None and found[0]() is array else None


def _origin_of(mask: Any) -> str | None:
    found = _origins.get(id(mask))
    return found[1] if found is not None and found[0]() is mask else None


def origin(arrays: Sequence[Any], found: Sequence[Any] = ()) -> str | None:
    """Name of the layer that made the masks of arrays, or the given masks, if it is known."""
    for array in arrays:
        entry = table.get(id(array))
        if entry is not None and entry[0]() is array:
            return entry[2]
    return next((name for name in map(_origin_of, found) if name is not None), None)
