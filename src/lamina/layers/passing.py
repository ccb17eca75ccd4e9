"""Layers that hand values on: `Identity`, `Masking`, `ActivityRegularization`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Elementwise, Rearranging, as_float
from lamina.typing import LayerOptions

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class Identity(Rearranging, Elementwise):
    """Give back the input.

    >>> Identity()(jnp.ones((1, 2)))
    Array([[1., 1.]], dtype=float32)
    """

    def call(self, inputs: Any) -> Any:
        return inputs

    def output_dtype(self, inputs: Any) -> Any:
        return super().output_dtype(inputs) if hasattr(inputs, "dtype") else self.compute_dtype


@registry.register("layer")
class Masking(Rearranging, Elementwise):
    """Mask the time steps whose values all equal one value, and set them to 0.

    The layers behind must support masking.

    Args:
        mask_value: the value that marks a step as missing.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `mask_value` is no number.

    >>> Masking().compute_mask(jnp.array([[[0.0, 0.0], [0.0, 3.0]]]))
    Array([[False,  True]], dtype=bool)
    """

    input_spec = InputSpec(min_ndim=2)

    def __init__(self, mask_value: float = 0.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if not checks.is_number(mask_value):
            raise ValueError(f"{self}: mask_value must be a number, got {mask_value!r}.")
        self.mask_value = mask_value

    def compute_mask(self, inputs: Any, mask: Any = None) -> Array:
        inputs = jnp.asarray(inputs)
        return jnp.any(inputs != jnp.asarray(self.mask_value, inputs.dtype), axis=-1)

    def call(self, inputs: Array) -> Array:
        kept = jnp.broadcast_to(self.compute_mask(inputs)[..., None], inputs.shape)
        return jnp.where(kept, inputs, jnp.zeros_like(inputs))


@registry.register("layer")
class ActivityRegularization(Elementwise):
    """Give back the input and add a penalty on it to the loss, divided by the batch size.

    Args:
        l1: factor of the sum of absolute values.
        l2: factor of the sum of squares.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a factor is negative or no number.

    >>> layer = ActivityRegularization(l1=0.5)
    >>> layer(jnp.array([[1.0, -3.0]])), layer.losses
    (Array([[ 1., -3.]], dtype=float32), [Array(2., dtype=float32)])
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.l1 = checks.not_negative(l1, "l1", self)
        self.l2 = checks.not_negative(l2, "l2", self)
        if self.activity_regularizer is None:  # files of Keras 1 and 2 have one that sums
            self.activity_regularizer = regularizers.L1L2(self.l1, self.l2)

    def call(self, inputs: Array) -> Array:
        return as_float(inputs, self)
