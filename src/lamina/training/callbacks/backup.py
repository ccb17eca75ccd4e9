"""Going on with a training that was killed, bit for bit."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lamina.training.callbacks.base import Keeper, Training
from lamina.training.callbacks.monitor import count

if TYPE_CHECKING:
    from lamina.saving.checkpoint import Found


class BackupAndRestore(Keeper):
    """Keep the state of a training, and go on from it when the same script runs again.

    What is kept is the whole state: weights, optimizer, metrics, seeds, the order of rows, the
    place within the epoch, and what callbacks remember (`Callback.get_state`). A training that was
    killed at any moment and started again ends with the same weights, bit for bit, and the same
    history as one that was never killed, on the same kind of machine with the same releases. (On
    a GPU XLA may choose other kernels in another process;
    ``XLA_FLAGS=--xla_gpu_deterministic_ops=true`` asks it not to.) The files are written by a
    thread while the training goes on; two are kept, and if the newest is damaged the one before it
    is taken, with a warning.

    The data are not in the file. Arrays and a `Sequence` go on at the batch where it stopped;
    ``on_epoch_begin`` and ``on_epoch_end`` of a `Sequence` are called once for each epoch that is
    done already. Generators and other iterables are read from their start up to that batch, so
    they must yield the same batches again.

    Args:
        backup_dir: folder for the files of this one ``fit``; it is made if need be.
        save_freq: ``"epoch"``, or after how many batches to save, counted over all epochs; it is
            saved at the ends of epochs, too.
        double_checkpoint: keep one file more.
        delete_checkpoint: remove the files when the training ends well. If ``False``, the same
            script has nothing to train when it runs again, and gets the final weights and history.

    Raises:
        ValueError: `save_freq` is neither ``"epoch"`` nor a positive int, or `backup_dir` is empty;
            at the start of the training: the model or the callbacks are not those of the file.

    >>> BackupAndRestore("backups/first-run", save_freq=500).save_freq
    500
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch"] | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        **old: Any,
    ) -> None:
        for name in old:
            raise TypeError(
                f"BackupAndRestore has no argument {name!r}; it takes backup_dir, save_freq, "
                "double_checkpoint and delete_checkpoint."
            )
        if not os.fspath(backup_dir):
            raise ValueError("BackupAndRestore: backup_dir must name a folder, got ''.")
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq if save_freq == "epoch" else count(save_freq, "save_freq", self)
        if self.save_freq == 0:
            raise ValueError(
                "BackupAndRestore: save_freq must be 'epoch' or a positive int, got 0."
            )
        self.double_checkpoint = bool(double_checkpoint)
        self.delete_checkpoint = bool(delete_checkpoint)
        self._folder = Path()
        self._found: Found | None = None
        self._seen, self._batch = 0, 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._folder = Path(os.path.abspath(os.path.expanduser(self.backup_dir)))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._found = None
        self._seen = self._batch = 0

    def room(self, batch: int) -> int | None:
        if self.save_freq == "epoch":
            return None
        seen = self._seen + batch - self._batch
        return int(self.save_freq) - seen % int(self.save_freq)

    def get_state(self) -> dict[str, Any]:
        return {"seen": self._seen}

    def set_state(self, state: Any) -> None:
        self._seen = int(state["seen"])

    def on_resume(self, training: Training) -> None:
        from lamina.saving import checkpoint

        checkpoint.tidy(self._folder)
        self._found = checkpoint.newest(self._folder)
        if self._found is None:
            return
        if self._found.document["example"] is None and training.source.samples is not None:
            # Sparse rows: the model is prepared by a real batch.
            training.model._prepared_steps(next(training.source.batches(0)))
        place = self._apply(training)
        self._check_data(training, place)
        training.epoch, training.batch = place["epoch"], place["batch"]
        training.evaluations, training.logs = place["evaluations"], place["logs"]
        training.over = place["stopped"] or training.epoch >= training.epochs.stop
        training.source.reseed(int(training.model._seed))
        training.skip(place["epochs"], place["evaluations"])
        if training.batch == 0:
            self._found = None

    def _check_data(self, training: Training, place: dict[str, Any]) -> None:
        """Refuse to go on within an epoch of other data."""
        now = _size(training)
        if place["batch"] and now != place["size"]:
            assert self._found is not None
            raise ValueError(
                f"BackupAndRestore: {self._found.path} stands within an epoch of data of the size "
                f"{place['size']}, but now it is {now}. Pass the same data, or another backup_dir."
            )

    def on_reentry(self, training: Training) -> None:
        if self._found is not None:
            self._apply(training)
            self._found = None

    def _apply(self, training: Training) -> dict[str, Any]:
        """Set the state of all that takes part, and tell the place."""
        from lamina.saving import checkpoint

        assert self._found is not None
        checkpoint.apply(training.model, training.callbacks, self._found)
        place = self._found.place()
        self._batch = place["batch"]
        training.model.stop_training = place["stop_training"]
        return place

    def on_settled(self, training: Training) -> None:
        if training.batch == 0:
            self._batch = 0
            self._save(training)
            return
        before, self._seen = self._seen, self._seen + training.batch - self._batch
        self._batch = training.batch
        if self.save_freq == "epoch" or training.batch == training.source.steps:
            return  # at the end of an epoch its evaluation and its callbacks come first
        if self._seen // int(self.save_freq) > before // int(self.save_freq):
            self._save(training)

    def _save(self, training: Training) -> None:
        from lamina.saving import checkpoint

        place = {
            "epoch": training.epoch,
            "batch": training.batch,
            "epochs": training.epoch - training.epochs.start,
            "evaluations": training.evaluations,
            "stop_training": bool(training.model.stop_training),
            "stopped": training.batch == 0 and training.stopped,
            "logs": training.logs,
            "size": _size(training),
        }
        snapshot = checkpoint.taken(training.model, training.callbacks, place)
        folder, keep = self._folder, 3 if self.double_checkpoint else 2
        checkpoint.writer.submit(
            os.fspath(folder),
            lambda: checkpoint.stored(snapshot, checkpoint.next_in(folder), folder, keep),
            newest=True,
        )

    def release(self, done: bool) -> None:
        from lamina.saving import checkpoint

        with contextlib.nullcontext() if done else contextlib.suppress(OSError):
            checkpoint.writer.wait(os.fspath(self._folder))
        if done and self.delete_checkpoint:
            checkpoint.remove_all(self._folder)


def _size(training: Training) -> dict[str, Any]:
    """What is known of the size of the data."""
    names = ("samples", "batch_size", "steps")
    return {name: getattr(training.source, name) for name in names}
