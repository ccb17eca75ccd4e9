"""Named constraints: functions applied to a weight after each update.

A layer takes a name, an object, a class, a config, or a function of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import jax.numpy as jnp
import numpy as np

from lamina import config as settings
from lamina import registry
from lamina.arguments import described, number, renamed, widened

if TYPE_CHECKING:
    from lamina.typing import Array, ArrayLike, Config

Like = str | Mapping[str, Any] | Callable[..., Any] | None
"""What a layer takes as a constraint; see `get`."""


class Constraint:
    """Map a weight to one that keeps a rule, of the same shape and dtype.

    A subclass of your own overrides ``__call__(w)``, and `get_config` if it has arguments.

    >>> class Halved(Constraint):
    ...     def __call__(self, w):
    ...         return w / 2
    >>> Halved()(jnp.array([1.0, 4.0]))
    Array([0.5, 2. ], dtype=float32)
    """

    def __call__(self, w: ArrayLike) -> Array:
        """The constrained weight."""
        raise NotImplementedError(f"{type(self).__name__} must override __call__.")

    def get_config(self) -> Config:
        """The arguments of the constructor, to write into a file."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make the constraint that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@registry.register("constraint", "non_neg", "nonneg")
class NonNeg(Constraint):
    """Replace negative numbers by 0.

    >>> NonNeg()(jnp.array([1.0, -4.0]))
    Array([1., 0.], dtype=float32)
    """

    def __call__(self, w: ArrayLike) -> Array:
        return jnp.maximum(jnp.asarray(w), 0)


class _NormConstraint(Constraint):
    """Scale a weight by a factor of its L2 norm along some axes."""

    axis: int | tuple[int, ...]

    def __call__(self, w: ArrayLike) -> Array:
        weight = jnp.asarray(w)
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        if not all(-weight.ndim <= axis < weight.ndim for axis in axes):
            raise ValueError(
                f"{type(self).__name__}: axis must lie within the weight's shape {weight.shape}, "
                f"got {self.axis}."
            )
        # The squares of 16-bit numbers would overflow.
        wide = widened(weight)
        norm = jnp.sqrt(jnp.sum(jnp.square(wide), axis=axes, keepdims=True))
        factor = self.wanted(norm) / (norm + settings.epsilon())
        return (wide * jnp.broadcast_to(factor, wide.shape)).astype(weight.dtype)

    def wanted(self, norm: Array) -> Array:
        """The norms after scaling."""
        raise NotImplementedError


@registry.register("constraint", "max_norm", "maxnorm")
class MaxNorm(_NormConstraint):
    """Shrink vectors whose L2 norm is above `max_value` to that norm.

    Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html

    Args:
        max_value: the bound, at least 0. Keras 1 called it `m`.
        axis: the axis, or axes, along which norms are taken: 0 for the inputs of a dense
            kernel, ``[0, 1, 2]`` for a convolution's kernel of shape (rows, columns, inputs,
            outputs).

    >>> MaxNorm(1.0)(jnp.array([[3.0, 0.1], [4.0, 0.2]])).round(3)
    Array([[0.6, 0.1],
           [0.8, 0.2]], dtype=float32)
    """

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0, **old: Any) -> None:
        max_value = renamed(self, old, {"m": "max_value"}).get("max_value", max_value)
        self.max_value = number(self, "max_value", max_value, minimum=0, infinite=True)
        self.axis = _axes(self, axis)

    def wanted(self, norm: Array) -> Array:
        return jnp.minimum(norm, self.max_value)

    def get_config(self) -> Config:
        return {"max_value": self.max_value, "axis": _written(self.axis)}


