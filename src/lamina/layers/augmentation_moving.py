"""Images that are mirrored, cropped or bent at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax
import jax.numpy as jnp
from jax import lax

from lamina import registry
from lamina.layers import checks
from lamina.layers.augmentation import Augmentation, AugmentationOptions, Drawn, bounds, value_range
from lamina.layers.augmentation_projecting import Factor, Interpolation, between, chosen
from lamina.ops import boxes, projections, random
from lamina.typing import DataFormat, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.typing import Array

Mode = Literal["horizontal", "vertical", "horizontal_and_vertical"]


@registry.register("layer")
class RandomFlip(Augmentation):
    """Mirror half of the images, drawn at random, in training.

    Args:
        mode: ``horizontal`` swaps left and right, ``vertical`` above and below, and
            ``horizontal_and_vertical`` both at once, as in Keras 3. Releases of ``tf.keras`` drew
            once for each; two layers do that.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> images = jnp.broadcast_to(jnp.arange(3.0).reshape(1, 3, 1), (20, 1, 3, 1))
    >>> rows = RandomFlip("horizontal", seed=1)(images, training=True)[:, 0, :, 0]
    >>> sorted(set(map(tuple, rows.tolist())))
    [(0.0, 1.0, 2.0), (2.0, 1.0, 0.0)]
    """

    def __init__(
        self,
        mode: Mode = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        self.mode = checks.one_of(mode, Mode, "mode", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        return {"flipped": random.uniform(key, shape[:1]) <= 0.5}

    def change(self, images: Array, drawn: Drawn) -> Array:
        axes = tuple(
            axis for axis, word in ((1, "vertical"), (2, "horizontal")) if word in self.mode
        )
        flipped = jnp.broadcast_to(drawn["flipped"][:, None, None, None], images.shape)
        return jnp.where(flipped, jnp.flip(images, axes), images)

    def change_masks(self, masks: Array, drawn: Drawn) -> Array:
        return self.change(masks, drawn)

    def change_boxes(self, found: Drawn, drawn: Drawn, size: tuple[int, int]) -> Drawn:
        left, top, right, bottom = jnp.moveaxis(found["boxes"], -1, 0)
        if "horizontal" in self.mode:
            left, right = size[1] - right, size[1] - left
        if "vertical" in self.mode:
            top, bottom = size[0] - bottom, size[0] - top
        mirrored = jnp.stack([left, top, right, bottom], -1)
        flipped = jnp.broadcast_to(drawn["flipped"][:, None, None], mirrored.shape)
        return found | {"boxes": jnp.where(flipped, mirrored, found["boxes"])}


@registry.register("layer")
class RandomCrop(Augmentation):
    """Cut a random piece out of images in training: the same place for all images of a batch.

    Outside of training, and where an image is lower or narrower than the piece, the largest part
    of its middle that has the ratio of the piece is resized. (Keras 3.15 leaves images alone
    outside of training, against its documents; ``tf.keras`` and lamina do as they say.)

    Args:
        height: height of the output.
        width: width of the output.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> RandomCrop(2, 3)(jnp.ones((4, 7, 8, 1)), training=True).shape
    (4, 2, 3, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        self.height = checks.positive(height, "height", self)
        self.width = checks.positive(width, "width", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        rows, columns = shape[1] - self.height, shape[2] - self.width
        if rows < 0 or columns < 0:
            return self.rest(shape)
        first, second = jax.random.split(key)
        top, left = (
            random.randint(one, (), 0, most + 1) for one, most in ((first, rows), (second, columns))
        )
        return {"start": (top, left), "size": (self.height, self.width)}

    def rest(self, shape: tuple[int, ...]) -> Drawn:
        high, wide = shape[1], shape[2]
        size = (
            max(min(high, int(wide * self.height / self.width)), 1),
            max(min(wide, int(high * self.width / self.height)), 1),
        )
        return {"start": ((high - size[0]) // 2, (wide - size[1]) // 2), "size": size}

    def change(self, images: Array, drawn: Drawn) -> Array:
        return self._cropped(images, drawn, "bilinear")

    def change_masks(self, masks: Array, drawn: Drawn) -> Array:
        return self._cropped(masks, drawn, "nearest")

    def _cropped(self, images: Array, drawn: Drawn, interpolation: str) -> Array:
        from lamina.backend.keras3.images import resize

        size = drawn["size"]
        for axis in (0, 1):
            start = drawn["start"][axis]
            images = lax.dynamic_slice_in_dim(images, start, size[axis], axis + 1)
        wanted = (self.height, self.width)
        if size == wanted:
            return images
        return resize(images, wanted, interpolation, data_format="channels_last")

    def change_boxes(self, found: Drawn, drawn: Drawn, size: tuple[int, int]) -> Drawn:
        del size
        scale = (self.width / drawn["size"][1], self.height / drawn["size"][0])
        left, top, right, bottom = jnp.moveaxis(found["boxes"], -1, 0)
        top, bottom = (_placed(one, drawn["start"][0], scale[1]) for one in (top, bottom))
        left, right = (_placed(one, drawn["start"][1], scale[0]) for one in (left, right))
        moved = jnp.stack([left, top, right, bottom], -1)
        kept, labels = boxes.clipped(moved, found["labels"], (self.height, self.width))
        return found | {"boxes": kept, "labels": labels}

    def changed_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return self.height, self.width

    def _sizes(self, shape: Shape) -> Shape:
        del shape
        return self.height, self.width


def _placed(edges: Array, start: Any, scale: float) -> Array:
    return (edges - jnp.asarray(start).astype(edges.dtype)) * scale


@registry.register("layer")
class RandomElasticTransform(Augmentation):
    """Bend images at random in training, as if printed on rubber. Simard et al. (2003).

    Neighbouring pixels move by similar distances: noise under a Gaussian window whose deviation is
    a twentieth of the shorter side, times the same and a tenth of the longer side. All three are
    multiplied by the scale.

    Args:
        factor: probability with which an image is changed: two limits between which it is drawn
            for each image, or one number `f` for ``(0, f)``.
        scale: how much images are bent: two limits from 0 to 1 between which it is drawn for each
            batch, or one number `f` for ``(0, f)``.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        fill_mode: what lies outside of an image: ``reflect`` (``d c b a | a b c d | d c b a``),
            ``mirror`` (``d c b | a b c d | c b a``), ``constant``, ``wrap`` or ``nearest``.
        fill_value: the value outside, for the fill mode ``constant``.
        value_range: the lowest and the highest value of a pixel; all are cut off there.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image, or has boxes.

    >>> RandomElasticTransform(scale=0.5).scale
    (0.0, 0.5)
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: Factor = 1.0,
        interpolation: Interpolation = "bilinear",
        fill_mode: Literal["constant", "nearest", "wrap", "mirror", "reflect"] = "reflect",
        fill_value: float = 0.0,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        modes = Literal["constant", "nearest", "wrap", "mirror", "reflect"]
        self.factor = bounds(factor, "factor", self, least=0)
        self.scale = bounds(scale, "scale", self, least=0)
        self.interpolation = checks.one_of(interpolation, Interpolation, "interpolation", self)
        self.fill_mode = checks.one_of(fill_mode, modes, "fill_mode", self)
        self.fill_value = checks.number(fill_value, "fill_value", self)
        self.value_range = _range(value_range, self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        first, second, third = jax.random.split(key, 3)
        return {
            "applied": chosen(first, shape[0], self.factor),
            "scale": between(second, 1, self.scale)[0],
            "noise": random.normal(third, (*shape[:3], 2)),
        }

    def _bent(self, images: Array, drawn: Drawn, order: int) -> Array:
        from lamina.backend.keras3.warping import _sampled

        shape = images.shape[:3]
        # Nothing is smoothed, and nothing moves, where the scale is 0.
        width = jnp.maximum(0.05 * min(shape[1:]) * drawn["scale"], 1e-6)
        smooth = projections.smooth(drawn["noise"], width, 0.05 * min(shape[1:]) * self.scale[1])
        shifts = 0.1 * max(shape[1:]) * drawn["scale"] * width * smooth
        shifts = jnp.where(drawn["applied"][:, None, None, None], shifts, jnp.zeros_like(shifts))
        rows, columns = (
            lax.broadcasted_iota(shifts.dtype, shape, axis + 1) + shifts[..., axis]
            for axis in (0, 1)
        )
        return _sampled(images, rows, columns, order, (self.fill_mode, self.fill_value))

    def change(self, images: Array, drawn: Drawn) -> Array:
        bent = self._bent(images, drawn, 0 if self.interpolation == "nearest" else 1)
        return jnp.clip(bent, *self.value_range)

    def change_masks(self, masks: Array, drawn: Drawn) -> Array:
        return self._bent(masks, drawn, 0)

    def change_boxes(self, found: Drawn, drawn: Drawn, size: tuple[int, int]) -> Drawn:
        raise ValueError(
            f"{self}: boxes have no shape of their own in an image that is bent; take segmentation "
            "masks, or make the boxes anew from them."
        )


_range = value_range
