"""`Normalization`: numbers of mean 0 and variance 1, as a data set has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp
import numpy as np

from lamina import config, registry
from lamina.layers import checks
from lamina.layers.normalization_of_samples import SampleNormalization
from lamina.typing import Config, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class Normalization(SampleNormalization):
    """Subtract a mean and divide by a deviation that are given, or taken from data by `adapt`.

    ``(x - mean) / sqrt(variance)``, with a mean and a variance for each place along `axis`. They
    are not trained; without numbers and before `adapt` they are 0 and 1.

    Args:
        axis: axis whose places have a mean each, or several; ``None`` for one mean of all.
        mean: the mean, a number or numbers along `axis`.
        variance: the variance, likewise; given together with `mean`.
        invert: whether to go the other way: ``x * sqrt(variance) + mean``.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, an axis that is none of the input, or one of unknown size.

    >>> layer = Normalization()
    >>> layer.adapt(np.array([[1.0], [3.0]]))
    >>> layer(jnp.array([[5.0]]))
    Array([[3.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(-1 if axis is None or axis in ((), []) else axis, **options)
        if axis is None or axis in ((), []):
            self.axis = None
        if (mean is None) != (variance is None):
            raise ValueError(
                f"{self}: mean and variance are given both or not at all, got mean={mean!r} and "
                f"variance={variance!r}."
            )
        self._given = None
        if mean is not None:
            self._given = [np.asarray(mean, "float64"), np.asarray(variance, "float64")]
            self._check_given()
        self.invert = checks.flag(invert, "invert", self)

    def _check_given(self) -> None:
        mean, variance = self._given or []
        if mean.shape != variance.shape:
            raise ValueError(
                f"{self}: mean and variance must have the same shape, got {mean.shape} and "
                f"{variance.shape}."
            )
        if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
            raise ValueError(
                f"{self}: mean must be finite and variance 0 or more, got {mean.tolist()} and "
                f"{variance.tolist()}."
            )

    def places(self, shape: Shape) -> tuple[int, ...]:
        return () if self.axis is None else super().places(shape)

    def get_config(self) -> Config:
        mean, variance = self._given or (None, None)
        found = super().get_config() | {"axis": self.axis, "mean": None, "variance": None}
        if mean is not None and variance is not None:
            found |= {"mean": mean.tolist(), "variance": variance.tolist()}
        return found

    def build(self, input_shape: Shape) -> None:
        sizes = self.known_sizes(input_shape)
        if self._given is None:
            self.adapt_mean = self.add_weight("mean", sizes, initializer="zeros", trainable=False)
            ones = {"initializer": "ones", "trainable": False}
            self.adapt_variance = self.add_weight("variance", sizes, **ones)
            zero = {"initializer": "zeros", "trainable": False, "dtype": "int32"}
            self.count = self.add_weight("count", (), **zero)
        else:
            mean = self._given[0]
            last = sizes[len(sizes) - mean.ndim :]
            pairs = zip(mean.shape, last, strict=False)
            if mean.ndim > len(sizes) or any(one not in (1, size) for one, size in pairs):
                raise ValueError(
                    f"{self}: mean and variance must spread to the sizes {sizes} of axis "
                    f"{self.axis}, got shape {mean.shape}."
                )

    def _statistics(self, inputs: Array) -> list[Array]:
        """Mean and variance in the shape of the inputs."""
        places = self.places(inputs.shape)
        sizes = tuple(inputs.shape[place] for place in places)
        if self._given is None:
            found: list[Any] = [self.adapt_mean.value, self.adapt_variance.value]
        else:
            found = [np.broadcast_to(one, sizes) for one in self._given]
        shape = [n if axis in places else 1 for axis, n in enumerate(inputs.shape)]
        wide = [jnp.asarray(one, self.compute_dtype).reshape(shape) for one in found]
        return [jnp.broadcast_to(one, inputs.shape) for one in wide]

    def call(self, inputs: Array) -> Array:
        inputs = jnp.asarray(inputs).astype(self.compute_dtype)
        mean, variance = self._statistics(inputs)
        deviation = jnp.maximum(jnp.sqrt(variance), config.epsilon())
        return inputs * deviation + mean if self.invert else (inputs - mean) / deviation

    def adapt(self, data: Any) -> None:
        """Take mean and variance from data; those of an earlier `adapt` are forgotten.

        Args:
            data: an array, or batches of one: a list of arrays, a generator.

        Raises:
            ValueError: the layer was given its numbers, or there is no data.
        """
        if self._given is not None:
            raise ValueError(f"{self}: mean and variance were given, so there is nothing to adapt.")
        batches: Iterable[Any] = [data] if hasattr(data, "shape") else data
        count, mean, square = 0.0, np.zeros(()), np.zeros(())
        for batch in batches:
            values = np.asarray(batch[0] if isinstance(batch, tuple) else batch, "float64")
            if not self.built:
                self.build((None, *values.shape[1:]))
            places = self.places(values.shape)
            over = tuple(axis for axis in range(values.ndim) if axis not in places)
            number = float(np.prod([values.shape[axis] for axis in over]))
            distance = values.mean(over) - mean
            # The sums of two parts, each around its own mean. Chan and others (1979).
            share = number / (count + number)
            square = square + values.var(over) * number + distance**2 * count * share
            mean, count = mean + distance * share, count + number
        if not count:
            raise ValueError(f"{self}: adapt got no data.")
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(square / count)
        self.count.assign(np.int32(min(count, 2**31 - 1)))
