"""Arrays that are read late: their shapes are known and compared before a value is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from lamina.core.variable import Variable


class Stored(Protocol):
    """An array of a file: shape and place at once, values when they are read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...

    @property
    def place(self) -> str:
        """File and path in it, for messages."""
        ...

    def read(self) -> np.ndarray:
        """The values."""
        ...


@dataclass(frozen=True)
class Made:
    """An array that is made of stored ones when it is read.

    Args:
        shape: the shape of the result.
        place: where the parts lie.
        parts: the arrays that it is made of.
        make: gives the values from those of the parts.

    >>> Made((2,), "here", (), lambda: np.zeros(2)).read()
    array([0., 0.])
    """

    shape: tuple[int, ...]
    place: str
    parts: tuple[Stored, ...]
    make: Callable[..., np.ndarray]

    def read(self) -> np.ndarray:
        """The values."""
        return self.make(*(part.read() for part in self.parts))


def held(array: Any, place: str = "memory") -> Made:
    """An array that is in memory already.

    >>> held(np.zeros((2, 3))).shape
    (2, 3)
    """
    values = np.asarray(array)
    return Made(values.shape, place, (), lambda: values)


def sources(array: Stored) -> list[Stored]:
    """The arrays of the file that an array is made of.

    >>> len(sources(transposed(held(np.zeros((2, 3))), (1, 0))))
    1
    """
    if not isinstance(array, Made) or not array.parts:
        return [array]
    return [one for part in array.parts for one in sources(part)]


def replaced(array: Stored, others: Mapping[int, Stored]) -> Stored:
    """The array made in the same way of others of the same shapes.

    Args:
        array: the array.
        others: the others, by the ids of those whose place they take.
    """
    if isinstance(array, Made) and array.parts:
        return replace(array, parts=tuple(replaced(part, others) for part in array.parts))
    return others.get(id(array), array)


def transposed(one: Stored, axes: Sequence[int]) -> Stored:
    """The array with its axes in another order.

    >>> transposed(held(np.zeros((2, 3))), (1, 0)).shape
    (3, 2)
    """
    shape = tuple(one.shape[axis] for axis in axes)
    return Made(shape, one.place, (one,), lambda values: np.transpose(values, axes))


def flipped(one: Stored) -> Stored:
    """A kernel turned around along all axes but the last two.

    >>> flipped(held(np.arange(3).reshape(3, 1, 1))).read().ravel()
    array([2, 1, 0])
    """
    axes = tuple(range(len(one.shape) - 2))
    return Made(one.shape, one.place, (one,), lambda values: np.flip(values, axes))


def squeezed(one: Stored, axis: int) -> Stored:
    """The array without an axis of size 1.

    >>> squeezed(held(np.zeros((2, 1, 3))), 1).shape
    (2, 3)
    """
    shape = one.shape[:axis] + one.shape[axis + 1 :]
    return Made(shape, one.place, (one,), lambda values: np.squeeze(values, axis))


def joined(parts: Sequence[Stored]) -> Stored | None:
    """Arrays side by side along the last axis, or ``None`` if they do not fit.

    >>> one = joined([held(np.zeros((2, 3))), held(np.zeros((2, 1)))])
    >>> one.shape
    (2, 4)
    """
    fronts = {tuple(part.shape[:-1]) for part in parts}
    if len(fronts) != 1 or not all(part.shape for part in parts):
        return None
    shape = (*fronts.pop(), sum(part.shape[-1] for part in parts))
    return Made(
        shape, parts[0].place, tuple(parts), lambda *values: np.concatenate(values, axis=-1)
    )


@dataclass
class Part:
    """What a file has for one layer.

    Args:
        layer: how messages call the layer.
        pairs: variables and the arrays for them.
        problem: why there is nothing for the layer, if so.
    """

    layer: str
    pairs: list[tuple[Variable, Stored]] = field(default_factory=list)
    problem: str | None = None


@dataclass
class Found:
    """What a file has for a model.

    Args:
        parts: one for each layer with weights.
        unused: names in the file that no layer took.
        state: the state of an optimizer in Keras 3's order, in files that have it beside weights.
    """

    parts: list[Part]
    unused: list[str] = field(default_factory=list)
    state: list[Stored] | None = None


def paired(layer: str, variables: Sequence[Variable], arrays: Sequence[Stored]) -> Part:
    """The part of a layer, with a problem if the numbers differ.

    >>> paired("layer 'a'", [], [held(np.zeros(2))]).problem
    'the layer has 0 weights (none), the file has 1 for it ((2,))'
    """
    if len(variables) != len(arrays):
        own = ", ".join(f"{v.path} {v.shape}" for v in variables) or "none"
        there = ", ".join(str(tuple(array.shape)) for array in arrays) or "none"
        return Part(
            layer,
            problem=f"the layer has {len(variables)} weights ({own}), "
            f"the file has {len(arrays)} for it ({there})",
        )
    return Part(layer, list(zip(variables, arrays, strict=True)))
