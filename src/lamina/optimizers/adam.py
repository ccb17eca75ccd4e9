"""Rules with averages of the gradient and of its size: Adam and its relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import registry
from lamina.optimizers import checks
from lamina.optimizers.adaptive import small_number
from lamina.optimizers.base import Optimizer, OptimizerOptions
from lamina.optimizers.rule import Moment, per_variable, scale_by_rate, zeros

if TYPE_CHECKING:
    import optax

    from lamina.typing import Config


FEWEST_NUMBERS = 2**14
"""Numbers of all weights together, from which a step of Adam is one pass of the kernels."""


def moving(average: Any, new: Any, keep: float) -> Any:
    """``keep * average + (1 - keep) * new``."""
    return average + (new - average) * (1.0 - keep)


def power(base: float, time: Any) -> Any:
    """``base ** time`` in the dtype of `time`."""
    return jnp.asarray(base, time.dtype) ** time


class AdamFamily(Optimizer):
    """Optimizers with ``beta_1``, ``beta_2`` and ``epsilon``.

    Args:
        learning_rate: see `Optimizer`.
        beta_1: how much of the average of gradients is kept.
        beta_2: how much of the average of their squares is kept.
        epsilon: added to the divisor; ``None`` for that of ``keras.json``.
        decay: divides the rate by ``1 + decay * iterations``.
        **options: see `Optimizer`.
    """

    slots = (("momentum", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        decay: float = 0.0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, decay=decay, **options)
        self.beta_1 = checks.below_one(self, "beta_1", beta_1)
        self.beta_2 = checks.below_one(self, "beta_2", beta_2)
        self.epsilon = small_number(self, epsilon)


@registry.register("optimizer")
class Adam(AdamFamily):
    """Divide an average of gradients by the root of an average of their squares.

    ``m`` and ``v`` are moving averages of ``g`` and ``g ** 2``;
    ``w -= rate * sqrt(1 - beta_2 ** t) / (1 - beta_1 ** t) * m / (sqrt(v) + epsilon)``. From
    Kingma and Ba, "Adam" (2014); `epsilon` is the ``epsilon hat`` of section 2.1.

    Args:
        learning_rate: see `Optimizer`.
        beta_1: how much of the average of gradients is kept.
        beta_2: how much of the average of their squares is kept.
        epsilon: added to the divisor; ``None`` for that of ``keras.json``.
        decay: divides the rate by ``1 + decay * iterations``. A bool at this place is taken
            for `amsgrad`, which Keras 3 has here.
        amsgrad: whether to divide by the largest average so far (Reddi et al., 2018).
        **options: see `Optimizer`.

    >>> float(Adam(lr=0.01).learning_rate)
    0.009999999776482582
    """

    slots = (("momentum", "velocity"), ("velocity_hat",))

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        decay: float = 0.0,
        amsgrad: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        if isinstance(decay, bool):
            decay, amsgrad = 0.0, decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, decay, **options)
        self.amsgrad = bool(amsgrad)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        return per_variable(self._rule, [zeros] * (3 if self.amsgrad else 2))

    def columns(self) -> tuple[str, ...]:
        return ("momentum", "velocity", "velocity_hat")[: 3 if self.amsgrad else 2]

    def _moved(
        self,
        gradients: list[Any],
        slots: Any,
        values: list[Any],
        rate: Any,
        time: Any,
        indices: list[int],
    ) -> tuple[list[Any], Any]:
        """All of them at once where there are kernels, unless a subclass has a rule of its own."""
        own = type(self)._rule is Adam._rule and type(self).transformation is Adam.transformation
        if self.amsgrad or not own or sum(value.size for value in values) < FEWEST_NUMBERS:
            return super()._moved(gradients, slots, values, rate, time, indices)
        # Only here, since a small first fit needs none of it.
        from lamina.ops import native_adam

        if not native_adam.takes(gradients, values, *slots.columns):
            return super()._moved(gradients, slots, values, rate, time, indices)
        moment = Moment(rate.astype(jnp.float32), time.astype(jnp.float32), 0)
        shares = 1.0 - self.beta_1, 1.0 - self.beta_2
        numbers = adam_rate(moment, self.beta_1, self.beta_2), self.epsilon, *shares
        values, *columns = native_adam.adam(gradients, values, *slots.columns, numbers=numbers)
        return values, slots._replace(columns=tuple(columns))

    def _rule(
        self, gradient: Any, value: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        del value
        mean = moving(slots[0], gradient, self.beta_1)
        size = moving(slots[1], jnp.square(gradient), self.beta_2)
        corrected = adam_rate(moment, self.beta_1, self.beta_2)
        if not self.amsgrad:
            return -corrected * mean / (jnp.sqrt(size) + self.epsilon), (mean, size)
        largest = jnp.maximum(slots[2], size)
        return -corrected * mean / (jnp.sqrt(largest) + self.epsilon), (mean, size, largest)


def adam_rate(moment: Moment, beta_1: float, beta_2: float) -> Any:
    """The rate times the corrections for averages that began at 0."""
    grown = jnp.sqrt(1.0 - power(beta_2, moment.time)) / (1.0 - power(beta_1, moment.time))
    return moment.rate * grown.astype(moment.rate.dtype)


@registry.register("optimizer")
class AdamW(Adam):
    """`Adam` with weight decay beside the gradient.

    From Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2017): before each
    update ``w -= rate * weight_decay * w``.

    Args:
        learning_rate: see `Optimizer`.
        weight_decay: see `Optimizer`.
        beta_1: see `Adam`.
        beta_2: see `Adam`.
        epsilon: see `Adam`.
        amsgrad: see `Adam`.
        **options: see `Optimizer`.

    >>> AdamW().weight_decay
    0.004
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        decay = options.pop("decay", 0.0)
        options["weight_decay"] = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, decay, amsgrad, **options)


