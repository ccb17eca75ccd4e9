"""Predictions of models that read texts: row by row of arrays that no compiled program takes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from lamina.core.shapes import listed
from lamina.training import loop
from lamina.training.data.arrays import DEFAULT_BATCH_SIZE
from lamina.training.data.checks import check_count

if TYPE_CHECKING:
    from lamina.typing import Nested


def predicted(model: Any, x: Any, batch_size: int | None, steps: int | None) -> Any:
    """Outputs of a model with inputs of texts.

    Args:
        model: the model.
        x: an array or a list of texts; a list or a dict of them where there are several inputs;
            or an iterable of batches of these.
        batch_size: rows of a batch.
        steps: batches to take.

    Raises:
        ValueError: there is no data, or inputs have different numbers of rows.
    """
    size = check_count(
        DEFAULT_BATCH_SIZE if batch_size is None else batch_size, "predict: batch_size"
    )
    if isinstance(x, list | tuple | dict) or hasattr(x, "shape"):
        batches = _parts(model, _arrays(model, x), size)
    else:
        batches = (_arrays(model, _inputs(model, batch)) for batch in x)
    outputs = [model(batch) for batch in itertools.islice(batches, steps)]
    if not outputs:
        raise ValueError(f"{model}: predict got no data.")
    return loop.joined(jax.device_get(outputs))


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


def _parts(model: Any, arrays: Nested, size: int) -> Iterator[Nested]:
    rows = {len(leaf) for leaf in jax.tree.leaves(arrays)}
    if len(rows) != 1:
        raise ValueError(f"{model}: predict got inputs of different numbers of rows: {rows}.")
    for start in range(0, rows.pop(), size):
        yield jax.tree.map(lambda leaf, at=start: leaf[at : at + size], arrays)
