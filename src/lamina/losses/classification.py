"""Losses of probabilities: cross-entropies and their kin.

Outputs are probabilities, or logits where ``from_logits=True`` says so. Probabilities of
classes are divided by their sum, and all are kept `epsilon` away from 0 and 1. Targets have
the shape of the outputs, but for the sparse losses, which take one class index a row. The
class axis is reduced, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import config
from lamina.losses.checks import (
    aligned,
    checked_axis,
    floats,
    labels_of,
    loss_function,
    one_class,
)
from lamina.losses.ranges import ROUNDING, check_not_negative, check_probabilities
from lamina.ops import losses as ops

if TYPE_CHECKING:
    from lamina.typing import Array


def _epsilon(from_logits: bool) -> float | None:
    return None if from_logits else config.epsilon()


_YES_OR_NO = (
    "targets are probabilities from 0 to 1. Map -1 and 1 to 0 and 1 by (y_true + 1) / 2; for "
    "class indices use sparse_categorical_crossentropy, for other numbers mse."
)
_ONE_HOT = (
    "targets are probabilities of the classes, from 0 to 1: one-hot rows, as to_categorical makes "
    "them. For other numbers use mse."
)


def _smoothing(loss: str, amount: float) -> float:
    if not 0.0 <= amount <= 1.0:
        raise ValueError(f"{loss}: label_smoothing must be from 0 to 1, got {amount!r}.")
    return amount


@loss_function("bce", "BCE")
def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """``-mean(t * log(p) + (1 - t) * log(1 - p))``.

    Args:
        y_true: targets from 0 to 1.
        y_pred: probabilities, or logits.
        from_logits: whether a sigmoid is still to be applied; the sum stays exact for
            logits of any size.
        label_smoothing: moves targets that far towards 1/2.
        axis: axis over which to take the mean.

    Raises:
        ValueError: a target is more than 0.25 outside of 0 to 1. In a training step
            the run says so at its end.

    >>> binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    Array([0.6931], dtype=float32)
    """
    targets, outputs = aligned("binary_crossentropy", y_true, y_pred)
    axis = checked_axis("binary_crossentropy", axis, outputs.ndim)
    check_probabilities("binary_crossentropy", targets, _YES_OR_NO)
    amount = _smoothing("binary_crossentropy", label_smoothing)
    targets = targets * (1.0 - amount) + 0.5 * amount if amount else targets
    return jnp.mean(ops.binary_crossentropies(targets, outputs, _epsilon(from_logits)), axis=axis)


@loss_function()
def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Binary cross-entropy, each entry times ``(1 - p_t)**gamma`` (Lin et al., 2017).

    ``p_t`` is the probability given to the target, so that easy entries count little.

    Args:
        y_true: targets from 0 to 1.
        y_pred: probabilities, or logits.
        apply_class_balancing: whether to multiply by `alpha` for 1 and ``1 - alpha`` for 0.
        alpha: weight of the targets that are 1.
        gamma: how fast easy entries lose weight.
        from_logits: whether a sigmoid is still to be applied.
        label_smoothing: moves targets that far towards 1/2.
        axis: axis over which to take the mean.

    Raises:
        ValueError: a target is more than 0.25 outside of 0 to 1. In a training step
            the run says so at its end.

    >>> binary_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    Array([0.1733], dtype=float32)
    """
    targets, outputs = aligned("binary_focal_crossentropy", y_true, y_pred)
    check_probabilities("binary_focal_crossentropy", targets, _YES_OR_NO)
    amount = _smoothing("binary_focal_crossentropy", label_smoothing)
    return ops.binary_focal_crossentropy(
        targets * (1.0 - amount) + 0.5 * amount if amount else targets,
        outputs,
        alpha=alpha if apply_class_balancing else None,
        gamma=gamma,
        axis=checked_axis("binary_focal_crossentropy", axis, outputs.ndim),
        from_logits=from_logits,
        epsilon=config.epsilon(),
    )


def _classes(
    loss: str, y_true: Any, y_pred: Any, label_smoothing: float, axis: int
) -> tuple[Array, Array, int]:
    """Smoothed targets, outputs, and the class axis counted from the front."""
    targets, outputs = aligned(loss, y_true, y_pred)
    axis = checked_axis(loss, axis, outputs.ndim)
    one_class(loss, outputs, axis)
    check_probabilities(loss, targets, _ONE_HOT, axis)
    amount = _smoothing(loss, label_smoothing)
    if amount:
        targets = targets * (1.0 - amount) + amount / outputs.shape[axis]
    return targets, outputs, axis


@loss_function()
def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """``-sum(t * log(p))`` over the classes.

    Args:
        y_true: one-hot rows, or other probabilities of the classes.
        y_pred: probabilities, or logits.
        from_logits: whether a softmax is still to be applied; the sum stays exact for
            logits of any size.
        label_smoothing: part of each target that is spread over all classes.
        axis: axis of the classes.

    Raises:
        ValueError: a target is more than 0.25 outside of 0 to 1, in a row that is not one class
            times a weight. In a training step the run says so at its end.

    >>> categorical_crossentropy([[0, 1, 0]], [[0.25, 0.5, 0.25]]).round(4)
    Array([0.6931], dtype=float32)
    """
    parts = _classes("categorical_crossentropy", y_true, y_pred, label_smoothing, axis)
    return ops.categorical_crossentropy(*parts, _epsilon(from_logits))


