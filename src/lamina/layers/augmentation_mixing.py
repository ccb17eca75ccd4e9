"""Images that lose a piece, or get a part of another image, at random; and numbers of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax
import jax.numpy as jnp

from lamina import registry
from lamina.layers import checks
from lamina.layers.augmentation import Augmentation, AugmentationOptions, Drawn, bounds
from lamina.layers.augmentation import value_range as checked_range
from lamina.layers.augmentation_projecting import Factor, between, chosen
from lamina.ops import random
from lamina.typing import DataFormat

if TYPE_CHECKING:
    from lamina.typing import Array


def windows(key: Array, shape: tuple[int, ...], high: Array, wide: Array) -> tuple[Array, Array]:
    """Which pixels lie in a window at a random place in each image, and how large it is.

    Args:
        key: key of the draw.
        shape: shape of the images, channels last.
        high: height of the window of each image, as a part of the image's.
        wide: its width, likewise.

    Returns:
        Flags of shape ``(batch, height, width, 1)``, and parts of the area of the images.

    >>> inside, area = windows(jax.random.key(0), (1, 4, 6, 3), jnp.ones(1) / 2, jnp.ones(1) / 2)
    >>> int(inside.sum()), area.tolist()
    (6, [0.25])
    """
    inside = jnp.ones((shape[0], 1, 1, 1), bool)
    for axis, part, one in zip((1, 2), (high, wide), jax.random.split(key), strict=True):
        length = part * shape[axis]
        start = random.uniform(one, (shape[0],)) * (shape[axis] - length)
        # A pixel is inside if its middle is; so all places of the image are as likely.
        place = 0.5 + jax.lax.broadcasted_iota(jnp.float32, (shape[0], shape[axis]), 1)
        within = (place >= start[:, None]) & (place < (start + length)[:, None])
        sizes = [shape[0], 1, 1, 1]
        sizes[axis] = shape[axis]
        reach = jnp.broadcast_shapes(inside.shape, tuple(sizes))
        inside = jnp.broadcast_to(inside, reach) & jnp.broadcast_to(within.reshape(sizes), reach)
    return inside, high * wide


@registry.register("layer")
class RandomErasing(Augmentation):
    """Fill a rectangle of images, at a random place, in training. Zhong et al. (2017).

    Segmentation masks and boxes stay as they are.

    Args:
        factor: probability with which an image is changed: two limits between which it is drawn
            for each image, or one number `f` for ``(0, f)``.
        scale: the squares of the parts of the height and of the width that the rectangle takes:
            two limits from 0 to 1, or one number `f` for ``(0, f)``.
        fill_value: what the rectangle is filled with: a number, one for each channel, or by
            default noise.
        value_range: the lowest and the highest value of a pixel.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image or has other channels.

    >>> erased = RandomErasing(factor=(1.0, 1.0), scale=(1.0, 1.0), fill_value=7)
    >>> erased(jnp.ones((1, 2, 1)), training=True).ravel().tolist()
    [7.0, 7.0]
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: Factor = (0.02, 0.33),
        fill_value: float | Sequence[float] | None = None,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        self.factor = bounds(factor, "factor", self, least=0)
        self.scale = bounds(scale, "scale", self, least=0)
        self.value_range = checked_range(value_range, self)
        listed = fill_value if isinstance(fill_value, list | tuple) else [fill_value]
        if fill_value is not None and not all(map(checks.is_number, listed)):
            raise ValueError(
                f"{self}: fill_value must be a number, a list with one for each channel, or None "
                f"for noise, got {fill_value!r}."
            )
        self.fill_value = fill_value

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        place, first, second, third, fourth = jax.random.split(key, 5)
        sides = [jnp.sqrt(between(one, shape[0], self.scale)) for one in (first, second)]
        return {
            "inside": windows(place, shape, *sides)[0],
            "applied": chosen(third, shape[0], self.factor),
            "fill": jnp.clip(self._fill(fourth, shape), *self.value_range),
        }

    def _fill(self, key: Array, shape: tuple[int, ...]) -> Array:
        if self.fill_value is None:
            return random.normal(key, shape) * self.value_range[1]
        fill = jnp.asarray(self.fill_value, jnp.float32)
        if fill.ndim and fill.shape != shape[-1:]:
            raise ValueError(
                f"{self}: fill_value must be a number, or one for each of {shape[-1]} channels, "
                f"got {self.fill_value!r}."
            )
        return jnp.broadcast_to(fill, shape)

    def change(self, images: Array, drawn: Drawn) -> Array:
        erased = drawn["inside"] & drawn["applied"][:, None, None, None]
        erased = jnp.broadcast_to(erased, images.shape)
        return jnp.where(erased, drawn["fill"].astype(images.dtype), images)


