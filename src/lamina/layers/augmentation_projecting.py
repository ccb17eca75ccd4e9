"""Images that are turned, zoomed, shifted, slanted or seen from elsewhere, at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax
import jax.numpy as jnp

from lamina import registry
from lamina.layers import checks
from lamina.layers.augmentation import Augmentation, AugmentationOptions, Drawn, bounds
from lamina.ops import boxes, projections, random
from lamina.typing import DataFormat

if TYPE_CHECKING:
    from lamina.typing import Array

FillMode = Literal["reflect", "wrap", "constant", "nearest"]
Interpolation = Literal["bilinear", "nearest"]
Factor = float | Sequence[float]


def between(key: Array, count: int, limits: tuple[float, float]) -> Array:
    """Numbers that lie evenly between two limits, the upper one included.

    >>> between(jax.random.key(0), 2, (0.5, 0.5)).tolist()
    [0.5, 0.5]
    """
    return limits[1] - (limits[1] - limits[0]) * random.uniform(key, (count,))


class Projecting(Augmentation):
    """A layer whose draw is a map that says where each pixel is read.

    Segmentation masks are read at the same places, without interpolation. Boxes become those
    around their four corners, within the image; the label of a box of which nothing is left is -1.

    Args:
        fill_mode: what lies outside of an image: ``reflect`` (``d c b a | a b c d | d c b a``),
            ``constant``, ``wrap`` (``a b c d | a b c d | a b c d``) or ``nearest``.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        fill_value: the constant.
        seed: see `Augmentation`.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.
    """

    def __init__(
        self,
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(seed, data_format, **options)
        self.fill_mode = checks.one_of(fill_mode, FillMode, "fill_mode", self)
        self.interpolation = checks.one_of(interpolation, Interpolation, "interpolation", self)
        self.fill_value = checks.number(fill_value, "fill_value", self)

    def _read(self, images: Array, drawn: Drawn, interpolation: str) -> Array:
        from lamina.backend.keras3.warping import affine_transform

        matrix = drawn["matrix"].astype(images.dtype)
        fill = (self.fill_mode, self.fill_value)
        return affine_transform(images, matrix, interpolation, *fill, "channels_last")

    def change(self, images: Array, drawn: Drawn) -> Array:
        return self._read(images, drawn, self.interpolation)

    def change_masks(self, masks: Array, drawn: Drawn) -> Array:
        return self._read(masks, drawn, "nearest")

    def change_boxes(self, found: Drawn, drawn: Drawn, size: tuple[int, int]) -> Drawn:
        moved = projections.moved_boxes(found["boxes"], drawn["matrix"])
        return found | dict(
            zip(("boxes", "labels"), boxes.clipped(moved, found["labels"], size), strict=True)
        )


@registry.register("layer")
class RandomRotation(Projecting):
    """Turn images about their middle by a random angle in training.

    Args:
        factor: the angle as a part of a whole turn: two limits, or one number `f` for ``(-f, f)``.
            Angles above 0 turn counterclockwise.
        fill_mode: what lies outside of an image: ``reflect`` (``d c b a | a b c d | d c b a``),
            ``constant``, ``wrap`` or ``nearest``.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        fill_value: the value outside, for the fill mode ``constant``.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> quarter = RandomRotation((0.25, 0.25), interpolation="nearest")
    >>> quarter(jnp.arange(4.0).reshape(2, 2, 1), training=True)[..., 0].tolist()
    [[1.0, 3.0], [0.0, 2.0]]
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed, data_format, **options)
        self.factor = bounds(factor, "factor", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        angle = 2 * jnp.pi * between(key, shape[0], self.factor)
        return {"matrix": projections.rotation(angle, (shape[1], shape[2]))}


@registry.register("layer")
class RandomZoom(Projecting):
    """Zoom images by random factors in training.

    Args:
        height_factor: how much more of the height is seen: two limits, or one number `f` for
            ``(-f, f)``. ``(0.2, 0.3)`` zooms out by 20% to 30%, ``(-0.3, -0.2)`` zooms in.
        width_factor: the same for the width; by default it is that of the height, so that the
            ratio stays.
        fill_mode: what lies outside of an image: ``reflect`` (``d c b a | a b c d | d c b a``),
            ``constant``, ``wrap`` or ``nearest``.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        fill_value: the value outside, for the fill mode ``constant``.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> out = RandomZoom((1.0, 1.0), (0.0, 0.0), "constant", interpolation="nearest")
    >>> out(jnp.ones((4, 2, 1)), training=True)[..., 0].tolist()
    [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed, data_format, **options)
        self._height = _zoom(height_factor, "height_factor", self)
        self._width = None if width_factor is None else _zoom(width_factor, "width_factor", self)
        self.height_factor, self.width_factor = height_factor, width_factor

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        first, second = jax.random.split(key)
        high = 1 + between(first, shape[0], self._height)
        wide = high if self._width is None else 1 + between(second, shape[0], self._width)
        return {"matrix": projections.zoom(high, wide, (shape[1], shape[2]))}


def _zoom(value: Any, argument: str, layer: Any) -> tuple[float, float]:
    limits = bounds(value, argument, layer)
    if limits[1] == -1 or (limits[0] == -1 and not checks.is_number(value)):
        raise ValueError(f"{layer}: {argument} must be above -1, got {value!r}.")
    return limits


@registry.register("layer")
class RandomTranslation(Projecting):
    """Shift images by random distances in training.

    Args:
        height_factor: how far down, as a part of the height: two limits, or one number `f` for
            ``(-f, f)``.
        width_factor: how far to the right, as a part of the width, likewise.
        fill_mode: what lies outside of an image: ``reflect`` (``d c b a | a b c d | d c b a``),
            ``constant``, ``wrap`` or ``nearest``.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        fill_value: the value outside, for the fill mode ``constant``.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> shifted = RandomTranslation((0.5, 0.5), (0.0, 0.0), "constant")
    >>> shifted(jnp.arange(4.0).reshape(2, 2, 1), training=True)[..., 0].tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: FillMode = "reflect",
        interpolation: Interpolation = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed, data_format, **options)
        self._height = bounds(height_factor, "height_factor", self)
        self._width = bounds(width_factor, "width_factor", self)
        self.height_factor, self.width_factor = height_factor, width_factor

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        first, second = jax.random.split(key)
        rows = shape[1] * between(first, shape[0], self._height)
        columns = shape[2] * between(second, shape[0], self._width)
        return {"matrix": projections.translation(rows, columns)}


