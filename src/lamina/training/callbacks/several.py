"""The list of callbacks that a training loop talks to."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from lamina.training.callbacks.bar import ProgressBar
from lamina.training.callbacks.base import Callback, Keeper, overrides
from lamina.training.callbacks.history import History
from lamina.training.logs import AliasedDict, Logs, as_logs

TRAIN_BATCH = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
TEST_BATCH = ("on_test_batch_begin", "on_test_batch_end")
PREDICT_BATCH = ("on_predict_batch_begin", "on_predict_batch_end")


class CallbackList(Callback):
    """Pass every hook on to each of several callbacks, in order.

    Args:
        callbacks: a callback, several, or ``None``.
        add_history: append a `History` unless there is one; found as ``.history``.
        add_progbar: put a progress bar in front unless there is one.
        model: given to each of them.
        params: given to each of them, together with `more`.
        **more: further entries of `params`.

    Raises:
        TypeError: something in `callbacks` is no callback.

    >>> callbacks = CallbackList(add_history=True, epochs=3)
    >>> callbacks.on_train_begin()
    >>> callbacks.on_epoch_end(0, {"loss": 0.5})
    >>> callbacks.history.history, callbacks.needs_batches
    ({'loss': [0.5]}, False)
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        self.callbacks: list[Any] = [_checked(item) for item in _as_list(callbacks)]
        self.params = AliasedDict({**(params or {}), **more})
        if add_progbar and self._first(ProgressBar) is None:
            # First, so that its line is complete before others print theirs.
            self.callbacks.insert(0, ProgressBar(verbose=self.params.get("verbose", "auto")))
        if add_history and self._first(History) is None:
            self.callbacks.append(History())
        self.history: History | None = self._first(History)
        if model is not None:
            self.set_model(model)
        self.set_params(self.params)

    def _first(self, kind: type) -> Any:
        return next((item for item in self.callbacks if isinstance(item, kind)), None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.callbacks)

    def __len__(self) -> int:
        return len(self.callbacks)

    def append(self, callback: Any) -> None:
        """Add a callback at the end."""
        self.callbacks.append(_checked(callback))
        if self.model is not None:
            callback.set_model(self.model)
        callback.set_params(self.params)

    @property
    def needs_batches(self) -> bool:
        """Whether a callback wants to act at every batch of training."""
        return any(_needs(callback, "needs_batches", TRAIN_BATCH) for callback in self)

    @property
    def needs_test_batches(self) -> bool:
        """Whether a callback wants to act at every batch of an evaluation."""
        return any(_needs(callback, "needs_test_batches", TEST_BATCH) for callback in self)

    @property
    def needs_predict_batches(self) -> bool:
        """Whether a callback wants to act at every batch of a prediction."""
        return any(_needs(callback, "needs_predict_batches", PREDICT_BATCH) for callback in self)

    @property
    def keepers(self) -> list[Keeper]:
        """The callbacks that keep the state of the training, also those in lists."""
        found: list[Keeper] = []
        for callback in self:
            if isinstance(callback, CallbackList):
                found += callback.keepers
            elif isinstance(callback, Keeper):
                found.append(callback)
        return found

    def room(self, batch: int) -> int | None:
        rooms = [callback.room(batch) for callback in self if hasattr(callback, "room")]
        return min((room for room in rooms if room is not None), default=None)

    def set_model(self, model: Any) -> None:
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: Mapping[str, Any] | None) -> None:
        self.params = params if isinstance(params, AliasedDict) else AliasedDict(params or {})
        for callback in self.callbacks:
            callback.set_params(self.params)

    def get_state(self) -> dict[str, Any]:
        return {
            "callbacks": [
                {"class_name": type(callback).__name__, "state": _state(callback)}
                for callback in self.callbacks
            ]
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` returned; callbacks without a state may be others now."""
        entries = [entry for entry in state["callbacks"] if entry["state"]]
        present = [callback for callback in self.callbacks if _state(callback)]
        stored = [entry["class_name"] for entry in entries]
        names = [type(callback).__name__ for callback in present]
        if stored != names:
            raise ValueError(
                f"The stored state is that of the callbacks {stored}, but these are {names}; "
                "pass the same callbacks in the same order."
            )
        for callback, entry in zip(present, entries, strict=True):
            callback.set_state(entry["state"])

    def _call(self, hook: str, logs: Any) -> None:
        logs = as_logs(logs)
        for callback in self.callbacks:
            getattr(callback, hook)(logs)

    def _call_numbered(self, hook: str, number: int, logs: Any) -> None:
        shared = logs if type(logs) is Logs else as_logs(logs)
        for callback in self.callbacks:
            getattr(callback, hook)(number, shared)
        if type(logs) is dict and len(shared) > len(logs):
            # What callbacks add, such as the learning rate, is for the caller, too.
            logs.update(shared)

    def on_train_begin(self, logs: Any = None) -> None:
        self._call("on_train_begin", logs)

    def on_train_end(self, logs: Any = None) -> None:
        self._call("on_train_end", logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self._call("on_test_begin", logs)

    def on_test_end(self, logs: Any = None) -> None:
        self._call("on_test_end", logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        self._call("on_predict_begin", logs)

    def on_predict_end(self, logs: Any = None) -> None:
        self._call("on_predict_end", logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._call_numbered("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._call_numbered("on_epoch_end", epoch, logs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._call_numbered("on_batch_begin", batch, logs)

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call_numbered("on_batch_end", batch, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._call_numbered("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call_numbered("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._call_numbered("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call_numbered("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._call_numbered("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self._call_numbered("on_predict_batch_end", batch, logs)

    def on_progress(self, step: int, steps: int | None, logs: Any = None) -> None:
        unused = Callback.on_progress
        for callback in self.callbacks:
            hook = getattr(callback, "on_progress", None)
            if hook is not None and getattr(hook, "__func__", None) is not unused:
                logs = as_logs(logs)
                hook(step, steps, logs)


def _as_list(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    if isinstance(callbacks, list | tuple | set | frozenset):
        return list(callbacks)
    return [callbacks]


_HOOKS = ("set_model", "set_params", "on_train_begin", "on_epoch_end", "on_train_batch_end")


def _checked(callback: Any) -> Any:
    if inspect.isclass(callback):
        raise TypeError(
            f"callbacks: got the class {callback.__name__} instead of an object; "
            f"write {callback.__name__}(...)."
        )
    if isinstance(callback, Callback) or all(hasattr(callback, hook) for hook in _HOOKS):
        return callback
    way_out = (
        "wrap a function in LambdaCallback(on_epoch_end=...)."
        if callable(callback)
        else "derive its class from lamina.callbacks.Callback."
    )
    raise TypeError(f"callbacks: {callback!r} is no callback; {way_out}")


def _needs(callback: Any, question: str, hooks: tuple[str, ...]) -> bool:
    if isinstance(callback, CallbackList):
        return getattr(callback, question)
    stated = getattr(callback, "every_batch", None)
    return overrides(callback, hooks) if stated is None else bool(stated)


def _state(callback: Any) -> dict[str, Any]:
    return callback.get_state() if hasattr(callback, "get_state") else {}
