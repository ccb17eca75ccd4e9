"""Convolutions over one to three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops import library, native_back, native_conv
from lamina.ops.conv_forms import Windows, backwards, convolve, depths_as_channels
from lamina.ops.geometry import (
    axis_names,
    conv_output_size,
    conv_transpose_output_size,
    spatial_range,
    transpose_padding,
    window_padding,
)

if TYPE_CHECKING:
    from lamina.typing import Array, CausalPadding, DataFormat, Padding


def conv(
    x: Any,
    kernel: Any,
    *,
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: CausalPadding,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
    bias: Any = None,
    relu: bool = False,
) -> Array:
    """Slide windows of weights over the spatial axes (a cross-correlation).

    Args:
        x: array of batch, one to three spatial axes, and channels.
        kernel: array of shape ``(*window, channels // groups, outputs)`` for both formats.
        strides: step of the window along each spatial axis.
        dilation: distance of the window's cells along each spatial axis.
        padding: ``valid`` (none), ``same`` (TensorFlow's rule) or ``causal`` (all before).
        groups: number of groups of channels that are convolved apart.
        data_format: where the channels are.
        bias: array of shape ``(outputs,)`` that is added everywhere.
        relu: whether negative results become zero, after the bias.

    Raises:
        ValueError: the window does not fit, or the channels differ.

    >>> x, kernel = jnp.ones((1, 5, 6, 4)), jnp.ones((3, 3, 4, 7))
    >>> conv(x, kernel, strides=(1, 1), dilation=(1, 1), padding="valid").shape
    (1, 3, 4, 7)
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    bias = None if bias is None else jnp.asarray(bias)
    axes = spatial_range(x, kernel, groups, data_format)
    pads, limits = [], list(x.shape)
    for axis, window, stride, step in zip(axes, kernel.shape, strides, dilation, strict=False):
        size = x.shape[axis]
        before, after = window_padding(size, window, stride, step, padding)
        out = conv_output_size(size, window, stride, step, padding=padding)
        if out is None or out < 1:
            raise ValueError(
                f"conv: a window of {window} with dilation {step} does not fit axis {axis} of an "
                f"input of shape {x.shape}."
            )
        pads.append((before, after))
        # Cells that no window reaches: left in, they would give the gradient of the kernel a
        # negative padding; with some of these XLA reads foreign memory on CPUs.
        limits[axis] = min(size, (out - 1) * stride + (window - 1) * step + 1 - before)
    x = lax.slice(x, (0,) * x.ndim, limits)
    windows = Windows(
        tuple(pads),
        tuple(strides),
        tuple(dilation),
        relu=relu,
        exact=library.wants_exact_sums(),
        groups=groups,
        data_format=data_format,
    )
    if groups > 1 or not native_conv.takes(x, kernel, bias):
        return convolve(windows, x, kernel, *(() if bias is None else (bias,)))
    if data_format == "channels_last" and x.ndim < 5:
        return native_conv.conv(x, kernel, bias, windows)
    arrays = (x, kernel) if bias is None else (x, kernel, bias)
    return lax.platform_dependent(
        *arrays, cpu=partial(_by_kernels, windows), default=partial(convolve, windows)
    )


def _by_kernels(windows: Windows, x: Array, kernel: Array, bias: Array | None = None) -> Array:
    """`native_conv.conv` of volumes, and with the channels first."""
    first = windows.data_format == "channels_first"
    windows = windows._replace(data_format="channels_last")
    x = jnp.moveaxis(x, 1, -1) if first else x
    if x.ndim < 5:
        y = native_conv.conv(x, kernel, bias, windows)
    else:
        flat = partial(native_conv.conv, bias=bias, windows=windows.of_planes())
        y = depths_as_channels(windows, x, kernel, flat)
    return jnp.moveaxis(y, -1, 1) if first else y


def depthwise_conv(
    x: Any,
    kernel: Any,
    *,
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: CausalPadding,
    data_format: DataFormat = "channels_last",
) -> Array:
    """Convolve each channel by itself with windows of its own.

    Args:
        x: array of batch, one to three spatial axes, and channels.
        kernel: array of shape ``(*window, channels, multiplier)``.
        strides: as for `conv`.
        dilation: as for `conv`.
        padding: as for `conv`.
        data_format: where the channels are.

    Returns:
        An array with ``channels * multiplier`` channels, those of one input channel together.

    >>> x, kernel = jnp.ones((1, 5, 6, 4)), jnp.ones((3, 3, 4, 2))
    >>> depthwise_conv(x, kernel, strides=(1, 1), dilation=(1, 1), padding="same").shape
    (1, 5, 6, 8)
    """
    kernel = jnp.asarray(kernel)
    *window, channels, multiplier = kernel.shape
    return conv(
        x,
        kernel.reshape(*window, 1, channels * multiplier),
        strides=strides,
        dilation=dilation,
        padding=padding,
        groups=channels,
        data_format=data_format,
    )


def separable_conv(
    x: Any,
    kernel: Any,
    pointwise: Any,
    *,
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: CausalPadding,
    data_format: DataFormat = "channels_last",
) -> Array:
    """`depthwise_conv`, and then a product with a matrix at each place.

    Args:
        x: array of batch, one to three spatial axes, and channels.
        kernel: array of shape ``(*window, channels, multiplier)``.
        pointwise: array of shape ``(*ones, channels * multiplier, outputs)``.
        strides: as for `conv`.
        dilation: as for `conv`.
        padding: as for `conv`.
        data_format: where the channels are.

    >>> x, kernel, pointwise = jnp.ones((1, 5, 4)), jnp.ones((3, 4, 2)), jnp.ones((1, 8, 6))
    >>> separable_conv(x, kernel, pointwise, strides=(1,), dilation=(1,), padding="same").shape
    (1, 5, 6)
    """
    middle = depthwise_conv(
        x, kernel, strides=strides, dilation=dilation, padding=padding, data_format=data_format
    )
    once = (1,) * len(strides)
    return conv(
        middle, pointwise, strides=once, dilation=once, padding="valid", data_format=data_format
    )


def conv_transpose(
    x: Any,
    kernel: Any,
    *,
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: Padding,
    output_padding: Sequence[int] | None = None,
    output_size: Sequence[int] | None = None,
    data_format: DataFormat = "channels_last",
) -> Array:
    """Go back through a convolution: the gradient of `conv` as an operation of its own.

    Args:
        x: array of batch, one to three spatial axes, and channels.
        kernel: array of shape ``(*window, outputs, channels)``.
        strides: factor by which each spatial axis grows.
        dilation: distance of the window's cells along each spatial axis.
        padding: that of the convolution which is inverted.
        output_padding: cells that are added to the least size that fits, for each axis.
        output_size: sizes of the spatial axes; by default `conv_transpose_output_size`.
        data_format: where the channels are.

    Raises:
        ValueError: the channels differ, or no convolution leads back from the output size.

    >>> x, kernel = jnp.ones((1, 5, 6, 4)), jnp.ones((3, 3, 7, 4))
    >>> conv_transpose(x, kernel, strides=(2, 2), dilation=(1, 1), padding="same").shape
    (1, 10, 12, 7)
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    window = kernel.shape[:-2]
    axes = spatial_range(x, jnp.swapaxes(kernel, -1, -2), 1, data_format)
    pads, shape = [], [*x.shape]
    for place, axis in enumerate(axes):
        arguments = x.shape[axis], window[place], strides[place], dilation[place]
        extra = None if output_padding is None else output_padding[place]
        out = conv_transpose_output_size(*arguments, padding=padding, output_padding=extra)
        assert out is not None
        if output_size is not None:
            out = output_size[place]
        pads.append(transpose_padding(*arguments, padding, out))
        shape[axis] = out
    if data_format == "channels_last" and native_conv.takes(x, kernel, None):
        shape[-1] = kernel.shape[-2]
        befores = [size - 1 - before for size, (before, _) in zip(window, pads, strict=True)]
        windows = Windows(
            tuple((before, 0) for before in befores),
            tuple(strides),
            tuple(dilation),
            exact=library.wants_exact_sums(),
        )
        if native_back.goes_back(windows, tuple(shape), kernel.shape):
            return native_back.back(x, kernel, windows, tuple(shape))
    return _transposed(x, kernel, tuple(strides), tuple(dilation), tuple(pads), data_format)


def _backwards_forward(x: Array, kernel: Array, *plan: Any) -> tuple[Array, Any]:
    return backwards(x, kernel, *plan), (x, kernel)


def _backwards_backward(
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    pads: tuple[tuple[int, int], ...],
    data_format: DataFormat,
    kept: tuple[Array, Array],
    gradient: Array,
) -> tuple[Array, Array]:
    """Gradients through the convolution that is inverted: XLA's own is 80 times slower."""
    x, kernel = kept
    axes = spatial_range(x, jnp.swapaxes(kernel, -1, -2), 1, data_format)
    limits, widths = list(gradient.shape), []
    for axis, size, stride, step, pad in zip(
        axes, kernel.shape, strides, dilation, pads, strict=False
    ):
        before = (size - 1) * step - pad[0]
        covered = (x.shape[axis] - 1) * stride + (size - 1) * step + 1 - before
        limits[axis] = min(gradient.shape[axis], covered)
        widths.append((before, covered - limits[axis]))
    gradient = lax.slice(gradient, (0,) * gradient.ndim, limits)

    def forward(kernel: Array) -> Array:
        return lax.conv_general_dilated(
            gradient,
            kernel,
            strides,
            widths,
            rhs_dilation=dilation,
            dimension_numbers=axis_names(x.ndim, data_format),
        )

    to_input, pull = jax.vjp(forward, kernel)
    return to_input, pull(x)[0]


_transposed = jax.custom_vjp(backwards, nondiff_argnums=(2, 3, 4, 5))
_transposed.defvjp(_backwards_forward, _backwards_backward)


__all__ = [
    "conv",
    "conv_output_size",
    "conv_transpose",
    "conv_transpose_output_size",
    "depthwise_conv",
    "separable_conv",
    "window_padding",
]
