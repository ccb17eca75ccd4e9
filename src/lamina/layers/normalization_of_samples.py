"""Normalization of each sample: of a layer, in groups, by root mean square, to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp

from lamina import constraints, initializers, registry, regularizers
from lamina.core.spec import InputSpec
from lamina.layers import checks
from lamina.layers.elementwise import Elementwise, as_float
from lamina.ops import norm
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


class SampleNormalization(Elementwise):
    """A layer that normalizes each sample over some axes.

    Args:
        axis: the axis, or several.
        options: what every layer takes, see `Layer`.
    """

    def __init__(self, axis: int | Sequence[int] = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        axes: Any = (axis,) if checks.is_int(axis) else axis
        if not isinstance(axes, list | tuple) or not axes or not all(map(checks.is_int, axes)):
            raise ValueError(f"{self}: axis must be an int or several of them, got {axis!r}.")
        self.axis: Any = axis if isinstance(axis, int) else [int(one) for one in axes]

    def places(self, shape: Shape) -> tuple[int, ...]:
        """The axes, counted from 0 and in order.

        Raises:
            ValueError: an axis is none of the input, or is there twice.
        """
        stated = [self.axis] if isinstance(self.axis, int) else self.axis
        rank = len(shape)
        if any(not -rank <= axis < rank for axis in stated):
            raise ValueError(
                f"{self}: axis {self.axis} is none of an input of shape {tuple(shape)}: the axes "
                f"are {-rank} to {rank - 1}."
            )
        places = sorted({axis % rank for axis in stated})
        if len(places) < len(stated):
            raise ValueError(
                f"{self}: axis {self.axis} holds an axis of an input of shape {tuple(shape)} twice."
            )
        return tuple(places)

    def known_sizes(self, input_shape: Shape) -> tuple[int, ...]:
        """The sizes of the axes, which must be known; the input spec holds them from now on."""
        places = self.places(input_shape)
        sizes = tuple(checks.known_size(input_shape, place, self) for place in places)
        pairs = dict(zip(places, sizes, strict=True))
        self.input_spec = InputSpec(ndim=len(input_shape), axes=dict(pairs))
        return sizes

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.places(input_shape)
        return input_shape


class ScaledNormalization(SampleNormalization):
    """`SampleNormalization` with a learned mean `beta` and a learned scale `gamma`.

    Args:
        axis: the axis, or several.
        epsilon: added to the variance.
        center: whether to add a learned `beta`.
        scale: whether to multiply by a learned `gamma`.
        beta_initializer: first values of `beta`.
        gamma_initializer: first values of `gamma`.
        beta_regularizer: penalty on `beta`.
        gamma_regularizer: penalty on `gamma`.
        beta_constraint: function applied to `beta` after each update.
        gamma_constraint: function applied to `gamma` after each update.
        options: what every layer takes, see `Layer`.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.Like = "zeros",
        gamma_initializer: initializers.Like = "ones",
        beta_regularizer: regularizers.Like = None,
        gamma_regularizer: regularizers.Like = None,
        beta_constraint: constraints.Like = None,
        gamma_constraint: constraints.Like = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(axis, **options)
        self.epsilon = checks.not_negative(epsilon, "epsilon", self)
        self.center = checks.flag(center, "center", self)
        self.scale = checks.flag(scale, "scale", self)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        # Computed in 32 bits at least, from all the digits of the input.
        self.autocast = False

    def add_scales(self, shape: Shape, gamma: bool, beta: bool) -> None:
        """Create `gamma` and `beta`, those that are wanted."""
        self.gamma: Variable | None = self.add_weight("gamma", shape) if gamma else None
        self.beta: Variable | None = self.add_weight("beta", shape) if beta else None

    def scales(self) -> tuple[Array | None, Array | None]:
        """The values of `gamma` and `beta`."""
        gamma, beta = self.gamma, self.beta
        return None if gamma is None else gamma.value, None if beta is None else beta.value


