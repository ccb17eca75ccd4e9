"""Checkpoints: the whole state of a training in a file, and going on from it bit for bit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from lamina.core.pure import has_failed, nothing_noted
from lamina.core.readers import readers
from lamina.saving import checkpoint_file, checkpoint_state
from lamina.saving.checkpoint_file import DamagedError
from lamina.saving.checkpoint_values import Packer, unpack
from lamina.saving.checkpoint_writer import writer
from lamina.saving.weights import check_model
from lamina.typing import Config
from lamina.warning import warn

if TYPE_CHECKING:
    from lamina.training.callbacks import CallbackList

PathLike = str | os.PathLike[str]


class Restored(NamedTuple):
    """What `load_checkpoint` found.

    Attributes:
        path: the file.
        epoch: epochs that were complete; the ``initial_epoch`` of the ``fit`` that goes on.
        batch: batches of the next epoch that were done, 0 between two epochs.
        step: steps since ``compile``.
    """

    path: Path
    epoch: int
    batch: int
    step: int


class Snapshot(NamedTuple):
    """The state of a training at one moment, with arrays that no step overwrites.

    Attributes:
        document: what is no array, as JSON.
        arrays: the arrays by name, on the device or on the host.
        noted: what the checks of the steps have noted, see `training.state`.
    """

    document: Config
    arrays: dict[str, Any]
    noted: Any

    def write(self, path: PathLike) -> bool:
        """Write it to a file, unless a check had failed: then the training ends with an error."""
        # A list: in a dict JAX would sort the names, and their order is that of the model.
        host, noted = jax.device_get((list(self.arrays.values()), self.noted))
        if has_failed(noted):
            return False
        arrays = dict(zip(self.arrays, map(np.asarray, host), strict=True))
        checkpoint_file.write(path, self.document, arrays)
        return True


class Found(NamedTuple):
    """A checkpoint that was read.

    Attributes:
        path: the file.
        document: what is no array.
        arrays: the arrays by name.
    """

    path: Path
    document: Config
    arrays: dict[str, np.ndarray]

    def place(self) -> dict[str, Any]:
        """Where the training was."""
        return unpack(self.document["place"], self.arrays)


def taken(
    model: Any, callbacks: CallbackList | None = None, place: Mapping[str, Any] | None = None
) -> Snapshot:
    """A snapshot of a training; nothing is waited for.

    Args:
        model: compiled and built.
        callbacks: those whose state is to be kept.
        place: plain data on where the training is.
    """
    _check(model, "save_checkpoint")
    packer = Packer("callbacks")
    states = [] if callbacks is None else callbacks.get_state()["callbacks"]
    document = {
        "model": {"name": model.name, "class_name": type(model).__name__},
        "epochs_trained": model._epochs_trained,
        "measured": model._steps is not None,
        "seeds": packer.pack(checkpoint_state.seeds(model), "seeds"),
        "example": checkpoint_state.shapes_of(model._compilation.example),
        "callbacks": packer.pack(states),
        "place": packer.pack(dict(place or {}), "place"),
    }
    with readers.lock:
        steps = model._steps
        found = checkpoint_state.Arrays(model, measured=steps is not None).values
        noted = nothing_noted() if steps is None else steps._noted["train"]
        copies = checkpoint_state.copies({**found, "noted": noted})
    noted = copies.pop("noted")
    return Snapshot(document, copies | packer.arrays, noted)


def _check(model: Any, method: str) -> None:
    check_model(model, method)
    compilation = model._checked_compilation(method)
    if not model._all_built():
        raise ValueError(
            f"{model}: {method} needs a model whose weights exist; give its first layer an "
            "input_shape, or call build or fit first."
        )
    model._ready_optimizer(compilation, model._trained_variables())


def given(model: Any, callbacks: CallbackList | None, document: Config, arrays: Any) -> None:
    """Put a training into the state of a checkpoint, or leave it wholly as it is.

    Args:
        model: compiled; built, unless the checkpoint knows the shapes of a batch.
        callbacks: those whose state is to be set; the same as when it was saved.
        document: what is no array.
        arrays: the arrays by name.

    Raises:
        ValueError: the model or the callbacks are others; the message says what differs.
    """
    compilation = model._checked_compilation("load_checkpoint")
    example = document["example"]
    if example is not None and not compilation.bound:
        model._prepared_steps(checkpoint_state.batch_like(example["batch"]))
    _check(model, "load_checkpoint")
    before = checkpoint_state.seeds(model)
    checkpoint_state.set_seeds(model, unpack(document["seeds"], arrays))
    undo: Config | None = None
    try:
        if example is not None:
            model._prepared_steps(checkpoint_state.batch_like(example["batch"]))
        own = {
            name: a for name, a in arrays.items() if not name.startswith(("callbacks/", "place/"))
        }
        live = checkpoint_state.Arrays(model, document["measured"])
        fitting = live.fitting(own)
        if callbacks is not None:
            undo = callbacks.get_state()
            callbacks.set_state({"callbacks": unpack(document["callbacks"], arrays)})
    except Exception:
        checkpoint_state.set_seeds(model, before)
        if callbacks is not None and undo is not None:
            callbacks.set_state(undo)
        raise
    live.assign(fitting)
    model._epochs_trained = int(document["epochs_trained"])


def _is_plain(name: str) -> bool:
    """Whether an array belongs to the plain data of the document."""
    return name.startswith(("callbacks/", "place/"))


def save_checkpoint(
    model: Any,
    path: PathLike,
    *,
    callbacks: Any = None,
    keep: int | None = 3,
    background: bool = False,
) -> Path:
    """Save all that a training needs to go on bit for bit.

    These are the weights, the state of the optimizer with its learning rate, the metrics, the
    seeds and the number of steps and epochs, by which random draws and the order of rows go,
    and the state of callbacks.

    Args:
        model: compiled and built.
        path: a folder, which is made if need be and in which files are numbered; or the name of a
            file that ends in ``.h5``.
        callbacks: callbacks whose state is kept, too: one, a list or a `CallbackList`.
        keep: how many files stay in the folder, ``None`` for all.
        background: write while the program goes on. The values are those of the call. An error
            is raised by the next call for this path, or by `wait_for_checkpoints`.

    Returns:
        The file.

    Raises:
        RuntimeError: the model is not compiled.
        ValueError: it is not built.
        TypeError: a callback has a state that cannot be stored.
        OSError: the file cannot be written; the old one is still there.

    >>> import tempfile
    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> model = Sequential([Dense(1, input_shape=(2,))])
    >>> model.compile("adam", "mse")
    >>> folder = tempfile.mkdtemp()
    >>> history = model.fit([[1, 2], [3, 4]], [1, 2], epochs=3, verbose=0)
    >>> save_checkpoint(model, folder).name
    'checkpoint-00000001.h5'
    >>> load_checkpoint(model, folder).epoch
    3
    """
    if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 1):
        raise ValueError(f"save_checkpoint: keep must be a positive int or None, got {keep!r}.")
    listed = _as_list(callbacks)
    snapshot = taken(model, listed)
    target, folder = _target(path)
    key = os.fspath(target if folder is None else folder)
    writer.submit(key, lambda: stored(snapshot, target, folder, keep))
    if not background:
        writer.wait(key)
    return target


def _as_list(callbacks: Any) -> CallbackList | None:
    from lamina.training.callbacks import CallbackList

    if callbacks is None or isinstance(callbacks, CallbackList):
        return callbacks
    return CallbackList(callbacks)


_numbers: dict[str, int] = {}


def _target(path: PathLike) -> tuple[Path, Path | None]:
    """The file to write, and the folder if that was given."""
    given = Path(os.path.abspath(os.path.expanduser(os.fspath(path))))
    if given.suffix == checkpoint_file.SUFFIX and not given.is_dir():
        given.parent.mkdir(parents=True, exist_ok=True)
        return given, None
    return next_in(given), given


def next_in(folder: Path) -> Path:
    """The file of the next checkpoint in a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    there = checkpoint_file.listed(folder)
    newest = checkpoint_file.number_of(there[0]) if there else 0
    number = _numbers[str(folder)] = max(newest, _numbers.get(str(folder), 0)) + 1
    return folder / checkpoint_file.name_of(number)


