"""What must be reached, and whether it was: rows of ratios with their limits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from timing import Row, compare

PEERS = ("keras-jax", "keras-tensorflow", "keras-torch", "torch")
KERAS = PEERS[:3]

TRAIN = 1.0
TRAIN_MEAN = 0.8
TRAIN_SMALL = 0.15
FLOOR = 1.05
FLOOR_FROM = 1.0
"""Milliseconds of a step from which on the limit to the floor holds."""
PREDICT = 1.0
ONE = 0.25
ONE_FLOOR = 2.5
CALL_FLOOR = 1.5
FIRST = 0.8
SECOND = 0.3
MEMORY = 1.0

Figures = dict[str, Any]


def rows(found: dict[str, dict[str, Figures]]) -> list[Row]:
    """All comparisons of all models, and the mean over them."""
    made = [row for name, figures in found.items() for row in of_model(name, figures)]
    training = [row.ratio for row in made if row.name.endswith(" train / best peer")]
    if training:
        mean = math.exp(sum(map(math.log, training)) / len(training))
        made.append(Row("geometric mean: train / best peer", "", 0, 0, mean, mean, TRAIN_MEAN))
    return made


def of_model(name: str, figures: dict[str, Figures], bounded: bool = True) -> Iterator[Row]:
    """The comparisons of one model; only the bounded ones have limits."""
    for row in _of_model(name, figures):
        yield row if bounded else replace(row, limit=None)


def _of_model(name: str, figures: dict[str, Figures]) -> Iterator[Row]:
    if "train" not in figures.get("lamina", {}):
        return
    yield from timed(name, figures, "train", PEERS, "best peer", "ms", TRAIN)
    if name == "mlp_small":
        yield from timed(name, figures, "train", ("keras-jax",), "Keras on JAX", "ms", TRAIN_SMALL)
    yield from timed(name, figures, "train", ("floor",), "floor", "ms", floor_limit(figures))
    yield from timed(name, figures, "predict", PEERS, "best peer", "ms", PREDICT)
    yield from timed(name, figures, "one", KERAS, "best Keras", "us", ONE)
    yield from timed(name, figures, "one", ("floor",), "floor", "us", ONE_FLOOR)
    yield from timed(name, figures, "call", ("floor",), "floor", "us", CALL_FLOOR)
    yield from single(name, figures, "first", ("keras-jax", "first"), "Keras on JAX", "s", FIRST)
    yield from single(name, figures, "second", ("lamina", "first"), "its own first", "s", SECOND)
    yield from single(
        name, figures, "memory", ("keras-jax", "memory"), "Keras on JAX", "MB", MEMORY
    )


def floor_limit(figures: dict[str, Figures]) -> float | None:
    taken = figures.get("floor", {}).get("train")
    return FLOOR if taken and min(taken) >= FLOOR_FROM else None


def timed(
    name: str,
    figures: dict[str, Figures],
    measure: str,
    others: tuple[str, ...],
    title: str,
    unit: str,
    limit: float | None,
) -> Iterator[Row]:
    """lamina beside the best of some others, in rounds; nothing if none of them was there."""
    there = {
        other: figures[other][measure] for other in others if measure in figures.get(other, {})
    }
    if there and measure in figures["lamina"]:
        best = min(there, key=lambda other: min(there[other]))
        ours = figures["lamina"][measure]
        row_name = f"{name}: {measure} / {title}"
        yield compare(row_name, unit, ours, there[best], limit, other=best)


def single(
    name: str,
    figures: dict[str, Figures],
    measure: str,
    other: tuple[str, str],
    title: str,
    unit: str,
    limit: float,
) -> Iterator[Row]:
    """lamina's figure beside another one, each taken once."""
    theirs = figures.get(other[0], {}).get(other[1])
    ours = figures["lamina"].get(measure)
    if theirs is not None and ours is not None:
        ratio = ours / theirs
        yield Row(f"{name}: {measure} / {title}", unit, ours, theirs, ratio, ratio, limit)


def missed(all_rows: list[dict[str, Any]]) -> list[str]:
    """Sentences on the limits that were not reached."""
    return [
        f"{row['name']}: {row['ratio']:.3f}, limit {row['limit']:g}"
        for row in all_rows
        if row["limit"] is not None and row["ratio"] > row["limit"]
    ]
