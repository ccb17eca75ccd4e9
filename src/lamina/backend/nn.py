"""Activations, dropout, normalization and cross-entropies of ``K``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina import config
from lamina.backend.checks import check_index
from lamina.backend.create import draw_key, own_seed
from lamina.backend.old_names import normalize_data_format
from lamina.core.dispatch import dispatch
from lamina.ops import arithmetic, elementwise, linear, losses, norm
from lamina.ops import random as draws


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Rectify; see `lamina.activations.relu`.

    >>> relu(jnp.array([-2.0, 9.0]), alpha=0.5, max_value=6.0)
    Array([-1.,  6.], dtype=float32)
    """
    return dispatch(elementwise.relu, x, alpha, max_value, threshold)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Keep positive values; ``alpha * (exp(x) - 1)`` for others. Clevert et al. (2016).

    >>> elu(jnp.array([0.0, 2.0]))
    Array([0., 2.], dtype=float32)
    """
    return dispatch(elementwise.elu, x, alpha)


def softmax(x: Any, axis: int = -1) -> Any:
    """``exp(x)`` divided by its sum along an axis.

    >>> softmax(jnp.array([1.0, 1.0]))
    Array([0.5, 0.5], dtype=float32)
    """
    return dispatch(elementwise.softmax, x, axis)


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``.

    >>> softplus(jnp.array([100.0]))
    Array([100.], dtype=float32)
    """
    return dispatch(elementwise.softplus, x)


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``.

    >>> softsign(jnp.array([3.0]))
    Array([0.75], dtype=float32)
    """
    return dispatch(elementwise.softsign, x)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``.

    >>> sigmoid(jnp.array([0.0]))
    Array([0.5], dtype=float32)
    """
    return dispatch(elementwise.sigmoid, x)


def hard_sigmoid(x: Any) -> Any:
    """``0.2 * x + 0.5``, cut off at 0 and 1.

    >>> hard_sigmoid(jnp.array([-3.0, 1.0]))
    Array([0. , 0.7], dtype=float32)
    """
    return dispatch(elementwise.hard_sigmoid, x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent.

    >>> tanh(jnp.array([0.0]))
    Array([0.], dtype=float32)
    """
    return dispatch(elementwise.tanh, x)


def _dropout(x: Any, level: float, noise_shape: Any, seed: int | None) -> Any:
    return draws.dropout(x, level, draw_key(seed), noise_shape)


def dropout(
    x: Any, level: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None
) -> Any:
    """Set a random part of the values to 0 and divide the others by ``1 - level``.

    It drops whenever it is called: in training only is what ``K.in_train_phase`` is for.

    Args:
        x: values.
        level: probability of a value to be dropped, from 0 to 1.
        noise_shape: 1 on axes along which values are dropped together.
        seed: seed of the draw.

    Raises:
        ValueError: the level or the noise shape does not fit.

    >>> dropout(jnp.ones((2, 3)), 0.0).sum()
    Array(6., dtype=float32)
    """
    return dispatch(_dropout, x, level, noise_shape, own_seed(seed))


def l2_normalize(x: Any, axis: int | Sequence[int] | None = None) -> Any:
    """Divide by the root of the sum of squares along an axis.

    >>> l2_normalize(jnp.array([3.0, 4.0]))
    Array([0.6, 0.8], dtype=float32)
    """
    return dispatch(norm.l2_normalize, x, axis)


def _in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    predictions, targets = jnp.asarray(predictions), jnp.asarray(targets)
    check_index("K.in_top_k", targets, predictions.shape[-1])
    own = jnp.take_along_axis(predictions, targets[:, None].astype(jnp.int32), -1)
    larger = jnp.sum(predictions > jnp.broadcast_to(own, predictions.shape), -1)
    return (larger < k) & jnp.all(jnp.isfinite(predictions), -1)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Whether each target is among the k classes with the largest predictions.

    Classes that tie at the limit all count as inside; a row that is not finite has none.

    Args:
        predictions: floats of shape ``(batch, classes)``.
        targets: ints of shape ``(batch,)``.
        k: number of classes.

    >>> in_top_k(jnp.array([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4]]), jnp.array([0, 1]), 2)
    Array([False,  True], dtype=bool)
    """
    return dispatch(_in_top_k, predictions, targets, k)


def _bias_add(x: Any, bias: Any, channel_axis: int) -> Any:
    x, bias = arithmetic.same_dtype(x, bias)
    return linear.bias_add(x, bias, channel_axis)


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Any:
    """Add a bias to the channels.

    Args:
        x: tensor of any rank; the channels are the last axis if it is a matrix.
        bias: of rank 1, or of the rank of a sample, channels last.
        data_format: where the channels are.

    Raises:
        ValueError: the bias does not fit.

    >>> bias_add(jnp.zeros((1, 2, 3)), jnp.array([1.0, 2.0, 3.0]))[0, 0]
    Array([1., 2., 3.], dtype=float32)
    """
    first = normalize_data_format(data_format) == "channels_first" and len(x.shape) > 2
    return dispatch(_bias_add, x, bias, 1 if first else -1)


def _batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int, epsilon: float
) -> Any:
    x = jnp.asarray(x)

    def placed(values: Any) -> Any:
        values = jnp.asarray(values)
        if values.ndim == 1 and values.size == x.shape[axis]:
            around = [1] * x.ndim
            around[axis] = values.size
            return values.reshape(around).astype(x.dtype)
        return values.reshape((1,) * (x.ndim - values.ndim) + values.shape).astype(x.dtype)

    result = (x - placed(mean)) * jax.lax.rsqrt(placed(var) + epsilon)
    if gamma is not None:
        result = result * placed(gamma)
    return result if beta is None else result + placed(beta)


