"""The best that a threshold can give while another rate stays high enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import registry
from lamina.metrics import arrays, checks
from lamina.metrics.counting import Counting

if TYPE_CHECKING:
    from lamina.typing import Array


class _Constrained(Counting):
    """The largest of one rate over the thresholds at which another reaches a value."""

    shares = True

    def __init__(
        self,
        argument: str,
        value: float,
        num_thresholds: int,
        class_id: int | None,
        name: str | None,
        dtype: Any,
    ) -> None:
        super().__init__(name, dtype)
        self._least = checks.number(value, argument, self._who, 0, 1)
        self.num_thresholds = checks.positive(num_thresholds, "num_thresholds", self._who)
        self._choose(None, class_id)
        last = num_thresholds - 1
        self._set_thresholds([step / last for step in range(num_thresholds)] if last else [0.5])

    @property
    def thresholds(self) -> list[float]:
        """All thresholds, in ascending order."""
        return self._ascending.tolist()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self._count(y_true, y_pred, sample_weight)

    def _best(self, wanted: Array, constrained: Array) -> Array:
        short = constrained < self._least  # NaN is not, and shows in the result
        return self._finished(jnp.max(jnp.where(short, 0, wanted)))

    def _rates(self) -> tuple[Array, Array, Array]:
        """Precision, recall (or sensitivity) and specificity at each threshold."""
        hits, alarms, quiet, missed = map(self._sum, self.kinds)
        return (
            arrays.quotient(hits, hits + alarms),
            arrays.quotient(hits, hits + missed),
            arrays.quotient(quiet, quiet + alarms),
        )


@registry.register("metric")
class SensitivityAtSpecificity(_Constrained):
    """The largest sensitivity at the thresholds whose specificity reaches a value.

    Sensitivity is the share of ones that are predicted as ones, specificity that of zeros that
    are predicted as zeros. It is 0 where no threshold reaches the value.

    Args:
        specificity: what specificity must reach, from 0 to 1.
        num_thresholds: how many thresholds are tried, evenly spread from 0 to 1.
        class_id: look at this class only.
        name: key in the logs.
        dtype: dtype of the result.

    Raises:
        ValueError: an argument out of its range, or predictions outside of 0 to 1.

    >>> metric = SensitivityAtSpecificity(0.5)
    >>> float(metric([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]))
    0.5
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("specificity", specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity

    def result(self) -> Array:
        _, sensitivity, specificity = self._rates()
        return self._best(sensitivity, specificity)


@registry.register("metric")
class SpecificityAtSensitivity(_Constrained):
    """The largest specificity at the thresholds whose sensitivity reaches a value.

    Arguments and errors as in `SensitivityAtSpecificity`.

    >>> metric = SpecificityAtSensitivity(0.5)
    >>> round(float(metric([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8])), 4)
    0.6667
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("sensitivity", sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity

    def result(self) -> Array:
        _, sensitivity, specificity = self._rates()
        return self._best(specificity, sensitivity)


@registry.register("metric")
class PrecisionAtRecall(_Constrained):
    """The largest precision at the thresholds whose recall reaches a value.

    Arguments and errors as in `SensitivityAtSpecificity`.

    >>> float(PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]))
    0.5
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("recall", recall, num_thresholds, class_id, name, dtype)
        self.recall = recall

    def result(self) -> Array:
        precision, recall, _ = self._rates()
        return self._best(precision, recall)


@registry.register("metric")
class RecallAtPrecision(_Constrained):
    """The largest recall at the thresholds whose precision reaches a value.

    Arguments and errors as in `SensitivityAtSpecificity`.

    >>> float(RecallAtPrecision(0.8)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
    0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__("precision", precision, num_thresholds, class_id, name, dtype)
        self.precision = precision

    def result(self) -> Array:
        precision, recall, _ = self._rates()
        return self._best(recall, precision)
