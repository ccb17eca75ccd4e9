"""Checks of values that only running can decide."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax.core import Tracer

from lamina.core import context
from lamina.core.context import Fault
from lamina.ops import embedding


def check_index(who: str, index: Any, size: int) -> None:
    """Report an index that is not in ``[0, size)``: at once, or when the run has finished.

    Raises:
        TypeError: the indices are not integers.
        ValueError: one is out of range, and is known already.
    """
    row, value = embedding.first_bad_row(index, size)
    call = context.current()

    def explain(at: int, found: float) -> str:
        return f"{who}: index {int(found)} in row {at} is not in the range from 0 to {size - 1}."

    if not isinstance(row, Tracer):
        if row >= 0:
            raise ValueError(explain(int(row), float(value)))
    elif call is not None:
        call.faults.append(Fault(row, value.astype(jnp.float32), explain))
