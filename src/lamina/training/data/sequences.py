"""Data that is fetched batch by batch under a number: `Sequence` and `PyDataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lamina.training.data.source import Source, permutation
from lamina.training.data.structure import Data
from lamina.training.data.workers import (
    RemoteItems,
    can_be_sent,
    fetch,
    in_order,
    thread_pool,
)
from lamina.warning import warn


class SequenceSource(Source):
    """Batches of an object with ``__len__`` and ``__getitem__``, fetched ahead by workers.

    Args:
        sequence: the object. ``on_epoch_begin`` and ``on_epoch_end`` are called if it has them.
        read: function of one of its items and a batch number to `Data`.
        steps: batches of an epoch; by default its length.
        shuffle: whether its batches come in a new order each epoch.
        seed: number that fixes the orders.
        workers: threads or processes; 0 fetches when asked.
        use_multiprocessing: processes instead of threads, if the object can be pickled.
        limit: how many batches are fetched ahead.
        where: who asks, for the messages.

    Raises:
        ValueError: it is empty, or has no length and there are no `steps`.
    """

    def __init__(
        self,
        sequence: Any,
        read: Callable[[Any, int], Data],
        steps: int | None = None,
        shuffle: bool | str = False,
        seed: int = 0,
        workers: int = 1,
        use_multiprocessing: bool = False,
        limit: int = 10,
        where: str = "fit",
    ) -> None:
        self._sequence, self._read, self._where = sequence, read, where
        self._shuffle, self._seed = bool(shuffle), seed
        self._workers, self._limit = workers, max(limit, workers)
        self._asked, self._remote = steps, None
        self.steps = self._count = self._checked_steps(sequence_length(sequence))
        if use_multiprocessing and workers:
            self._remote = self._processes()
        self._running: Iterator[Data] | None = None

    def _processes(self) -> RemoteItems | None:
        reason = can_be_sent(self._sequence)
        if reason is None:
            return RemoteItems(self._workers)
        warn(
            f"{self._where}: use_multiprocessing=True needs a {type(self._sequence).__name__} that "
            f"can be pickled ({reason}); {self._workers} threads are used instead.",
        )
        return None

    def _checked_steps(self, length: int | None) -> int:
        kind = type(self._sequence).__name__
        if length == 0:
            raise ValueError(f"{self._where}: x, a {kind}, is empty: its length is 0.")
        if length is None and self._asked is None:
            raise ValueError(
                f"{self._where}: x, a {kind}, has no length; say how many batches an epoch has by "
                "steps_per_epoch (or steps)."
            )
        if length is None or self._asked is None:
            return self._asked or length or 0
        if self._asked > length:
            warn(
                f"{self._where}: {self._asked} steps are asked for, but x, a {kind}, has {length} "
                "batches; the epoch ends there.",
            )
        return min(self._asked, length)

    def _indices(self, epoch: int) -> Iterator[int]:
        length = sequence_length(self._sequence)
        if self._asked is None:  # the length may change from epoch to epoch
            self.steps = self._count = length or self._count
        first = epoch * self._count if self._where == "fit" else 0
        if length is None:
            yield from range(first, first + self._count)
            return
        number, order = -1, None
        for count in range(first, first + self._count):
            if count // length != number:
                number = count // length
                order = permutation(length, self._seed, number) if self._shuffle else None
            place = count % length
            yield place if order is None else int(order[place])

    def batches(self, epoch: int, first: int = 0) -> Iterator[Data]:
        self._stop()
        self.skip_epoch()
        running = self._running = self._items(list(self._indices(epoch))[first:], first)
        return running

    def skip_epoch(self) -> None:
        getattr(self._sequence, "on_epoch_begin", _nothing)()

    def reseed(self, seed: int) -> None:
        self._seed = seed

    def _items(self, indices: list[int], first: int) -> Iterator[Data]:
        if not self._workers:
            for number, index in enumerate(indices, first):
                yield self._read(self._sequence[index], number)
        elif self._remote is not None:
            pool = self._remote.pool(self._sequence)
            for number, item in enumerate(in_order(pool, fetch, indices, self._limit), first):
                yield self._read(item, number)
        else:
            with thread_pool(self._workers) as pool:
                yield from in_order(pool, self._load, enumerate(indices, first), self._limit)

    def _load(self, numbered: tuple[int, int]) -> Data:
        number, index = numbered
        return self._read(self._sequence[index], number)

    def on_epoch_end(self) -> None:
        getattr(self._sequence, "on_epoch_end", _nothing)()

    def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.close()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._stop()
        if self._remote is not None:
            self._remote.close()


def _nothing() -> None:
    return


def is_sequence(value: Any) -> bool:
    """Whether batches can be fetched from it by number."""
    return hasattr(value, "__getitem__") and (
        hasattr(value, "__len__") or hasattr(value, "num_batches")
    )


def sequence_length(sequence: Any) -> int | None:
    """Number of its batches; ``None`` if it has no end.

    Raises:
        TypeError: its ``__len__`` returns no int.
    """
    if hasattr(sequence, "num_batches"):
        length = sequence.num_batches
        return None if length is None else int(length)
    try:
        return len(sequence)
    except NotImplementedError:
        return None
