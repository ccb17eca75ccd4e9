"""Forms of a convolution that are faster on CPUs than XLA's own.

XLA has one fast convolution there, over two axes and with many channels. What else users have (few
channels, groups, volumes) is brought to that one, or to loops over the result.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from lamina.ops import elementwise
from lamina.ops.geometry import axis_names
from lamina.ops.linear import bias_add
from lamina.ops.shape import repeat_elements

if TYPE_CHECKING:
    from lamina.typing import Array, DataFormat


MOST_CELLS = 64
MOST_GROUPS = 64
"""Up to here a convolution by groups is taken apart on CPUs; beyond, compiling takes too long."""

MOST_NUMBERS = 50
MOST_PRODUCTS = 1600
"""Numbers in a window, and in the kernel, up to which it is applied number by number on CPUs."""


class Windows(NamedTuple):
    """How windows slide over one to three axes, and what happens to their sums.

    Attributes:
        pads: zeros before and after, along each spatial axis.
        strides: step of the window along each spatial axis.
        dilation: distance of the window's cells along each spatial axis.
        relu: whether negative results become zero.
        exact: whether each result is the sum of its own products alone, as JAX's highest precision
            asks. Otherwise the kernels of `native_conv` may compute 3x3 windows by Winograd's
            algorithm (Lavin and Gray, 2016), four results together.
        groups: number of groups of channels that are convolved apart.
        data_format: where the channels are.
    """

    pads: tuple[tuple[int, int], ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    relu: bool = False
    exact: bool = False
    groups: int = 1
    data_format: DataFormat = "channels_last"

    @property
    def channel_axis(self) -> int:
        """The axis of the channels, of an input and of the result."""
        return 1 if self.data_format == "channels_first" else len(self.strides) + 1

    @property
    def axes(self) -> range:
        """The spatial axes."""
        first = 2 if self.data_format == "channels_first" else 1
        return range(first, first + len(self.strides))

    def of_planes(self) -> Windows:
        """The same without the first spatial axis."""
        return self._replace(
            pads=self.pads[1:], strides=self.strides[1:], dilation=self.dilation[1:]
        )


Form = Callable[[Windows, Any, Any], Any]


def convolve(
    windows: Windows, x: Array, kernel: Array, *bias: Array, form: Form | None = None
) -> Array:
    """Convolve by operations of XLA's: in this form, or in that which is fastest where it runs."""
    form = form or _form_for_cpus(windows, x, kernel)
    if form is whole:
        y = whole(windows, x, kernel)
    else:
        on_cpus, elsewhere = partial(form, windows), partial(whole, windows)
        y = lax.platform_dependent(x, kernel, cpu=on_cpus, default=elsewhere)
    y = bias_add(y, bias[0], windows.channel_axis) if bias else y
    return elementwise.relu(y) if windows.relu else y


def _form_for_cpus(windows: Windows, x: Array, kernel: Array) -> Form:
    """The fastest form of XLA's operations on CPUs.

    The limits were measured; `benchmarks/README.md` has the figures.
    """
    *window, channels, outputs = kernel.shape
    cells, rank = math.prod(window), len(window)
    if windows.groups > 1:
        if channels == 1 and cells <= MOST_CELLS:
            return each_channel
        return each_group if windows.groups <= MOST_GROUPS else whole
    numbers = cells * channels
    few = numbers <= MOST_NUMBERS and 0 < numbers * outputs <= MOST_PRODUCTS
    exact = x.dtype == kernel.dtype and x.dtype in (jnp.float32, jnp.float64)
    if few and exact and cells > 1:
        return each_number
    return plain if rank == 3 else whole


def whole(windows: Windows, x: Array, kernel: Array) -> Array:
    """One convolution of XLA's."""
    return lax.conv_general_dilated(
        x,
        kernel,
        windows.strides,
        windows.pads,
        rhs_dilation=windows.dilation,
        dimension_numbers=axis_names(x.ndim, windows.data_format),
        feature_group_count=windows.groups,
        precision=lax.Precision.HIGHEST if windows.exact else None,
    )


def plain(windows: Windows, x: Array, kernel: Array) -> Array:
    """A convolution of many channels in one group, by XLA on CPUs."""
    if x.ndim < 5:
        return whole(windows, x, kernel)
    return depths_as_channels(windows, x, kernel, partial(whole, windows.of_planes()))


def _cells(windows: Windows, x: Array, window: tuple[int, ...]) -> list[tuple[Any, Array]]:
    """Each cell of the window, and what it covers of an input."""
    axes, found = windows.axes, []
    config = [(0, 0, 0)] * x.ndim
    for axis, pad in zip(axes, windows.pads, strict=True):
        config[axis] = (*pad, 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), config)
    strides = [1] * x.ndim
    strides[axes[0] : axes[-1] + 1] = windows.strides
    for cell in itertools.product(*map(range, window)):
        begins, ends = [0] * x.ndim, list(x.shape)
        for axis, at, size, step in zip(axes, cell, window, windows.dilation, strict=True):
            begins[axis] = at * step
            ends[axis] -= (size - 1 - at) * step
        found.append((cell, lax.slice(x, begins, ends, strides)))
    return found


