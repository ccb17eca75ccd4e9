"""Convolutions with weights of their own for each place, in the three forms of their weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

if TYPE_CHECKING:
    from lamina.typing import Array, DataFormat, Padding

Sizes = tuple[int, ...]


def local_conv(
    x: Any,
    kernel: Any,
    *,
    window: Sequence[int],
    strides: Sequence[int],
    data_format: DataFormat = "channels_last",
) -> Array:
    """Slide windows over the spatial axes; each place of the result has weights of its own.

    Args:
        x: array of batch, spatial axes, and channels.
        kernel: array of shape ``(places, cells * channels, outputs)``; the values of a window are
            in the order of `x`: for ``channels_first`` channel by channel.
        window: size of the window along each spatial axis.
        strides: step of the window along each spatial axis.
        data_format: where the channels are.

    Raises:
        ValueError: the kernel is not that of such windows.

    >>> local_conv(jnp.ones((1, 7, 2)), jnp.ones((5, 6, 4)), window=(3,), strides=(1,)).shape
    (1, 5, 4)
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    first = data_format == "channels_first"
    start = 2 if first else 1
    counts = _counts(x.shape[start : start + len(window)], window, strides, "valid")
    channels = x.shape[1 if first else -1]
    expected = (math.prod(counts), math.prod(window) * channels)
    if kernel.ndim != 3 or kernel.shape[:2] != expected or min(counts, default=0) < 1:
        raise ValueError(
            f"local_conv: a kernel of shape {kernel.shape} does not fit windows of {tuple(window)} "
            f"over an input of shape {x.shape}: these are {expected[0]} places with {expected[1]} "
            "values each."
        )
    cells = []
    for cell in np.ndindex(*window):
        part = x
        for axis, (at, count, stride) in enumerate(zip(cell, counts, strides, strict=True), start):
            part = lax.slice_in_dim(part, at, at + (count - 1) * stride + 1, stride, axis)
        cells.append(part)
    # Batch, places, then the values of a window.
    values = jnp.stack(cells, axis=2 if first else -2)
    if first:
        values = values.reshape(*values.shape[:3], -1)
        values = jnp.moveaxis(values, -1, 1)
    result = jnp.einsum("bpf,pfo->bpo", values.reshape(x.shape[0], *expected), kernel)
    result = result.reshape(x.shape[0], *counts, kernel.shape[-1])
    return jnp.moveaxis(result, -1, 1) if first else result


