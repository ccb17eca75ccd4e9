"""Random draws as Keras 3 has them: ``random.normal(shape, seed=...)``.

Within a run of a layer the key comes from the run, as all randomness in lamina; outside of one it
comes from the seed: the same int gives the same numbers each time, a `SeedGenerator` others at each
draw, and None others too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import seeds
from lamina.backend.create import draw_key, dtype_or_floatx, own_seed, sizes
from lamina.core import context
from lamina.core.dispatch import at_once
from lamina.ops import random as draws


class SeedGenerator:
    """Seeds for draws that shall differ from each other and be the same in the next session.

    Args:
        seed: first seed; drawn from the global seed by default.
        name: not used.

    >>> numbers = SeedGenerator(7)
    >>> bool((uniform((3,), seed=numbers) == uniform((3,), seed=numbers)).any())
    False
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        del name
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise ValueError(f"SeedGenerator: seed must be an int, got {seed!r}.")
        self.seed = seeds.next_seed() if seed is None else int(seed)
        self._drawn = 0

    def key(self) -> jax.Array:
        """The key of the next draw."""
        call = context.current()
        if call is not None:
            return call.next_key(self.seed)
        self._drawn += 1
        return jax.random.fold_in(jax.random.key(self.seed), self._drawn)

    def next(self) -> jax.Array:
        """The key of the next draw, as Keras 3 names it."""
        return self.key()

    def get_config(self) -> dict[str, Any]:
        """The constructor's argument."""
        return {"seed": self.seed}


Seed = int | SeedGenerator | None


def _key(seed: Seed) -> jax.Array:
    if isinstance(seed, SeedGenerator):
        return seed.key()
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
        raise ValueError(f"seed must be an int, a SeedGenerator or None, got {seed!r}.")
    return draw_key(None if seed is None else int(seed))


def _own(seed: Seed) -> Seed:
    return own_seed(None) if seed is None else seed


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Seed = None,
) -> Any:
    """Draw from a normal distribution.

    >>> normal((2, 3), seed=1).shape
    (2, 3)
    """
    kind = dtype_or_floatx(dtype)
    return draws.normal(_key(seed), sizes("normal", shape), mean, stddev, kind)


def uniform(
    shape: Sequence[int],
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: Any = None,
    seed: Seed = None,
) -> Any:
    """Draw evenly from ``[minval, maxval)``.

    >>> uniform((2, 3), seed=1).shape
    (2, 3)
    """
    kind = dtype_or_floatx(dtype)
    return draws.uniform(_key(seed), sizes("uniform", shape), minval, maxval, kind)


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Seed = None,
) -> Any:
    """Draw from a normal distribution, again whatever lies over two deviations from the mean.

    >>> truncated_normal((2, 3), seed=1).shape
    (2, 3)
    """
    kind = dtype_or_floatx(dtype)
    return draws.truncated_normal(_key(seed), sizes("truncated_normal", shape), mean, stddev, kind)


def randint(
    shape: Sequence[int], minval: int, maxval: int, dtype: Any = "int32", seed: Seed = None
) -> Any:
    """Draw integers from ``[minval, maxval)``.

    >>> randint((2,), 3, 4)
    Array([3, 3], dtype=int32)
    """
    return draws.randint(_key(seed), sizes("randint", shape), minval, maxval, jnp.dtype(dtype))


def binomial(
    shape: Sequence[int],
    counts: Any,
    probabilities: Any,
    dtype: Any = None,
    seed: Seed = None,
) -> Any:
    """Draw how many of `counts` trials succeed.

    >>> binomial((2,), 5.0, 1.0)
    Array([5., 5.], dtype=float32)
    """
    kind = dtype_or_floatx(dtype)
    whole = sizes("binomial", shape)
    counts, probabilities = _wide(counts, kind, whole), _wide(probabilities, kind, whole)
    return draws.binomial(_key(seed), whole, counts, probabilities, kind)


def gamma(shape: Sequence[int], alpha: Any, dtype: Any = None, seed: Seed = None) -> Any:
    """Draw from a gamma distribution of shape parameter `alpha` and scale 1.

    >>> gamma((2, 3), 0.5).shape
    (2, 3)
    """
    kind = dtype_or_floatx(dtype)
    whole = sizes("gamma", shape)
    return draws.gamma(_key(seed), whole, _wide(alpha, kind, whole), kind)


def beta(shape: Sequence[int], alpha: Any, beta: Any, dtype: Any = None, seed: Seed = None) -> Any:
    """Draw from a beta distribution.

    >>> beta((2, 3), 0.5, 1.5).shape
    (2, 3)
    """
    kind = dtype_or_floatx(dtype)
    whole = sizes("beta", shape)
    return draws.beta(_key(seed), whole, _wide(alpha, kind, whole), _wide(beta, kind, whole), kind)


def _wide(value: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    array = jnp.asarray(value, dtype)
    return jnp.broadcast_to(array.reshape((1,) * (len(shape) - array.ndim) + array.shape), shape)


def _categorical(logits: Any, num_samples: int, dtype: Any, seed: Seed) -> Any:
    return draws.categorical(_key(seed), logits, num_samples, dtype)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Seed = None) -> Any:
    """Draw classes from unnormalized log-probabilities.

    Args:
        logits: tensor of shape ``(batch, classes)``.
        num_samples: how many to draw for each row.
        dtype: an integer dtype.
        seed: seed of the draw.

    >>> categorical(jnp.array([[0.0, 99.0]]), 3)
    Array([[1, 1, 1]], dtype=int32)
    """
    return at_once(_categorical, logits, num_samples, jnp.dtype(dtype), _own(seed))


def _dropout(inputs: Any, rate: float, noise_shape: Any, seed: Seed) -> Any:
    return draws.dropout(inputs, rate, _key(seed), noise_shape)


def dropout(
    inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None
) -> Any:
    """Set a random part of the values to 0 and divide the others by ``1 - rate``.

    Raises:
        ValueError: the rate is not from 0 to 1, or the noise shape does not fit.

    >>> dropout(jnp.ones((2, 3)), 0.0).sum()
    Array(6., dtype=float32)
    """
    return at_once(_dropout, inputs, rate, noise_shape, _own(seed))


def _shuffle(x: Any, axis: int, seed: Seed) -> Any:
    return draws.shuffle(_key(seed), x, axis)


def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Any:
    """Reorder the slices along an axis.

    >>> sorted(shuffle(jnp.arange(3)).tolist())
    [0, 1, 2]
    """
    return at_once(_shuffle, x, axis, _own(seed))
