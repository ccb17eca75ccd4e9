"""The metrics that only Keras 1 had: one number for a batch, averaged over batches.

`Precision`, `Recall` and `FBetaScore` count over all batches instead; the strings
``"precision"``, ``"recall"`` and ``"fbeta_score"`` mean those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import config, registry
from lamina.metrics import arrays, checks

if TYPE_CHECKING:
    from lamina.typing import Array


def _rounded(y_true: Any, y_pred: Any, who: str) -> tuple[Array, Array]:
    y_true, y_pred = arrays.paired(y_true, y_pred, who)
    predictions = arrays.as_floats(y_pred)
    targets = arrays.as_floats(y_true, predictions.dtype)
    return jnp.round(jnp.clip(targets, 0, 1)), jnp.round(jnp.clip(predictions, 0, 1))


def precision(y_true: Any, y_pred: Any) -> Array:
    """Share of the batch's predicted ones that are ones; predictions are rounded.

    Args:
        y_true: zeros and ones.
        y_pred: numbers of the same shape.

    Returns:
        A scalar, 0 where nothing is predicted as one.

    Raises:
        ValueError: the shapes differ.

    >>> round(float(precision([[1, 0, 1, 0]], [[0.9, 0.8, 0.2, 0.1]])), 4)
    0.5
    """
    ones, chosen = _rounded(y_true, y_pred, "precision")
    return jnp.sum(ones * chosen) / (jnp.sum(chosen) + config.epsilon())


def recall(y_true: Any, y_pred: Any) -> Array:
    """Share of the batch's ones that are predicted as ones; as `precision` otherwise.

    >>> round(float(recall([[1, 0, 1, 0]], [[0.9, 0.8, 0.2, 0.1]])), 4)
    0.5
    """
    ones, chosen = _rounded(y_true, y_pred, "recall")
    return jnp.sum(ones * chosen) / (jnp.sum(ones) + config.epsilon())


def fbeta_score(y_true: Any, y_pred: Any, beta: float = 1) -> Array:
    """Weighted harmonic mean of the batch's `precision` and `recall`.

    Args:
        y_true: zeros and ones.
        y_pred: numbers of the same shape.
        beta: how much more recall counts than precision, at least 0.

    Returns:
        A scalar, 0 where the batch has no ones.

    Raises:
        ValueError: `beta` is below 0, or the shapes differ.

    >>> round(float(fbeta_score([[1, 0, 1, 0]], [[0.9, 0.8, 0.2, 0.1]])), 4)
    0.5
    """
    square = checks.number(beta, "beta", "fbeta_score", 0) ** 2
    ones, _ = _rounded(y_true, y_pred, "fbeta_score")
    share, found = precision(y_true, y_pred), recall(y_true, y_pred)
    score = (1 + square) * (share * found) / (square * share + found + config.epsilon())
    return jnp.where(jnp.sum(ones) == 0, 0, score)


@registry.register("metric", "f1score", "fscore")
def fmeasure(y_true: Any, y_pred: Any) -> Array:
    """Harmonic mean of the batch's `precision` and `recall`.

    >>> round(float(fmeasure([[1, 0, 1, 0]], [[0.9, 0.8, 0.2, 0.1]])), 4)
    0.5
    """
    return fbeta_score(y_true, y_pred, beta=1)


@registry.register("metric")
def matthews_correlation(y_true: Any, y_pred: Any) -> Array:
    """Matthews' correlation coefficient of the batch's zeros and ones.

    Args:
        y_true: zeros and ones.
        y_pred: numbers of the same shape, which are rounded.

    Returns:
        A scalar from -1 to 1; 0 is as good as chance.

    Raises:
        ValueError: the shapes differ.

    Source: B. Matthews, Comparison of the predicted and observed secondary structure of T4 phage
    lysozyme, Biochimica et Biophysica Acta 405 (1975).

    >>> float(matthews_correlation([[1, 0, 1, 0]], [[0.9, 0.8, 0.2, 0.1]]))
    0.0
    """
    ones, chosen = _rounded(y_true, y_pred, "matthews_correlation")
    hits, quiet = jnp.sum(ones * chosen), jnp.sum((1 - ones) * (1 - chosen))
    alarms, missed = jnp.sum((1 - ones) * chosen), jnp.sum(ones * (1 - chosen))
    # Roots of two factors at a time: the product of four leaves float32 early.
    below = jnp.sqrt((hits + alarms) * (hits + missed)) * jnp.sqrt(
        (quiet + alarms) * (quiet + missed)
    )
    return (hits * quiet - alarms * missed) / (below + config.epsilon())
