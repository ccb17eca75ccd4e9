"""The losses of numbers as classes: a function of rows, its arguments and a reduction.

`reduction`, `name` and `dtype` are told at `Loss`, the other arguments at the functions.
"""

from __future__ import annotations

from typing import Any

from lamina import registry
from lamina.losses import regression
from lamina.losses.base import MEAN, LossFunctionWrapper


@registry.register("loss")
class MeanSquaredError(LossFunctionWrapper):
    """`mean_squared_error` as a `Loss`.

    >>> MeanSquaredError()([[0.0], [1.0]], [[1.0], [3.0]])
    Array(2.5, dtype=float32)
    """

    def __init__(
        self, reduction: str | None = MEAN, name: str = "mean_squared_error", dtype: Any = None
    ) -> None:
        super().__init__(regression.mean_squared_error, reduction, name, dtype)


@registry.register("loss")
class MeanAbsoluteError(LossFunctionWrapper):
    """`mean_absolute_error` as a `Loss`.

    >>> MeanAbsoluteError()([[0.0], [1.0]], [[1.0], [3.0]])
    Array(1.5, dtype=float32)
    """

    def __init__(
        self, reduction: str | None = MEAN, name: str = "mean_absolute_error", dtype: Any = None
    ) -> None:
        super().__init__(regression.mean_absolute_error, reduction, name, dtype)


@registry.register("loss")
class MeanAbsolutePercentageError(LossFunctionWrapper):
    """`mean_absolute_percentage_error` as a `Loss`.

    >>> MeanAbsolutePercentageError()([[2.0], [4.0]], [[1.0], [3.0]])
    Array(37.5, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = MEAN,
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(regression.mean_absolute_percentage_error, reduction, name, dtype)


@registry.register("loss")
class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """`mean_squared_logarithmic_error` as a `Loss`.

    >>> MeanSquaredLogarithmicError()([[3.0], [1.0]], [[3.0], [1.0]])
    Array(0., dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = MEAN,
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(regression.mean_squared_logarithmic_error, reduction, name, dtype)


@registry.register("loss")
class LogCosh(LossFunctionWrapper):
    """`log_cosh` as a `Loss`.

    >>> LogCosh()([[1.0], [2.0]], [[1.0], [2.0]])
    Array(0., dtype=float32)
    """

    def __init__(
        self, reduction: str | None = MEAN, name: str = "log_cosh", dtype: Any = None
    ) -> None:
        super().__init__(regression.log_cosh, reduction, name, dtype)


@registry.register("loss")
class Poisson(LossFunctionWrapper):
    """`poisson` as a `Loss`.

    >>> Poisson()([[0.0], [0.0]], [[1.0], [2.0]])
    Array(1.5, dtype=float32)
    """

    def __init__(
        self, reduction: str | None = MEAN, name: str = "poisson", dtype: Any = None
    ) -> None:
        super().__init__(regression.poisson, reduction, name, dtype)


@registry.register("loss")
class Hinge(LossFunctionWrapper):
    """`hinge` as a `Loss`.

    >>> Hinge()([[-1.0, 1.0]], [[0.5, 0.5]])
    Array(1., dtype=float32)
    """

    def __init__(
        self, reduction: str | None = MEAN, name: str = "hinge", dtype: Any = None
    ) -> None:
        super().__init__(regression.hinge, reduction, name, dtype)


@registry.register("loss")
class SquaredHinge(LossFunctionWrapper):
    """`squared_hinge` as a `Loss`.

    >>> SquaredHinge()([[-1.0, 1.0]], [[0.5, 0.5]])
    Array(1.25, dtype=float32)
    """

    def __init__(
        self, reduction: str | None = MEAN, name: str = "squared_hinge", dtype: Any = None
    ) -> None:
        super().__init__(regression.squared_hinge, reduction, name, dtype)


@registry.register("loss")
class CategoricalHinge(LossFunctionWrapper):
    """`categorical_hinge` as a `Loss`.

    >>> CategoricalHinge()([[0, 1, 0]], [[0.25, 1.0, 0.5]])
    Array(0.5, dtype=float32)
    """

    def __init__(
        self, reduction: str | None = MEAN, name: str = "categorical_hinge", dtype: Any = None
    ) -> None:
        super().__init__(regression.categorical_hinge, reduction, name, dtype)


@registry.register("loss")
class Huber(LossFunctionWrapper):
    """`huber` as a `Loss`.

    >>> Huber()([[0.0, 0.0]], [[1.0, 3.0]])
    Array(1.5, dtype=float32)
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = MEAN,
        name: str = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            regression.huber,
            reduction,
            name,
            dtype,
            delta=delta,
        )


@registry.register("loss")
class CosineSimilarity(LossFunctionWrapper):
    """`cosine_similarity` as a `Loss`.

    >>> CosineSimilarity()([[0.0, 2.0]], [[0.0, 5.0]])
    Array(-1., dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = MEAN,
        name: str = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            regression.cosine_similarity,
            reduction,
            name,
            dtype,
            axis=axis,
        )
