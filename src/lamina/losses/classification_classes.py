"""The losses of probabilities, sets and sequences as classes.

`reduction`, `name` and `dtype` are told at `Loss`, the other arguments at the functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import registry
from lamina.losses import classification, structured
from lamina.losses.base import MEAN, LossFunctionWrapper

if TYPE_CHECKING:
    from lamina.typing import Array


class _LabelLoss(LossFunctionWrapper):
    """A loss whose targets are class indices, which stay as they are."""

    integer_targets = True


@registry.register("loss")
class KLDivergence(LossFunctionWrapper):
    """`kl_divergence` as a `Loss`.

    >>> KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]])
    Array(0., dtype=float32)
    """

    def __init__(
        self, reduction: str | None = MEAN, name: str = "kl_divergence", dtype: Any = None
    ) -> None:
        super().__init__(classification.kl_divergence, reduction, name, dtype)


@registry.register("loss")
class BinaryCrossentropy(LossFunctionWrapper):
    """`binary_crossentropy` as a `Loss`.

    >>> BinaryCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    Array(0.6931, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = MEAN,
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            classification.binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@registry.register("loss")
class BinaryFocalCrossentropy(LossFunctionWrapper):
    """`binary_focal_crossentropy` as a `Loss`.

    >>> BinaryFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    Array(0.1733, dtype=float32)
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = MEAN,
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            classification.binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@registry.register("loss")
class CategoricalCrossentropy(LossFunctionWrapper):
    """`categorical_crossentropy` as a `Loss`.

    >>> CategoricalCrossentropy()([[0, 1, 0]], [[0.25, 0.5, 0.25]]).round(4)
    Array(0.6931, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = MEAN,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            classification.categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@registry.register("loss")
class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """`categorical_focal_crossentropy` as a `Loss`.

    >>> CategoricalFocalCrossentropy()([[0, 1, 0]], [[0.25, 0.5, 0.25]]).round(4)
    Array(0.0433, dtype=float32)
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = MEAN,
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            classification.categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


@registry.register("loss")
class SparseCategoricalCrossentropy(_LabelLoss):
    """`sparse_categorical_crossentropy` as a `Loss`.

    >>> SparseCategoricalCrossentropy()([1], [[0.25, 0.5, 0.25]]).round(4)
    Array(0.6931, dtype=float32)
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = MEAN,
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            classification.sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.ignore_class = ignore_class

    def counted(self, y_true: Any, y_pred: Any, losses: Array) -> Array | None:
        if self.ignore_class is None:
            return None
        return jnp.reshape(jnp.asarray(y_true) != self.ignore_class, losses.shape)


@registry.register("loss")
class CategoricalGeneralizedCrossEntropy(_LabelLoss):
    """`categorical_generalized_cross_entropy` as a `Loss`.

    >>> CategoricalGeneralizedCrossEntropy()([1], [[0.5, 0.25, 0.25]])
    Array(1., dtype=float32)
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = MEAN,
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            classification.categorical_generalized_cross_entropy,
            reduction,
            name,
            dtype,
            q=q,
        )


@registry.register("loss")
class Dice(LossFunctionWrapper):
    """`dice` as a `Loss`.

    >>> Dice()([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    Array(0.5, dtype=float32)
    """

    def __init__(
        self,
        reduction: str | None = MEAN,
        name: str = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            structured.dice,
            reduction,
            name,
            dtype,
            axis=axis,
        )


@registry.register("loss")
class Tversky(LossFunctionWrapper):
    """`tversky` as a `Loss`.

    >>> Tversky()([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    Array(0.5, dtype=float32)
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = MEAN,
        name: str = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            structured.tversky,
            reduction,
            name,
            dtype,
            alpha=alpha,
            beta=beta,
            axis=axis,
        )


@registry.register("loss")
class Circle(_LabelLoss):
    """`circle` as a `Loss`.

    >>> print(Circle(gamma=1.0)([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).round(3))
    0.546
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = MEAN,
        name: str = "circle",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            structured.circle,
            reduction,
            name,
            dtype,
            gamma=gamma,
            margin=margin,
            remove_diagonal=remove_diagonal,
        )

    def counted(self, y_true: Any, y_pred: Any, losses: Array) -> Array | None:
        return losses > 0


@registry.register("loss")
class CTC(_LabelLoss):
    """`ctc` as a `Loss`.

    >>> CTC()([[1, 0]], [[[0.0, 0.0]]]).round(4)
    Array(0.6931, dtype=float32)
    """

    def __init__(self, reduction: str | None = MEAN, name: str = "ctc", dtype: Any = None) -> None:
        super().__init__(structured.ctc, reduction, name, dtype)
