"""How often predictions are right: exactly, past a threshold, or among the k largest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import config, registry
from lamina.metrics import arrays, checks
from lamina.metrics.reduction import MeanMetricWrapper, elementwise

if TYPE_CHECKING:
    from lamina.typing import Array


@elementwise
def _equal(y_true: Any, y_pred: Any) -> Array:
    y_true, y_pred = arrays.paired(y_true, y_pred, "accuracy")
    return arrays.equal(y_true, y_pred).astype(config.floatx())


@elementwise
def _past_threshold(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    y_true, y_pred = arrays.paired(y_true, y_pred, "binary_accuracy")
    positive = (y_pred > threshold).astype(y_true.dtype)
    return (y_true == positive).astype(config.floatx())


@registry.register("metric")
@elementwise
def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Array:
    """Share of the last axis at which ``y_pred > threshold`` is what the target says.

    Args:
        y_true: zeros and ones, of shape ``(rows, ..., values)``.
        y_pred: numbers of the same shape.
        threshold: what a prediction must exceed to count as 1.

    Returns:
        Numbers from 0 to 1, of shape ``(rows, ...)``.

    Raises:
        ValueError: the shapes differ by more than a last axis of size 1.

    >>> binary_accuracy([[0, 1, 1, 1]], [[0.2, 0.9, 0.4, 0.5]])
    Array([0.5], dtype=float32)
    """
    return jnp.mean(_past_threshold(y_true, y_pred, threshold), axis=-1)


@registry.register("metric")
def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Whether the largest prediction stands where the largest target does.

    Args:
        y_true: one-hot rows, or other weights of classes, of shape ``(rows, ..., classes)``.
        y_pred: numbers of the same shape.

    Returns:
        Zeros and ones, of shape ``(rows, ...)``. Of equal predictions the first counts.

    Raises:
        ValueError: the shapes differ.

    >>> categorical_accuracy([[0, 1], [1, 0]], [[0.3, 0.7], [0.4, 0.6]])
    Array([1., 0.], dtype=float32)
    """
    y_true, y_pred = _class_rows(y_true, y_pred, "categorical_accuracy")
    right = jnp.argmax(y_true, axis=-1) == jnp.argmax(y_pred, axis=-1)
    return right.astype(config.floatx())


