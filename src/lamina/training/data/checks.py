"""Checks of the arguments that say how data is cut into batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.registry import did_you_mean
from lamina.training.data.structure import Data, named_leaves

PARTS = ("x", "y", "sample_weight")


def check_count(value: Any, name: str, *, least: int = 1) -> int:
    """An int of at least `least`.

    Raises:
        ValueError: it is smaller.
        TypeError: it is no int.
    """
    wanted = "a positive int" if least == 1 else f"an int of at least {least}"
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be {wanted}, got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be {wanted}, got {value!r}.")
    return int(value)


def check_shuffle(value: Any, where: str) -> bool | str:
    """``True``, ``False`` or ``"batch"``.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if value == "batch" and isinstance(value, str):
        return value
    guess = did_you_mean(value, ["batch"]) if isinstance(value, str) else ""
    raise ValueError(f"{where}: shuffle must be True, False or 'batch', got {value!r}.{guess}")


def check_rows(data: Data, where: str) -> int:
    """Number of rows that all arrays of `data` have.

    Raises:
        ValueError: they differ; the message lists them.
    """
    rows = [
        (name, leaf.shape[0])
        for part, value in zip(PARTS, data, strict=True)
        for name, leaf in named_leaves(value, part)
    ]
    counts = {count for _, count in rows}
    if len(counts) == 1:
        return counts.pop()
    listed = ", ".join(f"{name}: {count}" for name, count in rows[:8])
    more = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
    hint = ""
    if isinstance(data[0], list):
        hint = " A list of arrays means several inputs; np.stack makes one array of it."
    raise ValueError(
        f"{where}: all arrays must have the same number of rows, got {listed}{more}.{hint}"
    )


def check_no_arrays(x: Any, given: dict[str, Any], where: str) -> None:
    """A stream brings its own targets, weights and batches.

    Raises:
        ValueError: one of them is given beside it.
    """
    for name, value in given.items():
        if value is None:
            continue
        way = (
            "it decides itself how many rows a batch has"
            if name == "batch_size"
            else "let it yield (x, y) or (x, y, sample_weight) instead"
        )
        raise ValueError(f"{where}: {name} cannot be given when x is a {type(x).__name__}; {way}.")
