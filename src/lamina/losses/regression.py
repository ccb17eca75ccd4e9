"""Losses of numbers: errors, counts, directions, margins.

Each takes targets and outputs of one shape (a last axis of size 1 may lack on one side) and
reduces the last axis: ``(rows, ..., units)`` to ``(rows, ...)``. Other shapes raise
`ValueError`: nothing is broadcast. The result is float32, or float64 for such outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina import config
from lamina.losses.checks import aligned, checked_axis, loss_function
from lamina.losses.ranges import check_not_negative
from lamina.ops import losses as ops

if TYPE_CHECKING:
    from lamina.typing import Array


@loss_function("mse", "MSE")
def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """``mean((p - t)**2)``.

    >>> mean_squared_error([[0.0, 1.0]], [[1.0, 3.0]])
    Array([2.5], dtype=float32)
    """
    return ops.squared_error(*aligned("mean_squared_error", y_true, y_pred))


@loss_function("mae", "MAE")
def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """``mean(|p - t|)``.

    >>> mean_absolute_error([[0.0, 1.0]], [[1.0, 3.0]])
    Array([1.5], dtype=float32)
    """
    return ops.absolute_error(*aligned("mean_absolute_error", y_true, y_pred))


@loss_function("mape", "MAPE")
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Array:
    """``100 * mean(|p - t| / max(|t|, epsilon))``.

    >>> mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 3.0]])
    Array([37.5], dtype=float32)
    """
    pair = aligned("mean_absolute_percentage_error", y_true, y_pred)
    return ops.percentage_error(*pair, config.epsilon())


@loss_function("msle", "MSLE")
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Array:
    """``mean((log(1 + p) - log(1 + t))**2)``, negative numbers counting as `epsilon`.

    >>> print(f"{mean_squared_logarithmic_error([[0.0]], [[1.0]])[0]:.4f}")
    0.4805
    """
    pair = aligned("mean_squared_logarithmic_error", y_true, y_pred)
    return ops.squared_logarithmic_error(*pair, config.epsilon())


@loss_function("cosine", "cosine_proximity")
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Cosine of the angle between target and output, negated: -1 for the same direction.

    Args:
        y_true: directions.
        y_pred: directions.
        axis: axis along which the vectors lie, which is reduced.

    >>> cosine_similarity([[0.0, 2.0]], [[0.0, 5.0]])
    Array([-1.], dtype=float32)
    """
    targets, outputs = aligned("cosine_similarity", y_true, y_pred)
    axis = checked_axis("cosine_similarity", axis, outputs.ndim)
    return ops.cosine_similarity(targets, outputs, axis)


@loss_function("huber_loss")
def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Array:
    """Mean of ``d**2 / 2`` for ``|d| <= delta``, else of ``delta * |d| - delta**2 / 2``.

    Args:
        y_true: targets.
        y_pred: outputs.
        delta: where the parabola goes over into a line.

    >>> huber([[0.0, 0.0]], [[1.0, 3.0]])
    Array([1.5], dtype=float32)
    """
    return ops.huber(*aligned("huber", y_true, y_pred), delta)


@loss_function("logcosh")
def log_cosh(y_true: Any, y_pred: Any) -> Array:
    """``mean(log(cosh(p - t)))``: nearly ``d**2 / 2`` near 0, ``|d| - log 2`` far away.

    >>> print(log_cosh([[0.0]], [[100.0]]).round(2))
    [99.31]
    """
    return ops.log_cosh(*aligned("log_cosh", y_true, y_pred))


@loss_function()
def poisson(y_true: Any, y_pred: Any) -> Array:
    """``mean(p - t * log(p + epsilon))``: counts `y_true` whose expectation is `y_pred`.

    Raises:
        ValueError: a number is negative. In a training step the run says so at its end.

    >>> print(poisson([[3.0]], [[1.0]]).round(4))
    [1.]
    """
    targets, outputs = aligned("poisson", y_true, y_pred)
    way_out = "counts are never negative. For other numbers use mse."
    check_not_negative("poisson", "y_true", targets, 0.0, way_out)
    way_out = "expected counts are positive. End the model in activation='softplus'."
    check_not_negative("poisson", "y_pred", outputs, -config.epsilon(), way_out)
    return ops.poisson(targets, outputs, config.epsilon())


@loss_function()
def hinge(y_true: Any, y_pred: Any) -> Array:
    """``mean(max(1 - t * p, 0))`` with targets -1 and 1.

    Where all targets of the call are 0 or 1 they are taken for -1 and 1.

    >>> hinge([[-1.0, 1.0]], [[0.5, 0.5]])
    Array([1.], dtype=float32)
    """
    return ops.hinge(*aligned("hinge", y_true, y_pred))


@loss_function()
def squared_hinge(y_true: Any, y_pred: Any) -> Array:
    """``mean(max(1 - t * p, 0)**2)`` with targets as in `hinge`.

    >>> squared_hinge([[-1.0, 1.0]], [[0.5, 0.5]])
    Array([1.25], dtype=float32)
    """
    return ops.squared_hinge(*aligned("squared_hinge", y_true, y_pred))


@loss_function()
def categorical_hinge(y_true: Any, y_pred: Any) -> Array:
    """``max(0, max((1 - t) * p) - sum(t * p) + 1)`` with one-hot targets.

    >>> categorical_hinge([[0, 1, 0]], [[0.25, 1.0, 0.5]])
    Array([0.5], dtype=float32)
    """
    return ops.categorical_hinge(*aligned("categorical_hinge", y_true, y_pred))
