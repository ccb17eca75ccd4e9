"""Sizes and paddings of windows that slide over spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.typing import Array, CausalPadding, DataFormat, Padding


def conv_output_size(
    size: int | None, window: int, stride: int = 1, dilation: int = 1, *, padding: CausalPadding
) -> int | None:
    """Size of a spatial axis after a convolution; None for an unknown size.

    It is below 1 when the window does not fit.

    >>> conv_output_size(28, 3, 2, padding="same"), conv_output_size(28, 3, 2, padding="valid")
    (14, 13)
    """
    if size is None:
        return None
    if padding == "valid":
        size -= (window - 1) * dilation
    return -(-size // stride)


def conv_transpose_output_size(
    size: int | None,
    window: int,
    stride: int = 1,
    dilation: int = 1,
    *,
    padding: Padding,
    output_padding: int | None = None,
) -> int | None:
    """Size of a spatial axis after a transposed convolution; None for an unknown size.

    >>> conv_transpose_output_size(14, 3, 2, padding="same")
    28
    """
    if size is None:
        return None
    extent = (window - 1) * dilation + 1
    if output_padding is not None:
        trimmed = extent // 2 if padding == "same" else 0
        return (size - 1) * stride + extent - 2 * trimmed + output_padding
    if padding == "same":
        return size * stride
    return size * stride + max(extent - stride, 0)


def window_padding(
    size: int, window: int, stride: int, dilation: int, padding: CausalPadding
) -> tuple[int, int]:
    """Zeros before and after an axis; with ``same`` the odd one comes after (TensorFlow).

    >>> window_padding(5, 4, 1, 1, "same")
    (1, 2)
    """
    extent = (window - 1) * dilation + 1
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return extent - 1, 0
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def spatial_range(x: Array, kernel: Array, groups: int, data_format: DataFormat) -> range:
    """Spatial axes of the input of a convolution, once the shapes are known to fit.

    >>> import numpy as np
    >>> spatial_range(np.ones((1, 5, 6, 4)), np.ones((3, 3, 4, 7)), 1, "channels_last")
    range(1, 3)
    """
    if x.ndim != kernel.ndim or not 3 <= x.ndim <= 5:
        raise ValueError(
            f"conv: input and kernel must have the same rank, 3 to 5, got shapes {x.shape} and "
            f"{kernel.shape}."
        )
    channels = x.shape[1 if data_format == "channels_first" else -1]
    if channels != kernel.shape[-2] * groups:
        raise ValueError(
            f"conv: a kernel of shape {kernel.shape} in {groups} group(s) wants "
            f"{kernel.shape[-2] * groups} channels, got an input of shape {x.shape}."
        )
    first = 2 if data_format == "channels_first" else 1
    return range(first, first + x.ndim - 2)


def axis_names(rank: int, data_format: DataFormat) -> tuple[str, str, str]:
    """Letters of the axes of input, kernel and result, as XLA wants them.

    >>> axis_names(4, "channels_first")
    ('NCHW', 'HWIO', 'NCHW')
    """
    spatial = "DHW"[5 - rank :]
    data = f"N{spatial}C" if data_format == "channels_last" else f"NC{spatial}"
    return data, f"{spatial}IO", data


def transpose_padding(
    size: int, window: int, stride: int, dilation: int, padding: Padding, out: int
) -> tuple[int, int]:
    """Zeros before and after the spread input so that the result has the size `out`.

    >>> transpose_padding(5, 3, 2, 1, "same", 10)
    (2, 1)
    """
    extent = (window - 1) * dilation + 1
    spread = (size - 1) * stride + 1
    trimmed = max(spread - 1 + extent - out, 0)
    before = extent - 1 - trimmed // 2
    after = out + extent - 1 - spread - before
    if (padding == "valid" and trimmed) or min(before, after) < 0 or after >= extent + stride:
        raise ValueError(
            f"conv_transpose: no convolution with padding {padding!r}, window {window} and stride "
            f"{stride} leads from size {out} to {size}."
        )
    return before, after


__all__ = [
    "axis_names",
    "conv_output_size",
    "conv_transpose_output_size",
    "spatial_range",
    "transpose_padding",
    "window_padding",
]
