"""Dropout: a random part of the values is set to 0 in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from lamina import registry
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Elementwise, as_float
from lamina.ops import random
from lamina.typing import DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class Random(Elementwise):
    """A layer that adds noise in training and does nothing otherwise.

    Args:
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.
    """

    def __init__(self, seed: int | None = None, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.seed = checks.seed(seed, self)

    def disturbed(self, inputs: Array) -> Array:
        """The inputs with noise; `random_key` gives the key."""
        raise NotImplementedError

    def call(self, inputs: Array, training: Any = None) -> Array:
        inputs = as_float(inputs, self)
        return self.disturbed(inputs) if training else inputs


@registry.register("layer")
class Dropout(Random):
    """Set a random part of the values to 0 in training, and scale the others up.

    Values that stay are divided by ``1 - rate``, so that sums keep their mean. Outside of
    training nothing changes. Srivastava and others (2014), "Dropout".

    Args:
        rate: part of the values that is dropped, from 0 to 1; at 1 all are 0.
        noise_shape: shape of the draw: 1 on axes along which values are dropped together,
            ``None`` for the size that the input has. ``(None, 1, None)`` drops the same
            features at all time steps.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad rate, or a noise shape that does not fit the input.

    >>> import jax.numpy as jnp
    >>> Dropout(0.5)(jnp.ones((1, 3)))
    Array([[1., 1., 1.]], dtype=float32)
    >>> sorted(set(Dropout(0.5)(jnp.ones((1, 99)), training=True).ravel().tolist()))
    [0.0, 2.0]
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(seed, **options)
        self.rate = checks.fraction(rate, "rate", self)
        self.noise_shape = None if noise_shape is None else _sizes(noise_shape, self)

    def _get_noise_shape(self, inputs: Any) -> Sequence[int | None] | None:
        """Shape of the draw; subclasses may say which values are dropped together."""
        del inputs
        return self.noise_shape

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self.noise_shape is not None:
            sizes = [1 if size is None else size for size in input_shape]
            asked = tuple(
                1 if known is None else size
                for size, known in zip(self.noise_shape, input_shape, strict=False)
            )
            try:
                random.fill_noise_shape(asked + self.noise_shape[len(asked) :], sizes)
            except ValueError:
                raise self._unfitting(self.noise_shape, input_shape) from None
        return input_shape

    def _fitting(self, noise_shape: Any, sizes: Sequence[int], shape: Shape) -> None:
        """Raise an error that names this layer if the noise shape does not fit."""
        try:
            random.fill_noise_shape(noise_shape, sizes)
        except ValueError:
            raise self._unfitting(noise_shape, shape) from None

    def _unfitting(self, noise_shape: Any, shape: Shape) -> ValueError:
        return ValueError(
            f"{self}: noise_shape {tuple(noise_shape)} must have, for each axis of the input "
            f"of shape {tuple(shape)}, its size, 1 or None."
        )

    def disturbed(self, inputs: Array) -> Array:
        noise_shape = self._get_noise_shape(inputs)
        if noise_shape is not None:
            self._fitting(noise_shape, inputs.shape, inputs.shape)
        if self.rate == 0:
            return inputs
        return random.dropout(inputs, self.rate, self.random_key(self.seed), noise_shape)


def _sizes(noise_shape: Any, layer: Any) -> tuple[int | None, ...]:
    sizes = tuple(noise_shape) if isinstance(noise_shape, Sequence) else ()
    if not sizes or not all(n is None or (checks.is_int(n) and n > 0) for n in sizes):
        raise ValueError(
            f"{layer}: noise_shape must be a tuple of sizes, 1 or None, got {noise_shape!r}."
        )
    return tuple(None if n is None else int(n) for n in sizes)


class SpatialDropout(Dropout):
    """Drop whole channels: each keeps all its places or loses them.

    Args:
        rate: part of the channels that is dropped, from 0 to 1.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        rate: float,
        data_format: DataFormat | None = None,
        *,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(rate, None, seed, **options)
        self.data_format: DataFormat = checks.data_format(data_format, self)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _get_noise_shape(self, inputs: Any) -> Sequence[int | None]:
        places = (1,) * self.rank
        if self.data_format == "channels_first":
            return (*inputs.shape[:2], *places)
        return (inputs.shape[0], *places, inputs.shape[-1])


@registry.register("layer")
class SpatialDropout1D(SpatialDropout):
    """Drop whole features of sequences ``(batch, steps, features)``. Tompson and others (2014).

    Args:
        rate: part of the features that is dropped, from 0 to 1.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    >>> SpatialDropout1D(0.5).compute_output_shape((None, 7, 4))
    (None, 7, 4)
    """

    rank = 1

    def __init__(
        self, rate: float, *, seed: int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(rate, "channels_last", seed=seed, **options)


@registry.register("layer")
class SpatialDropout2D(SpatialDropout):
    """Drop whole channels of images; arguments are those of `SpatialDropout`.

    >>> SpatialDropout2D(0.5).compute_output_shape((None, 7, 8, 4))
    (None, 7, 8, 4)
    """

    rank = 2


@registry.register("layer")
class SpatialDropout3D(SpatialDropout):
    """Drop whole channels of volumes; arguments are those of `SpatialDropout`.

    >>> SpatialDropout3D(0.5).compute_output_shape((None, 7, 8, 9, 4))
    (None, 7, 8, 9, 4)
    """

    rank = 3
