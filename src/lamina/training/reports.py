"""What a run leaves in its record besides outputs: checks, numbers for the logs, metrics."""

from __future__ import annotations

from typing import Any

from lamina import metrics
from lamina.core import pure
from lamina.core.context import Fault


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
