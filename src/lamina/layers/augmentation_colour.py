"""Images whose colours change at random: brightness, contrast, hue, saturation and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax
import jax.numpy as jnp

from lamina import registry
from lamina.layers import augmentation, checks
from lamina.layers.augmentation import Augmentation, AugmentationOptions, Drawn, bounds, rescaled
from lamina.ops import colour, random
from lamina.typing import DataFormat

if TYPE_CHECKING:
    from lamina.typing import Array

Factor = float | Sequence[float]
BYTES = (0, 255)
UNIT = (0, 1)


def numbers(key: Array, shape: Sequence[int], limits: Sequence[float]) -> Array:
    """A number between two limits for each image, of shape ``(batch, 1, 1, 1)``.

    >>> numbers(jax.random.key(0), (2, 5, 4, 3), (0.5, 0.5)).ravel().tolist()
    [0.5, 0.5]
    """
    return random.uniform(key, (shape[0], 1, 1, 1), limits[0], limits[1])


def upwards(value: Any, argument: str, layer: Any) -> tuple[float, float]:
    """The limits of a factor from 0 to 1; of one number `f`, from 0 to `f`.

    Two limits may lie below 0, as Keras 3 writes them for one number.

    >>> upwards(0.3, "factor", "layer"), upwards((-0.3, 0.3), "factor", "layer")
    ((0.0, 0.3), (-0.3, 0.3))
    """
    return bounds(value, argument, layer, least=0.0 if checks.is_number(value) else -1.0)


class Coloured(Augmentation):
    """A layer that changes the colours of images, whose values lie in a range.

    Labels, segmentation masks and boxes stay as they are.

    Args:
        value_range: the lowest and the highest value of a pixel.
        seed: see `Augmentation`.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.
    """

    def __init__(
        self,
        value_range: Sequence[float] = BYTES,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        ends = augmentation.value_range(value_range, self)
        self.value_range: Sequence[float] = list(ends) if isinstance(value_range, list) else ends

    def clipped(self, images: Array) -> Array:
        """The images, with no value out of the range."""
        return jnp.clip(images, float(self.value_range[0]), float(self.value_range[1]))

    def as_bytes(self, images: Array) -> Array:
        """The images in values from 0 to 255."""
        return rescaled(images, self.value_range, BYTES)

    def from_bytes(self, images: Array) -> Array:
        """The images in their own range."""
        return rescaled(images, BYTES, self.value_range)

    def coloured(self, images: Array) -> Array:
        """The images, if they have three channels.

        Raises:
            ValueError: they have another number.
        """
        if images.shape[-1] != 3:
            raise ValueError(
                f"{self}: images must have 3 channels (red, green, blue), got {images.shape[-1]}; "
                f"data_format is {self.data_format!r}."
            )
        return images


@registry.register("layer")
class RandomBrightness(Coloured):
    """Add a random number to all values of an image, in training.

    Args:
        factor: the number, as a part of the value range from -1 to 1: two limits between which it
            is drawn for each image, or one number `f` for ``(-f, f)``.
        value_range: the lowest and the highest value of a pixel; results are cut off there.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> layer = RandomBrightness((0.5, 0.5), value_range=(0, 10))
    >>> layer(jnp.array([[[1.0], [8.0]]]), training=True).ravel().tolist()
    [6.0, 10.0]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = BYTES,
        seed: int | None = None,
        *,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.value_range = list(self.value_range)
        self.factor = bounds(factor, "factor", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        width = float(self.value_range[1]) - float(self.value_range[0])
        return {"added": width * numbers(key, shape, self.factor)}

    def change(self, images: Array, drawn: Drawn) -> Array:
        added = drawn["added"].astype(images.dtype)
        return self.clipped(images + jnp.broadcast_to(added, images.shape))


@registry.register("layer")
class RandomContrast(Coloured):
    """Bring values nearer to the mean of their channel, or farther from it, in training.

    ``(x - mean) * c + mean``, where ``c`` is drawn for each image from ``1 - lower`` to
    ``1 + upper``. (Keras 3.15 takes one number `f` for ``(0, f)``, against its documents, and
    sorts the two; `tf.keras` and lamina do as they say.)

    Args:
        factor: ``lower``, from 0 to 1, and ``upper``, 0 or more; or one number from 0 to 1 for
            both.
        value_range: the lowest and the highest value of a pixel; results are cut off there.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> layer = RandomContrast((0.0, 0.0), seed=1)
    >>> layer(jnp.array([[[1.0], [8.0]]]), training=True).ravel().tolist()
    [1.0, 8.0]
    """

    def __init__(
        self,
        factor: Factor,
        value_range: Sequence[float] = BYTES,
        seed: int | None = None,
        *,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.value_range = tuple(self.value_range)
        one: Any = (factor, factor) if checks.is_number(factor) else factor
        pair: Any = tuple(one) if isinstance(one, list | tuple) else ()
        good = len(pair) == 2 and all(map(checks.is_number, pair))
        if not good or not 0 <= pair[0] <= 1 or pair[1] < 0:
            raise ValueError(
                f"{self}: factor must be a number from 0 to 1, or two: how far below 1 the "
                f"contrast may go, from 0 to 1, and how far above, got {factor!r}."
            )
        self.factor = (float(pair[0]), float(pair[1]))

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        return {"contrast": numbers(key, shape, (1 - self.factor[0], 1 + self.factor[1]))}

    def change(self, images: Array, drawn: Drawn) -> Array:
        mean = jnp.broadcast_to(colour.means(images), images.shape)
        return self.clipped(colour.blended(mean, images, drawn["contrast"]))


@registry.register("layer")
class RandomHue(Coloured):
    """Turn the hues of coloured images by a random angle, in training.

    Args:
        factor: the angle as a part of half a turn, from 0 to 1: two limits between which it is
            drawn for each image, or one number `f` for ``(0, f)``. Half of the images turn the
            other way.
        value_range: the lowest and the highest value of a pixel.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image of three channels.

    >>> layer = RandomHue((1.0, 1.0), value_range=(0, 1))
    >>> layer(jnp.array([[[1.0, 0.0, 0.0]]]), training=True).ravel().round(4).tolist()
    [0.0, 1.0, 1.0]
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
        self.factor = bounds(factor, "factor", self, least=0.0)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        one, other = jax.random.split(key)
        side = jnp.where(numbers(one, shape, UNIT) > 0.5, -0.5, 0.5)
        return {"turn": side * numbers(other, shape, self.factor)}

    def change(self, images: Array, drawn: Drawn) -> Array:
        from lamina.backend.keras3.images import hsv_to_rgb, rgb_to_hsv

        images = rescaled(self.coloured(images), self.value_range, UNIT)
        hue, saturation, value = jnp.moveaxis(rgb_to_hsv(images, "channels_last"), -1, 0)
        hue = hue + jnp.broadcast_to(drawn["turn"][..., 0].astype(hue.dtype), hue.shape)
        found = hsv_to_rgb(jnp.stack([hue, saturation, value], -1), "channels_last")
        return rescaled(jnp.clip(found, 0.0, 1.0), UNIT, self.value_range)


@registry.register("layer")
class RandomSaturation(Coloured):
    """Make the colours of images paler or stronger at random, in training.

    The saturation is multiplied by ``f / (1 - f)`` for the factor ``f``, and is at most 1. (Keras
    3.15 takes one number `f` for ``(-f, f)``, against its documents, and values from 0 to 255
    beyond the strongest colour, so that they leave their range.)

    Args:
        factor: 0 gives grey images, 0.5 changes nothing, 1 gives the strongest colours: two limits
            between which it is drawn for each image, or one number `f` for ``(0, f)``.
        value_range: the lowest and the highest value of a pixel.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image of three channels.

    >>> layer = RandomSaturation((0.0, 0.0), value_range=(0, 1))
    >>> layer(jnp.array([[[1.0, 0.5, 0.0]]]), training=True).ravel().tolist()
    [1.0, 1.0, 1.0]
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
        factor = numbers(key, shape, self.factor)
        return {"scale": factor / (1 - factor + 1e-7)}

    def change(self, images: Array, drawn: Drawn) -> Array:
        from lamina.backend.keras3.images import hsv_to_rgb, rgb_to_hsv

        images = rescaled(self.coloured(images), self.value_range, UNIT)
        hue, saturation, value = jnp.moveaxis(rgb_to_hsv(images, "channels_last"), -1, 0)
        scale = jnp.broadcast_to(drawn["scale"][..., 0].astype(hue.dtype), hue.shape)
        saturation = jnp.clip(saturation * scale, 0.0, 1.0)
        found = hsv_to_rgb(jnp.stack([hue, saturation, value], -1), "channels_last")
        return rescaled(found, UNIT, self.value_range)


@registry.register("layer")
class RandomColorJitter(Coloured):
    """Change brightness, contrast, saturation and hue of images at random, in this order.

    Args:
        value_range: the lowest and the highest value of a pixel.
        brightness_factor: see `RandomBrightness`; ``None`` leaves the brightness as it is.
        contrast_factor: see `RandomContrast`, likewise.
        saturation_factor: see `RandomSaturation`, likewise.
        hue_factor: see `RandomHue`, likewise.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> layer = RandomColorJitter((0, 1), brightness_factor=0.1, hue_factor=0.2)
    >>> layer(jnp.ones((2, 4, 5, 3)), training=True).shape
    (2, 4, 5, 3)
    """

    def __init__(
        self,
        value_range: Sequence[float] = BYTES,
        brightness_factor: Factor | None = None,
        contrast_factor: Factor | None = None,
        saturation_factor: Factor | None = None,
        hue_factor: Factor | None = None,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, seed, data_format, **options)
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        kinds = (
            ("brightness_factor", RandomBrightness),
            ("contrast_factor", RandomContrast),
            ("saturation_factor", RandomSaturation),
            ("hue_factor", RandomHue),
        )
        self._parts = [
            self._part(name, kind) for name, kind in kinds if getattr(self, name) is not None
        ]

    def _part(self, argument: str, kind: Any) -> Augmentation:
        """The layer of one step; an error names this one and its argument."""
        name = f"{self.name}_{argument.removesuffix('_factor')}"
        try:
            return kind(getattr(self, argument), self.value_range, name=name)
        except ValueError as error:
            said = str(error).replace(f"{kind.__name__} {name!r}: factor", f"{self}: {argument}")
            raise ValueError(said) from None

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        keys = jax.random.split(key, 4)
        return {
            part.name: part.draw(one, shape) for part, one in zip(self._parts, keys, strict=False)
        }

    def change(self, images: Array, drawn: Drawn) -> Array:
        for part in self._parts:
            images = part.change(images, drawn[part.name])
        return images
