"""Rows that stay where they are: in a file, or sparse."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np


class LazyRows:
    """Rows ``start`` to ``stop`` of a data set in a file (h5py, zarr), read when asked for."""

    def __init__(self, dataset: Any, start: int, stop: int) -> None:
        self.dataset, self.start = dataset, start
        self.shape = (stop - start, *dataset.shape[1:])
        self.dtype = np.dtype(dataset.dtype)
        self.nbytes = int(np.prod(self.shape)) * self.dtype.itemsize

    def span(self, start: int, stop: int) -> LazyRows:
        """The same rows, fewer of them; nothing is read."""
        return LazyRows(self.dataset, self.start + start, self.start + stop)

    def read(self) -> np.ndarray:
        """All rows, in memory."""
        return np.asarray(self.dataset[self.start : self.start + self.shape[0]])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Rows in any order; the file is read in ascending order, as h5py asks."""
        wanted, where = np.unique(rows, return_inverse=True)
        found = np.asarray(self.dataset[wanted.astype(np.int64) + self.start])
        return found if np.array_equal(wanted, rows) else found[where]


class SparseRows:
    """A sparse matrix on the host: its entries sorted by row.

    Args:
        starts: first entry of each row, and the number of entries at the end.
        columns: indices of the entries along the further axes, ``(entries, axes - 1)``.
        values: the entries.
        shape: shape of the whole.
    """

    def __init__(
        self, starts: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, ...]
    ) -> None:
        self.starts, self.columns, self.values = starts, columns, values
        self.shape, self.dtype = shape, values.dtype

    @classmethod
    def from_scipy(cls, matrix: Any) -> SparseRows:
        """From any ``scipy.sparse`` matrix or array of two axes."""
        matrix = matrix.tocsr()
        columns = np.asarray(matrix.indices)[:, None]
        return cls(np.asarray(matrix.indptr), columns, matrix.data, tuple(matrix.shape))

    @classmethod
    def from_bcoo(cls, matrix: Any) -> SparseRows:
        """From a ``BCOO`` whose axes are all sparse; its padding is dropped."""
        indices, values = np.asarray(matrix.indices), np.asarray(matrix.data)
        inside = np.all(indices < np.asarray(matrix.shape), axis=1)
        indices, values = indices[inside], values[inside]
        order = np.argsort(indices[:, 0], kind="stable")
        indices, values = indices[order], values[order]
        starts = np.searchsorted(indices[:, 0], np.arange(matrix.shape[0] + 1))
        return cls(starts, indices[:, 1:], values, tuple(matrix.shape))

    def span(self, start: int, stop: int) -> SparseRows:
        """Rows `start` to `stop`."""
        first, last = self.starts[start], self.starts[stop]
        shape = (stop - start, *self.shape[1:])
        starts = self.starts[start : stop + 1] - first
        return SparseRows(starts, self.columns[first:last], self.values[first:last], shape)

    def take(self, rows: np.ndarray) -> SparseRows:
        """Rows in any order."""
        counts = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        entries = np.repeat(self.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])
        shape = (len(rows), *self.shape[1:])
        return SparseRows(starts, self.columns[entries], self.values[entries], shape)

    def most_entries(self, batch_size: int) -> int:
        """No batch of this many rows has more entries, whatever its order."""
        counts = np.sort(np.diff(self.starts))
        return int(counts[-batch_size:].sum())

    def with_values(self, values: np.ndarray) -> SparseRows:
        """The same places, other entries."""
        return SparseRows(self.starts, self.columns, values, self.shape)

    def to_bcoo(self, entries: int | None = None) -> Any:
        """A ``BCOO`` with room for `entries`; the rest points outside and counts nothing.

        Args:
            entries: how many; by default the next power of two, so that batches of a stream
                come in few shapes.
        """
        from jax.experimental.sparse import BCOO

        count = len(self.values)
        if entries is None:
            entries = 1 << max(count - 1, 0).bit_length()
        indices = np.empty((entries, len(self.shape)), np.int32)
        indices[:count, 0] = np.repeat(np.arange(self.shape[0]), np.diff(self.starts))
        indices[:count, 1:] = self.columns
        indices[count:] = self.shape
        values = np.zeros(entries, self.values.dtype)
        values[:count] = self.values
        return BCOO((jnp.asarray(values), jnp.asarray(indices)), shape=self.shape)
