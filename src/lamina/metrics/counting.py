"""Counts of right and wrong predictions at thresholds: what precision, recall and AUC need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import jit
from lamina.metrics import arrays, checks
from lamina.metrics.base import Metric

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array

KINDS = ("true_positives", "false_positives", "true_negatives", "false_negatives")

FEW = 8
"""Up to so many thresholds each is compared by itself; beyond, predictions are sorted in."""


class Counts(NamedTuple):
    """Sums of weights for each threshold; int32 counts where there are no weights."""

    true_positives: Array
    false_positives: Array
    true_negatives: Array
    false_negatives: Array


@jit.inner
def counts_at(
    thresholds: Array, labels: Array, predictions: Array, weights: Array | None
) -> Counts:
    """Count what exceeds each threshold and what does not.

    Args:
        thresholds: ascending numbers.
        labels: booleans of shape ``(rows, columns)``.
        predictions: numbers of that shape; NaN exceeds nothing.
        weights: numbers of that shape, or ``None``.

    Returns:
        Four arrays of shape ``(thresholds, columns)``.
    """
    count = _compared if len(thresholds) <= FEW else _sorted_in
    above, below = count(thresholds, labels, predictions, weights)
    false_above, false_below = count(thresholds, ~labels, predictions, weights)
    return Counts(above, false_above, false_below, below)


def _compared(
    limits: Array, chosen: Array, predictions: Array, weights: Array | None
) -> tuple[Array, Array]:
    exceeds = [predictions > limit for limit in limits]
    above = [arrays.total_of(chosen & more, weights, axis=0) for more in exceeds]
    below = [arrays.total_of(chosen & ~more, weights, axis=0) for more in exceeds]
    return jnp.stack(above), jnp.stack(below)


def _sorted_in(
    limits: Array, chosen: Array, predictions: Array, weights: Array | None
) -> tuple[Array, Array]:
    columns, size = chosen.shape[1], len(limits) + 1
    exceeded = jnp.searchsorted(limits, predictions, side="left").astype(jnp.int32)
    exceeded = jnp.where(jnp.isnan(predictions), 0, exceeded)
    place = exceeded + size * jnp.arange(columns, dtype=jnp.int32)[None, :]
    values = chosen.astype(jnp.int32) if weights is None else arrays.weighted(chosen, weights)
    heights = jax.ops.segment_sum(values.ravel(), place.ravel(), columns * size)
    heights = heights.reshape(columns, size).T
    below = jnp.cumsum(heights, axis=0, dtype=heights.dtype)[:-1]
    above = jnp.cumsum(heights[::-1], axis=0, dtype=heights.dtype)[::-1][1:]
    return above, below


class Counting(Metric):
    """Base of metrics made of counts at thresholds.

    Subclasses name the counts that they need in `kinds`; each becomes a variable of that name.
    Targets must be 0 or 1 wherever the weight is not 0.
    """

    kinds: tuple[str, ...] = KINDS
    shares = False
    """Whether predictions must lie between 0 and 1."""

    true_positives: Variable
    class_id: int | None = None
    top_k: int | None = None

    def _set_thresholds(self, values: Sequence[float] | np.ndarray, columns: int = 0) -> None:
        self._order = np.argsort(np.asarray(values), kind="stable")
        self._ascending = np.asarray(values, dtype=np.float64)[self._order]
        shape = (len(values), columns) if columns else (len(values),)
        for kind in self.kinds:
            setattr(self, kind, self.add_sum(kind, shape))

    def _choose(self, top_k: Any, class_id: Any) -> None:
        self.top_k = None if top_k is None else checks.positive(top_k, "top_k", self._who)
        if class_id is not None:
            class_id = checks.positive(class_id, "class_id", self._who, least=0)
        self.class_id = class_id

    def _sum(self, kind: str) -> Array:
        variable: Variable = getattr(self, kind)
        return variable.value

    def _count(
        self, y_true: Any, y_pred: Any, sample_weight: Any, label_weights: Any = None
    ) -> None:
        labels, predictions = arrays.paired(y_true, y_pred, self._who)
        labels = labels.astype(jnp.int32) if labels.dtype == jnp.bool_ else labels
        if labels.dtype == jnp.bool_:
            labels = labels.astype(jnp.int32)
        predictions = arrays.as_floats(predictions, self._state_dtype)
        weights = self._weights(sample_weight, label_weights, predictions.shape)
        if self.top_k is not None:
            predictions = self._largest(predictions, self.top_k)
        if self.class_id is not None:
            labels, predictions, weights = self._one_class(labels, predictions, weights)
        self._check_values(labels, predictions, weights)
        self._add_counts(labels != 0, predictions, weights)

    def _add_counts(self, labels: Array, predictions: Array, weights: Array | None) -> None:
        sums: list[Variable] = [getattr(self, kind) for kind in self.kinds]
        columns = sums[0].shape[1] if len(sums[0].shape) > 1 else 1
        shape = (-1, columns)
        flat = None if weights is None else weights.reshape(shape)
        limits = jnp.asarray(self._ascending.astype(predictions.dtype))
        counts = counts_at(limits, labels.reshape(shape), predictions.reshape(shape), flat)
        back = np.argsort(self._order)
        for kind, variable in zip(self.kinds, sums, strict=True):
            self.accumulate(variable, getattr(counts, kind)[back].reshape(variable.shape))

    def _weights(
        self, sample_weight: Any, label_weights: Any, shape: tuple[int, ...]
    ) -> Array | None:
        weights = None
        if sample_weight is not None:
            weights = arrays.weights_like(sample_weight, shape, self._state_dtype, self._who)
        if label_weights is not None:
            each = jnp.broadcast_to(jnp.asarray(label_weights, self._state_dtype), shape)
            weights = each if weights is None else weights * each
        return weights

    def _largest(self, predictions: Array, k: int) -> Array:
        if predictions.ndim < 2 or k > predictions.shape[-1]:
            raise ValueError(
                f"{self._who}: top_k={k} needs predictions of shape (rows, classes) with at least "
                f"{k} classes, got {tuple(predictions.shape)}."
            )
        places = jax.lax.top_k(predictions, k)[1]
        each = arrays.places_like(predictions)[..., None, :]
        kept = jnp.any(places[..., None] == each, axis=-2)
        return jnp.where(kept, predictions, -jnp.inf)

    def _one_class(
        self, labels: Array, predictions: Array, weights: Array | None
    ) -> tuple[Array, Array, Array | None]:
        chosen = self.class_id
        assert chosen is not None
        if predictions.ndim < 2 or chosen >= predictions.shape[-1]:
            raise ValueError(
                f"{self._who}: class_id={chosen} needs predictions of shape (rows, classes) with "
                f"more than {chosen} classes, got {tuple(predictions.shape)}."
            )
        picked = None if weights is None else weights[..., chosen]
        return labels[..., chosen], predictions[..., chosen], picked

    def _check_values(self, labels: Array, predictions: Array, weights: Array | None) -> None:
        counted = True if weights is None else weights != 0
        who = self._who
        arrays.report(
            (labels != 0) & (labels != 1) & counted,
            labels,
            lambda row, value: (
                f"{who}: y_true must be 0 or 1, got {value:g} in row {row}; "
                "give (y_true > 0.5) if a share stands for a yes."
            ),
        )
        if self.shares:
            # Rounding of a softmax in half precision may pass 1 by that much.
            inside = (predictions >= -0.01) & (predictions <= 1.01)
            arrays.report(
                ~inside & counted,
                predictions,
                lambda row, value: (
                    f"{who}: y_pred must be from 0 to 1, got {value:g} in row {row}; "
                    "apply a sigmoid or softmax first."
                ),
            )