@registry.register("layer")
class RandomShear(Projecting):
    """Slant images by random amounts in training; the upper left corner stays where it is.

    Both amounts of an image are turned around together with a probability of one half.

    Args:
        x_factor: by how many columns each further row is read further to the right: two limits
            from 0 to 1, or one number `f` for ``(-f, f)``.
        y_factor: by how many rows each further column is read further down, likewise.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        fill_mode: what lies outside of an image: ``reflect`` (``d c b a | a b c d | d c b a``),
            ``constant``, ``wrap`` or ``nearest``.
        fill_value: the value outside, for the fill mode ``constant``.
        data_format: where the channels are.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> RandomShear(0.2).compute_output_shape((None, 7, 8, 3))
    (None, 7, 8, 3)
    """

    def __init__(
        self,
        x_factor: Factor = 0.0,
        y_factor: Factor = 0.0,
        interpolation: Interpolation = "bilinear",
        fill_mode: FillMode = "reflect",
        fill_value: float = 0.0,
        data_format: DataFormat | None = None,
        seed: int | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed, data_format, **options)
        self._columns = _slant(x_factor, "x_factor", self)
        self._rows = _slant(y_factor, "y_factor", self)
        self.x_factor, self.y_factor = x_factor, y_factor

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        first, second, third = jax.random.split(key, 3)
        sign = jnp.where(random.uniform(first, shape[:1]) > 0.5, -1.0, 1.0)
        columns = sign * between(second, shape[0], self._columns)
        return {
            "matrix": projections.shear(columns, sign * between(third, shape[0], self._rows)),
        }


def _slant(value: Any, argument: str, layer: Any) -> tuple[float, float]:
    # Keras writes (-f, f) into its configs for a number f, which its constructor refuses.
    limits = bounds(value, argument, layer)
    if limits[0] < 0 and limits[1] != -limits[0]:
        raise ValueError(
            f"{layer}: {argument} must be a number from 0 to 1, or two of them, got {value!r}."
        )
    return limits


@registry.register("layer")
class RandomPerspective(Projecting):
    """Move the corners of images at random in training, and all between them by a perspective.

    Each coordinate of a corner is multiplied by a number between ``1 - scale / 2`` and
    ``1 + scale / 2``; so the upper left corner stays.

    Args:
        factor: probability with which an image is changed: two limits between which it is drawn
            for each image, or one number `f` for ``(0, f)``.
        scale: how far the corners move, from 0 to 1.
        interpolation: how values between pixels come about: ``bilinear`` or ``nearest``.
        fill_value: the value outside of the image.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> RandomPerspective(0.5, scale=0.2).factor
    (0.0, 0.5)
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: float = 1.0,
        interpolation: Interpolation = "bilinear",
        fill_value: float = 0.0,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__("constant", interpolation, fill_value, seed, data_format, **options)
        self.factor = bounds(factor, "factor", self, least=0)
        self.scale = checks.fraction(scale, "scale", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        count, right, bottom = shape[0], shape[2] - 1.0, shape[1] - 1.0
        first, second = jax.random.split(key)
        corners = jnp.asarray([[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]])
        far = random.uniform(second, (count, 4, 2), -0.5 * self.scale, 0.5 * self.scale)
        start = jnp.broadcast_to(corners, (count, 4, 2))
        return self.projected(start, start * (1 + far), chosen(first, count, self.factor))

    def projected(self, start: Array, end: Array, applied: Array) -> Drawn:
        """The draw in which four points of some images come to lie where others are."""
        matrix = jax.vmap(projections.perspective)(start, end)
        still = projections.zoom(jnp.ones(len(start)), jnp.ones(len(start)), (1, 1))
        return {"matrix": jnp.where(applied[:, None], matrix, still)}


def chosen(key: Array, count: int, limits: tuple[float, float]) -> Array:
    """Which images are changed, with a probability that is drawn for each of them.

    >>> chosen(jax.random.key(0), 3, (1.0, 1.0)).tolist()
    [True, True, True]
    """
    first, second = jax.random.split(key)
    return random.uniform(first, (count,)) < between(second, count, limits)
