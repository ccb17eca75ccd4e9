"""Whole data sets in memory: batches and blocks of batches, taken by index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.core import jit
from lamina.distribution.current import current

if TYPE_CHECKING:
    from lamina.training.data.source import Source
    from lamina.training.data.structure import Data

BLOCK_BYTES = 4 * 2**20
"""Size that a block of batches has at most, if it holds more than one."""

FEWEST_BATCHES = 16
"""Batches that a small block has room for, so that small data sets share a program."""

ALIGNMENT = 64
"""Memory that begins at a multiple of this is taken over by JAX on CPUs without a copy."""


def on(source: Source, batches: int | None = None) -> Resident:
    """The arrays of a source, where their rows are gathered fastest.

    On an accelerator they are copied onto it once. A CPU takes them from where they are: a copy
    would take as long as many small steps, and the memory twice.

    Args:
        source: a source whose data may live on the device.
        batches: how many a block has at most; by default as many as an epoch.
    """
    kind = Hosted if jax.default_backend() == "cpu" else Resident
    return kind(source, batches)


def moved_ahead(batches: Iterator[Data]) -> Iterator[Data]:
    """Batches of a stream, each on its way to the accelerator before the one before it is used.

    A CPU takes the host's memory as it is.

    Args:
        batches: from a source.
    """
    if jax.default_backend() == "cpu":
        return batches
    put = jax.device_put if current.placement is None else current.placement.split
    return _one_ahead(map(put, batches))


def _one_ahead(items: Iterator[Data]) -> Iterator[Data]:
    """Ask for each item before the one before it is given."""
    before = next(items, None)
    for item in items:
        assert before is not None
        yield before
        before = item
    if before is not None:
        yield before


class Resident:
    """The arrays of a source on the device.

    A block is an array of `capacity` batches: a power of two, so that few programs serve data sets
    of all lengths.

    Args:
        source: a source whose data may live on the device.
        batches: how many a block has at most.

    Attributes:
        size: rows of a batch.
        whole: number of full batches in an epoch.
        rest: rows that are left for a smaller one.
        capacity: batches of a block.
        example: the first batch.
    """

    def __init__(self, source: Source, batches: int | None = None) -> None:
        assert source.samples is not None
        assert source.batch_size is not None
        self.source, self.placement = source, current.placement
        self.data = jax.tree.map(self.kept, source.resident)
        self.size = source.batch_size
        self.whole, self.rest = divmod(source.samples, self.size)
        first = min(self.size, source.samples)
        self.example = jax.tree.map(lambda leaf: jax.device_put(leaf[:first]), self.data)
        bytes_of_one = sum(leaf.nbytes for leaf in jax.tree.leaves(self.example))
        wanted = batches or max(self.whole, FEWEST_BATCHES)
        most = max(1, min(wanted, BLOCK_BYTES // max(bytes_of_one, 1)))
        self.capacity = 1 << (most - 1).bit_length()

    def kept(self, leaf: Any) -> Any:
        """An array in the place where rows are taken from it."""
        if self.placement is None:
            return jnp.asarray(leaf)
        return jax.device_put(leaf, self.placement.everywhere)

    def placed(self, order: np.ndarray | None) -> Any:
        """An order of the rows, on the device; ``None`` if as they stand."""
        if order is None:
            return None
        # A block may reach beyond the last batch; what lies there is not used.
        beyond = np.zeros((self.capacity * self.size,), order.dtype)
        whole = np.concatenate([order, beyond])
        if self.placement is None:
            return jnp.asarray(whole)
        return jax.device_put(whole, self.placement.everywhere)

    def used_by(self, results: Any) -> None:
        """Take note of what the last program that reads the last block gives."""

    def batch(self, order: Any, step: int, size: int) -> Any:
        """The rows of one batch."""
        layout = None if self.placement is None else self.placement.layout((size,))
        return _taker(size, None, layout)(self.data, order, np.int32(step * self.size))

    def block(self, order: Any, step: int) -> Any:
        """A block whose first batch is that of a step."""
        shape = self.capacity, self.size
        layout = None if self.placement is None else self.placement.layout(shape, 1)
        take = _taker(self.size, self.capacity, layout)
        return take(self.data, order, np.int32(step * self.size))


@dataclass
class Room:
    """Memory of a block.

    Attributes:
        memory: arrays of NumPy's.
        arrays: the same memory as arrays of JAX's.
        results: what the last program that reads it gives.
    """

    memory: Any
    arrays: Any
    results: Any = None


class Hosted(Resident):
    """The same on a CPU, whose memory is that of NumPy: nothing is copied but the rows taken.

    Blocks take turns in two rooms: new memory for each costs a third of the time that its rows do.
    """

    def __init__(self, source: Source, batches: int | None = None) -> None:
        super().__init__(source, batches)
        self._rooms: list[Room] = []

    def used_by(self, results: Any) -> None:
        if self._rooms:
            self._rooms[-1].results = results

    def kept(self, leaf: Any) -> Any:
        return np.asarray(leaf)

    def placed(self, order: np.ndarray | None) -> Any:
        return order

    def batch(self, order: Any, step: int, size: int) -> Any:
        return self._taken(order, step * self.size, size, (size,))[1]

    def block(self, order: Any, step: int) -> Any:
        first, rows = step * self.size, min(self.capacity, self.whole - step) * self.size
        if len(self._rooms) == 2:
            self._rooms.reverse()
            room = self._rooms[-1]
            jax.block_until_ready(room.results)
            self._fill(room.memory, order, first, rows)
            return room.arrays
        memory, arrays = self._taken(order, first, rows, (self.capacity, self.size))
        if self.placement is None and all(jax.tree.leaves(jax.tree.map(_is_same, memory, arrays))):
            self._rooms.append(Room(memory, arrays))
        return arrays

    def _taken(self, order: Any, first: int, rows: int, shape: tuple[int, ...]) -> tuple[Any, Any]:
        """Some rows in new memory and as arrays of JAX's, which begin with these sizes."""
        placement, axis = self.placement, len(shape) - 1
        layout = None if placement is None else placement.layout(shape, axis)
        memory = jax.tree.map(
            lambda leaf: _aligned((*shape, *leaf.shape[1:]), leaf.dtype), self.data
        )
        self._fill(memory, order, first, rows)
        return memory, jax.tree.map(lambda one: jax.device_put(one, layout), memory)

    def _fill(self, memory: Any, order: Any, first: int, rows: int) -> None:
        """Gather rows; what lies beyond is not used."""

        def take(leaf: np.ndarray, taken: np.ndarray) -> None:
            flat = taken.reshape(-1, *leaf.shape[1:])
            if order is None:
                flat[:rows] = leaf[first : first + rows]
            else:
                np.take(leaf, order[first : first + rows], axis=0, out=flat[:rows], mode="clip")
            flat[rows:] = 0

        jax.tree.map(take, self.data, memory)


