"""The base of callbacks: all hooks of Keras 2 and 3, and none that does anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina.training.callbacks.several import CallbackList
    from lamina.training.data.source import Source


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

    def room(self, batch: int) -> int | None:
        """How many batches may run from number `batch` on before `on_progress` is called.

        ``None`` if it does not matter. Unlike a hook of batches it lets the loop run many
        steps at once in between.
        """

    def get_state(self) -> dict[str, Any]:
        """What the callback has to remember to go on after an interruption.

        Define it, together with `set_state`, in a callback of your own whose doings depend on
        more than the epoch: `BackupAndRestore` and ``save_checkpoint`` keep what it returns.

        Returns:
            Plain data: dicts with names as keys, lists, numbers, strings, ``None``, arrays.
        """
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned; called after `on_train_begin`.

        Raises:
            ValueError: it is not a state of such a callback.
        """
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


class Keeper(Callback):
    """A callback that keeps the state of a whole training.

    Its hooks are called when all callbacks have seen what happened, whatever their order is.
    """

    def on_resume(self, training: Any) -> None:
        """After all callbacks' ``on_train_begin``: put the training where an earlier one ended."""

    def on_reentry(self, training: Any) -> None:
        """After ``on_epoch_begin`` of the epoch that was left half-way: the same once more."""

    def on_settled(self, training: Any) -> None:
        """After some batches, or after an epoch."""

    def release(self, done: bool) -> None:
        """When ``fit`` is left: after all callbacks' ``on_train_end``, or by an error."""


class Training:
    """A fit that is running, and the place where it is.

    Args:
        model: the model; compiled.
        source: the data.
        held_out: data for validation, or ``None``.
        callbacks: all callbacks.
        epochs: numbers of the epochs that were asked for.

    Attributes:
        epoch: number of the epoch that is running, or comes next.
        batch: how many of its batches are done.
        evaluations: how often the validation data were passed.
        logs: the newest numbers of the epoch.
        stopped: whether a callback or the end of the data stopped it after an epoch.
        over: whether there is nothing left to train.
        keepers: the callbacks that keep the state of the training.
    """

    def __init__(
        self,
        model: Any,
        source: Source,
        held_out: Source | None,
        callbacks: CallbackList,
        epochs: range,
    ) -> None:
        self.model = model
        self.source = source
        self.held_out = held_out
        self.callbacks = callbacks
        self.epochs = epochs
        self.epoch = epochs.start
        self.batch = 0
        self.evaluations = 0
        self.logs: dict[str, Any] = {}
        self.stopped = self.over = False
        self.keepers = callbacks.keepers

    def begin(self) -> None:
        """Let the keepers put the training at the place where another one ended."""
        for keeper in self.keepers:
            keeper.on_resume(self)

    def enter(self, epoch: int) -> None:
        """Note that an epoch has begun; one that was left half-way is taken up again."""
        if self.batch and epoch == self.epoch:
            for keeper in self.keepers:
                keeper.on_reentry(self)
            return
        self.epoch, self.batch, self.logs = epoch, 0, {}

    def reach(self, batch: int, logs: dict[str, Any]) -> None:
        """Note that so many batches of the epoch are done, and all callbacks know it."""
        self.batch, self.logs = batch, logs
        for keeper in self.keepers:
            keeper.on_settled(self)

    def leave(self, epoch: int, logs: dict[str, Any]) -> None:
        """Note that an epoch is over, and all callbacks know it."""
        self.epoch, self.batch, self.logs = epoch + 1, 0, logs
        self.stopped = bool(self.model.stop_training) or self.source.exhausted
        self.over = self.stopped or self.epoch >= self.epochs.stop
        for keeper in self.keepers:
            keeper.on_settled(self)

    def release(self, done: bool) -> None:
        """Let the keepers finish what they do in the background, also after an error."""
        for keeper in self.keepers:
            keeper.release(done)

    @property
    def remaining(self) -> range:
        """Numbers of the epochs that are left."""
        return range(0) if self.over else range(self.epoch, self.epochs.stop)

    def skip(self, epochs: int, evaluations: int) -> None:
        """Take the data past what an earlier process has used."""
        for _ in range(epochs):
            self.source.skip_epoch()
            self.source.on_epoch_end()
        if self.held_out is not None:
            for _ in range(evaluations):
                self.held_out.skip_epoch()


def overrides(callback: Callback, hooks: Iterable[str]) -> bool:
    """Whether a callback does anything of its own in one of the hooks."""
    for hook in hooks:
        found = getattr(callback, hook, None)
        if found is not None and getattr(found, "__func__", found) is not getattr(Callback, hook):
            return True
    return False
