"""Convolutions of ``K``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp  # noqa: F401  (the examples)

from lamina.backend.old_names import normalize_data_format, renamed
from lamina.core.dispatch import dispatch
from lamina.ops import conv as convolution
from lamina.ops import local
from lamina.ops.arithmetic import same_dtype
from lamina.typing import DataFormat

Steps = int | Sequence[int]


def several(who: str, argument: str, value: Steps, rank: int) -> tuple[int, ...]:
    """One number for each spatial axis.

    Raises:
        ValueError: it is neither an int nor as many positive ints as there are axes.
    """
    found = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(found) != rank or not all(isinstance(n, int) and n > 0 for n in found):
        raise ValueError(f"K.{who}: {argument} must be {rank} positive ints, got {value!r}.")
    return found


def checked_padding(who: str, padding: str, allowed: Sequence[str] = ("valid", "same")) -> Any:
    """The kind of padding.

    Raises:
        ValueError: it is none that the function has.
    """
    if padding not in allowed:
        raise ValueError(
            f"K.{who}: padding must be one of {', '.join(map(repr, allowed))}, got {padding!r}."
        )
    return padding


def _conv(x: Any, kernel: Any, **options: Any) -> Any:
    return convolution.conv(*same_dtype(x, kernel), **options)


def _convolve(
    who: str, x: Any, kernel: Any, options: tuple[Any, Any, Any, Any], causal: bool = False
) -> Any:
    strides, padding, data_format, dilation = options
    rank = len(x.shape) - 2
    allowed = ("valid", "same", "causal") if causal else ("valid", "same")
    return dispatch(
        _conv,
        x,
        kernel,
        strides=several(who, "strides", strides, rank),
        padding=checked_padding(who, padding, allowed),
        data_format=normalize_data_format(data_format),
        dilation=several(who, "dilation_rate", dilation, rank),
    )


@renamed(stride="strides")
def conv1d(
    x: Any,
    kernel: Any,
    strides: Steps = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Steps = 1,
) -> Any:
    """Convolve over one axis.

    Args:
        x: tensor of batch, steps and channels.
        kernel: tensor of shape ``(window, channels, filters)``.
        strides: step of the window.
        padding: ``valid``, ``same`` or ``causal``.
        data_format: where the channels are.
        dilation_rate: distance of the window's cells.

    Raises:
        ValueError: an argument has a wrong value, or the kernel does not fit.

    >>> conv1d(jnp.ones((1, 7, 2)), jnp.ones((3, 2, 5))).shape
    (1, 5, 5)
    """
    options = strides, padding, data_format, dilation_rate
    return _convolve("conv1d", x, kernel, options, causal=True)


@renamed(filter_dilation="dilation_rate")
def conv2d(
    x: Any,
    kernel: Any,
    strides: Steps = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Steps = (1, 1),
) -> Any:
    """Convolve over two axes; arguments as in `conv1d`, the kernel ``(h, w, channels, filters)``.

    >>> conv2d(jnp.ones((1, 7, 6, 2)), jnp.ones((3, 3, 2, 5)), padding="same").shape
    (1, 7, 6, 5)
    """
    return _convolve("conv2d", x, kernel, (strides, padding, data_format, dilation_rate))


@renamed()
def conv3d(
    x: Any,
    kernel: Any,
    strides: Steps = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Steps = (1, 1, 1),
) -> Any:
    """Convolve over three axes; arguments as in `conv1d`, the kernel of rank 5.

    >>> conv3d(jnp.ones((1, 4, 5, 6, 2)), jnp.ones((1, 2, 3, 2, 5))).shape
    (1, 4, 4, 4, 5)
    """
    return _convolve("conv3d", x, kernel, (strides, padding, data_format, dilation_rate))


@renamed(rate="dilation_rate")
def atrous_conv2d(
    x: Any,
    kernel: Any,
    dilation_rate: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """`conv2d` with a dilation, as Keras 1 named it.

    >>> atrous_conv2d(jnp.ones((1, 7, 6, 2)), jnp.ones((3, 3, 2, 5)), rate=2).shape
    (1, 3, 2, 5)
    """
    return conv2d(x, kernel, (1, 1), padding, data_format, dilation_rate)


def _transpose(x: Any, kernel: Any, **options: Any) -> Any:
    return convolution.conv_transpose(*same_dtype(x, kernel), **options)


def _convolve_back(
    who: str, x: Any, kernel: Any, output_shape: Sequence[Any], options: tuple[Any, ...]
) -> Any:
    strides, padding, data_format, dilation = options
    place: DataFormat = normalize_data_format(data_format)
    rank = len(x.shape) - 2
    if len(output_shape) != rank + 2:
        raise ValueError(
            f"K.{who}: output_shape must have {rank + 2} sizes, the batch first, "
            f"got {output_shape!r}."
        )
    sizes = tuple(output_shape)[1:-1] if place == "channels_last" else tuple(output_shape)[2:]
    return dispatch(
        _transpose,
        x,
        kernel,
        strides=several(who, "strides", strides, rank),
        padding=checked_padding(who, padding),
        output_size=several(who, "output_shape", sizes, rank),
        data_format=place,
        dilation=several(who, "dilation_rate", dilation, rank),
    )


@renamed()
def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Sequence[Any],
    strides: Steps = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Steps = (1, 1),
) -> Any:
    """Go back through a convolution over two axes.

    Args:
        x: tensor of batch, two spatial axes and channels.
        kernel: tensor of shape ``(h, w, filters, channels)``.
        output_shape: whole shape of the result; only the spatial sizes are read.
        strides: factor by which the spatial axes grow.
        padding: ``valid`` or ``same``: that of the convolution which is inverted.
        data_format: where the channels are.
        dilation_rate: distance of the window's cells.

    Raises:
        ValueError: an argument has a wrong value, or no convolution leads back.

    >>> x, kernel = jnp.ones((1, 3, 4, 2)), jnp.ones((3, 3, 5, 2))
    >>> conv2d_transpose(x, kernel, (1, 6, 8, 5), strides=(2, 2), padding="same").shape
    (1, 6, 8, 5)
    """
    options = strides, padding, data_format, dilation_rate
    return _convolve_back("conv2d_transpose", x, kernel, output_shape, options)


deconv2d = conv2d_transpose


@renamed()
def conv3d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Sequence[Any],
    strides: Steps = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
) -> Any:
    """Go back through a convolution over three axes; arguments as in `conv2d_transpose`.

    >>> x, kernel = jnp.ones((1, 3, 4, 2, 2)), jnp.ones((1, 1, 1, 5, 2))
    >>> conv3d_transpose(x, kernel, (1, 3, 4, 2, 5)).shape
    (1, 3, 4, 2, 5)
    """
    options = strides, padding, data_format, 1
    return _convolve_back("conv3d_transpose", x, kernel, output_shape, options)


def _depthwise(x: Any, kernel: Any, **options: Any) -> Any:
    return convolution.depthwise_conv(*same_dtype(x, kernel), **options)


@renamed()
def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Steps = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Steps = (1, 1),
) -> Any:
    """Convolve each channel by itself; the kernel is ``(h, w, channels, multiplier)``.

    >>> depthwise_conv2d(jnp.ones((1, 7, 6, 2)), jnp.ones((3, 3, 2, 4))).shape
    (1, 5, 4, 8)
    """
    options = strides, padding, data_format, dilation_rate
    return _apart("depthwise_conv2d", x, depthwise_kernel, options)


def _apart(who: str, x: Any, kernel: Any, options: tuple[Any, ...]) -> Any:
    strides, padding, data_format, dilation = options
    rank = len(x.shape) - 2
    return dispatch(
        _depthwise,
        x,
        kernel,
        strides=several(who, "strides", strides, rank),
        padding=checked_padding(who, padding, ("valid", "same", "causal")),
        data_format=normalize_data_format(data_format),
        dilation=several(who, "dilation_rate", dilation, rank),
    )


@renamed()
def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Steps = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Steps = (1, 1),
) -> Any:
    """Convolve each channel by itself, then mix the channels at each place.

    Args:
        x: tensor of batch, two spatial axes and channels.
        depthwise_kernel: tensor of shape ``(h, w, channels, multiplier)``.
        pointwise_kernel: tensor of shape ``(1, 1, channels * multiplier, filters)``.
        strides: step of the window.
        padding: ``valid`` or ``same``.
        data_format: where the channels are.
        dilation_rate: distance of the window's cells.

    >>> deep, mixing = jnp.ones((3, 3, 2, 4)), jnp.ones((1, 1, 8, 5))
    >>> separable_conv2d(jnp.ones((1, 7, 6, 2)), deep, mixing).shape
    (1, 5, 4, 5)
    """
    options = strides, padding, data_format, dilation_rate
    middle = _apart("separable_conv2d", x, depthwise_kernel, options)
    return conv2d(middle, pointwise_kernel, data_format=data_format)


@renamed(stride="strides")
def separable_conv1d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Steps = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Steps = 1,
) -> Any:
    """`separable_conv2d` over one axis.

    >>> separable_conv1d(jnp.ones((1, 7, 2)), jnp.ones((3, 2, 4)), jnp.ones((1, 8, 5))).shape
    (1, 5, 5)
    """
    if not isinstance(strides, int):
        strides = tuple(strides)[:1]
    if not isinstance(dilation_rate, int):
        dilation_rate = tuple(dilation_rate)[:1]
    options = strides, padding, data_format, dilation_rate
    middle = _apart("separable_conv1d", x, depthwise_kernel, options)
    return conv1d(middle, pointwise_kernel, data_format=data_format)


def _local(inputs: Any, kernel: Any, window: Any, strides: Any, first: bool) -> Any:
    place: DataFormat = "channels_first" if first else "channels_last"
    inputs, kernel = same_dtype(inputs, kernel)
    return local.local_conv(inputs, kernel, window=window, strides=strides, data_format=place)


def local_conv1d(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: str | None = None
) -> Any:
    """Convolve over one axis with weights of its own for each place.

    Args:
        inputs: tensor of shape ``(batch, steps, channels)`` for either format.
        kernel: tensor of shape ``(places, window * channels, filters)``.
        kernel_size: size of the window, in a tuple.
        strides: step of the window, in a tuple.
        data_format: checked; the channels are last.

    >>> local_conv1d(jnp.ones((1, 7, 2)), jnp.ones((5, 6, 4)), (3,), (1,)).shape
    (1, 5, 4)
    """
    normalize_data_format(data_format)
    window = several("local_conv1d", "kernel_size", kernel_size, 1)
    return dispatch(
        _local, inputs, kernel, window, several("local_conv1d", "strides", strides, 1), False
    )


def local_conv2d(
    inputs: Any,
    kernel: Any,
    kernel_size: Any,
    strides: Any,
    output_shape: Sequence[int],
    data_format: str | None = None,
) -> Any:
    """Convolve over two axes with weights of its own for each place.

    Args:
        inputs: tensor of batch, two spatial axes and channels.
        kernel: tensor of shape ``(rows * columns, features, filters)`` where the features are a
            window's values in the order of `inputs`.
        kernel_size: two sizes of the window.
        strides: two steps of the window.
        output_shape: rows and columns of the result; checked against the input.
        data_format: where the channels are.

    Raises:
        ValueError: the sizes do not fit.

    >>> local_conv2d(jnp.ones((1, 4, 5, 2)), jnp.ones((12, 8, 3)), (2, 2), (1, 1), (3, 4)).shape
    (1, 3, 4, 3)
    """
    first = normalize_data_format(data_format) == "channels_first"
    window = several("local_conv2d", "kernel_size", kernel_size, 2)
    steps = several("local_conv2d", "strides", strides, 2)
    sizes = tuple(inputs.shape)[2:] if first else tuple(inputs.shape)[1:-1]
    made = tuple((n - w) // s + 1 for n, w, s in zip(sizes, window, steps, strict=True))
    if made != tuple(output_shape):
        raise ValueError(f"K.local_conv2d: output_shape is {made}, got {tuple(output_shape)}.")
    return dispatch(_local, inputs, kernel, window, steps, first)
