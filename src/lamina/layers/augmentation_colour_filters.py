"""Images that lose colours, bits or sharpness at random, or are turned into their negatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax
import jax.numpy as jnp

from lamina import registry
from lamina.layers import checks
from lamina.layers.augmentation import AugmentationOptions, Drawn, bounds
from lamina.layers.augmentation_colour import BYTES, UNIT, Coloured, Factor, numbers, upwards
from lamina.ops import colour, random
from lamina.typing import DataFormat

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class RandomColorDegeneration(Coloured):
    """Mix images with what they are in grey, at random, in training.

    (Keras 3.15 takes one number `f` for ``(-f, f)``, against its documents.)

    Args:
        factor: the share of grey, from 0 to 1: two limits between which it is drawn for each
            image, or one number `f` for ``(0, f)``. Below 0 colours become stronger.
        value_range: the lowest and the highest value of a pixel; results are cut off there.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image of three channels.

    >>> layer = RandomColorDegeneration((1.0, 1.0), value_range=(0, 1))
    >>> layer(jnp.array([[[1.0, 0.0, 0.0]]]), training=True).ravel().tolist()
    [0.2989..., 0.2989..., 0.2989...]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = BYTES,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.value_range = list(self.value_range)
        self.factor = upwards(factor, "factor", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        return {"share": numbers(key, shape, self.factor)}

    def change(self, images: Array, drawn: Drawn) -> Array:
        return self.clipped(colour.blended(images, grey(self.coloured(images)), drawn["share"]))


def grey(images: Array) -> Array:
    """The brightness of coloured images, as one channel.

    >>> grey(jnp.ones((2, 4, 5, 3))).shape
    (2, 4, 5, 1)
    """
    from lamina.backend.keras3.images import rgb_to_grayscale

    return rgb_to_grayscale(images, "channels_last")


@registry.register("layer")
class RandomGrayscale(Coloured):
    """Turn a random part of the images grey, in training; they keep three channels.

    Args:
        factor: probability with which an image is changed.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image of three channels.

    >>> layer = RandomGrayscale(1.0)
    >>> layer(jnp.array([[[1.0, 0.0, 0.0]]]), training=True).ravel().tolist()
    [0.2989..., 0.2989..., 0.2989...]
    """

    def __init__(
        self,
        factor: float = 0.5,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(BYTES, seed, data_format, **options)
        self.factor = checks.fraction(factor, "factor", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        return {"chosen": numbers(key, shape, UNIT) < self.factor}

    def change(self, images: Array, drawn: Drawn) -> Array:
        others = jnp.broadcast_to(grey(self.coloured(images)), images.shape)
        return jnp.where(jnp.broadcast_to(drawn["chosen"], images.shape), others, images)


def chosen(key: Array, shape: Sequence[int], limits: Sequence[float]) -> Array:
    """Which images are changed, with a probability drawn for each between two limits.

    >>> chosen(jax.random.key(0), (2, 5, 4, 3), (1.0, 1.0)).ravel().tolist()
    [True, True]
    """
    one, other = jax.random.split(key)
    return numbers(one, shape, UNIT) < numbers(other, shape, limits)


@registry.register("layer")
class RandomInvert(Coloured):
    """Turn a random part of the images into their negatives, in training.

    A value ``x`` between ``low`` and ``high`` becomes ``low + high - x``. (Keras 3.15 leaves
    ``low`` out, which is 0 for images.)

    Args:
        factor: probability with which an image is changed: two limits between which it is drawn
            for each image, or one number `f` for ``(0, f)``.
        value_range: the lowest and the highest value of a pixel.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> layer = RandomInvert((1.0, 1.0))
    >>> layer(jnp.array([[[0.0], [55.0]]]), training=True).ravel().tolist()
    [255.0, 200.0]
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        value_range: Sequence[float] = BYTES,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.factor = bounds(factor, "factor", self, least=0.0)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        return {"chosen": chosen(key, shape, self.factor)}

    def change(self, images: Array, drawn: Drawn) -> Array:
        ends = float(self.value_range[0]) + float(self.value_range[1])
        return jnp.where(jnp.broadcast_to(drawn["chosen"], images.shape), ends - images, images)


@registry.register("layer")
class RandomPosterization(Coloured):
    """Keep only the highest bits of each value, in training, as if it were a byte.

    Args:
        factor: the number of bits, from 1 to 8; or two of them: it is drawn for each image, from
            the first one on and below the second one. (Keras 3.15 takes one number `f` for
            ``(1, f)``, against its documents.)
        value_range: the lowest and the highest value of a pixel.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> layer = RandomPosterization(2)
    >>> layer(jnp.array([[[63.0], [64.0], [255.0]]]), training=True).ravel().tolist()
    [0.0, 64.0, 192.0]
    """

    def __init__(
        self,
        factor: int | Sequence[int],
        value_range: Sequence[float] = BYTES,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.value_range = list(self.value_range)
        pair: Any = (factor, factor) if checks.is_number(factor) else factor
        listed = tuple(pair) if isinstance(pair, list | tuple) else ()
        if len(listed) != 2 or not all(one in range(1, 9) for one in listed):
            raise ValueError(
                f"{self}: factor must be a number of bits, an int from 1 to 8, or two of them, "
                f"got {factor!r}."
            )
        self.factor = (int(min(listed)), int(max(listed)))

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        low, high = self.factor
        return {"bits": random.randint(key, (shape[0], 1, 1, 1), low, max(high, low + 1))}

    def change(self, images: Array, drawn: Drawn) -> Array:
        return self.from_bytes(colour.posterized(self.as_bytes(images), drawn["bits"]))


@registry.register("layer")
class RandomSharpness(Coloured):
    """Blur images or make them sharper, at random, in training.

    Each value is mixed with a mean of those around it, in which it counts five times; the part of
    the mean is ``1 - 2 f`` for the factor ``f``. Outside of an image is 0.

    Args:
        factor: 0 blurs, 0.5 changes nothing, 1 makes sharper: two limits between which it is drawn
            for each image, or one number `f` for ``(0, f)``.
        value_range: the lowest and the highest value of a pixel; results are cut off there.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> layer = RandomSharpness((0.0, 0.0))
    >>> layer(jnp.full((1, 1, 1), 26.0), training=True).ravel().tolist()
    [10.0]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = BYTES,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.value_range = list(self.value_range)
        self.factor = bounds(factor, "factor", self, least=0.0)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        return {"share": 1 - 2 * numbers(key, shape, self.factor)}

    def change(self, images: Array, drawn: Drawn) -> Array:
        return self.clipped(colour.blended(images, colour.smoothed(images), drawn["share"]))


@registry.register("layer")
class RandomGaussianBlur(Coloured):
    """Blur a random part of the images by a Gaussian window, in training.

    Args:
        factor: probability with which an image is changed: two limits between which it is drawn
            for each image, or one number `f` for ``(0, f)``.
        kernel_size: odd height and width of the window.
        sigma: standard deviation of the window, from 0 to 1: two limits between which it is drawn,
            for height and width, once for a batch; or one number `s` for ``(0, s)``.
        value_range: the lowest and the highest value of a pixel; results are cut off there.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> layer = RandomGaussianBlur((1.0, 1.0), kernel_size=3, sigma=(1.0, 1.0))
    >>> layer(jnp.eye(3)[:, :, None], training=True)[1, 1].round(3)
    Array([0.354], dtype=float32)
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        kernel_size: int | Sequence[int] = 3,
        sigma: Factor = 1.0,
        value_range: Sequence[float] = BYTES,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.factor = bounds(factor, "factor", self, least=0.0)
        self.kernel_size = checks.per_axis(kernel_size, 2, "kernel_size", self)
        if not all(size % 2 for size in self.kernel_size):
            raise ValueError(f"{self}: kernel_size must be odd, got {kernel_size!r}.")
        self.sigma = bounds(sigma, "sigma", self, least=0.0)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        one, other = jax.random.split(key)
        # Not quite 0, by which the window is divided.
        sigma = random.uniform(other, (2,), *self.sigma) + 1e-6
        return {"chosen": chosen(one, shape, self.factor), "sigma": sigma}

    def change(self, images: Array, drawn: Drawn) -> Array:
        blurred = colour.blurred(images, self.kernel_size, drawn["sigma"])
        change = jnp.broadcast_to(drawn["chosen"], images.shape)
        return self.clipped(jnp.where(change, blurred, images))


@registry.register("layer")
class Solarization(Coloured):
    """Add a random number to values, then turn around what reaches a random threshold.

    In training only; both are drawn for each image. A value ``x`` that is as high as the threshold
    or higher becomes ``255 - x``; other ranges are brought to that of bytes and back. (Keras 3.15
    draws lower limits above 0 as numbers of bytes, not as parts of the range.)

    Args:
        addition_factor: what is added, as a part of the range from 0 to 1: two limits, or one
            number `f` for ``(0, f)``.
        threshold_factor: the threshold, likewise; at 0 all values are turned around.
        value_range: the lowest and the highest value of a pixel.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> Solarization()(jnp.array([[[0.0], [100.0]]]), training=True).ravel().tolist()
    [255.0, 155.0]
    """

    def __init__(
        self,
        addition_factor: Factor = 0.0,
        threshold_factor: Factor = 0.0,
        value_range: Sequence[float] = BYTES,
        seed: int | None = None,
        *,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.value_range = list(self.value_range)
        self.addition_factor = bounds(addition_factor, "addition_factor", self, least=0.0)
        self.threshold_factor = bounds(threshold_factor, "threshold_factor", self, least=0.0)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        one, other = jax.random.split(key)
        return {
            "addition": 255 * numbers(one, shape, self.addition_factor),
            "threshold": 255 * numbers(other, shape, self.threshold_factor),
        }

    def change(self, images: Array, drawn: Drawn) -> Array:
        found = colour.solarized(self.as_bytes(images), drawn["addition"], drawn["threshold"])
        return self.from_bytes(found)
