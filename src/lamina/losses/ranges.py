"""Targets and outputs that a loss has no meaning for: probabilities below 0, counts below 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

from lamina.core import context
from lamina.ops.embedding import first_bad

if TYPE_CHECKING:
    from lamina.typing import Array

NOISE = 0.25
"""How far outside of 0 and 1 targets may lie: old GANs add noise to their labels."""

ROUNDING = 1e-3
"""How far below 0 a probability may lie that was computed."""


def check_probabilities(loss: str, targets: Array, way_out: str, axis: int | None = None) -> None:
    """Report targets that are clearly no probabilities.

    Args:
        loss: name for messages.
        targets: the targets, as they were given.
        way_out: what to do instead, for messages.
        axis: axis of the classes. Rows with one number other than 0 pass then: they are classes
            times a weight, such as the advantages of a policy gradient.

    Raises:
        ValueError: one that can be looked at is more than `NOISE` outside of 0 to 1.
    """
    bad = (targets < -NOISE) | (targets > 1.0 + NOISE)
    if axis is not None:
        bad &= jnp.sum(targets != 0, axis=axis, keepdims=True, dtype=jnp.int32) > 1
    _report(targets, bad, f"{loss}: y_true has the value {{}} in row {{}}, but {way_out}")


def check_not_negative(loss: str, name: str, values: Array, least: float, way_out: str) -> None:
    """Report numbers below `least`, which is 0 but for rounding.

    Raises:
        ValueError: there is one that can be looked at.
    """
    _report(values, values < least, f"{loss}: {name} has the value {{}} in row {{}}, but {way_out}")


def _report(values: Array, bad: Array, message: str) -> None:
    """Raise, or record a fault of the run that is going on."""

    def explain(row: int, value: float) -> str:
        return message.format(f"{value:g}", row)

    if not values.size:
        return
    call = context.current()
    if call is not None:
        if call.is_open():
            row, value = first_bad(bad, jax.lax.stop_gradient(values))
            call.faults.append(context.Fault(row, value.astype(jnp.float32), explain))
    elif not isinstance(bad, jax.core.Tracer) and np.asarray(bad).any():
        row, value = first_bad(bad, jax.lax.stop_gradient(values))
        raise ValueError(explain(int(row), float(value)))
