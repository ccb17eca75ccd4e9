"""The one crossing from objects to functions: a layer as a function of values, inputs and key.

And what such a function notes of its checks of values: the first that failed, in one small array.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.core import context
from lamina.core.context import Call, Fault, Key
from lamina.core.derived import Valued
from lamina.core.variable import Variable


class Outcome(NamedTuple):
    """What a pure run gives.

    Attributes:
        result: what the function returned.
        values: values of the variables after the run, in the order in which they were given.
        call: the record, with losses, metrics and faults.
    """

    result: Any
    values: list[Any]
    call: Call


class _Reads(dict[Variable, Any]):
    """Values of a run that takes any variable in, and so knows which are read.

    Attributes:
        notes: the variables that were not known when they were read.
    """

    def __init__(self, known: dict[Variable, Any], notes: dict[Variable, None]) -> None:
        super().__init__(known)
        self.notes = notes

    def get(self, key: Variable, default: Any = None) -> Any:
        del default
        if key not in self:
            self.notes[key] = None
            self[key] = key._value
        return self[key]


def run(
    function: Callable[..., Any],
    variables: Sequence[Variable],
    values: Sequence[Any],
    *args: Any,
    training: bool | None = None,
    key: jax.Array | Key | None = None,
    **kwargs: Any,
) -> Outcome:
    """Run a function of objects as a pure function of the values of their variables.

    Args:
        function: anything that reads variables, such as a layer's ``call``.
        variables: the variables that it may read and assign.
        values: their values for this run.
        args: arguments of the function.
        training: whether layers behave as in training.
        key: random key of the run.
        kwargs: keyword arguments of the function.

    Raises:
        ValueError: the function assigned to a variable that is not among `variables`.
    """
    table: dict[Variable, Any] = dict(zip(variables, values, strict=True))
    outer = context.current()
    if outer is not None and isinstance(outer.values, _Reads):
        table = _Reads(table, outer.values.notes)
    with Call(training, table, key) as call:
        # A variable in the result means its value of this run, which nobody could read later.
        result = _settled(function(*args, **kwargs))
    stray = [variable for variable in call.updated if variable not in set(variables)]
    if stray:
        raise ValueError(
            f"Variable {stray[0].path!r} was assigned while the model ran, but belongs to none of "
            "its layers: make it an attribute of a layer, or create it with add_weight."
        )
    return Outcome(result, [call.values[variable] for variable in variables], call)


def _settled(result: Any) -> Any:
    """A result with the values of the run in the place of variables."""
    if isinstance(result, Valued):
        return result.value
    if type(result) is dict:
        return dict(zip(result, _settled(list(result.values())), strict=True))
    if type(result) in (list, tuple):
        parts = list(result)
        for place, part in enumerate(parts):
            if isinstance(part, Valued | dict | list | tuple):
                parts[place] = _settled(part)
        return type(result)(parts)
    return result


def trial(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    unknown: int | None = None,
) -> Any:
    """Run a function whose results, losses and assignments count for nothing but their shapes.

    Random numbers may be drawn; nested in a run it keeps that run's values.

    Args:
        function: as for `run`.
        args: its arguments.
        kwargs: its keyword arguments.
        unknown: the size that stands for all unknown ones.
    """
    outer = context.current()
    values = dict(outer.values) if outer is not None else {}
    training = outer.training if outer is not None else False
    with Call(training, values, jax.random.key(0)) as call:
        call.unknown = unknown
        return function(*args, **kwargs)


def reads(function: Callable[..., Any], *args: Any, training: bool | None = None) -> list[Variable]:
    """The variables that a function reads or assigns; it is traced, not run.

    Args:
        function: as for `run`.
        args: arrays, or shapes and dtypes of them.
        training: as for `run`.
    """
    table = _Reads({}, {})

    def traced(*arrays: Any) -> None:
        with Call(training, table, jax.random.key(0)) as call:
            function(*arrays)
        table.notes.update(call.updated)

    jax.eval_shape(traced, *args)
    return list(table.notes)


def nothing_noted() -> np.ndarray:
    """All is well so far."""
    return np.array([-1, -1, 0, 0], np.int32)


def has_failed(noted: Any) -> Any:
    """Whether a check failed."""
    return noted[0] >= 0


def noted_in(noted: Any) -> tuple[int, int, float, int]:
    """Number of the check that failed, row, value found there, number of the step.

    All four stand in one int32 array, so that a step has one small kernel for them.
    """
    place, row, value, step = np.asarray(noted)
    return int(place), int(row), float(value.view(np.float32)), int(step.view(np.uint32))


def first_failure(faults: Sequence[Fault], step: Any = 0) -> Any:
    """What to note of the checks of a step, or of a call."""
    place, row, value = jnp.int32(-1), jnp.int32(-1), jnp.float32(0)
    for number, fault in reversed(list(enumerate(faults))):
        its_row = jnp.asarray(fault.row).astype(jnp.int32)
        its_value = jnp.asarray(fault.value).astype(jnp.float32)
        bad = its_row >= 0
        place = jnp.where(bad, jnp.int32(number), place)
        row, value = jnp.where(bad, its_row, row), jnp.where(bad, its_value, value)
    parts = value, jnp.asarray(step).astype(jnp.uint32)
    bits = [lax.bitcast_convert_type(part, jnp.int32) for part in parts]
    return jnp.stack([place, row, *bits])


def raise_noted(faults: Sequence[Fault], noted: Any) -> None:
    """Raise the error of the check that failed, if one did.

    Args:
        faults: the checks.
        noted: what `first_failure` made of them.
    """
    if np.asarray(noted)[0] >= 0:
        place, row, value, _ = noted_in(noted)
        raise ValueError(faults[place].explain(row, value))
