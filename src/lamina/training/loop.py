"""fit, evaluate and predict: a source of data, one compiled step, callbacks in between.

The loop never waits for the device: logs stay there, and a callback that reads a number pays for
it. Between two looks of callbacks as many steps as possible run in one compiled call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamina.training import blocks, lengths, resident
from lamina.training.callbacks import CallbackList
from lamina.training.callbacks.bar import ProgressBar
from lamina.training.callbacks.base import Training
from lamina.training.data.source import Source
from lamina.training.data.streams import StreamSource
from lamina.training.epochs import Epochs
from lamina.training.interrupt import Interrupt
from lamina.training.logs import Logs
from lamina.training.state import rows_of
from lamina.warning import warn


class Validation(NamedTuple):
    """What is evaluated between epochs.

    Attributes:
        source: the data, or ``None`` for no evaluation.
        frequency: every how many epochs, or after which ones.
    """

    source: Source | None
    frequency: Any

    def due(self, epoch: int) -> bool:
        """Whether the epoch of that number, counted from 1, is followed by an evaluation."""
        if self.source is None:
            return False
        if isinstance(self.frequency, int):
            return epoch % self.frequency == 0
        return epoch in self.frequency


def fit(
    model: Any, source: Source, callbacks: CallbackList, epochs: range, validation: Validation
) -> Any:
    """Train for some epochs.

    Args:
        model: the model; compiled.
        source: the data.
        callbacks: with a `History` among them.
        epochs: numbers of the epochs.
        validation: what is evaluated after which epochs.

    Returns:
        The `History` callback.
    """
    model.stop_training = False
    model.history = callbacks.history
    interrupt = Interrupt()
    most = model._compilation.steps_per_execution
    most = most if most > 1 else None
    training = Training(model, source, validation.source, callbacks, epochs)
    runner = Epochs(model, source, callbacks, "train", interrupt, most, training)
    done = False
    with interrupt.held():
        model._fitting = True
        try:
            if runner.rows is not None:
                runner.name_metrics(runner.rows.example)
            callbacks.on_train_begin({})
            training.begin()
            _all_epochs(runner, training, validation)
            model._finish_training()
            callbacks.on_train_end(training.logs)
            done = True
        finally:
            model._fitting = False
            _close_bars(callbacks)
            training.release(done)
    return callbacks.history


def _all_epochs(runner: Epochs, training: Training, validation: Validation) -> None:
    """Run epochs until they end, the data ends, or a callback stops them."""
    model, source, callbacks = runner.model, runner.source, runner.callbacks
    # A second fit goes on with new orders of the rows, and one that resumes with its own.
    later = max(model._epochs_trained - training.epoch, 0)
    if isinstance(source, StreamSource):
        later = 0
    for epoch in training.remaining:
        callbacks.on_epoch_begin(epoch, {})
        runner.interrupt.check()
        model._compilation.reset()
        training.enter(epoch)
        found = runner.run(epoch + later, training.batch)
        values = fetched(found or training.logs)
        model._epochs_trained = epoch + later + 1
        warn_of_nan(model, values, epoch)
        source.on_epoch_end()
        if validation.due(epoch + 1):
            found = evaluate(model, validation.source, callbacks, runner.interrupt)
            values.update({f"val_{name}": value for name, value in found.items()})
            training.evaluations += 1
        callbacks.on_epoch_end(epoch, values)
        training.leave(epoch, values)
        if training.over:
            break


def _close_bars(callbacks: CallbackList) -> None:
    """End the lines of progress bars, also after an error."""
    for callback in callbacks:
        if isinstance(callback, ProgressBar):
            callback.close()


def fetched(logs: dict[str, Any]) -> dict[str, Any]:
    """Logs as Python numbers, in one transfer."""
    values = jax.device_get(list(logs.values()))
    return {name: _number(value) for name, value in zip(logs, values, strict=True)}


def _number(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def warn_of_nan(model: Any, logs: dict[str, Any], epoch: int) -> None:
    """Say it when the loss is no number any more, and in which layers weights are not either."""
    loss = logs.get("loss", 0.0)
    if np.all(np.isfinite(loss)):
        return
    bad = [v.path for v in model.weights if not bool(jnp.all(jnp.isfinite(v._value)))]
    where = f"Weights that are not finite: {', '.join(bad[:5])}." if bad else "All weights are."
    warn(
        f"{model}: the loss is {loss} at the end of epoch {epoch + 1}. {where} Try a smaller "
        "learning rate, clipnorm, or look for NaN in the data; callbacks.TerminateOnNaN() stops at "
        "the first such batch.",
        RuntimeWarning,
    )


def evaluate(
    model: Any, source: Any, callbacks: CallbackList, interrupt: Interrupt | None = None
) -> dict[str, Any]:
    """Compute loss and metrics over a source of data, as Python numbers.

    Within a training, the sums of the epoch that is running are put back afterwards.

    Args:
        model: the model; compiled.
        source: the data.
        callbacks: what is called between batches.
        interrupt: where Ctrl-C is noted, if that is done already.
    """
    compilation = model._compilation
    sums = [(v, v.value) for v in compilation.metric_variables] if model._fitting else []
    own = Interrupt() if interrupt is None else interrupt
    runner = Epochs(model, source, callbacks, "test", own)
    with own.held():
        try:
            compilation.reset()
            callbacks.on_test_begin({})
            logs = fetched(runner.run(0))
            callbacks.on_test_end(Logs(logs))
        finally:
            for variable, value in sums:
                variable.assign(value)
            if not model._fitting:
                _close_bars(callbacks)
    return logs


def predict(model: Any, source: Source, callbacks: CallbackList) -> Any:
    """Outputs for all rows of a source, as NumPy arrays."""
    interrupt = Interrupt()
    parts: list[Any] = []
    each = callbacks.needs_predict_batches
    most = getattr(source, "batch_size", 0)
    with interrupt.held():
        try:
            callbacks.on_predict_begin({})
            done = 0
            for done, part in () if each else blocks.found(model, source):
                parts.append(part)
                interrupt.check()
                callbacks.on_progress(done, source.steps, {})
            batches = source.batches(0, done)
            batches = batches if model.takes_texts else resident.moved_ahead(batches)
            for step, (x, _, _) in enumerate(batches, done):
                if each:
                    callbacks.on_predict_batch_begin(step, {})
                most = most or rows_of(x)
                parts.append(lengths.predicted(model, x, most))
                interrupt.check()
                if each:
                    callbacks.on_predict_batch_end(step, {"outputs": parts[-1]})
                callbacks.on_progress(step + 1, source.steps, {})
            callbacks.on_predict_end({})
        finally:
            _close_bars(callbacks)
    return joined(parts)


def joined(parts: Sequence[Any]) -> Any:
    """Outputs of batches one after another, as NumPy arrays of the same structure."""
    if len(parts) == 1 and isinstance(parts[0], jax.Array):
        return np.array(parts[0])
    host = jax.device_get(list(parts))
    host = [blocks.on_host(part) if isinstance(part, blocks.Part) else part for part in host]
    if len(host) == 1:
        return jax.tree.map(np.array, host[0])
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *host)
