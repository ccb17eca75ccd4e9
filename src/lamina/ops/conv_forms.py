"""Forms of a convolution that are faster on CPUs than XLA's own.

XLA has one fast convolution there, over two axes and with many channels. What else users have (few
channels, groups, volumes) is brought to that one, or to loops over the result.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from lamina.ops import native
from lamina.ops.geometry import axis_names
from lamina.ops.shape import repeat_elements

if TYPE_CHECKING:
    from lamina.typing import Array, DataFormat


class Plan(NamedTuple):
    """How a window slides.

    Attributes:
        whole: one convolution of XLA's.
        pads: cells before and after, along each spatial axis.
        strides: step of the window along each spatial axis.
        dilation: distance of the window's cells along each spatial axis.
        groups: number of groups of channels that are convolved apart.
        data_format: where the channels are.
    """

    whole: Callable[..., Any]
    pads: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    data_format: DataFormat

    @property
    def channel_axis(self) -> int:
        """The axis of the channels, of an input and of the result."""
        return 1 if self.data_format == "channels_first" else len(self.strides) + 1

    @property
    def axes(self) -> range:
        """The spatial axes."""
        first = 2 if self.data_format == "channels_first" else 1
        return range(first, first + len(self.strides))


def plain(plan: Plan, x: Array, kernel: Array) -> Array:
    """A convolution of many channels in one group, by XLA on CPUs."""
    if x.ndim < 5:
        return plan.whole(x, kernel)
    flat = partial(
        plan.whole,
        window_strides=plan.strides[1:],
        padding=plan.pads[1:],
        rhs_dilation=plan.dilation[1:],
        dimension_numbers=axis_names(4, plan.data_format),
    )
    return _depths_as_channels(plan, x, kernel, flat)


def by_kernels(
    plan: Plan, x: Array, kernel: Array, bias: Array | None = None, *, windows: native.Windows
) -> Array:
    """`native.conv` of volumes, and with the channels first."""
    first = plan.data_format == "channels_first"
    x = jnp.moveaxis(x, 1, -1) if first else x
    if x.ndim < 5:
        y = native.conv(x, kernel, bias, windows)
    else:
        flat = windows._replace(
            pads=plan.pads[1:], strides=plan.strides[1:], dilation=plan.dilation[1:]
        )
        convolve = partial(native.conv, bias=bias, windows=flat)
        y = _depths_as_channels(plan._replace(data_format="channels_last"), x, kernel, convolve)
    return jnp.moveaxis(y, -1, 1) if first else y


def _cells(plan: Plan, x: Array, window: tuple[int, ...]) -> list[tuple[Any, Array]]:
    """Each cell of the window, and what it covers of an input."""
    axes, found = plan.axes, []
    config = [(0, 0, 0)] * x.ndim
    for axis, pad in zip(axes, plan.pads, strict=True):
        config[axis] = (*pad, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), config)
    strides = [1] * x.ndim
    strides[axes[0] : axes[-1] + 1] = plan.strides
    for cell in itertools.product(*map(range, window)):
        begins, ends = [0] * x.ndim, list(x.shape)
        for axis, at, size, step in zip(axes, cell, window, plan.dilation, strict=True):
            begins[axis] = at * step
            ends[axis] -= (size - 1 - at) * step
        found.append((cell, lax.slice(x, begins, ends, strides)))
    return found


def _total(terms: list[Array], kernel: Array) -> Array:
    if not terms:
        raise ValueError(f"The kernel's window must hold something, got shape {kernel.shape}.")
    return reduce(operator.add, terms)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def each_number(plan: Plan, x: Array, kernel: Array) -> Array:
    """Add up the numbers of a window, each times its row of the kernel: one loop over the result.

    XLA's convolution takes 1.2 to 8 times as long for the few channels with which nets begin. The
    gradients are those of `plain`, which has no such weakness there.
    """

    def products(x: Array, kernel: Array) -> Array:
        axis, terms = plan.channel_axis, []
        *window, channels, outputs = kernel.shape
        rows = kernel.reshape(-1, outputs)
        for _, covered in _cells(plan, x, tuple(window)):
            shape = list(covered.shape)
            shape[axis] = outputs
            for channel in range(channels):
                row = lax.index_in_dim(rows, len(terms), keepdims=False)
                number = lax.slice_in_dim(covered, channel, channel + 1, axis=axis)
                number = lax.broadcast_in_dim(number, shape, range(x.ndim))
                terms.append(number * lax.broadcast_in_dim(row, shape, (axis,)))
        return _total(terms, kernel)

    # Without a branch XLA would repeat the loop for each reader of its result, or draw it into a
    # product behind it, where it is slow; on CPUs it ignores optimization barriers. Both branches
    # give the same, whatever the kernel holds.
    first = lax.index_in_dim(kernel.reshape(-1), 0, keepdims=False)
    return lax.cond(lax.is_finite(first), products, partial(plain, plan), x, kernel)


@partial(each_number.defjvp, symbolic_zeros=True)
def _each_number_tangent(
    plan: Plan, primals: tuple[Array, Array], tangents: tuple[Any, Any]
) -> tuple[Array, Array]:
    (x, kernel), (of_x, of_kernel) = primals, tangents
    value, terms = each_number(plan, x, kernel), []
    if not isinstance(of_x, SymbolicZero):
        terms.append(plain(plan, of_x, kernel))
    if not isinstance(of_kernel, SymbolicZero):
        terms.append(plain(plan, x, of_kernel))
    return value, reduce(operator.add, terms) if terms else jnp.zeros_like(value)


def _depths_as_channels(plan: Plan, x: Array, kernel: Array, flat: Callable[..., Array]) -> Array:
    """Convolve over two axes, with the depths of the window as channels.

    XLA's own convolutions over three axes are naive loops. Adding up one convolution for
    each depth takes about twice as long as this: more of it is memory that is written and read.
    """
    channels_first = plan.data_format == "channels_first"
    x = jnp.moveaxis(x, 2, 1) if channels_first else x
    config = [(0, 0, 0)] * x.ndim
    config[1] = (*plan.pads[0], 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), config)
    depths, step = [], plan.dilation[0]
    for depth in range(kernel.shape[0]):
        end = x.shape[1] - (kernel.shape[0] - 1 - depth) * step
        depths.append(lax.slice_in_dim(x, depth * step, end, plan.strides[0], 1))
    part = jnp.concatenate(depths, axis=2 if channels_first else -1)
    # Depth joins the batch.
    made = flat(
        part.reshape(-1, *part.shape[2:]),
        jnp.moveaxis(kernel, 0, 2).reshape(*kernel.shape[1:3], -1, kernel.shape[-1]),
    )
    made = made.reshape(*part.shape[:2], *made.shape[1:])
    return jnp.moveaxis(made, 1, 2) if channels_first else made


def each_group(plan: Plan, x: Array, kernel: Array) -> Array:
    """Convolve the groups one by one: XLA's grouped gradients are up to 80 times slower."""
    axis, one = plan.channel_axis, partial(plan.whole, feature_group_count=1)
    parts = zip(
        jnp.split(x, plan.groups, axis), jnp.split(kernel, plan.groups, axis=-1), strict=True
    )
    return jnp.concatenate([one(part, weights) for part, weights in parts], axis)


def each_channel(plan: Plan, x: Array, kernel: Array) -> Array:
    """Add up the cells of the window, each times its weights: one fused pass."""
    axis = plan.channel_axis
    x = repeat_elements(x, kernel.shape[-1] // x.shape[axis], axis)
    terms = [
        covered * lax.broadcast_in_dim(kernel[(*cell, 0)], covered.shape, (axis,))
        for cell, covered in _cells(plan, x, kernel.shape[:-2])
    ]
    return _total(terms, kernel)
