"""Means of cross-entropies, divergences and hinges: losses that are watched as metrics."""

from __future__ import annotations

from typing import Any

from lamina import losses, registry
from lamina.metrics.reduction import MeanMetricWrapper, elementwise

for _function, _names in (
    (losses.binary_crossentropy, ("bce", "BCE")),
    (losses.binary_focal_crossentropy, ()),
    (losses.poisson, ()),
    (losses.hinge, ()),
    (losses.squared_hinge, ()),
):
    registry.register("metric", *_names)(elementwise(_function))

for _function, _names in (
    (losses.categorical_crossentropy, ()),
    (losses.categorical_focal_crossentropy, ()),
    (losses.sparse_categorical_crossentropy, ()),
    (losses.categorical_hinge, ()),
    (losses.kl_divergence, ("kullback_leibler_divergence", "kld", "KLD")),
):
    registry.register("metric", *_names)(_function)


@registry.register("metric")
class BinaryCrossentropy(MeanMetricWrapper):
    """Mean cross-entropy of zeros and ones.

    Args:
        name: key in the logs.
        dtype: dtype of the result.
        from_logits: whether a sigmoid is applied to the predictions.
        label_smoothing: how far targets are moved towards 0.5, from 0 to 1.

    >>> round(float(BinaryCrossentropy()([[0, 1], [0, 0]], [[0.6, 0.4], [0.4, 0.6]])), 4)
    0.8149
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


@registry.register("metric")
class CategoricalCrossentropy(MeanMetricWrapper):
    """Mean cross-entropy of one-hot targets.

    Args:
        name: key in the logs.
        dtype: dtype of the result.
        from_logits: whether a softmax is applied to the predictions.
        label_smoothing: how far targets are moved towards equal shares, from 0 to 1.
        axis: axis of the classes.

    >>> metric = CategoricalCrossentropy()
    >>> round(float(metric([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]])), 4)
    1.1769
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


@registry.register("metric")
class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Mean cross-entropy of targets that are indices of classes.

    Args:
        name: key in the logs.
        dtype: dtype of the result.
        from_logits: whether a softmax is applied to the predictions.
        ignore_class: label of elements whose cross-entropy counts as 0.
        axis: axis of the classes.

    >>> metric = SparseCategoricalCrossentropy()
    >>> round(float(metric([1, 2], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]])), 4)
    1.1769
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis


@registry.register("metric")
class KLDivergence(MeanMetricWrapper):
    """Mean Kullback-Leibler divergence of the predictions from the targets.

    Args:
        name: key in the logs.
        dtype: dtype of the result.

    >>> round(float(KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 4)
    0.1438
    """

    def __init__(self, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


@registry.register("metric")
class Poisson(MeanMetricWrapper):
    """Mean of ``prediction - target * log(prediction)``; arguments as in `KLDivergence`.

    >>> round(float(Poisson()([[0, 1], [0, 0]], [[1, 1], [0.5, 0.5]])), 4)
    0.75
    """

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(losses.poisson, name, dtype)


@registry.register("metric")
class Hinge(MeanMetricWrapper):
    """Mean of ``max(1 - target * prediction, 0)``; arguments as in `KLDivergence`.

    >>> round(float(Hinge()([[-1, 1]], [[0.5, 0.25]])), 4)
    1.125
    """

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(losses.hinge, name, dtype)


@registry.register("metric")
class SquaredHinge(MeanMetricWrapper):
    """Mean of ``max(1 - target * prediction, 0)**2``; arguments as in `KLDivergence`.

    >>> float(SquaredHinge()([[-1, 1]], [[0.0, 0.5]]))
    0.625
    """

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


@registry.register("metric")
class CategoricalHinge(MeanMetricWrapper):
    """Mean of how little the right class leads the best wrong one, up to 1.

    Arguments as in `KLDivergence`.

    >>> round(float(CategoricalHinge()([[0, 1, 0]], [[0.25, 0.75, 0.0]])), 4)
    0.5
    """

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)
