"""Mean errors of numbers, and the share of their variance that is explained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import losses, registry
from lamina.metrics import arrays, checks
from lamina.metrics.base import Metric
from lamina.metrics.reduction import Mean, MeanMetricWrapper, elementwise

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("metric")
@elementwise
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Cosine of the angle between target and prediction: 1 for the same direction.

    The loss of that name is its negative, and so is Keras 2's ``cosine_proximity``.

    Args:
        y_true: numbers of shape ``(rows, ...)``.
        y_pred: numbers of the same shape.
        axis: axis of the vectors.

    Returns:
        Numbers from -1 to 1, of that shape without `axis`; 0 for a vector of zeros.

    >>> cosine_similarity([[0.0, 2.0]], [[0.0, 5.0]])
    Array([1.], dtype=float32)
    """
    return -losses.cosine_similarity(y_true, y_pred, axis=axis)


def _register_losses() -> None:
    names = {
        losses.mean_squared_error: ("mse", "MSE"),
        losses.mean_absolute_error: ("mae", "MAE"),
        losses.mean_absolute_percentage_error: ("mape", "MAPE"),
        losses.mean_squared_logarithmic_error: ("msle", "MSLE"),
        losses.log_cosh: ("logcosh",),
        losses.huber: ("huber_loss",),
    }
    for function, aliases in names.items():
        registry.register("metric", *aliases)(elementwise(function))


_register_losses()


