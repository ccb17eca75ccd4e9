"""`BatchNormalization`: values of mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import constraints, initializers, registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Elementwise, as_float
from lamina.ops.norm import batch_moments, batch_norm
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


@registry.register("layer")
class BatchNormalization(Elementwise):
    """Shift and scale each channel to mean 0 and variance 1, then to a learned mean and scale.

    In training the mean and the (biased) variance are those of the batch, and the moving ones
    follow: ``moving = momentum * moving + (1 - momentum) * batch``. Otherwise, and where the
    layer is frozen with ``trainable=False``, the moving ones are used. Masked steps do not count.
    Ioffe and Szegedy (2015), "Batch Normalization".

    Args:
        axis: axis of the channels, or several.
        momentum: how slowly the moving mean and variance follow, from 0 to 1.
        epsilon: added to the variance.
        center: whether to add a learned `beta`.
        scale: whether to multiply by a learned `gamma`.
        beta_initializer: first values of `beta`.
        gamma_initializer: first values of `gamma`.
        moving_mean_initializer: first values of the moving mean.
        moving_variance_initializer: first values of the moving variance.
        beta_regularizer: penalty on `beta`.
        gamma_regularizer: penalty on `gamma`.
        beta_constraint: function applied to `beta` after each update.
        gamma_constraint: function applied to `gamma` after each update.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, or the size of `axis` is not known.

    >>> layer = BatchNormalization(epsilon=1e-9)
    >>> layer(jnp.array([[1.0], [3.0]]), training=True)
    Array([[-1.],
           [ 1.]], dtype=float32)
    """

    input_spec = InputSpec(min_ndim=2)

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.Like = "zeros",
        gamma_initializer: initializers.Like = "ones",
        moving_mean_initializer: initializers.Like = "zeros",
        moving_variance_initializer: initializers.Like = "ones",
        beta_regularizer: regularizers.Like = None,
        gamma_regularizer: regularizers.Like = None,
        beta_constraint: constraints.Like = None,
        gamma_constraint: constraints.Like = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        axes: Any = (axis,) if checks.is_int(axis) else axis
        if not isinstance(axes, list | tuple) or not axes or not all(map(checks.is_int, axes)):
            raise ValueError(f"{self}: axis must be an int or several of them, got {axis!r}.")
        self.axis = axis if isinstance(axis, int) else [int(one) for one in axes]
        self.momentum = checks.fraction(momentum, "momentum", self)
        self.epsilon = checks.not_negative(epsilon, "epsilon", self)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def _axes(self, rank: int) -> list[int]:
        """The axes of the channels, counted from 0 and in order."""
        stated = [self.axis] if isinstance(self.axis, int) else self.axis
        if any(not -rank <= axis < rank or axis % rank == 0 for axis in stated):
            raise ValueError(
                f"{self}: axis {self.axis} is none of an input of rank {rank}, or its batch."
            )
        return sorted({axis % rank for axis in stated})

    def build(self, input_shape: Shape) -> None:
        axes = self._axes(len(input_shape))
        shape = tuple(checks.known_size(input_shape, axis, self) for axis in axes)
        self.gamma: Variable | None = self.add_weight("gamma", shape) if self.scale else None
        self.beta: Variable | None = self.add_weight("beta", shape) if self.center else None
        self.moving_mean = self.add_weight("moving_mean", shape, trainable=False)
        self.moving_variance = self.add_weight("moving_variance", shape, trainable=False)
        sizes = dict(zip(axes, shape, strict=True))
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(sizes))

    def call(self, inputs: Array, mask: Any = None, training: Any = None) -> Array:
        inputs = as_float(inputs, self)
        axes = self._axes(inputs.ndim)
        mean, variance = self.moving_mean.value, self.moving_variance.value
        if training and self.trainable:
            over = [axis for axis in range(inputs.ndim) if axis not in axes]
            counted = mask is not None and mask.shape == inputs.shape[:-1]
            mean, variance = batch_moments(inputs, over, mask if counted else None)
            self._follow(self.moving_mean, mean)
            self._follow(self.moving_variance, variance)
        return batch_norm(
            inputs,
            _wide(mean),
            _wide(variance),
            None if self.beta is None else self.beta.value,
            None if self.gamma is None else self.gamma.value,
            axis=axes,
            epsilon=self.epsilon,
        )

    def _follow(self, moving: Variable, batch: Array) -> None:
        old = moving.value
        moving.assign(self.momentum * old + (1 - self.momentum) * batch.astype(old.dtype))


def _wide(values: Array) -> Array:
    """Values of 16 bits in 32."""
    return values.astype(jnp.float32) if values.dtype.itemsize < 4 else values
