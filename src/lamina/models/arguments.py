"""Arguments of ``fit``, ``evaluate`` and ``predict``: old names, checks, validation data."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from lamina import registry
from lamina.core import dialects
from lamina.training.data import unpack


def translated(method: Any, old: dict[str, Any], today: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a method under today's names.

    Args:
        method: the method.
        old: keywords that are none of its own.
        today: arguments that had other names, as they were given under today's.

    Raises:
        TypeError: an argument that no release had.
    """
    found = dict(today)
    for name, value in old.items():
        new = dialects.METHODS.get(name)
        if new not in today:
            raise unknown(method, name)
        found[new] = value
    return found


def unknown(method: Any, name: str) -> TypeError:
    """The error for an argument that a method does not have."""
    parameters = inspect.signature(method).parameters.values()
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    guess = registry.did_you_mean(name, [*known, *dialects.METHODS])
    return TypeError(f"{method.__name__}: unknown argument {name!r}.{guess}")


def check_epochs(model: Any, epochs: Any, initial_epoch: Any, frequency: Any) -> None:
    """Raise ``ValueError`` for numbers of epochs that cannot be meant."""
    for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < 0:
            raise ValueError(f"{model}: fit: {name} must be an int of at least 0, got {value!r}.")
    good = isinstance(frequency, int) and not isinstance(frequency, bool) and frequency > 0
    if not good and not (isinstance(frequency, list | tuple | set | range) and frequency):
        raise ValueError(
            f"{model}: fit: validation_freq must be a positive int or a list of epochs, "
            f"got {frequency!r}."
        )


def validation_parts(data: Any) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of what was passed as validation data."""
    if isinstance(data, tuple):
        if len(data) not in (2, 3):
            raise ValueError(
                "fit: validation_data must be (x, y) or (x, y, sample_weight), got a tuple of "
                f"{len(data)}."
            )
        return unpack(data)
    if isinstance(data, list) and len(data) in (2, 3) and all(hasattr(p, "shape") for p in data):
        return unpack(tuple(data))
    return data, None, None


def check_split(fraction: Any) -> None:
    """Raise if a ``validation_split`` that validation data overrides could not be one."""
    if isinstance(fraction, bool) or not isinstance(fraction, int | float | np.number):
        raise TypeError(
            f"fit: validation_split must be a number between 0 and 1, got {fraction!r}."
        )
    if not 0 <= fraction < 1:
        raise ValueError(f"fit: validation_split must be between 0 and 1, got {fraction!r}.")
