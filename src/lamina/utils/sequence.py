"""Data sets that are fetched batch by batch, and the queues that fetch ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lamina.training.data.checks import check_count
from lamina.training.data.source import permutation
from lamina.training.data.workers import (
    Prefetcher,
    RemoteItems,
    can_be_sent,
    fetch,
    in_order,
    thread_pool,
)


class PyDataset:
    """A data set that has a number of batches and fetches each by its number.

    A subclass defines ``__len__``, the number of batches, and ``__getitem__``, which returns one
    as ``(x, y)`` or ``(x, y, sample_weight)``. `fit` reads it from several threads and keeps the
    order. ``Sequence`` is another name of it.

    Args:
        workers: threads or processes that fetch, unless `fit` says otherwise.
        use_multiprocessing: processes instead of threads; the data set must pickle.
        max_queue_size: batches fetched ahead.

    Raises:
        ValueError: `workers` is negative or `max_queue_size` not positive.

    >>> class Squares(PyDataset):
    ...     def __len__(self): return 3
    ...     def __getitem__(self, index): return index, index**2
    >>> list(Squares(workers=2))
    [(0, 0), (1, 1), (2, 4)]
    """

    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        name = type(self).__name__
        self.workers = check_count(workers, f"{name}: workers", least=0)
        self.use_multiprocessing = bool(use_multiprocessing)
        self.max_queue_size = check_count(max_queue_size, f"{name}: max_queue_size")

    def __getitem__(self, index: int) -> Any:
        """The batch of that number."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index).")

    def __len__(self) -> int:
        """Number of batches."""
        raise NotImplementedError(
            f"{type(self).__name__} must define __len__(self); one without end sets "
            "num_batches = None."
        )

    @property
    def num_batches(self) -> int | None:
        """Number of batches; ``None`` for a data set without end, which overrides it so."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""

    def __iter__(self) -> Iterator[Any]:
        """All batches once, in order."""
        for index in range(len(self)):
            yield self[index]


Sequence = PyDataset


class SequenceEnqueuer:
    """Fetch ahead from a data set: ``start``, then iterate over ``get()``, then ``stop``.

    Args:
        sequence: what to read from.
        use_multiprocessing: processes instead of threads.

    >>> enqueuer = SequenceEnqueuer([1, 2, 3])
    >>> enqueuer.start()
    >>> enqueuer.is_running()
    True
    >>> enqueuer.stop()
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        self.sequence = sequence
        self.use_multiprocessing = bool(use_multiprocessing)
        self._started: tuple[int, int] | None = None

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._started is not None

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Allow fetching.

        Args:
            workers: threads or processes.
            max_queue_size: items fetched ahead.
        """
        name = type(self).__name__
        workers = check_count(workers, f"{name}.start: workers")
        self._started = workers, check_count(max_queue_size, f"{name}.start: max_queue_size")

    def get(self) -> Iterator[Any]:
        """The items.

        Raises:
            RuntimeError: ``start`` was not called.
        """
        raise NotImplementedError

    def stop(self, timeout: float | None = None) -> None:
        """End the threads or processes; what was fetched ahead is dropped.

        Args:
            timeout: accepted for code that passes it; work that has begun is waited for.
        """
        self._started = None

    def _running(self) -> tuple[int, int]:
        if self._started is None:
            raise RuntimeError(f"{type(self).__name__}: call start() before get().")
        return self._started


class OrderedEnqueuer(SequenceEnqueuer):
    """Fetch from a `Sequence` ahead, in order, pass after pass without end.

    Args:
        sequence: the data set; its ``on_epoch_end`` is called after each pass.
        use_multiprocessing: processes instead of threads; the data set must pickle.
        shuffle: whether each pass has another order.

    Raises:
        ValueError: processes are asked for and the data set cannot be pickled.

    >>> queue = OrderedEnqueuer("ab")
    >>> queue.start(workers=2)
    >>> items = queue.get()
    >>> [next(items) for _ in range(5)]
    ['a', 'b', 'a', 'b', 'a']
    >>> queue.stop()
    """

    def __init__(
        self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False
    ) -> None:
        super().__init__(sequence, use_multiprocessing)
        reason = can_be_sent(sequence) if use_multiprocessing else None
        if reason is not None:
            raise ValueError(
                f"OrderedEnqueuer: use_multiprocessing=True needs a {type(sequence).__name__} that "
                f"can be pickled ({reason}); use threads."
            )
        self.shuffle = shuffle
        self._items: Iterator[Any] | None = None

    def get(self) -> Iterator[Any]:
        workers, limit = self._running()
        self._items = self._fetch(workers, limit)
        return self._items

    def _fetch(self, workers: int, limit: int) -> Iterator[Any]:
        remote = RemoteItems(workers) if self.use_multiprocessing else None
        number = 0
        try:
            while True:
                order = self._order(number)
                if remote is not None:
                    yield from in_order(remote.pool(self.sequence), fetch, order, limit)
                else:
                    with thread_pool(workers) as pool:
                        yield from in_order(pool, self.sequence.__getitem__, order, limit)
                getattr(self.sequence, "on_epoch_end", lambda: None)()
                number += 1
        finally:
            if remote is not None:
                remote.close()

    def _order(self, number: int) -> list[int]:
        length = len(self.sequence)
        if not length:
            raise ValueError("OrderedEnqueuer: the sequence is empty; its length is 0.")
        return permutation(length, 0, number).tolist() if self.shuffle else list(range(length))

    def stop(self, timeout: float | None = None) -> None:
        super().stop(timeout)
        if self._items is not None:
            self._items.close()  # type: ignore[attr-defined]


class GeneratorEnqueuer(SequenceEnqueuer):
    """Read a generator ahead, in one thread, so that its order is kept.

    Args:
        sequence: the generator, or any iterable.
        use_multiprocessing: must be ``False``; a generator cannot be sent to another process.
        wait_time: accepted for code that passes it; nothing here polls.
        random_seed: accepted for code that passes it; it seeded the processes.

    Raises:
        ValueError: processes are asked for.

    >>> queue = GeneratorEnqueuer(iter("abc"))
    >>> queue.start()
    >>> list(queue.get())
    ['a', 'b', 'c']
    >>> queue.stop()
    """

    def __init__(
        self,
        sequence: Iterable[Any],
        use_multiprocessing: bool = False,
        wait_time: float | None = None,
        random_seed: int | None = None,
    ) -> None:
        if use_multiprocessing:
            raise ValueError(
                "GeneratorEnqueuer: a generator cannot be sent to other processes; set "
                "use_multiprocessing=False, or write a Sequence."
            )
        super().__init__(sequence)
        self.wait_time, self.random_seed = wait_time, random_seed
        self._items: Prefetcher[Any] | None = None

    def get(self) -> Iterator[Any]:
        _, limit = self._running()
        self._items = self._items or Prefetcher(self.sequence, limit)
        return self._items

    def stop(self, timeout: float | None = None) -> None:
        super().stop(timeout)
        if self._items is not None:
            self._items.close()
            self._items = None
