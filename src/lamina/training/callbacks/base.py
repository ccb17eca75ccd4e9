"""The base of callbacks: all hooks of Keras 2 and 3, and none that does anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Callback:
    """Act at chosen moments of training, evaluation and prediction.

    Override the hooks that you need. A hook that is called for every batch makes the loop stop
    after every step, so override one only if you need that moment. In the hooks of batches
    ``logs`` is a `Logs`: a number in it is fetched from the device when you read it.

    Attributes:
        model: the model that is trained, set before the first hook.
        params: ``epochs``, ``steps``, ``verbose``, ``batch_size``, ``samples``, ``metrics`` and
            ``do_validation``; it answers to ``nb_epoch`` and ``nb_sample``, too.
        validation_data: always ``None``; kept because code of Keras 2 looks at it.
        every_batch: ``True`` if the loop must stop for this callback after every step, ``False``
            if not, ``None`` to decide by the hooks that are overridden.

    >>> class Count(Callback):
    ...     epochs = 0
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.epochs += 1
    >>> count = Count()
    >>> count.on_epoch_end(0, {"loss": 0.5})
    >>> count.epochs
    1
    """

    model: Any = None
    params: Any = None
    validation_data: Any = None
    every_batch: bool | None = None

    def set_model(self, model: Any) -> None:
        """Say which model is trained."""
        self.model = model

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        """Say how it is trained: epochs, steps and so on."""
        self.params = params

    def on_train_begin(self, logs: Any = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Any = None) -> None:
        """After the last epoch."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Before an evaluation, also the one after an epoch."""

    def on_test_end(self, logs: Any = None) -> None:
        """After an evaluation."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Any = None) -> None:
        """After a prediction."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Before the epoch of that number, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """After the epoch and its evaluation; what you write into `logs` reaches the history."""

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of training, as Keras 2 named it."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of training, as Keras 2 named it."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of training; calls `on_batch_begin`."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of training; calls `on_batch_end`."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of an evaluation."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """After a batch of a prediction."""

    def on_progress(self, step: int, steps: int | None, logs: Any = None) -> None:
        """Whenever the loop has a moment: `step` batches of this pass are done.

        Several steps may lie between two calls. `steps` is ``None`` while it is not known.
        """

    def get_state(self) -> dict[str, Any]:
        """What the callback has to remember to go on after an interruption, as plain data."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned; to be called after `on_train_begin`."""
        if state:
            raise ValueError(f"{type(self).__name__} has no state, got {dict(state)!r}.")


class RememberingCallback(Callback):
    """A callback whose state is the attributes named in `remembered`."""

    remembered: tuple[str, ...] = ()

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.remembered}

    def set_state(self, state: Mapping[str, Any]) -> None:
        if set(state) != set(self.remembered):
            raise ValueError(
                f"{type(self).__name__}: a state has the keys {sorted(self.remembered)}, "
                f"got {sorted(state)}."
            )
        for name, value in state.items():
            setattr(self, name, value)


def overrides(callback: Callback, hooks: Iterable[str]) -> bool:
    """Whether a callback does anything of its own in one of the hooks."""
    for hook in hooks:
        found = getattr(callback, hook, None)
        if found is not None and getattr(found, "__func__", found) is not getattr(Callback, hook):
            return True
    return False