@registry.register("optimizer")
class Adamax(AdamFamily):
    """`Adam` with the largest gradient in place of the mean of squares.

    ``u = max(beta_2 * u, |g|)``, ``w -= rate / (1 - beta_1 ** t) * m / (u + epsilon)``. From
    section 7 of Kingma and Ba, "Adam" (2014).

    >>> Adamax(0.002).beta_2
    0.999
    """

    slots = (("momentum", "norm"),)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        return per_variable(self._rule, [zeros, zeros])

    def _rule(
        self, gradient: Any, value: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        del value
        mean = moving(slots[0], gradient, self.beta_1)
        largest = jnp.maximum(self.beta_2 * slots[1], jnp.abs(gradient))
        grown = (1.0 - power(self.beta_1, moment.time)).astype(gradient.dtype)
        change = -moment.rate * mean / (grown * (largest + self.epsilon))
        return change, (mean, largest)


@registry.register("optimizer")
class Nadam(AdamFamily):
    """`Adam` with Nesterov's look ahead.

    From Dozat, "Incorporating Nesterov Momentum into Adam" (2016). The momentum of update `t`
    is ``beta_1 * (1 - 0.5 * 0.96 ** (t * schedule_decay))``.

    Args:
        learning_rate: see `Optimizer`.
        beta_1: see `Adam`.
        beta_2: see `Adam`.
        epsilon: see `Adam`.
        schedule_decay: how fast the momentum rises: 0.004 in Keras 2, 1 in Keras 3.
        **options: see `Optimizer`.

    >>> Nadam(0.002, schedule_decay=0.004).schedule_decay
    0.004
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        schedule_decay: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.schedule_decay = checks.not_negative(self, "schedule_decay", schedule_decay)

    def get_config(self) -> Config:
        config = super().get_config()
        if self.schedule_decay == 1.0:  # Keras 3 does not know it
            del config["schedule_decay"]
        return config

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        def product(so_far: Any, time: Any) -> Any:
            return so_far * self._momentum_at(time)

        return per_variable(self._rule, [zeros, zeros], shared=(1.0, product))

    def _momentum_at(self, time: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * power(0.96, time * self.schedule_decay))

    def _rule(
        self, gradient: Any, value: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        del value
        now, ahead = self._momentum_at(moment.time), self._momentum_at(moment.time + 1.0)
        mean = moving(slots[0], gradient, self.beta_1)
        size = moving(slots[1], jnp.square(gradient), self.beta_2)
        of_mean = (ahead / (1.0 - moment.shared * ahead)).astype(gradient.dtype)
        of_gradient = ((1.0 - now) / (1.0 - moment.shared)).astype(gradient.dtype)
        grown = (1.0 - power(self.beta_2, moment.time)).astype(gradient.dtype)
        direction = of_mean * mean + of_gradient * gradient
        change = -moment.rate * direction / (jnp.sqrt(size / grown) + self.epsilon)
        return change, (mean, size)


@registry.register("optimizer")
class Lamb(AdamFamily):
    """`Adam` whose change of each variable is as large as the variable, times the rate.

    From You et al., "Large Batch Optimization for Deep Learning" (2019).

    >>> Lamb(0.01).beta_1
    0.9
    """

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        import optax

        adam = per_variable(self._rule, [zeros, zeros])
        return optax.chain(adam, optax.scale_by_trust_ratio(), scale_by_rate())

    def _rule(
        self, gradient: Any, value: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        del value
        mean = moving(slots[0], gradient, self.beta_1)
        size = moving(slots[1], jnp.square(gradient), self.beta_2)
        grown_mean = (1.0 - power(self.beta_1, moment.time)).astype(gradient.dtype)
        grown_size = (1.0 - power(self.beta_2, moment.time)).astype(gradient.dtype)
        return (mean / grown_mean) / (jnp.sqrt(size / grown_size) + self.epsilon), (mean, size)
