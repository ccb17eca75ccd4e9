"""`SpectralNormalization`: a kernel whose largest singular value is 1."""

from __future__ import annotations

from typing import Any, Unpack

import jax.numpy as jnp
from jax import lax

from lamina import registry
from lamina.core.variable import Variable
from lamina.initializers import TruncatedNormal
from lamina.layers import checks
from lamina.layers.wrappers import Wrapper
from lamina.ops.spectral import power_iteration
from lamina.typing import LayerOptions


@registry.register("layer")
class SpectralNormalization(Wrapper):
    """Divide the kernel of a layer by its largest singular value, at each step of training.

    The kernel counts as a matrix whose columns are its last axis. Its singular value is followed
    by `power_iterations` rounds of power iteration a step, from the vector ``vector_u`` that the
    step before left. Then the kernel is replaced by the quotient; the optimizer changes that, and
    it is what the layer has outside of training. A kernel of zeros stays. Miyato and others
    (2018), "Spectral Normalization for Generative Adversarial Networks".

    The singular value counts as a number when gradients are taken, as in `tf.keras` and in Keras 3
    on TensorFlow. Keras 3 on JAX forgets the quotient after each step of `fit`: its model predicts
    with a kernel that is not normalized.

    Args:
        layer: a layer with a weight ``kernel`` or ``embeddings``, such as `Dense`, `Conv2D` or
            `Embedding`.
        power_iterations: rounds of power iteration at each step.
        options: what every layer takes, see `Layer`.

    Raises:
        TypeError: `layer` is no layer.
        ValueError: `power_iterations` is not a positive int; or (when built) the layer has no
            such weight.

    >>> from lamina.layers import Conv2D, Input
    >>> SpectralNormalization(Conv2D(8, 3))(Input((32, 32, 3))).shape
    (None, 30, 30, 8)
    """

    def __init__(
        self, layer: Any, power_iterations: int = 1, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(layer, **options)
        self.power_iterations = checks.positive(power_iterations, "power_iterations", self)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        found = [getattr(self.layer, name, None) for name in ("kernel", "embeddings")]
        kernels = [one for one in found if isinstance(one, Variable)]
        if not kernels:
            names = ", ".join(weight.name for weight in self.layer.weights) or "none"
            raise ValueError(
                f"{self}: the layer within must have a weight 'kernel' or 'embeddings', but "
                f"{self.layer} has the weights: {names}."
            )
        self.kernel = kernels[0]
        # First among the weights of this layer, too: so it stands in files.
        self._trainable_weights.insert(0, self.kernel)
        self.vector_u = self.add_weight(
            "vector_u",
            (1, self.kernel.shape[-1]),
            initializer=TruncatedNormal(stddev=0.02),
            trainable=False,
            dtype=self.kernel.dtype,
        )

    def call(self, inputs: Any, training: Any = None) -> Any:
        if training:
            self.normalized_weights()
        return self.layer(inputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.layer.compute_mask(inputs, mask)

    def normalized_weights(self) -> None:
        """Divide the kernel by its largest singular value, after some rounds of power iteration."""
        kernel, vector = self.kernel.value, self.vector_u.value
        fixed = lax.stop_gradient(kernel)
        sigma, new = power_iteration(
            fixed.reshape(-1, kernel.shape[-1]), vector, self.power_iterations
        )
        some = jnp.any(fixed != 0)
        quotient = fixed / jnp.where(some, sigma, 1.0)
        # The quotient as a value, the gradient of the kernel itself: the quotient becomes it.
        self.kernel.assign(quotient + (kernel - fixed))
        self.vector_u.assign(jnp.where(some, new, vector))
