"""Schedule-free AdamW: an average of the weights in place of a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import registry
from lamina.optimizers import checks
from lamina.optimizers.adam import moving, power
from lamina.optimizers.adaptive import small_number
from lamina.optimizers.base import DecayOptions, Optimizer
from lamina.optimizers.rule import Moment, per_variable, zeros

if TYPE_CHECKING:
    import optax


@registry.register("optimizer")
class ScheduleFreeAdamW(Optimizer):
    """Take gradients between the newest weights and their mean over all steps.

    From Defazio et al., "The Road Less Scheduled" (2024). The variables hold the point at which
    gradients are taken; the slot ``momentum`` holds the newest weights.

    Args:
        learning_rate: see `Optimizer`.
        beta_1: how near to the mean gradients are taken, above 0 and at most 1.
        beta_2: how much of the average of squared gradients is kept.
        epsilon: added to the divisor; ``None`` for that of ``keras.json``.
        warmup_steps: number of updates over which the rate rises from 0.
        **options: see `Optimizer`.

    >>> ScheduleFreeAdamW(warmup_steps=100).warmup_steps
    100
    """

    slots = (("momentum", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-8,
        warmup_steps: int = 0,
        **options: Unpack[DecayOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = checks.fraction(self, "beta_1", beta_1)
        if not self.beta_1:
            raise checks.wrong(self, "beta_1", "above 0", beta_1)
        self.beta_2 = checks.below_one(self, "beta_2", beta_2)
        self.epsilon = small_number(self, epsilon)
        self.warmup_steps = checks.count(self, "warmup_steps", warmup_steps, 0)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        def copy(value: Any, index: int) -> Any:
            del index
            return jnp.array(value, copy=True)

        return per_variable(self._rule, [copy, zeros])

    def _rule(
        self, gradient: Any, value: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        newest, velocity = slots
        rate = moment.rate
        if self.warmup_steps:
            rate = rate * jnp.minimum(moment.time / self.warmup_steps, 1.0).astype(rate.dtype)
        grown = (1.0 - power(self.beta_2, moment.time)).astype(value.dtype)
        velocity = moving(velocity, jnp.square(gradient), self.beta_2)
        stepped = newest - rate * gradient / (jnp.sqrt(velocity / grown) + self.epsilon)
        mean = (value - (1.0 - self.beta_1) * newest) / self.beta_1
        share = (1.0 / moment.time).astype(value.dtype)
        mean = (1.0 - share) * mean + share * stepped
        return (1.0 - self.beta_1) * stepped + self.beta_1 * mean - value, (stepped, velocity)
