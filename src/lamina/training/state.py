"""What steps take and give: the state of a training, the results of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.core.context import Fault

Batch = tuple[Any, Any, Any]
"""Inputs, targets and sample weights of some rows."""


class Noted(NamedTuple):
    """The first check that failed.

    Attributes:
        place: int32, its number among the checks, or -1 while all is well.
        row: int32, the row of the batch.
        value: float32, what was found there.
        step: uint32, the number of the step.
    """

    place: Any
    row: Any
    value: Any
    step: Any


class State(NamedTuple):
    """Everything that a training step reads and changes.

    Attributes:
        trainable: values of the weights that the optimizer changes.
        other: values of the model's other variables.
        optimizer: state of the optimizer.
        metrics: values of the variables of trackers and metrics.
        seed: uint32, from which all random keys are folded.
        step: uint32, number of steps so far.
        noted: the first check that failed.
    """

    trainable: list[Any]
    other: list[Any]
    optimizer: Any
    metrics: list[Any]
    seed: Any
    step: Any
    noted: Noted


class Results(NamedTuple):
    """What evaluating steps change: metrics and failed checks.

    Attributes:
        metrics: values of the variables of trackers and metrics.
        step: uint32, number of the batch in the evaluation.
        noted: the first check that failed.
    """

    metrics: list[Any]
    step: Any
    noted: Noted


def nothing_noted() -> Noted:
    """All is well so far."""
    return Noted(np.int32(-1), np.int32(-1), np.float32(0), np.uint32(0))


def guarded(old: Any, new: Any, faults: Sequence[Fault]) -> Any:
    """The old state, with the failure noted, if a check failed in this or an earlier step.

    Args:
        old: `State` or `Results` before the step.
        new: the same after it.
        faults: the checks of the step.
    """
    if not faults:
        return new
    rows = jnp.stack([jnp.asarray(fault.row).astype(jnp.int32) for fault in faults])
    values = jnp.stack([jnp.asarray(fault.value).astype(jnp.float32) for fault in faults])
    first = jnp.argmax(rows >= 0).astype(jnp.int32)
    place = jnp.where(rows[first] >= 0, first, -1).astype(jnp.int32)
    now = Noted(place, rows[first], values[first], jnp.asarray(old.step))
    before = old.noted.place >= 0
    noted = jax.tree.map(lambda one, other: jnp.where(before, one, other), old.noted, now)
    failed = noted.place >= 0
    kept = jax.tree.map(
        lambda one, other: jnp.where(failed, one, other),
        old._replace(noted=()),
        new._replace(noted=()),
    )
    return kept._replace(noted=noted)


def rows_of(x: Any) -> int:
    """Number of rows of a batch."""
    return jax.tree.leaves(x)[0].shape[0]


def batch_of(block: Batch, place: Any) -> Batch:
    """One batch of a block."""
    return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, place, keepdims=False), block)


def has_convolution(program: Any) -> bool:
    """Whether a jaxpr, or one inside of it, convolves."""
    # Only models that are compiled pay for this import: it brings Pallas with it.
    from jax.extend.core import jaxprs_in_params

    for equation in program.eqns:
        if equation.primitive.name == "conv_general_dilated":
            return True
        for inner in jaxprs_in_params(equation.params):
            if has_convolution(inner):
                return True
    return False
