"""Values that JSON cannot hold and files write as dicts: arrays, tuples, shapes, slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

LARGEST = 2**24
"""Numbers of the largest array that a config may hold as text."""


def is_input(place: Any) -> bool:
    """Whether a value names an output of a call: ``[layer, call, output]``, maybe with keywords."""
    return (
        isinstance(place, list | tuple)
        and len(place) in (3, 4)
        and isinstance(place[0], str)
        and isinstance(place[1], int)
    )


def place(value: Mapping[str, Any]) -> list[Any]:
    """The place that a ``__keras_tensor__`` stands for.

    Raises:
        ValueError: it is malformed.
    """
    config = value.get("config")
    history = config.get("keras_history") if isinstance(config, Mapping) else None
    if not is_input(history):
        raise ValueError(f"A tensor in the config needs a keras_history, got {history!r}.")
    return list(history or ())


def is_marker(value: Mapping[str, Any]) -> bool:
    """Whether a dict stands for a value, not for an object."""
    return value.get("class_name") in _READERS


def restored(value: Any) -> Any:
    """Plain data with the values in the place of what stands for them.

    Raises:
        ValueError: something is malformed.
    """
    if isinstance(value, Mapping):
        if is_marker(value):
            return _READERS[value["class_name"]](value)
        return {key: restored(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [restored(part) for part in value]
    return value


def _array(value: Mapping[str, Any]) -> np.ndarray:
    config = value.get("config")
    if not isinstance(config, Mapping) or "value" not in config:
        raise ValueError(f"An array in the config needs a value and a dtype, got {value!r}.")
    dtype = str(config.get("dtype") or "float32")
    try:
        if np.dtype(dtype).kind not in "biufc":
            raise ValueError(f"dtype {dtype!r} holds no numbers")
        found = np.asarray(config["value"], dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"An array in the config cannot be read: {error}.") from None
    if math.prod(found.shape) > LARGEST:
        raise ValueError(f"An array in the config has more than {LARGEST} numbers.")
    return found


def _items(value: Mapping[str, Any]) -> list[Any]:
    items = value.get("items", value.get("config"))
    if not isinstance(items, list | tuple):
        raise ValueError(f"{value['class_name']} in the config needs a list, got {items!r}.")
    return [restored(item) for item in items]


def _tuple(value: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(_items(value))


def _slice(value: Mapping[str, Any]) -> slice:
    config = value.get("config")
    return a_slice(config if isinstance(config, Mapping) else {})


def a_slice(config: Mapping[str, Any]) -> slice:
    """The slice with these ends.

    Raises:
        ValueError: an end is no integer.
    """
    ends = [config.get(name) for name in ("start", "stop", "step")]
    if not all(end is None or isinstance(end, int) for end in ends):
        raise ValueError(f"A slice in the config has the ends {ends!r}.")
    return slice(*ends)


def _ellipsis(value: Mapping[str, Any]) -> Any:
    del value
    return ...


def written(value: Any) -> Any:
    """What stands for a slice, an ellipsis or an array in a config of Keras 3."""
    if value is ...:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(value, slice):
        ends = {"start": value.start, "stop": value.stop, "step": value.step}
        return {"class_name": "__slice__", "config": ends}
    array = np.asarray(value)
    config = {"value": array.tolist(), "dtype": array.dtype.name}
    return {"class_name": "__numpy__", "config": config}


_READERS: dict[Any, Callable[[Mapping[str, Any]], Any]] = {
    "__tensor__": _array,
    "__numpy__": _array,
    "__tuple__": _tuple,
    "TensorShape": _tuple,
    "__slice__": _slice,
    "__ellipsis__": _ellipsis,
}
