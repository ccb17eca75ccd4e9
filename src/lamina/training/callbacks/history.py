"""Callbacks that keep numbers, and the one that is made of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina.registry import did_you_mean
from lamina.training.callbacks.base import Callback, RememberingCallback
from lamina.training.logs import AliasedDict, as_logs, on_host


class History(RememberingCallback):
    """Keep the numbers of every epoch; ``fit`` returns it.

    Attributes:
        epoch: the numbers of the epochs.
        history: a list of floats for each name in the logs. It answers to the names of other
            releases as well: ``history["acc"]`` finds ``"accuracy"``.

    >>> history = History()
    >>> history.on_train_begin()
    >>> history.on_epoch_end(0, {"loss": 0.5, "accuracy": 0.75})
    >>> history.history["acc"], history.epoch
    ([0.75], [0])
    """

    every_batch = False
    remembered = ("epoch", "history")

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: AliasedDict = AliasedDict()

    def on_train_begin(self, logs: Any = None) -> None:
        self.epoch = []
        self.history = AliasedDict()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epoch.append(epoch)
        for name, value in as_logs(logs).items():
            if not dict.__contains__(self.history, name):
                self.history[name] = []
            self.history[name].append(on_host(value))

    def get_state(self) -> dict[str, Any]:
        series = {name: list(values) for name, values in self.history.items()}
        return {"epoch": list(self.epoch), "history": series}

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self.epoch = list(self.epoch)
        self.history = AliasedDict((name, list(v)) for name, v in self.history.items())


class BaseLogger(RememberingCallback):
    """Average the numbers of the batches over an epoch, weighted by their sizes.

    The training loop does this by itself; this callback serves loops of your own. In `logs` of
    a batch ``size`` is the number of rows (1 if absent). Averages enter the logs of the epoch
    under names that these do not have yet.

    Args:
        stateful_metrics: names whose last value counts instead of the average.

    >>> logger, logs = BaseLogger(), {}
    >>> logger.on_epoch_begin(0)
    >>> logger.on_batch_end(0, {"loss": 1.0, "size": 3})
    >>> logger.on_batch_end(1, {"loss": 5.0, "size": 1})
    >>> logger.on_epoch_end(0, logs)
    >>> logs
    {'loss': 2.0}
    """

    remembered = ("seen", "totals")

    def __init__(self, stateful_metrics: Any = None) -> None:
        self.stateful_metrics = set(stateful_metrics or ())
        self.seen = 0
        self.totals: dict[str, float] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.seen = 0
        self.totals = {}

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        numbers = dict(as_logs(logs))
        size = numbers.pop("size", 1)
        numbers.pop("batch", None)
        self.seen += size
        for name, value in numbers.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            else:
                self.totals[name] = self.totals.get(name, 0.0) + value * size

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is None:
            return
        for name, total in self.totals.items():
            mean = total if name in self.stateful_metrics else total / self.seen
            logs.setdefault(name, mean)


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class LambdaCallback(Callback):
    """Call your functions at the chosen moments.

    Hooks of epochs and batches get ``(number, logs)``, the others ``(logs)``.

    Args:
        on_epoch_begin: called before an epoch.
        on_epoch_end: called after an epoch.
        on_batch_begin: called before a batch of training.
        on_batch_end: called after a batch of training.
        on_train_begin: called before the first epoch.
        on_train_end: called after the last epoch.
        **hooks: any other hook of `Callback`, such as ``on_train_batch_end`` or ``on_test_end``.

    Raises:
        TypeError: an unknown hook, something that cannot be called, or both the old and the
            new name of a hook.

    >>> show = LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    >>> show.on_epoch_end(0, {"loss": 0.5})
    0 0.5
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_batch_begin: Callable[..., Any] | None = None,
        on_batch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        **hooks: Callable[..., Any] | None,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            **hooks,
        }
        for name, function in given.items():
            if name not in HOOKS:
                raise TypeError(
                    f"LambdaCallback has no hook {name!r}.{did_you_mean(name, list(HOOKS))}"
                )
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"LambdaCallback: {name} must be a function, got {function!r}.")
            setattr(self, name, function)
        for moment in ("begin", "end"):
            if given[f"on_batch_{moment}"] and given.get(f"on_train_batch_{moment}"):
                raise TypeError(
                    f"LambdaCallback: on_batch_{moment} and on_train_batch_{moment} are the old "
                    "and the new name of one hook; give one of them."
                )
