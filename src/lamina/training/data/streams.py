"""Data that comes batch by batch: generators and any other iterable of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from lamina.training.data.source import Source
from lamina.training.data.structure import Data
from lamina.training.data.workers import Prefetcher
from lamina.warning import warn


class StreamSource(Source):
    """Batches as an iterable yields them, prepared ahead by one thread.

    An iterator goes on where the last epoch stopped. Other iterables (lists of files, ``tf.data``,
    loaders of PyTorch) start anew each epoch, unless `steps` is smaller than their length: then
    they go on too, and start anew when they end. No batch is taken that no epoch asked for.

    Args:
        batches: the iterable.
        read: function of what it yields and a batch number to `Data`.
        steps: batches of an epoch; by default as many as come.
        threaded: whether a thread prepares batches ahead.
        limit: how many it prepares.
        where: who asks, for the messages.
    """

    def __init__(
        self,
        batches: Iterable[Any],
        read: Callable[[Any, int], Data],
        steps: int | None,
        threaded: bool,
        limit: int,
        where: str,
    ) -> None:
        self._given, self._read, self._where = batches, read, where
        self._once = hasattr(batches, "__next__")
        self._asked = steps
        self.steps = steps or (None if self._once else _length(batches))
        self._threaded, self._limit = threaded, limit
        self._iterator: Iterator[Any] | None = None
        self._prefetcher: Prefetcher[Data] | None = None
        self._seen_any = False

    def batches(self, epoch: int, first: int = 0) -> Iterator[Data]:
        self._begin()
        items: Iterator[Data] = self._pull(self._asked, first)
        if self._threaded:
            items = self._prefetcher = Prefetcher(items, self._limit)
        seen = first
        try:
            for item in items:
                seen += 1
                yield item
        finally:
            self.close()
        self._count(seen, epoch)

    def _begin(self) -> None:
        self.close()
        if self._asked is None and not self._once:
            self._iterator = None

    def skip_epoch(self) -> None:
        self._begin()
        seen = sum(1 for _ in islice(self._items(self._asked), self._asked))
        self._seen_any = True
        if self.steps is None and self._once:
            self.steps = seen

    def _pull(self, steps: int | None, first: int) -> Iterator[Data]:
        """Batches of an epoch; what comes before number `first` is taken, but not looked at."""
        for number, item in enumerate(islice(self._items(steps), steps)):
            if number >= first:
                yield self._read(item, number)

    def _items(self, steps: int | None) -> Iterator[Any]:
        """Items from where the last epoch stopped; passes follow one another if they may."""
        while True:
            fresh, seen = self._iterator is None, False
            if self._iterator is None:
                self._iterator = iter(self._given)
            for item in self._iterator:  # a plain loop: `yield from` would close it with us
                seen = True
                yield item
            if self._once:
                return
            self._iterator = None
            if steps is None or (self._short(steps) if seen else fresh):
                return

    def _short(self, steps: int) -> bool:
        """Whether one pass has fewer batches than an epoch asks for: it runs dry."""
        length = _length(self._given)
        return length is None or length < steps

    def _count(self, seen: int, epoch: int) -> None:
        expected = self.steps
        self.exhausted = self._once and (expected is None or seen < expected)
        if not seen and not self._seen_any:
            raise ValueError(
                f"{self._where}: x, a {type(self._given).__name__}, is empty: it yielded no batch."
            )
        self._seen_any = True
        if expected is not None and seen < expected:
            warn(
                f"{self._where}: the data ran out in epoch {epoch + 1}: {expected} steps were "
                f"expected and {seen} were seen. The epoch ends here. Let the generator yield at "
                "least steps_per_epoch * epochs batches, or ask for fewer steps.",
            )
        elif expected is None and self._once:
            self.steps = seen  # what a second epoch would need

    def close(self) -> None:
        if self._prefetcher is not None:
            self._prefetcher.close()
            self._prefetcher = None


def _length(batches: Any) -> int | None:
    try:
        return len(batches)
    except (TypeError, NotImplementedError):  # unknown or without end
        return None