def batch_normalization(
    x: Any, mean: Any, var: Any, beta: Any, gamma: Any, axis: int = -1, epsilon: float = 1e-3
) -> Any:
    """``(x - mean) * gamma / sqrt(var + epsilon) + beta``. Ioffe and Szegedy (2015).

    Args:
        x: values.
        mean: mean for each place along `axis`, or of a shape that broadcasts.
        var: variance, likewise.
        beta: offset, likewise, or None.
        gamma: factor, likewise, or None.
        axis: axis that tensors of rank 1 lie along.
        epsilon: added to the variance.

    >>> batch_normalization(jnp.array([[3.0]]), jnp.ones(1), jnp.ones(1), None, None, epsilon=0.0)
    Array([[2.]], dtype=float32)
    """
    return dispatch(_batch_normalization, x, mean, var, beta, gamma, axis, epsilon)


def _normalize_batch(x: Any, gamma: Any, beta: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    mean, variance = norm.batch_moments(x, axes)
    kept = tuple(axis for axis in range(jnp.ndim(x)) if axis not in axes)
    gamma, beta = (None if p is None else jnp.reshape(p, mean.shape) for p in (gamma, beta))
    normed = norm.batch_norm(x, mean, variance, beta, gamma, axis=kept, epsilon=epsilon)
    return normed, mean, variance


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Sequence[int], epsilon: float = 1e-3
) -> Any:
    """Normalize with the mean and the variance of the batch itself.

    Args:
        x: values.
        gamma: factor for each place of the axes that stay, or None.
        beta: offset, likewise, or None.
        reduction_axes: axes that are averaged away.
        epsilon: added to the variance.

    Returns:
        The normalized tensor, the mean, and the (biased) variance.

    >>> normed, mean, var = normalize_batch_in_training(
    ...     jnp.array([[1.0], [3.0]]), None, None, [0], epsilon=0.0)
    >>> normed.ravel(), mean, var
    (Array([-1.,  1.], dtype=float32), Array([2.], dtype=float32), Array([1.], dtype=float32))
    """
    rank = len(x.shape)
    axes = tuple(sorted(axis % rank for axis in reduction_axes))
    return dispatch(_normalize_batch, x, gamma, beta, axes, epsilon)


