"""Layers that join several inputs to one: sums, products, concatenation, dot products."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp
from jax import lax

from lamina import registry
from lamina.core import masks
from lamina.core.layer import Layer
from lamina.core.shapes import is_shape
from lamina.layers import checks
from lamina.layers.elementwise import as_float
from lamina.ops import native_each, norm
from lamina.ops import shape as ops
from lamina.typing import LayerOptions, Nested, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


class Merge(Layer):
    """Join a list of inputs.

    Args:
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: the input is no list, or shapes do not fit together.
    """

    supports_masking = True
    exactly: int | None = None

    def _listed(self, inputs: Nested) -> list[Any]:
        """The inputs as a list of the right length."""
        number = "a list of inputs" if self.exactly is None else f"a list of {self.exactly} inputs"
        if not isinstance(inputs, list | tuple) or not inputs or is_shape(inputs):
            raise ValueError(f"{self}: expected {number}, got {_told(inputs)}.")
        if self.exactly is not None and len(inputs) != self.exactly:
            raise ValueError(f"{self}: expected {number}, got {len(inputs)}.")
        return list(inputs)

    def build(self, input_shape: Any) -> None:
        self._listed(input_shape)
        super().build(input_shape)

    def _same_kind(self, inputs: list[Any]) -> list[Array]:
        """Arrays of one dtype: as they are, or all in the dtype of computations."""
        if all(value.dtype == inputs[0].dtype for value in inputs):
            return inputs
        return [jnp.asarray(value).astype(self.compute_dtype) for value in inputs]

    def output_dtype(self, inputs: Any) -> Any:
        kinds = {value.dtype for value in inputs}
        if len(kinds) == 1 and not jnp.issubdtype(inputs[0].dtype, jnp.inexact):
            return inputs[0].dtype
        return self.compute_dtype


class Elements(Merge):
    """Combine inputs value by value.

    Axes of size 1 are repeated. An input of fewer axes gets further ones behind the batch. The
    mask of the output is true where the masks of all inputs that have one are.
    """

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = [tuple(shape) for shape in self._listed(input_shape)]
        rank = max(len(shape) for shape in shapes)
        wide = [(*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes]
        return tuple(self._size(axis, wide, shapes) for axis in range(rank))

    def _size(self, axis: int, wide: list[Any], shapes: list[Any]) -> int | None:
        """The size of an axis of the output."""
        sizes = {shape[axis] for shape in wide}
        known = sizes - {None} if axis == 0 else sizes - {None, 1}
        if len(known) > 1:
            raise ValueError(
                f"{self}: inputs of shapes {', '.join(map(str, shapes))} do not fit together: axis "
                f"{axis} has sizes {sorted(known)}."
            )
        return known.pop() if known else (None if None in sizes else 1)

    def call(self, inputs: Nested) -> Array:
        values = self._same_kind(self._listed(inputs))
        shape: Any = self.compute_output_shape([value.shape for value in values])
        return self.combined([_widened(jnp.asarray(value), shape) for value in values])

    def combined(self, values: list[Array]) -> Array:
        """Combine arrays of one shape."""
        raise NotImplementedError

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        found = [one for one in mask or () if one is not None]
        if not found:
            return None
        rank = max(one.ndim for one in found)
        wide = [
            one.reshape(one.shape[:1] + (1,) * (rank - one.ndim) + one.shape[1:]) for one in found
        ]
        try:
            shape = jnp.broadcast_shapes(*(one.shape for one in wide))
        except ValueError:
            shown = ", ".join(str(one.shape) for one in found)
            raise ValueError(
                f"{self}: the masks of its inputs, of shapes {shown}, cannot be combined; they "
                "must have the sizes of leading axes of the inputs."
            ) from None
        return reduce(jnp.logical_and, [jnp.broadcast_to(one, shape) for one in wide])


@registry.register("layer")
class Add(Elements):
    """Sum of the inputs. Axes of size 1 are repeated.

    >>> Add()([jnp.array([[1.0, 2.0]]), jnp.array([[10.0, 20.0]])])
    Array([[11., 22.]], dtype=float32)
    """

    def combined(self, values: list[Array]) -> Array:
        return reduce(native_each.add, values)


@registry.register("layer")
class Subtract(Elements):
    """First input minus the second.

    >>> Subtract()([jnp.array([[1.0, 2.0]]), jnp.array([[10.0, 20.0]])])
    Array([[ -9., -18.]], dtype=float32)
    """

    exactly = 2

    def combined(self, values: list[Array]) -> Array:
        return values[0] - values[1]


@registry.register("layer")
class Multiply(Elements):
    """Product of the inputs, value by value. Axes of size 1 are repeated.

    >>> Multiply()([jnp.array([[1.0, 2.0]]), jnp.array([[10.0, 20.0]])])
    Array([[10., 40.]], dtype=float32)
    """

    def combined(self, values: list[Array]) -> Array:
        return reduce(jnp.multiply, values)


@registry.register("layer")
class Average(Elements):
    """Mean of the inputs, value by value. Axes of size 1 are repeated.

    >>> Average()([jnp.array([[1.0, 2.0]]), jnp.array([[10.0, 20.0]])])
    Array([[ 5.5, 11. ]], dtype=float32)
    """

    def output_dtype(self, inputs: Any) -> Any:
        return self.compute_dtype

    def combined(self, values: list[Array]) -> Array:
        return reduce(jnp.add, [as_float(value, self) for value in values]) / len(values)


@registry.register("layer")
class Maximum(Elements):
    """Largest of the inputs, value by value. Axes of size 1 are repeated.

    >>> Maximum()([jnp.array([[1.0, 20.0]]), jnp.array([[10.0, 2.0]])])
    Array([[10., 20.]], dtype=float32)
    """

    def combined(self, values: list[Array]) -> Array:
        return reduce(jnp.maximum, values)


@registry.register("layer")
class Minimum(Elements):
    """Smallest of the inputs, value by value. Axes of size 1 are repeated.

    >>> Minimum()([jnp.array([[1.0, 20.0]]), jnp.array([[10.0, 2.0]])])
    Array([[1., 2.]], dtype=float32)
    """

    def combined(self, values: list[Array]) -> Array:
        return reduce(jnp.minimum, values)


@registry.register("layer")
class Concatenate(Merge):
    """Join inputs along an axis.

    The mask of the output is that of the inputs, joined likewise; an input without a mask counts
    as unmasked. Along the features a step is kept that all inputs keep.

    Args:
        axis: the axis; sizes must agree on all others. The batch has axis 0.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `axis` is no int, or shapes do not fit together.

    >>> Concatenate()([jnp.ones((1, 2)), jnp.zeros((1, 1))])
    Array([[1., 1., 0.]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if not checks.is_int(axis):
            raise ValueError(f"{self}: axis must be an int, got {axis!r}.")
        self.axis = int(axis)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = [tuple(shape) for shape in self._listed(input_shape)]
        rank = len(shapes[0])
        told = ", ".join(str(shape) for shape in shapes)
        if any(len(shape) != rank for shape in shapes) or not -rank <= self.axis < rank:
            raise ValueError(f"{self}: cannot join shapes {told} along axis {self.axis}.")
        axis, joined = self.axis % rank, []
        for place, sizes in enumerate(zip(*shapes, strict=True)):
            known = {size for size in sizes if size is not None}
            if place == axis:
                joined.append(None if None in sizes else sum(sizes))
            elif len(known) > 1:
                raise ValueError(
                    f"{self}: shapes {told} must agree on all axes but {axis}; axis {place} has "
                    f"sizes {sorted(known)}."
                )
            else:
                joined.append(known.pop() if known else None)
        return tuple(joined)

    def call(self, inputs: Nested) -> Array:
        values = self._same_kind(self._listed(inputs))
        self.compute_output_shape([value.shape for value in values])
        return ops.concatenate(values, self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        found = [one for one in mask or () if one is not None]
        if not found:
            return None
        mask = masks.checked(self, list(inputs), mask)
        rank = max(one.ndim for one in found)
        wide = []
        for value, one in zip(inputs, mask, strict=True):
            full = jnp.ones(value.shape[:rank], bool) if one is None else one
            axes = tuple(range(full.ndim))
            wide.append(lax.broadcast_in_dim(full, value.shape, axes))
        joined = jnp.concatenate(wide, self.axis)
        return jnp.all(joined, axis=tuple(range(rank, joined.ndim)))


@registry.register("layer")
class Dot(Merge):
    """Sum products of two inputs over an axis of each, sample by sample.

    The output has the other axes of the first input and then those of the second;
    ``(batch, 1)`` if there are none.

    Args:
        axes: the axis of both inputs, or a pair with that of each. The batch has axis 0.
        normalize: whether to divide by the lengths of the vectors, which gives the cosine of
            their angle.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `axes` is none of these, or the sizes of the axes differ.

    >>> Dot(axes=1)([jnp.array([[1.0, 2.0]]), jnp.array([[10.0, 20.0]])])
    Array([[50.]], dtype=float32)
    """

    exactly = 2

    def __init__(
        self, axes: int | Sequence[int], normalize: bool = False, **options: Unpack[LayerOptions]
    ) -> None:
        super().__init__(**options)
        pair: Any = (axes, axes) if checks.is_int(axes) else axes
        good = isinstance(pair, list | tuple) and len(pair) == 2
        if not good or not all(checks.is_int(axis) and axis != 0 for axis in pair):
            raise ValueError(
                f"{self}: axes must be an int or two of them, none of them the batch, got {axes!r}."
            )
        self.axes: Any = checks.as_given(axes)
        self.normalize = checks.flag(normalize, "normalize", self)

    def _places(self, shapes: list[Shape]) -> list[int]:
        """The axis of each input, counted from 0."""
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        for axis, shape in zip(axes, shapes, strict=True):
            if not -len(shape) < axis < len(shape):
                raise ValueError(f"{self}: an input of shape {shape} has no axis {axis} to sum.")
        places = [axis % len(shape) for axis, shape in zip(axes, shapes, strict=True)]
        sizes = [shape[place] for shape, place in zip(shapes, places, strict=True)]
        if None not in sizes and sizes[0] != sizes[1]:
            raise ValueError(
                f"{self}: axis {places[0]} of shape {shapes[0]} and axis {places[1]} of shape "
                f"{shapes[1]} must have the same size."
            )
        return places

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = [tuple(shape) for shape in self._listed(input_shape)]
        pairs = zip(shapes, self._places(shapes), strict=True)
        left, right = ([n for axis, n in enumerate(s) if axis not in (0, p)] for s, p in pairs)
        return (shapes[0][0], *left, *right) if left or right else (shapes[0][0], 1)

    def output_dtype(self, inputs: Any) -> Any:
        return self.compute_dtype

    def call(self, inputs: Nested) -> Array:
        left, right = (as_float(value, self) for value in self._listed(inputs))
        one, two = self._places([left.shape, right.shape])
        if self.normalize:
            left, right = norm.l2_normalize(left, one), norm.l2_normalize(right, two)
        product = lax.dot_general(left, right, (((one,), (two,)), ((0,), (0,))))
        return product[:, None] if product.ndim == 1 else product

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


def _told(inputs: Any) -> str:
    return f"one of shape {tuple(inputs)}" if is_shape(inputs) and inputs else "none"


def _widened(value: Array, shape: tuple[int, ...]) -> Array:
    """An array with further axes behind the batch, and those of size 1 repeated."""
    wide = value.reshape(*value.shape[:1], *(1,) * (len(shape) - value.ndim), *value.shape[1:])
    return jnp.broadcast_to(wide, shape)
