"""`BatchNormalization`: values of mean 0 and variance 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import constraints, initializers, registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Elementwise, as_float
from lamina.ops.norm import batch_moments, batch_norm, renorm_correction
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

    With `renorm`, what a batch gives is corrected towards statistics of many batches, as far as
    `renorm_clipping` lets it: ``(x * r + d) * gamma + beta``, with ``r`` and ``d`` of Ioffe
    (2017), "Batch Renormalization". It helps where batches are small. Further weights that are
    not trained keep those statistics.

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
        synchronized: whether the batch is that of all devices, which is always so.
        renorm: whether to correct the statistics of the batch.
        renorm_clipping: limits of the correction: `rmin` and `rmax` of the factor, `dmax` of the
            shift in both directions; no limit where one is left out.
        renorm_momentum: how slowly the statistics of the correction follow, from 0 to 1.
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
        *,
        synchronized: bool = False,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float] | None = None,
        renorm_momentum: float = 0.99,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        axes: Any = (axis,) if checks.is_int(axis) else axis
        if not isinstance(axes, list | tuple) or not axes or not all(map(checks.is_int, axes)):
            raise ValueError(f"{self}: axis must be an int or several of them, got {axis!r}.")
        self.axis: Any = axis if isinstance(axis, int) else [int(one) for one in axes]
        self.momentum = checks.fraction(momentum, "momentum", self)
        self.epsilon = checks.not_negative(epsilon, "epsilon", self)
        self.center = checks.flag(center, "center", self)
        self.scale = checks.flag(scale, "scale", self)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.synchronized = checks.flag(synchronized, "synchronized", self)
        self.renorm = checks.flag(renorm, "renorm", self)
        limits = _limits(renorm_clipping, self)
        self.renorm_clipping = limits or {} if renorm else limits
        self.renorm_momentum = checks.fraction(renorm_momentum, "renorm_momentum", self)

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
        if self.renorm:
            first: Any = self.moving_mean_initializer
            self.moving_stddev = self._moving("moving_stddev", shape, self._first_stddev)
            self.renorm_mean = self._moving("renorm_mean", shape, first)
            self.renorm_stddev = self._moving("renorm_stddev", shape, self._first_stddev)
        sizes = dict(zip(axes, shape, strict=True))
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(sizes))

    def _moving(self, name: str, shape: Shape, initializer: Any) -> Variable:
        return self.add_weight(name, shape, initializer=initializer, trainable=False)

    def _first_stddev(self, shape: Any, dtype: Any = None) -> Array:
        return jnp.sqrt(jnp.asarray(self.moving_variance_initializer(shape, dtype)))

    def call(self, inputs: Array, mask: Any = None, training: Any = None) -> Array:
        inputs = as_float(inputs, self)
        axes = self._axes(inputs.ndim)
        mean, variance = self.moving_mean.value, self.moving_variance.value
        beta = None if self.beta is None else self.beta.value
        gamma = None if self.gamma is None else self.gamma.value
        if training and self.trainable:
            over = [axis for axis in range(inputs.ndim) if axis not in axes]
            counted = mask is not None and mask.shape == inputs.shape[:-1]
            mean, variance = batch_moments(inputs, over, mask if counted else None)
            if self.renorm:
                beta, gamma = self._corrected(mean, variance, beta, gamma)
            else:
                self._follow(self.moving_mean, mean)
                self._follow(self.moving_variance, variance)
        mean, variance = _wide(mean), _wide(variance)
        return batch_norm(inputs, mean, variance, beta, gamma, axis=axes, epsilon=self.epsilon)

    def _follow(self, moving: Variable, batch: Array, momentum: float | None = None) -> None:
        old, kept = moving.value, self.momentum if momentum is None else momentum
        moving.assign(kept * old + (1 - kept) * batch.astype(old.dtype))

    def _corrected(
        self, mean: Array, variance: Array, beta: Array | None, gamma: Array | None
    ) -> tuple[Array, Array]:
        """Beta and gamma with the correction of `renorm`; all moving statistics follow."""
        deviation = jnp.sqrt(variance + self.epsilon)
        least = math.sqrt(self.epsilon)
        factor, shift = renorm_correction(
            mean,
            deviation,
            self.renorm_mean.value.astype(mean.dtype),
            jnp.maximum(self.renorm_stddev.value.astype(mean.dtype), least),
            **(self.renorm_clipping or {}),
        )
        if gamma is not None:
            factor, shift = (part * gamma.astype(mean.dtype) for part in (factor, shift))
        if beta is not None:
            shift = shift + beta.astype(mean.dtype)
        self._follow(self.renorm_mean, mean, self.renorm_momentum)
        self._follow(self.renorm_stddev, deviation, self.renorm_momentum)
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_stddev, deviation)
        moved = jnp.square(self.moving_stddev.value) - self.epsilon
        self.moving_variance.assign(jnp.maximum(moved, 0.0))
        return shift, factor


def _limits(clipping: Any, layer: Any) -> dict[str, float] | None:
    """The limits of the correction, checked."""
    if clipping is None:
        return None
    if not isinstance(clipping, Mapping) or not set(clipping) <= {"rmin", "rmax", "dmax"}:
        raise ValueError(
            f"{layer}: renorm_clipping must be a dict of 'rmin', 'rmax' and 'dmax', or None, got "
            f"{clipping!r}."
        )
    limits = {
        name: checks.not_negative(value, f"renorm_clipping[{name!r}]", layer)
        for name, value in clipping.items()
        if value is not None
    }
    if limits.get("rmin", 0.0) > limits.get("rmax", math.inf):
        raise ValueError(
            f"{layer}: renorm_clipping: rmin must not be larger than rmax, got {clipping!r}."
        )
    return limits


def _wide(values: Array) -> Array:
    """Values of 16 bits in 32."""
    return values.astype(jnp.float32) if values.dtype.itemsize < 4 else values
