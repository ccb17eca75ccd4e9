"""Names of layers that were given none: ``dense``, ``dense_1``, ..."""

from __future__ import annotations

import re
import threading

_counts: dict[str, int] = {}
_lock = threading.Lock()


def snake_case(name: str) -> str:
    """The spelling of a class name that Keras uses for layers.

    >>> snake_case("MaxPooling2D"), snake_case("ReLU"), snake_case("Conv2D")
    ('max_pooling2d', 're_lu', 'conv2d')
    """
    plain = re.sub(r"[^0-9A-Za-z_]", "", name).lstrip("_")
    apart = re.sub(r"(?<=.)(?=[A-Z][a-z])", "_", plain)
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", apart)
    return re.sub(r"_+", "_", apart).lower()


def unique(prefix: str, first: int = 0) -> str:
    """The next free name with this prefix.

    Args:
        prefix: name without a number.
        first: number of the first one; 0 is not written.
    """
    with _lock:
        number = _counts.get(prefix, first)
        _counts[prefix] = number + 1
    return f"{prefix}_{number}" if number else prefix


def get_uid(prefix: str = "") -> int:
    """Count up the numbers of a prefix, as ``K.get_uid`` does: 1, 2, ..."""
    with _lock:
        number = _counts.get(prefix, 0) + 1
        _counts[prefix] = number
    return number


def counted(number: int, noun: str) -> str:
    """A number of things, in words.

    >>> counted(1, "input"), counted(2, "input")
    ('1 input', '2 inputs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def reset() -> None:
    """Start all counts anew."""
    with _lock:
        _counts.clear()
