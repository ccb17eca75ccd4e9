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
    filters,
    images,
    linalg,
    making,
    nn,
    sequences,
    signal,
    transforms,
    warping,
    windows,
)
from lamina.backend.keras3.groups import CORE, LINALG, OTHER_NN
from lamina.core.dispatch import at_once


@cache
def table() -> dict[str, Callable[..., Any]]:
    """Name to public function."""
    pure: dict[str, Callable[..., Any]] = {}
    for module in (elementwise, arrays, nn, counting, making, linalg, signal, windows, sequences):
        pure |= module.table()
    whole = control.table() | transforms.table()
    pure |= {name: whole[name] for name in ("fori_loop", "scan", "vectorized_map", "while_loop")}
    return whole | {name: _public(name, function) for name, function in pure.items()}


def _public(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for symbolic tensors too."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return at_once(function, *args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__module__ = "lamina.ops"
    return call


@cache
def group(module: str) -> dict[str, Callable[..., Any]]:
    """Name to public function of ``keras.ops.image``, ``linalg``, ``nn`` or ``numpy``.

    >>> sorted(group("linalg"))[:2]
    ['cholesky', 'cholesky_inverse']
    """
    if module == "image":
        pure = images.table() | filters.table() | warping.table()
        public = {name: _public(name, function) for name, function in pure.items()}
        return public | {"elastic_transform": warping.elastic_transform}
    layered = {*elementwise.ACTIVATIONS, *nn.table(), *OTHER_NN}
    rest = set(table()) - LINALG - CORE - layered
    names = {"linalg": LINALG, "nn": layered, "numpy": rest}[module]
    return {name: function for name, function in table().items() if name in names}


def find(name: str, module: str = "") -> Callable[..., Any]:
    """The function of that name, of ``keras.ops`` or of a module of it.

    Raises:
        AttributeError: there is none; the message has the nearest names.
    """
    functions = group(module) if module else table()
    found = functions.get(name)
    if found is None:
        from lamina.registry import did_you_mean

        path = f"lamina.ops.{module}".rstrip(".")
        near = did_you_mean(name, list(functions))
        if not module and name in group("image"):
            near = f" It is lamina.ops.image.{name}."
        raise AttributeError(f"module {path!r} has no attribute {name!r}.{near}")
    return found
