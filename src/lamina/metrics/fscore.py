"""F scores: precision and recall of each class in one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import registry
from lamina.metrics import arrays, checks
from lamina.metrics.base import Metric

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array

SUMS = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")


@registry.register("metric", "fbeta_score")
class FBetaScore(Metric):
    """Weighted harmonic mean of precision and recall.

    ``(1 + beta**2) * precision * recall / (beta**2 * precision + recall)`` for each class, and 0
    where that is not defined.

    Args:
        average: ``None`` for one number a class, ``"micro"`` to count all classes together,
            ``"macro"`` for the mean over classes, ``"weighted"`` for a mean with the number of
            ones of each class as weights.
        beta: how much more recall counts than precision, above 0.
        threshold: what a prediction must exceed to count as 1, above 0 and up to 1; by default
            the largest prediction of a row counts as 1.
        name: key in the logs.
        dtype: dtype of the result.

    Raises:
        ValueError: an unknown `average`, a `beta` or `threshold` out of its range, or data that
            is not of shape ``(rows, classes)``.

    >>> y_true = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    >>> y_pred = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
    >>> [round(float(score), 4) for score in FBetaScore(beta=2.0, threshold=0.5)(y_true, y_pred)]
    [0.3846, 0.9091, 0.8333]
    """

    true_positives: Variable

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        self.average = checks.one_of(
            average, "average", self._who, (None, "micro", "macro", "weighted")
        )
        self.beta = checks.number(beta, "beta", self._who)
        if beta <= 0:
            raise ValueError(f"{self._who}: beta must be above 0, got {beta!r}.")
        self.threshold = threshold
        if threshold is not None and checks.number(threshold, "threshold", self._who, 0, 1) == 0:
            raise ValueError(f"{self._who}: threshold must be above 0, got {threshold!r}.")
        self.built = False

    def build(self, y_true_shape: Sequence[int], y_pred_shape: Sequence[int]) -> None:
        if self.built:
            return
        shape = () if self.average == "micro" else (y_pred_shape[-1],)
        for kind in SUMS:
            setattr(self, kind, self.add_sum(kind, shape))
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        targets, predictions = arrays.as_array(y_true), arrays.as_array(y_pred)
        if targets.shape != predictions.shape or targets.ndim != 2:
            raise ValueError(
                f"{self._who}: y_true and y_pred must both have the shape (rows, classes), got "
                f"{tuple(targets.shape)} and {tuple(predictions.shape)}."
            )
        self.build(targets.shape, predictions.shape)
        self._check_classes(predictions.shape)
        targets = arrays.as_floats(targets, self._state_dtype)
        chosen = self._chosen(arrays.as_floats(predictions, self._state_dtype))
        weights = 1 if sample_weight is None else sample_weight
        full = arrays.weights_like(weights, targets.shape, targets.dtype, self._who)
        outcomes = (chosen * targets, chosen * (1 - targets), (1 - chosen) * targets, targets)
        axis = None if self.average == "micro" else 0
        for kind, outcome in zip(SUMS, outcomes, strict=True):
            self.accumulate(getattr(self, kind), arrays.total_of(outcome, full, axis))

    def _check_classes(self, shape: tuple[int, ...]) -> None:
        known = self.true_positives.shape
        if known and known != shape[1:]:
            raise ValueError(
                f"{self._who}: earlier data had {known[0]} classes, got the shape {tuple(shape)}."
            )

    def _chosen(self, predictions: Array) -> Array:
        if self.threshold is not None:
            return (predictions > self.threshold).astype(predictions.dtype)
        largest = jnp.max(predictions, axis=-1, keepdims=True)
        # A row of zeros predicts nothing.
        chosen = (predictions >= largest) & (jnp.abs(predictions) > 1e-9)
        return chosen.astype(predictions.dtype)

    def result(self) -> Array:
        if not self.built:
            return self._finished(jnp.zeros((), self._state_dtype))
        hits, alarms, missed, ones = (getattr(self, kind).value for kind in SUMS)
        square = self.beta**2
        both = (1 + square) * hits
        score = arrays.quotient(both, both + square * missed + alarms)
        if self.average == "weighted":
            score = arrays.quotient(jnp.sum(score * ones), jnp.sum(ones))
        return self._finished(jnp.mean(score) if self.average == "macro" else score)


@registry.register("metric", "f1_score")
class F1Score(FBetaScore):
    """`FBetaScore` with ``beta=1``: the harmonic mean of precision and recall.

    >>> y_true, y_pred = [[1, 0], [0, 1], [0, 1]], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
    >>> [round(float(score), 4) for score in F1Score()(y_true, y_pred)]
    [0.6667, 0.6667]
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
