"""Global pooling: all places of a channel give one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from lamina import registry
from lamina.core import masks
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Rearranging, as_float
from lamina.layers.spatial import Spatial
from lamina.ops import global_pool
from lamina.typing import DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class GlobalPooling(Spatial, Rearranging):
    """Reduce all spatial axes at once.

    Args:
        data_format: where the channels are.
        keepdims: whether the spatial axes stay, with size 1.
        options: what every layer takes, see `Layer`.
    """

    rank: ClassVar[int]  # type: ignore[misc]

    def __init__(
        self,
        data_format: DataFormat | None = None,
        *,
        keepdims: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.data_format: DataFormat = checks.data_format(data_format, self)
        self.keepdims = checks.flag(keepdims, "keepdims", self)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.spatial(input_shape)
        if self.keepdims:
            return self.joined(input_shape, (1,) * self.rank, self.channels(input_shape))
        return (input_shape[0], self.channels(input_shape))


class GlobalAverage(GlobalPooling):
    """Mean over all spatial axes; arguments are those of `GlobalPooling`."""

    def output_dtype(self, inputs: Any) -> Any:
        return self.compute_dtype

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        return global_pool.global_average_pool(inputs, self.data_format, keepdims=self.keepdims)


class GlobalMax(GlobalPooling):
    """Largest value over all spatial axes; arguments are those of `GlobalPooling`."""

    def call(self, inputs: Array) -> Array:
        return global_pool.global_max_pool(inputs, self.data_format, keepdims=self.keepdims)


class OverSteps(GlobalPooling):
    """`GlobalPooling` over time steps; channels come last whatever ``keras.json`` says."""

    rank = 1
    takes_sequences = True

    def __init__(
        self,
        data_format: DataFormat | None = "channels_last",
        *,
        keepdims: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(data_format or "channels_last", keepdims=keepdims, **options)


@registry.register("layer", "GlobalAvgPool1D")
class GlobalAveragePooling1D(OverSteps, GlobalAverage):
    """Mean over the time steps; masked steps do not count.

    A sample whose steps are all masked gives NaN. The output has no mask.

    Args:
        data_format: where the channels are, whatever ``keras.json`` says.
        keepdims: whether the axis of steps stays, with size 1.
        options: what every layer takes, see `Layer`.

    >>> GlobalAveragePooling1D().compute_output_shape((None, 7, 32))
    (None, 32)
    """

    supports_masking = True

    def call(self, inputs: Array, mask: Any = None) -> Array:
        inputs, mask = as_float(inputs, self), masks.checked(self, inputs, mask)
        if mask is not None and mask.shape != (len(inputs), *self.spatial(inputs.shape)):
            raise ValueError(
                f"{self}: mask must have shape (batch, steps), got {mask.shape} for an input of "
                f"shape {inputs.shape} ({self.data_format})."
            )
        return global_pool.global_average_pool(inputs, self.data_format, mask, self.keepdims)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


@registry.register("layer", "GlobalMaxPool1D")
class GlobalMaxPooling1D(OverSteps, GlobalMax):
    """Largest value over the time steps; arguments are those of `GlobalPooling`.

    >>> GlobalMaxPooling1D().compute_output_shape((None, 7, 32))
    (None, 32)
    """


@registry.register("layer", "GlobalAvgPool2D")
class GlobalAveragePooling2D(GlobalAverage):
    """Mean over height and width; arguments are those of `GlobalPooling`.

    >>> GlobalAveragePooling2D().compute_output_shape((None, 28, 29, 3))
    (None, 3)
    """

    rank = 2


@registry.register("layer", "GlobalAvgPool3D")
class GlobalAveragePooling3D(GlobalAverage):
    """Mean over three axes; arguments are those of `GlobalPooling`.

    >>> GlobalAveragePooling3D().compute_output_shape((None, 9, 28, 29, 3))
    (None, 3)
    """

    rank = 3


@registry.register("layer", "GlobalMaxPool2D")
class GlobalMaxPooling2D(GlobalMax):
    """Largest value over height and width; arguments are those of `GlobalPooling`.

    >>> GlobalMaxPooling2D().compute_output_shape((None, 28, 29, 3))
    (None, 3)
    """

    rank = 2


@registry.register("layer", "GlobalMaxPool3D")
class GlobalMaxPooling3D(GlobalMax):
    """Largest value over three axes; arguments are those of `GlobalPooling`.

    >>> GlobalMaxPooling3D().compute_output_shape((None, 9, 28, 29, 3))
    (None, 3)
    """

    rank = 3
