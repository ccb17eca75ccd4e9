"""How many numbers the weights of a model may hold while a file describes it.

A config of a hundred bytes can ask for a terabyte. While one is read, every weight is counted
before its values are made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lamina.core import context


class Allowance:
    """What is left of the numbers that a config may ask for.

    Args:
        numbers: how many there may be in all.
        reason: ends the sentence of the error: why there may not be more.
    """

    def __init__(self, numbers: int, reason: str) -> None:
        self.total = self.left = numbers
        self.reason = reason

    def take(self, name: str, shape: Sequence[int]) -> None:
        """Count an array that is about to be made."""
        wanted = math.prod(int(size) for size in shape)
        if wanted > self.left:
            raise ValueError(
                f"The config asks for a weight {name!r} of shape {tuple(shape)}, {wanted} numbers, "
                f"{self.total - self.left} after others were made, but {self.reason}."
            )
        self.left -= wanted


def take(name: str, shape: Sequence[int]) -> None:
    """Count an array that is about to be made, if somebody bounds them.

    Raises:
        ValueError: it is more than is left.
    """
    found = context.allowance.get()
    if found is not None:
        found.take(name, shape)


@contextmanager
def allowing(numbers: int, reason: str) -> Iterator[None]:
    """Bound the weights that are made within the ``with`` block.

    Within another bound the smaller one holds.
    """
    outer = context.allowance.get()
    if outer is not None and outer.left <= numbers:
        yield
        return
    token = context.allowance.set(Allowance(numbers, reason))
    try:
        yield
    finally:
        context.allowance.reset(token)
