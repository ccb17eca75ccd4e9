"""``lamina.ops`` as Keras 3 has it: functions of arrays, variables and symbolic tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import cache
from typing import Any

from lamina.backend.keras3 import (
    arrays,
    control,
    counting,
    elementwise,
    linalg,
    making,
    nn,
    sequences,
    signal,
    transforms,
    windows,
)
from lamina.core.dispatch import dispatch


@cache
def table() -> dict[str, Callable[..., Any]]:
    """Name to public function."""
    pure: dict[str, Callable[..., Any]] = {}
    for module in (elementwise, arrays, nn, counting, making, linalg, signal, windows, sequences):
        pure |= module.table()
    whole = control.table() | transforms.table()
    return {name: _public(name, function) for name, function in pure.items()} | whole


def _public(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for symbolic tensors too."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return dispatch(function, *args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__module__ = "lamina.ops"
    return call


def find(name: str) -> Callable[..., Any]:
    """The function of that name.

    Raises:
        AttributeError: there is none; the message has the nearest names.
    """
    found = table().get(name)
    if found is None:
        from lamina.registry import did_you_mean

        raise AttributeError(
            f"module 'lamina.ops' has no attribute {name!r}.{did_you_mean(name, list(table()))}"
        )
    return found
