"""`LossScaleOptimizer`: keeps the gradients of float16 within its range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp

from lamina import registry
from lamina.core.variable import Variable
from lamina.optimizers import checks
from lamina.optimizers.base import Optimizer, OptimizerOptions
from lamina.optimizers.rule import scalar_dtype

if TYPE_CHECKING:
    from lamina.optimizers import weights
    from lamina.typing import Config


@registry.register("optimizer")
class LossScaleOptimizer(Optimizer):
    """Multiply the loss by a factor that is as large as gradients allow, and divide it out.

    A step whose gradients are not all finite changes no weight and halves the factor; after
    `dynamic_growth_steps` good steps in a row it doubles.

    Args:
        inner_optimizer: the optimizer that makes the updates.
        initial_scale: first factor.
        dynamic_growth_steps: number of good steps before it doubles.
        name: name, by default that of the class.
        dynamic: False for a factor that stays; then every step counts, as in ``tf.keras``.
        **unset: arguments of `Optimizer` that old configs carry, at their defaults.

    Raises:
        ValueError: an argument that belongs to the inner optimizer.

    >>> from lamina.optimizers import SGD
    >>> float(LossScaleOptimizer(SGD(0.1), initial_scale=8.0).scale_loss(2.0))
    16.0
    """

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        *,
        dynamic: bool = True,
        **unset: Any,
    ) -> None:
        from lamina.optimizers import get

        for argument, default in _DEFAULTS.items():
            if unset.pop(argument, default) != default:
                raise ValueError(
                    f"LossScaleOptimizer: {argument} is an argument of the inner optimizer; "
                    "set it there."
                )
        super().__init__(0.0, name=name, **unset)
        self.inner_optimizer: Optimizer = get(inner_optimizer)
        if isinstance(self.inner_optimizer, LossScaleOptimizer):
            raise checks.wrong(self, "inner_optimizer", "another optimizer", inner_optimizer)
        self.inner_optimizer.loss_scale_factor = None
        self.dynamic = bool(dynamic)
        self.initial_scale = checks.positive(self, "initial_scale", initial_scale)
        self.dynamic_growth_steps = checks.count(
            self, "dynamic_growth_steps", dynamic_growth_steps, 1
        )

    def init(self, variables: Sequence[Variable]) -> dict[str, Any]:
        self._variables = list(variables)
        return {
            "step": jnp.zeros((), jnp.int32),
            "good": jnp.zeros((), jnp.int32),
            "scale": jnp.float32(self.initial_scale),
            "inner": self.inner_optimizer.init(variables),
        }

    def hyperparameters(self) -> dict[str, Any]:
        return self.inner_optimizer.hyperparameters()

    def update(
        self, gradients: Sequence[Any], state: Any, values: Sequence[Any], hyperparameters: Any
    ) -> tuple[list[Any], Any]:
        scale = state["scale"]
        given = [gradient for gradient in gradients if gradient is not None]
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(gradient)) for gradient in given]))

        def good() -> tuple[list[Any], Any]:
            small = [
                None if gradient is None else _divided(gradient, scale, value)
                for gradient, value in zip(gradients, values, strict=True)
            ]
            return self.inner_optimizer.update(small, state["inner"], values, hyperparameters)

        def bad() -> tuple[list[Any], Any]:
            return list(values), state["inner"]

        if not self.dynamic:
            new, inner = good()
            return new, {**state, "step": state["step"] + 1, "inner": inner}
        new, inner = jax.lax.cond(finite, good, bad)
        grow = state["good"] == self.dynamic_growth_steps - 1
        count = jnp.where(finite & ~grow, state["good"] + 1, 0)
        factor = jnp.where(finite, jnp.where(grow, 2.0, 1.0), 0.5)
        step = state["step"] + 1
        return new, {"step": step, "good": count, "scale": scale * factor, "inner": inner}

    def scale_loss(self, loss: Any, state: Any = None) -> Any:
        """The loss times the present factor (of `state`, or of the optimizer itself)."""
        state = self.state if state is None else state
        scale = jnp.float32(self.initial_scale) if state is None else state["scale"]
        loss = jnp.asarray(loss)
        return loss.astype(scalar_dtype(loss)) * scale.astype(scalar_dtype(loss))

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize(self, values: Sequence[Any], state: Any) -> list[Any]:
        return self.inner_optimizer.finalize(values, state["inner"])

    @property
    def state(self) -> Any:
        """The newest state; that of the inner optimizer is a part of it."""
        return self._state

    @state.setter
    def state(self, state: Any) -> None:
        self._state = state
        if state is not None:
            self.inner_optimizer.state = state["inner"]

    @property
    def learning_rate(self) -> Any:
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Variable:
        """Number of updates, without the steps that were left out."""
        return self.inner_optimizer.iterations

    @property
    def dynamic_scale(self) -> Any:
        """The present factor."""
        return self.initial_scale if self.state is None else jnp.copy(self.state["scale"])

    def _order(self, places: Any) -> list[weights.Entry]:
        own: list[weights.Entry] = [
            ("iteration", places["step"]),
            ("step_counter", places["good"]),
            ("dynamic_scale", places["scale"]),
        ]
        return own + self.inner_optimizer._order(places["inner"])

    def get_config(self) -> Config:
        return {
            "name": self.name,
            "inner_optimizer": registry.serialize(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
            "dynamic": self.dynamic,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        arguments = dict(config)
        inner = registry.deserialize("optimizer", arguments.pop("inner_optimizer"), custom_objects)
        return cls(inner, **arguments)


_DEFAULTS: dict[str, Any] = dict.fromkeys(OptimizerOptions.__annotations__)
_DEFAULTS |= {"use_ema": False, "ema_momentum": 0.99}


def _divided(gradient: Any, scale: Any, value: Any) -> Any:
    # Not in float16: large factors are infinite there, and small gradients are 0.
    wide = scalar_dtype(value)
    return (gradient.astype(wide) / scale.astype(wide)).astype(value.dtype)