@registry.register("layer")
class LayerNormalization(ScaledNormalization):
    """Shift and scale each sample to mean 0 and variance 1, then to a learned mean and scale.

    ``(x - mean) * gamma / sqrt(variance + epsilon) + beta``, with the mean and the (biased)
    variance of each sample over `axis`. Training and use do the same. Ba, Kiros and Hinton (2016),
    "Layer Normalization".

    Args:
        axis: axis over which mean and variance are taken, or several; `gamma` and `beta` have
            their sizes.
        epsilon: added to the variance.
        center: whether to add a learned `beta`.
        scale: whether to multiply by a learned `gamma`.
        beta_initializer: first values of `beta`.
        gamma_initializer: first values of `gamma`.
        beta_regularizer: penalty on `beta`.
        gamma_regularizer: penalty on `gamma`.
        beta_constraint: function applied to `beta` after each update.
        gamma_constraint: function applied to `gamma` after each update.
        rms_scaling: whether to divide by the deviation only, as old releases did: the mean stays,
            and there is no `beta`. `RMSNormalization` divides by the root mean square.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, an axis that is none of the input, or one of unknown size.

    >>> LayerNormalization(epsilon=1e-9)(jnp.array([[1.0, 3.0], [5.0, 7.0]]))
    Array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.Like = "zeros",
        gamma_initializer: initializers.Like = "ones",
        beta_regularizer: regularizers.Like = None,
        gamma_regularizer: regularizers.Like = None,
        beta_constraint: constraints.Like = None,
        gamma_constraint: constraints.Like = None,
        *,
        rms_scaling: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            axis,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **options,
        )
        self.rms_scaling = checks.flag(rms_scaling, "rms_scaling", self)

    def build(self, input_shape: Shape) -> None:
        rms = self.rms_scaling
        self.add_scales(self.known_sizes(input_shape), self.scale or rms, self.center and not rms)

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        gamma, beta = self.scales()
        outputs = norm.layer_norm(
            inputs,
            gamma,
            beta,
            axis=self.places(inputs.shape),
            epsilon=self.epsilon,
            centered=not self.rms_scaling,
        )
        return outputs.astype(self.compute_dtype)


@registry.register("layer")
class GroupNormalization(ScaledNormalization):
    """Shift and scale each group of channels of each sample to mean 0 and variance 1.

    Mean and variance are those of all places of a sample in the channels of a group; then each
    channel gets a learned scale and mean. One group is layer normalization over all axes, a group
    for each channel is instance normalization. Wu and He (2018), "Group Normalization".

    Args:
        groups: number of groups, which divides the number of channels; -1 for as many as there
            are channels.
        axis: axis of the channels.
        epsilon: added to the variance.
        center: whether to add a learned `beta`.
        scale: whether to multiply by a learned `gamma`.
        beta_initializer: first values of `beta`.
        gamma_initializer: first values of `gamma`.
        beta_regularizer: penalty on `beta`.
        gamma_regularizer: penalty on `gamma`.
        beta_constraint: function applied to `beta` after each update.
        gamma_constraint: function applied to `gamma` after each update.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, `axis` is none of the input or its batch, or of unknown size,
            or `groups` does not divide the number of channels.

    >>> GroupNormalization(2, epsilon=1e-9)(jnp.array([[1.0, 3.0, 5.0, 9.0]]))
    Array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.Like = "zeros",
        gamma_initializer: initializers.Like = "ones",
        beta_regularizer: regularizers.Like = None,
        gamma_regularizer: regularizers.Like = None,
        beta_constraint: constraints.Like = None,
        gamma_constraint: constraints.Like = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            axis,
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **options,
        )
        if not isinstance(self.axis, int):
            raise ValueError(f"{self}: axis must be one int, got {axis!r}.")
        if not checks.is_int(groups) or not (groups > 0 or groups == -1):
            raise ValueError(
                f"{self}: groups must be a positive int, or -1 for a group for each channel, got "
                f"{groups!r}."
            )
        self.groups = int(groups)

    def build(self, input_shape: Shape) -> None:
        if self.places(input_shape) == (0,):
            raise ValueError(
                f"{self}: axis {self.axis} is the batch of an input of shape {tuple(input_shape)}; "
                "it must be that of the channels."
            )
        (channels,) = sizes = self.known_sizes(input_shape)
        if channels % self.groups:
            raise ValueError(
                f"{self}: groups must divide the number of channels, got {self.groups} groups and "
                f"{channels} channels. Set groups to a divisor of {channels}, or to -1."
            )
        self.add_scales(sizes, self.scale, self.center)

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        gamma, beta = self.scales()
        outputs = norm.group_norm(
            inputs,
            gamma,
            beta,
            groups=inputs.shape[self.axis] if self.groups == -1 else self.groups,
            axis=self.axis,
            epsilon=self.epsilon,
        )
        return outputs.astype(self.compute_dtype)


@registry.register("layer")
class RMSNormalization(SampleNormalization):
    """Divide each sample by its root mean square, then multiply by a learned `scale`.

    ``x * scale / sqrt(mean(x**2) + epsilon)``. Zhang and Sennrich (2019), "Root Mean Square Layer
    Normalization".

    Args:
        axis: axis over which the mean is taken, or several; `scale` has their sizes.
        epsilon: added to the mean of squares.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, an axis that is none of the input, or one of unknown size.

    >>> RMSNormalization(epsilon=0.0)(jnp.array([[1.0, -1.0], [4.0, -4.0]]))
    Array([[ 1., -1.],
           [ 1., -1.]], dtype=float32)
    """

    supports_masking = False

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-6,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(axis, **options)
        self.epsilon = checks.not_negative(epsilon, "epsilon", self)

    def build(self, input_shape: Shape) -> None:
        self.scale = self.add_weight("scale", self.known_sizes(input_shape), initializer="ones")

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        places = self.places(inputs.shape)
        return norm.rms_norm(inputs, self.scale.value, axis=places, epsilon=self.epsilon)


@registry.register("layer")
class UnitNormalization(SampleNormalization):
    """Divide by the root of the sum of squares along an axis, so that it becomes 1.

    Values that are all 0 stay so.

    Args:
        axis: axis over which the squares are summed, or several.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: `axis` is no int and no ints, or none of the input.

    >>> UnitNormalization()(jnp.array([[3.0, 4.0]]))
    Array([[0.6, 0.8]], dtype=float32)
    """

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        wide = inputs.astype(jnp.float32) if inputs.dtype.itemsize < 4 else inputs
        # The square of the length below which nothing is divided by less.
        outputs = norm.l2_normalize(wide, self.places(inputs.shape), 1e-24)
        return outputs.astype(inputs.dtype)
