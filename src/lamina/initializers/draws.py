"""Random numbers from a seed, for the first values of weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import jax
import numpy as np

if TYPE_CHECKING:
    from lamina.typing import Array

Distribution = Literal["uniform", "normal", "truncated_normal"]


def draw(
    distribution: Distribution,
    seed: int,
    shape: tuple[int, ...],
    dtype: np.dtype,
    shift: float = 0.0,
    scale: float = 1.0,
) -> Array:
    """Independent numbers ``shift + scale * z``.

    They come from the counter-based generator Philox (Salmon and others 2011, "Parallel random
    numbers: as easy as 1, 2, 3") on the host: the same on every device, and without a program that
    would have to be compiled for each shape.

    Args:
        distribution: of z: uniform on [0, 1), standard normal, or standard normal within
            2 standard deviations.
        seed: an int of any size and sign.
        shape: shape of the result.
        dtype: a float dtype; those of 16 bits are rounded from float32.
        shift: added after the product.
        scale: factor.

    >>> draw("uniform", 3, (2, 5), np.dtype("float32")).shape
    (2, 5)
    """
    wide = np.dtype("float64") if dtype == np.float64 else np.dtype("float32")
    generator = np.random.Generator(np.random.Philox(key=seed % 2**128))
    numbers = _standard(distribution, generator, math.prod(shape), wide)
    numbers *= wide.type(scale)
    numbers += wide.type(shift)
    return jax.device_put(numbers.reshape(shape).astype(dtype))


def _standard(
    distribution: Distribution, generator: np.random.Generator, count: int, dtype: np.dtype
) -> np.ndarray:
    kind = np.float64 if dtype == np.float64 else np.float32
    if distribution == "uniform":
        return generator.random(count, dtype=kind)
    numbers = generator.standard_normal(count, dtype=kind)
    if distribution == "truncated_normal":
        beyond = np.flatnonzero(np.abs(numbers) > 2)
        while beyond.size:
            numbers[beyond] = generator.standard_normal(beyond.size, dtype=kind)
            beyond = beyond[np.abs(numbers[beyond]) > 2]
    return numbers