def _total(terms: list[Array], kernel: Array) -> Array:
    if not terms:
        raise ValueError(f"The kernel's window must hold something, got shape {kernel.shape}.")
    return reduce(lax.add, terms)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def each_number(windows: Windows, x: Array, kernel: Array) -> Array:
    """Add up the numbers of a window, each times its row of the kernel: one loop over the result.

    XLA's convolution takes 1.2 to 8 times as long for the few channels with which nets begin. The
    gradients are those of `plain`, which has no such weakness there.
    """

    def products(x: Array, kernel: Array) -> Array:
        axis, terms = windows.channel_axis, []
        *window, channels, outputs = kernel.shape
        rows = kernel.reshape(-1, outputs)
        for _, covered in _cells(windows, x, tuple(window)):
            shape = list(covered.shape)
            shape[axis] = outputs
            for channel in range(channels):
                row = lax.index_in_dim(rows, len(terms), keepdims=False)
                number = lax.slice_in_dim(covered, channel, channel + 1, axis=axis)
                number = lax.broadcast_in_dim(number, shape, range(x.ndim))
                terms.append(lax.mul(number, lax.broadcast_in_dim(row, shape, (axis,))))
        return _total(terms, kernel)

    # Without a branch XLA would repeat the loop for each reader of its result, or draw it into a
    # product behind it, where it is slow; on CPUs it ignores optimization barriers. Both branches
    # give the same, whatever the kernel holds.
    first = lax.index_in_dim(kernel.reshape(-1), 0, keepdims=False)
    return lax.cond(lax.is_finite(first), products, partial(plain, windows), x, kernel)


@partial(each_number.defjvp, symbolic_zeros=True)
def _each_number_tangent(
    windows: Windows, primals: tuple[Array, Array], tangents: tuple[Any, Any]
) -> tuple[Array, Array]:
    (x, kernel), (of_x, of_kernel) = primals, tangents
    value, terms = each_number(windows, x, kernel), []
    if not isinstance(of_x, SymbolicZero):
        terms.append(plain(windows, of_x, kernel))
    if not isinstance(of_kernel, SymbolicZero):
        terms.append(plain(windows, x, of_kernel))
    return value, reduce(lax.add, terms) if terms else jnp.zeros_like(value)


def backwards(
    x: Array,
    kernel: Array,
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    data_format: DataFormat,
) -> Array:
    """Spread an array as a convolution collects one: with zeros between its places.

    Args:
        x: array of the shape of the convolution's result.
        kernel: that of the convolution.
        strides: its steps.
        dilation: distances of its window's cells.
        pads: zeros before and after each spatial axis of `x`.
        data_format: where the channels are.
    """
    return lax.conv_general_dilated(
        x,
        turned(kernel),
        (1,) * len(pads),
        pads,
        lhs_dilation=strides,
        rhs_dilation=dilation,
        dimension_numbers=axis_names(x.ndim, data_format),
    )


def turned(kernel: Array) -> Array:
    """A kernel with its cells in reverse, and channels for outputs."""
    axes = range(kernel.ndim - 2)
    return lax.transpose(lax.rev(kernel, axes), (*axes, kernel.ndim - 1, kernel.ndim - 2))


def depths_as_channels(
    windows: Windows, x: Array, kernel: Array, flat: Callable[..., Array]
) -> Array:
    """Convolve over two axes, with the depths of the window as channels.

    XLA's own convolutions over three axes are naive loops. Adding up one convolution for
    each depth takes about twice as long as this: more of it is memory that is written and read.
    """
    channels_first = windows.data_format == "channels_first"
    x = jnp.moveaxis(x, 2, 1) if channels_first else x
    config = [(0, 0, 0)] * x.ndim
    config[1] = (*windows.pads[0], 0)
    x = lax.pad(x, jnp.zeros((), x.dtype), config)
    depths, step = [], windows.dilation[0]
    for depth in range(kernel.shape[0]):
        end = x.shape[1] - (kernel.shape[0] - 1 - depth) * step
        depths.append(lax.slice_in_dim(x, depth * step, end, windows.strides[0], 1))
    part = jnp.concatenate(depths, axis=2 if channels_first else -1)
    # Depth joins the batch.
    made = flat(
        part.reshape(-1, *part.shape[2:]),
        jnp.moveaxis(kernel, 0, 2).reshape(*kernel.shape[1:3], -1, kernel.shape[-1]),
    )
    made = made.reshape(*part.shape[:2], *made.shape[1:])
    return jnp.moveaxis(made, 1, 2) if channels_first else made


def each_group(windows: Windows, x: Array, kernel: Array) -> Array:
    """Convolve the groups one by one: XLA's grouped gradients are up to 80 times slower."""
    axis, one = windows.channel_axis, partial(whole, windows._replace(groups=1))
    parts = zip(
        jnp.split(x, windows.groups, axis), jnp.split(kernel, windows.groups, axis=-1), strict=True
    )
    return jnp.concatenate([one(part, weights) for part, weights in parts], axis)


def each_channel(windows: Windows, x: Array, kernel: Array) -> Array:
    """Add up the cells of the window, each times its weights: one fused pass."""
    axis = windows.channel_axis
    x = repeat_elements(x, kernel.shape[-1] // x.shape[axis], axis)
    terms = [
        covered * lax.broadcast_in_dim(kernel[(*cell, 0)], covered.shape, (axis,))
        for cell, covered in _cells(windows, x, kernel.shape[:-2])
    ]
    return _total(terms, kernel)
