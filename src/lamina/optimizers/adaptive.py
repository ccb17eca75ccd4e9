"""Rules that divide by a size of past gradients: RMSprop, Adagrad, Adadelta, Ftrl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import config, registry
from lamina.optimizers import checks
from lamina.optimizers.base import DecayOptions, Optimizer, OptimizerOptions
from lamina.optimizers.positions import two_orders
from lamina.optimizers.rule import Moment, per_variable, scale_by_rate, zeros

if TYPE_CHECKING:
    import optax


def small_number(owner: object, value: Any) -> float:
    """The epsilon of an optimizer; ``None`` stands for that of ``keras.json``."""
    return config.epsilon() if value is None else checks.not_negative(owner, "epsilon", value)


@registry.register("optimizer")
class RMSprop(Optimizer):
    """Divide the gradient by the root of a moving average of its square.

    ``v = rho * v + (1 - rho) * g ** 2``, ``w -= rate * g / sqrt(v + epsilon)``. From Tieleman
    and Hinton, "Lecture 6.5 - rmsprop" (2012).

    By position the order is that of Keras 2 (``learning_rate, rho, epsilon, decay``), or, if the
    third argument is no epsilon (0, or above 0.01), that of Keras 3 (``learning_rate, rho,
    momentum, epsilon, centered``).

    Args:
        learning_rate: see `Optimizer`.
        rho: how much of the average is kept.
        momentum: how much of the last change is kept.
        epsilon: added under the root; ``None`` for that of ``keras.json``.
        centered: whether to divide by the standard deviation instead.
        decay: divides the rate by ``1 + decay * iterations``.
        **options: see `Optimizer`.

    >>> RMSprop(0.001, 0.9, 1e-8).epsilon, RMSprop(0.001, 0.9, 0.5).momentum
    (1e-08, 0.5)
    """

    slots = (("velocity",), ("momentum",), ("average_gradient",))

    @two_orders(
        "learning_rate rho epsilon decay", "learning_rate rho momentum epsilon centered", place=2
    )
    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float | None = 1e-7,
        centered: bool = False,
        *,
        decay: float = 0.0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, decay=decay, **options)
        self.rho = checks.fraction(self, "rho", rho)
        self.momentum = checks.fraction(self, "momentum", momentum)
        self.epsilon = small_number(self, epsilon)
        self.centered = bool(centered)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        import optax

        scale = optax.scale_by_stddev if self.centered else optax.scale_by_rms
        parts = [scale(self.rho, self.epsilon), scale_by_rate()]
        if self.momentum:
            parts.append(optax.trace(self.momentum))
        return optax.chain(*parts)

    def columns(self) -> tuple[str, ...]:
        names = ("average_gradient", "velocity") if self.centered else ("velocity",)
        return (*names, "momentum") if self.momentum else names


@registry.register("optimizer")
class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of all its squares.

    ``a += g ** 2``, ``w -= rate * g / sqrt(a + epsilon)``. From Duchi et al., "Adaptive
    Subgradient Methods" (2011).

    By position the order is that of Keras 2 (``learning_rate, epsilon, decay``), or, if the
    second argument is no epsilon (0, or above 0.01), that of Keras 3 (``learning_rate,
    initial_accumulator_value, epsilon``).

    Args:
        learning_rate: see `Optimizer`.
        initial_accumulator_value: first value of the sum.
        epsilon: added under the root; ``None`` for that of ``keras.json``.
        decay: divides the rate by ``1 + decay * iterations``.
        **options: see `Optimizer`.

    >>> Adagrad(0.01).initial_accumulator_value
    0.1
    """

    slots = (("accumulator",),)

    @two_orders(
        "learning_rate epsilon decay", "learning_rate initial_accumulator_value epsilon", place=1
    )
    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        *,
        decay: float = 0.0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, decay=decay, **options)
        self.initial_accumulator_value = checks.not_negative(
            self, "initial_accumulator_value", initial_accumulator_value
        )
        self.epsilon = small_number(self, epsilon)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        import optax

        rule = optax.scale_by_rss(self.initial_accumulator_value, self.epsilon)
        return optax.chain(rule, scale_by_rate())


@registry.register("optimizer")
class Adadelta(Optimizer):
    """Scale the gradient by the ratio of the sizes of past changes and past gradients.

    ``u = g * sqrt(d + epsilon) / sqrt(a + epsilon)``, ``w -= rate * u``; `a` and `d` are moving
    averages of the squares of `g` and `u`. From Zeiler, "ADADELTA" (2012), whose rate is 1.

    Args:
        learning_rate: see `Optimizer`.
        rho: how much of the averages is kept.
        epsilon: added under the roots; ``None`` for that of ``keras.json``.
        decay: divides the rate by ``1 + decay * iterations``.
        **options: see `Optimizer`.

    >>> Adadelta(1.0).rho
    0.95
    """

    slots = (("accumulated_grad", "accumulated_delta_var"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float | None = 1e-7,
        decay: float = 0.0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, decay=decay, **options)
        self.rho = checks.fraction(self, "rho", rho)
        self.epsilon = small_number(self, epsilon)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        import optax

        return optax.chain(optax.scale_by_adadelta(self.rho, self.epsilon), scale_by_rate())


@registry.register("optimizer")
class Ftrl(Optimizer):
    """Follow the regularised leader: for sparse, wide linear models.

    From McMahan et al., "Ad Click Prediction: a View from the Trenches" (2013).

    Args:
        learning_rate: see `Optimizer`.
        learning_rate_power: 0 or less; how the rate falls with the sum of squares.
        initial_accumulator_value: first value of the sum of squares.
        l1_regularization_strength: keeps weights at exactly 0.
        l2_regularization_strength: pulls weights towards 0.
        l2_shrinkage_regularization_strength: the same, as a penalty on the loss.
        beta: `beta` of the paper.
        **options: see `Optimizer`.

    >>> Ftrl(0.1, l1_regularization_strength=0.01).learning_rate_power
    -0.5
    """

    slots = (("accumulator", "linear"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[DecayOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        power = checks.finite(self, "learning_rate_power", learning_rate_power)
        if power > 0:
            raise checks.wrong(self, "learning_rate_power", "at most 0", learning_rate_power)
        self.learning_rate_power = power
        strengths = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
            "beta": beta,
        }
        for name, value in strengths.items():
            setattr(self, name, checks.not_negative(self, name, value))

    initial_accumulator_value: float
    l1_regularization_strength: float
    l2_regularization_strength: float
    l2_shrinkage_regularization_strength: float
    beta: float

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        first = self.initial_accumulator_value
        return per_variable(self._rule, [lambda value, index: jnp.full_like(value, first), zeros])

    def _rule(
        self, gradient: Any, value: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        accumulator, linear = slots
        power = -self.learning_rate_power
        total = accumulator + jnp.square(gradient)
        root, old_root = total**power, accumulator**power
        shrunk = gradient + 2 * self.l2_shrinkage_regularization_strength * value
        linear = linear + shrunk - (root - old_root) / moment.rate * value
        ridge = self.l2_regularization_strength + self.beta / (2 * moment.rate)
        limit = self.l1_regularization_strength
        new = (jnp.clip(linear, -limit, limit) - linear) / (root / moment.rate + 2 * ridge)
        return new - value, (total, linear)