class Mixing(Augmentation):
    """A layer that puts two images of a batch together, and their labels in the same ratio."""

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        first, second = jax.random.split(key)
        order = random.shuffle(first, jnp.arange(shape[0], dtype=jnp.int32))
        return {"order": order, **self.mixture(second, shape)}

    def mixture(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        """How much of each image stays: ``"weight"``, of shape ``(batch,)``, and what else."""
        raise NotImplementedError

    def change_labels(self, labels: Array, drawn: Drawn) -> Array:
        if labels.ndim < 2 and not jnp.issubdtype(labels.dtype, jnp.floating):
            raise ValueError(
                f"{self}: labels are mixed as the images are, so they must be vectors, one for "
                f"each image, not classes; got shape {labels.shape} and dtype {labels.dtype}. Take "
                "lamina.utils.to_categorical(labels)."
            )
        floating = jnp.issubdtype(labels.dtype, jnp.floating)
        return self._mixed(labels if floating else labels.astype(jnp.float32), drawn)

    def _mixed(self, values: Array, drawn: Drawn) -> Array:
        """The sum of the values of both images, each with its weight."""
        weight = drawn["weight"].astype(values.dtype)
        weight = weight.reshape((-1,) + (1,) * (values.ndim - 1))
        weight = jnp.broadcast_to(weight, values.shape)
        return weight * values + (1 - weight) * values[drawn["order"]]


@registry.register("layer")
class CutMix(Mixing):
    """Put a rectangle of another image of the batch into each, in training. Yun et al. (2019).

    The labels are mixed in the ratio of the areas. Boxes are refused.

    Args:
        factor: both parameters of the beta distribution of the part of an image that stays: two
            limits between which they are drawn for each batch, or one number `f` for ``(0, f)``.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, an input that is no image, labels that are no vectors, or
            boxes.

    >>> images, labels = jnp.ones((4, 6, 7, 3)), jnp.eye(4)
    >>> found = CutMix(seed=1)({"images": images, "labels": labels}, training=True)
    >>> found["labels"].sum(1).round(4).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        self.factor = bounds(factor, "factor", self, least=0)

    def mixture(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        first, second, third = jax.random.split(key, 3)
        alpha = jnp.broadcast_to(between(first, 1, self.factor) + 1e-6, shape[:1])
        side = jnp.sqrt(1 - random.beta(second, shape[:1], alpha, alpha))
        inside, area = windows(third, shape, side, side)
        return {"inside": inside, "weight": 1 - area}

    def change(self, images: Array, drawn: Drawn) -> Array:
        inside = jnp.broadcast_to(drawn["inside"], images.shape)
        return jnp.where(inside, images[drawn["order"]], images)

    def change_masks(self, masks: Array, drawn: Drawn) -> Array:
        return self.change(masks, drawn)

    def change_boxes(self, found: Drawn, drawn: Drawn, size: tuple[int, int]) -> Drawn:
        raise ValueError(
            f"{self}: boxes are not supported, since parts of the things in them are covered and "
            "parts of others come in."
        )


@registry.register("layer")
class MixUp(Mixing):
    """Add each image to another one of the batch, in training. Zhang et al. (2017).

    Labels, and segmentation masks of floats, are mixed in the same ratio. An image has the boxes
    of both images then.

    Args:
        alpha: both parameters of the beta distribution of the weight of an image, above 0.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, an input that is no image, labels that are no vectors, or
            segmentation masks of classes.

    >>> images, labels = jnp.ones((4, 6, 7, 3)), jnp.eye(4)
    >>> found = MixUp(seed=1)({"images": images, "labels": labels}, training=True)
    >>> found["labels"].sum(1).round(4).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        alpha: float = 0.2,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        if not checks.is_number(alpha) or alpha <= 0:
            raise ValueError(f"{self}: alpha must be a number above 0, got {alpha!r}.")
        self.alpha = float(alpha)

    def mixture(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        alpha = jnp.full(shape[:1], self.alpha)
        return {"weight": random.beta(key, shape[:1], alpha, alpha)}

    def change(self, images: Array, drawn: Drawn) -> Array:
        return self._mixed(images, drawn)

    def change_masks(self, masks: Array, drawn: Drawn) -> Array:
        return self._mixed(masks, drawn)

    def change_boxes(self, found: Drawn, drawn: Drawn, size: tuple[int, int]) -> Drawn:
        del size
        both = {name: found[name] for name in ("boxes", "labels")}
        return found | {
            name: jnp.concatenate([part, part[drawn["order"]]], 1) for name, part in both.items()
        }

    def _changed(self, data: Drawn, images: Array, drawn: Drawn, single: bool) -> Drawn:
        masks = data.get("segmentation_masks")
        if masks is not None and not jnp.issubdtype(masks.dtype, jnp.floating):
            raise ValueError(
                f"{self}: segmentation masks are mixed as the images are, so they must hold "
                f"floats, such as a channel for each class, got dtype {masks.dtype}."
            )
        return super()._changed(data, images, drawn, single)


@registry.register("layer")
class MaxNumBoundingBoxes(Augmentation):
    """Bring the boxes of each image to one number: leave out the last, or add empty ones.

    This is done outside of training, too. Images, labels and segmentation masks stay.

    Args:
        max_number: number of boxes of the output.
        fill_value: the label of boxes that were added, and all four of their numbers.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> boxes = {"boxes": jnp.ones((2, 3, 4)), "labels": jnp.ones((2, 3))}
    >>> layer = MaxNumBoundingBoxes(5, bounding_box_format="xyxy")
    >>> found = layer({"images": jnp.ones((2, 7, 8, 3)), "bounding_boxes": boxes})
    >>> found["bounding_boxes"]["labels"][0].tolist()
    [1.0, 1.0, 1.0, -1.0, -1.0]
    """

    def __init__(
        self, max_number: int, fill_value: int = -1, **options: Unpack[AugmentationOptions]
    ) -> None:
        super().__init__(**options)
        self.max_number = checks.positive(max_number, "max_number", self)
        if not checks.is_int(fill_value):
            raise ValueError(f"{self}: fill_value must be an int, got {fill_value!r}.")
        self.fill_value = int(fill_value)

    def call(self, inputs: Any, training: Any = None) -> Any:
        del training
        found = super().call(inputs, training=False)
        if not isinstance(found, dict) or found.get("bounding_boxes") is None:
            return found
        single = found["images"].ndim == 3
        given = self._checked(found["bounding_boxes"], single)
        sized = given | {name: self._sized(given[name]) for name in ("boxes", "labels")}
        return found | {"bounding_boxes": {n: p[0] if single else p for n, p in sized.items()}}

    def _sized(self, part: Array) -> Array:
        kept = part[:, : self.max_number]
        more = self.max_number - kept.shape[1]
        around = [(0, 0), (0, more)] + [(0, 0)] * (part.ndim - 2)
        return jnp.pad(kept, around, constant_values=jnp.asarray(self.fill_value, part.dtype))
