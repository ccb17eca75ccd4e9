"""Bounds of what is read as a config: its text, its depth, its number of values, its numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

TEXT = 64 * 2**20
"""Characters of the longest config that is read."""

DEPTH = 200
"""Lists and dicts within each other."""

VALUES = 4_000_000
"""Values of one config, those in lists counted one by one."""

INTEGER = 2**53
"""Largest magnitude of an integer: beyond it nothing that counts axes or units can be meant."""

WEIGHTS = 2**30
"""Numbers in all weights of a model that is made from a config alone."""

LAYERS = 50_000
"""Layers of one model, without those of models in it."""


def parse(text: str | bytes, what: str) -> Any:
    """What a JSON text says, within the bounds of this module.

    Args:
        text: the text; bytes are UTF-8.
        what: begins the messages: who reads which text.

    Raises:
        ValueError: it is no JSON, too long or too deep, names a key twice, or holds a number that
            is none.
    """
    if len(text) > TEXT:
        raise ValueError(
            f"{what}: the config has {len(text)} characters; at most {TEXT} are read. Build the "
            "model in code and load its weights."
        )
    try:
        plain = text.decode("utf-8") if isinstance(text, bytes) else text
        found = json.loads(plain, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError(f"{what}: lists and dicts are nested too deeply.") from None
    except ValueError as error:
        hint = " It looks like YAML, which is not read: use to_json." if _yaml(text) else ""
        raise ValueError(f"{what}: the text is not JSON ({error}).{hint}") from None
    check(found, what)
    return found


def _yaml(text: str | bytes) -> bool:
    start = text[:4000].decode("utf-8", "replace") if isinstance(text, bytes) else text[:4000]
    return not start.lstrip().startswith(("{", "[")) and "class_name:" in start


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def check(config: Any, what: str) -> None:
    """Raise `ValueError` if a config, as Python objects, is deeper or larger than the bounds."""
    count = 0
    stack: list[tuple[Any, int]] = [(config, 1)]
    while stack:
        value, depth = stack.pop()
        count += 1
        if depth > DEPTH or count > VALUES:
            raise ValueError(
                f"{what}: the config is nested too deeply, or holds itself (more than {DEPTH} "
                f"levels)."
                if depth > DEPTH
                else f"{what}: the config holds more than {VALUES} values."
            )
        if isinstance(value, Mapping):
            for key, part in value.items():
                if _is_vocabulary(key, part):
                    count += len(part)
                else:
                    stack.append((part, depth + 1))
        elif isinstance(value, list | tuple):
            stack.extend((part, depth + 1) for part in value)
        else:
            _check_number(value, what)


def _is_vocabulary(key: Any, value: Any) -> bool:
    """Whether a value is a list of integers of 64 bits that a lookup knows: they count nothing."""
    return (
        key == "vocabulary"
        and isinstance(value, list | tuple)
        and all(type(token) is int and -(2**63) <= token < 2**63 for token in value)
    )


def _check_number(value: Any, what: str) -> None:
    if isinstance(value, bool):
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what}: the config holds the number {value}; it must be finite.")
    if isinstance(value, int) and abs(value) > INTEGER:
        raise ValueError(f"{what}: the config holds an integer of more than 2**53.")
