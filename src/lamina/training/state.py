"""What steps take and give: the state of a training, the results of an evaluation, the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from lamina import metrics
from lamina.core import programs, pure
from lamina.core.context import Fault
from lamina.core.pure import first_failure, has_failed

Batch = tuple[Any, Any, Any]
"""Inputs, targets and sample weights of some rows."""


class State(NamedTuple):
    """Everything that a training step reads and changes.

    Attributes:
        trainable: values of the weights that the optimizer changes.
        other: values of the model's other variables.
        optimizer: state of the optimizer.
        metrics: values of the variables of trackers and metrics.
        seed: uint32, from which all random keys are folded.
        step: uint32, number of steps so far.
        noted: the first check that failed, see `noted_in`.
    """

    trainable: list[Any]
    other: list[Any]
    optimizer: Any
    metrics: list[Any]
    seed: Any
    step: Any
    noted: Any


class Results(NamedTuple):
    """What evaluating steps change: metrics and failed checks.

    Attributes:
        metrics: values of the variables of trackers and metrics.
        step: uint32, number of the batch in the evaluation.
        noted: the first check that failed, see `noted_in`.
    """

    metrics: list[Any]
    step: Any
    noted: Any


def guarded(old: Any, new: Any, faults: Sequence[Fault]) -> Any:
    """The old state, with the failure noted, if a check failed in this or an earlier step.

    Args:
        old: `State` or `Results` before the step.
        new: the same after it.
        faults: the checks of the step.
    """
    if not faults:
        return new
    now = first_failure(faults, old.step)
    noted = jnp.where(has_failed(old.noted), old.noted, now)
    failed = has_failed(noted)

    def kept(one: Any, other: Any) -> Any:
        return one if one is other else lax.select(failed, one, other)

    chosen = jax.tree.map(kept, old._replace(noted=()), new._replace(noted=()))
    return chosen._replace(noted=noted)


def unless_noted(
    noted: Any, faults: Sequence[Fault], update: Callable[..., Any], *values: Any
) -> Any:
    """Values after an update, or as they are if a check failed.

    Args:
        noted: what failed so far, this step included.
        faults: the checks of the step.
        update: function of the values to new ones of the same structure.
        values: what to update.
    """
    if not faults:
        return update(*values)
    failed = has_failed(noted)
    if isinstance(failed, Tracer):
        return programs.kept_if(failed, update, *values)
    return values if failed else update(*values)


def rows_of(x: Any) -> int:
    """Number of rows of a batch; the leaves of a sparse one would count its entries."""
    return jax.tree.leaves(x, is_leaf=lambda part: hasattr(part, "shape"))[0].shape[0]


def batch_of(block: Batch, place: Any) -> Batch:
    """One batch of a block."""
    return jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, place, keepdims=False), block)


def explanations(faults: list[Fault]) -> list[Any]:
    """What makes the messages of the checks."""
    return [fault.explain for fault in faults]


def numbers_of(faults: list[Fault]) -> list[tuple[Any, Any]]:
    """Row and value of each check."""
    return [(fault.row, fault.value) for fault in faults]


def faults_of(numbers: list[tuple[Any, Any]], messages: list[Any]) -> list[Fault]:
    """The checks that were taken apart into numbers and messages."""
    pairs = zip(numbers, messages, strict=True)
    return [Fault(row, value, explain) for (row, value), explain in pairs]


def names_of(reports: list[tuple[str, Any]]) -> list[str]:
    """Names of what layers reported; a name that comes twice gets a number that is free.

    >>> names_of([("a", 0.5), ("a", 0.25), ("a_1", 1.0), ("a", 2.0)])
    ['a', 'a_2', 'a_1', 'a_3']
    """
    taken = {name for name, _ in reports}
    counts: dict[str, int] = {}
    names: list[str] = []
    for name, _ in reports:
        count = counts.get(name, -1) + 1
        while count and f"{name}_{count}" in taken:
            count += 1
        counts[name] = count
        names.append(f"{name}_{count}" if count else name)
        taken.add(names[-1])
    return names


def values_of(outcome: pure.Outcome) -> list[Any]:
    """The numbers that layers reported."""
    return [value for _, value in outcome.call.metrics]


def metrics_of(model: Any) -> list[Any]:
    """Metrics that the model or its layers hold as attributes."""
    found: dict[int, Any] = {}
    for layer in model.all_layers():
        for value in vars(layer).values():
            if isinstance(value, metrics.Metric):
                found[id(value)] = value
    return list(found.values())
