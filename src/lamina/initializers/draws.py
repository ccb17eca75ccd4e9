"""Random numbers from a seed: the same on every device, in every shape that holds them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import jax
import jax.numpy as jnp
import numpy as np

from lamina.initializers.base import SMALL

if TYPE_CHECKING:
    from lamina.typing import Array

Distribution = Literal["uniform", "normal", "truncated_normal"]


def seed_key(seed: int) -> Array:
    """The threefry key of an int of any size and sign."""
    low, high = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    key = jax.random.key(np.uint32(low), impl="threefry2x32")
    return jax.random.fold_in(key, np.uint32(high)) if high else key


def draw(
    distribution: Distribution,
    seed: int,
    shape: tuple[int, ...],
    dtype: np.dtype,
    shift: float = 0.0,
    scale: float = 1.0,
) -> Array:
    """Independent numbers ``shift + scale * z``.

    Args:
        distribution: of z: uniform on [0, 1), standard normal, or standard normal within
            2 standard deviations.
        seed: an int.
        shape: shape of the result.
        dtype: a float dtype; those of 16 bits are rounded from float32.
        shift: added after the product.
        scale: factor.

    >>> draw("uniform", 3, (2, 5), np.dtype("float32")).shape
    (2, 5)
    """
    wide = np.dtype("float64") if dtype == np.float64 else np.dtype("float32")
    count = math.prod(shape)
    if count > SMALL:
        wanted = _standard(distribution, seed_key(seed), shape, wide)
        return (wanted * scale + shift).astype(dtype)
    # Counter-based numbers do not depend on how many follow: few lengths, few compilations.
    length = 1 << max(count - 1, 255).bit_length()
    with jax.ensure_compile_time_eval():
        host = np.asarray(_standard(distribution, seed_key(seed), (length,), wide))
    scaled = host[:count].reshape(shape) * wide.type(scale) + wide.type(shift)
    return jnp.array(scaled.astype(dtype))


def _standard(
    distribution: Distribution, key: Array, shape: tuple[int, ...], dtype: np.dtype
) -> Array:
    if distribution == "uniform":
        return jax.random.uniform(key, shape, dtype)
    if distribution == "normal":
        return jax.random.normal(key, shape, dtype)
    return jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)
