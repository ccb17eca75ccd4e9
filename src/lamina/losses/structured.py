"""Losses of whole sets, pairs and sequences: overlaps, Circle, CTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import config
from lamina.losses.checks import aligned, checked_axis, floats, loss_function, report
from lamina.ops import losses as ops

if TYPE_CHECKING:
    from lamina.typing import Array


def _axes(loss: str, axis: Any, rank: int) -> tuple[int, ...] | None:
    if axis is None:
        return None
    every = axis if isinstance(axis, list | tuple) else [axis]
    return tuple(checked_axis(loss, one, rank) for one in every)


@loss_function()
def dice(y_true: Any, y_pred: Any, axis: int | Sequence[int] | None = None) -> Array:
    """``1 - 2 * sum(t * p) / (sum(t) + sum(p))``: how badly two soft sets overlap.

    Args:
        y_true: membership from 0 to 1.
        y_pred: membership from 0 to 1, of the same shape.
        axis: axes to sum over; ``None`` sums over all, the rows too, and gives a scalar.

    >>> dice([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    Array(0.5, dtype=float32)
    """
    targets, outputs = aligned("dice", y_true, y_pred)
    return ops.dice(targets, outputs, _axes("dice", axis, outputs.ndim), config.epsilon())


@loss_function()
def tversky(
    y_true: Any,
    y_pred: Any,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: int | Sequence[int] | None = None,
) -> Array:
    """`dice` with weights for what is missed and what is added (Salehi et al., 2017).

    Args:
        y_true: membership from 0 to 1.
        y_pred: membership from 0 to 1, of the same shape.
        alpha: weight of ``sum(t * (1 - p))``, as in Keras.
        beta: weight of ``sum((1 - t) * p)``.
        axis: axes to sum over; ``None`` sums over all, the rows too, and gives a scalar.

    >>> tversky([[0.0, 1.0]], [[0.5, 0.5]], alpha=1.0, beta=0.0).round(4)
    Array(0.5, dtype=float32)
    """
    targets, outputs = aligned("tversky", y_true, y_pred)
    axes = _axes("tversky", axis, outputs.ndim)
    return ops.tversky(targets, outputs, alpha, beta, axes, config.epsilon())


@loss_function()
def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any | None = None,
    ref_embeddings: Any | None = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Array:
    """Circle loss of embeddings: pull rows of one label together (Sun et al., 2020).

    Args:
        y_true: labels, ``(rows,)`` or ``(rows, 1)``.
        y_pred: embeddings of length 1, ``(rows, size)``.
        ref_labels: labels of the embeddings to compare with; by default `y_true`.
        ref_embeddings: embeddings to compare with; by default `y_pred`.
        remove_diagonal: whether row i of the two is the same sample, not a pair.
        gamma: scale of the similarities.
        margin: relaxation of the goals.

    Returns:
        ``(rows,)``; 0 for rows that have no partner of the same or of another label.

    >>> print(circle([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], gamma=1).round(3))
    [0.546 0.546 0.   ]
    """
    outputs, labels = floats(y_pred), _flat_labels("y_true", y_true)
    _check_pairs("y_true", labels, "y_pred", outputs)
    others = outputs if ref_embeddings is None else floats(ref_embeddings, outputs.dtype)
    names = labels if ref_labels is None else _flat_labels("ref_labels", ref_labels)
    _check_pairs("ref_labels", names, "ref_embeddings", others)
    distances = jnp.maximum(1.0 - outputs @ others.T, 0.0)
    same = labels[:, None] == names[None, :]
    pairs = same & ~jnp.eye(*same.shape, dtype=bool) if remove_diagonal else same
    return ops.circle(pairs, ~same, distances, gamma=gamma, margin=margin)


def _flat_labels(argument: str, values: Any) -> Array:
    labels = jnp.asarray(values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"circle: {argument} must hold one label a row, got {labels.shape}.")
    return labels.astype(jnp.int32)


def _check_pairs(label_name: str, labels: Array, name: str, embeddings: Array) -> None:
    if embeddings.ndim != 2 or embeddings.shape[0] != labels.shape[0]:
        raise ValueError(
            f"circle: {name} must have the shape (rows, size) and a row for each of the "
            f"{labels.shape[0]} labels in {label_name}, got {embeddings.shape}."
        )


@loss_function()
def ctc(y_true: Any, y_pred: Any) -> Array:
    """Connectionist temporal classification (Graves et al., 2006).

    Args:
        y_true: labels ``(rows, longest)``: whole numbers from 1; 0 fills the ends of rows.
        y_pred: logits ``(rows, steps, classes)``; class 0 is the blank.

    Returns:
        Negative log-likelihood of each row's labels over all ways to align them.

    Raises:
        ValueError: other ranks, or a label that is no class.

    >>> ctc([[1, 0]], [[[0.0, 0.0]]]).round(4)
    Array([0.6931], dtype=float32)
    """
    logits, labels = floats(y_pred), jnp.asarray(y_true)
    if labels.ndim != 2 or logits.ndim != 3 or labels.shape[0] != logits.shape[0]:
        raise ValueError(
            "ctc: y_true must have the shape (rows, longest) and y_pred (rows, steps, classes), "
            f"got {labels.shape} and {logits.shape}."
        )
    if not jnp.issubdtype(labels.dtype, jnp.floating):
        labels = labels.astype(jnp.int32)
    bad = (labels < 0) | (labels >= logits.shape[2])
    unreported = report("ctc", labels, bad, logits.shape[2])
    known = jnp.where(bad, 0, labels).astype(jnp.int32)
    losses = ops.ctc(known, logits, jnp.sum(known != 0, axis=1, dtype=jnp.int32))
    if unreported is None:
        return losses
    return jnp.where(jnp.any(unreported, axis=1), jnp.nan, losses)
