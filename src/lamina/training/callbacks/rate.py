"""Changing the learning rate between epochs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.registry import did_you_mean
from lamina.training.callbacks.base import Callback
from lamina.training.callbacks.monitor import Mode, Monitor, count, number


def rate_variable(model: Any, owner: Any) -> Any:
    """The variable that holds the learning rate of a model's optimizer.

    Raises:
        ValueError: the model has no optimizer, or its rate follows a schedule.
    """
    optimizer = getattr(model, "optimizer", None)
    who = type(owner).__name__
    if not hasattr(optimizer, "learning_rate"):
        raise ValueError(
            f"{who}: the model's optimizer has no learning_rate, got {optimizer!r}; "
            "compile the model with an optimizer of lamina.optimizers."
        )
    rate = optimizer.learning_rate  # type: ignore[union-attr]
    if not hasattr(rate, "assign"):
        raise ValueError(
            f"{who}: the learning rate cannot be set, as it follows a schedule ({rate!r}); "
            "give the optimizer a number instead, or drop this callback."
        )
    return rate


class LearningRateScheduler(Callback):
    """Set the learning rate at the start of every epoch.

    The rate of the epoch enters its logs as ``learning_rate`` (``lr`` finds it, too).

    Args:
        schedule: function ``(epoch, rate) -> rate`` or ``(epoch) -> rate``; epochs count from 0.
            It gets the present rate if it can take a second argument.
        verbose: print a line at every epoch.

    Raises:
        TypeError: `schedule` is not such a function, or what it returns is no number.

    >>> callback = LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    >>> callback.schedule(3, 0.5)
    0.25
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(
                "LearningRateScheduler: schedule must be a function of the epoch, "
                f"got {schedule!r}."
            )
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _takes_rate(schedule)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        variable = rate_variable(self.model, self)
        rate = self.schedule(epoch, float(variable)) if self._takes_rate else self.schedule(epoch)
        variable.assign(_checked_rate(rate, epoch))
        if self.verbose > 0:
            print(f"Epoch {epoch + 1}: the learning rate is {float(variable):.6g}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(rate_variable(self.model, self))


def _takes_rate(schedule: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(schedule)
    except (TypeError, ValueError):  # some functions written in C do not tell
        return False
    for arguments in ((0, 0.0), (0,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    raise TypeError(
        "LearningRateScheduler: schedule is called as schedule(epoch, rate) or schedule(epoch), "
        f"but its arguments are {signature}."
    )


def _checked_rate(rate: Any, epoch: int) -> float:
    value = math.nan
    if np.shape(rate) == () and hasattr(rate, "__float__") and not isinstance(rate, bool):
        value = float(rate)
    if not math.isfinite(value):
        raise TypeError(
            "LearningRateScheduler: schedule must return the learning rate as a finite number, "
            f"but for epoch {epoch} it returned {rate!r}."
        )
    return value


class ReduceLROnPlateau(Monitor):
    """Lower the learning rate when a number has stopped becoming better.

    The rate of the epoch enters its logs as ``learning_rate`` (``lr`` finds it, too).

    Args:
        monitor: name of the number in the logs, in the spelling of any release.
        factor: the rate is multiplied by it.
        patience: how many epochs may pass without improvement; 0 acts as 1.
        verbose: print a line whenever the rate changes.
        mode: whether ``min`` or ``max`` is better; ``auto`` goes by the name.
        min_delta: how much better counts as better; ``epsilon`` in older releases.
        cooldown: epochs after a change in which nothing is counted.
        min_lr: the rate does not go below it.
        **old: ``epsilon``, the old name of `min_delta`.

    Attributes:
        best: best value so far, or ``None``.
        wait: epochs since the last improvement or change.
        cooldown_counter: epochs of the cooldown that are left.

    Raises:
        ValueError: an argument has no sense, such as a `factor` of 1 or more.

    >>> ReduceLROnPlateau("val_loss", factor=0.5, epsilon=0.01).min_delta
    0.01
    """

    remembered = ("best", "cooldown_counter", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **old: Any,
    ) -> None:
        min_delta = old.pop("epsilon", min_delta)
        for name in old:
            known = [*inspect.signature(ReduceLROnPlateau).parameters, "epsilon"]
            raise TypeError(
                f"ReduceLROnPlateau has no argument {name!r}.{did_you_mean(name, known)}"
            )
        super().__init__(monitor, mode, min_delta, patience, verbose)
        self.factor = number(factor, "factor", self)
        if not 0 <= self.factor < 1:
            raise ValueError(
                "ReduceLROnPlateau: factor must be at least 0 and below 1, so that the rate falls, "
                f"got {factor!r}."
            )
        self.min_lr = number(min_lr, "min_lr", self)
        self.cooldown = count(cooldown, "cooldown", self)
        self._start()

    def _start(self) -> None:
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        self._start()

    def in_cooldown(self) -> bool:
        """Whether the last change is so recent that nothing is counted."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        variable = rate_variable(self.model, self)
        current = self.get_monitor_value(logs)
        if logs is not None:
            logs["learning_rate"] = float(variable)
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(variable, epoch)

    def _reduce(self, variable: Any, epoch: int) -> None:
        rate = float(variable)
        # The variable has rounded min_lr to its own dtype.
        if rate <= float(np.asarray(self.min_lr, dtype=variable.dtype)):
            return
        variable.assign(max(rate * self.factor, self.min_lr))
        self.cooldown_counter = self.cooldown
        self.wait = 0
        if self.verbose > 0:
            print(f"Epoch {epoch + 1}: the learning rate goes down to {float(variable):.6g}")
