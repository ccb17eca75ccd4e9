"""`OptaxOptimizer`: a gradient transformation of optax, as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Unpack

import jax
import jax.numpy as jnp

from lamina.optimizers.base import DecayOptions, Optimizer

if TYPE_CHECKING:
    import optax

    from lamina.typing import Config


def is_transformation(value: Any) -> bool:
    """Whether the value looks like an ``optax.GradientTransformation``."""
    return isinstance(value, tuple) and getattr(value, "_fields", None) == ("init", "update")


def unwrapped(value: Any) -> Any:
    """The transformation that an ``optax.MultiSteps`` object stands for; else the value itself."""
    inner = None if isinstance(value, type) else getattr(value, "gradient_transformation", None)
    return inner() if callable(inner) else value


class OptaxOptimizer(Optimizer):
    """Update variables by a transformation of optax, which has its own learning rate.

    Gradients and parameters reach it as a list, in the order of the variables.

    Args:
        gradient_transformation: the transformation.
        **options: see `Optimizer`; there is no `lr` and no `weight_decay`.

    >>> import optax
    >>> from lamina import optimizers
    >>> optimizers.get(optax.adamw(1e-3))
    <OptaxOptimizer 'optax_optimizer'>
    """

    def __init__(
        self,
        gradient_transformation: Any,
        **options: Unpack[DecayOptions],
    ) -> None:
        for name in ("lr", "decay", "weight_decay"):
            if options.get(name) is not None:
                raise ValueError(
                    f"OptaxOptimizer: {name} belongs into the transformation of optax."
                )
        super().__init__(0.0, **options)
        gradient_transformation = unwrapped(gradient_transformation)
        if not is_transformation(gradient_transformation):
            raise TypeError(
                "OptaxOptimizer: gradient_transformation must be an "
                f"optax.GradientTransformation, got {gradient_transformation!r}."
            )
        self._learning_rate = None
        self.gradient_transformation = gradient_transformation

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        import optax

        rule = self.gradient_transformation

        def init(params: Any) -> Any:
            # A copy of what the rule keeps: values and state are donated apart.
            return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), rule.init(params))

        def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> Any:
            del extra
            return rule.update(updates, state, params)

        return optax.GradientTransformationExtraArgs(init, update)

    def hyperparameters(self) -> dict[str, Any]:
        return {}

    def _rate_at(self, step: Any, hyperparameters: dict[str, Any]) -> Any:
        del step, hyperparameters
        return jnp.zeros((), jnp.float32)

    @property
    def learning_rate(self) -> Any:
        """The rate of ``optax.inject_hyperparams``; other transformations keep theirs."""
        if "learning_rate" in self._injected():
            return jnp.copy(self._injected()["learning_rate"])
        return self._no_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if "learning_rate" not in self._injected():
            self._no_rate()
        slots = self.state["slots"]
        rate = jnp.asarray(value).astype(slots.hyperparams["learning_rate"].dtype)
        hyperparams = {**slots.hyperparams, "learning_rate": rate}
        self.state = {**self.state, "slots": slots._replace(hyperparams=hyperparams)}

    def _injected(self) -> dict[str, Any]:
        slots = None if self.state is None else self.state["slots"]
        return getattr(slots, "hyperparams", {})

    def _no_rate(self) -> NoReturn:
        raise AttributeError(
            "The learning rate of a transformation of optax is within it. Give it a schedule, wrap "
            "it in optax.inject_hyperparams, or use an optimizer of lamina."
        )

    def columns(self) -> None:
        return None

    def get_config(self) -> Config:
        raise ValueError(
            "OptaxOptimizer: a transformation of optax is made of functions and cannot be written "
            "into a config; make it again when the model is loaded, and compile with it."
        )
