"""Errors out of users' code: say in which layer, loss or metric, and translate the tracer's."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from lamina.core import context, shapes
from lamina.core.symbolic import is_symbolic

_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
"""What JAX raises where code asks for values while a program is traced."""


_NOTE = "For simplicity, JAX has removed its internal frames"


class SparseInputError(TypeError):
    """A layer got a sparse input that cannot take one."""


class ValuesNeededError(TypeError):
    """Code asked for values of arrays while only their shapes were known."""


def asks_for_values(error: BaseException) -> bool:
    """Whether code asked for values while only shapes were known."""
    return isinstance(error, (ValuesNeededError, *_VALUES))


def within(who: str, error: Exception) -> None:
    """Begin the message of an error of lamina's own with who met it."""
    if error.args and isinstance(error.args[0], str):
        error.args = (f"{who}: {error.args[0]}", *error.args[1:])


def without_note(error: BaseException) -> None:
    """Take away the note with which JAX says that it left out some of its frames."""
    notes = getattr(error, "__notes__", None)
    if notes:
        notes[:] = [note for note in notes if _NOTE not in note]


def explain_function(function: Any, error: Exception, args: tuple[Any, ...]) -> None:
    """Note on an error of JAX's which function it came from, and on what shapes."""
    if any(_NOTE in note for note in getattr(error, "__notes__", ())):
        without_note(error)
        name = getattr(function, "__name__", "a function").strip("_")
        shapes = ", ".join(shown(part) for part in args if hasattr(part, "shape"))
        error.add_note(f"This happened in {name} of arrays of the shapes {shapes}.")


def explain(layer: Any, error: Exception, args: tuple[Any, ...]) -> None:
    """Note on an error which layer it came from, and on what inputs.

    Raises:
        TypeError: in the place of JAX's own, if ``call`` asked for values of traced arrays, or if
            an input is sparse.
    """
    without_note(error)
    if isinstance(error, _VALUES):
        if _has_values(args):
            raise _in_gradient(f"{layer}: call", error) from None
        raise ValuesNeededError(
            f"{layer}: call needs values that are not known while it is compiled: it computes with "
            "NumPy, or with Python's if, int, float or bool. Use the same functions of "
            "lamina.ops, K or jax.numpy, and jnp.where in the place of if; or run it step by step "
            f"with run_eagerly=True. JAX said: {str(error).splitlines()[0]}"
        ) from None
    told = isinstance(error, SparseInputError) or str(layer) in str(error)
    if told or getattr(error, "__notes__", None):
        return
    if not is_foreign(type(layer)) and any(hasattr(x, "todense") for x in shapes.flat(args)):
        raise SparseInputError(
            f"{layer} takes no sparse input. Let a Dense or a Lambda take it first, or pass "
            "x.toarray()."
        ) from None
    found = [shown(x) for x in shapes.flat(args) if hasattr(x, "shape")]
    where = f" on inputs of shapes {', '.join(found)}" if found else ""
    error.add_note(f"This happened in the call of {layer}{where}.")


def _has_values(args: Any) -> bool:
    """Whether arrays have values, as they do where a model is run step by step."""
    tracers = [leaf for leaf in jax.tree.leaves(args) if isinstance(leaf, Tracer)]
    return all(tracer.to_concrete_value() is not None for tracer in tracers)


def _in_gradient(who: str, error: Exception) -> TypeError:
    """The error for values that are known, but hidden while a gradient is taken."""
    return TypeError(
        f"{who} takes float() or a NumPy array of what a gradient is taken through, which JAX "
        "refuses even where it runs step by step. Compare the arrays themselves, "
        "`if t.sum() > 1`, or take the value with t.item() or float(jax.lax.stop_gradient(t)). "
        f"JAX said: {str(error).splitlines()[0]}"
    )


def shown(array: Any) -> str:
    """The shape of an array, with ``None`` for sizes that only stand for unknown ones."""
    unknown, record = [], context.current()
    while record is not None:
        unknown.append(record.unknown)
        record = record.parent
    return str(tuple(None if size in unknown else size for size in array.shape))


def check_outputs(layer: Any, outputs: Any) -> None:
    """Refuse what a ``call`` returned if it is not made of arrays and numbers.

    Raises:
        TypeError: it is ``None``, symbolic, a string or something else.
    """
    if outputs is None:
        raise TypeError(
            f"{layer}: call returned None; it must return the output. Is its `return` missing?"
        )
    for leaf in shapes.flat(outputs):
        if is_symbolic(leaf):
            raise TypeError(
                f"{layer}: call returned {leaf!r}, a tensor of a graph that has no values here; "
                "compute the output from what call gets."
            )
        if any(not _is_number(part) for part in jax.tree.leaves(leaf)):
            raise TypeError(
                f"{layer}: call returned {type(leaf).__name__} {leaf!r}; it must return an array, "
                "or a list, tuple or dict of arrays."
            )


def _is_number(value: Any) -> bool:
    """Whether a value is an array that JAX can compute with, or a number."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "OSUMm"
    return isinstance(value, jax.Array | np.generic | bool | int | float | complex)


def is_foreign(code: Any) -> bool:
    """Whether a function or class is not lamina's own, whose errors say what they are about."""
    return not str(getattr(code, "__module__", "")).startswith("lamina.")


def explain_measure(what: str, error: Exception, y_true: Any, y_pred: Any) -> None:
    """Note on an error which loss or metric it came from, and on what shapes.

    Args:
        what: such as ``"loss 'mine'"``.
        error: what was raised.
        y_true: targets.
        y_pred: outputs.

    Raises:
        TypeError: in the place of JAX's own, if values of traced arrays were asked for.
    """
    without_note(error)
    where = f"the {what} on y_true of shape {shown(y_true)} and y_pred of shape {shown(y_pred)}"
    if isinstance(error, _VALUES):
        if _has_values((y_true, y_pred)):
            raise _in_gradient(f"Computing {where}", error) from None
        raise ValuesNeededError(
            f"Computing {where} needs values that are not known while it is compiled. Use "
            "functions of lamina.ops, K or jax.numpy, and jnp.where in the place of if; or "
            f"compile the model with run_eagerly=True. JAX said: {str(error).splitlines()[0]}"
        ) from None
    if not getattr(error, "__notes__", None):
        error.add_note(f"This happened in {where}.")


def no_measure(what: str, y_true: Any, y_pred: Any) -> TypeError:
    """The error for a loss or metric function without ``return``."""
    return TypeError(
        f"The {what} returned None on y_true of shape {shown(y_true)} and y_pred of shape "
        f"{shown(y_pred)}; it must return numbers. Is its `return` missing?"
    )
