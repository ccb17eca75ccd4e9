"""Data of a model that feeds itself: targets alone, all rows in each step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lamina.training.data.arrays import ArraySource, read_data
from lamina.training.data.checks import check_count
from lamina.training.data.source import Source
from lamina.training.data.structure import Data
from lamina.typing import Nested


class FixedSource(Source):
    """Batches without inputs, for models whose inputs are all ``Input(tensor=array)``.

    The place of `x` is taken by an array of shape ``(rows, 0)``.

    Args:
        rows: rows of the arrays that the model holds.
        y: targets.
        sample_weight: weights of rows.
        batch_size: ``None``, or at least `rows`: the arrays are not cut.
        steps: batches of an epoch, each of them all rows; 1 by default.
        class_weight: weights of classes.
        where: who asks, for the messages.
        names: names of the outputs.

    Raises:
        ValueError: the batch size is smaller than the number of rows, or `y` has another one.

    >>> source = FixedSource(2, [[1.0], [0.0]], steps=3)
    >>> [y.shape for x, y, _ in source.batches(0)]
    [(2, 1), (2, 1), (2, 1)]
    """

    def __init__(
        self,
        rows: int,
        y: Nested = None,
        sample_weight: Nested = None,
        *,
        batch_size: int | None = None,
        steps: int | None = None,
        class_weight: Mapping[Any, Any] | None = None,
        where: str = "fit",
        names: Sequence[str] | None = None,
    ) -> None:
        if batch_size is not None and batch_size < rows:
            raise ValueError(
                f"{where}: the arrays of Input(tensor=...) are not cut into batches, so batch_size "
                f"must be left out, got {batch_size!r} for {rows} rows."
            )
        data = read_data(np.zeros((rows, 0), "float32"), y, sample_weight, where)
        self._arrays = ArraySource(data, rows, class_weight=class_weight, where=where, names=names)
        self.steps = 1 if steps is None else check_count(steps, f"{where}: steps")
        self.batch_size = rows
        self.samples = rows * self.steps

    def batches(self, epoch: int, first: int = 0) -> Iterator[Data]:
        for x, y, weights in self._arrays.batches(epoch):
            for _ in range(first, self.steps or 0):
                yield x, y, weights
