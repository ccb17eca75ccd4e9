"""Where progress is shown: a bar on a terminal or in a notebook, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TextIO


def clock_text(seconds: float) -> str:
    """A duration in the fewest units that one needs.

    >>> clock_text(2.4), clock_text(75), clock_text(3725)
    ('2s', '1:15', '1:02:05')
    """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest}s"


def pace_text(seconds: float, unit: str = "step") -> str:
    """The time that one step takes.

    >>> pace_text(0.0341), pace_text(2.5e-4), pace_text(3.2, "sample")
    ('34ms/step', '250us/step', '3s/sample')
    """
    if seconds >= 1:
        return f"{seconds:.0f}s/{unit}"
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.0f}ms/{unit}"
    return f"{seconds * 1e6:.0f}us/{unit}"


def metric_text(name: str, value: Any) -> str:
    """A metric with four decimals, or in scientific notation if it is small.

    >>> metric_text("loss", 0.12345), metric_text("learning_rate", 1e-5)
    ('loss: 0.1235', 'learning_rate: 1.0000e-05')
    """
    if not isinstance(value, float | int):
        return f"{name}: {value}"
    return f"{name}: {value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{name}: {value:.4e}"


class Line:
    """What one line of progress says.

    Attributes:
        step: steps that are done.
        steps: steps in all, or ``None``.
        elapsed: seconds since the start.
        pace: seconds a step, or ``None`` before the first.
        metrics: numbers by name.
        unit: what a step is called.
        note: more to say, after the metrics.
    """

    def __init__(
        self,
        step: int,
        steps: int | None,
        elapsed: float,
        pace: float | None,
        metrics: Mapping[str, Any],
        unit: str = "step",
        note: str = "",
    ) -> None:
        self.step = step
        self.steps = steps
        self.elapsed = elapsed
        self.pace = pace
        self.metrics = metrics
        self.unit = unit
        self.note = note

    def count(self) -> str:
        """The steps that are done, and of how many."""
        if self.steps is None:
            return f"{self.step} {self.unit}s"
        return f"{self.step:>{len(str(self.steps))}}/{self.steps}"

    def bar(self, width: int, encoding: str = "utf-8") -> tuple[str, str]:
        """The marks of what is done and of what is left, `width` together."""
        done = min(width, width * self.step // self.steps) if self.steps else 0
        full, empty = ("━", "─") if encoding.lower().startswith("utf") else ("=", ".")
        return full * done, empty * (width - done)

    def timing(self, final: bool) -> list[str]:
        """The time that is left (in all, at the end), and the pace."""
        left = self.elapsed
        if not final and self.steps is not None and self.pace is not None:
            left = self.pace * max(self.steps - self.step, 0)
        pace = [] if self.pace is None else [pace_text(self.pace, self.unit)]
        return [clock_text(left), *pace]

    def numbers(self) -> str:
        """The metrics and the note, each after a dash."""
        parts = [metric_text(name, value) for name, value in self.metrics.items()]
        return "".join(f" - {part}" for part in [*parts, *filter(None, [self.note])])

    def sentence(self) -> str:
        """All in one line without a bar."""
        return f"{' - '.join([self.count(), *self.timing(final=True)])}{self.numbers()}"


class Surface(Protocol):
    """Where progress is shown: `interval` seconds lie between two drawings, at least."""

    interval: float

    def title(self, text: str) -> None:
        """Announce what comes, such as an epoch."""

    def draw(self, line: Line, width: int) -> None:
        """Show an unfinished line in place of the one before."""

    def finish(self, line: Line, width: int) -> None:
        """Show the last state of a line and end it."""

    def close(self) -> None:
        """End a line that was drawn and not finished."""


class Plain:
    """Files and pipes: complete lines only, one for each title."""

    interval = float("inf")

    def __init__(self, file: TextIO | None = None) -> None:
        self.file = file
        self._title = ""

    def _write(self, text: str) -> None:
        # Looked up late, so that redirections of stdout are followed.
        file = self.file or sys.stdout
        file.write(text)
        file.flush()

    def title(self, text: str) -> None:
        self._title = f"{text} - "

    def draw(self, line: Line, width: int) -> None:
        pass

    def finish(self, line: Line, width: int) -> None:
        self._write(f"{self._title}{line.sentence()}\n")
        self._title = ""

    def close(self) -> None:
        pass


class Notebook(Plain):
    """The output of a notebook's cell: rewritten about once a second."""

    interval = 1.0

    def __init__(self, file: TextIO | None = None) -> None:
        super().__init__(file)
        self._length = 0

    def title(self, text: str) -> None:
        self._write(f"{text}\n")

    def draw(self, line: Line, width: int) -> None:
        self._rewrite(_with_bar(line, width, final=False))

    def finish(self, line: Line, width: int) -> None:
        self._rewrite(_with_bar(line, width, final=True))
        self.close()

    def _rewrite(self, text: str) -> None:
        self._write(f"\r{text}{' ' * (self._length - len(text))}")
        self._length = len(text)

    def close(self) -> None:
        if self._length:
            self._write("\n")
            self._length = 0


class Terminal:
    """A terminal: a coloured bar, rewritten four times a second."""

    interval = 0.25

    def __init__(self, file: TextIO | None = None) -> None:
        from rich.console import Console

        self.console = Console(file=file, highlight=False, force_jupyter=False)
        self._open = False

    def title(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def draw(self, line: Line, width: int) -> None:
        self._erase()
        text = self._text(line, width, final=False)
        # One column stays free: terminals wrap at the last.
        text.truncate(max(self.console.width - 1, 1), overflow="ellipsis")
        self.console.print(text, end="", soft_wrap=True)
        self._flush()
        self._open = True

    def finish(self, line: Line, width: int) -> None:
        self._erase()
        self.console.print(self._text(line, width, final=True), soft_wrap=True)
        self._flush()
        self._open = False

    def close(self) -> None:
        if self._open:
            self.console.print()
            self._open = False

    def _flush(self) -> None:
        self.console.file.flush()

    def _erase(self) -> None:
        if self._open:
            self.console.file.write("\r\x1b[2K")

    def _text(self, line: Line, width: int, final: bool) -> Any:
        from rich.text import Text

        text = Text(line.count())
        if line.steps:
            done, left = line.bar(width, self.console.encoding)
            text.append(" ").append(done, "green").append(left, "dim")
        text.append(f" {' '.join(line.timing(final))}", "bold")
        return text.append(line.numbers())


def _with_bar(line: Line, width: int, final: bool) -> str:
    bar = f" {''.join(line.bar(width))}" if line.steps else ""
    return f"{line.count()}{bar} {' '.join(line.timing(final))}{line.numbers()}"


def in_notebook() -> bool:
    """Whether the code runs in the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    if ipython is None or "ipykernel" not in sys.modules:
        return False
    shell = getattr(ipython, "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")


def choose_surface(verbose: int, file: TextIO | None = None) -> Surface:
    """The surface for this verbosity and for what the output is connected to."""
    if verbose != 1:
        return Plain(file)
    if file is None and in_notebook():
        return Notebook()
    terminal = getattr(file or sys.stdout, "isatty", lambda: False)()
    if terminal and os.environ.get("TERM") != "dumb":
        return Terminal(file)
    return Plain(file)
