"""Watching one number: what all monitors share, and stopping early."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from lamina.registry import did_you_mean
from lamina.training.callbacks.base import RememberingCallback
from lamina.training.logs import as_logs, newest_name
from lamina.warning import warn

Mode = Literal["auto", "min", "max"]

FALLING = frozenset(
    {"loss", "error", "hinge", "crossentropy", "entropy", "divergence", "poisson"}
    | {"perplexity", "rmse", "cosh", "huber", "distance"}
)
RISING = frozenset(
    {"accuracy", "auc", "precision", "recall", "f1", "f2", "fbeta", "fmeasure", "score"}
    | {"iou", "dice", "specificity", "sensitivity", "r2", "psnr", "ssim"}
)
"""Words in the names of quantities of which less, or more, is better."""


def direction(monitor: str, metrics: Any = ()) -> Literal["min", "max"] | None:
    """Whether less or more of a quantity is better, or ``None`` when its name does not say.

    A metric object of that name decides if it has a ``_direction`` (``"up"`` or ``"down"``).

    >>> direction("val_acc"), direction("val_loss"), direction("val_wealth")
    ('max', 'min', None)
    """
    name = newest_name(monitor.removeprefix("val_"))
    for metric in metrics or ():
        stated = getattr(metric, "_direction", None)
        if stated in {"up", "down"} and newest_name(str(getattr(metric, "name", ""))) == name:
            return "max" if stated == "up" else "min"
    words = name.lower().split("_")
    if any(word in FALLING for word in words) or words[:1] == ["false"]:
        return "min"
    if any(word in RISING or "acc" in word for word in words) or words[:1] == ["true"]:
        return "max"
    return None


class Monitor(RememberingCallback):
    """A callback that compares a number of every epoch with the best so far.

    Args:
        monitor: name of the number in the logs, in the spelling of any release.
        mode: whether ``min`` or ``max`` is better; ``auto`` goes by the name.
        min_delta: how much better counts as better; its sign is ignored.
        patience: how many epochs may pass without improvement.
        verbose: print a line whenever it acts.
    """

    def __init__(
        self, monitor: str, mode: Mode, min_delta: float, patience: int, verbose: int
    ) -> None:
        who = type(self).__name__
        if not isinstance(monitor, str):
            raise TypeError(
                f"{who}: monitor must be the name of a number in the logs, got {monitor!r}."
            )
        if mode not in get_args(Mode):
            raise ValueError(f"{who}: mode must be 'auto', 'min' or 'max', got {mode!r}.")
        self.monitor = monitor
        self.mode: Mode = mode
        self.min_delta = abs(number(min_delta, "min_delta", self))
        self.patience = count(patience, "patience", self)
        self.verbose = verbose
        self.best: float | None = None
        self._better: Literal["min", "max"] | None = None
        self._warned = False

    def on_train_begin(self, logs: Any = None) -> None:
        self._better = self._find_direction()
        self._warned = False

    def _find_direction(self) -> Literal["min", "max"]:
        if self.mode != "auto":
            return self.mode
        found = direction(self.monitor, getattr(self.model, "metrics", ()))
        if found is None:
            raise ValueError(
                f"{type(self).__name__}: whether less or more of {self.monitor!r} is better cannot "
                "be told from its name; pass mode='min' or mode='max'."
            )
        return found

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Whether `value` is better than `reference` by more than ``min_delta``."""
        if math.isnan(value):
            return False
        if reference is None:
            return True
        if self._better is None:
            self._better = self._find_direction()
        if self._better == "min":
            return value + self.min_delta < reference
        return value - self.min_delta > reference

    def get_monitor_value(self, logs: Mapping[str, Any] | None) -> float | None:
        """The number that is watched, or ``None`` with a warning, given once."""
        shared = as_logs(logs)
        value = shared.get(self.monitor)
        if value is not None:
            return float(value)
        if not self._warned:
            self._warned = True
            names = [str(name) for name in shared]
            warn(
                f"{type(self).__name__}: {self.monitor!r} is not available, so nothing is done. "
                f"Available: {', '.join(names) or 'nothing'}.{did_you_mean(self.monitor, names)}",
            )
        return None


def number(value: Any, argument: str, owner: Any) -> float:
    """A finite number, or an error that names the argument."""
    try:
        found = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{type(owner).__name__}: {argument} must be a number, got {value!r}.")
    return found


def count(value: Any, argument: str, owner: Any) -> int:
    """An int of at least 0, or an error that names the argument."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
        raise ValueError(
            f"{type(owner).__name__}: {argument} must be an int of at least 0, got {value!r}."
        )
    return int(value)


class EarlyStopping(Monitor):
    """Stop training when a number has not become better for some epochs.

    The first epoch never stops. A value that is not a number is never better. With a `baseline`
    the count of patience starts anew only at values that are better than the baseline, too.

    Args:
        monitor: name of the number in the logs, in the spelling of any release.
        min_delta: how much better counts as better; its sign is ignored.
        patience: how many epochs may pass without improvement; 0 acts as 1.
        verbose: print a line when it stops or restores.
        mode: whether ``min`` or ``max`` is better; ``auto`` goes by the name.
        baseline: value that has to be beaten.
        restore_best_weights: give the model the weights of the best epoch when training ends,
            also when it ends for another reason, as in Keras 3.
        start_from_epoch: epochs before this one are not looked at.

    Attributes:
        best: best value so far, or ``None``.
        best_epoch: number of its epoch.
        wait: epochs since the last improvement.
        stopped_epoch: number of the epoch that stopped training, or 0.

    Raises:
        ValueError: an argument has no sense, or ``mode="auto"`` meets a name that does not say
            what is better.

    >>> stopping = EarlyStopping("val_acc", patience=3, restore_best_weights=True)
    >>> stopping.monitor, stopping.patience
    ('val_acc', 3)
    """

    remembered = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: Mode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, patience, verbose)
        self.baseline = None if baseline is None else number(baseline, "baseline", self)
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = count(start_from_epoch, "start_from_epoch", self)
        self._start()

    def _start(self) -> None:
        self.best = None
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None
        self.stopped_epoch = 0
        self.wait = 0

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        self._start()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.is_improvement(current, self.best):
            self.best = current
            self._keep_weights(epoch)
            if self.baseline is None or self.is_improvement(current, self.baseline):
                self.wait = 0
            return
        if self.best_weights is None:  # even the first value was not a number
            self._keep_weights(epoch)
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep_weights(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs: Any = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print(f"Restoring the weights of epoch {self.best_epoch + 1}, the best one.")
            self.model.set_weights(self.best_weights)
