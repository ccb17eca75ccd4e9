"""What layers that change images at random share: `Augmentation`.

A layer of its own says two things: which numbers it draws for each image, and what becomes of
the images with them. Images come to both as a batch with the channels last, in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp
import numpy as np

from lamina.core.layer import Layer
from lamina.layers import checks
from lamina.ops import boxes
from lamina.registry import did_you_mean
from lamina.typing import Config, DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array

Drawn = dict[str, Any]
"""What was drawn for a batch, by names that a layer chooses."""

KEYS = ("images", "labels", "bounding_boxes", "segmentation_masks")


class AugmentationOptions(LayerOptions, total=False):
    """The keywords that every layer of this kind takes, beside its own arguments."""

    bounding_box_format: str | None


class Augmentation(Layer):
    """A layer that changes images at random in training and only casts them otherwise.

    The input is an image of rank 3, a batch of rank 4, or a dict with either of them under
    ``"images"`` and what belongs to it under ``"labels"``, ``"bounding_boxes"`` and
    ``"segmentation_masks"``; other keys are handed on. Each image has its own draw. Where nobody
    says whether it is training (`fit`, `evaluate` and `predict` do, ``training=False`` does),
    these layers act, as those of Keras: what calls them by hand wants other images.

    A subclass defines `draw` and `change`; and `change_labels`, `change_boxes` and
    `change_masks`, if these do not stay as they are.

    Args:
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        data_format: where the channels are.
        bounding_box_format: what the four numbers of a box are, one of `lamina.ops.boxes.FORMATS`.
        options: what every layer takes, see `Layer`.

    >>> class Darker(Augmentation):
    ...     def draw(self, key, shape):
    ...         return {"factor": jax.random.uniform(key, (shape[0], 1, 1, 1))}
    ...     def change(self, images, drawn):
    ...         return images * drawn["factor"]
    >>> import jax
    >>> images = jnp.ones((2, 4, 5, 3))
    >>> bool((Darker()(images, training=True) < images).all())
    True
    >>> bool((Darker()(images, training=False) == images).all())
    True
    """

    def __init__(
        self,
        seed: int | None = None,
        data_format: DataFormat | None = None,
        bounding_box_format: str | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.seed = checks.seed(seed, self)
        self.data_format: DataFormat = checks.data_format(data_format, self)
        self.bounding_box_format = _format(bounding_box_format, self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        """What is random about a batch of images of this shape, channels last."""
        raise NotImplementedError(f"{self}: {type(self).__name__} defines no method draw.")

    def rest(self, shape: tuple[int, ...]) -> Drawn | None:
        """What stands for a draw where it is not training; ``None`` if nothing changes there."""
        del shape
        return None

    def change(self, images: Array, drawn: Drawn) -> Array:
        """The changed images: a batch, channels last, in floats."""
        raise NotImplementedError(f"{self}: {type(self).__name__} defines no method change.")

    def change_labels(self, labels: Array, drawn: Drawn) -> Array:
        """The labels of the changed images."""
        del drawn
        return labels

    def change_boxes(self, found: Drawn, drawn: Drawn, size: tuple[int, int]) -> Drawn:
        """The boxes of the changed images.

        Args:
            found: ``"boxes"`` are left, top, right, bottom in pixels, ``(batch, count, 4)``,
                ``"labels"`` their classes.
            drawn: what was drawn.
            size: height and width of the images before.
        """
        del drawn, size
        return found

    def change_masks(self, masks: Array, drawn: Drawn) -> Array:
        """The segmentation masks of the changed images: a batch, channels last, in floats."""
        del drawn
        return masks

    def changed_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the changed images."""
        return size

    def compute_output_shape(self, input_shape: Any) -> Any:
        if isinstance(input_shape, Mapping):
            return super().compute_output_shape(input_shape)
        first, second = self.axes(input_shape)
        return (*input_shape[:first], *self._sizes(input_shape), *input_shape[second + 1 :])

    def _sizes(self, shape: Shape) -> Shape:
        """Height and width of the output; they may be unknown."""
        first, second = self.axes(shape)
        return shape[first : second + 1]

    def get_config(self) -> Config:
        config = super().get_config() | {"data_format": self.data_format}
        if self.bounding_box_format is None:
            config.pop("bounding_box_format", None)
        return config

    def _output_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        if isinstance(inputs, Mapping):
            return self._inferred_spec(args, kwargs, inputs)
        return super()._output_spec(args, kwargs, inputs)

    def _filled(
        self, record: Any, args: tuple[Any, ...], kwargs: dict[str, Any], mask: Any
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if record.training is None and kwargs.get("training") is None and len(args) < 2:
            kwargs = kwargs | {"training": True}
        return super()._filled(record, args, kwargs, mask)

    def call(self, inputs: Any, training: Any = None) -> Any:
        data = dict(inputs) if isinstance(inputs, Mapping) else {"images": inputs}
        if "images" not in data:
            raise ValueError(
                f"{self}: a dict must hold the images under 'images', got the keys "
                f"{sorted(map(str, data))}."
            )
        if data.get("bounding_boxes") is not None and self.bounding_box_format is None:
            raise ValueError(
                f"{self}: for 'bounding_boxes' the layer must know what the four numbers of a box "
                "are; state bounding_box_format, such as 'xyxy'."
            )
        single = self._rank(data["images"]) == 3
        images = self.batch(data["images"])
        shape = images.shape
        drawn = self.draw(self.random_key(self.seed), shape) if training else self.rest(shape)
        if drawn is None:
            data["images"] = self._given(jnp.asarray(data["images"]), self.compute_dtype)
        else:
            data |= self._changed(data, images, drawn, single)
        return data if isinstance(inputs, Mapping) else data["images"]

    def _changed(self, data: Drawn, images: Array, drawn: Drawn, single: bool) -> Drawn:
        """Everything known about the images, changed as they are."""
        found: Drawn = {"images": self.unbatch(self.change(images, drawn), single)}
        if data.get("labels") is not None:
            labels = _added(data["labels"], single)
            found["labels"] = _removed(self.change_labels(labels, drawn), single)
        if data.get("bounding_boxes") is not None:
            found["bounding_boxes"] = self._boxes(data["bounding_boxes"], drawn, images, single)
        if data.get("segmentation_masks") is not None:
            masks = jnp.asarray(data["segmentation_masks"])
            changed = self.change_masks(self.batch(masks), drawn)
            found["segmentation_masks"] = self.unbatch(changed, single, masks.dtype)
        return found

    def _boxes(self, given: Any, drawn: Drawn, images: Array, single: bool) -> Drawn:
        given = self._checked(given, single)
        before = (images.shape[1], images.shape[2])
        words: Any = self.bounding_box_format
        pixels = boxes.as_corners(given["boxes"].astype(jnp.float32), words, before)
        changed = self.change_boxes(given | {"boxes": pixels}, drawn, before)
        after = boxes.from_corners(changed["boxes"], words, self.changed_size(before))
        return {n: _removed(part, single) for n, part in (changed | {"boxes": after}).items()}

    def _checked(self, given: Any, single: bool) -> dict[str, Any]:
        """Boxes and labels as arrays of a batch."""
        if not isinstance(given, Mapping) or not {"boxes", "labels"} <= set(given):
            raise ValueError(
                f"{self}: 'bounding_boxes' must be a dict with the keys 'boxes' and 'labels', got "
                f"{sorted(map(str, given)) if isinstance(given, Mapping) else type(given)}."
            )
        found = {name: _added(part, single) for name, part in given.items()}
        corners, labels = found["boxes"].shape, found["labels"].shape
        if len(corners) != 3 or corners[-1] != 4 or labels[:2] != corners[:2] or len(labels) > 3:
            counts = "(count" if single else "(batch, count"
            raise ValueError(
                f"{self}: boxes must have shape {counts}, 4), and their labels {counts}), with or "
                f"without a last axis of classes; got {np.shape(given['boxes'])} and "
                f"{np.shape(given['labels'])}."
            )
        return found

    def _rank(self, images: Any) -> int:
        self.axes(np.shape(images))
        return np.ndim(images)

    def batch(self, images: Any) -> Array:
        """Images as a batch with the channels last, in floats of 32 bits at least."""
        images = jnp.asarray(images)
        images = images if self._rank(images) == 4 else images[None]
        images = images if self.data_format == "channels_last" else jnp.moveaxis(images, 1, -1)
        return images if images.dtype == jnp.float64 else images.astype(jnp.float32)

    def unbatch(self, images: Array, single: bool, dtype: Any = None) -> Array:
        """Undo `batch`; the result has the dtype of the layer's computations, or another."""
        images = images if self.data_format == "channels_last" else jnp.moveaxis(images, -1, 1)
        return self._given(images[0] if single else images, dtype or self.compute_dtype)

    def _given(self, images: Array, dtype: Any) -> Array:
        """Images in another dtype; where it is one of whole numbers they are rounded."""
        from lamina.backend.keras3.images import as_given

        if jnp.issubdtype(images.dtype, jnp.floating):
            return as_given(images, jnp.dtype(dtype))
        return images.astype(dtype)

    def axes(self, shape: Shape) -> tuple[int, int]:
        """Which axes of an input are height and width.

        Raises:
            ValueError: the input is no image, and no batch of them.
        """
        if len(shape) not in (3, 4):
            raise ValueError(
                f"{self}: the input must be an image of rank 3, or a batch of rank 4, got shape "
                f"{tuple(shape)}."
            )
        first = len(shape) - (3 if self.data_format == "channels_last" else 2)
        return first, first + 1


def _format(word: Any, layer: Any) -> str | None:
    if word is None or (isinstance(word, str) and word.lower() in boxes.FORMATS):
        return word if word is None else word.lower()
    raise ValueError(
        f"{layer}: bounding_box_format must be one of {', '.join(map(repr, boxes.FORMATS))}, got "
        f"{word!r}.{did_you_mean(word, list(boxes.FORMATS)) if isinstance(word, str) else ''}"
    )


def _added(part: Any, single: bool) -> Array:
    part = jnp.asarray(part)
    return part[None] if single else part


def _removed(part: Array, single: bool) -> Array:
    return part[0] if single else part


def bounds(
    value: Any, argument: str, layer: Any, least: float = -1.0, most: float = 1.0
) -> tuple[float, float]:
    """The range from which a factor is drawn: of a number `f`, from ``-f`` (`least`) to `f`.

    Raises:
        ValueError: it is no number and no two numbers, or lies outside of `least` and `most`.

    >>> bounds(0.2, "factor", "layer"), bounds((0.3, 0.1), "factor", "layer", 0)
    ((-0.2, 0.2), (0.1, 0.3))
    >>> bounds(0.2, "factor", "layer", least=0)
    (0.0, 0.2)
    """
    if checks.is_number(value):
        pair = (max(-abs(float(value)), float(least)) + 0.0, abs(float(value)))  # no -0.0
        good = least <= value <= most
    else:
        given = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
        good = len(given) == 2 and all(checks.is_number(n) and least <= n <= most for n in given)
        pair = (float(min(given)), float(max(given))) if good else (0.0, 0.0)
    if not good:
        raise ValueError(
            f"{layer}: {argument} must be a number from {least:g} to {most:g}, or two of them, "
            f"got {value!r}."
        )
    return pair


def value_range(value: Any, layer: Any) -> tuple[float, float]:
    """The lowest and the highest value of a pixel.

    Raises:
        ValueError: it is no pair of numbers, or not in order.

    >>> value_range([0, 255], "layer")
    (0, 255)
    """
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if len(pair) != 2 or not all(map(checks.is_number, pair)) or not pair[0] < pair[1]:
        raise ValueError(
            f"{layer}: value_range must be the lowest and the highest value of a pixel, such as "
            f"(0, 255), got {value!r}."
        )
    return pair


def rescaled(images: Array, source: Sequence[float], target: Sequence[float]) -> Array:
    """Floating pixels of one range of values in another.

    >>> rescaled(jnp.array([0.0, 127.5, 255.0]), (0, 255), (-1, 1))
    Array([-1.,  0.,  1.], dtype=float32)
    """
    if tuple(source) == tuple(target):
        return images
    factor = (target[1] - target[0]) / (source[1] - source[0])
    return (images - source[0]) * factor + target[0]
