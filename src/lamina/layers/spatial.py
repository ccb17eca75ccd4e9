"""`Spatial`: what layers with spatial axes share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.core.layer import Layer
from lamina.typing import DataFormat, Shape

if TYPE_CHECKING:
    _Base = Layer
else:
    _Base = object


class Spatial(_Base):
    """Mixin: a layer with a number of spatial axes, and channels before or behind them."""

    rank: int
    data_format: DataFormat

    def spatial(self, input_shape: Shape) -> Shape:
        """The sizes of the spatial axes of a shape.

        Raises:
            ValueError: the rank is not that of the layer.
        """
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"{self}: expected an input of rank {self.rank + 2}, got shape {input_shape}."
            )
        first = 1 if self.data_format == "channels_last" else 2
        return tuple(input_shape[first : first + self.rank])

    def channels(self, input_shape: Shape) -> int | None:
        """The number of channels of a shape."""
        return input_shape[-1 if self.data_format == "channels_last" else 1]

    def joined(self, input_shape: Shape, spatial: Shape, channels: int | None) -> Shape:
        """A shape from its batch, spatial sizes and channels, each of which must be positive."""
        if any(size is not None and size < 1 for size in spatial):
            raise ValueError(
                f"{self}: the windows do not fit an input of shape {input_shape}: the output "
                f"would have spatial sizes {spatial}. Take a smaller window, padding='same' or "
                "larger inputs."
            )
        if self.data_format == "channels_last":
            return (input_shape[0], *spatial, channels)
        return (input_shape[0], channels, *spatial)
