"""Data that is there as a whole: arrays in memory, in files, or sparse."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from lamina.training.data.checks import PARTS, check_count, check_rows
from lamina.training.data.class_weights import weigh
from lamina.training.data.rows import LazyRows, SparseRows
from lamina.training.data.source import Source, row_order
from lamina.training.data.structure import Data, map_leaves, map_named, named_leaves
from lamina.training.data.values import as_arrays, converted, is_arrays
from lamina.typing import Nested
from lamina.warning import warn

RESIDENT_LIMIT: int | None = None
"""Bytes up to which data is kept whole; ``None`` for a quarter of the memory that is free."""

ALWAYS_FITS = 2**20
"""Bytes for which the free memory is not even looked up."""

DEFAULT_BATCH_SIZE = 32


def resident_limit() -> int:
    """Bytes of host data up to which a source is resident.

    >>> resident_limit() > 0
    True
    """
    if RESIDENT_LIMIT is not None:
        return RESIDENT_LIMIT
    return _available_memory() // 4


def _available_memory() -> int:
    limits = []
    meminfo, group = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
    if meminfo.is_file():
        lines = meminfo.read_text(encoding="ascii").splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    if group.is_file() and (stated := group.read_text(encoding="ascii").strip()).isdigit():
        limits.append(int(stated))
    if not limits and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limits, default=2**32)


class ArraySource(Source):
    """Batches cut from arrays that all have the same number of rows.

    With `steps` below the number of batches, an epoch of ``fit`` goes on where the last one
    stopped and begins the rows anew when they end; elsewhere the first rows are used.

    Args:
        data: inputs, targets and weights as `as_arrays` returns them.
        batch_size: rows of a batch, 32 by default.
        steps: batches of an epoch; by default as many as there are.
        shuffle: ``True`` for rows, ``"batch"`` for whole batches.
        seed: number that fixes the orders.
        class_weight: weights of classes, as in `weigh`.
        where: who asks, for the messages.
        names: names of the outputs.
    """

    def __init__(
        self,
        data: Data,
        batch_size: int | None = None,
        steps: int | None = None,
        shuffle: bool | str = False,
        seed: int = 0,
        class_weight: Mapping[Any, Any] | None = None,
        where: str = "fit",
        names: Sequence[str] | None = None,
    ) -> None:
        self._rows = check_rows(data, where)
        self._size = batch_size or DEFAULT_BATCH_SIZE
        self._shuffle, self._seed, self._where = shuffle, seed, where
        self._used = self._count_used(steps)
        self.samples, self.batch_size = self._used, self._size
        self.steps = math.ceil(self._used / self._size)
        if class_weight is not None:
            data = (data[0], data[1], weigh(data[1], data[2], class_weight, where, names))
        if where != "fit" and self._used < self._rows:
            data = _on_parts(lambda leaf: _span(leaf, 0, self._used), data)
            self._rows = self._used
        self._data = data
        self._whole = self._fits()
        if self._whole:
            self._data = self._converted(_on_parts(_in_memory, data))
        if self._whole and not self._has(SparseRows):
            self.resident = self._data
        self._host: Data | None = None
        self._entries = {
            id(leaf): leaf.most_entries(self._size)
            for _, leaf in named_leaves(self._data, "")
            if isinstance(leaf, SparseRows)
        }

    def _count_used(self, steps: int | None) -> int:
        """Rows of an epoch."""
        there = math.ceil(self._rows / self._size)
        if steps is not None and steps > there:
            warn(
                f"{self._where}: {steps} steps of {self._size} rows are asked for, but the "
                f"{self._rows} rows end after {there}; the epoch ends there.",
            )
        return min((steps or there) * self._size, self._rows)

    def _has(self, kind: type) -> bool:
        return any(isinstance(leaf, kind) for _, leaf in named_leaves(self._data, ""))

    def _fits(self) -> bool:
        on_host = {
            id(leaf): int(leaf.nbytes)
            for _, leaf in named_leaves(self._data, "")
            if not isinstance(leaf, jax.Array | SparseRows)
        }
        wanted = sum(on_host.values())
        # Asking how much memory there is takes longer than a small batch.
        return (RESIDENT_LIMIT is None and wanted <= ALWAYS_FITS) or wanted <= resident_limit()

    def _converted(self, data: Data) -> Data:
        x, y, weights = (
            map_named(partial(converted, weight=part == PARTS[2]), value, f"{self._where}: {part}")
            for part, value in zip(PARTS, data, strict=True)
        )
        return x, y, weights

    def order(self, epoch: int) -> np.ndarray | None:
        if self._used == self._rows:
            return self._pass(epoch)
        first = epoch * self._used
        last = first + self._used
        parts = []
        for number in range(first // self._rows, (last - 1) // self._rows + 1):
            order = self._pass(number)
            order = np.arange(self._rows, dtype=np.int32) if order is None else order
            before = number * self._rows
            parts.append(order[max(first - before, 0) : last - before])
        return np.concatenate(parts)

    def _pass(self, number: int) -> np.ndarray | None:
        return row_order(self._rows, self._size, self._shuffle, self._seed, number)

    def reseed(self, seed: int) -> None:
        self._seed = seed

    def batches(self, epoch: int, first: int = 0) -> Iterator[Data]:
        order = self.order(epoch)
        if self._host is None:
            self._host = _on_parts(_on_host, self._data)
        for start in range(first * self._size, self._used, self._size):
            stop = min(start + self._size, self._used)
            rows = slice(start, stop) if order is None else self._as_slice(order[start:stop])
            batch = _on_parts(partial(self._rows_of, rows), self._host)
            yield batch if self._whole else self._converted(batch)

    def _as_slice(self, rows: np.ndarray) -> np.ndarray | slice:
        """Neighbours are read as one piece, without a copy."""
        in_line = self._shuffle is not True and rows[-1] - rows[0] == len(rows) - 1
        return slice(int(rows[0]), int(rows[-1]) + 1) if in_line else rows

    def _rows_of(self, rows: np.ndarray | slice, leaf: Any) -> Any:
        in_line = isinstance(rows, slice)
        if isinstance(leaf, SparseRows):
            part = _span(leaf, rows.start, rows.stop) if in_line else leaf.take(rows)
            return converted(part, f"{self._where}: x").to_bcoo(self._entries[id(leaf)])
        if in_line:
            return _in_memory(_span(leaf, rows.start, rows.stop))
        return leaf.take(rows) if isinstance(leaf, LazyRows) else np.take(leaf, rows, axis=0)


def as_one_batch(x: Any, batch_size: int | None, where: str) -> Any:
    """One array with no more rows than a batch has, as the model takes it; else ``None``.

    >>> as_one_batch(np.ones((3, 2)), None, "predict").dtype, as_one_batch([1, 2], None, "predict")
    (dtype('float32'), None)
    """
    if not isinstance(x, np.ndarray | jax.Array) or not x.ndim:
        return None
    most = DEFAULT_BATCH_SIZE if batch_size is None else batch_size
    if x.shape[0] > check_count(most, f"{where}: batch_size"):
        return None
    name = f"{where}: x"
    return converted(as_arrays(x, name), name)


def _on_parts(function: Callable[[Any], Any], data: Data) -> Data:
    x, y, weights = (map_leaves(function, part) for part in data)
    return x, y, weights


def _span(leaf: Any, start: int, stop: int) -> Any:
    if isinstance(leaf, LazyRows | SparseRows):
        return leaf.span(start, stop)
    return leaf[start:stop]


def _in_memory(leaf: Any) -> Any:
    return leaf.read() if isinstance(leaf, LazyRows) else leaf


def _on_host(leaf: Any) -> Any:
    return np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf


def read_data(x: Nested, y: Nested, sample_weight: Nested, where: str) -> Data:
    """Inputs, targets and weights as arrays in the structure that the user gave.

    Raises:
        ValueError: one of them cannot be read as arrays of numbers.
        TypeError: one of them is no data at all.
    """
    if x is None:
        raise ValueError(f"{where}: x is None; there is no data.")
    data = (
        as_arrays(x, f"{where}: x"),
        None if y is None else as_arrays(y, f"{where}: y"),
        None
        if sample_weight is None
        else as_arrays(sample_weight, f"{where}: sample_weight", none=True),
    )
    for part, value in zip(PARTS[1:], data[1:], strict=True):
        for name, leaf in named_leaves(value, part):
            if isinstance(leaf, SparseRows):
                raise ValueError(f"{where}: {name} is sparse; only x may be. Pass it dense.")
    return data


def split_validation(
    x: Nested, y: Nested, sample_weight: Nested, fraction: float, where: str = "fit"
) -> tuple[Data, Data]:
    """Set the last rows aside for validation, before anything is shuffled.

    Of ``n`` rows, the first ``floor(n * (1 - fraction))`` are for training.

    Args:
        x: arrays, as in `make_source`.
        y: likewise, or ``None``.
        sample_weight: likewise, or ``None``.
        fraction: part of the rows to set aside, between 0 and 1.
        where: who asks, for the messages.

    Returns:
        Data for training and data for validation, which `make_source` takes. Nothing is copied.

    Raises:
        ValueError: the fraction is not between 0 and 1, leaves one side without rows, or the
            data is not arrays.
        TypeError: the fraction is no number.

    >>> train, validation = split_validation(np.arange(10), None, None, 0.3)
    >>> train[0], validation[0]
    (array([0, 1, 2, 3, 4, 5, 6]), array([7, 8, 9]))
    """
    name = f"{where}: validation_split"
    if isinstance(fraction, bool) or not isinstance(fraction, int | float | np.number):
        raise TypeError(f"{name} must be a number between 0 and 1, got {fraction!r}.")
    if not 0 < fraction < 1:
        raise ValueError(f"{name} must be between 0 and 1, got {fraction!r}.")
    if x is not None and not is_arrays(x):
        raise ValueError(
            f"{name} needs arrays, but x is a {type(x).__name__}; pass validation_data instead."
        )
    data = read_data(x, y, sample_weight, where)
    rows = check_rows(data, where)
    cut = check_count(math.floor(rows * (1.0 - float(fraction))), name, least=0)
    if cut in (0, rows):
        side = "training" if cut == 0 else "validation"
        raise ValueError(f"{name}={fraction} of {rows} rows leaves no rows for {side}.")
    train = _on_parts(lambda leaf: _span(leaf, 0, cut), data)
    return train, _on_parts(lambda leaf: _span(leaf, cut, rows), data)
