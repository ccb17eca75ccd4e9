"""Update rules: gradient transformations of optax, of optax's own making or of ours.

A rule turns gradients into the changes that are added to the weights. It is an
``optax.GradientTransformationExtraArgs`` over lists of arrays, one for each variable, and
gets the learning rate and the number of the update as extra arguments, so that neither is
compiled into the step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    import optax

    from lamina.typing import Array


class Moment(NamedTuple):
    """What a rule knows beside gradient, slots and value.

    Attributes:
        rate: learning rate, in the dtype of the value.
        time: number of this update, from 1, a float32 scalar (float64 for float64 values).
        place: place of the variable among those of the optimizer.
        shared: the scalar that all variables share, if the rule has one.
    """

    rate: Any
    time: Any
    place: int
    shared: Any = None


Rule = Callable[[Any, Any, tuple[Any, ...], Moment], tuple[Any, tuple[Any, ...]]]
Initial = Callable[[Any, int], Any]


class Slots(NamedTuple):
    """State of a rule: for each slot a list with one array for each variable."""

    columns: tuple[list[Any], ...]
    shared: Any = None


def zeros(value: Array, index: int) -> Array:
    """First content of most slots."""
    del index
    # From the host: nothing is compiled for the shape.
    return jax.device_put(np.zeros(value.shape, value.dtype))


def scalar_dtype(value: Any) -> Any:
    """Dtype of the scalars of a rule: float32, or float64 for values of float64."""
    return jnp.float64 if value.dtype == jnp.float64 else jnp.float32


def per_variable(
    rule: Rule,
    initial: Sequence[Initial],
    shared: tuple[float, Callable[[Any, Any], Any]] | None = None,
) -> optax.GradientTransformationExtraArgs:
    """A transformation that treats each variable by itself.

    Args:
        rule: function ``(gradient, value, slots, moment) -> (change, new slots)``.
        initial: for each slot a function ``(value, index) -> first content``.
        shared: first value of a scalar that all variables share, and the function
            ``(scalar, time) -> new scalar`` applied before the variables are updated.
    """

    def init(params: Any) -> Slots:
        columns = tuple(
            [first(value, index) for index, value in enumerate(params)] for first in initial
        )
        return Slots(columns, None if shared is None else jnp.asarray(shared[0], jnp.float32))

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Slots]:
        scalar = state.shared
        if shared is not None:
            scalar = shared[1](scalar, extra["time"].astype(jnp.float32))
        changes, rows = [], []
        for place, (gradient, value) in enumerate(zip(updates, params, strict=True)):
            moment = Moment(
                extra["learning_rate"].astype(value.dtype),
                extra["time"].astype(scalar_dtype(value)),
                extra["indices"][place],
                None if scalar is None else scalar.astype(scalar_dtype(value)),
            )
            slots = tuple(column[place] for column in state.columns)
            change, row = rule(gradient, value, slots, moment)
            changes.append(change)
            rows.append(row)
        columns = tuple([row[column] for row in rows] for column in range(len(initial)))
        return changes, Slots(columns, scalar)

    return _transformation(init, update)


class _Pair(NamedTuple):
    """What Optax calls a transformation, for processes that have not loaded Optax."""

    init: Callable[..., Any]
    update: Callable[..., Any]


def _transformation(
    init: Callable[..., Any], update: Callable[..., Any]
) -> optax.GradientTransformationExtraArgs:
    """Both functions as one object.

    Only code that has loaded Optax can tell its own kind from a pair, and loading it is an eighth
    of the time to a first step where all programs are on disk.
    """
    if "optax" not in sys.modules:
        return cast("optax.GradientTransformationExtraArgs", _Pair(init, update))
    import optax

    return optax.GradientTransformationExtraArgs(init, update)


def scale_by_rate() -> optax.GradientTransformationExtraArgs:
    """Multiply by the negative learning rate of the step."""
    import optax

    def init(params: Any) -> Any:
        del params
        return optax.EmptyState()

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        del params
        rate = extra["learning_rate"]
        return [-rate.astype(update.dtype) * update for update in updates], state

    return optax.GradientTransformationExtraArgs(init, update)


def norm(arrays: Sequence[Any]) -> Array:
    """Euclidean norm of all arrays together, a float32 (or float64) scalar."""
    kind = jnp.float64 if any(a.dtype == jnp.float64 for a in arrays) else jnp.float32
    return jnp.sqrt(sum((jnp.sum(jnp.square(a.astype(kind))) for a in arrays), start=kind(0)))


def clip_by_norm(arrays: Sequence[Any], limit: float) -> list[Any]:
    """Scale the arrays by one factor, so that their common norm is `limit` at most."""
    length = norm(arrays)
    factor = limit / jnp.maximum(length, limit)
    return [array * factor.astype(array.dtype) for array in arrays]