@loss_function()
def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: float | Sequence[float] = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """``-sum(alpha * (1 - p)**gamma * t * log(p))`` over the classes (Lin et al., 2017).

    Args:
        y_true: one-hot rows, or other probabilities of the classes.
        y_pred: probabilities, or logits.
        alpha: weight of the classes: one number, or one for each class.
        gamma: how fast easy rows lose weight.
        from_logits: whether a softmax is still to be applied.
        label_smoothing: part of each target that is spread over all classes.
        axis: axis of the classes.

    Raises:
        ValueError: a target is more than 0.25 outside of 0 to 1, in a row that is not one class
            times a weight. In a training step the run says so at its end.

    >>> categorical_focal_crossentropy([[0, 1, 0]], [[0.25, 0.5, 0.25]]).round(4)
    Array([0.0433], dtype=float32)
    """
    name = "categorical_focal_crossentropy"
    targets, outputs, axis = _classes(name, y_true, y_pred, label_smoothing, axis)
    return ops.categorical_focal_crossentropy(
        targets,
        outputs,
        alpha=_class_weights(name, alpha, outputs, axis),
        gamma=gamma,
        axis=axis,
        from_logits=from_logits,
        epsilon=config.epsilon(),
    )


def _class_weights(loss: str, alpha: Any, outputs: Array, axis: int) -> float | Array:
    if isinstance(alpha, int | float):
        return alpha
    weights = jnp.asarray(alpha).astype(outputs.dtype)
    classes = outputs.shape[axis]
    if weights.shape != (classes,):
        raise ValueError(
            f"{loss}: alpha must be a number or {classes} numbers, one for each class, "
            f"got an array of shape {weights.shape}."
        )
    shape = [1] * outputs.ndim
    shape[axis] = classes
    return weights.reshape(shape)


@loss_function()
def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """``-log(p[t])``: `categorical_crossentropy` with class indices for targets.

    Args:
        y_true: whole numbers, one a row: the shape of `y_pred` without the class axis, or
            with a size of 1 there.
        y_pred: probabilities, or logits.
        from_logits: whether a softmax is still to be applied.
        ignore_class: label of rows that do not count: their loss is 0, and the mean of
            `SparseCategoricalCrossentropy` leaves them out.
        axis: axis of the classes.

    Raises:
        ValueError: a label is no class. In a training step the run says so at its end.

    >>> sparse_categorical_crossentropy([1], [[0.25, 0.5, 0.25]]).round(4)
    Array([0.6931], dtype=float32)
    """
    name = "sparse_categorical_crossentropy"
    outputs = floats(y_pred)
    labels, counted, unreported = labels_of(name, y_true, outputs, axis, ignore_class)
    one_class(name, outputs, axis)
    losses = ops.sparse_categorical_crossentropy(labels, outputs, axis, _epsilon(from_logits))
    if counted is not None:
        losses = jnp.where(counted, losses, 0.0)
    return losses if unreported is None else jnp.where(unreported, jnp.nan, losses)


@loss_function()
def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Array:
    """``(1 - p[t]**q) / q``, which bears wrong labels (Zhang and Sabuncu, 2018).

    Args:
        y_true: class indices, one a row.
        y_pred: probabilities.
        q: from near 0, the cross-entropy, to 1, the absolute error.

    Raises:
        ValueError: `q` is not above 0 and at most 1, or a label is no class.

    >>> categorical_generalized_cross_entropy([1], [[0.5, 0.25, 0.25]], q=0.5)
    Array([1.], dtype=float32)
    """
    name = "categorical_generalized_cross_entropy"
    if not 0.0 < q <= 1.0:
        raise ValueError(f"{name}: q must be above 0 and at most 1, got {q!r}.")
    outputs = floats(y_pred)
    labels, _, unreported = labels_of(name, y_true, outputs)
    losses = ops.generalized_crossentropy(labels, outputs, q)
    return losses if unreported is None else jnp.where(unreported, jnp.nan, losses)


@loss_function("kld", "KLD", "kullback_leibler_divergence")
def kl_divergence(y_true: Any, y_pred: Any) -> Array:
    """``sum(t * log(t / p))``, both kept between `epsilon` and 1.

    Raises:
        ValueError: a target is negative. In a training step the run says so at its end.

    >>> print(f"{kl_divergence([[0.5, 0.5]], [[0.25, 0.75]])[0]:.4f}")
    0.1438
    """
    targets, outputs = aligned("kl_divergence", y_true, y_pred)
    way_out = "targets are probabilities, which are never negative; softmax makes them of scores."
    check_not_negative("kl_divergence", "y_true", targets, -ROUNDING, way_out)
    return ops.kl_divergence(targets, outputs, config.epsilon())
