"""Numbers of several variables in one array: a compiled step takes and gives one buffer for them.

A training step adds to a handful of numbers, such as the sum and the count of a mean. A buffer for
each costs a small step a tenth of its time: each is handed over, copied, written by a kernel of
its own and handed back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.derived import arrives_as_array
from lamina.core.readers import readers
from lamina.core.variable import Variable


class Scalar(Variable):
    """A variable of one number, which may lie in a `Pack` between two steps.

    Reading it takes the number out, and assigning to it takes the variable out, of its pack.
    """

    __slots__ = ("_own", "_pack", "_place")

    def __new__(cls, *_: Any, **__: Any) -> Scalar:
        scalar = object.__new__(cls)
        scalar._pack = None
        return scalar

    @property
    def _value(self) -> jax.Array:
        with readers.lock:
            return self._own if self._pack is None else self._pack.number(self._place)

    @_value.setter
    def _value(self, value: jax.Array) -> None:  # pyright: ignore
        with readers.lock:
            self._own: Any = value
            if self._pack is not None:
                self._pack.whole = False
                self._pack: Pack | None = None

    def _enter(self, pack: Pack, place: int) -> None:
        """Lie in a pack from now on."""
        if self._pack is not None:
            self._pack.whole = False
        self._own, self._pack, self._place = None, pack, place


arrives_as_array(Scalar)


class Pack:
    """Values of variables as a step takes and gives them, the single numbers in one array.

    Args:
        variables: the variables; every `Scalar` of the dtype of the first goes into the array.

    Attributes:
        whole: whether the array is what all of its variables stand for.
    """

    def __init__(self, variables: Sequence[Variable]) -> None:
        scalars = [v for v in variables if isinstance(v, Scalar) and not v.shape]
        self.scalars = [v for v in scalars if v.dtype == scalars[0].dtype]
        if len(self.scalars) == 1:
            self.scalars = []
        places: dict[Variable, int] = {v: place for place, v in enumerate(self.scalars)}
        self.others = [v for v in variables if v not in places]
        self._places = [places.get(v) for v in variables]
        self._array: Any = None
        self.whole = False

    def number(self, place: int) -> jax.Array:
        """The number at a place of the array."""
        with jax.ensure_compile_time_eval():
            return jnp.asarray(np.asarray(self._array)[place])

    def collect(self) -> list[Any]:
        """What a step takes; whoever calls holds the lock of `readers`."""
        others = [v._value for v in self.others]
        if not self.scalars:
            return others
        if not self.whole:
            numbers = [np.asarray(v._value) for v in self.scalars]
            self._hold(jax.device_put(np.stack(numbers)))
        return [self._array, *others]

    def publish(self, kept: Sequence[Any]) -> None:
        """Make what a step gave the values of the variables."""
        others = kept
        if self.scalars:
            array, *others = kept
            if self.whole:
                self._array = array
            else:
                self._hold(array)
        for variable, value in zip(self.others, others, strict=True):
            variable._value = value

    def _hold(self, array: Any) -> None:
        for place, variable in enumerate(self.scalars):
            variable._enter(self, place)
        self._array, self.whole = array, True

    def apart(self, kept: Sequence[Any]) -> list[Any]:
        """Values of the variables, in their order, from what a step takes; a pure function."""
        if not self.scalars:
            return list(kept)
        array, *others = kept
        rest = iter(others)
        return [next(rest) if place is None else array[place] for place in self._places]

    def together(self, values: Sequence[Any]) -> list[Any]:
        """What a step gives, from values of the variables in their order; a pure function."""
        if not self.scalars:
            return list(values)
        pairs = list(zip(self._places, values, strict=True))
        numbers = [value for place, value in pairs if place is not None]
        return [jnp.stack(numbers), *(value for place, value in pairs if place is None)]


def clear(variables: Sequence[Variable]) -> None:
    """Set variables to zero; those that fill a pack, all at once. Nothing is compiled for it."""
    wanted = set(variables)
    with readers.lock:
        for pack in {v._pack for v in variables if isinstance(v, Scalar)}:
            if pack is not None and pack.whole and wanted.issuperset(pack.scalars):
                pack._array = jax.device_put(np.zeros(len(pack.scalars), pack.scalars[0].dtype))
                wanted.difference_update(pack.scalars)
        left = [v for v in variables if v in wanted]
        zeros = jax.device_put([np.zeros(v.shape, v.dtype) for v in left])
        for variable, value in zip(left, zeros, strict=True):
            variable._value = value
            variable.exposed = False
