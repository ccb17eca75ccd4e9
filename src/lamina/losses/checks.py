"""What all losses check first: shapes, dtypes and labels."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec

import jax.core
import jax.numpy as jnp
import numpy as np

from lamina import config, registry
from lamina.core import context
from lamina.core.derived import follows
from lamina.core.dispatch import dispatch
from lamina.core.symbolic import is_symbolic
from lamina.ops.embedding import first_bad
from lamina.warning import warn

if TYPE_CHECKING:
    from lamina.typing import Array

P = ParamSpec("P")


def loss_function(*names: str) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """Register a function under its name and the given ones; let it take symbolic tensors."""

    def enter(function: Callable[P, Any]) -> Callable[P, Any]:
        @functools.wraps(function)
        def compute(*args: P.args, **kwargs: P.kwargs) -> Any:
            given = args[:2], kwargs
            if is_symbolic(given) or (context.current() is None and follows(given)):
                return dispatch(compute, *args, **kwargs)
            return function(*args, **kwargs)

        return registry.register("loss", *names)(compute)

    return enter


def floats(values: Any, dtype: Any = None) -> Array:
    """An array of floats of 32 bits or more: a sum of losses needs them."""
    array = jnp.asarray(values)
    if dtype is not None:
        return array.astype(dtype)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(config.floatx() if config.floatx() == "float64" else "float32")
    return array.astype("float32") if array.dtype.itemsize < 4 else array


def aligned(loss: str, y_true: Any, y_pred: Any) -> tuple[Array, Array]:
    """Targets and outputs as floats of one dtype and one shape.

    A last axis of size 1 that only one of them has is added to, or taken off, the other.

    Raises:
        ValueError: the shapes differ otherwise, so that arithmetic would broadcast.
    """
    outputs = floats(y_pred)
    targets = jnp.asarray(y_true).astype(outputs.dtype)
    if targets.ndim + 1 == outputs.ndim and outputs.shape[-1] == 1:
        targets = targets[..., None]
    elif targets.ndim == outputs.ndim + 1 and targets.shape[-1] == 1:
        if outputs.ndim == 1:
            outputs = outputs[:, None]
        else:
            targets = targets[..., 0]
    if targets.shape != outputs.shape:
        raise ValueError(
            f"{loss}: y_true has shape {targets.shape} but y_pred has shape {outputs.shape}; "
            f"they must be the same. {_way_out(loss, targets.shape, outputs.shape)}"
        )
    return targets, outputs


def _way_out(loss: str, targets: tuple[int, ...], outputs: tuple[int, ...]) -> str:
    if outputs and _per_row(targets, outputs):
        units = outputs[-1]
        if "entropy" in loss or "divergence" in loss or "categorical" in loss:
            return (
                "One class index a row is the target of sparse_categorical_crossentropy; this "
                f"loss takes one-hot rows of {units} numbers, as "
                f"to_categorical(y_true, {units}) makes them."
            )
        return (
            "For one number a row, end the model in Dense(1); for class indices, use "
            f"sparse_categorical_crossentropy; else give {units} targets a row."
        )
    if len(targets) == len(outputs) and targets[:-1] == outputs[:-1]:
        return f"End the model in a layer of {targets[-1]} units, or give targets of its shape."
    if targets[:1] != outputs[:1]:
        return "They have different numbers of rows."
    return "Give targets of the shape of the model's output."


def _per_row(targets: tuple[int, ...], outputs: tuple[int, ...]) -> bool:
    return targets in (outputs[:-1], (*outputs[:-1], 1)) and outputs[-1] > 1


def one_class(loss: str, outputs: Array, axis: int) -> None:
    """Warn of a cross-entropy over one class, which is 0 whatever the model says."""
    if outputs.shape[axis] == 1:
        warn(
            f"{loss}: y_pred has shape {outputs.shape}, one class, so the loss is always 0. "
            "For a yes or no use binary_crossentropy and a sigmoid.",
        )


def labels_of(
    loss: str, y_true: Any, outputs: Array, axis: int = -1, ignore: int | None = None
) -> tuple[Array, Array | None, Array | None]:
    """Class indices that are in range, with what was wrong or ignored.

    Args:
        loss: name for messages.
        y_true: whole numbers, of the shape of `outputs` without `axis`, or with a size of 1.
        outputs: what the labels index.
        axis: axis of the classes.
        ignore: label that does not count.

    Returns:
        int32 labels; rows that count, or ``None`` for all; rows whose label could not be
        reported and must not pass for a number, or ``None``.

    Raises:
        ValueError: the shapes do not fit, or a label that can be looked at is out of range.
    """
    axis = checked_axis(loss, axis, outputs.ndim)
    shape = (*outputs.shape[:axis], *outputs.shape[axis + 1 :])
    labels = _without_axis(loss, y_true, outputs.shape, shape, axis)
    classes = outputs.shape[axis]
    bad = (labels < 0) | (labels >= classes)
    if jnp.issubdtype(labels.dtype, jnp.floating):
        bad |= labels != jnp.floor(labels)
    counted = None
    if ignore is not None:
        counted = labels != ignore
        bad &= counted
    unreported = report(loss, labels, bad, classes)
    unfit = bad if counted is None else bad | ~counted
    return jnp.where(unfit, 0, labels).astype(jnp.int32), counted, unreported


def checked_axis(loss: str, axis: Any, rank: int) -> int:
    """The axis counted from the front, if there is one."""
    if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
        raise ValueError(f"{loss}: axis must be an int from {-rank} to {rank - 1}, got {axis!r}.")
    return axis % rank


def _without_axis(
    loss: str, y_true: Any, outputs: tuple[int, ...], shape: tuple[int, ...], axis: int
) -> Array:
    labels = jnp.asarray(y_true)
    if not jnp.issubdtype(labels.dtype, jnp.floating) and labels.dtype.itemsize < 4:
        labels = labels.astype(jnp.int32)
    if labels.ndim == len(outputs) and labels.shape[axis] == 1:
        labels = jnp.squeeze(labels, axis)
    if labels.shape == shape:
        return labels
    hint = f"Give one class index a row, of shape {shape}."
    if labels.shape == outputs:
        hint = "For one-hot rows use categorical_crossentropy; class indices are argmax(y_true)."
    raise ValueError(
        f"{loss}: y_true has shape {labels.shape} but y_pred has shape {outputs}. {hint}"
    )


def report(loss: str, labels: Array, bad: Array, classes: int) -> Array | None:
    """Raise, or record a fault of the run; rows that neither is possible for are given back."""

    def explain(row: int, value: float) -> str:
        return (
            f"{loss}: y_true has the label {value:g} in row {row}, but the output has {classes} "
            f"classes, so labels must be whole numbers from 0 to {classes - 1}. Number the "
            f"classes from 0, or make the last layer larger."
        )

    call = context.current()
    if call is None and not isinstance(bad, jax.core.Tracer):
        wrong = np.asarray(bad)
        if wrong.any():
            place = int(np.argmax(wrong))
            row = int(np.unravel_index(place, wrong.shape)[0]) if wrong.ndim else 0
            raise ValueError(explain(row, float(np.asarray(labels).reshape(-1)[place])))
        return None
    if call is None or not call.is_open():
        return bad
    if labels.size:
        row, value = first_bad(bad, labels)
        call.faults.append(context.Fault(row, value, explain))
    return None
