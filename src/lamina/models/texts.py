"""Data for models that read texts: batches of arrays that no compiled program takes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lamina.core.shapes import listed
from lamina.training.data.arrays import DEFAULT_BATCH_SIZE
from lamina.training.data.checks import check_count
from lamina.training.data.source import Source

if TYPE_CHECKING:
    from lamina.training.data.structure import Data
    from lamina.typing import Nested


class TextSource(Source):
    """Batches for a model with inputs of texts.

    Args:
        model: the model.
        x: an array or a list of texts; a list or a dict of them where there are several inputs;
            or an iterable of batches of these.
        batch_size: rows of a batch.
        steps: batches to take.

    Raises:
        ValueError: `batch_size` or `steps` is no positive number, there is one text and no array of
            them, or inputs have different numbers of rows.
    """

    def __init__(self, model: Any, x: Any, batch_size: int | None, steps: int | None) -> None:
        if isinstance(x, str | bytes) or getattr(x, "shape", None) == ():
            raise ValueError(
                f"{model}: predict takes arrays with a row for each text, got the one text {x!r}. "
                "Pass np.array([[text]])."
            )
        self._model, self._x = model, x
        self.steps = None if steps is None else check_count(steps, "predict: steps")
        size = DEFAULT_BATCH_SIZE if batch_size is None else batch_size
        self._size = check_count(size, "predict: batch_size")
        if isinstance(x, list | tuple | dict) or hasattr(x, "shape"):
            self._x = _arrays(model, x)
            self.batch_size, self.samples = self._size, _rows(model, self._x)
            there = math.ceil(self.samples / self._size)
            self.steps = min(there, self.steps or there)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Data]:
        """The batches; texts have no order of their own in an epoch."""
        del epoch
        found = itertools.islice(self._all(), first, self.steps)
        begun = next(found, None)
        if begun is None:
            raise ValueError(f"{self._model}: predict got no data.")
        for batch in itertools.chain([begun], found):
            yield batch, None, None

    def _all(self) -> Iterator[Nested]:
        if self.samples is None:
            return (_arrays(self._model, _inputs(self._model, batch)) for batch in self._x)
        spans = (slice(at, at + self._size) for at in range(0, self.samples, self._size))
        return (jax.tree.map(lambda leaf, span=span: leaf[span], self._x) for span in spans)


def _inputs(model: Any, batch: Any) -> Any:
    """What a batch of a source has for the inputs: targets in it are left out."""
    several = len(model.inputs) > 1
    return batch[0] if isinstance(batch, tuple) and not several else batch


def _arrays(model: Any, x: Any) -> Nested:
    if isinstance(x, dict):
        return {name: _array(one) for name, one in x.items()}
    if len(model.inputs) > 1:
        return [_array(one) for one in listed(x)]
    if isinstance(x, list | tuple) and len(x) == 1 and hasattr(x[0], "shape"):
        x = x[0]
    return _array(x)


def _array(value: Any) -> Any:
    return value if isinstance(value, np.ndarray | jax.Array) else np.asarray(value)


def _rows(model: Any, arrays: Nested) -> int:
    rows = {len(leaf) for leaf in jax.tree.leaves(arrays)}
    if len(rows) != 1:
        raise ValueError(f"{model}: predict got inputs of different numbers of rows: {rows}.")
    return rows.pop()
