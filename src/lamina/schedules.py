"""Learning rates that change with the number of steps: pure functions of the step.

A schedule takes the step as a number or as a traced int32 scalar and returns a float32
scalar, so that it runs inside the compiled step. The step counts from 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import registry

if TYPE_CHECKING:
    from lamina.typing import Array, Config


class LearningRateSchedule:
    """Base of schedules: override ``__call__`` and, to be saved, ``get_config``.

    >>> class Halving(LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5 ** jnp.asarray(step, jnp.float32)
    >>> float(Halving()(2))
    0.25
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate of the step."""
        raise NotImplementedError(
            f"{type(self).__name__} must override __call__(self, step) and return the rate."
        )

    def get_config(self) -> Config:
        """The arguments of the constructor."""
        raise NotImplementedError(
            f"{type(self).__name__} must override get_config(self) to be written down."
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """Make a schedule from what `get_config` returned."""
        return cls(**config)


def _steps(value: Any, argument: str, owner: object, least: int = 1) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
        raise ValueError(
            f"{type(owner).__name__}: {argument} must be a number of at least {least}, "
            f"got {value!r}."
        )
    return value


def _rate(value: Any, argument: str, owner: object) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if isinstance(value, bool) or not math.isfinite(rate):
        raise ValueError(
            f"{type(owner).__name__}: {argument} must be a finite number, got {value!r}."
        )
    return rate


def _float(step: Any) -> Array:
    return jnp.asarray(step).astype(jnp.float32)


@registry.register("schedule")
class ExponentialDecay(LearningRateSchedule):
    """Multiply the rate by `decay_rate` every `decay_steps` steps.

    ``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: steps after which the rate has shrunk by `decay_rate`.
        decay_rate: the factor.
        staircase: whether the exponent is rounded down, so that the rate moves in jumps.
        name: kept in the config.

    >>> [round(float(ExponentialDecay(0.1, 10, 0.5)(step)), 4) for step in (0, 5, 10)]
    [0.1, 0.0707, 0.05]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = _rate(initial_learning_rate, "initial_learning_rate", self)
        self.decay_steps = _steps(decay_steps, "decay_steps", self)
        self.decay_rate = _rate(decay_rate, "decay_rate", self)
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Array:
        elapsed = _float(step) / self.decay_steps
        if self.staircase:
            elapsed = jnp.floor(elapsed)
        return self.initial_learning_rate * jnp.power(jnp.float32(self.decay_rate), elapsed)

    def get_config(self) -> Config:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


@registry.register("schedule")
class InverseTimeDecay(LearningRateSchedule):
    """Divide the rate by a number that grows with the steps.

    ``initial_learning_rate / (1 + decay_rate * step / decay_steps)``; with ``decay_steps=1``
    it is what the argument `decay` of the optimizers does.

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: unit in which steps are counted.
        decay_rate: growth of the divisor per unit.
        staircase: whether whole units count only.
        name: kept in the config.

    >>> float(InverseTimeDecay(0.5, 10, 1.0)(10))
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = _rate(initial_learning_rate, "initial_learning_rate", self)
        self.decay_steps = _steps(decay_steps, "decay_steps", self)
        self.decay_rate = _rate(decay_rate, "decay_rate", self)
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Array:
        elapsed = _float(step) / self.decay_steps
        if self.staircase:
            elapsed = jnp.floor(elapsed)
        return self.initial_learning_rate / (1.0 + self.decay_rate * elapsed)

    def get_config(self) -> Config:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


@registry.register("schedule")
class PiecewiseConstantDecay(LearningRateSchedule):
    """Keep the rate constant between boundaries.

    ``values[0]`` holds for steps up to and including ``boundaries[0]``, and so on; the last
    value holds after the last boundary.

    Args:
        boundaries: rising step numbers.
        values: rates, one more than there are boundaries.
        name: kept in the config.

    >>> [round(float(PiecewiseConstantDecay([3], [0.1, 0.01])(step)), 3) for step in (3, 4)]
    [0.1, 0.01]
    """

    def __init__(
        self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant"
    ) -> None:
        if len(values) != len(boundaries) + 1 or not boundaries:
            raise ValueError(
                "PiecewiseConstantDecay: values must be one more than boundaries, and there must "
                f"be a boundary, got {len(values)} values and {len(boundaries)} boundaries."
            )
        if sorted(boundaries) != list(boundaries):
            raise ValueError(
                f"PiecewiseConstantDecay: boundaries must rise, got {list(boundaries)!r}."
            )
        self.boundaries = list(boundaries)
        self.values = [_rate(value, "values", self) for value in values]
        self.name = name

    def __call__(self, step: Any) -> Array:
        passed = jnp.sum(
            jnp.asarray(step) > jnp.asarray(self.boundaries).astype(jnp.asarray(step).dtype)
        )
        return jnp.asarray(self.values, jnp.float32)[passed]

    def get_config(self) -> Config:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


@registry.register("schedule")
class PolynomialDecay(LearningRateSchedule):
    """Go from one rate to another along a power of the steps that are left.

    ``(initial - end) * (1 - step / decay_steps) ** power + end``, and `end_learning_rate` from
    then on.

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: steps until `end_learning_rate` is reached.
        end_learning_rate: the last rate.
        power: 1 for a straight line.
        cycle: whether to start again, each time over a multiple of `decay_steps` as long as
            the steps so far.
        name: kept in the config.

    >>> float(PolynomialDecay(1.0, 4, 0.0)(1))
    0.75
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = _rate(initial_learning_rate, "initial_learning_rate", self)
        self.decay_steps = _steps(decay_steps, "decay_steps", self)
        self.end_learning_rate = _rate(end_learning_rate, "end_learning_rate", self)
        self.power = _rate(power, "power", self)
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Array:
        steps = _float(step)
        span = jnp.float32(self.decay_steps)
        if self.cycle:
            span = span * jnp.where(steps == 0, 1.0, jnp.ceil(steps / span))
        else:
            steps = jnp.minimum(steps, span)
        left = jnp.power(1.0 - steps / span, jnp.float32(self.power))
        return (self.initial_learning_rate - self.end_learning_rate) * left + self.end_learning_rate

    def get_config(self) -> Config:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


@registry.register("schedule")
class CosineDecay(LearningRateSchedule):
    """Let the rate fall along half a cosine, after a straight warmup if one is asked for.

    From Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2016).

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: steps of the fall, after the warmup.
        alpha: last rate as a fraction of the highest.
        name: kept in the config.
        warmup_target: rate at the end of the warmup; no warmup if ``None``.
        warmup_steps: steps of the warmup.

    >>> [round(float(CosineDecay(1.0, 10)(step)), 2) for step in (0, 5, 10)]
    [1.0, 0.5, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = _rate(initial_learning_rate, "initial_learning_rate", self)
        self.decay_steps = _steps(decay_steps, "decay_steps", self)
        self.alpha = _rate(alpha, "alpha", self)
        self.name = name
        self.warmup_target = (
            None if warmup_target is None else _rate(warmup_target, "warmup_target", self)
        )
        self.warmup_steps = _steps(warmup_steps, "warmup_steps", self, least=0)

    def __call__(self, step: Any) -> Array:
        steps = _float(step)
        if self.warmup_target is None:
            return self._fall(steps, self.initial_learning_rate)
        fallen = self._fall(jnp.maximum(steps - self.warmup_steps, 0.0), self.warmup_target)
        if not self.warmup_steps:
            return fallen
        rise = self.warmup_target - self.initial_learning_rate
        risen = rise * (steps / self.warmup_steps) + self.initial_learning_rate
        return jnp.where(steps < self.warmup_steps, risen, fallen)

    def _fall(self, steps: Array, top: float) -> Array:
        completed = jnp.minimum(steps, self.decay_steps) / self.decay_steps
        wave = 0.5 * (1.0 + jnp.cos(math.pi * completed))
        return top * ((1.0 - self.alpha) * wave + self.alpha)

    def get_config(self) -> Config:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


@registry.register("schedule")
class CosineDecayRestarts(LearningRateSchedule):
    """Let the rate fall along half a cosine again and again.

    From Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2016).

    Args:
        initial_learning_rate: rate of step 0.
        first_decay_steps: steps of the first fall.
        t_mul: factor between the lengths of one fall and the next.
        m_mul: factor between the heights of one fall and the next.
        alpha: lowest rate as a fraction of `initial_learning_rate`.
        name: kept in the config.

    >>> [round(float(CosineDecayRestarts(1.0, 4, t_mul=1.0)(step)), 2) for step in (0, 2, 4, 6)]
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = _rate(initial_learning_rate, "initial_learning_rate", self)
        self.first_decay_steps = _steps(first_decay_steps, "first_decay_steps", self)
        self.t_mul = _rate(t_mul, "t_mul", self)
        self.m_mul = _rate(m_mul, "m_mul", self)
        self.alpha = _rate(alpha, "alpha", self)
        self.name = name
        if self.t_mul < 1:
            raise ValueError(f"CosineDecayRestarts: t_mul must be at least 1, got {t_mul!r}.")

    def __call__(self, step: Any) -> Array:
        restart, completed = self._place(_float(step) / self.first_decay_steps)
        height = jnp.power(jnp.float32(self.m_mul), restart)
        wave = 0.5 * height * (1.0 + jnp.cos(math.pi * completed))
        return self.initial_learning_rate * ((1.0 - self.alpha) * wave + self.alpha)

    def _place(self, elapsed: Array) -> tuple[Array, Array]:
        """Number of restarts so far, and the completed part of the present fall."""
        if self.t_mul == 1.0:
            restart = jnp.floor(elapsed)
            return restart, elapsed - restart
        growth = self.t_mul - 1.0
        restart = jnp.floor(jnp.log(1.0 + elapsed * growth) / jnp.log(jnp.float32(self.t_mul)))
        length = jnp.power(jnp.float32(self.t_mul), restart)
        return restart, (elapsed - (length - 1.0) / growth) / length

    def get_config(self) -> Config:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


def serialize(learning_rate_schedule: LearningRateSchedule) -> Config:
    """The config of a schedule: its class and arguments.

    >>> serialize(CosineDecay(0.1, 10))["class_name"]
    'CosineDecay'
    """
    return registry.serialize(learning_rate_schedule)


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> LearningRateSchedule:
    """Make the schedule that `serialize` described.

    Raises:
        ValueError: the config is malformed or names something unknown.

    >>> deserialize(serialize(ExponentialDecay(0.5, 10, 0.9))).initial_learning_rate
    0.5
    """
    return registry.deserialize("schedule", config, custom_objects)
