"""`Optimizer`: arguments, loops by hand, weights and configs; the rule is the subclass's."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypedDict

import numpy as np

from lamina import registry
from lamina.core import naming
from lamina.core.variable import Variable
from lamina.optimizers import checks, custom, loop, updates, weights
from lamina.optimizers.step import Step

if TYPE_CHECKING:
    import optax

    from lamina.typing import Config


class OptimizerOptions(TypedDict, total=False):
    """The keywords that every optimizer takes beside its own."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None
    lr: Any


class DecayOptions(OptimizerOptions, total=False):
    """The same for optimizers whose own arguments have no place for `decay`."""

    decay: float


class Optimizer(custom.Slotted, Step):
    """Change variables along their gradients.

    A subclass has a rule of its own: either it overrides `transformation`, or `build` and
    `update_step` in the manner of Keras 3. Arguments other than the learning rate are read
    when a step is compiled.

    Args:
        learning_rate: a number, a `LearningRateSchedule` (or another function of the step), a
            `Variable`, or a function without arguments that is called before each step.
        weight_decay: before each update the weights shrink by this fraction of the learning
            rate.
        clipnorm: largest norm of each gradient.
        clipvalue: largest magnitude of each element of the gradients.
        global_clipnorm: largest norm of all gradients together.
        use_ema: whether to keep a moving average of the weights; it replaces them at the end
            of training.
        ema_momentum: how much of the average is kept at each step.
        ema_overwrite_frequency: number of steps after which the average replaces the weights.
        loss_scale_factor: factor of the loss, which gradients are divided by again: it keeps
            small gradients of float16 from vanishing.
        gradient_accumulation_steps: number of steps whose mean gradient makes one update.
        name: name, by default that of the class.
        **old: `lr` for `learning_rate`; `decay`, which divides the rate by
            ``1 + decay * iterations``.

    Raises:
        TypeError: an unknown keyword.
        ValueError: a value that cannot be meant.

    >>> from lamina.optimizers import SGD
    >>> weight = Variable(np.float32([1.0, 2.0]))
    >>> SGD(0.5).apply([np.float32([1, 1])], [weight])
    >>> weight.numpy()
    array([0.5, 1.5], dtype=float32)
    """

    slots: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Names of the slots in groups; the list of weights takes a group variable by variable."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **old: Any,
    ) -> None:
        self.name = name or naming.snake_case(type(self).__name__)
        learning_rate = old.pop("lr", learning_rate)
        decay = old.pop("decay", None)
        self._refuse(old)
        self.state: Any = None
        self._variables: list[Variable] = []
        self._made: list[Variable] = []
        self._excluded = ([], None)
        self._compiled: Any = None
        self._steps: weights.Steps | None = None
        self._learning_rate = self._as_rate(learning_rate)
        self.decay = 0.0 if decay is None else checks.not_negative(self, "decay", decay)
        self.weight_decay = self._optional("weight_decay", weight_decay, checks.not_negative)
        self.clipnorm = self._optional("clipnorm", clipnorm)
        self.clipvalue = self._optional("clipvalue", clipvalue)
        self.global_clipnorm = self._optional("global_clipnorm", global_clipnorm)
        self._one_clip()
        self.use_ema = bool(use_ema)
        self.ema_momentum = checks.fraction(self, "ema_momentum", ema_momentum)
        self.ema_overwrite_frequency = checks.count(
            self, "ema_overwrite_frequency", ema_overwrite_frequency, 1
        )
        self.loss_scale_factor = self._optional("loss_scale_factor", loss_scale_factor)
        self.gradient_accumulation_steps = checks.count(
            self, "gradient_accumulation_steps", gradient_accumulation_steps, 2
        )

    def _optional(self, argument: str, value: Any, check: Any = checks.positive) -> float | None:
        return None if value is None else check(self, argument, value)

    def _refuse(self, keywords: Mapping[str, Any]) -> None:
        if not keywords:
            return
        known = [
            *inspect.signature(type(self)).parameters,
            *OptimizerOptions.__annotations__,
            "decay",
        ]
        unknown = next(iter(keywords))
        raise TypeError(
            f"{type(self).__name__} has no argument {unknown!r}."
            f"{registry.did_you_mean(unknown, known)}"
        )

    def _one_clip(self) -> None:
        names = ("clipnorm", "clipvalue", "global_clipnorm")
        given = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(
                f"{type(self).__name__}: only one of clipnorm, clipvalue and global_clipnorm can "
                f"be set, got {', '.join(given)}."
            )

    # The rule.

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """The rule: gradients to changes, with ``learning_rate`` and ``time`` as extras."""
        if type(self).update_step is not Optimizer.update_step:
            return custom.transformation(self)
        raise NotImplementedError(
            f"{type(self).__name__} must override transformation(), or build(variables) and "
            "update_step(gradient, variable, learning_rate)."
        )

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Rule of a subclass in the manner of Keras 3: assigns to the variable and its slots."""
        raise NotImplementedError

    def columns(self) -> tuple[str, ...] | None:
        """Names of the slots in the order of the rule's state."""
        return tuple(name for group in self.slots for name in group)

    def _order(self, places: Any) -> list[weights.Entry]:
        return weights.order(self, places)

    # Loops written by hand.

    @property
    def built(self) -> bool:
        """Whether there is a state."""
        return self.state is not None

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the state for these variables, unless there is one.

        A subclass with an `update_step` overrides it, calls it, and makes its slots.
        """
        if type(self).update_step is not Optimizer.update_step:
            self._variables = list(variables)
        elif self.state is None:
            self.state = self.init(variables)

    def apply(
        self, gradients: Sequence[Any], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """Change the variables along the gradients, and apply their constraints.

        Args:
            gradients: one for each variable; ``None`` leaves the variable alone.
            trainable_variables: by default those of the first call.

        Raises:
            ValueError: numbers or shapes differ, no gradient was given, or the variables are
                not those of the first call.
        """
        loop.apply(self, list(gradients), trainable_variables)

    def apply_gradients(self, grads_and_vars: Any) -> None:
        """`apply` for pairs of gradient and variable."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])

    def get_gradients(self, loss: Any, params: Sequence[Variable]) -> list[Any]:
        """Symbolic gradients of a symbolic loss, clipped as the optimizer says, as in Keras 2.

        Args:
            loss: scalar computed from an ``Input``, a placeholder or variables.
            params: the variables, one or a list.

        Raises:
            TypeError: the loss is not symbolic, or `params` holds something else than variables.
            ValueError: the loss does not depend on a variable.
        """
        return updates.clipped(self, updates.gradients(self, loss, params))

    def get_updates(self, *args: Any, **kwargs: Any) -> list[Any]:
        """One step along the gradients of a symbolic loss, for ``K.function(..., updates=...)``.

        Args:
            args: ``loss, params``, as in Keras 2, or ``params, constraints, loss``, as in Keras 1,
                where `constraints` is a dict of variables and functions.
            kwargs: the same by name.

        Returns:
            Pairs of a variable and its new value: the variables, then the optimizer's own.

        Raises:
            TypeError: an argument is missing or unknown, the loss is not symbolic, or `params`
                holds something else than variables.
            ValueError: the loss does not depend on a variable, or the optimizer was made for
                other variables.
        """
        return updates.updates(self, *updates.arranged(self, args, kwargs))

    def stateless_apply(
        self,
        optimizer_variables: Sequence[Any],
        grads: Sequence[Any],
        trainable_variables: Sequence[Any],
    ) -> tuple[list[Any], list[Any]]:
        """Pure form of `apply` over lists: new weights, and new values of `variables`.

        Args:
            optimizer_variables: values in the order of `variables`.
            grads: gradients, one for each variable.
            trainable_variables: present values of the variables.
        """
        return loop.stateless_apply(self, optimizer_variables, grads, trainable_variables)

    def finalize_variable_values(self, var_list: Sequence[Variable] | None = None) -> None:
        """Give the variables their values for the time after training; see `finalize`."""
        if self.state is None:
            return
        final = self.finalize([variable.value for variable in self._variables], self.state)
        for variable, value in zip(self._variables, final, strict=True):
            if var_list is None or any(variable is one for one in var_list):
                variable.assign(value)

    def exclude_from_weight_decay(
        self,
        var_list: Sequence[Variable] | None = None,
        var_names: Sequence[str] | None = None,
    ) -> None:
        """Leave variables out of the weight decay; to be called before the first step.

        Args:
            var_list: the variables.
            var_names: patterns searched for in the paths of the variables, such as ``"bias"``.
        """
        if self.state is not None:
            raise ValueError(
                f"{type(self).__name__}: exclude_from_weight_decay must be called before the "
                "optimizer is used for the first time."
            )
        self._excluded = (list(var_list or []), "|".join(var_names) if var_names else None)

    # Weights of the optimizer.

    @property
    def iterations(self) -> Variable:
        """Number of updates so far, as a scalar variable; assign to it to change it."""
        if self._steps is None:
            self._steps = weights.Steps(self)
        return self._steps

    @property
    def variables(self) -> list[Variable]:
        """Copies of the state as variables: steps, learning rate, then the slots."""
        return [
            Variable(value, dtype=value.dtype, name=name, trainable=False)
            for name, value in weights.named(self)
        ]

    @property
    def weights(self) -> list[Variable]:
        """As `variables`."""
        return self.variables

    def get_weights(self) -> list[np.ndarray]:
        """The state as arrays, in the order of `variables`."""
        return [np.array(value) for _, value in weights.named(self)]

    def set_weights(self, values: Sequence[Any]) -> None:
        """Put the state back that `get_weights` returned.

        Raises:
            ValueError: the optimizer has no state yet, or numbers or shapes differ.
        """
        weights.set_all(self, list(values))

    # Configs.

    def own_arguments(self) -> list[str]:
        """Names of the arguments that this class has beside those of all optimizers."""
        parameters = inspect.signature(type(self).__init__).parameters.values()
        common = {
            *DecayOptions.__annotations__,
            *OptimizerOptions.__annotations__,
            "self",
            "learning_rate",
        }
        kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        return [p.name for p in parameters if p.name not in common and p.kind not in kinds]

    def get_config(self) -> Config:
        """Arguments of the constructor, as plain values."""
        config = {
            "name": self.name,
            "learning_rate": self._rate_config(),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }
        if self.decay:  # Keras 3 does not know it
            config["decay"] = self.decay
        own = (name for name in self.own_arguments() if hasattr(self, name))
        return config | {name: getattr(self, name) for name in own}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make an optimizer from the config that any release of Keras wrote."""
        arguments = dict(config)
        for left_over in ("jit_compile", "is_legacy_optimizer"):
            arguments.pop(left_over, None)
        for name in ("learning_rate", "lr"):
            if isinstance(arguments.get(name), Mapping):
                arguments[name] = registry.deserialize("schedule", arguments[name], custom_objects)
        return cls(**arguments)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"
