"""Layers that lengthen or shorten spatial axes: zero padding, cropping, upsampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack

import jax

from lamina import registry
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Rearranging, as_float
from lamina.layers.spatial import Spatial
from lamina.ops import shape as ops
from lamina.typing import DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array

Sides = int | Sequence[int] | Sequence[Sequence[int]]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]


class Resized(Spatial, Rearranging):
    """A layer that changes the sizes of the spatial axes.

    Args:
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.
    """

    rank: ClassVar[int]  # type: ignore[misc]

    def __init__(
        self, data_format: DataFormat | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        stated = data_format or ("channels_last" if self.rank == 1 else None)
        self.data_format: DataFormat = checks.data_format(stated, self)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def resized(self, axis: int, size: int) -> int:
        """Size of a spatial axis in the output."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = enumerate(self.spatial(input_shape))
        spatial = tuple(None if n is None else self.resized(axis, n) for axis, n in sizes)
        return self.joined(input_shape, spatial, self.channels(input_shape))


class ZeroPadding(Resized):
    """Add zeros around the spatial axes.

    Args:
        padding: an int for all sides, one for each axis, or a pair ``(before, after)`` for each.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `padding` is none of these.
    """

    def __init__(
        self,
        padding: Sides = 1,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self._pairs = checks.pairs(_of_keras1(padding, self.rank), self.rank, "padding", self)
        self.padding = self._pairs[0] if self.rank == 1 else self._pairs

    def resized(self, axis: int, size: int) -> int:
        return size + sum(self._pairs[axis])

    def call(self, inputs: Array) -> Array:
        return ops.zero_pad(inputs, self._pairs, self.data_format)


_SIDES = {
    1: (("left_pad", "right_pad"),),
    2: (("top_pad", "bottom_pad"), ("left_pad", "right_pad")),
}


def _of_keras1(padding: Any, rank: int) -> Any:
    """Pairs for the dict of sides of Keras 1; anything else as it is."""
    sides = _SIDES.get(rank, ())
    known = {name for pair in sides for name in pair}
    if not isinstance(padding, Mapping) or not padding or not set(padding) <= known:
        return padding
    pairs = tuple(tuple(padding.get(name, 0) for name in pair) for pair in sides)
    return pairs[0] if rank == 1 else pairs


class Cropping(Resized):
    """Cut off the ends of the spatial axes.

    Args:
        cropping: an int for all sides, one for each axis, or a pair ``(before, after)`` for
            each.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `cropping` is none of these, or nothing of the input is left.
    """

    def __init__(
        self,
        cropping: Sides = 1,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self._pairs = checks.pairs(cropping, self.rank, "cropping", self)
        self.cropping = self._pairs[0] if self.rank == 1 else self._pairs

    def resized(self, axis: int, size: int) -> int:
        left = size - sum(self._pairs[axis])
        if left < 1:
            raise ValueError(
                f"{self}: cropping {self.cropping} leaves nothing of a spatial axis of size {size}."
            )
        return left

    def call(self, inputs: Array) -> Array:
        self.compute_output_shape(inputs.shape)
        return ops.crop(inputs, self._pairs, self.data_format)


class UpSampling(Resized):
    """Repeat the values along the spatial axes.

    Args:
        size: how often, one int or one for each axis.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `size` is none of these.
    """

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format, **options)
        self._factors = checks.per_axis(size, self.rank, "size", self)
        self.size: Any = self._factors[0] if self.rank == 1 else self._factors

    def resized(self, axis: int, size: int) -> int:
        return size * self._factors[axis]

    def call(self, inputs: Array) -> Array:
        return ops.upsample(inputs, self._factors, self.data_format)


@registry.register("layer")
class ZeroPadding1D(ZeroPadding):
    """Add zeros around time steps; arguments are those of `ZeroPadding`.

    >>> ZeroPadding1D().compute_output_shape((None, 7, 4))
    (None, 9, 4)
    """

    rank = 1

    def __init__(
        self,
        padding: Sides = 1,
        *,
        data_format: DataFormat | None = "channels_last",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(padding, data_format, **options)


@registry.register("layer")
class ZeroPadding2D(ZeroPadding):
    """Add zeros around height and width; arguments are those of `ZeroPadding`.

    >>> ZeroPadding2D().compute_output_shape((None, 7, 8, 4))
    (None, 9, 10, 4)
    """

    rank = 2


@registry.register("layer")
class ZeroPadding3D(ZeroPadding):
    """Add zeros around three axes; arguments are those of `ZeroPadding`.

    >>> ZeroPadding3D().compute_output_shape((None, 7, 8, 9, 4))
    (None, 9, 10, 11, 4)
    """

    rank = 3


@registry.register("layer")
class Cropping1D(Cropping):
    """Cut off the ends of time steps; arguments are those of `Cropping`.

    >>> Cropping1D().compute_output_shape((None, 7, 4))
    (None, 5, 4)
    """

    rank = 1

    def __init__(self, cropping: Sides = (1, 1), **options: Unpack[LayerOptions]) -> None:
        super().__init__(cropping, "channels_last", **options)


@registry.register("layer")
class Cropping2D(Cropping):
    """Cut off the ends of height and width; arguments are those of `Cropping`.

    >>> Cropping2D(((1, 2), (0, 3))).compute_output_shape((None, 7, 8, 4))
    (None, 4, 5, 4)
    """

    rank = 2

    def __init__(
        self,
        cropping: Sides = ((0, 0), (0, 0)),
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(cropping, data_format, **options)


@registry.register("layer")
class Cropping3D(Cropping):
    """Cut off the ends of three axes; arguments are those of `Cropping`.

    >>> Cropping3D().compute_output_shape((None, 7, 8, 9, 4))
    (None, 5, 6, 7, 4)
    """

    rank = 3


@registry.register("layer")
class UpSampling1D(UpSampling):
    """Repeat time steps; arguments are those of `UpSampling`.

    >>> UpSampling1D().compute_output_shape((None, 7, 4))
    (None, 14, 4)
    """

    rank = 1

    def __init__(self, size: int = 2, **options: Unpack[LayerOptions]) -> None:
        super().__init__(size, "channels_last", **options)


@registry.register("layer")
class UpSampling2D(UpSampling):
    """Enlarge height and width by whole factors.

    Args:
        size: the factor, one int or one for each axis.
        data_format: where the channels are.
        interpolation: ``nearest`` repeats values; ``bilinear`` takes values in between, with
            the centres of the cells as their places; ``bicubic`` (Keys 1981, with a = -0.5),
            ``lanczos3`` and ``lanczos5`` do so with 4, 6 and 10 neighbours along each axis.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument is none of these.

    >>> UpSampling2D((2, 3)).compute_output_shape((None, 7, 8, 4))
    (None, 14, 24, 4)
    """

    rank = 2

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        data_format: DataFormat | None = None,
        interpolation: Interpolation = "nearest",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(size, data_format, **options)
        self.interpolation = checks.one_of(interpolation, Interpolation, "interpolation", self)

    def output_dtype(self, inputs: Any) -> Any:
        repeats = self.interpolation == "nearest"
        return super().output_dtype(inputs) if repeats else self.compute_dtype

    def call(self, inputs: Array) -> Array:
        if self.interpolation == "nearest":
            return super().call(inputs)
        shape: Any = self.compute_output_shape(inputs.shape)
        method = "cubic" if self.interpolation == "bicubic" else self.interpolation
        return jax.image.resize(as_float(inputs, self), shape, method)


@registry.register("layer")
class UpSampling3D(UpSampling):
    """Repeat along three axes; arguments are those of `UpSampling`.

    >>> UpSampling3D().compute_output_shape((None, 7, 8, 9, 4))
    (None, 14, 16, 18, 4)
    """

    rank = 3
