"""Saving the model, or its weights, while it is trained."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lamina.registry import did_you_mean
from lamina.training.callbacks.monitor import Mode, Monitor, number
from lamina.training.logs import as_logs

_BATCH = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")

WHOLE = (".keras", ".h5", ".hdf5")
"""Endings of files that hold a whole model."""


class ModelCheckpoint(Monitor):
    """Save the model, or its weights, after epochs or after so many batches.

    A file is written whole or not at all. For going on with a training that was killed use
    `BackupAndRestore`, which keeps all that the training needs.

    Args:
        filepath: where to; ``{epoch}`` and the names in the logs are filled in, as in
            ``"weights.{epoch:02d}-{val_loss:.2f}.h5"``; ``{batch}`` too if `save_freq` is an int.
            Epochs and batches count from 1. The ending says in which format:
            ``.keras``, ``.h5`` or ``.hdf5`` for a whole model.
        monitor: name of the number that `save_best_only` looks at, in the spelling of any release.
        verbose: print a line whenever it saves.
        save_best_only: save only if the number is better than at all saves before.
        save_weights_only: save by ``model.save_weights`` instead of ``model.save``.
        mode: whether ``min`` or ``max`` is better; ``auto`` goes by the name.
        ambiguous: where Keras 2 takes `period` and Keras 3 `save_freq`; an error, unless
            it is ``"epoch"``, the default of the latter, or an eighth argument follows: then
            they are `save_freq` and `initial_value_threshold` of Keras 3.
        save_freq: ``"epoch"``, or after how many batches to save, counted over all epochs.
        initial_value_threshold: value that the first save has to beat.
        **old: ``period``: save at every so many epochs; with `save_best_only` only these are
            looked at.

    Attributes:
        best: best value so far, or ``None``.

    Raises:
        ValueError: an argument has no sense; while training: the name of the file has a field
            that the logs do not have.
        TypeError: an unknown argument.

    >>> ModelCheckpoint("best.keras", monitor="val_acc", save_best_only=True).monitor
    'val_acc'
    """

    remembered = ("best", "epochs_since_last_save", "_seen", "_batch")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Mode = "auto",
        *ambiguous: Any,
        save_freq: Literal["epoch"] | int = "epoch",
        initial_value_threshold: float | None = None,
        **old: Any,
    ) -> None:
        super().__init__(monitor, mode, 0.0, 0, verbose)
        self.filepath = os.fspath(filepath)
        self.save_best_only = bool(save_best_only)
        self.save_weights_only = bool(save_weights_only)
        if ambiguous:
            save_freq, initial_value_threshold = _in_place(
                ambiguous, save_freq, initial_value_threshold
            )
        self.save_freq = save_freq if save_freq == "epoch" else _positive(save_freq, "save_freq")
        self.period = _positive(old.pop("period", 1), "period")
        self._refuse(old)
        _check_ending(self.filepath, self.save_weights_only)
        if self.period > 1 and self.save_freq != "epoch":
            raise ValueError(
                "ModelCheckpoint: period counts epochs and save_freq=int batches; give one of them."
            )
        if initial_value_threshold is not None:
            self.best = number(initial_value_threshold, "initial_value_threshold", self)
        self.epochs_since_last_save = 0
        self._epoch, self._batch, self._seen = 0, 0, 0
        self._testing = False

    @staticmethod
    def _refuse(old: Mapping[str, Any]) -> None:
        for name, value in old.items():
            if name == "load_weights_on_restart" and value:
                raise ValueError(
                    "ModelCheckpoint: load_weights_on_restart=True is not supported; "
                    "BackupAndRestore(folder) goes on with all of a training's state."
                )
            if name not in ("load_weights_on_restart", "options") or value:
                known = [*inspect.signature(ModelCheckpoint).parameters, "period"]
                raise TypeError(
                    f"ModelCheckpoint has no argument {name!r}.{did_you_mean(name, known)}"
                )

    @property
    def every_batch(self) -> bool | None:  # type: ignore[override]
        """``False``, unless a subclass has hooks of batches: `room` says when it has to act."""
        own = any(
            getattr(type(self), hook) is not getattr(ModelCheckpoint, hook) for hook in _BATCH
        )
        return None if own else False

    def on_train_begin(self, logs: Any = None) -> None:
        self._warned = self._testing = False
        if self.save_best_only:
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._batch = epoch, 0

    def on_test_begin(self, logs: Any = None) -> None:
        self._testing = True

    def on_test_end(self, logs: Any = None) -> None:
        self._testing = False

    def room(self, batch: int) -> int | None:
        if self.save_freq == "epoch":
            return None
        seen = self._seen + batch - self._batch
        return int(self.save_freq) - seen % int(self.save_freq)

    def on_progress(self, step: int, steps: int | None, logs: Any = None) -> None:
        if not self._testing:
            self._reach(step, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_end(batch, logs)
        self._reach(batch + 1, logs)

    def _reach(self, batch: int, logs: Any) -> None:
        """Note that so many batches of the epoch are done; called once or more for each."""
        before, self._seen = self._seen, self._seen + max(batch - self._batch, 0)
        self._batch = max(batch, self._batch)
        if self.save_freq == "epoch":
            return
        if self._seen // int(self.save_freq) > before // int(self.save_freq):
            self._save({"epoch": self._epoch + 1, "batch": batch}, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_freq != "epoch":
            return
        self.epochs_since_last_save += 1
        if self.epochs_since_last_save >= self.period:
            self.epochs_since_last_save = 0
            self._save({"epoch": epoch + 1}, logs)

    def _save(self, counts: Mapping[str, int], logs: Any) -> None:
        """Save, if the number is good enough or nothing is asked of it."""
        where = ", ".join(f"{name} {value}" for name, value in counts.items()).capitalize()
        note = ""
        if self.save_best_only:
            current = self.get_monitor_value(logs)
            if current is None:
                return
            if not self.is_improvement(current, self.best):
                if self.verbose > 0:
                    print(f"\n{where}: {self.monitor} is not better than {self.best:.5f}")
                return
            note = f"{self.monitor} is {current:.5f}, the best so far; "
            self.best = current
        path = self._path(counts, logs)
        if self.verbose > 0:
            print(f"\n{where}: {note}saving to {path}")
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        write = self.model.save_weights if self.save_weights_only else self.model.save
        write(path, overwrite=True)

    def _path(self, counts: Mapping[str, int], logs: Any) -> str:
        """The name of the file, with its fields filled in."""
        shared = as_logs(logs)
        fields = _Fields(shared, counts)
        try:
            return self.filepath.format_map(fields)
        except (KeyError, IndexError) as error:
            names = [*counts, *(str(name) for name in shared)]
            wanted = str(error.args[0]) if isinstance(error, KeyError) else "{}"
            raise ValueError(
                f"ModelCheckpoint: the field {wanted!r} of filepath {self.filepath!r} is not among "
                f"{names}.{did_you_mean(wanted, names)}"
            ) from error


class _Fields(dict[str, Any]):
    """What may stand in the name of a file; numbers in the logs answer to older names, too."""

    def __init__(self, logs: Any, counts: Mapping[str, int]) -> None:
        super().__init__(counts)
        self._logs = logs

    def __missing__(self, name: str) -> Any:
        if name not in self._logs:
            raise KeyError(name)
        return self._logs[name]


def _in_place(given: Sequence[Any], save_freq: Any, threshold: Any) -> tuple[Any, Any]:
    """`save_freq` and `initial_value_threshold`, given without their names."""
    if len(given) == 1 and given != ("epoch",):
        raise TypeError(
            f"ModelCheckpoint: the seventh argument, {given[0]!r}, is period in Keras 2 "
            "and save_freq in Keras 3; pass it by its name."
        )
    if len(given) > 2 or save_freq != "epoch" or (len(given) == 2 and threshold is not None):
        raise TypeError(
            "ModelCheckpoint takes at most eight arguments without names, the last of which are "
            "save_freq and initial_value_threshold, and each of them once."
        )
    return given[0], given[1] if len(given) == 2 else threshold


def _check_ending(filepath: str, weights: bool) -> None:
    """Refuse a name that says another format than what is to be saved."""
    if not weights and not filepath.lower().endswith(WHOLE):
        raise ValueError(
            f"ModelCheckpoint: filepath must end in {', '.join(WHOLE)}, which says the format, "
            f"got {filepath!r}. Or pass save_weights_only=True."
        )
    if weights and filepath.lower().endswith(".keras"):
        raise ValueError(
            f"ModelCheckpoint: filepath {filepath!r} ends in .keras, which holds whole models; "
            "with save_weights_only=True it ends in .weights.h5, .h5 or .safetensors."
        )


def _positive(value: Any, argument: str) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        wanted = "'epoch' or a positive int" if argument == "save_freq" else "a positive int"
        raise ValueError(f"ModelCheckpoint: {argument} must be {wanted}, got {value!r}.")
    return int(value)
