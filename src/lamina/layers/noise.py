"""Noise in training: `GaussianNoise`, `GaussianDropout`, `AlphaDropout`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

import jax.numpy as jnp

from lamina import registry
from lamina.layers import checks
from lamina.layers.dropout import Dropout, Random
from lamina.ops import random
from lamina.typing import LayerOptions

if TYPE_CHECKING:
    from lamina.typing import Array

# The limit of SELU far below 0: the value of what AlphaDropout drops.
_LOWEST = -1.6732632423543772 * 1.0507009873554805


@registry.register("layer")
class GaussianNoise(Random):
    """Add numbers of a normal distribution of mean 0 in training.

    Args:
        stddev: standard deviation of the noise.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `stddev` is negative or no number.

    >>> GaussianNoise(0.1)(jnp.ones((1, 2)))
    Array([[1., 1.]], dtype=float32)
    """

    def __init__(
        self, stddev: float, *, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(seed, **options)
        self.stddev = checks.not_negative(stddev, "stddev", self)

    def disturbed(self, inputs: Array) -> Array:
        key = self.random_key(self.seed)
        return inputs + random.normal(key, inputs.shape, 0.0, self.stddev, inputs.dtype)


@registry.register("layer")
class GaussianDropout(Random):
    """Multiply by numbers of a normal distribution of mean 1 in training.

    Their variance is that of `Dropout`: ``rate / (1 - rate)``. Srivastava and others (2014).

    Args:
        rate: as in `Dropout`, from 0 to less than 1.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad rate.

    >>> GaussianDropout(0.1)(jnp.ones((1, 2)))
    Array([[1., 1.]], dtype=float32)
    """

    def __init__(
        self, rate: float, *, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(seed, **options)
        self.rate = checks.below_one(rate, "rate", self)

    def disturbed(self, inputs: Array) -> Array:
        key, stddev = self.random_key(self.seed), math.sqrt(self.rate / (1 - self.rate))
        return inputs * random.normal(key, inputs.shape, 1.0, stddev, inputs.dtype)


@registry.register("layer")
class AlphaDropout(Dropout):
    """Dropout for networks of SELU: mean and variance of the values stay.

    What is dropped takes the value that SELU has far below 0; then all is scaled and shifted.
    Klambauer and others (2017), "Self-Normalizing Neural Networks".

    Args:
        rate: part of the values that is dropped, from 0 to less than 1.
        noise_shape: as in `Dropout`.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad rate, or a noise shape that does not fit the input.

    >>> AlphaDropout(0.1)(jnp.ones((1, 2)))
    Array([[1., 1.]], dtype=float32)
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, noise_shape, seed, **options)
        self.rate = checks.below_one(rate, "rate", self)

    def disturbed(self, inputs: Array) -> Array:
        noise_shape = self._get_noise_shape(inputs)
        if noise_shape is not None:
            self._fitting(noise_shape, inputs.shape, inputs.shape)
        if self.rate == 0:
            return inputs
        shape = random.fill_noise_shape(noise_shape, inputs.shape)
        key = self.random_key(self.seed)
        kept = jnp.broadcast_to(random.kept(key, 1 - self.rate, shape), inputs.shape)
        scale = ((1 - self.rate) * (1 + self.rate * _LOWEST**2)) ** -0.5
        shift = -scale * _LOWEST * self.rate
        return scale * jnp.where(kept, inputs, _LOWEST) + shift
