"""Initializers whose width follows from the number of inputs and outputs of a kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from lamina.arguments import number
from lamina.initializers.base import named
from lamina.initializers.draws import draw
from lamina.initializers.random import RandomInitializer

if TYPE_CHECKING:
    import numpy as np

    from lamina.typing import Array, Config

TRUNCATED_STDDEV = 0.8796256610342398
"""Standard deviation of a standard normal that is cut at -2 and 2."""

Mode = Literal["fan_in", "fan_out", "fan_avg"]
MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")
Axes = int | Sequence[int] | None


def compute_fans(
    shape: Sequence[int], input_axes: Axes = None, output_axes: Axes = None
) -> tuple[int, int]:
    """How many inputs one output of a kernel sees, and how many outputs one input reaches.

    The last axis holds outputs, the one before it inputs; all others are the window, whose size
    multiplies both. A vector counts as both, a scalar as 1.

    Args:
        shape: shape of the kernel.
        input_axes: other axes that hold inputs.
        output_axes: other axes that hold outputs.

    Raises:
        ValueError: an axis is outside of the shape, or counted twice.

    >>> compute_fans((3, 3, 16, 32))
    (144, 288)
    """
    if len(shape) < 2 and input_axes is None and output_axes is None:
        size = math.prod(shape)
        return size, size
    inputs = _axes(shape, "input_axes", -2 if input_axes is None else input_axes)
    outputs = _axes(shape, "output_axes", -1 if output_axes is None else output_axes)
    if inputs & outputs:
        raise ValueError(
            f"input_axes and output_axes of a kernel of shape {tuple(shape)} must differ, "
            f"got {input_axes!r} and {output_axes!r}."
        )
    window = math.prod(shape[axis] for axis in set(range(len(shape))) - inputs - outputs)
    fan_in = window * math.prod(shape[axis] for axis in inputs)
    return fan_in, window * math.prod(shape[axis] for axis in outputs)


def _axes(shape: Sequence[int], name: str, axes: int | Sequence[int]) -> set[int]:
    given = (axes,) if isinstance(axes, int) else tuple(axes)
    rank = len(shape)
    if not all(isinstance(axis, int) and -rank <= axis < rank for axis in given):
        raise ValueError(f"{name} must be axes of a kernel of shape {tuple(shape)}, got {axes!r}.")
    return {axis % rank for axis in given}


@named("variance_scaling", classic=None)
class VarianceScaling(RandomInitializer):
    """Draw with the variance ``scale / n``, n being a fan of the kernel.

    Args:
        scale: factor of the variance, above 0.
        mode: n: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``, the mean of both.
        distribution: ``"truncated_normal"`` (also called ``"normal"``: cut at 2 standard
            deviations, with the variance after the cut), ``"untruncated_normal"`` or ``"uniform"``.
        seed: see `RandomInitializer`.
        input_axes: axes that hold inputs, see `compute_fans`.
        output_axes: axes that hold outputs, see `compute_fans`.

    Raises:
        ValueError: an unknown mode or distribution, or a scale of 0 or less.

    >>> VarianceScaling(2.0, "fan_out", "uniform", seed=1)((3, 3, 4, 5)).shape
    (3, 3, 4, 5)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: Mode = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        super().__init__(seed)
        self.scale = number(self, "scale", scale)
        if self.scale <= 0:
            raise ValueError(f"{type(self).__name__}: scale must be above 0, got {scale!r}.")
        self.mode = _word(self, "mode", mode, MODES)
        if distribution == "normal":
            distribution = "truncated_normal"
        self.distribution = _word(self, "distribution", distribution, DISTRIBUTIONS)
        self.input_axes = _written(input_axes)
        self.output_axes = _written(output_axes)

    def random(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = self.scale / max(1.0, fans[self.mode])
        seed = self.next_seed()
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return draw("uniform", seed, shape, dtype, -limit, 2 * limit)
        if self.distribution == "untruncated_normal":
            return draw("normal", seed, shape, dtype, scale=math.sqrt(variance))
        stddev = math.sqrt(variance) / TRUNCATED_STDDEV
        return draw("truncated_normal", seed, shape, dtype, scale=stddev)

    def get_config(self) -> Config:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "seed": self.seed,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _Scaled(VarianceScaling):
    """`VarianceScaling` with fixed scale, mode and distribution."""

    rule: tuple[float, Mode, str]

    def __init__(
        self, seed: int | None = None, input_axes: Axes = None, output_axes: Axes = None
    ) -> None:
        super().__init__(*self.rule, seed, input_axes, output_axes)

    def get_config(self) -> Config:
        return {
            "seed": self.seed,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


@named("glorot_uniform")
class GlorotUniform(_Scaled):
    """Draw evenly from -l to l, l = sqrt(6 / (fan_in + fan_out)).

    Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html

    Args:
        seed: see `RandomInitializer`.
        input_axes: axes that hold inputs, see `compute_fans`.
        output_axes: axes that hold outputs, see `compute_fans`.

    >>> bool(abs(GlorotUniform(seed=1)((4, 2))).max() <= 1)
    True
    """

    rule = (1.0, "fan_avg", "uniform")


@named("glorot_normal")
class GlorotNormal(_Scaled):
    """Draw from a truncated normal distribution of variance 2 / (fan_in + fan_out).

    Glorot and Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html

    Args:
        seed: see `RandomInitializer`.
        input_axes: axes that hold inputs, see `compute_fans`.
        output_axes: axes that hold outputs, see `compute_fans`.

    >>> GlorotNormal(seed=1)((4, 2)).shape
    (4, 2)
    """

    rule = (1.0, "fan_avg", "truncated_normal")


@named("he_uniform")
class HeUniform(_Scaled):
    """Draw evenly from -l to l, l = sqrt(6 / fan_in).

    He et al. 2015, https://arxiv.org/abs/1502.01852

    Args:
        seed: see `RandomInitializer`.
        input_axes: axes that hold inputs, see `compute_fans`.
        output_axes: axes that hold outputs, see `compute_fans`.

    >>> bool(abs(HeUniform(seed=1)((6, 2))).max() <= 1)
    True
    """

    rule = (2.0, "fan_in", "uniform")


@named("he_normal")
class HeNormal(_Scaled):
    """Draw from a truncated normal distribution of variance 2 / fan_in.

    He et al. 2015, https://arxiv.org/abs/1502.01852

    Args:
        seed: see `RandomInitializer`.
        input_axes: axes that hold inputs, see `compute_fans`.
        output_axes: axes that hold outputs, see `compute_fans`.

    >>> HeNormal(seed=1)((4, 2)).shape
    (4, 2)
    """

    rule = (2.0, "fan_in", "truncated_normal")


@named("lecun_uniform")
class LecunUniform(_Scaled):
    """Draw evenly from -l to l, l = sqrt(3 / fan_in).

    LeCun et al. 1998, "Efficient BackProp".

    Args:
        seed: see `RandomInitializer`.
        input_axes: axes that hold inputs, see `compute_fans`.
        output_axes: axes that hold outputs, see `compute_fans`.

    >>> bool(abs(LecunUniform(seed=1)((3, 2))).max() <= 1)
    True
    """

    rule = (1.0, "fan_in", "uniform")


@named("lecun_normal")
class LecunNormal(_Scaled):
    """Draw from a truncated normal distribution of variance 1 / fan_in.

    LeCun et al. 1998, "Efficient BackProp"; the choice for `selu`.

    Args:
        seed: see `RandomInitializer`.
        input_axes: axes that hold inputs, see `compute_fans`.
        output_axes: axes that hold outputs, see `compute_fans`.

    >>> LecunNormal(seed=1)((4, 2)).shape
    (4, 2)
    """

    rule = (1.0, "fan_in", "truncated_normal")


def _written(axes: Axes) -> int | list[int] | None:
    return axes if axes is None or isinstance(axes, int) else list(axes)


def _word(owner: object, name: str, value: Any, words: tuple[str, ...]) -> Any:
    if value not in words:
        raise ValueError(
            f"{type(owner).__name__}: {name} must be one of {', '.join(words)}, got {value!r}."
        )
    return value