def _is_same(memory: np.ndarray, array: Any) -> bool:
    """Whether an array lies in this memory, and is no copy of it."""
    return array.unsafe_buffer_pointer() == memory.__array_interface__["data"][0]


def _aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """New memory that JAX takes over without a copy."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


@cache
def _taker(size: int, batches: int | None = None, layout: Any = None) -> Any:
    """A compiled function that takes rows: of one batch, or of a block of them.

    With a layout for several devices each of them takes its own.
    """
    count = size * (batches or 1)

    def take(data: Any, order: Any, first: Any) -> Any:
        rows = jax.tree.map(lambda leaf: _rows(leaf, order, first, count), data)
        if batches is not None:
            rows = jax.tree.map(lambda leaf: leaf.reshape((batches, size, *leaf.shape[1:])), rows)
        return rows if layout is None else lax.with_sharding_constraint(rows, layout)

    return jit.compile(take)


def _rows(leaf: Any, order: Any, first: Any, count: int) -> Any:
    if order is None and count <= leaf.shape[0] and leaf.shape[0] % count == 0:
        return lax.dynamic_slice_in_dim(leaf, first, count)
    if order is None:
        # What a block has beyond the last row is not used.
        places = jnp.minimum(first + jnp.arange(count, dtype=jnp.int32), leaf.shape[0] - 1)
        return leaf.at[places].get(mode="promise_in_bounds")
    places = lax.dynamic_slice_in_dim(order, first, count)
    return leaf.at[places].get(mode="promise_in_bounds")