@registry.register("metric")
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Whether the largest prediction stands at the target's index.

    A target that is no index of a class is never met.

    Args:
        y_true: indices of classes, of shape ``(rows, ...)`` or ``(rows, ..., 1)``.
        y_pred: numbers of shape ``(rows, ..., classes)``.

    Returns:
        Zeros and ones, of shape ``(rows, ...)``.

    Raises:
        ValueError: the shapes do not fit.

    >>> sparse_categorical_accuracy([1, 2], [[0.3, 0.7], [0.4, 0.6]])
    Array([1., 0.], dtype=float32)
    """
    labels, y_pred = _labels(y_true, y_pred, "sparse_categorical_accuracy")
    found = jnp.argmax(y_pred, axis=-1).astype(labels.dtype)
    return (labels == found).astype(config.floatx())


@registry.register("metric")
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """Whether fewer than `k` predictions exceed the one where the largest target stands.

    Args:
        y_true: one-hot rows, of shape ``(rows, ..., classes)``.
        y_pred: numbers of the same shape.
        k: how many predictions may count as right; equal ones share a place.

    Returns:
        Zeros and ones, of shape ``(rows, ...)``.

    Raises:
        ValueError: `k` is no positive int, or the shapes differ.

    >>> top_k_categorical_accuracy([[0, 1, 0]], [[0.5, 0.3, 0.2]], k=2)
    Array([1.], dtype=float32)
    """
    checks.positive(k, "k", "top_k_categorical_accuracy")
    y_true, y_pred = _class_rows(y_true, y_pred, "top_k_categorical_accuracy")
    return _among_largest(jnp.argmax(y_true, axis=-1), y_pred, k)


@registry.register("metric")
def sparse_top_k_categorical_accuracy(
    y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """Whether fewer than `k` predictions exceed the one at the target's index.

    A target that is no index of a class, or whose prediction is NaN, is never met.

    Args:
        y_true: indices of classes, of shape ``(rows, ...)`` or ``(rows, ..., 1)``.
        y_pred: numbers of shape ``(rows, ..., classes)``.
        k: how many predictions may count as right; equal ones share a place.
        from_sorted_ids: whether `y_pred` holds indices of classes, the best first, instead.

    Returns:
        Zeros and ones, of shape ``(rows, ...)``.

    Raises:
        ValueError: `k` is no positive int, or the shapes do not fit.

    >>> sparse_top_k_categorical_accuracy([1, 2], [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], k=2)
    Array([1., 0.], dtype=float32)
    """
    checks.positive(k, "k", "sparse_top_k_categorical_accuracy")
    labels, y_pred = _labels(y_true, y_pred, "sparse_top_k_categorical_accuracy")
    if not from_sorted_ids:
        return _among_largest(labels, y_pred, k)
    best = y_pred[..., :k]
    named = arrays.equal(best, jnp.broadcast_to(labels[..., None], best.shape))
    return jnp.any(named, axis=-1).astype(config.floatx())


def _class_rows(y_true: Any, y_pred: Any, who: str) -> tuple[Array, Array]:
    y_true, y_pred = arrays.as_array(y_true), arrays.as_array(y_pred)
    if y_true.shape != y_pred.shape or y_pred.ndim == 0:
        raise ValueError(
            f"{who}: y_true must have the shape of y_pred, {tuple(y_pred.shape)}, got "
            f"{tuple(y_true.shape)}; for indices of classes use sparse_{who}."
        )
    return y_true, y_pred


def _labels(y_true: Any, y_pred: Any, who: str) -> tuple[Array, Array]:
    y_true, y_pred = arrays.as_array(y_true), arrays.as_array(y_pred)
    labels = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1:] == (1,) else y_true
    if y_pred.ndim == 0 or labels.shape != y_pred.shape[:-1]:
        raise ValueError(
            f"{who}: y_true must hold an index for each row of y_pred, whose shape is "
            f"{tuple(y_pred.shape)}, got the shape {tuple(y_true.shape)}."
        )
    return labels.astype(jnp.int32) if labels.dtype == jnp.bool_ else labels, y_pred


def _among_largest(labels: Array, y_pred: Array, k: int) -> Array:
    meant = labels[..., None] == arrays.places_like(y_pred).astype(labels.dtype)
    score = jnp.max(jnp.where(meant, y_pred, -jnp.inf), axis=-1, keepdims=True)
    # NaN at the target stays NaN above, and NaN exceeds nothing: rule it out by itself.
    known = jnp.any(meant & ~jnp.isnan(y_pred), axis=-1)
    better = jnp.sum(y_pred > score, axis=-1, dtype=jnp.int32)
    return (known & (better < k)).astype(config.floatx())


@registry.register("metric", "acc", "ACC")
class Accuracy(MeanMetricWrapper):
    """Share of predictions that equal their target exactly.

    Args:
        name: key in the logs.
        dtype: dtype of the result.

    >>> float(Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
    0.75
    """

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(_equal, name, dtype)


@registry.register("metric")
class BinaryAccuracy(MeanMetricWrapper):
    """Share of predictions on the right side of a threshold.

    Weights may be given for each row or for each element.

    Args:
        name: key in the logs.
        dtype: dtype of the result.
        threshold: what a prediction must exceed to count as 1.

    Raises:
        ValueError: the threshold is no number.

    >>> float(BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]]))
    0.75
    """

    def __init__(
        self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(_past_threshold, name, dtype, threshold=threshold)
        self.threshold = checks.number(threshold, "threshold", self._who)


@registry.register("metric")
class CategoricalAccuracy(MeanMetricWrapper):
    """Mean of `categorical_accuracy`.

    Args:
        name: key in the logs.
        dtype: dtype of the result.

    >>> float(CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


@registry.register("metric")
class SparseCategoricalAccuracy(MeanMetricWrapper):
    """Mean of `sparse_categorical_accuracy`.

    Args:
        name: key in the logs.
        dtype: dtype of the result.

    >>> float(SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


@registry.register("metric")
class TopKCategoricalAccuracy(MeanMetricWrapper):
    """Mean of `top_k_categorical_accuracy`.

    Args:
        k: how many of the largest predictions count as right.
        name: key in the logs.
        dtype: dtype of the result.

    >>> float(TopKCategoricalAccuracy(k=1)([[0, 1, 0]], [[0.1, 0.8, 0.1]]))
    1.0
    """

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = checks.positive(k, "k", self._who)


@registry.register("metric")
class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """Mean of `sparse_top_k_categorical_accuracy`.

    Args:
        k: how many of the largest predictions count as right.
        name: key in the logs.
        dtype: dtype of the result.
        from_sorted_ids: whether predictions are indices of classes, the best first.

    >>> float(SparseTopKCategoricalAccuracy(k=1)([1], [[0.1, 0.8, 0.1]]))
    1.0
    """

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids
        )
        self.k = checks.positive(k, "k", self._who)
        self.from_sorted_ids = from_sorted_ids
