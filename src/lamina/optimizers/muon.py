"""Muon: changes of matrices with all singular values alike."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import registry
from lamina.optimizers import checks
from lamina.optimizers.adam import adam_rate, moving
from lamina.optimizers.adaptive import small_number
from lamina.optimizers.base import Optimizer
from lamina.optimizers.rule import Moment, norm, per_variable, zeros

if TYPE_CHECKING:
    import optax


@registry.register("optimizer")
class Muon(Optimizer):
    """Step by the momentum with its singular values set to 1; `AdamW` for what is no matrix.

    From Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), and Liu
    et al., "Muon is Scalable for LLM Training" (2025). Variables of other than two axes,
    embeddings, and those in `exclude_layers` are updated by `AdamW`; name the last `Dense` layer
    there.

    Args:
        learning_rate: see `Optimizer`.
        adam_beta_1: see `Adam`.
        adam_beta_2: see `Adam`.
        adam_weight_decay: weight decay of the variables of `AdamW`.
        epsilon: see `Adam`.
        weight_decay: weight decay of the matrices.
        exclude_layers: patterns searched for in the paths of variables.
        exclude_embeddings: whether variables with ``embedding`` in their path are excluded.
        muon_a: factor of the matrix in the iteration that evens out singular values.
        muon_b: factor of its third power.
        muon_c: factor of its fifth power.
        adam_lr_ratio: learning rate of `AdamW` as a part of `learning_rate`.
        momentum: how much of the last momentum is kept.
        ns_steps: number of iterations.
        nesterov: whether to look ahead along the momentum.
        rms_rate: root mean square of a change, in units of the rate, so that it is like one of
            `Adam`; ``None`` for singular values of 1.
        **options: see `Optimizer`.

    >>> Muon(0.02, exclude_layers=["logits"]).ns_steps
    5
    """

    slots = (("momentum", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float | None = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1.0,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **options)
        self.adam_beta_1 = checks.below_one(self, "adam_beta_1", adam_beta_1)
        self.adam_beta_2 = checks.below_one(self, "adam_beta_2", adam_beta_2)
        self.adam_weight_decay = self._optional(
            "adam_weight_decay", adam_weight_decay, checks.not_negative
        )
        self.epsilon = small_number(self, epsilon)
        self.exclude_layers = list(exclude_layers or [])
        self.exclude_embeddings = bool(exclude_embeddings)
        self.muon_a = checks.finite(self, "muon_a", muon_a)
        self.muon_b = checks.finite(self, "muon_b", muon_b)
        self.muon_c = checks.finite(self, "muon_c", muon_c)
        self.adam_lr_ratio = checks.not_negative(self, "adam_lr_ratio", adam_lr_ratio)
        self.momentum = checks.fraction(self, "momentum", momentum)
        self.ns_steps = checks.count(self, "ns_steps", ns_steps, 1)
        self.nesterov = bool(nesterov)
        self.rms_rate = self._optional("rms_rate", rms_rate)

    def _uses_adam(self, index: int) -> bool:
        variable = self._variables[index]
        if len(variable.shape) != 2:
            return True
        if self.exclude_embeddings and "embedding" in variable.path.lower():
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def _weight_decay_of(self, index: int) -> float | None:
        return self.adam_weight_decay if self._uses_adam(index) else self.weight_decay

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        def velocity(value: Any, index: int) -> Any:
            return jnp.zeros_like(value) if self._uses_adam(index) else None

        return per_variable(self._rule, [zeros, velocity])

    def _rule(
        self, gradient: Any, value: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        del value
        if self._uses_adam(moment.place):
            return self._adam(gradient, slots, moment)
        mean = slots[0] * self.momentum + gradient
        direction = gradient + self.momentum * mean if self.nesterov else mean
        change = moment.rate * self._evened(direction)
        if self.rms_rate is not None:
            change = change * (math.sqrt(max(change.shape)) * self.rms_rate)
        return -change, (mean, None)

    def _adam(
        self, gradient: Any, slots: tuple[Any, ...], moment: Moment
    ) -> tuple[Any, tuple[Any, ...]]:
        mean = moving(slots[0], gradient, self.adam_beta_1)
        size = moving(slots[1], jnp.square(gradient), self.adam_beta_2)
        rate = adam_rate(moment, self.adam_beta_1, self.adam_beta_2) * self.adam_lr_ratio
        return -rate * mean / (jnp.sqrt(size) + self.epsilon), (mean, size)

    def _evened(self, matrix: Any) -> Any:
        """The matrix with singular values of about 1, by Newton and Schulz' iteration."""
        tall = matrix.shape[0] > matrix.shape[1]
        x = matrix.T if tall else matrix
        x = x / (norm([x]).astype(x.dtype) + 1e-7)
        for _ in range(self.ns_steps):
            square = x @ x.T
            x = self.muon_a * x + (self.muon_b * square + self.muon_c * square @ square) @ x
        return x.T if tall else x
