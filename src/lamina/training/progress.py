"""Progress as Keras users know it: how fast a loop is, and the bar for loops of your own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from lamina.training.logs import on_host
from lamina.training.surfaces import Line, choose_surface

Verbosity = Any
"""0, 1, 2 or ``"auto"``; ``False`` and ``True`` are 0 and 1."""


def checked_verbosity(verbose: Verbosity, owner: str) -> int:
    """0, 1 or 2; ``"auto"`` is 1.

    Raises:
        ValueError: anything else.
    """
    if verbose == "auto":
        return 1
    if not isinstance(verbose, str) and verbose in {0, 1, 2}:
        return int(verbose)
    raise ValueError(
        f"{owner}: verbose must be 0 (silent), 1 (a bar), 2 (one line an epoch) or 'auto', "
        f"got {verbose!r}."
    )


class Stopwatch:
    """Seconds since the start, and seconds a step without those that came at once at the start.

    The first call usually compiles, so that its time would mislead.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self.start = self.last = self.clock()
        self.step = 0
        self._first: tuple[int, float] | None = None

    def reach(self, step: int, now: float) -> None:
        """Note that so many steps are done."""
        self.step, self.last = step, now
        if self._first is None and step > 0:
            self._first = (step, now)

    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.start

    def pace(self) -> float | None:
        """Seconds a step, or ``None`` before the first."""
        if self._first is None:
            return None
        step, when = self._first
        if self.step > step:
            return (self.last - when) / (self.step - step)
        return (self.last - self.start) / self.step


class Progbar:
    """A bar that a loop of your own moves.

    Values are averaged over the units in between, except those of `stateful_metrics`. They may be
    arrays on the device; the bar waits for them only when it draws.

    Args:
        target: number of units, or ``None`` if it is not known.
        width: length of the bar.
        verbose: 0 is silent, 1 draws a bar, 2 prints one line at the end.
        interval: least seconds between two drawings; at least 0.25 on a terminal and 1 in a
            notebook. Where nobody watches only the end is printed.
        stateful_metrics: names whose last value is shown instead of the average.
        unit_name: what a unit is called.
        file: where to write; standard output by default.

    >>> bar = Progbar(3, verbose=0)
    >>> bar.update(1, [("loss", 1.0)])
    >>> bar.add(2, [("loss", 4.0)])
    >>> bar.means()
    {'loss': 3.0}
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: Verbosity = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
        *,
        file: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.target = target
        self.width = width
        self.verbose = checked_verbosity(verbose, "Progbar")
        self.stateful_metrics = set(stateful_metrics or ())
        self.unit_name = unit_name
        self.seen = 0
        self._surface = choose_surface(self.verbose, file)
        self.interval = max(interval, self._surface.interval)
        self._watch = Stopwatch(clock)
        self._next = 0.0
        self._totals: dict[str, list[Any]] = {}
        self._waiting: list[tuple[str, Any, int]] = []

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Say how many units are done by now.

        Args:
            current: number of units.
            values: pairs of a name and the value over the units since the last call.
            finalize: whether this is the end; by default when `current` has reached the target.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        weight = max(current - self.seen, 1)
        self._waiting.extend((name, value, weight) for name, value in values or ())
        if len(self._waiting) > 256:
            self._fold()
        self.seen = current
        now = self._watch.clock()
        self._watch.reach(current, now)
        if self.verbose == 0 or (now < self._next and not finalize):
            return
        self._next = now + self.interval
        if finalize:
            self._surface.finish(self._line(), self.width)
        elif self.verbose == 1:
            self._surface.draw(self._line(), self.width)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Say that `n` more units are done."""
        self.update(self.seen + n, values)

    def means(self) -> dict[str, Any]:
        """The averages so far, and the last values of the stateful metrics."""
        self._fold()
        return {
            name: value if name in self.stateful_metrics else value / weight
            for name, (value, weight) in self._totals.items()
        }

    def _fold(self) -> None:
        for name, value, weight in self._waiting:
            number = on_host(value)
            total = self._totals.setdefault(name, [0.0, 0])
            if name in self.stateful_metrics:
                total[:] = [number, 1]
            else:
                total[0] += number * weight
                total[1] += weight
        self._waiting.clear()

    def _line(self) -> Line:
        watch = self._watch
        return Line(
            self.seen, self.target, watch.elapsed(), watch.pace(), self.means(), self.unit_name
        )
