"""The pure functions of an optimizer: state, one update, and what surrounds the rule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.optimizers.rate import LearningRate
from lamina.optimizers.rule import clip_by_norm

if TYPE_CHECKING:
    import optax

    from lamina.core.variable import Variable


class Step(LearningRate):
    """One update of an optimizer as a function of arrays."""

    decay: float
    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    _variables: list[Variable]
    _excluded: tuple[list[Variable], str | None]

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        """The rule: gradients to changes, with ``learning_rate`` and ``time`` as extras."""
        raise NotImplementedError

    def init(self, variables: Sequence[Variable]) -> dict[str, Any]:
        """The state for these variables: a pytree of arrays, with the step count as ``"step"``.

        The variables are remembered; `update` takes gradients and values in their order.
        """
        self._variables = list(variables)
        values = [variable.peek() for variable in self._variables]
        state: dict[str, Any] = {"step": jax.device_put(np.zeros((), np.int32))}
        if self.use_ema:
            state["average"] = [jnp.zeros_like(value) for value in values]
        if self.gradient_accumulation_steps:
            state["accumulated"] = [jnp.zeros_like(value) for value in values]
        state["slots"] = self.transformation().init(values)
        held = set(map(id, jax.tree.leaves(state)))
        for variable, value in zip(self._variables, values, strict=True):
            variable.exposed = variable.exposed or id(value) in held
        return state

    def update(
        self, gradients: Sequence[Any], state: Any, values: Sequence[Any], hyperparameters: Any
    ) -> tuple[list[Any], Any]:
        """One step: new values and new state. Constraints are left to the caller.

        Args:
            gradients: one for each variable of `init`; ``None`` leaves the variable alone.
            state: from `init` or the step before.
            values: the present values of the variables.
            hyperparameters: what `hyperparameters` returned.
        """
        present = [i for i, gradient in enumerate(gradients) if gradient is not None]
        given = [self._unscaled(gradients[i].astype(values[i].dtype)) for i in present]
        rate = self._rate_at(state["step"], hyperparameters)
        new = dict(state)
        if self.gradient_accumulation_steps:
            new_values = self._accumulate(given, present, values, new, rate)
        else:
            new_values, new["slots"] = self._change(
                given, present, values, state["slots"], state["step"], rate
            )
        if self.use_ema:
            new_values, new["average"] = self._averaged(new_values, state)
        new["step"] = state["step"] + 1
        return new_values, new

    def _unscaled(self, gradient: Any) -> Any:
        factor = self.loss_scale_factor
        return gradient if factor is None else gradient / factor

    def _accumulate(
        self, gradients: list[Any], present: list[int], values: Any, state: Any, rate: Any
    ) -> list[Any]:
        """Add to the sums of gradients, and change the values at every n-th step."""
        every = self.gradient_accumulation_steps or 1
        total = list(state["accumulated"])
        for i, gradient in zip(present, gradients, strict=True):
            total[i] = total[i] + gradient

        def change() -> tuple[Any, Any, Any]:
            mean = [total[i] / every for i in present]
            step = state["step"] // every
            new, slots = self._change(mean, present, values, state["slots"], step, rate)
            return new, slots, [jnp.zeros_like(one) for one in total]

        def wait() -> tuple[Any, Any, Any]:
            return list(values), state["slots"], total

        due = (state["step"] + 1) % every == 0
        new, state["slots"], state["accumulated"] = jax.lax.cond(due, change, wait)
        return new

    def _change(
        self,
        gradients: list[Any],
        present: list[int],
        values: Sequence[Any],
        slots: Any,
        step: Any,
        rate: Any,
    ) -> tuple[list[Any], Any]:
        """Clip, decay and change the values that have a gradient."""
        new = list(values)
        if not present:
            return new, slots
        if self.decay:
            rate = rate / (1.0 + self.decay * step.astype(rate.dtype))
        chosen = [self._decayed(values[i], i, rate) for i in present]
        gradients, own = self._clipped(gradients), _select(slots, present, len(new))
        found, own = self._moved(gradients, own, chosen, rate, step + 1, present)
        for i, value in zip(present, found, strict=True):
            new[i] = value
        return new, _merge(slots, own, present, len(new))

    def _moved(
        self,
        gradients: list[Any],
        slots: Any,
        values: list[Any],
        rate: Any,
        time: Any,
        indices: list[int],
    ) -> tuple[list[Any], Any]:
        """New values and new state of the rule."""
        changes: Any
        changes, slots = self.transformation().update(
            gradients, slots, values, learning_rate=rate, time=time, indices=indices
        )
        pairs = zip(values, changes, strict=True)
        return [(value + change).astype(value.dtype) for value, change in pairs], slots

    def _clipped(self, gradients: list[Any]) -> list[Any]:
        if self.clipnorm is not None:
            return [clip_by_norm([gradient], self.clipnorm)[0] for gradient in gradients]
        if self.global_clipnorm is not None:
            return clip_by_norm(gradients, self.global_clipnorm)
        if self.clipvalue is not None:
            limit = self.clipvalue
            return [jnp.clip(gradient, -limit, limit) for gradient in gradients]
        return gradients

    def _decayed(self, value: Any, index: int, rate: Any) -> Any:
        fraction = self._weight_decay_of(index)
        if not fraction or not self._uses_weight_decay(index):
            return value
        return value - value * fraction * rate.astype(value.dtype)

    def _weight_decay_of(self, index: int) -> float | None:
        del index
        return self.weight_decay

    def _uses_weight_decay(self, index: int) -> bool:
        variable = self._variables[index]
        listed, pattern = self._excluded
        if any(variable is one for one in listed):
            return False
        return pattern is None or re.search(pattern, variable.path) is None

    def _averaged(self, values: list[Any], state: Any) -> tuple[list[Any], list[Any]]:
        step = state["step"] // (self.gradient_accumulation_steps or 1)
        averages = []
        for value, average in zip(values, state["average"], strict=True):
            keep = jnp.where(step == 0, 0.0, self.ema_momentum).astype(value.dtype)
            averages.append(keep * average + (1 - keep) * value)
        if self.ema_overwrite_frequency:
            due = (step + 1) % self.ema_overwrite_frequency == 0
            pairs = zip(values, averages, strict=True)
            values = [jnp.where(due, average, value) for value, average in pairs]
        return values, averages

    def scale_loss(self, loss: Any, state: Any = None) -> Any:
        """The loss to differentiate: larger by `loss_scale_factor` if there is one."""
        del state
        factor = self.loss_scale_factor
        return loss if factor is None else loss * factor

    def finalize(self, values: Sequence[Any], state: Any) -> list[Any]:
        """The values at the end of training: the averages if `use_ema` is set."""
        return list(state["average"]) if self.use_ema else list(values)


def _is_column(node: Any) -> bool:
    return isinstance(node, list)


def _select(slots: Any, present: list[int], total: int) -> Any:
    """The state of a rule for some of the variables: lists hold one entry for each."""
    if len(present) == total:
        return slots
    return jax.tree.map(
        lambda node: [node[i] for i in present] if _is_column(node) else node,
        slots,
        is_leaf=_is_column,
    )


def _merge(old: Any, new: Any, present: list[int], total: int) -> Any:
    """The state of all variables, from that before and the new one of some of them."""
    if len(present) == total:
        return new

    def put(before: Any, after: Any) -> Any:
        if not _is_column(before):
            return after
        column = list(before)
        for i, entry in zip(present, after, strict=True):
            column[i] = entry
        return column

    return jax.tree.map(put, old, new, is_leaf=_is_column)
