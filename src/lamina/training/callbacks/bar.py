"""The progress bar of ``fit``, ``evaluate`` and ``predict``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Literal, TextIO

from lamina.training.callbacks.base import Callback
from lamina.training.logs import as_logs
from lamina.training.progress import Stopwatch, Verbosity, checked_verbosity
from lamina.training.surfaces import Line, Surface, choose_surface

WIDTH = 20


class ProgressBar(Callback):
    """Show how far training is: epoch, steps, time, time a step, metrics.

    It is told of steps by `on_progress`, which may come after many steps at once, and reads the
    numbers in the logs only when it draws: four times a second on a terminal, once in a
    notebook, and once an epoch elsewhere. The time a step leaves out the first call of the epoch
    and evaluations.

    Args:
        verbose: 0 is silent, 1 or ``"auto"`` draws a bar, 2 prints one line an epoch.
        file: where to write; standard output by default.
        clock: function that returns seconds.

    >>> bar = ProgressBar(verbose=2, clock=iter([0.0, 0.1, 0.4, 0.4]).__next__)
    >>> bar.set_params({"epochs": 10, "steps": 3})
    >>> bar.on_epoch_begin(2)
    >>> bar.on_progress(1, 3)
    >>> bar.on_progress(3, 3)
    >>> bar.on_epoch_end(2, {"loss": 0.5})
    Epoch 3/10 - 3/3 - 0s - 150ms/step - loss: 0.5000
    """

    every_batch = False

    def __init__(
        self,
        verbose: Verbosity = "auto",
        *,
        file: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.verbose = checked_verbosity(verbose, "ProgressBar")
        self._file = file
        self._clock = clock
        self._chosen: Surface | None = None
        self._watch: Stopwatch | None = None
        self._pass: Literal["train", "test", "predict"] = "train"
        self._training = False
        self._steps: int | None = None
        self._logs: Any = None
        self._next = float("inf")

    @property
    def _surface(self) -> Surface:
        if self._chosen is None:
            self._chosen = choose_surface(self.verbose, self._file)
        return self._chosen

    def _param(self, name: str) -> Any:
        return (self.params or {}).get(name)

    def _begin(self, steps: int | None) -> None:
        self._steps = steps
        self._logs = None
        if self.verbose == 0:
            return
        surface = self._surface  # made before time is taken: it may import
        self._watch = Stopwatch(self._clock)
        self._next = self._watch.start + surface.interval if self.verbose == 1 else float("inf")

    def _line(self, logs: Any, note: str = "") -> Line:
        assert self._watch is not None
        numbers = {} if self._pass == "predict" else dict(as_logs(logs))
        shown = {name: v for name, v in numbers.items() if name not in {"batch", "size"}}
        watch = self._watch
        return Line(watch.step, self._steps, watch.elapsed(), watch.pace(), shown, note=note)

    def _end(self, logs: Any) -> None:
        if self._watch is None:
            return
        if self._watch.step == 0 and self._steps is not None:
            self._watch.reach(self._steps, self._clock())
        self._steps = self._steps or self._watch.step
        self._surface.finish(self._line(logs), WIDTH)
        self._watch = None
        self._next = float("inf")

    def on_train_begin(self, logs: Any = None) -> None:
        self._training = True

    def on_train_end(self, logs: Any = None) -> None:
        self._training = False
        self.close()

    def close(self) -> None:
        """End a line that was left unfinished, as after an error."""
        self._watch = None
        self._next = float("inf")
        if self._chosen is not None:
            self._chosen.close()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._training = True
        self._pass = "train"
        if self.verbose:
            epochs = self._param("epochs")
            total = "" if epochs is None else f"/{epochs}"
            self._surface.title(f"Epoch {epoch + 1}{total}")
        self._begin(self._param("steps"))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._end(logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self._pass = "test"
        if not self._training:
            self._begin(self._param("steps"))

    def on_test_end(self, logs: Any = None) -> None:
        if not self._training:
            self._end(logs)
        self._pass = "train"

    def on_predict_begin(self, logs: Any = None) -> None:
        self._pass = "predict"
        self._begin(self._param("steps"))

    def on_predict_end(self, logs: Any = None) -> None:
        self._end(None)

    def on_progress(self, step: int, steps: int | None, logs: Any = None) -> None:
        watch = self._watch
        if watch is None:
            return
        now = watch.clock()
        validating = self._training and self._pass == "test"
        if not validating:
            watch.reach(step, now)
            self._steps, self._logs = steps, logs
        if now < self._next:
            return
        self._next = now + self._surface.interval
        note = f"validation {step}{'' if steps is None else f'/{steps}'}" if validating else ""
        self._surface.draw(self._line(self._logs, note), WIDTH)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_progress(batch + 1, self._steps, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_progress(batch + 1, None if self._training else self._steps, logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.on_progress(batch + 1, self._steps, logs)


class ProgbarLogger(ProgressBar):
    """The progress bar under its name in Keras, for loops that pass every batch to callbacks.

    Args:
        count_mode: ``"steps"`` or ``"samples"``; steps are shown in both cases.
        stateful_metrics: accepted for old code; the loop's logs are averages already.

    Raises:
        ValueError: an unknown `count_mode`.

    >>> ProgbarLogger("steps").verbose
    1
    """

    def __init__(
        self, count_mode: str = "samples", stateful_metrics: Iterable[str] | None = None
    ) -> None:
        if count_mode not in {"samples", "steps"}:
            raise ValueError(
                f"ProgbarLogger: count_mode must be 'samples' or 'steps', got {count_mode!r}."
            )
        super().__init__()
        self.count_mode = count_mode
        self.stateful_metrics = stateful_metrics

    def set_params(self, params: Any) -> None:
        super().set_params(params)
        verbose = self._param("verbose")
        self.verbose = checked_verbosity(1 if verbose is None else verbose, "ProgbarLogger")
