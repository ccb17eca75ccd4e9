"""Interleaved rounds: each contender in turn, again and again, so that noise meets all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Run = Callable[[], float]
"""Does the work once; gives what it took, in the unit of the benchmark."""


@dataclass
class Row:
    """One comparison.

    Attributes:
        name: what was compared.
        unit: unit of `ours` and `theirs`.
        ours: what lamina took: the least of all rounds.
        theirs: what the other took, likewise.
        ratio: `ours` divided by `theirs`.
        median_ratio: median of the ratios of the rounds.
        limit: the ratio must not be larger; ``None`` for information only.
        details: further figures.
    """

    name: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    median_ratio: float
    limit: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        models: names of models; none for all.
        contenders: names of contenders; none for all.
        rounds: most rounds of each measurement.
        seconds: about how long the rounds of a model may take.
        check: whether the contenders' numbers are compared.
    """

    models: tuple[str, ...] = ()
    contenders: tuple[str, ...] = ()
    rounds: int = 9
    seconds: float = 25
    check: bool = True


def rounds(
    contenders: Mapping[str, Run], count: int, warm: int = 2, seconds: float | None = None
) -> dict[str, list[float]]:
    """What each contender took in each round; the order turns around from round to round.

    Args:
        contenders: what takes turns.
        count: number of rounds.
        warm: rounds before, that do not count.
        seconds: no round begins after so long, but for the first two.
    """
    for run in contenders.values():
        for _ in range(warm):
            run()
    names = list(contenders)
    taken: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for number in range(count):
            late = seconds is not None and time.perf_counter() - start > seconds
            if number > 1 and late:
                break
            for name in names if number % 2 else reversed(names):
                taken[name].append(contenders[name]())
    finally:
        gc.enable()
    return taken


def compare(
    name: str,
    unit: str,
    ours: list[float],
    theirs: list[float],
    limit: float | None = None,
    **details: Any,
) -> Row:
    """A row from the figures of two contenders, of the same rounds."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    best, other = min(ours), min(theirs)
    return Row(
        name, unit, best, other, best / other, statistics.median(ratios), limit, dict(details)
    )


def timed(work: Callable[[], Any], unit: float, repeat: int = 1) -> Run:
    """A contender that calls a function; `unit` seconds are one unit, for each repetition."""

    def run() -> float:
        start = time.perf_counter()
        for _ in range(repeat):
            work()
        return (time.perf_counter() - start) / repeat / unit

    return run