def _counts(
    sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: Padding
) -> Sizes:
    cases = zip(sizes, window, strides, strict=True)
    return tuple(-(-(size - (w - 1 if padding == "valid" else 0)) // s) for size, w, s in cases)


def connected(
    sizes: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: Padding
) -> np.ndarray:
    """Which cells of the input each place of the output sees.

    With ``same`` padding the window's middle is above every stride-th cell, which for windows of an
    even size is one cell before where a convolution has it; so `tf.keras` does.

    Args:
        sizes: of the spatial axes of the input.
        window: size of the window along each of them.
        strides: step of the window along each of them.
        padding: ``valid`` or ``same``.

    Returns:
        Booleans of shape ``(*sizes, *sizes of the output)``.

    >>> connected((3,), (2,), (1,), "valid").astype(int).tolist()
    [[1, 0], [1, 1], [0, 1]]
    """
    counts = _counts(sizes, window, strides, padding)
    rank = len(counts)
    found = np.ones((*sizes, *counts), bool)
    for axis, (size, count, w, s) in enumerate(zip(sizes, counts, window, strides, strict=True)):
        start = np.arange(count) * s - (w // 2 if padding == "same" else 0)
        cell = np.arange(size)[:, None]
        seen = (start <= cell) & (cell < start + w)
        found &= np.expand_dims(seen, [a for a in range(2 * rank) if a not in (axis, axis + rank)])
    return found


def masked_matrix(
    x: Any,
    kernel: Any,
    *,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
    data_format: DataFormat = "channels_last",
) -> Array:
    """A local convolution whose weights are a whole matrix, of which only some entries count.

    Args:
        x: array of batch, spatial axes, and channels.
        kernel: array of the shape of a sample of `x` and that of a sample of the result.
        window: size of the window along each spatial axis.
        strides: step of the window along each spatial axis.
        padding: ``valid`` or ``same``, see `connected`.
        data_format: where the channels are.

    >>> x, kernel = jnp.ones((1, 7, 2)), jnp.ones((7, 2, 5, 4))
    >>> masked_matrix(x, kernel, window=(3,), strides=(1,), padding="valid")[0, 0, 0].item()
    6.0
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    rank = len(window)
    first = data_format == "channels_first"
    sizes = x.shape[2:] if first else x.shape[1:-1]
    seen = connected(sizes, window, strides, padding)
    seen = np.expand_dims(seen, (0, rank + 1) if first else (rank, 2 * rank + 1))
    masked = jnp.where(jnp.broadcast_to(seen, kernel.shape), kernel, 0)
    shape = kernel.shape[rank + 1 :]
    result = x.reshape(x.shape[0], -1) @ masked.reshape(-1, math.prod(shape))
    return result.reshape(x.shape[0], *shape)


@cache
def connections(
    sizes: Sizes,
    window: Sizes,
    strides: Sizes,
    padding: Padding,
    channels: tuple[int, int],
    data_format: DataFormat,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of an output and an input of a sample that a weight connects, in order.

    Args:
        sizes: of the spatial axes of the input.
        window: size of the window along each of them.
        strides: step of the window along each of them.
        padding: ``valid`` or ``same``, see `connected`.
        channels: of input and output.
        data_format: where the channels are; outputs and inputs are counted through as they lie.

    >>> [side.tolist() for side in connections((3,), (2,), (1,), "valid", (1, 1), "channels_last")]
    [[0, 0, 1, 1], [0, 1, 1, 2]]
    """
    rank = len(sizes)
    seen = connected(sizes, window, strides, padding)
    counts = seen.shape[rank:]
    inner, outer = channels
    seen = np.moveaxis(seen, range(rank, 2 * rank), range(rank))  # outputs lead
    if data_format == "channels_first":
        seen = np.broadcast_to(np.expand_dims(seen, (0, rank + 1)), (outer, *counts, inner, *sizes))
    else:
        seen = np.broadcast_to(
            np.expand_dims(seen, (rank, 2 * rank + 1)), (*counts, outer, *sizes, inner)
        )
    rows, columns = np.nonzero(seen.reshape(math.prod(counts) * outer, -1))
    # JAX keeps what it makes of 64 bits by the array, which may be read with them and without.
    return rows.astype("int32"), columns.astype("int32")


def sparse_matrix(x: Any, kernel: Any, pairs: tuple[np.ndarray, np.ndarray], outputs: int) -> Array:
    """Add up inputs times weights of a sparse matrix.

    Args:
        x: array of batch and inputs.
        kernel: weights, one for each pair.
        pairs: the output and the input of each weight, see `connections`.
        outputs: number of outputs.

    >>> pairs = np.array([0, 0, 1]), np.array([0, 1, 1])
    >>> sparse_matrix(jnp.array([[1.0, 2.0]]), jnp.array([3.0, 4.0, 5.0]), pairs, 2).tolist()
    [[11.0, 10.0]]
    """
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    rows, columns = pairs
    terms = jnp.take(x.T, columns, axis=0) * lax.broadcast_in_dim(
        kernel, (kernel.size, x.shape[0]), (0,)
    )
    return jax.ops.segment_sum(terms, rows, outputs, indices_are_sorted=True).T


__all__ = [
    "connected",
    "connections",
    "local_conv",
    "masked_matrix",
    "sparse_matrix",
]
