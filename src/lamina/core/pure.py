"""The one crossing from objects to functions: a layer as a function of values, inputs and key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

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


def found_by(faults: Sequence[Fault]) -> Any:
    """What compiled code returns of its checks: one array, since each one takes time to read.

    Args:
        faults: the checks; at least one.

    Returns:
        int32 array with a pair for each check: the row, and the bits of the float32 value.
    """
    import jax.numpy as jnp
    from jax import lax

    pairs = []
    for fault in faults:
        value = jnp.asarray(fault.value).astype(jnp.float32)
        row = jnp.asarray(fault.row).astype(jnp.int32)
        pairs += [row, lax.bitcast_convert_type(value, jnp.int32)]
    return jnp.stack(pairs).reshape(-1, 2)


def raise_faults(faults: Sequence[Fault], found: Any) -> None:
    """Raise the error of the first check that failed.

    Args:
        faults: the checks.
        found: what `found_by` made of them.
    """
    import numpy as np

    pairs = np.asarray(found)
    for fault, (row, value) in zip(faults, pairs, strict=True):
        if row >= 0:
            raise ValueError(fault.explain(int(row), float(value.view(np.float32))))
