"""Names of the types that the whole package shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    import jax
    import numpy as np

    Array = jax.Array
    ArrayLike = jax.Array | np.ndarray | float | int | bool

Shape = tuple[int | None, ...]
"""A shape with ``None`` where the size is not known."""

DataFormat = Literal["channels_last", "channels_first"]
Padding = Literal["valid", "same"]
CausalPadding = Literal["valid", "same", "causal"]

Config = dict[str, Any]
Nested = Any
"""A tensor, or lists, tuples and dicts of tensors."""


class LayerOptions(TypedDict, total=False):
    """The keywords that every layer takes, beside its own arguments."""

    name: str | None
    dtype: Any
    trainable: bool
    input_shape: Sequence[int | None]
    batch_input_shape: Sequence[int | None]
    batch_shape: Sequence[int | None]
    batch_size: int | None
    input_dim: int | None
    input_length: int | None
    input_dtype: str | None
    weights: Sequence[Any] | None
    autocast: bool


__all__ = [
    "Array",
    "ArrayLike",
    "CausalPadding",
    "Config",
    "DataFormat",
    "LayerOptions",
    "Mapping",
    "Nested",
    "Padding",
    "Shape",
]
