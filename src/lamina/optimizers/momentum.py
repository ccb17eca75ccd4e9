"""Rules with one moving average of gradients: SGD and Lion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

from lamina import registry
from lamina.optimizers import checks
from lamina.optimizers.base import DecayOptions, Optimizer, OptimizerOptions
from lamina.optimizers.rule import scale_by_rate

if TYPE_CHECKING:
    import optax


@registry.register("optimizer")
class SGD(Optimizer):
    """Step against the gradient, with momentum if it is wanted.

    ``v = momentum * v - rate * g``, then ``w += v``, or with `nesterov`
    ``w += momentum * v - rate * g``.

    Args:
        learning_rate: see `Optimizer`.
        momentum: how much of the last change is kept, from 0 to 1.
        decay: divides the rate by ``1 + decay * iterations``. A bool at this place is taken for
            `nesterov`, which Keras 3 has here.
        nesterov: whether to look ahead along the momentum.
        **options: see `Optimizer`.

    >>> SGD(0.1, momentum=0.9).get_config()["momentum"]
    0.9
    """

    slots = (("momentum",),)

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        decay: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        if isinstance(decay, bool):
            decay, nesterov = 0.0, decay
        super().__init__(learning_rate, decay=decay, **options)
        self.momentum = checks.fraction(self, "momentum", momentum)
        self.nesterov = bool(nesterov)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        import optax

        if not self.momentum:
            return scale_by_rate()
        # The rate comes first: a new rate leaves the momentum of old steps as it is.
        return optax.chain(scale_by_rate(), optax.trace(self.momentum, self.nesterov))

    def columns(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()


@registry.register("optimizer")
class Lion(Optimizer):
    """Step by the sign of a mixture of momentum and gradient.

    From Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023). All elements
    change by the rate, so it should be 3 to 10 times smaller than that of Adam.

    Args:
        learning_rate: see `Optimizer`.
        beta_1: share of the momentum in the mixture.
        beta_2: how much of the momentum is kept.
        **options: see `Optimizer`.

    >>> Lion(1e-4).beta_2
    0.99
    """

    slots = (("momentum",),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[DecayOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = checks.fraction(self, "beta_1", beta_1)
        self.beta_2 = checks.fraction(self, "beta_2", beta_2)

    def transformation(self) -> optax.GradientTransformationExtraArgs:
        import optax

        return optax.chain(optax.scale_by_lion(self.beta_1, self.beta_2), scale_by_rate())
