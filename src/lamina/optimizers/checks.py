"""Checks of the arguments of optimizers: each says whose, which, and what came."""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np


def wrong(owner: object, argument: str, expected: str, value: Any) -> ValueError:
    """The error for a value that cannot be meant."""
    return ValueError(f"{type(owner).__name__}: {argument} must be {expected}, got {value!r}.")


def as_float(value: Any) -> float | None:
    """The value as a finite float, or ``None`` if it is none."""
    if isinstance(value, bool | str) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def finite(owner: object, argument: str, value: Any) -> float:
    """Any finite number."""
    number = as_float(value)
    if number is None:
        raise wrong(owner, argument, "a finite number", value)
    return number


def not_negative(owner: object, argument: str, value: Any) -> float:
    """A number of at least 0."""
    number = as_float(value)
    if number is None or number < 0:
        raise wrong(owner, argument, "a number of at least 0", value)
    return number


def positive(owner: object, argument: str, value: Any) -> float:
    """A number above 0."""
    number = as_float(value)
    if number is None or number <= 0:
        raise wrong(owner, argument, "a number above 0", value)
    return number


def fraction(owner: object, argument: str, value: Any) -> float:
    """A number from 0 to 1."""
    number = as_float(value)
    if number is None or not 0 <= number <= 1:
        raise wrong(owner, argument, "a number from 0 to 1", value)
    return number


def below_one(owner: object, argument: str, value: Any) -> float:
    """A number from 0 to 1, without 1: the rate of a moving average."""
    number = as_float(value)
    if number is None or not 0 <= number < 1:
        raise wrong(owner, argument, "a number from 0 to 1, and below 1", value)
    return number


@overload
def count(owner: object, argument: str, value: int, least: int) -> int: ...
@overload
def count(owner: object, argument: str, value: None, least: int) -> None: ...
@overload
def count(owner: object, argument: str, value: int | None, least: int) -> int | None: ...
def count(owner: object, argument: str, value: Any, least: int) -> int | None:
    """An int of at least `least`; ``None`` passes."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise wrong(owner, argument, f"an int of at least {least}", value)
    return int(value)
