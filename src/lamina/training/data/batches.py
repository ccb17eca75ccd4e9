"""One batch of a stream: taken apart, read as arrays, checked, converted, weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamina.training.data.checks import PARTS, check_rows
from lamina.training.data.class_weights import weigh
from lamina.training.data.rows import LazyRows, SparseRows
from lamina.training.data.structure import Data, map_named, unpack_x_y_sample_weight
from lamina.training.data.values import as_arrays, converted


@dataclass(frozen=True)
class BatchReader:
    """Turn what a stream yields into `Data`.

    A tuple is ``(x,)``, ``(x, y)`` or ``(x, y, sample_weight)``. So is a list, as data loaders
    make them, except in ``predict``, where a list means several inputs.

    Attributes:
        where: who asks, for the messages.
        class_weight: weights of classes, as in `weigh`.
        names: names of the outputs.
        pairs: whether a list is a pair in ``predict`` too.
    """

    where: str
    class_weight: Mapping[Any, Any] | None = None
    names: Sequence[str] | None = None
    pairs: bool = False

    def __call__(self, item: Any, number: int) -> Data:
        """Read the batch of that number, counted from 0.

        Raises:
            ValueError: it is malformed, empty, or its parts have unequal numbers of rows.
        """
        where = f"{self.where}: batch {number}"
        x, y, weights = self._parts(item, where)
        if x is None:
            raise ValueError(f"{where} has no x: it is {type(item).__name__} with None in front.")
        data = (
            as_arrays(x, f"{where}: x"),
            None if y is None else as_arrays(y, f"{where}: y"),
            None if weights is None else as_arrays(weights, f"{where}: sample_weight", none=True),
        )
        check_rows(data, where)
        if self.class_weight is not None:
            weighed = weigh(data[1], data[2], self.class_weight, where, self.names)
            data = (data[0], data[1], weighed)
        x, y, weights = (
            map_named(_finish_weight if part == PARTS[2] else _finish, value, f"{where}: {part}")
            for part, value in zip(PARTS, data, strict=True)
        )
        return x, y, weights

    def _parts(self, item: Any, where: str) -> Data:
        if isinstance(item, list) and self.where.startswith("predict") and not self.pairs:
            return item, None, None
        try:
            return unpack_x_y_sample_weight(item)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None


def _finish(leaf: Any, name: str) -> Any:
    if isinstance(leaf, LazyRows):
        leaf = leaf.read()
    leaf = converted(leaf, name)
    return leaf.to_bcoo() if isinstance(leaf, SparseRows) else leaf


def _finish_weight(leaf: Any, name: str) -> Any:
    return converted(leaf.read() if isinstance(leaf, LazyRows) else leaf, name, weight=True)
