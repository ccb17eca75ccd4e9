"""Masks of arrays outside of a graph: they are kept beside the array for as long as it lives."""

from __future__ import annotations

import weakref
from typing import Any

table: dict[int, tuple[weakref.ref[Any], Any, str]] = {}
"""For the identity of an array: the array, its mask, and the name of the layer that made it."""


def remember(array: Any, mask: Any, origin: str) -> None:
    """Keep a mask for an array.

    Args:
        array: array or tracer.
        mask: its mask.
        origin: name of the layer that made the mask.
    """
    key = id(array)

    def forget(_: Any) -> None:
        table.pop(key, None)

    table[key] = (weakref.ref(array, forget), mask, origin)


def recall(array: Any) -> Any:
    """The mask of an array, or ``None``."""
    if not table:
        return None
    found = table.get(id(array))
    return found[1] if found is not None and found[0]() is array else None


def origin(array: Any) -> str:
    """Name of the layer that made the mask of an array."""
    found = table.get(id(array))
    return found[2] if found is not None else "an earlier layer"
