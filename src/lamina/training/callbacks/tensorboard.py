"""Writing what TensorBoard shows."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from lamina.registry import did_you_mean
from lamina.training.callbacks.base import RememberingCallback
from lamina.training.callbacks.monitor import count
from lamina.training.logs import as_logs

_WITHOUT_MEANING = ("batch_size", "embeddings_layer_names", "embeddings_data")
_NOT_THERE = {
    "write_grads": "gradients are not written; take them with jax.grad and write them yourself",
    "profile_batch": "wrap fit in jax.profiler.trace(log_dir)",
    "embeddings_freq": "write them with tensorboardX.SummaryWriter.add_embedding after training",
}


class TensorBoard(RememberingCallback):
    """Write numbers, and histograms of the weights, for TensorBoard.

    Numbers of training go to ``log_dir/train``, those of validation to ``log_dir/validation``,
    under the names ``epoch_loss``, ``batch_loss`` and so on, as in ``tf.keras`` and Keras 3. The
    package ``tensorboardX`` writes the files.

    Args:
        log_dir: folder for the files.
        histogram_freq: every how many epochs to write histograms of all weights; 0 for never.
        write_graph: write the layers as a text; there is no graph of TensorFlow's.
        write_images: write the weights as images, too, whenever histograms are written.
        write_steps_per_second: write how many steps a second an epoch had.
        update_freq: ``"epoch"``, or ``"batch"`` or every how many batches to write numbers, too.
        profile_batch: must be 0: use ``jax.profiler.trace``.
        embeddings_freq: must be 0.
        embeddings_metadata: without a meaning while `embeddings_freq` is 0.
        **old: ``batch_size``, ``embeddings_layer_names`` and ``embeddings_data`` of Keras 2, which
            mean nothing here, and ``write_grads``, which must be off.

    Raises:
        ValueError: an argument has no sense, or asks for what is not written.
        TypeError: an unknown argument.
        ImportError: when training starts, if ``tensorboardX`` is missing.

    >>> TensorBoard("logs", histogram_freq=5, update_freq=100).update_freq
    100
    """

    remembered = ("_seen", "_batch")

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "./logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Literal["batch", "epoch"] | int = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
        **old: Any,
    ) -> None:
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = count(histogram_freq, "histogram_freq", self)
        self.write_graph = bool(write_graph)
        self.write_images = bool(write_images)
        self.write_steps_per_second = bool(write_steps_per_second)
        self.update_freq = update_freq
        self._every = _batches(update_freq, self)
        self.embeddings_metadata = embeddings_metadata
        self._refuse({"profile_batch": profile_batch, "embeddings_freq": embeddings_freq, **old})
        self._writers: dict[str, Any] = {}
        self._seen, self._batch = 0, 0
        self._testing = False
        self._begun = 0.0, 0

    @staticmethod
    def _refuse(others: Mapping[str, Any]) -> None:
        for name, value in others.items():
            if name not in (*_WITHOUT_MEANING, *_NOT_THERE):
                known = ["log_dir", "histogram_freq", "write_graph", "write_images", "update_freq"]
                raise TypeError(f"TensorBoard has no argument {name!r}.{did_you_mean(name, known)}")
            if name in _NOT_THERE and value:
                raise ValueError(f"TensorBoard: {name}={value!r} is not there; {_NOT_THERE[name]}.")

    def _write(self, part: str, numbers: Mapping[str, Any], step: int) -> None:
        """Write numbers of ``train`` or ``validation``."""
        for name, value in numbers.items():
            if np.ndim(value) == 0:
                self._writer(part).add_scalar(name, float(value), step)

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            try:
                from tensorboardX import SummaryWriter
            except ImportError as error:
                raise ImportError(
                    "TensorBoard needs the package tensorboardX: pip install 'lamina[tensorboard]'."
                ) from error
            self._writers[part] = SummaryWriter(os.path.join(self.log_dir, part))
        return self._writers[part]

    def on_train_begin(self, logs: Any = None) -> None:
        self._seen = self._batch = 0
        self._testing = False
        writer = self._writer("train")
        if self.write_graph:
            lines: list[str] = []
            self.model.summary(print_fn=lines.append)
            writer.add_text(
                "model", "\n".join(f"    {line}" for line in "\n".join(lines).split("\n"))
            )

    def on_train_end(self, logs: Any = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def on_test_begin(self, logs: Any = None) -> None:
        self._testing = True

    def on_test_end(self, logs: Any = None) -> None:
        self._testing = False

    def room(self, batch: int) -> int | None:
        if not self._every:
            return None
        return self._every - (self._seen + batch - self._batch) % self._every

    def on_progress(self, step: int, steps: int | None, logs: Any = None) -> None:
        if self._testing:
            return
        before, self._seen = self._seen, self._seen + step - self._batch
        self._batch = step
        if self._every and self._seen // self._every > before // self._every:
            numbers = {f"batch_{name}": value for name, value in as_logs(logs).items()}
            self._write("train", numbers, self._seen - 1)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batch = 0
        self._begun = time.perf_counter(), self._seen

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        numbers = dict(as_logs(logs))
        validated = {name: value for name, value in numbers.items() if name.startswith("val_")}
        trained = {name: value for name, value in numbers.items() if name not in validated}
        trained |= self._rate()
        if self.write_steps_per_second:
            start, seen = self._begun
            trained["steps_per_second"] = (self._seen - seen) / (time.perf_counter() - start)
        self._write("train", {f"epoch_{name}": value for name, value in trained.items()}, epoch)
        names = {f"epoch_{name.removeprefix('val_')}": v for name, v in validated.items()}
        self._write("validation", names, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        for writer in self._writers.values():
            writer.flush()

    def _rate(self) -> dict[str, float]:
        """The learning rate, if it is one number."""
        optimizer = getattr(self.model, "optimizer", None)
        try:
            return {"learning_rate": float(optimizer.learning_rate)}  # type: ignore[union-attr]
        except (AttributeError, TypeError):  # there are several, or they follow a schedule
            return {}

    def _write_weights(self, epoch: int) -> None:
        for variable in self.model.weights:
            value = variable.numpy()
            self._writer("train").add_histogram(variable.path, value.astype("float32"), epoch)
            if self.write_images and value.ndim in (1, 2):
                image = np.atleast_2d(value).astype("float32")
                spread = max(float(np.ptp(image)), 1e-12)
                image = (image - image.min()) / spread
                self._writer("train").add_image(variable.path, image, epoch, dataformats="HW")


def _batches(update_freq: Any, owner: TensorBoard) -> int:
    """Every how many batches to write; 0 for never."""
    if update_freq in ("batch", "epoch"):
        return int(update_freq == "batch")
    if isinstance(update_freq, str) or count(update_freq, "update_freq", owner) == 0:
        raise ValueError(
            f"TensorBoard: update_freq must be 'batch', 'epoch' or a positive int, got "
            f"{update_freq!r}."
        )
    return int(update_freq)
