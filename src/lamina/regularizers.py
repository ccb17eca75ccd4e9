"""Named regularizers: functions of a weight or an output to a scalar that joins the loss.

A layer takes a name, an object, a class, a config, or a function of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

import jax.numpy as jnp

from lamina import registry
from lamina.arguments import described, number, renamed, widened

if TYPE_CHECKING:
    from lamina.typing import Array, ArrayLike, Config

Like = str | Mapping[str, Any] | Callable[..., Any] | None
"""What a layer takes as a regularizer; see `get`."""


class Regularizer:
    """Map an array to a scalar that is added to the loss.

    A subclass of your own overrides ``__call__(x)``, and `get_config` if it has arguments.

    >>> class Mean(Regularizer):
    ...     def __call__(self, x):
    ...         return x.mean()
    >>> Mean()(jnp.ones((2, 3)))
    Array(1., dtype=float32)
    """

    def __call__(self, x: ArrayLike) -> Array:
        """The scalar, of the dtype of `x`.

        Raises:
            TypeError: `x` holds no floats.
        """
        array = jnp.asarray(x)
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(
                f"{type(self).__name__} takes an array of floats, got dtype {array.dtype.name}."
            )
        # Sums of 16-bit numbers would overflow or stop growing.
        return self.penalty(widened(array)).astype(array.dtype)

    def penalty(self, x: Array) -> Array:
        """The scalar, for an array of at least 32 bits."""
        raise NotImplementedError(f"{type(self).__name__} must override __call__.")

    def get_config(self) -> Config:
        """The arguments of the constructor, to write into a file."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make the regularizer that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@registry.register("regularizer", "WeightRegularizer", "ActivityRegularizer", "L1L2Regularizer")
class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x**2)``.

    Args:
        l1: factor of the absolute values, at least 0; None is 0.
        l2: factor of the squares, at least 0; None is 0.

    >>> L1L2(l1=0.5, l2=2.0)(jnp.array([1.0, -2.0]))
    Array(11.5, dtype=float32)
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = number(self, "l1", 0.0 if l1 is None else l1, minimum=0)
        self.l2 = number(self, "l2", 0.0 if l2 is None else l2, minimum=0)

    def penalty(self, x: Array) -> Array:
        total = jnp.zeros((), x.dtype)
        if self.l1:
            total = total + self.l1 * jnp.sum(jnp.abs(x))
        if self.l2:
            total = total + self.l2 * jnp.sum(jnp.square(x))
        return total

    def get_config(self) -> Config:
        return {"l1": self.l1, "l2": self.l2}


@registry.register("regularizer", "l1", "activity_l1")
class L1(L1L2):
    """``l1 * sum(|x|)``.

    Args:
        l1: factor, at least 0. Keras 1 and 2 called it `l`.

    >>> L1(0.5)(jnp.array([1.0, -2.0]))
    Array(1.5, dtype=float32)
    """

    def __init__(self, l1: float | None = 0.01, **old: float) -> None:
        super().__init__(l1=renamed(self, old, {"l": "l1"}).get("l1", l1))

    def get_config(self) -> Config:
        return {"l1": self.l1}


@registry.register("regularizer", "l2", "activity_l2")
class L2(L1L2):
    """``l2 * sum(x**2)``, without a factor of one half.

    Args:
        l2: factor, at least 0. Keras 1 and 2 called it `l`.

    >>> L2(0.5)(jnp.array([1.0, -2.0]))
    Array(2.5, dtype=float32)
    """

    def __init__(self, l2: float | None = 0.01, **old: float) -> None:
        super().__init__(l2=renamed(self, old, {"l": "l2"}).get("l2", l2))

    def get_config(self) -> Config:
        return {"l2": self.l2}


@registry.register("regularizer", "orthogonal_regularizer")
class OrthogonalRegularizer(Regularizer):
    """Mean absolute cosine between different rows (or columns) of a matrix, times `factor`.

    It is 0 when they are orthogonal and `factor` when all are parallel. A row of zeros counts as
    orthogonal to all others.

    Args:
        factor: at least 0.
        mode: ``"rows"`` or ``"columns"``.

    Raises:
        ValueError: an unknown mode, or (when called) an array without exactly two axes.

    >>> OrthogonalRegularizer(0.5)(jnp.array([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]]))
    Array(0.16666667, dtype=float32)
    """

    def __init__(self, factor: float = 0.01, mode: Literal["rows", "columns"] = "rows") -> None:
        self.factor = number(self, "factor", factor, minimum=0)
        if mode not in ("rows", "columns"):
            raise ValueError(
                f"{type(self).__name__}: mode must be 'rows' or 'columns', got {mode!r}."
            )
        self.mode = mode

    def penalty(self, x: Array) -> Array:
        if x.ndim != 2:
            raise ValueError(
                f"{type(self).__name__} takes a matrix, got an array of shape {x.shape}."
            )
        vectors = x if self.mode == "rows" else x.T
        count = vectors.shape[0]
        squares = jnp.sum(jnp.square(vectors), axis=1, keepdims=True)
        unit = vectors * (1 / jnp.sqrt(jnp.maximum(squares, 1e-12)))
        cosines = jnp.abs(unit @ unit.T) * (1 - jnp.eye(count, dtype=x.dtype))
        return self.factor * jnp.sum(cosines) / max(1, count * (count - 1))

    def get_config(self) -> Config:
        return {"factor": self.factor, "mode": self.mode}


