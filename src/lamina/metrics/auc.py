"""The area under a curve that a threshold draws: ROC, precision over recall, and its gain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import config, registry
from lamina.metrics import arrays, checks
from lamina.metrics.counting import Counting

if TYPE_CHECKING:
    from lamina.typing import Array

CURVES = ("ROC", "PR", "PRGAIN")
SUMMATIONS = ("interpolation", "majoring", "minoring")


@registry.register("metric")
class AUC(Counting):
    """Area under the ROC curve, or under that of precision over recall.

    The curve is drawn through one point for each threshold. Counts are exact; the area is as good
    as the thresholds are dense where the predictions are.

    Args:
        num_thresholds: how many, evenly spread; at least 2.
        curve: ``"ROC"``, ``"PR"`` (precision over recall) or ``"PRGAIN"``.
        summation_method: ``"interpolation"`` (trapezoids; for PR the true curve between two
            points), ``"majoring"`` (the larger height of two) or ``"minoring"`` (the smaller).
        name: key in the logs.
        dtype: dtype of the result.
        thresholds: thresholds of your own from 0 to 1, instead of `num_thresholds`.
        multi_label: whether each column is a task of its own, whose areas are averaged.
        num_labels: number of columns, for `multi_label`; by default that of the first batch.
        label_weights: weight of each column.
        from_logits: whether a sigmoid is applied to the predictions.

    Raises:
        ValueError: an argument out of its range, or predictions outside of 0 to 1.

    Source: J. Davis and M. Goadrich, The Relationship Between Precision-Recall and ROC Curves,
    ICML 2006; P. Flach and M. Kull, Precision-Recall-Gain Curves, NeurIPS 2015.

    >>> auc = AUC(num_thresholds=3)
    >>> float(auc([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
    0.75
    """

    shares = True

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(name, dtype)
        who = self._who
        if thresholds is None:
            self.num_thresholds = checks.positive(num_thresholds, "num_thresholds", who, least=2)
            inner = [step / (num_thresholds - 1) for step in range(1, num_thresholds - 1)]
        else:
            inner = sorted(checks.thresholds(thresholds, who))
            self.num_thresholds = len(inner) + 2
        self._inner = None if thresholds is None else inner
        # The ends stand a little outside, so that 0 exceeds the first and 1 not the last.
        edge = config.epsilon()
        self._ends = np.array([-edge, *inner, 1.0 + edge])
        self.curve = checks.one_of(str(curve).upper(), "curve", who, CURVES)
        self.summation_method = checks.one_of(
            str(summation_method).lower(), "summation_method", who, SUMMATIONS
        )
        if num_labels and not multi_label:
            raise ValueError(f"{who}: num_labels is for multi_label=True, got {num_labels!r}.")
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else np.array(label_weights).tolist()
        self.from_logits = from_logits
        self.built = False
        if num_labels or not multi_label:
            self._make(num_labels or 0)

    @property
    def thresholds(self) -> list[float]:
        """All thresholds, in ascending order."""
        return self._ends.tolist()

    def build(self, y_true_shape: Sequence[int], y_pred_shape: Sequence[int]) -> None:
        if not self.built:
            if len(y_pred_shape) != 2:
                raise ValueError(
                    f"{self._who}: multi_label=True needs predictions of shape (rows, labels), "
                    f"got {tuple(y_pred_shape)}."
                )
            self._make(y_pred_shape[-1])

    def _make(self, columns: int) -> None:
        self._set_thresholds(self._ends, columns)
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = arrays.paired(y_true, y_pred, self._who)
        self.build(y_true.shape, y_pred.shape)
        y_pred = arrays.as_floats(y_pred, self._state_dtype)
        if self.from_logits:
            y_pred = jax.nn.sigmoid(y_pred)
        self._check_columns(y_pred.shape)
        self._count(y_true, y_pred, sample_weight, None if self.multi_label else self.label_weights)

    def _check_columns(self, shape: tuple[int, ...]) -> None:
        wanted = self.true_positives.shape[-1] if self.multi_label else None
        if self.label_weights is not None:
            wanted = len(self.label_weights)
        if wanted is not None and shape[-1:] != (wanted,):
            raise ValueError(
                f"{self._who}: predictions must have {wanted} labels in their last axis, got the "
                f"shape {tuple(shape)}."
            )

    def result(self) -> Array:
        if not self.built:
            return self._finished(jnp.zeros((), self._state_dtype))
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._finished(self._averaged(self._between_points()))
        x, y = self._points()
        left, right = y[:-1], y[1:]
        heights = {
            "interpolation": lambda: (left + right) / 2,
            "majoring": lambda: jnp.maximum(left, right),
            "minoring": lambda: jnp.minimum(left, right),
        }[self.summation_method]()
        return self._finished(self._averaged((x[:-1] - x[1:]) * heights))

    def _points(self) -> tuple[Array, Array]:
        hits, alarms, quiet, missed = map(self._sum, self.kinds)
        recall = arrays.quotient(hits, hits + missed)
        if self.curve == "ROC":
            return arrays.quotient(alarms, alarms + quiet), recall
        if self.curve == "PR":
            return recall, arrays.quotient(hits, hits + alarms)
        odds = arrays.quotient(hits + missed, quiet + alarms)
        recall_gain = jnp.where(hits == 0, 0, 1 - odds * arrays.quotient(missed, hits))
        precision_gain = jnp.where(hits == 0, 1, 1 - odds * arrays.quotient(alarms, hits))
        return jnp.maximum(recall_gain, 0), precision_gain

    def _between_points(self) -> Array:
        """Areas of PR between two thresholds, where true positives grow evenly with positives."""
        hits, alarms, _, missed = map(self._sum, self.kinds)
        positives = hits + alarms
        gained = hits[:-1] - hits[1:]
        slope = arrays.quotient(gained, jnp.maximum(positives[:-1] - positives[1:], 0))
        offset = hits[1:] - slope * positives[1:]
        both = (positives[:-1] > 0) & (positives[1:] > 0)
        ratio = jnp.where(both, arrays.quotient(positives[:-1], positives[1:]), 1)
        area = slope * (gained + offset * jnp.log(jnp.where(ratio > 0, ratio, 1)))
        return arrays.quotient(area, hits[1:] + missed[1:])

    def _averaged(self, areas: Array) -> Array:
        if not self.multi_label:
            return jnp.sum(areas)
        each = jnp.sum(areas, axis=0)
        if self.label_weights is None:
            return jnp.mean(each)
        weights = jnp.asarray(self.label_weights, each.dtype)
        return arrays.quotient(jnp.sum(each * weights), jnp.sum(weights))

    def get_config(self) -> dict[str, Any]:
        found = super().get_config()
        return {**found, "thresholds": self._inner}
