"""Checks of the arguments of metrics."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any


def number(
    value: Any, argument: str, who: str, low: float | None = None, high: float | None = None
) -> float:
    """The value as it came, if it is a finite number within the bounds.

    Raises:
        ValueError: it is not.
    """
    good = _is_number(value) and math.isfinite(value)
    if not good or (low is not None and value < low) or (high is not None and value > high):
        where = (
            ""
            if low is None
            else f" from {low:g} to {high:g}"
            if high is not None
            else (f" of at least {low:g}")
        )
        raise ValueError(f"{who}: {argument} must be a number{where}, got {value!r}.")
    return value


def positive(value: Any, argument: str, who: str, least: int = 1) -> int:
    """The value as an int of at least `least`.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        kind = {0: "an int of at least 0", 1: "a positive int"}.get(
            least, f"an int of at least {least}"
        )
        raise ValueError(f"{who}: {argument} must be {kind}, got {value!r}.")
    return int(value)


def one_of(value: Any, argument: str, who: str, allowed: Sequence[Any]) -> Any:
    """The value, if it is allowed.

    Raises:
        ValueError: it is not.
    """
    if not any(value is choice or value == choice for choice in allowed):
        choices = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{who}: {argument} must be one of {choices}, got {value!r}.")
    return value


def thresholds(value: Any, who: str) -> list[float]:
    """A number or numbers from 0 to 1, as a list.

    Raises:
        ValueError: one is outside, or there is none.
    """
    listed = list(value) if isinstance(value, Sequence) or hasattr(value, "__len__") else [value]
    wrong = [found for found in listed if not _is_share(found)]
    if wrong or not listed:
        raise ValueError(f"{who}: thresholds must be numbers from 0 to 1, got {wrong or listed!r}.")
    return [float(found) for found in listed]


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