@registry.register("regularizer")
class EigenvalueRegularizer(Regularizer):
    """The largest singular value of a matrix, times `k`: a bound on how far it stretches.

    It is the square root of the largest eigenvalue of ``x.T @ x``. Keras 1 had it, with nine
    steps of the power method in the place of the exact value.

    Args:
        k: factor, at least 0.

    Raises:
        ValueError: (when called) an array without exactly two axes.

    >>> EigenvalueRegularizer(0.5)(jnp.array([[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
    Array(1.5, dtype=float32)
    """

    def __init__(self, k: float) -> None:
        self.k = number(self, "k", k, minimum=0)

    def penalty(self, x: Array) -> Array:
        if x.ndim != 2:
            raise ValueError(
                f"{type(self).__name__} takes a matrix, got an array of shape {x.shape}."
            )
        return self.k * jnp.linalg.norm(x, 2)

    def get_config(self) -> Config:
        return {"k": self.k}


@registry.register("regularizer")
class SummedOverBatch(Regularizer):
    """Another regularizer of an output, for the whole batch, not for the mean of its rows.

    A layer divides the penalty on its output by the number of rows, as ``tf.keras`` and Keras 3
    do; Keras 1 and 2 did not, and layers from their files have this in its place.

    Args:
        regularizer: what a layer takes as a regularizer.

    Raises:
        ValueError: an unknown name, or none.

    >>> SummedOverBatch(L1(0.5))(jnp.array([[1.0], [-2.0]]))
    Array(3., dtype=float32)
    """

    def __init__(self, regularizer: Like) -> None:
        self.regularizer = get(regularizer)
        if self.regularizer is None:
            raise ValueError("SummedOverBatch: regularizer must be one, got None.")

    def __call__(self, x: ArrayLike) -> Array:
        array = jnp.asarray(x)
        return self.regularizer(array) * max(array.shape[0] if array.ndim else 1, 1)

    def get_config(self) -> Config:
        return {"regularizer": serialize(self.regularizer)}


l1, l2 = L1, L2
activity_l1, activity_l2 = L1, L2
WeightRegularizer = ActivityRegularizer = L1L2Regularizer = L1L2
orthogonal_regularizer = OrthogonalRegularizer


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """`L1L2` with both factors 0.01 unless given, as in Keras 1 and 2.

    >>> l1_l2(l2=0.1)
    L1L2(l1=0.01, l2=0.1)
    """
    return L1L2(l1, l2)


l1l2 = activity_l1l2 = l1_l2
PAIRS = ("l1_l2", "l1l2", "activity_l1l2")
registry.register("regularizer", *PAIRS)(l1_l2)


def get(identifier: Like) -> Any:
    """The regularizer that a name, config, class or function stands for.

    Args:
        identifier: as in the module's description; None stays None. ``"l1_l2"`` and ``"l1l2"``
            have both factors 0.01, ``"L1L2"`` has none.

    Raises:
        ValueError: an unknown name or a wrong config.
        TypeError: none of these.

    >>> get("l2")
    L2(l2=0.01)
    """
    if identifier is None:
        return None
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    return _made(registry.resolve("regularizer", identifier))


def serialize(regularizer: Any) -> Any:
    """The name or config of a regularizer, to write into a file.

    >>> serialize(L2(0.1))
    {'class_name': 'L2', 'config': {'l2': 0.1}}
    """
    return registry.serialize(regularizer)


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Make the regularizer that `serialize` described.

    >>> deserialize({"class_name": "L1L2", "config": {"l1": 0.5, "l2": 0.0}})
    L1L2(l1=0.5, l2=0.0)
    """
    config = described(config)
    if isinstance(config, Mapping) and config.get("class_name") in PAIRS:
        config = {**config, "class_name": "L1L2"}
    return _made(registry.deserialize("regularizer", config, custom_objects))


def _made(found: Any) -> Any:
    """The regularizer of a name; ``l1_l2`` is a function that makes one."""
    return found() if found is l1_l2 else found


__all__ = [
    "L1",
    "L1L2",
    "L2",
    "ActivityRegularizer",
    "EigenvalueRegularizer",
    "L1L2Regularizer",
    "Like",
    "OrthogonalRegularizer",
    "Regularizer",
    "SummedOverBatch",
    "WeightRegularizer",
    "activity_l1",
    "activity_l1l2",
    "activity_l2",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l1l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]
