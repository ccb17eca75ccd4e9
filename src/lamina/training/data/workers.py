"""Work done ahead: one thread that reads a stream, several workers that keep an order."""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

_PATIENCE = 5.0


class Prefetcher(Generic[Item]):
    """Iterate over `items` in a thread of its own, at most `limit` ahead of the reader.

    An exception raised there is raised here, with the traceback that it had. `close` ends the
    thread; so does the end of the items.

    >>> list(Prefetcher(iter("abc"), limit=2))
    ['a', 'b', 'c']
    """

    def __init__(self, items: Iterable[Item], limit: int) -> None:
        self._items, self._limit = items, limit
        self._ready: deque[Item] = deque()
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._ended = self._closed = False
        self._thread = threading.Thread(target=self._run, name="lamina-prefetch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        error = None
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as caught:
            error = caught
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def _put(self, item: Item) -> bool:
        with self._changed:
            if len(self._ready) >= self._limit:
                # Until half is taken: waking up for each item would cost more than many items do.
                half = self._limit // 2
                self._changed.wait_for(lambda: self._closed or len(self._ready) <= half)
            if not self._closed:
                self._ready.append(item)
                if len(self._ready) == 1:
                    self._changed.notify_all()
            return not self._closed

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        with self._changed:
            if not self._ready:
                self._changed.wait_for(lambda: self._ready or self._ended or self._closed)
            if self._ready and not self._closed:
                item = self._ready.popleft()
                if len(self._ready) == self._limit // 2:
                    self._changed.notify_all()
                return item
            error, self._error = self._error, None
        self._thread.join(_PATIENCE)
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread; it ends when the item that it is at is done."""
        with self._changed:
            self._closed = True
            self._ready.clear()
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)


def in_order(
    pool: Executor, load: Callable[[Any], Item], indices: Iterable[Any], limit: int
) -> Iterator[Item]:
    """``load(index)`` of all indices, worked on by a pool, in the order of the indices.

    At most `limit` results are ready or being worked on. When the iterator is closed, work that
    has not begun is dropped.

    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(in_order(pool, abs, [-3, -1, -2], limit=2))
    [3, 1, 2]
    """
    ahead: deque[Future[Item]] = deque()
    try:
        for index in indices:
            ahead.append(pool.submit(load, index))
            if len(ahead) >= limit:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    except BrokenExecutor as error:
        raise RuntimeError(
            "The worker processes ended before their work was done. They import the main script "
            "anew: guard its start by if __name__ == '__main__', or set use_multiprocessing=False."
        ) from error
    finally:
        for future in ahead:
            future.cancel()


def thread_pool(workers: int) -> Executor:
    """Threads that run as long as the pool is open."""
    return ThreadPoolExecutor(workers, thread_name_prefix="lamina-worker")


class RemoteItems:
    """Processes that each hold a copy of an object and fetch its items.

    The processes are started anew only when the object has changed since.

    Args:
        workers: number of processes.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._sent: bytes | None = None
        self._pool: Executor | None = None

    def pool(self, items: Any) -> Executor:
        """A pool whose processes hold `items` as it is now; `fetch` reads from it."""
        payload = pickle.dumps(items)
        if self._pool is None or payload != self._sent:
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor

            self.close()
            self._sent = payload
            self._pool = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_receive,
                initargs=(payload,),
            )
        return self._pool

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


_received: list[Any] = []


def _receive(payload: bytes) -> None:
    _received[:] = [pickle.loads(payload)]


def fetch(index: int) -> Any:
    """The item of that index; runs in a process of `RemoteItems`."""
    return _received[0][index]


def can_be_sent(items: Any) -> str | None:
    """Why an object cannot be sent to other processes, or ``None`` if it can.

    >>> can_be_sent([1, 2]) is None, can_be_sent(lambda: 1) is None
    (True, False)
    """
    try:
        pickle.dumps(items)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
