"""What `compile` takes as `loss`: functions of rows, classes around them, and names.

A function gives what each row loses; a class adds weights and a reduction to one number.
The names of Keras 1, 2 and 3 all resolve (``mse``, ``MSE``, ``kld``, ``cosine_proximity``,
``logcosh``, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina import registry
from lamina.losses.base import Loss, LossFunctionWrapper, Reduction
from lamina.losses.classification import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from lamina.losses.classification_classes import (
    CTC,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    Circle,
    Dice,
    KLDivergence,
    SparseCategoricalCrossentropy,
    Tversky,
)
from lamina.losses.regression import (
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    squared_hinge,
)
from lamina.losses.regression_classes import (
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SquaredHinge,
)
from lamina.losses.structured import circle, ctc, dice, tversky

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
bce = BCE = binary_crossentropy
kld = KLD = kullback_leibler_divergence = kl_divergence
cosine = cosine_proximity = cosine_similarity
logcosh = log_cosh
huber_loss = huber

_CLASSES = (
    MeanSquaredError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    LogCosh,
    Poisson,
    Hinge,
    SquaredHinge,
    CategoricalHinge,
    Huber,
    CosineSimilarity,
    KLDivergence,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    SparseCategoricalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    Dice,
    Tversky,
    Circle,
    CTC,
)
_OF_FUNCTION: dict[Any, Any] = {kind().fn: kind for kind in _CLASSES}


def get(identifier: Any) -> Any:
    """What a name, a config, a class or an object stands for.

    Args:
        identifier: name of a function or class, ``{"class_name": ..., "config": ...}``, a
            function ``(y_true, y_pred)``, a `Loss`, its class, or ``None``.

    Raises:
        ValueError: an unknown name; the message has the nearest ones.
        TypeError: something that is none of these.

    >>> get("mse").__name__, get("Huber").delta
    ('mean_squared_error', 1.0)
    """
    return None if identifier is None else registry.resolve("loss", identifier)


def as_loss(identifier: Any, name: str | None = None) -> Loss:
    """The `Loss` that a name, function or object stands for, with its default arguments.

    Args:
        identifier: as for `get`, but not ``None``.
        name: name in logs; by default that of the function or object.

    >>> as_loss("mse")
    MeanSquaredError(reduction='sum_over_batch_size', name='mean_squared_error')
    """
    found = get(identifier)
    if isinstance(found, Loss):
        return found
    if found in _OF_FUNCTION:
        return _OF_FUNCTION[found](name=name) if name else _OF_FUNCTION[found]()
    return LossFunctionWrapper(found, name=name)


def serialize(loss: Any) -> Any:
    """The config of a loss: its name if it is a function, else its class and arguments.

    >>> serialize(Huber(delta=2.0))["config"]["delta"]
    2.0
    """
    return registry.serialize(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Make the loss that `serialize` described.

    Args:
        name: name or config.
        custom_objects: further names.

    >>> deserialize(serialize(Huber(delta=2.0))).delta
    2.0
    """
    return registry.deserialize("loss", name, custom_objects)


__all__ = [
    "BCE",
    "CTC",
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Reduction",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "as_loss",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine",
    "cosine_proximity",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "huber_loss",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
