"""Masks of arrays outside of a graph: they are kept beside the array for as long as it lives."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

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


def checked(layer: Any, inputs: Any, mask: Any) -> Any:
    """The mask that was passed to a call, as an array; lists of ``True`` and ``False`` become one.

    Args:
        layer: the layer that is called; layers of users take masks of any kind and shape.
        inputs: its input, or a list of them.
        mask: what was passed: one mask, or as many as there are inputs.

    Raises:
        TypeError: it is no array of numbers, or no list of them where there are several inputs.
        ValueError: its shape is not that of the leading axes of the input.
    """
    own = type(layer).__module__.startswith("lamina.") and not layer.takes_any_mask
    if isinstance(inputs, list | tuple):
        if mask is None or not own:
            return mask
        if hasattr(mask, "shape") and "mask" in inspect.signature(layer.call).parameters:
            return _checked(layer, inputs[0], mask, own)  # of a sequence; its states have none
        if not isinstance(mask, list | tuple) or len(mask) != len(inputs):
            raise TypeError(
                f"{layer}: mask must be a list of {len(inputs)} masks, one for each input and None "
                f"for one that has none; got {_shown(mask)}."
            )
        return [_checked(layer, x, one, own) for x, one in zip(inputs, mask, strict=True)]
    return _checked(layer, inputs, mask, own)


def _checked(layer: Any, x: Any, mask: Any, own: bool) -> Any:
    """One mask of one input."""
    shape = getattr(x, "shape", None)
    if mask is None or shape is None:
        return mask
    if isinstance(mask, list | tuple):
        mask = _array_of(mask)
    if not own:
        return mask
    kind = np.dtype(mask.dtype).kind if hasattr(mask, "dtype") else "none"
    if kind not in "biuf" or not mask.shape:
        raise TypeError(f"{layer}: mask must be an array of True and False, got {_shown(mask)}.")
    if getattr(layer, "data_format", None) == "channels_first":
        shape = (shape[0], *shape[2:], shape[1])
    leading = shape[: len(mask.shape)]
    if len(mask.shape) > len(shape) or any(
        m not in (1, n) for m, n in zip(mask.shape, leading, strict=False)
    ):
        raise ValueError(
            f"{layer}: mask has shape {tuple(mask.shape)}, which does not fit an input of shape "
            f"{tuple(x.shape)}: it must have the sizes of leading axes, such as "
            f"{tuple(shape[: max(1, len(shape) - 1)])}."
        )
    return mask


def _array_of(mask: Any) -> Any:
    """A list of ``True`` and ``False`` as an array; anything else as it is."""
    array = np.asarray(mask) if not any(hasattr(part, "shape") for part in mask) else None
    return array.astype(bool) if array is not None and array.dtype.kind in "bi" else mask


def _shown(mask: Any) -> str:
    if hasattr(mask, "shape"):
        return f"an array of shape {tuple(mask.shape)} and dtype {mask.dtype}"
    return f"{type(mask).__name__} {mask!r}"
