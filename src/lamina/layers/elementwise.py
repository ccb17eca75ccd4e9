"""Bases of the layers whose output has the shape or the dtype of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina.core.layer import Layer

if TYPE_CHECKING:
    from lamina.typing import Array


def is_float(value: Any) -> bool:
    """Whether the values of an array or a symbolic tensor are floating-point numbers."""
    return jnp.issubdtype(value.dtype, jnp.inexact)


def as_float(inputs: Any, layer: Layer) -> Array:
    """The inputs as floating-point numbers: integers in the layer's dtype of computations."""
    return inputs if is_float(inputs) else jnp.asarray(inputs).astype(layer.compute_dtype)


class Elementwise(Layer):
    """A layer that changes values, not shapes; masks pass through."""

    supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Rearranging(Layer):
    """A layer that moves values and leaves them as they are, integers too."""

    def output_dtype(self, inputs: Any) -> Any:
        return self.compute_dtype if is_float(inputs) and self.autocast else inputs.dtype
