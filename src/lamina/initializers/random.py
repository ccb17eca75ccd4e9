"""Random initializers: normal, uniform, scaled by the fans of a kernel, orthogonal."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import seeds
from lamina.arguments import number, renamed
from lamina.initializers.base import Initializer, named
from lamina.initializers.draws import draw

if TYPE_CHECKING:
    from lamina.typing import Array, Config


class RandomInitializer(Initializer):
    """Base of the initializers that draw numbers.

    Args:
        seed: an int gives the same values at every call with the same shape; with None each call
            draws a new seed from `lamina.seeds.next_seed`, so that one object may serve many
            weights.

    >>> from lamina.initializers import HeNormal
    >>> isinstance(HeNormal(seed=3), RandomInitializer), HeNormal(seed=3).next_seed()
    (True, 3)
    """

    _anew = True

    def __init__(self, seed: int | None = None) -> None:
        self.seed = _checked_seed(self, seed)

    def next_seed(self) -> int:
        """The seed of one call."""
        return seeds.next_seed() if self.seed is None else self.seed

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(
                f"{type(self).__name__}: dtype must be a float type, got {dtype.name}."
            )
        return self.random(shape, dtype)

    def random(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        """Draw the values, for a float dtype."""
        raise NotImplementedError(f"{type(self).__name__} must override random or __call__.")

    def get_config(self) -> Config:
        return {"seed": self.seed}


@named("random_normal", "normal", classic=("scale",))
class RandomNormal(RandomInitializer):
    """Draw from a normal distribution.

    Args:
        mean: centre.
        stddev: standard deviation. Keras 1 called it `scale`.
        seed: see `RandomInitializer`.

    >>> RandomNormal(stddev=0.1, seed=1)((2, 3)).shape
    (2, 3)
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None, **old: Any
    ) -> None:
        super().__init__(seed)
        stddev = renamed(self, old, {"scale": "stddev"}).get("stddev", stddev)
        self.mean = number(self, "mean", mean)
        self.stddev = number(self, "stddev", stddev, minimum=0)

    def random(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        return draw("normal", self.next_seed(), shape, dtype, self.mean, self.stddev)

    def get_config(self) -> Config:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


@named("truncated_normal")
class TruncatedNormal(RandomNormal):
    """Draw from a normal distribution, again whenever a value is beyond 2 standard deviations.

    The values' own standard deviation is 0.88 times `stddev`.

    Args:
        mean: centre.
        stddev: standard deviation before the cut.
        seed: see `RandomInitializer`.

    >>> bool(abs(TruncatedNormal(stddev=0.1, seed=1)((50, 30))).max() <= 0.2)
    True
    """

    def random(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        return draw("truncated_normal", self.next_seed(), shape, dtype, self.mean, self.stddev)


@named("random_uniform", "uniform", classic=("scale",))
class RandomUniform(RandomInitializer):
    """Draw evenly between two bounds.

    Args:
        minval: lower bound.
        maxval: upper bound.
        seed: see `RandomInitializer`.
        old: ``scale=s``, as in Keras 1, stands for the bounds -s and s.

    Raises:
        ValueError: `minval` is larger than `maxval`.

    >>> bool(RandomUniform(1.0, 2.0, seed=1)((4, 3)).min() >= 1)
    True
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None, **old: Any
    ) -> None:
        super().__init__(seed)
        scale = renamed(self, old, {"scale": "scale"}).get("scale")
        if scale is not None:
            maxval = number(self, "scale", scale, minimum=0)
            minval = -maxval
        self.minval = number(self, "minval", minval)
        self.maxval = number(self, "maxval", maxval)
        if self.minval > self.maxval:
            raise ValueError(
                f"{type(self).__name__}: minval must not be larger than maxval, "
                f"got {minval!r} and {maxval!r}."
            )

    def random(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        width = self.maxval - self.minval
        return draw("uniform", self.next_seed(), shape, dtype, self.minval, width)

    def get_config(self) -> Config:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


@named("orthogonal", "OrthogonalInitializer", classic=("scale",))
class Orthogonal(RandomInitializer):
    """Make a matrix with orthonormal columns, or rows if it is wider than tall, times `gain`.

    All axes but the last count as rows. The matrix is the first factor of the QR decomposition
    of a normal matrix, with signs chosen so that all such matrices are equally likely
    (Saxe et al. 2014, https://arxiv.org/abs/1312.6120; Mezzadri 2007).

    Args:
        gain: factor. Keras 1 called it `scale`.
        seed: see `RandomInitializer`.

    Raises:
        ValueError: the shape asked for has fewer than two axes.

    >>> q = Orthogonal(seed=1)((5, 3))
    >>> bool(abs(q.T @ q - np.eye(3, dtype="float32")).max() < 1e-5)
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, **old: Any) -> None:
        super().__init__(seed)
        gain = renamed(self, old, {"scale": "gain"}).get("gain", gain)
        self.gain = number(self, "gain", gain)

    def random(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: shape must have at least 2 axes, got {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        wide = np.dtype("float64") if dtype == np.float64 else np.dtype("float32")
        tall = (max(rows, columns), min(rows, columns))
        with jax.ensure_compile_time_eval():
            normal = np.asarray(draw("normal", self.next_seed(), tall, wide))
        factor, triangle = np.linalg.qr(normal)
        factor = factor * np.where(np.diagonal(triangle) < 0, -1, 1).astype(wide)
        matrix = factor.T if rows < columns else factor
        return jax.device_put((matrix.reshape(shape) * wide.type(self.gain)).astype(dtype))

    def get_config(self) -> Config:
        return {"gain": self.gain, "seed": self.seed}


def _checked_seed(owner: object, seed: Any) -> int | None:
    if isinstance(seed, Mapping):  # a seed generator in a file of Keras 3
        stored = seed.get("config")
        seed = stored.get("seed") if isinstance(stored, Mapping) else stored
    if seed is None:
        return None
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise ValueError(f"{type(owner).__name__}: seed must be an int or None, got {seed!r}.")
    return int(seed)
