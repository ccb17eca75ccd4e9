"""Intersection over union: how well segments match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina import registry
from lamina.metrics import arrays, checks
from lamina.metrics.base import Metric

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("metric")
class IoU(Metric):
    """Mean intersection over union of some classes.

    For each class, ``true positives / (true positives + false positives + false negatives)``.
    Classes that neither target nor prediction ever names do not count. Weights are kept as they
    are, also where `dtype` is an int as in files of Keras 3.

    Args:
        num_classes: number of classes; labels are ints below it.
        target_class_ids: the classes to average over.
        name: key in the logs.
        dtype: dtype of the result.
        ignore_class: a label of targets whose elements are left out.
        sparse_y_true: whether targets are labels; else their largest entry along `axis` is.
        sparse_y_pred: the same for predictions.
        axis: axis of the classes.

    Raises:
        ValueError: an argument out of its range, shapes that differ, or a label that is neither a
            class nor ignored.

    >>> iou = IoU(num_classes=2, target_class_ids=[0])
    >>> round(float(iou([0, 0, 1, 1], [0, 1, 0, 1])), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.num_classes = checks.positive(num_classes, "num_classes", self._who)
        self.target_class_ids = [
            checks.positive(chosen, "target_class_ids", self._who, least=0)
            for chosen in target_class_ids
        ]
        if not self.target_class_ids or max(self.target_class_ids) >= num_classes:
            raise ValueError(
                f"{self._who}: target_class_ids must be ints below num_classes={num_classes}, "
                f"got {target_class_ids!r}."
            )
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        self.total_cm = self.add_sum("total_confusion_matrix", (num_classes, num_classes))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        targets = self._labels(y_true, self.sparse_y_true)
        predictions = self._labels(y_pred, self.sparse_y_pred)
        targets, predictions = arrays.paired(targets, predictions, self._who)
        weights = None
        if sample_weight is not None:
            weights = arrays.weights_like(
                sample_weight, targets.shape, self._state_dtype, self._who
            )
        counted = self._counted(targets, predictions, weights).ravel()
        values = counted.astype(jnp.int32)
        if weights is not None:
            values = arrays.weighted(counted, weights.ravel())
        place = (targets * self.num_classes + predictions).ravel()
        cells = self.num_classes**2
        # Elements that do not count go to a cell of their own, which is then cut off.
        sums = jax.ops.segment_sum(values, jnp.where(counted, place, cells), cells + 1)[:-1]
        self.accumulate(self.total_cm, sums.reshape(self.total_cm.shape))

    def _labels(self, values: Any, sparse: bool) -> Array:
        array = arrays.as_array(values)
        if not sparse:
            return jnp.argmax(array, axis=self.axis).astype(jnp.int32)
        whole = array.astype(jnp.int32)
        if not jnp.issubdtype(array.dtype, jnp.floating):
            return whole
        # A label of 1.5 names no class, and -1 is none either.
        return jnp.where(whole.astype(array.dtype) == array, whole, -1)

    def _counted(self, targets: Array, predictions: Array, weights: Array | None) -> Array:
        counted = jnp.ones(targets.shape, jnp.bool_) if weights is None else weights != 0
        if self.ignore_class is not None:
            counted &= targets != self.ignore_class
        counted &= self._in_range(targets, "y_true", counted)
        return counted & self._in_range(predictions, "y_pred", counted)

    def _in_range(self, labels: Array, argument: str, counted: Array) -> Array:
        inside = (labels >= 0) & (labels < self.num_classes)
        who, last = self._who, self.num_classes - 1
        arrays.report(
            ~inside & counted,
            labels,
            lambda row, value: (
                f"{who}: labels of {argument} must be from 0 to {last}, got {value:g} in row {row}."
            ),
        )
        return inside

    def result(self) -> Array:
        matrix = self.total_cm.value
        both = jnp.diagonal(matrix)
        either = jnp.sum(matrix, axis=0) + jnp.sum(matrix, axis=1) - both
        chosen = jnp.array(self.target_class_ids, jnp.int32)
        both, either = both[chosen], either[chosen]
        named = jnp.sum(either != 0).astype(both.dtype)
        return self._finished(arrays.quotient(jnp.sum(arrays.quotient(both, either)), named))


@registry.register("metric")
class BinaryIoU(IoU):
    """`IoU` of zeros and ones, where predictions of at least a threshold count as ones.

    Args:
        target_class_ids: the classes to average over.
        threshold: what a prediction must reach to count as 1.
        name: key in the logs.
        dtype: dtype of the result.

    >>> iou = BinaryIoU(threshold=0.3)
    >>> round(float(iou([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])), 4)
    0.3333
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = checks.number(threshold, "threshold", self._who)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        predictions = arrays.as_floats(y_pred) >= self.threshold
        super().update_state(y_true, predictions.astype(jnp.int32), sample_weight)


@registry.register("metric")
class MeanIoU(IoU):
    """`IoU` of all classes; arguments as there.

    >>> round(float(MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1])), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        checks.positive(num_classes, "num_classes", type(self).__name__)
        super().__init__(
            num_classes,
            range(num_classes),
            name,
            dtype,
            ignore_class,
            sparse_y_true,
            sparse_y_pred,
            axis,
        )


@registry.register("metric")
class OneHotIoU(IoU):
    """`IoU` of one-hot targets, and of predictions whose largest entry is the class.

    >>> y_true = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    >>> y_pred = [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7], [0.5, 0.3, 0.1], [0.1, 0.4, 0.5]]
    >>> iou = OneHotIoU(num_classes=3, target_class_ids=[0, 2])
    >>> round(float(iou(y_true, y_pred)), 4)
    0.1667
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis
        )


@registry.register("metric")
class OneHotMeanIoU(MeanIoU):
    """`OneHotIoU` of all classes; arguments as there.

    >>> y_true = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]
    >>> y_pred = [[0.2, 0.3, 0.5], [0.1, 0.2, 0.7], [0.5, 0.3, 0.1], [0.1, 0.4, 0.5]]
    >>> round(float(OneHotMeanIoU(num_classes=3)(y_true, y_pred)), 4)
    0.1111
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