def stored(snapshot: Snapshot, target: Path, folder: Path | None, keep: int | None) -> None:
    """Write a snapshot, then remove what is older than the newest `keep` in the folder."""
    if not snapshot.write(target) or folder is None or keep is None:
        return
    for old in checkpoint_file.listed(folder)[keep:]:
        with contextlib.suppress(FileNotFoundError):
            old.unlink()


def wait_for_checkpoints(path: PathLike) -> None:
    """Return when all that ``save_checkpoint(..., background=True)`` began for a path is written.

    Args:
        path: the folder or file, as it was given to `save_checkpoint`.

    Raises:
        OSError: the last file could not be written.

    >>> wait_for_checkpoints("no-such-folder")
    """
    writer.wait(os.path.abspath(os.path.expanduser(os.fspath(path))))


def load_checkpoint(model: Any, path: PathLike, *, callbacks: Any = None) -> Restored:
    """Go on from what `save_checkpoint` or `BackupAndRestore` saved.

    The model must be made and compiled by the same code; if something differs nothing changes.
    Data, and what a callback remembers without `Callback.get_state`, are not in the file.

    Args:
        model: compiled.
        path: a folder, of which the newest file is taken, or a file. If the newest one is damaged
            the one before it is taken, with a warning.
        callbacks: callbacks whose state is set, the same ones as when it was saved. ``fit`` starts
            callbacks anew; use `BackupAndRestore` to go on within one ``fit``.

    Returns:
        The file, and the epoch, batch and step that it holds.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: all are damaged, or the model or the callbacks are others.

    >>> import tempfile
    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> def made(units):
    ...     model = Sequential([Dense(units, name="d", input_shape=(2,))])
    ...     model.compile("sgd", "mse")
    ...     return model
    >>> folder = tempfile.mkdtemp()
    >>> first = save_checkpoint(made(1), folder)
    >>> load_checkpoint(made(2), folder)
    Traceback (most recent call last):
        ...
    ValueError: ...: weights/d/kernel is float32[2, 2] in the model and float32[2, 1] in the file...
    """
    check_model(model, "load_checkpoint")
    where = Path(os.path.abspath(os.path.expanduser(os.fspath(path))))
    writer.wait(os.fspath(where))
    if where.is_dir():
        found = newest(where)
        if found is None:
            raise FileNotFoundError(f"load_checkpoint: there is no checkpoint in {where}.")
    else:
        if not where.exists():
            raise FileNotFoundError(
                f"load_checkpoint: there is no file or folder {where}; save_checkpoint makes one."
            )
        found = Found(where, *checkpoint_file.read(where))
    apply(model, _as_list(callbacks), found)
    place = found.place()
    epoch = place.get("epoch", found.document["epochs_trained"])
    step = int(np.asarray(model._step))
    return Restored(found.path, int(epoch), int(place.get("batch", 0)), step)


