"""fit, evaluate and predict: a source of data, one compiled step, callbacks in between.

The loop never waits for the device: logs stay there, and a callback that reads a number pays for
it. Between two looks of callbacks as many steps as possible run in one compiled call.
"""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.training.callbacks import CallbackList
from lamina.training.data.source import Source
from lamina.training.logs import Logs
from lamina.training.resident import Resident

QUANTUM = 0.1
"""Seconds that one compiled call of many steps should take, so that bars move and Ctrl-C acts."""


class Interrupt:
    """Ctrl-C between two steps instead of within one; a second one acts at once."""

    def __init__(self) -> None:
        self.asked = False

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if Ctrl-C was pressed."""
        if self.asked:
            self.asked = False
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[Interrupt]:
        """Note Ctrl-C instead of raising, in the main thread and while the block lasts."""
        usual = signal.default_int_handler
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not usual
        ):
            yield self
            return

        def note(number: int, frame: Any) -> None:
            if self.asked:
                usual(number, frame)
            self.asked = True

        signal.signal(signal.SIGINT, note)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, usual)


class Chunks:
    """How many steps go into one compiled call: few at first, then what fits the quantum."""

    def __init__(self) -> None:
        self.count = 1
        self._known = False

    def measure(self, steps: int, seconds: float) -> None:
        """Learn from a call of so many steps that took so long."""
        if not self._known:  # the first call compiled
            self._known = True
            self.count = 8
            return
        wanted = QUANTUM / max(seconds / steps, 1e-7)
        self.count = int(min(max(wanted, 1), self.count * 8, 1_000_000))


class Epochs:
    """Runs a source through the steps of a model, again and again.

    Args:
        model: the model; compiled.
        source: the data.
        callbacks: what is called between batches.
        phase: ``"train"`` or ``"test"``.
        interrupt: where Ctrl-C is noted.
        execution: steps that a call should have at most, or ``None``.
    """

    def __init__(
        self,
        model: Any,
        source: Source,
        callbacks: CallbackList,
        phase: str,
        interrupt: Interrupt,
        execution: int | None = None,
    ) -> None:
        self.model = model
        self.source = source
        self.callbacks = callbacks
        self.training = phase == "train"
        self.interrupt = interrupt
        self.execution = execution
        self.chunks = Chunks()
        self.rows = Resident(source) if source.resident is not None else None

    def run(self, epoch: int) -> dict[str, Any]:
        """One epoch; gives the logs at its end, on the device."""
        logs = self._streamed(epoch) if self.rows is None else self._resident(epoch, self.rows)
        self.model._steps.check()
        return logs

    @property
    def _each(self) -> bool:
        """Whether callbacks want to act between all steps."""
        if self.training:
            return self.callbacks.needs_batches
        return self.callbacks.needs_test_batches

    def _begin(self, step: int) -> None:
        if self.training:
            self.callbacks.on_train_batch_begin(step, {})
        else:
            self.callbacks.on_test_batch_begin(step, {})

    def _end(self, step: int, logs: dict[str, Any]) -> None:
        if self.training:
            self.callbacks.on_train_batch_end(step, Logs(logs))
        else:
            self.callbacks.on_test_batch_end(step, Logs(logs))

    def _stopped(self) -> bool:
        return self.training and bool(self.model.stop_training)

    def _streamed(self, epoch: int) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        each = self._each
        for step, batch in enumerate(self.source.batches(epoch)):
            steps = self.model._prepared_steps(batch)
            if each:
                self._begin(step)
            logs = steps.one(batch) if self.training else steps.test(batch)
            self.interrupt.check()
            if each:
                self._end(step, logs)
                if self._stopped():
                    break
            self.callbacks.on_progress(step + 1, self.source.steps, Logs(logs))
            if step % 64 == 63:
                steps.check()
        return logs

    def _resident(self, epoch: int, rows: Resident) -> dict[str, Any]:
        """Batches by index from arrays that lie on the device."""
        order = rows.order(epoch)
        steps = self.model._prepared_steps(rows.example)
        loops, each = steps.loops and not self.model.run_eagerly, self._each
        logs: dict[str, Any] = {}
        step = 0
        while step < rows.whole and not self._stopped():
            if not loops:
                logs = self._single(rows.batch(order, step, rows.size), step, each)
                step += 1
                continue
            block = rows.block(order, step)
            for place, count in self._portions(min(rows.capacity, rows.whole - step), each):
                logs = self._several(block, step, place, count, each)
                if self._stopped():
                    return logs
            step += rows.capacity
        if rows.rest and not self._stopped():
            logs = self._single(rows.batch(order, rows.whole, rows.rest), rows.whole, each)
        return logs

    def _portions(self, there: int, each: bool) -> Iterator[tuple[int, int]]:
        """Place and number of the batches for each call on a block."""
        place = 0
        while place < there:
            count = 1 if each else min(self.chunks.count, there - place)
            count = min(count, self.execution or count)
            yield place, count
            place += count

    def _single(self, batch: Any, step: int, each: bool) -> dict[str, Any]:
        """One step on a batch."""
        steps = self.model._prepared_steps(batch)
        if each:
            self._begin(step)
        logs = steps.one(batch) if self.training else steps.test(batch)
        return self._after(step, logs, each)

    def _several(self, block: Any, step: int, place: int, count: int, each: bool) -> dict[str, Any]:
        """Some steps on the batches of a block in one compiled call."""
        steps = self.model._prepared_steps(None)
        if each:
            self._begin(step + place)
        start = time.perf_counter()
        run = steps.several if self.training else steps.test_several
        logs = run(block, place, count)
        if not each:
            jax.block_until_ready(logs)
            self.chunks.measure(count, time.perf_counter() - start)
        return self._after(step + place + count - 1, logs, each)

    def _after(self, step: int, logs: dict[str, Any], each: bool) -> dict[str, Any]:
        self.interrupt.check()
        if each:
            self._end(step, logs)
        self.callbacks.on_progress(step + 1, self.source.steps, Logs(logs))
        return logs


def fit(
    model: Any,
    source: Source,
    callbacks: CallbackList,
    epochs: int,
    initial_epoch: int,
    validate: Any,
    validation_freq: Any,
) -> Any:
    """Train for some epochs.

    Args:
        model: the model; compiled.
        source: the data.
        callbacks: with a `History` among them.
        epochs: number of the last epoch.
        initial_epoch: number of the first one.
        validate: function without arguments that gives the logs of an evaluation, or ``None``.
        validation_freq: every how many epochs, or after which ones, to evaluate.

    Returns:
        The `History` callback.
    """
    model.stop_training = False
    model.history = callbacks.history
    interrupt = Interrupt()
    with interrupt.held():
        callbacks.on_train_begin({})
        most = model._compilation.steps_per_execution
        runner = Epochs(model, source, callbacks, "train", interrupt, most if most > 1 else None)
        for epoch in range(initial_epoch, epochs):
            callbacks.on_epoch_begin(epoch, {})
            interrupt.check()
            model._compilation.reset()
            logs = dict(runner.run(epoch))
            values = fetched(logs)
            warn_of_nan(model, values, epoch)
            source.on_epoch_end()
            if validate is not None and _due(epoch + 1, validation_freq):
                values.update({f"val_{name}": value for name, value in validate().items()})
            callbacks.on_epoch_end(epoch, values)
            if model.stop_training or (source.exhausted and epoch + 1 < epochs):
                break
        model._finish_training()
        callbacks.on_train_end({})
    return callbacks.history


def fetched(logs: dict[str, Any]) -> dict[str, Any]:
    """Logs as Python numbers, in one transfer."""
    values = jax.device_get(list(logs.values()))
    return {name: _number(value) for name, value in zip(logs, values, strict=True)}


def _number(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _due(epoch: int, frequency: Any) -> bool:
    if isinstance(frequency, int):
        return epoch % frequency == 0
    return epoch in frequency


def warn_of_nan(model: Any, logs: dict[str, Any], epoch: int) -> None:
    """Say it when the loss is no number any more, and in which layers weights are not either."""
    loss = logs.get("loss", 0.0)
    if np.all(np.isfinite(loss)):
        return
    bad = [v.path for v in model.weights if not bool(jnp.all(jnp.isfinite(v._value)))]
    where = f"Weights that are not finite: {', '.join(bad[:5])}." if bad else "All weights are."
    warnings.warn(
        f"{model}: the loss is {loss} at the end of epoch {epoch + 1}. {where} Try a smaller "
        "learning rate, clipnorm, or look for NaN in the data; callbacks.TerminateOnNaN() stops at "
        "the first such batch.",
        RuntimeWarning,
        stacklevel=4,
    )


def evaluate(model: Any, source: Source, callbacks: CallbackList) -> dict[str, Any]:
    """Compute loss and metrics over a source of data, as Python numbers."""
    compilation = model._compilation
    compilation.reset()
    interrupt = Interrupt()
    with interrupt.held():
        callbacks.on_test_begin({})
        logs = fetched(Epochs(model, source, callbacks, "test", interrupt).run(0))
        callbacks.on_test_end(Logs(logs))
    compilation.reset()
    return logs


def predict(model: Any, source: Source, callbacks: CallbackList) -> Any:
    """Outputs for all rows of a source, as NumPy arrays."""
    interrupt = Interrupt()
    parts: list[Any] = []
    each = callbacks.needs_predict_batches
    with interrupt.held():
        callbacks.on_predict_begin({})
        for step, (x, _, _) in enumerate(source.batches(0)):
            if each:
                callbacks.on_predict_batch_begin(step, {})
            parts.append(model._predicted(x))
            interrupt.check()
            if each:
                callbacks.on_predict_batch_end(step, {"outputs": parts[-1]})
            callbacks.on_progress(step + 1, source.steps, {})
        callbacks.on_predict_end({})
    return joined(parts)


def joined(parts: Sequence[Any]) -> Any:
    """Outputs of batches one after another, as NumPy arrays of the same structure."""
    host = jax.device_get(list(parts))
    if len(host) == 1:
        return jax.tree.map(np.array, host[0])
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *host)


__all__ = ["Chunks", "Epochs", "Interrupt", "evaluate", "fit", "joined", "predict"]
