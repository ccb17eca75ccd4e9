"""Images whose values are spread over their whole range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from lamina import registry
from lamina.layers import checks
from lamina.layers.augmentation import AugmentationOptions, Drawn
from lamina.layers.augmentation_colour import BYTES, Coloured
from lamina.ops import colour
from lamina.typing import DataFormat

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class AutoContrast(Coloured):
    """Stretch the values of each channel of an image to the whole range.

    Always, not only in training. A channel of one value stays as it is. (Keras 3.15 takes lowest
    and highest values along the wrong axes where the channels come first.)

    Args:
        value_range: the lowest and the highest value of a pixel.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> import jax.numpy as jnp
    >>> AutoContrast()(jnp.array([[[10.0], [20.0], [30.0]]])).ravel().tolist()
    [0.0, 127.5, 255.0]
    """

    def __init__(
        self,
        value_range: Sequence[float] = BYTES,
        *,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, None, data_format, **options)
        self.value_range = list(self.value_range)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        del key
        return self.rest(shape)

    def rest(self, shape: tuple[int, ...]) -> Drawn:
        del shape
        return {}

    def change(self, images: Array, drawn: Drawn) -> Array:
        del drawn
        return self.from_bytes(colour.stretched(self.as_bytes(images)))


@registry.register("layer")
class Equalization(Coloured):
    """Spread the values of each channel of an image by their ranks, in training.

    Afterwards all values are about equally often. (Keras 3.15 ranks the values of all images of a
    batch together.)

    Args:
        value_range: the lowest and the highest value of a pixel.
        bins: how many groups of values there are.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> import jax.numpy as jnp
    >>> images = jnp.array([[[3.0], [4.0], [4.0], [9.0]]])
    >>> Equalization()(images, training=True).ravel().tolist()
    [0.0, 170.0, 170.0, 255.0]
    """

    def __init__(
        self,
        value_range: Sequence[float] = BYTES,
        bins: int = 256,
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, None, data_format, **options)
        self.value_range = list(self.value_range)
        self.bins = checks.positive(bins, "bins", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        del key, shape
        return {}

    def change(self, images: Array, drawn: Drawn) -> Array:
        del drawn
        return self.from_bytes(colour.equalized(self.as_bytes(images), self.bins))


@registry.register("layer")
class ContrastLimitedAdaptiveHistogramEqualization(Coloured):
    """Spread values by their ranks among the pixels around, with a limit to the contrast.

    Always, not only in training. The image is cut into tiles, each with its own table of ranks; a
    pixel takes the mean of those of the four tiles whose middles are nearest, the nearer the more.
    Pizer and others (1987); Zuiderveld (1994), "Contrast Limited Adaptive Histogram Equalization".

    Args:
        value_range: the lowest and the highest value of a pixel.
        clip_limit: how many times the mean a value may count in a table; 0 for no limit.
        tile_grid_size: number of tiles along height and width.
        data_format: where the channels are.
        options: what every layer of this kind takes, see `Augmentation`.

    Raises:
        ValueError: a bad argument, or an input that is no image.

    >>> import jax.numpy as jnp
    >>> layer = ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))
    >>> layer(jnp.ones((1, 8, 9, 3))).shape
    (1, 8, 9, 3)
    """

    def __init__(
        self,
        value_range: Sequence[float] = BYTES,
        clip_limit: float = 4.0,
        tile_grid_size: int | Sequence[int] = (8, 8),
        data_format: DataFormat | None = None,
        **options: Unpack[AugmentationOptions],
    ) -> None:
        super().__init__(value_range, None, data_format, **options)
        self.clip_limit = checks.not_negative(clip_limit, "clip_limit", self)
        self.tile_grid_size = checks.per_axis(tile_grid_size, 2, "tile_grid_size", self)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Drawn:
        del key
        return self.rest(shape)

    def rest(self, shape: tuple[int, ...]) -> Drawn:
        del shape
        return {}

    def change(self, images: Array, drawn: Drawn) -> Array:
        del drawn
        images = self.as_bytes(images)
        found = colour.locally_equalized(images, self.tile_grid_size, self.clip_limit)
        return self.from_bytes(found)