def _entropy(function: Callable[..., Any], target: Any, output: Any, *rest: Any) -> Any:
    target, output = arithmetic.same_dtype(target, elementwise.as_float(output))
    if target.shape != output.shape:
        raise ValueError(
            f"K.{function.__name__.replace('entropies', 'entropy')}: target and output must have "
            f"one shape, got {target.shape} and {output.shape}."
        )
    return function(target, output, *rest)


def _checked_axis(who: str, axis: int, output: Any) -> int:
    rank = len(output.shape)
    if not -rank <= axis < rank:
        raise ValueError(f"K.{who}: axis {axis} does not exist in an output of rank {rank}.")
    return axis


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Sum of ``-t * log(p)`` along an axis.

    Args:
        target: probabilities of the classes.
        output: predicted ones, which are divided by their sum; or logits.
        from_logits: whether `output` holds logits.
        axis: axis of the classes.

    Raises:
        ValueError: the shapes differ, or the axis does not exist.

    >>> categorical_crossentropy(jnp.array([[0.0, 1.0]]), jnp.array([[0.5, 0.5]])).round(4)
    Array([0.6931], dtype=float32)
    """
    axis = _checked_axis("categorical_crossentropy", axis, output)
    epsilon = None if from_logits else config.epsilon()
    return dispatch(_entropy, losses.categorical_crossentropy, target, output, axis, epsilon)


def _sparse_entropy(target: Any, output: Any, axis: int, epsilon: float | None) -> Any:
    target, output = jnp.asarray(target), elementwise.as_float(output)
    labels = target.astype(jnp.int32)
    rows = list(output.shape)
    del rows[axis]
    if labels.ndim == output.ndim and labels.shape[axis] == 1:
        labels = jnp.squeeze(labels, axis)
    if labels.size == _count(rows):
        labels = labels.reshape(rows)
    if list(labels.shape) != rows:
        raise ValueError(
            f"K.sparse_categorical_crossentropy: labels of shape {target.shape} do not fit an "
            f"output of shape {output.shape} with the classes on axis {axis}."
        )
    check_index("K.sparse_categorical_crossentropy", labels, output.shape[axis])
    return losses.sparse_categorical_crossentropy(labels, output, axis, epsilon)


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Any:
    """Cross-entropy with labels: ``-log`` of the probability of the right class.

    Args:
        target: labels: the shape of `output` without `axis`, or with size 1 there.
        output: predicted probabilities, or logits.
        from_logits: whether `output` holds logits.
        axis: axis of the classes.

    Raises:
        ValueError: the shapes do not fit, the axis does not exist, or a label is out of range.

    >>> sparse_categorical_crossentropy(jnp.array([1]), jnp.array([[0.5, 0.5]])).round(4)
    Array([0.6931], dtype=float32)
    """
    axis = _checked_axis("sparse_categorical_crossentropy", axis, output)
    epsilon = None if from_logits else config.epsilon()
    return dispatch(_sparse_entropy, target, output, axis, epsilon)


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Cross-entropy of each entry with itself and its complement, not reduced.

    Raises:
        ValueError: the shapes differ.

    >>> binary_crossentropy(jnp.array([1.0]), jnp.array([0.5])).round(4)
    Array([0.6931], dtype=float32)
    """
    epsilon = None if from_logits else config.epsilon()
    return dispatch(_entropy, losses.binary_crossentropies, target, output, epsilon)


__all__ = [
    "batch_normalization",
    "bias_add",
    "binary_crossentropy",
    "categorical_crossentropy",
    "dropout",
    "elu",
    "hard_sigmoid",
    "in_top_k",
    "l2_normalize",
    "normalize_batch_in_training",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "softsign",
    "sparse_categorical_crossentropy",
    "tanh",
]
