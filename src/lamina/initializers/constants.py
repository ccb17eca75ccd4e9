"""Initializers without chance: zeros, ones, given values, the identity matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from lamina.arguments import number, renamed
from lamina.initializers.base import Initializer, filled, named

if TYPE_CHECKING:
    from lamina.typing import Array, Config


@named("zeros", "zero")
class Zeros(Initializer):
    """Fill with 0.

    >>> Zeros()((2, 3)).sum()
    Array(0., dtype=float32)
    """

    _anew = True

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        return filled(shape, 0, dtype)


@named("ones", "one")
class Ones(Initializer):
    """Fill with 1.

    >>> Ones()((2, 3)).sum()
    Array(6., dtype=float32)
    """

    _anew = True

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        return filled(shape, 1, dtype)


@named("constant", classic=None)
class Constant(Initializer):
    """Fill with a number, or with the values of an array.

    Args:
        value: a number, or an array (or nested lists) that has the weight's shape or repeats
            to it along leading axes and axes of size 1.

    Raises:
        ValueError: `value` holds no numbers, or (when called) does not fit the shape.

    >>> Constant([[1, 2]])((3, 2)).sum(axis=0)
    Array([3., 6.], dtype=float32)
    """

    def __init__(self, value: Any = 0.0) -> None:
        host = np.asarray(value)
        if host.dtype.kind not in "biuf" and host.dtype.name != "bfloat16":
            raise ValueError(f"Constant: value must be a number or an array, got {value!r}.")
        self.value = host.item() if host.ndim == 0 else value

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        if isinstance(self.value, bool | int | float):
            return filled(shape, self.value, dtype)
        host = np.asarray(self.value)
        try:
            return jnp.array(np.broadcast_to(host, shape).astype(dtype))
        except ValueError:
            raise ValueError(
                f"Constant: value of shape {host.shape} does not fit a weight of shape {shape}."
            ) from None

    def get_config(self) -> Config:
        stored = self.value
        if not isinstance(stored, bool | int | float):
            stored = np.asarray(stored).tolist()
        return {"value": stored}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(stored_array(config.get("value", 0.0)))


@named("identity", "IdentityInitializer", classic=("scale",))
class Identity(Initializer):
    """Make a matrix with `gain` on its diagonal and 0 elsewhere.

    A matrix that is not square ends in rows or columns of zeros.

    Args:
        gain: the number on the diagonal. Keras 1 called it `scale`.

    Raises:
        ValueError: the shape asked for has not two axes.

    >>> print(Identity(2.0)((2, 3)))
    [[2. 0. 0.]
     [0. 2. 0.]]
    """

    def __init__(self, gain: float = 1.0, **old: Any) -> None:
        gain = renamed(self, old, {"scale": "gain"}).get("gain", gain)
        self.gain = number(self, "gain", gain)

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        if len(shape) != 2:
            raise ValueError(f"Identity: shape must have 2 axes, got {shape}.")
        return jnp.array(np.eye(*shape, dtype=dtype) * np.asarray(self.gain, dtype))

    def get_config(self) -> Config:
        return {"gain": self.gain}


def stored_array(value: Any) -> Any:
    """What a config holds as an array, out of the mapping that Keras 3 writes for it."""
    if not isinstance(value, Mapping):
        return value
    stored = value.get("config")
    return stored.get("value") if isinstance(stored, Mapping) else stored


def is_array(value: Any) -> bool:
    """Whether `value` is an array, so that it can be the value of a `Constant`."""
    return isinstance(value, np.ndarray | jax.Array)
