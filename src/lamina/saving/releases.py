"""Which release wrote a config: from its version, or from what it looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NEWEST = 3
"""The newest dialect that is known; later ones are read as if they were it, with a warning."""

_ONLY_1 = frozenset({"nb_filter", "border_mode", "init", "W_regularizer"})
_ONLY_3 = frozenset({"batch_shape", "quantization_config"})
_MARKS_3 = frozenset({"__keras_tensor__", "DTypePolicy"})


def dialect_of(config: Any, version: Any = None) -> int:
    """The dialect of a config: 1, 2 or 3.

    Args:
        config: the config.
        version: ``keras_version`` as a file states it, if it does.

    Raises:
        ValueError: the version is of no release.

    >>> dialect_of({}, "2.2.4-tf"), dialect_of({"class_name": "Dense", "config": {"init": "one"}})
    (2, 1)
    """
    stated = config.get("keras_version") if isinstance(config, Mapping) else None
    version = version if version is not None else stated
    if version is not None:
        return _major(version)
    found = 2
    for name, value in _items(config):
        if name in _ONLY_3 or (name == "class_name" and value in _MARKS_3):
            return 3
        if name == "registered_name":
            found = 3  # newer releases of tf.keras write it too; nothing tells them apart
        if name in _ONLY_1:
            found = 1
    return found


def _major(version: Any) -> int:
    text = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version)
    head = text.split(".", maxsplit=1)[0]
    if not head.isdecimal() or not 0 < int(head) < 100:
        raise ValueError(f"keras_version must be a release such as '2.15.0', got {text[:80]!r}.")
    return min(int(head), NEWEST)


def is_newer(version: Any) -> bool:
    """Whether a file is of a release that came after all known dialects."""
    text = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version)
    head = text.split(".", maxsplit=1)[0]
    return head.isdecimal() and int(head) > NEWEST


def is_old_keras(version: Any) -> bool:
    """Whether a file is of the Keras that was a package of its own before ``tf.keras``: 1 to 2.3.

    >>> is_old_keras("2.2.4"), is_old_keras("2.2.4-tf"), is_old_keras("2.15.0")
    (True, False, False)
    """
    text = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version)
    parts = text.split(".")
    if not parts[0].isdecimal() or text.endswith("-tf"):
        return False
    minor = int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else 0
    return (int(parts[0]), minor) < (2, 4)


def _items(config: Any) -> Iterator[tuple[str, Any]]:
    """All keys of all dicts in a config, with their values; no deeper than need be."""
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            for name, part in value.items():
                yield str(name), part if isinstance(part, str) else None
            stack.extend(value.values())
        elif isinstance(value, list | tuple):
            stack.extend(value)
