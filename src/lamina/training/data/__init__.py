"""Where the training loop gets its batches from.

`make_source` takes whatever people pass as data and returns a `Source`. Dtypes change here and
nowhere later: floats become ``floatx``, 64-bit ints become 32-bit ones, weights become floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.training.data.arrays import ArraySource, read_data, resident_limit, split_validation
from lamina.training.data.batches import BatchReader
from lamina.training.data.checks import check_count, check_no_arrays, check_shuffle
from lamina.training.data.fixed import FixedSource
from lamina.training.data.sequences import SequenceSource, is_sequence
from lamina.training.data.source import Source
from lamina.training.data.streams import StreamSource
from lamina.training.data.structure import (
    Data,
    pack_x_y_sample_weight,
    unpack,
    unpack_x_y_sample_weight,
)
from lamina.training.data.values import is_arrays
from lamina.typing import Nested
from lamina.warning import warn

__all__ = [
    "ArraySource",
    "Data",
    "FixedSource",
    "SequenceSource",
    "Source",
    "StreamSource",
    "make_source",
    "pack_x_y_sample_weight",
    "resident_limit",
    "split_validation",
    "unpack",
    "unpack_x_y_sample_weight",
]


def make_source(
    x: Any,
    y: Nested = None,
    sample_weight: Nested = None,
    *,
    batch_size: int | None = None,
    steps: int | None = None,
    shuffle: bool | str = False,
    seed: int = 0,
    class_weight: Mapping[Any, Any] | None = None,
    workers: int = 1,
    use_multiprocessing: bool = False,
    max_queue_size: int = 10,
    where: str = "fit",
    names: Sequence[str] | None = None,
) -> Source:
    """Make a source of batches from what a user passed as data.

    Args:
        x: arrays of any kind (NumPy, JAX, PyTorch, pandas, sparse, in a file), lists of numbers,
            lists and dicts of them; or a generator, a `Sequence`, or any iterable of batches.
        y: targets, if `x` is arrays.
        sample_weight: weights of rows, or of rows and time steps, if `x` is arrays.
        batch_size: rows of a batch, 32 by default, if `x` is arrays.
        steps: batches of an epoch.
        shuffle: ``True``, ``False`` or ``"batch"``; for a `Sequence`, the order of its batches.
            Streams come as they come.
        seed: number that, with the epoch's, fixes every order.
        class_weight: class to weight, or output to such a dict.
        workers: threads or processes that fetch from a `Sequence`; 0 for none, anywhere.
        use_multiprocessing: processes for a `Sequence`.
        max_queue_size: batches prepared ahead.
        where: who asks: ``"fit"``, ``"predict"``, ``"fit: validation_data"``. Messages begin so.
        names: names of the outputs, by which `class_weight` may know them.

    Raises:
        ValueError: the data or an argument has a value that cannot be.
        TypeError: it is of a kind that cannot be.

    >>> import numpy as np
    >>> source = make_source(np.arange(5.0), [0, 1, 0, 1, 1], batch_size=2)
    >>> source.samples, source.steps
    (5, 3)
    >>> for x, y, _ in source.batches(epoch=0):
    ...     print(x, y)
    [0. 1.] [0 1]
    [2. 3.] [0 1]
    [4.] [1]
    """
    shuffle = check_shuffle(shuffle, where)
    if steps is not None:
        steps = check_count(steps, f"{where}: {_step_argument(where)}")
    if batch_size is not None:
        batch_size = check_count(batch_size, f"{where}: batch_size")
    workers = check_count(workers, f"{where}: workers", least=0)
    limit = check_count(max_queue_size, f"{where}: max_queue_size")
    if x is None or is_arrays(x):
        data = read_data(x, y, sample_weight, where)
        return ArraySource(data, batch_size, steps, shuffle, seed, class_weight, where, names)
    if not is_sequence(x) and not hasattr(x, "__iter__"):
        raise TypeError(
            f"{where}: x must be arrays, a generator, a Sequence or an iterable of batches, got "
            f"{type(x).__name__}."
        )
    check_no_arrays(x, {"y": y, "sample_weight": sample_weight, "batch_size": batch_size}, where)
    loader = type(x).__module__.split(".")[0] == "torch"
    read = BatchReader(where, class_weight, names, pairs=loader)
    if is_sequence(x):
        own = _own_settings(x, workers, use_multiprocessing, limit)
        return SequenceSource(x, read, steps, shuffle, seed, *own, where=where)
    if use_multiprocessing:
        warn(
            f"{where}: use_multiprocessing=True needs a Sequence; one thread reads a "
            f"{type(x).__name__}.",
        )
    return StreamSource(x, read, steps, workers > 0, limit, where)


def _step_argument(where: str) -> str:
    if where == "fit":
        return "steps_per_epoch"
    return "validation_steps" if "validation" in where else "steps"


def _own_settings(x: Any, workers: int, processes: bool, limit: int) -> tuple[int, bool, int]:
    """What a `PyDataset` says itself, where the caller left the defaults."""
    if (workers, processes, limit) == (1, False, 10):
        return (
            int(getattr(x, "workers", workers)),
            bool(getattr(x, "use_multiprocessing", processes)),
            int(getattr(x, "max_queue_size", limit)),
        )
    return workers, bool(processes), limit