def apply(model: Any, callbacks: CallbackList | None, found: Found) -> None:
    """`given`, with the file in messages."""
    try:
        given(model, callbacks, found.document, found.arrays)
    except ValueError as error:
        raise ValueError(f"{found.path} does not fit {model}: {error}") from error


def newest(folder: Path) -> Found | None:
    """The newest checkpoint in a folder that can be read, with a warning for each that cannot.

    Raises:
        DamagedError: there are some, and none can be read.
    """
    files: Iterable[Path] = checkpoint_file.listed(folder)
    failures = []
    for path in files:
        try:
            found = Found(path, *checkpoint_file.read(path))
        except DamagedError as error:
            failures.append(error)
            continue
        except FileNotFoundError:
            continue
        for failure in failures:
            warn(f"{failure} The one before it, {path.name}, is taken.", RuntimeWarning)
        return found
    if failures:
        raise DamagedError(f"{folder}: no checkpoint can be read. {failures[0]}") from failures[0]
    return None


def tidy(folder: Path) -> None:
    """Remove what writes that were killed have left in a folder."""
    for path in folder.glob(f".{checkpoint_file.PREFIX}*{checkpoint_file.SUFFIX}.*"):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def remove_all(folder: Path) -> None:
    """Remove the checkpoints in a folder, and the folder if nothing else is in it."""
    tidy(folder)
    for path in checkpoint_file.listed(folder):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
