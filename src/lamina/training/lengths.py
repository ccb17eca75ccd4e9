"""Predictions for many numbers of rows with few compiled programs.

A program is made for one number of rows. The last batch of a prediction has any number of them, so
that predicting data of 100 different lengths would compile 32 programs. The first `EXACT` numbers
get programs of their own. After these a batch is filled up to a number that has one already, or to
the next power of two, and the results of what was added are left out. That is done only where the
model keeps rows apart, which its traced program shows (`core/rows.py`).
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np

from lamina.core import rows as rows_of_programs
from lamina.core.calls import parts_token
from lamina.distribution.current import current

EXACT = 3
"""Numbers of rows, below that of a whole batch, that have programs of their own in any case."""


class _Known:
    """What was predicted so far with inputs of one kind.

    Attributes:
        rows: numbers of rows that have programs.
        apart: whether the model keeps rows apart, once that was looked up.
    """

    def __init__(self) -> None:
        self.rows: set[int] = set()
        self.apart: bool | None = None


_known: WeakKeyDictionary[Any, dict[Any, _Known]] = WeakKeyDictionary()


def predicted(model: Any, x: Any, most: int) -> Any:
    """Outputs of a model for one batch, on the device or on the host.

    Args:
        model: the model; it predicts as ``model(x, training=False)`` does.
        x: an array, or several in any structure, all with the same number of rows.
        most: rows of a whole batch.
    """
    placement = None if model.takes_texts else current.placement
    run = model if placement is None else placement.predicting(model)
    if isinstance(x, np.ndarray) and len(x) == 1:
        return run(x, training=False)
    leaves = jax.tree.leaves(x)
    count = _rows(leaves)
    if not 0 < count < most or model.run_eagerly:
        return run(x, training=False)
    wanted = _wanted(model, x, leaves, count, most)
    if wanted == count:
        return run(x, training=False)
    filled = jax.tree.map(lambda leaf: _filled(leaf, wanted), x)
    outputs = jax.device_get(run(filled, training=False))
    return jax.tree.map(lambda leaf: leaf[:count], outputs)


def _rows(leaves: list[Any]) -> int:
    """Number of rows of dense arrays; 0 where they are something else."""
    if not all(isinstance(leaf, np.ndarray | jax.Array) and leaf.ndim for leaf in leaves):
        return 0
    counts = {leaf.shape[0] for leaf in leaves}
    return counts.pop() if len(counts) == 1 else 0


def _wanted(model: Any, x: Any, leaves: list[Any], count: int, most: int) -> int:
    """The number of rows with which the model is to run for `count` of them."""
    kinds = tuple([(leaf.shape[1:], leaf.dtype) for leaf in leaves])
    by_kind = _known.setdefault(model, {})
    known = by_kind.setdefault((parts_token(model), kinds), _Known())
    if count in known.rows or len(known.rows) < EXACT:
        known.rows.add(count)
        return count
    near = [rows for rows in known.rows if count < rows <= 2 * count]
    wanted = min([*near, min(1 << (count - 1).bit_length(), most)])
    if known.apart is None:
        known.apart = _keeps_apart(model, x, count, max(wanted, count + 1))
    if not known.apart:
        wanted = count
    known.rows.add(wanted)
    return wanted


def _keeps_apart(model: Any, x: Any, count: int, more: int) -> bool:
    if any(getattr(layer, "stateful", False) for layer in model.all_layers()):
        return False

    def trace(rows: int) -> Any:
        shaped = jax.tree.map(lambda leaf: _shaped(leaf, rows), x)
        return jax.make_jaxpr(lambda x: model(x, training=False))(shaped)

    try:
        return rows_of_programs.stay_apart(trace, count, more)
    except (TypeError, ValueError):  # the model takes no other number of rows
        return False


def _shaped(leaf: Any, rows: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((rows, *leaf.shape[1:]), leaf.dtype)


def _filled(leaf: Any, rows: int) -> np.ndarray:
    """An array with copies of its last row at the end; none of them can be wrong alone."""
    host = np.asarray(leaf)
    return np.concatenate([host, np.repeat(host[-1:], rows - len(host), axis=0)])
