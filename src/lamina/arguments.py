"""Checks of the arguments of initializers, regularizers and constraints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lamina.typing import Array


def number(
    owner: object,
    name: str,
    value: Any,
    *,
    minimum: float | None = None,
    infinite: bool = False,
) -> float:
    """The value as a Python number; ints stay ints.

    Args:
        owner: the object whose argument it is; its class is named in the error.
        name: the argument.
        value: what the caller gave.
        minimum: smallest value that is accepted.
        infinite: whether infinity is accepted.

    Raises:
        ValueError: it is no number, not finite, or too small.

    >>> number(object(), "rate", 0.5)
    0.5
    """
    found: Any = value.item() if getattr(value, "shape", None) == () else value
    good = isinstance(found, int | float | np.integer | np.floating) and not isinstance(found, bool)
    good = good and (minimum is None or found >= minimum)
    if not good or math.isnan(found) or (math.isinf(found) and not infinite):
        bound = "" if minimum is None else f" of at least {minimum}"
        raise ValueError(f"{type(owner).__name__}: {name} must be a number{bound}, got {value!r}.")
    return int(found) if isinstance(found, int | np.integer) else float(found)


def renamed(owner: object, old: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Arguments that came under the names of Keras 1 and 2, under those of today.

    Args:
        owner: the object whose arguments they are.
        old: keywords that the constructor does not list.
        names: old name to new name.

    Raises:
        TypeError: a keyword is not among the old names either.

    >>> renamed(object(), {"m": 3}, {"m": "max_value"})
    {'max_value': 3}
    """
    for name in old:
        if name not in names:
            raise TypeError(f"{type(owner).__name__} has no argument {name!r}.")
    return {names[name]: value for name, value in old.items()}


def widened(array: Array) -> Array:
    """The array with floats of 16 bits as float32, for sums that would overflow.

    >>> import jax.numpy as jnp
    >>> widened(jnp.ones(3, "bfloat16")).dtype
    dtype('float32')
    """
    return array.astype("float32") if array.dtype.itemsize < 4 else array


def described(config: Any) -> Any:
    """A config of Keras 1, ``{"name": ..., argument: ...}``, in the form of today's.

    >>> described({"name": "MaxNorm", "m": 3})
    {'class_name': 'MaxNorm', 'config': {'m': 3}}
    """
    if isinstance(config, Mapping) and "class_name" not in config and "name" in config:
        arguments = {name: value for name, value in config.items() if name != "name"}
        return {"class_name": config["name"], "config": arguments}
    return config
