"""Adafactor: the sizes of a matrix of gradients from its rows and columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import registry
from lamina.optimizers import checks
from lamina.optimizers.base import DecayOptions, Optimizer
from lamina.optimizers.rule import Moment, per_variable

if TYPE_CHECKING:
    import optax


def _row(value: Any, index: int) -> Any:
    del index
    return jnp.zeros(value.shape[:-1], value.dtype) if value.ndim >= 2 else None


def _column(value: Any, index: int) -> Any:
    del index
    shape = (*value.shape[:-2], *value.shape[-1:])
    return jnp.zeros(shape, value.dtype) if value.ndim >= 2 else None


def _whole(value: Any, index: int) -> Any:
    del index
    return jnp.zeros_like(value) if value.ndim < 2 else None


def _root_mean_square(value: Any) -> Any:
    return jnp.sqrt(jnp.mean(jnp.square(value)))


@registry.register("optimizer")
class Adafactor(Optimizer):
    """Scale gradients by sizes that are kept for rows and columns only.

    From Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost"
    (2018). A variable of two or more axes needs memory for its rows and columns, not for all
    of its elements.

    Args:
        learning_rate: see `Optimizer`.
        beta_2_decay: power of the number of the update in ``1 - beta_2``.
        epsilon_1: added to squared gradients.
        epsilon_2: least size of a variable, in units of which it changes.
        clip_threshold: largest root mean square of a change, in the same units.
        relative_step: kept in the config; the rate of update `t` is at most ``1 / sqrt(t)`` in
            either case, as in Keras.
        **options: see `Optimizer`.

    >>> Adafactor(0.01).beta_2_decay
    -0.8
    """

    slots = (("row", "column", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Unpack[DecayOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_2_decay = checks.finite(self, "beta_2_decay", beta_2_decay)
        self.epsilon_1 = checks.not_negative(self, "epsilon_1", epsilon_1)
        self.epsilon_2 = checks.not_negative(self, "epsilon_2", epsilon_2)
        self.clip_threshold = checks.positive(self, "clip_threshold", clip_threshold)
        self.relative_step = bool(relative_step)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        return per_variable(self._rule, [_row, _column, _whole])

    def _rule(
        self, gradient: Any, value: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        forget = (moment.time**self.beta_2_decay).astype(gradient.dtype)
        square = jnp.square(gradient) + self.epsilon_1
        row, column, whole = slots
        if gradient.ndim < 2:
            size = whole = (1.0 - forget) * whole + forget * square
        else:
            row = (1.0 - forget) * row + forget * jnp.mean(square, axis=-1)
            column = (1.0 - forget) * column + forget * jnp.mean(square, axis=-2)
            share = row / jnp.mean(row, axis=-1, keepdims=True)
            size = jnp.expand_dims(share, -1) * jnp.expand_dims(column, -2)
        change = gradient / jnp.sqrt(size)
        change = change / jnp.maximum(1.0, _root_mean_square(change) / self.clip_threshold)
        scale = jnp.maximum(self.epsilon_2, _root_mean_square(value))
        rate = jnp.minimum(moment.rate, (1.0 / jnp.sqrt(moment.time)).astype(value.dtype))
        return -scale * rate * change, (row, column, whole)
