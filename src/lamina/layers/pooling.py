"""Pooling: each window gives its largest value or its mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from lamina import registry
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Rearranging, as_float
from lamina.layers.spatial import Spatial
from lamina.ops import pool
from lamina.typing import DataFormat, LayerOptions, Padding, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class Pooling(Spatial, Rearranging):
    """Slide windows over the spatial axes and reduce each to one value.

    Args:
        pool_size: size of the window along each axis; one int for all.
        strides: steps of the window; by default its size.
        padding: ``valid`` for no padding, ``same`` for outputs of the size of the input divided
            by the stride. Cells of the padding do not count.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, or an input too small for the window.
    """

    rank: ClassVar[int]  # type: ignore[misc]
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: Padding = "valid",
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.pool_size = checks.per_axis(pool_size, self.rank, "pool_size", self)
        stated = self.pool_size if strides is None else strides
        self.strides = checks.per_axis(stated, self.rank, "strides", self)
        self.padding: Padding = checks.one_of(padding, Padding, "padding", self)
        self.data_format: DataFormat = checks.data_format(data_format, self)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        axes = zip(self.spatial(input_shape), self.pool_size, self.strides, strict=True)
        spatial = tuple(pool.pool_output_size(*axis, padding=self.padding) for axis in axes)
        return self.joined(input_shape, spatial, self.channels(input_shape))

    def call(self, inputs: Array) -> Array:
        self.compute_output_shape(inputs.shape)
        return self.pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class SequencePooling(Pooling):
    """`Pooling` over time steps; channels come last whatever ``keras.json`` says."""

    rank = 1
    takes_sequences = True

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: Padding = "valid",
        data_format: DataFormat | None = "channels_last",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format or "channels_last", **options)


class Averaging(Pooling):
    """Mean of each window: integers become floating-point numbers."""

    pool = staticmethod(pool.average_pool)

    def output_dtype(self, inputs: Any) -> Any:
        return self.compute_dtype

    def call(self, inputs: Array) -> Array:
        return super().call(as_float(inputs, self))


@registry.register("layer", "MaxPool1D")
class MaxPooling1D(SequencePooling):
    """Largest value of each window over time steps.

    Arguments are those of `Pooling`; channels come last by default.

    >>> MaxPooling1D().compute_output_shape((None, 7, 4))
    (None, 3, 4)
    """

    pool = staticmethod(pool.max_pool)


@registry.register("layer", "MaxPool2D")
class MaxPooling2D(Pooling):
    """Largest value of each window over height and width.

    Arguments are those of `Pooling`.

    >>> MaxPooling2D().compute_output_shape((None, 28, 29, 3))
    (None, 14, 14, 3)
    """

    rank = 2
    pool = staticmethod(pool.max_pool)


@registry.register("layer", "MaxPool3D")
class MaxPooling3D(Pooling):
    """Largest value of each window over three axes.

    Arguments are those of `Pooling`.

    >>> MaxPooling3D().compute_output_shape((None, 9, 28, 29, 3))
    (None, 4, 14, 14, 3)
    """

    rank = 3
    pool = staticmethod(pool.max_pool)


@registry.register("layer", "AvgPool1D")
class AveragePooling1D(Averaging, SequencePooling):
    """Mean of each window over time steps.

    Arguments are those of `Pooling`; channels come last by default.
    Cells of the padding do not count.

    >>> AveragePooling1D().compute_output_shape((None, 7, 4))
    (None, 3, 4)
    """


@registry.register("layer", "AvgPool2D")
class AveragePooling2D(Averaging):
    """Mean of each window over height and width.

    Arguments are those of `Pooling`. Cells of the padding do not count.

    >>> AveragePooling2D().compute_output_shape((None, 28, 29, 3))
    (None, 14, 14, 3)
    """

    rank = 2


@registry.register("layer", "AvgPool3D")
class AveragePooling3D(Averaging):
    """Mean of each window over three axes.

    Arguments are those of `Pooling`. Cells of the padding do not count.

    >>> AveragePooling3D().compute_output_shape((None, 9, 28, 29, 3))
    (None, 4, 14, 14, 3)
    """

    rank = 3
