"""`Source`: what the training loop knows about data, and the order of its rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from lamina.training.data.structure import Data

_LARGEST = 2**31 - 1


class Source(ABC):
    """Batches of data, epoch after epoch.

    Attributes:
        samples: rows of an epoch, ``None`` if unknown.
        batch_size: rows of a full batch, ``None`` if unknown.
        steps: batches of an epoch, ``None`` if only running finds out.
        resident: all rows as whole arrays, if they may live on the device and be indexed there.
        exhausted: whether a stream has ended for good, so that further epochs would be empty.
    """

    samples: int | None = None
    batch_size: int | None = None
    steps: int | None = None
    resident: Data | None = None
    exhausted: bool = False

    def order(self, epoch: int) -> np.ndarray | None:
        """Rows of `resident` in the order of that epoch, as int32; ``None`` if as they stand."""
        return None

    @abstractmethod
    def batches(self, epoch: int, first: int = 0) -> Iterator[Data]:
        """The batches of that epoch, on the host, from number `first` on."""

    def skip_epoch(self) -> None:
        """Go past an epoch whose batches another process has used already."""
        return

    def reseed(self, seed: int) -> None:
        """Give the orders of this source another seed."""
        del seed

    def on_epoch_end(self) -> None:
        """To be called after each epoch."""
        return

    def close(self) -> None:
        """Stop threads and processes; the source may be used again."""
        return


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """A random order of `count` things that depends on seed and epoch alone.

    >>> bool((permutation(5, seed=1, epoch=3) == permutation(5, seed=1, epoch=3)).all())
    True
    """
    bits = np.random.Philox(key=np.array([seed, epoch], np.uint64))
    order = np.arange(count, dtype=np.int32 if count <= _LARGEST else np.int64)
    np.random.Generator(bits).shuffle(order)
    return order


def row_order(
    rows: int, batch_size: int, shuffle: bool | str, seed: int, epoch: int
) -> np.ndarray | None:
    """Order of the rows in one pass over them; ``None`` if as they stand.

    With ``shuffle="batch"`` full batches change places and the rest of the rows stays last.

    >>> row_order(5, 2, "batch", seed=0, epoch=0).tolist() in ([0, 1, 2, 3, 4], [2, 3, 0, 1, 4])
    True
    """
    if not shuffle:
        return None
    if shuffle != "batch":
        return permutation(rows, seed, epoch)
    full = rows // batch_size
    blocks = permutation(full, seed, epoch)
    inside = np.arange(batch_size, dtype=blocks.dtype)
    shuffled = (blocks[:, None] * blocks.dtype.type(batch_size) + inside[None, :]).reshape(-1)
    return np.concatenate([shuffled, np.arange(full * batch_size, rows, dtype=blocks.dtype)])
