"""Counts of right and wrong predictions, and precision and recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina import registry
from lamina.metrics import arrays, checks
from lamina.metrics.counting import Counting

if TYPE_CHECKING:
    from lamina.typing import Array

NO_THRESHOLD = -1e10
"""With `top_k` and no threshold, whatever is among the largest counts as predicted."""


class _AtThresholds(Counting):
    """One number for each threshold, or a scalar for a single one."""

    def __init__(
        self, thresholds: Any, top_k: Any, class_id: Any, name: str | None, dtype: Any
    ) -> None:
        super().__init__(name, dtype)
        self._choose(top_k, class_id)
        self.thresholds = thresholds
        if thresholds is None:
            used = [0.5 if top_k is None else NO_THRESHOLD]
        else:
            used = checks.thresholds(thresholds, self._who)
        self._set_thresholds(used)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self._count(y_true, y_pred, sample_weight)

    def _given(self, values: Array) -> Array:
        return self._finished(values[0] if values.shape[0] == 1 else values)


class _One(_AtThresholds):
    """The sum of the weights of one kind of outcome."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, None, None, name, dtype)

    def result(self) -> Array:
        return self._given(self._sum(self.kinds[0]))


@registry.register("metric")
class TruePositives(_One):
    """Count ones that are predicted as ones.

    Args:
        thresholds: what a prediction must exceed to count as 1; a number from 0 to 1, by default
            0.5, or several, which make the result a vector.
        name: key in the logs.
        dtype: dtype of the result.

    Raises:
        ValueError: a threshold outside of 0 to 1.

    >>> float(TruePositives()([0, 1, 1, 1], [1, 0, 1, 1]))
    2.0
    """

    kinds = ("true_positives",)


@registry.register("metric")
class FalsePositives(_One):
    """Count zeros that are predicted as ones; arguments as in `TruePositives`.

    >>> float(FalsePositives()([0, 1, 0, 0], [0, 0, 1, 1]))
    2.0
    """

    kinds = ("false_positives",)


@registry.register("metric")
class TrueNegatives(_One):
    """Count zeros that are predicted as zeros; arguments as in `TruePositives`.

    >>> float(TrueNegatives()([0, 1, 0, 0], [1, 1, 0, 0]))
    2.0
    """

    kinds = ("true_negatives",)


@registry.register("metric")
class FalseNegatives(_One):
    """Count ones that are predicted as zeros; arguments as in `TruePositives`.

    >>> float(FalseNegatives()([0, 1, 1, 1], [0, 1, 0, 0]))
    2.0
    """

    kinds = ("false_negatives",)


@registry.register("metric", "precision")
class Precision(_AtThresholds):
    """Share of the predicted ones that are ones, over all that was taken in.

    It is 0 where nothing was predicted as one.

    Args:
        thresholds: what a prediction must exceed to count as 1; a number from 0 to 1, by default
            0.5, or several, which make the result a vector.
        top_k: count only the `top_k` largest predictions of a row as ones.
        class_id: look at this class only.
        name: key in the logs.
        dtype: dtype of the result.

    Raises:
        ValueError: a threshold outside of 0 to 1, or a `top_k` or `class_id` that is no such int.

    >>> float(Precision()([0, 1, 1, 1], [1, 0, 1, 0]))
    0.5
    """

    kinds = ("true_positives", "false_positives")

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)

    def result(self) -> Array:
        right, wrong = (self._sum(kind) for kind in self.kinds)
        return self._given(arrays.quotient(right, right + wrong))


@registry.register("metric", "recall")
class Recall(Precision):
    """Share of the ones that are predicted as ones; arguments as in `Precision`.

    It is 0 where there are no ones.

    >>> float(Recall()([1, 1, 1, 1], [1, 0, 0, 0]))
    0.25
    """

    kinds = ("true_positives", "false_negatives")
