"""Shapes, weights, exact sums and checks of values that the metrics share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from lamina import config
from lamina.core import context, jit

if TYPE_CHECKING:
    from lamina.typing import Array


def as_array(value: Any) -> Array:
    """The value as a JAX array; arrays stay what they are."""
    if isinstance(value, jax.Array) or hasattr(value, "__jax_array__"):
        return jnp.asarray(value)
    return jnp.asarray(np.asarray(value))


def as_floats(value: Any, dtype: Any = None) -> Array:
    """The value as floats: of the given dtype, else of its own, else of ``floatx``."""
    array = as_array(value)
    if dtype is None:
        dtype = array.dtype if jnp.issubdtype(array.dtype, jnp.floating) else config.floatx()
    return array.astype(dtype)


def paired(y_true: Any, y_pred: Any, who: str) -> tuple[Array, Array]:
    """Both as arrays of one shape; a last axis of size 1 that only one has is evened out.

    Raises:
        ValueError: the shapes differ otherwise. Nothing is broadcast.
    """
    y_true, y_pred = as_array(y_true), as_array(y_pred)
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        y_true, y_pred = _evened(y_true, y_pred)
    elif y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
        y_pred, y_true = _evened(y_pred, y_true)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"{who}: y_true and y_pred must have the same shape, "
            f"got {tuple(y_true.shape)} and {tuple(y_pred.shape)}."
        )
    return y_true, y_pred


def _evened(longer: Array, shorter: Array) -> tuple[Array, Array]:
    # Rows of one number stay rows, so that a mean over the last axis keeps them apart.
    if shorter.ndim == 1:
        return longer, shorter[:, None]
    return longer[..., 0], shorter


def weights_like(weights: Any, shape: Sequence[int], dtype: Any, who: str) -> Array:
    """Weights broadcast to `shape` from the left: one a row, or one an element.

    Raises:
        ValueError: they fit neither way.
    """
    array = as_array(weights).astype(dtype)
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    extra = len(shape) - array.ndim
    fits = extra >= 0 and all(
        size in (1, wanted) for size, wanted in zip(array.shape, shape, strict=False)
    )
    if not fits:
        raise ValueError(
            f"{who}: sample_weight must have one number for each row or element of "
            f"{tuple(shape)}, got the shape {tuple(np.shape(weights))}."
        )
    return jnp.broadcast_to(array.reshape(array.shape + (1,) * extra), tuple(shape))


def equal(left: Array, right: Array) -> Array:
    """Where two arrays of one shape hold the same number, whatever their dtypes."""
    whole = all(not jnp.issubdtype(side.dtype, jnp.floating) for side in (left, right))
    kind = jnp.int32 if whole else config.floatx()
    return left.astype(kind) == right.astype(kind)


def places_like(array: Array) -> Array:
    """The index along the last axis, for each element of an array."""
    return jax.lax.broadcasted_iota(jnp.int32, array.shape, array.ndim - 1)


def quotient(numerator: Array, denominator: Array) -> Array:
    """``numerator / denominator``, and 0 where the denominator is 0."""
    empty = denominator == 0
    return jnp.where(empty, 0, numerator / jnp.where(empty, 1, denominator))


def two_sum(left: Array, right: Array) -> tuple[Array, Array]:
    """The rounded sum and what rounding left out, exactly.

    Source: Knuth, The Art of Computer Programming, volume 2, section 4.2.2, theorem B.
    """
    total = lax.add(left, right)
    part = lax.sub(total, left)
    rest = lax.add(lax.sub(left, lax.sub(total, part)), lax.sub(right, part))
    return total, lax.select(lax.is_finite(total), rest, lax.full_like(rest, 0))


@jit.inner
def added(large: Array, small: Array, value: Array) -> tuple[Array, Array]:
    """A sum kept as two floats, and what is added to it: floats, or int32 counts.

    Source: A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen,
    ZAMM 54 (1974).
    """
    # Somebody may have set the sum back by hand.
    small = jnp.where(large == 0, 0, small)
    for part in _exact_parts(value, large.dtype):
        large, lost = two_sum(large, part)
        small = small + lost
    return two_sum(large, small)


def _exact_parts(value: Array, dtype: Any) -> list[Array]:
    """Floats that add up to the value without rounding: one for floats, two for int32."""
    if not jnp.issubdtype(value.dtype, jnp.integer):
        return [value.astype(dtype)]
    low = jnp.bitwise_and(value, 0xFFF)
    return [(value - low).astype(dtype), low.astype(dtype)]


def total_of(values: Array, weights: Array | None, axis: Any = None) -> Array:
    """Weighted sum; without weights, booleans are counted in int32 so that none is lost.

    A weight of 0 leaves its value out, even where that is not finite.
    """
    if weights is None:
        dtype = jnp.int32 if values.dtype == jnp.bool_ else values.dtype
        return jnp.sum(values, axis=axis, dtype=dtype)
    return jnp.sum(weighted(values, weights), axis=axis)


def weighted(values: Array, weights: Array) -> Array:
    """``values * weights``, where a weight of 0 also removes what is not finite."""
    return jnp.where(weights == 0, 0, values.astype(weights.dtype) * weights)


def report(bad: Array, values: Array, explain: Callable[[int, float], str]) -> None:
    """Raise for the first bad value, or hand the check to the run that is going on.

    Args:
        bad: booleans of the shape of `values`, rows first.
        values: what was found.
        explain: makes the message from the number of the row and the value.

    Raises:
        ValueError: a value is bad and known now, outside of a compiled run.
    """
    if bad.size == 0:
        return
    row, value = _first(bad, values)
    if not isinstance(row, Tracer):
        if int(row) >= 0:
            raise ValueError(explain(int(row), float(value)))
        return
    call = context.current()
    if call is not None:
        call.faults.append(context.Fault(row, value, explain))


@jit.inner
def _first(bad: Array, values: Array) -> tuple[Array, Array]:
    """Row and value of the first that is bad; row -1 if none is."""
    place = jnp.argmax(bad.ravel())
    per_row = bad.size // bad.shape[0] if bad.ndim else 1
    row = jnp.where(jnp.any(bad), place // per_row, -1).astype(jnp.int32)
    return row, values.ravel()[place].astype(jnp.float32)
