"""Plain data as JSON beside named arrays, and back: what callbacks remember."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from lamina.saving import limits
from lamina.typing import Config

ARRAY = "$array"
TUPLE = "$tuple"
NUMBER = "$number"
"""Keys of the dicts that stand for an array, a tuple, a number that JSON does not know."""


class Packer:
    """Turn plain data into JSON, collecting the arrays in it under names.

    Args:
        where: first part of the names, and of the messages.

    Attributes:
        arrays: the arrays found so far; those of NumPy are copied.

    >>> packer = Packer("state")
    >>> packer.pack({"best": 0.5, "weights": [np.ones(2)], "pair": (1, None)})
    {'best': 0.5, 'weights': [{'$array': 'state/weights/0'}], 'pair': {'$tuple': [1, None]}}
    >>> list(packer.arrays)
    ['state/weights/0']
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.arrays: dict[str, Any] = {}

    def pack(self, value: Any, place: str = "") -> Any:
        """The JSON of a value.

        Args:
            value: plain data.
            place: where it is, for names and messages.

        Raises:
            TypeError: it is of a kind that cannot be stored.
        """
        place = place or self.where
        if value is None or type(value) in (bool, str):
            return value
        if type(value) in (int, float):
            plain = math.isfinite(value) and (type(value) is float or abs(value) <= limits.INTEGER)
            return value if plain else {NUMBER: repr(value)}
        if isinstance(value, Mapping):
            return self._packed_dict(value, place)
        if isinstance(value, list | tuple):
            items = [self.pack(item, f"{place}/{i}") for i, item in enumerate(value)]
            return items if isinstance(value, list) else {TUPLE: items}
        return self._packed_array(value, place)

    def _packed_dict(self, value: Mapping[Any, Any], place: str) -> Config:
        for key in value:
            if not isinstance(key, str) or key in (ARRAY, TUPLE, NUMBER):
                raise TypeError(
                    f"{place}: keys of what is stored must be names, got {key!r}. "
                    "Make it a str in get_state and turn it back in set_state."
                )
        return {str(key): self.pack(item, f"{place}/{key}") for key, item in value.items()}

    def _packed_array(self, value: Any, place: str) -> Config:
        # What is on the device stays there, and nothing changes it.
        plain = hasattr(value, "__array__") and not isinstance(value, jax.Array)
        array = np.array(value) if plain else value if isinstance(value, jax.Array) else None
        if array is None or (array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16"):
            raise TypeError(
                f"{place}: {type(value).__name__} cannot be stored; get_state must return dicts, "
                "lists, numbers, texts, None and arrays of numbers."
            )
        self.arrays[place] = array
        return {ARRAY: place}


def unpack(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The data that `Packer.pack` made JSON of.

    Args:
        value: the JSON.
        arrays: the arrays by name.

    Raises:
        ValueError: an array is missing.

    >>> unpack({"weights": [{"$array": "a"}]}, {"a": np.ones(2)})
    {'weights': [array([1., 1.])]}
    """
    if isinstance(value, list):
        return [unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {ARRAY}:
        if value[ARRAY] not in arrays:
            raise ValueError(f"the array {value[ARRAY]!r} is missing")
        return arrays[value[ARRAY]]
    if set(value) == {TUPLE}:
        return tuple(unpack(item, arrays) for item in value[TUPLE])
    if set(value) == {NUMBER}:
        text = str(value[NUMBER])
        return int(text) if text.lstrip("-").isdigit() else float(text)
    return {key: unpack(item, arrays) for key, item in value.items()}