@registry.register("constraint", "unit_norm", "unitnorm")
class UnitNorm(_NormConstraint):
    """Scale vectors to an L2 norm of 1.

    Args:
        axis: the axis, or axes, along which norms are taken; see `MaxNorm`.

    >>> UnitNorm()(jnp.array([[3.0, 0.0], [4.0, 0.2]])).round(3)
    Array([[0.6, 0. ],
           [0.8, 1. ]], dtype=float32)
    """

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = _axes(self, axis)

    def wanted(self, norm: Array) -> Array:
        return jnp.ones_like(norm)

    def get_config(self) -> Config:
        return {"axis": _written(self.axis)}


@registry.register("constraint", "min_max_norm")
class MinMaxNorm(_NormConstraint):
    """Move the L2 norms of vectors towards the range from `min_value` to `max_value`.

    Args:
        min_value: lower bound, at least 0. Keras 1 called it `low`.
        max_value: upper bound, at least `min_value`. Keras 1 called it `high`.
        rate: part of the way that one update goes, from 0 to 1.
        axis: the axis, or axes, along which norms are taken; see `MaxNorm`.

    >>> MinMaxNorm(1.0, 2.0, rate=0.5)(jnp.array([[0.0], [4.0]]))
    Array([[0.],
           [3.]], dtype=float32)
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
        **old: Any,
    ) -> None:
        new = renamed(self, old, {"low": "min_value", "high": "max_value"})
        lower, upper = new.get("min_value", min_value), new.get("max_value", max_value)
        self.min_value = number(self, "min_value", lower, minimum=0)
        self.max_value = number(self, "max_value", upper, minimum=0, infinite=True)
        if self.min_value > self.max_value:
            raise ValueError(
                f"{type(self).__name__}: min_value must not be larger than max_value, "
                f"got {lower!r} and {upper!r}."
            )
        self.rate = number(self, "rate", rate, minimum=0)
        if self.rate > 1:
            raise ValueError(f"{type(self).__name__}: rate must be at most 1, got {rate!r}.")
        self.axis = _axes(self, axis)

    def wanted(self, norm: Array) -> Array:
        inside = jnp.clip(norm, self.min_value, self.max_value)
        return self.rate * inside + (1 - self.rate) * norm

    def get_config(self) -> Config:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": _written(self.axis),
        }


max_norm = maxnorm = MaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
min_max_norm = MinMaxNorm


def get(identifier: Like) -> Any:
    """The constraint that a name, config, class or function stands for.

    Args:
        identifier: as in the module's description; None stays None.

    Raises:
        ValueError: an unknown name or a wrong config.
        TypeError: none of these.

    >>> get("max_norm")
    MaxNorm(max_value=2, axis=0)
    """
    if identifier is None:
        return None
    return registry.resolve("constraint", described(identifier))


def serialize(constraint: Any) -> Any:
    """The name or config of a constraint, to write into a file.

    >>> serialize(UnitNorm(axis=[0, 1]))
    {'class_name': 'UnitNorm', 'config': {'axis': [0, 1]}}
    """
    return registry.serialize(constraint)


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Make the constraint that `serialize` described.

    >>> deserialize({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 0}})
    MaxNorm(max_value=3, axis=0)
    """
    return registry.deserialize("constraint", described(config), custom_objects)


def _axes(owner: object, axis: Any) -> int | tuple[int, ...]:
    """The axes, as an int or a tuple of ints."""
    given = [axis] if isinstance(axis, int | np.integer) else axis
    whole = isinstance(given, list | tuple) and all(
        isinstance(one, int | np.integer) and not isinstance(one, bool) for one in given
    )
    if not whole or not given:
        raise ValueError(
            f"{type(owner).__name__}: axis must be an int or a list of ints, got {axis!r}."
        )
    return int(axis) if given is not axis else tuple(int(one) for one in given)


def _written(axis: int | tuple[int, ...]) -> int | list[int]:
    return axis if isinstance(axis, int) else list(axis)


__all__ = [
    "Constraint",
    "Like",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "maxnorm",
    "min_max_norm",
    "non_neg",
    "nonneg",
    "serialize",
    "unit_norm",
    "unitnorm",
]
