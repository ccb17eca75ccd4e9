"""What is done to images and numbers first: `Rescaling`, `Resizing`, `CenterCrop`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.layers import checks
from lamina.layers.elementwise import Elementwise, Rearranging
from lamina.typing import DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array

Interpolation = Literal["bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"]


@registry.register("layer")
class Rescaling(Elementwise):
    """Multiply by a number and add another one: ``x * scale + offset``.

    ``Rescaling(1 / 255)`` brings pixels to the range from 0 to 1, and ``Rescaling(1 / 127.5,
    offset=-1)`` to that from -1 to 1.

    Args:
        scale: the factor, or one for each place along the last axes.
        offset: what is added, likewise.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument is no number and no list of numbers, or does not fit the input.

    >>> Rescaling(0.5, offset=1.0)(jnp.array([[2.0, 4.0]]))
    Array([[2., 3.]], dtype=float32)
    """

    def __init__(
        self,
        scale: float | Sequence[float],
        offset: float | Sequence[float] = 0.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.scale = _numbers(scale, "scale", self)
        self.offset = _numbers(offset, "offset", self)

    def call(self, inputs: Array) -> Array:
        inputs = jnp.asarray(inputs).astype(self.compute_dtype)
        return inputs * self._along(self.scale, inputs) + self._along(self.offset, inputs)

    def _along(self, values: Any, inputs: Array) -> Any:
        if isinstance(values, float):
            return values
        found = jnp.asarray(values, inputs.dtype)
        sizes = inputs.shape[inputs.ndim - found.ndim :]
        fits = all(one in (1, size) for one, size in zip(found.shape, sizes, strict=False))
        if found.ndim > inputs.ndim or not fits:
            raise ValueError(
                f"{self}: scale and offset must spread to the last axes of the input of shape "
                f"{inputs.shape}, got shape {found.shape}."
            )
        return jnp.broadcast_to(found, inputs.shape)


def _numbers(value: Any, argument: str, layer: Any) -> Any:
    """A number as a float, or numbers as lists."""
    found = np.asarray(value) if not isinstance(value, str) else np.asarray(None)
    if found.dtype.kind not in "iuf" or not np.isfinite(found).all():
        raise ValueError(
            f"{layer}: {argument} must be a number, or numbers along the last axes, got {value!r}."
        )
    return float(found) if not found.ndim else found.astype(float).tolist()


class Sized(Rearranging):
    """A layer that brings images to a height and a width.

    Args:
        height: height of the output.
        width: width of the output.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.
    """

    def __init__(
        self,
        height: int,
        width: int,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.height = checks.positive(height, "height", self)
        self.width = checks.positive(width, "width", self)
        self.data_format: DataFormat = checks.data_format(data_format, self)

    def spatial(self, shape: Shape) -> slice:
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
        return slice(first, first + 2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        place = self.spatial(input_shape)
        sizes = (self.height, self.width)
        return (*input_shape[: place.start], *sizes, *input_shape[place.stop :])

    def resized(self, images: Array, **options: Any) -> Array:
        """The images in the size of the layer."""
        from lamina.backend.keras3.images import resize

        size = (self.height, self.width)
        return resize(images, size, data_format=self.data_format, **options)


@registry.register("layer")
class Resizing(Sized):
    """Bring images to a height and a width. Whole numbers stay whole, rounded.

    Args:
        height: height of the output.
        width: width of the output.
        interpolation: how values between pixels come about.
        crop_to_aspect_ratio: whether images of another ratio are cropped around their centre
            first; by default they are stretched.
        pad_to_aspect_ratio: whether they get borders first.
        fill_mode: only ``"constant"``.
        fill_value: value of the borders.
        antialias: whether the mean of more pixels is taken where images get smaller.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> Resizing(2, 3).compute_output_shape((None, 7, 8, 4))
    (None, 2, 3, 4)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: Interpolation = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: Literal["constant"] = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(height, width, data_format, **options)
        words = Interpolation
        self.interpolation = checks.one_of(interpolation, words, "interpolation", self)
        self.crop_to_aspect_ratio = checks.flag(crop_to_aspect_ratio, "crop_to_aspect_ratio", self)
        self.pad_to_aspect_ratio = checks.flag(pad_to_aspect_ratio, "pad_to_aspect_ratio", self)
        self.fill_mode = checks.one_of(fill_mode, Literal["constant"], "fill_mode", self)
        if not checks.is_number(fill_value):
            raise ValueError(f"{self}: fill_value must be a number, got {fill_value!r}.")
        self.fill_value = float(fill_value)
        self.antialias = checks.flag(antialias, "antialias", self)
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError(
                f"{self}: images are cropped or padded to the ratio, not both; set one of "
                "crop_to_aspect_ratio and pad_to_aspect_ratio."
            )

    def call(self, inputs: Array) -> Array:
        self.spatial(inputs.shape)
        return self.resized(
            jnp.asarray(inputs),
            interpolation=self.interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_value=self.fill_value,
        )


@registry.register("layer")
class CenterCrop(Sized):
    """Cut the middle out of images.

    Images that are lower or narrower than that are cropped to its ratio and made larger.

    Args:
        height: height of the output.
        width: width of the output.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> CenterCrop(1, 2)(jnp.arange(12.0).reshape(1, 3, 4, 1)).ravel()
    Array([5., 6.], dtype=float32)
    """

    def output_dtype(self, inputs: Any) -> Any:
        return self.compute_dtype

    def call(self, inputs: Array) -> Array:
        place = self.spatial(inputs.shape)
        inputs = jnp.asarray(inputs).astype(self.compute_dtype)
        high, wide = inputs.shape[place]
        top, left = (high - self.height) // 2, (wide - self.width) // 2
        if top < 0 or left < 0:
            return self.resized(inputs, crop_to_aspect_ratio=True)
        cut = (slice(top, top + self.height), slice(left, left + self.width))
        return inputs[(slice(None),) * place.start + cut]
