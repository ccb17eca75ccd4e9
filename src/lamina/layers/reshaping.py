"""Layers that give samples another shape: `Flatten`, `Reshape`, `Permute`, `RepeatVector`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from lamina import registry
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Rearranging
from lamina.ops import shape as ops
from lamina.typing import DataFormat, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class Flatten(Rearranging):
    """Join all axes but the batch.

    With ``channels_first`` the channels are moved to the end before, so that the weights of a
    `Dense` behind it fit a model of either data format.

    Args:
        data_format: where the input has its channels; by default that of ``keras.json``.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a size other than the batch is unknown in a symbolic call.

    >>> Flatten().compute_output_shape((None, 4, 5, 3))
    (None, 60)
    """

    input_spec = InputSpec(min_ndim=1)

    def __init__(
        self, data_format: DataFormat | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        self.data_format: DataFormat = checks.data_format(data_format, self)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        sizes = [size for size in input_shape[1:] if size is not None]
        if len(sizes) < len(input_shape) - 1:
            raise ValueError(
                f"{self}: all sizes but the batch must be known, got shape {input_shape}. State "
                "them in the Input or in input_shape; behind an Embedding give it input_length."
            )
        return (input_shape[0], math.prod(sizes))

    def call(self, inputs: Array) -> Array:
        return ops.flatten(inputs, self.data_format)


@registry.register("layer")
class Reshape(Rearranging):
    """Give each sample another shape with as many values.

    Args:
        target_shape: the new shape, without the batch axis; one size may be -1, which stands
            for what is left.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad shape, or one that does not hold the values of the input.

    >>> Reshape((3, -1)).compute_output_shape((None, 12))
    (None, 3, 4)
    """

    def __init__(self, target_shape: Sequence[int], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        sizes = _listed(target_shape)
        if sizes is None or not all(checks.is_int(n) and (n > 0 or n == -1) for n in sizes):
            raise ValueError(
                f"{self}: target_shape must be a tuple of positive ints without the batch, one of "
                f"which may be -1, got {target_shape!r}."
            )
        if sizes.count(-1) > 1:
            raise ValueError(f"{self}: only one size may be -1, got {sizes}.")
        self.target_shape = tuple(int(n) for n in sizes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        target, sizes = self.target_shape, input_shape[1:]
        if None in sizes:
            return (input_shape[0], *(None if n == -1 else n for n in target))
        try:
            filled = ops.target_shape([n for n in sizes if n is not None], target)
        except ValueError:
            raise ValueError(
                f"{self}: samples of shape {tuple(sizes)} cannot take the shape {target}: the "
                "number of values differs."
            ) from None
        return (input_shape[0], *filled)

    def call(self, inputs: Array) -> Array:
        target: Any = self.compute_output_shape(inputs.shape)[1:]
        return ops.reshape(inputs, target)


@registry.register("layer")
class Permute(Rearranging):
    """Reorder the axes of each sample.

    Args:
        dims: old place of each axis, counted from 1; the batch stays first.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `dims` does not hold each axis once, or the input has another rank.

    >>> Permute((2, 1)).compute_output_shape((None, 10, 64))
    (None, 64, 10)
    """

    def __init__(self, dims: Sequence[int], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        axes = _listed(dims) or ()
        good = all(checks.is_int(axis) for axis in axes)
        if not axes or not good or sorted(axes) != list(range(1, len(axes) + 1)):
            raise ValueError(
                f"{self}: dims must hold each axis of a sample once, counted from 1, such as "
                f"(2, 1), got {dims!r}."
            )
        self.dims = tuple(int(axis) for axis in axes)
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))

    def call(self, inputs: Array) -> Array:
        return ops.permute(inputs, self.dims)


@registry.register("layer")
class RepeatVector(Rearranging):
    """Repeat each sample along a new axis: ``(batch, features)`` to ``(batch, n, features)``.

    Args:
        n: how often.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `n` is no positive int, or the input has another rank than 2.

    >>> RepeatVector(3).compute_output_shape((None, 32))
    (None, 3, 32)
    """

    input_spec = InputSpec(ndim=2)

    def __init__(self, n: int, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.n = checks.positive(n, "n", self)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.n, *input_shape[1:])

    def call(self, inputs: Array) -> Array:
        return ops.repeat_vector(inputs, self.n)


def _listed(value: Any) -> tuple[Any, ...] | None:
    """Sizes as a tuple, from one or several; ``None`` if it is neither."""
    if checks.is_int(value):
        return (value,)
    return tuple(value) if isinstance(value, list | tuple) else None
