"""One pass over a source of data: batch by batch, or many steps in one compiled call."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from lamina.core.context import Fault
from lamina.core.variable import Variable
from lamina.schedules import LearningRateSchedule
from lamina.training import resident
from lamina.training.callbacks import CallbackList
from lamina.training.callbacks.base import Training
from lamina.training.data.source import Source
from lamina.training.interrupt import Interrupt
from lamina.training.logs import Logs
from lamina.training.resident import Resident
from lamina.training.state import rows_of
from lamina.training.step import Phase

QUANTUM = 0.1
"""Seconds that one compiled call of many steps should take, so that bars move and Ctrl-C acts."""

STRIDE = 64
"""Steps of a stream between two looks at the checks; each look waits for the device."""


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
        training: the fit that this is a part of; for the phase ``"train"``.
    """

    def __init__(
        self,
        model: Any,
        source: Source,
        callbacks: CallbackList,
        phase: Phase,
        interrupt: Interrupt,
        execution: int | None = None,
        training: Training | None = None,
    ) -> None:
        self.model = model
        self.source = source
        self.callbacks = callbacks
        self.phase: Phase = phase
        self.training = phase == "train"
        self.interrupt = interrupt
        self.execution = execution
        self.fit = training
        self.chunks = Chunks()
        self.rows = resident.on(source) if source.resident is not None else None
        self._epoch, self._first = 0, 0
        self._order: np.ndarray | None = None
        self._named = not self.training

    def run(self, epoch: int, first: int = 0) -> dict[str, Any]:
        """One epoch, from batch `first` on; gives the logs at its end, on the device."""
        self._epoch = epoch
        self._first = int(np.asarray(self.model._step)) - first if self.training else 0
        if self.rows is None:
            logs = self._streamed(epoch, first)
        else:
            logs = self._resident(epoch, first, self.rows)
        self._check()
        return logs

    def _check(self) -> None:
        """Raise the error of a check that failed."""
        self.model._steps.check(self.phase, self._explained)

    def _explained(self, fault: Fault, step: int, row: int, value: float) -> str:
        """The message of a failed check, with the place in the data."""
        batch = step - self._first
        if self.rows is None:
            return f"{fault.explain(row, value)} It is in batch {batch}, counted from 0."
        place = batch * self.rows.size + row
        return fault.explain(place if self._order is None else int(self._order[place]), value)

    @property
    def _each(self) -> bool:
        """Whether callbacks want to act between all steps."""
        if self.training:
            return self.callbacks.needs_batches
        return self.callbacks.needs_test_batches

    def name_metrics(self, batch: Any) -> None:
        """Enter what a training will report into the callbacks' ``params``, as Keras 2 did."""
        self._named = True
        self.model._prepared_steps(batch)
        params, names = self.callbacks.params, self.model.metrics_names
        validated = [f"val_{name}" for name in names] if params.get("do_validation") else []
        params["metrics"] = [*names, *validated]

    def _begin(self, step: int, size: int) -> None:
        logs = Logs(aside={"batch": step, "size": size})
        if self.training:
            self.callbacks.on_train_batch_begin(step, logs)
        else:
            self.callbacks.on_test_batch_begin(step, logs)

    def _end(self, step: int, size: int, logs: dict[str, Any]) -> None:
        self.model._steps.check(self.phase, self._explained)
        shown = Logs(logs, aside={"batch": step, "size": size})
        if self.training:
            self.callbacks.on_train_batch_end(step, shown)
        else:
            self.callbacks.on_test_batch_end(step, shown)

    def _stopped(self) -> bool:
        return self.training and bool(self.model.stop_training)

    def _streamed(self, epoch: int, first: int) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        each = self._each
        batches = resident.moved_ahead(self.source.batches(epoch, first))
        for step, batch in enumerate(batches, first):
            logs = self._single(batch, step, each)
            if self._stopped():
                break
            if step % STRIDE == STRIDE - 1:
                self._check()
        return logs

    def _resident(self, epoch: int, first: int, rows: Resident) -> dict[str, Any]:
        """Batches by index from arrays that lie on the device."""
        self._order = rows.source.order(epoch)
        order = rows.placed(self._order)
        steps = self.model._prepared_steps(rows.example)
        loops, each = steps.loops and not self.model.run_eagerly, self._each
        logs: dict[str, Any] = {}
        step = first
        while step < rows.whole and not self._stopped():
            if not loops:
                logs = self._single(rows.batch(order, step, rows.size), step, each)
                step += 1
                continue
            start = step - step % rows.capacity  # blocks begin at the same places in any case
            block = rows.block(order, start)
            for place, count in self._portions(start, step - start, each):
                logs = self._several(block, start, place, count, each)
                if self._stopped():
                    return logs
            rows.used_by(logs)
            step = start + rows.capacity
        if rows.rest and not self._stopped():
            logs = self._single(rows.batch(order, rows.whole, rows.rest), rows.whole, each)
        return logs

    def _portions(self, start: int, place: int, each: bool) -> Iterator[tuple[int, int]]:
        """Place and number of the batches for each call on the block that begins at `start`."""
        assert self.rows is not None
        one = each or rereads_rate(self.model.optimizer)
        there = min(self.rows.capacity, self.rows.whole - start)
        while place < there:
            count = 1 if one else self._most(start + place, there - place)
            yield place, count
            place += count

    def _most(self, step: int, there: int) -> int:
        """How many of the steps from number `step` on go into one compiled call."""
        room = self.callbacks.room(step) if self.training else None
        return min(self.chunks.count, there, self.execution or there, room or there)

    def _single(self, batch: Any, step: int, each: bool) -> dict[str, Any]:
        """One step on a batch."""
        if not self._named:
            self.name_metrics(batch)
        size = rows_of(batch) if each else 0
        if each:
            self._begin(step, size)
        steps = self.model._prepared_steps(batch)
        logs = steps.one(batch) if self.training else steps.test(batch, step)
        return self._after(step, size, logs, each)

    def _several(self, block: Any, step: int, place: int, count: int, each: bool) -> dict[str, Any]:
        """Some steps on the batches of a block in one compiled call."""
        assert self.rows is not None
        if each:
            self._begin(step + place, self.rows.size)
        steps = self.model._prepared_steps(self.rows.example)
        start = time.perf_counter()
        if self.training:
            logs = steps.several(block, place, count)
        else:
            logs = steps.test_several(block, step + place, place, count)
        if not each:
            jax.block_until_ready(logs)
            self.chunks.measure(count, time.perf_counter() - start)
            self._check()
        return self._after(step + place + count - 1, self.rows.size, logs, each)

    def _after(self, step: int, size: int, logs: dict[str, Any], each: bool) -> dict[str, Any]:
        self.interrupt.check()
        if each:
            self._end(step, size, logs)
        self.callbacks.on_progress(step + 1, self.source.steps, logs)
        if self.fit is not None and self.fit.keepers:
            self.fit.reach(step + 1, logs)
        return logs


def rereads_rate(optimizer: Any) -> bool:
    """Whether the learning rate is a function that must be called before each step."""
    inner = [*getattr(optimizer, "optimizers", ()), getattr(optimizer, "inner_optimizer", None)]
    rate = getattr(optimizer, "_learning_rate", None)
    own = callable(rate) and not isinstance(rate, Variable | LearningRateSchedule)
    return own or any(rereads_rate(one) for one in inner if one is not None)