@registry.register("metric", "cosine")
@elementwise
def cosine_proximity(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """The negative of `cosine_similarity`, as Keras 2 has it among its metrics.

    >>> cosine_proximity([[0.0, 2.0]], [[0.0, 5.0]])
    Array([-1.], dtype=float32)
    """
    return losses.cosine_similarity(y_true, y_pred, axis=axis)


@registry.register("metric")
class MeanSquaredError(MeanMetricWrapper):
    """Mean of ``(prediction - target)**2``.

    Args:
        name: key in the logs.
        dtype: dtype of the result.

    >>> float(MeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.25
    """

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


@registry.register("metric")
class MeanAbsoluteError(MeanMetricWrapper):
    """Mean of ``abs(prediction - target)``.

    >>> float(MeanAbsoluteError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.25
    """

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


@registry.register("metric")
class MeanAbsolutePercentageError(MeanMetricWrapper):
    """Mean difference in per cent of the target.

    >>> float(MeanAbsolutePercentageError()([[2, 4]], [[1, 3]]))
    37.5
    """

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


@registry.register("metric")
class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """Mean of ``(log(1 + prediction) - log(1 + target))**2``.

    >>> round(float(MeanSquaredLogarithmicError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])), 4)
    0.1201
    """

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


@registry.register("metric")
class LogCoshError(MeanMetricWrapper):
    """Mean of ``log(cosh(prediction - target))``.

    >>> round(float(LogCoshError()([[0, 1], [0, 0]], [[1, 1], [0, 0]])), 4)
    0.1084
    """

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


@registry.register("metric")
class CosineSimilarity(MeanMetricWrapper):
    """Mean of `cosine_similarity`.

    Args:
        name: key in the logs.
        dtype: dtype of the result.
        axis: axis of the vectors.

    >>> float(CosineSimilarity()([[0.0, 1.0], [1.0, 0.0]], [[0.0, 3.0], [0.0, 1.0]]))
    0.5
    """

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(cosine_similarity, name, dtype, axis=axis)
        self.axis = axis


@registry.register("metric")
class RootMeanSquaredError(Mean):
    """Square root of the mean of ``(prediction - target)**2``.

    Args:
        name: key in the logs.
        dtype: dtype of the result.

    >>> float(RootMeanSquaredError()([[0, 1], [0, 0]], [[1, 1], [0, 0]]))
    0.5
    """

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_true, y_pred = arrays.paired(y_true, y_pred, self._who)
        predictions = arrays.as_floats(y_pred, self._state_dtype)
        difference = predictions - arrays.as_floats(y_true, self._state_dtype)
        super().update_state(jnp.square(difference), sample_weight)

    def result(self) -> Array:
        return jnp.sqrt(super().result())


@registry.register("metric")
class R2Score(Metric):
    """Share of the targets' variance that the predictions explain.

    ``1 - sum((target - prediction)**2) / sum((target - mean)**2)`` for each output. Mean and
    squares are merged from batch to batch, so that targets far from 0 lose no digits. For targets
    that do not vary it is 1 if all predictions are right, else 0, as in scikit-learn. Before the
    first batch it is 0.

    Args:
        class_aggregation: ``"uniform_average"``, ``"variance_weighted_average"``, or ``None`` for
            one number an output.
        num_regressors: number of inputs of the model, for the adjusted score; it counts as 0
            while there are not enough data. As in Keras, each output of a row is a datum.
        name: key in the logs.
        dtype: dtype of the result.

    Raises:
        ValueError: an argument out of its range, or data that is not of shape ``(rows, outputs)``.

    Source: T. Chan, G. Golub and R. LeVeque, Updating Formulae and a Pairwise Algorithm for
    Computing Sample Variances, Stanford STAN-CS-79-773 (1979).

    >>> round(float(R2Score()([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])), 4)
    0.5714
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        self.class_aggregation = checks.one_of(
            class_aggregation,
            "class_aggregation",
            self._who,
            (None, "uniform_average", "variance_weighted_average"),
        )
        self.num_regressors = checks.positive(num_regressors, "num_regressors", self._who, least=0)
        self.built = False

    def build(self, y_true_shape: Sequence[int], y_pred_shape: Sequence[int]) -> None:
        if self.built:
            return
        outputs = (y_pred_shape[-1],)
        self.num_samples = self.add_sum("num_samples")
        self.mean = self.add_weight(name="mean", shape=outputs)
        self.squared_sum = self.add_sum("squared_sum", outputs)
        self.residual = self.add_sum("residual", outputs)
        self.count = self.add_sum("count", outputs)
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_true, y_pred = arrays.paired(y_true, y_pred, self._who)
        if y_pred.ndim == 1:
            y_true, y_pred = y_true[:, None], y_pred[:, None]
        known = self.mean.shape if self.built else y_pred.shape[1:]
        if y_pred.ndim != 2 or known != y_pred.shape[1:]:
            outputs = f"{known[0]}" if self.built else "outputs"
            raise ValueError(
                f"{self._who}: data must have the shape (rows, {outputs}), got "
                f"{tuple(y_pred.shape)}."
            )
        self.build(y_true.shape, y_pred.shape)
        targets = arrays.as_floats(y_true, self._state_dtype)
        errors = targets - arrays.as_floats(y_pred, self._state_dtype)
        given = 1 if sample_weight is None else sample_weight
        weights = arrays.weights_like(given, targets.shape, targets.dtype, self._who)
        self.accumulate(self.residual, arrays.total_of(jnp.square(errors), weights, axis=0))
        self.accumulate(self.num_samples, jnp.int32(targets.size))
        self._merge(targets, weights)

    def _merge(self, targets: Array, weights: Array) -> None:
        """Take the batch's mean and squares into those of all rows."""
        count = jnp.sum(weights, axis=0)
        mean = arrays.quotient(arrays.total_of(targets, weights, axis=0), count)
        squares = arrays.total_of(jnp.square(targets - mean[None, :]), weights, axis=0)
        before = self.count.value
        share = arrays.quotient(count, before + count)
        step = mean - self.mean.value
        self.accumulate(self.squared_sum, squares + jnp.square(step) * before * share)
        self.mean.assign(self.mean.value + step * share)
        self.accumulate(self.count, count)

    def result(self) -> Array:
        if not self.built:
            return self._finished(jnp.zeros((), self._state_dtype))
        spread, residual = self.squared_sum.value, self.residual.value
        constant = (residual == 0).astype(spread.dtype)
        scores = jnp.where(spread == 0, constant, 1 - arrays.quotient(residual, spread))
        scores = jnp.where(self.count.value == 0, 0, scores)
        if self.class_aggregation == "uniform_average":
            scores = jnp.mean(scores)
        elif self.class_aggregation is not None:
            scores = arrays.quotient(jnp.sum(spread * scores), jnp.sum(spread))
        return self._finished(self._adjusted(scores))

    def _adjusted(self, scores: Array) -> Array:
        if not self.num_regressors:
            return scores
        count = self.num_samples.value
        freedom = count - self.num_regressors - 1
        enough = freedom > 0
        adjusted = 1 - (1 - scores) * ((count - 1) / jnp.where(enough, freedom, 1))
        return jnp.where(enough, adjusted, scores)
