"""Adaptive pooling: the size of the output is given, the windows follow from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from lamina import registry
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Rearranging, as_float
from lamina.layers.spatial import Spatial
from lamina.ops import adaptive
from lamina.typing import DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class AdaptivePooling(Spatial, Rearranging):
    """Reduce windows to one value each, as many along each axis as asked for.

    Args:
        output_size: size of the output along each spatial axis; one int for all.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: an argument that makes no sense, or an input without cells.
    """

    rank: ClassVar[int]  # type: ignore[misc]
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        output_size: int | Sequence[int],
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.output_size = checks.per_axis(output_size, self.rank, "output_size", self)
        self.data_format: DataFormat = checks.data_format(data_format, self)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if 0 in self.spatial(input_shape):
            raise ValueError(f"{self}: an input of shape {input_shape} has no cells to pool.")
        return self.joined(input_shape, self.output_size, self.channels(input_shape))

    def output_dtype(self, inputs: Any) -> Any:
        return self.compute_dtype

    def call(self, inputs: Array) -> Array:
        self.compute_output_shape(inputs.shape)
        return self.pool(as_float(inputs, self), self.output_size, self.data_format)


class OverSteps(AdaptivePooling):
    """`AdaptivePooling` over time steps; channels come last whatever ``keras.json`` says."""

    rank = 1
    takes_sequences = True

    def __init__(
        self,
        output_size: int | Sequence[int],
        data_format: DataFormat | None = "channels_last",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(output_size, data_format or "channels_last", **options)


@registry.register("layer")
class AdaptiveMaxPooling1D(OverSteps):
    """Largest value of each window over time steps, for an output of a given size.

    Arguments are those of `AdaptivePooling`; channels come last by default.
    Of `n` cells the window at place `i` of `m` sees those from ``floor(i * n / m)`` on and before
    ``ceil((i + 1) * n / m)``.

    >>> AdaptiveMaxPooling1D(3).compute_output_shape((None, 7, 4))
    (None, 3, 4)
    """

    pool = staticmethod(adaptive.adaptive_max_pool)


@registry.register("layer")
class AdaptiveMaxPooling2D(AdaptivePooling):
    """Largest value of each window over height and width, for an output of a given size.

    Arguments are those of `AdaptivePooling`. Of `n` cells the window at place `i` of `m` sees
    those from ``floor(i * n / m)`` on and before ``ceil((i + 1) * n / m)``.

    >>> AdaptiveMaxPooling2D((4, 5)).compute_output_shape((None, 28, 29, 3))
    (None, 4, 5, 3)
    """

    rank = 2
    pool = staticmethod(adaptive.adaptive_max_pool)


@registry.register("layer")
class AdaptiveMaxPooling3D(AdaptivePooling):
    """Largest value of each window over three axes, for an output of a given size.

    Arguments are those of `AdaptivePooling`. Of `n` cells the window at place `i` of `m` sees
    those from ``floor(i * n / m)`` on and before ``ceil((i + 1) * n / m)``.

    >>> AdaptiveMaxPooling3D(2).compute_output_shape((None, 9, 28, 29, 3))
    (None, 2, 2, 2, 3)
    """

    rank = 3
    pool = staticmethod(adaptive.adaptive_max_pool)


@registry.register("layer")
class AdaptiveAveragePooling1D(OverSteps):
    """Mean of each window over time steps, for an output of a given size.

    Arguments are those of `AdaptivePooling`; channels come last by default.
    Of `n` cells the window at place `i` of `m` sees those from ``floor(i * n / m)`` on and before
    ``ceil((i + 1) * n / m)``.

    >>> AdaptiveAveragePooling1D(3).compute_output_shape((None, 7, 4))
    (None, 3, 4)
    """

    pool = staticmethod(adaptive.adaptive_average_pool)


@registry.register("layer")
class AdaptiveAveragePooling2D(AdaptivePooling):
    """Mean of each window over height and width, for an output of a given size.

    Arguments are those of `AdaptivePooling`. Of `n` cells the window at place `i` of `m` sees
    those from ``floor(i * n / m)`` on and before ``ceil((i + 1) * n / m)``.

    >>> AdaptiveAveragePooling2D((4, 5)).compute_output_shape((None, 28, 29, 3))
    (None, 4, 5, 3)
    """

    rank = 2
    pool = staticmethod(adaptive.adaptive_average_pool)


@registry.register("layer")
class AdaptiveAveragePooling3D(AdaptivePooling):
    """Mean of each window over three axes, for an output of a given size.

    Arguments are those of `AdaptivePooling`. Of `n` cells the window at place `i` of `m` sees
    those from ``floor(i * n / m)`` on and before ``ceil((i + 1) * n / m)``.

    >>> AdaptiveAveragePooling3D(2).compute_output_shape((None, 9, 28, 29, 3))
    (None, 2, 2, 2, 3)
    """

    rank = 3
    pool = staticmethod(adaptive.adaptive_average_pool)
