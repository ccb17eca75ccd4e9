"""`InputSpec`: what a layer expects of its inputs, and the check at each call."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.core import shapes
from lamina.core.naming import counted
from lamina.typing import Nested, Shape


class InputSpec:
    """Rank, sizes and dtype that an input must have.

    Args:
        dtype: expected dtype, or ``None`` for any.
        shape: expected shape, with ``None`` for sizes that may vary.
        ndim: expected rank.
        max_ndim: largest rank.
        min_ndim: smallest rank.
        axes: sizes of single axes.

    >>> InputSpec(min_ndim=2, axes={-1: 16})
    InputSpec(min_ndim=2, axes={-1: 16})
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Shape | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
        **_: Any,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}

    def __repr__(self) -> str:
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        stated = [f"{name}={getattr(self, name)!r}" for name in names if getattr(self, name)]
        return f"InputSpec({', '.join(stated)})"

    def problem(self, shape: Shape) -> str | None:
        """What is wrong with a shape, in words, or ``None``."""
        rank = len(shape)
        if self.ndim is not None and rank != self.ndim:
            return f"expected an input of rank {self.ndim}, got rank {rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected an input of rank {self.max_ndim} at most, got rank {rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected an input of rank {self.min_ndim} at least, got rank {rank}"
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (size, None):
                return f"expected size {size} on axis {axis}, got {shape[axis]}"
        for axis, size in enumerate(self.shape or ()):
            if size is not None and shape[axis] not in (size, None):
                return f"expected shape {self.shape}, which has {size} on axis {axis}"
        return None


def check(layer: Any, inputs: Nested) -> None:
    """Compare inputs with the input spec of a layer.

    Raises:
        ValueError: a rank or a size is not as the layer needs it.
    """
    specs = layer.input_spec
    specs = specs if isinstance(specs, list | tuple) else [specs]
    values = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if len(specs) != len(values):
        raise ValueError(
            f"{layer}: expected {counted(len(specs), 'input')}, got {len(values)}"
            f"{_shapes(values)}. Pass them as one list."
        )
    for place, (spec, value) in enumerate(zip(specs, values, strict=True)):
        shape = np.shape(value) if not hasattr(value, "shape") else tuple(value.shape)
        problem = None if spec is None else spec.problem(shape)
        if problem is not None:
            which = "" if len(values) == 1 else f" {place}"
            hint = _rank_hint(layer, spec, len(shape)) or _hint(layer)
            raise ValueError(f"{layer}: {problem} (input{which} has shape {shape}).{hint}")


_AXES = {3: ("steps",), 4: ("height", "width"), 5: ("depth", "height", "width")}


def _rank_hint(layer: Any, spec: InputSpec | None, rank: int) -> str:
    """What to do with an input of another rank."""
    if spec is None or rank in (spec.ndim, None):
        return ""
    if spec.ndim is None:
        few = spec.min_ndim is not None and rank < spec.min_ndim
        return " A single sample is a batch as x[None]." if few else ""
    data_format = getattr(layer, "data_format", None)
    if spec.ndim in _AXES and (data_format or type(layer).__name__.endswith("1D")):
        return _image_hint(spec.ndim, rank, data_format == "channels_first")
    if spec.ndim == 2 and rank > 2:
        return " Put a Flatten before it."
    if rank == spec.ndim - 1:
        return " A single sample is a batch as x[None]."
    return f" Bring it to rank {spec.ndim} with a Reshape before it."


def _image_hint(wanted: int, rank: int, channels_first: bool) -> str:
    """What to do where layers of sequences, images and volumes get another rank."""
    if rank == wanted - 1:
        added = "x[:, None]" if channels_first else "x[..., None]"
        single = "A single sample is a batch as x[None]."
        return f" Without an axis of channels, add one: {added}. {single}"
    axes = (*_AXES[wanted], "channels") if not channels_first else ("channels", *_AXES[wanted])
    named = ", ".join(("batch", *axes))
    other = f" Layers for rank {rank} end in {rank - 2}D." if rank in _AXES else ""
    return f" It takes ({named}); a Reshape before it can bring the input to this form.{other}"


def _hint(layer: Any) -> str:
    first = getattr(layer, "_build_shape", None)
    return f" The layer was built on inputs of shape {first}." if first is not None else ""


def _shapes(values: list[Any]) -> str:
    return " of shapes " + ", ".join(str(getattr(v, "shape", type(v).__name__)) for v in values)


def stated_input_shape(layer: Any, options: dict[str, Any]) -> Shape | None:
    """What the options of a first layer say about the shape of its input, batch included."""
    whole = options.get("batch_input_shape", options.get("batch_shape"))
    if whole is not None:
        return _sizes(layer, "batch_input_shape", whole)
    shape = options.get("input_shape")
    if shape is None:
        size, length = options.get("input_dim"), options.get("input_length")
        if size is None:
            return None
        for argument in ("input_dim", "input_length"):
            _check_size(layer, argument, options.get(argument))
        sequence = length is not None or layer.takes_sequences
        shape = (length, size) if sequence else (size,)
    if isinstance(shape, int):
        shape = (shape,)
    _check_size(layer, "batch_size", options.get("batch_size"))
    return (options.get("batch_size"), *_sizes(layer, "input_shape", shape))


def stated_weights(layer: Any, weights: Any) -> Any:
    """The initial values of weights, a list of arrays."""
    if weights is not None and not isinstance(weights, list | tuple):
        raise TypeError(
            f"{layer}: weights must be a list of arrays, one for each weight, got "
            f"{type(weights).__name__}."
        )
    return weights


def _check_size(layer: Any, argument: str, size: Any) -> None:
    if not shapes.is_shape((size,)) or (size is not None and size < 0):
        raise ValueError(f"{layer}: {argument} must be an int of 0 or more or None, got {size!r}.")


def _sizes(layer: Any, argument: str, shape: Any) -> Shape:
    if not shapes.is_shape(shape) or any(size is not None and size < 0 for size in shape):
        raise ValueError(
            f"{layer}: {argument} must be a tuple of sizes or None, such as (28, 28, 1), "
            f"got {shape!r}."
        )
    return tuple(None if size is None else int(size) for size in shape)
