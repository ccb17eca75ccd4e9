"""The learning rate of an optimizer: a variable, a schedule or a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from lamina import config, registry
from lamina.core.variable import Variable
from lamina.optimizers import checks
from lamina.schedules import LearningRateSchedule


class FunctionSchedule(LearningRateSchedule):
    """A function of the step, such as a schedule of optax, as a schedule.

    Args:
        function: step to learning rate.

    >>> float(FunctionSchedule(lambda step: 0.5 / (step + 1))(1))
    0.25
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, step: Any) -> Any:
        return self.function(step)


class LearningRate:
    """What an optimizer knows of its learning rate."""

    state: Any
    _learning_rate: Any
    _rate_key = "schedule"

    @property
    def learning_rate(self) -> Any:
        """The scalar `Variable` of the rate; with a schedule, its present value.

        Set it to a number, a `Variable`, a schedule or a function.
        """
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return rate
        if isinstance(rate, LearningRateSchedule):
            step = jnp.zeros((), jnp.int32) if self.state is None else self.state["step"]
            return _scalar(rate(step))
        return _scalar(rate())

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate = self._as_rate(value)
        mine = self._learning_rate
        if isinstance(mine, Variable) and isinstance(rate, Variable) and rate is not value:
            mine.assign(rate.value)
            return
        # Another key is another structure: a step compiled for the old schedule is not reused.
        self._rate_key += "'"
        self._learning_rate = rate

    @property
    def lr(self) -> Any:
        """The learning rate, as it was called before."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    def hyperparameters(self) -> dict[str, Any]:
        """What is read before each step and passed in, so that changing it compiles nothing."""
        rate = self._learning_rate
        if type(rate) is Variable:
            return {"learning_rate": rate._value}
        return self._other_rate()

    def _other_rate(self) -> dict[str, Any]:
        if isinstance(self._learning_rate, LearningRateSchedule):
            return {self._rate_key: ()}
        return {"learning_rate": _scalar(self._learning_rate())}

    def _rate_at(self, step: Any, hyperparameters: dict[str, Any]) -> Any:
        """The rate within a step, before `decay`."""
        if "learning_rate" in hyperparameters:
            return hyperparameters["learning_rate"]
        return _scalar(self._learning_rate(step))

    def _rate_config(self) -> Any:
        rate = self._learning_rate
        if isinstance(rate, Variable):
            # The shortest decimal that is this float32, so that 0.001 stays 0.001.
            return float(str(rate.numpy()))
        if isinstance(rate, FunctionSchedule) or not isinstance(rate, LearningRateSchedule):
            raise ValueError(
                f"{type(self).__name__}: a learning rate given as a function cannot be written "
                "into a config; use a LearningRateSchedule with get_config, or set "
                "learning_rate to a number first."
            )
        return registry.serialize(rate)

    def _as_rate(self, value: Any) -> Any:
        """A variable, a schedule, or a function without arguments."""
        if isinstance(value, Variable):
            if value.shape != ():
                raise checks.wrong(self, "learning_rate", "a scalar", value)
            return value
        if isinstance(value, LearningRateSchedule):
            return value
        if callable(value):
            return FunctionSchedule(value) if _takes_step(value) else value
        rate = checks.not_negative(self, "learning_rate", value)
        dtype = "float64" if config.floatx() == "float64" else "float32"
        return Variable(rate, dtype=dtype, trainable=False, name="learning_rate")


def _takes_step(function: Callable[..., Any]) -> bool:
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in kinds and p.default is inspect.Parameter.empty for p in parameters)


def _scalar(value: Any) -> Any:
    array = jnp.asarray(value)
    return array if array.dtype == jnp.float64 else array.astype(jnp.float32)
