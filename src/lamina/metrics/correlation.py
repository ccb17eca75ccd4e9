"""Correlation of targets and predictions, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import config, registry
from lamina.metrics import arrays
from lamina.metrics.reduction import MeanMetricWrapper

if TYPE_CHECKING:
    from lamina.typing import Array


def _centred(y_true: Any, y_pred: Any, axis: int, who: str) -> tuple[Array, Array, Array]:
    """Both without their means, and the squared difference of the means; axis kept."""
    y_true, y_pred = arrays.paired(y_true, y_pred, who)
    predictions = arrays.as_floats(y_pred)
    targets = arrays.as_floats(y_true, predictions.dtype)
    mean_true = jnp.mean(targets, axis=axis, keepdims=True)
    mean_pred = jnp.mean(predictions, axis=axis, keepdims=True)
    apart = jnp.broadcast_to(jnp.square(mean_true - mean_pred), mean_true.shape)
    return (
        targets - jnp.broadcast_to(mean_true, targets.shape),
        predictions - jnp.broadcast_to(mean_pred, targets.shape),
        jnp.squeeze(apart, axis),
    )


@registry.register("metric")
def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Pearson's correlation coefficient along an axis.

    Args:
        y_true: numbers of shape ``(rows, ...)``.
        y_pred: numbers of the same shape.
        axis: axis along which numbers belong together.

    Returns:
        Numbers from -1 to 1, of that shape without `axis`; NaN where one side is constant, since
        it is not defined there.

    Raises:
        ValueError: the shapes differ.

    >>> round(float(pearson_correlation([1.0, 2.0, 4.0], [1.0, 3.0, 3.0])), 4)
    0.7559
    """
    targets, predictions, _ = _centred(y_true, y_pred, axis, "pearson_correlation")
    product = jnp.sum(targets * predictions, axis=axis)
    lengths = jnp.sqrt(jnp.sum(jnp.square(targets), axis=axis)) * jnp.sqrt(
        jnp.sum(jnp.square(predictions), axis=axis)
    )
    return product / lengths


@registry.register("metric")
def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Lin's concordance correlation coefficient along an axis.

    ``2 * covariance / (variances + difference of means squared)``: like Pearson's, but 1 only
    where the predictions equal the targets.

    Args:
        y_true: numbers of shape ``(rows, ...)``.
        y_pred: numbers of the same shape.
        axis: axis along which numbers belong together.

    Returns:
        Numbers from -1 to 1, of that shape without `axis`.

    Raises:
        ValueError: the shapes differ.

    Source: L. Lin, A Concordance Correlation Coefficient to Evaluate Reproducibility,
    Biometrics 45 (1989).

    >>> round(float(concordance_correlation([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])), 4)
    0.5714
    """
    targets, predictions, apart = _centred(y_true, y_pred, axis, "concordance_correlation")
    covariance = jnp.mean(targets * predictions, axis=axis)
    spread = jnp.mean(jnp.square(targets), axis=axis) + jnp.mean(jnp.square(predictions), axis=axis)
    return 2 * covariance / (spread + apart + config.epsilon())


@registry.register("metric")
class PearsonCorrelation(MeanMetricWrapper):
    """Mean of `pearson_correlation` over rows.

    Args:
        name: key in the logs.
        dtype: dtype of the result.
        axis: axis along which numbers belong together.

    >>> round(float(PearsonCorrelation()([[0.0, 1.0, 2.0]], [[5.0, 4.0, 3.0]])), 4)
    -1.0
    """

    def __init__(
        self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)
        self.axis = axis


@registry.register("metric")
class ConcordanceCorrelation(MeanMetricWrapper):
    """Mean of `concordance_correlation` over rows; arguments as in `PearsonCorrelation`.

    >>> round(float(ConcordanceCorrelation()([[0.0, 1.0, 2.0]], [[1.0, 2.0, 3.0]])), 4)
    0.5714
    """

    def __init__(
        self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)
        self.axis = axis
