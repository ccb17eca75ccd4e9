"""Convolutions on CPUs by the kernels of `lamina.ops.library`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching

from lamina.ops import library
from lamina.ops.conv_forms import Form, Windows, convolve, whole
from lamina.ops.native_rows import along_last

if TYPE_CHECKING:
    from lamina.typing import Array

Shape = tuple[int, ...]


def takes(x: Array, kernel: Array, bias: Array | None) -> bool:
    """Whether the kernels convolve arrays of these shapes and dtypes, with one group."""
    outputs = kernel.shape[-1:]
    if bias is not None and (bias.dtype != jnp.float32 or bias.shape != outputs):
        return False
    return library.takes(x, kernel) and library.fewest() <= outputs[0]


def conv(x: Array, kernel: Array, bias: Array | None, windows: Windows) -> Array:
    """Convolve over one or two axes, add a bias, and rectify, in one pass.

    Args:
        x: float32 array of batch, one or two spatial axes, and channels.
        kernel: array of shape ``(*window, channels, outputs)``.
        bias: array of shape ``(outputs,)``.
        windows: how the windows slide; they must fit.

    >>> if library.fewest():
    ...     windows = Windows(((0, 1),), (1,), (1,), relu=True)
    ...     x, kernel = jnp.array([[[1.0], [-2.0], [3.0]]]), jnp.ones((2, 1, 4))
    ...     print(conv(x, kernel, None, windows)[0, :, 0])
    [0. 1. 3.]
    """
    arrays = (x, kernel) if bias is None else (x, kernel, bias)
    return conv_p.bind(*arrays, windows=windows)


def by_xla(
    x: Array, kernel: Array, *bias: Array, windows: Windows, form: Form | None = None
) -> Array:
    """The same by XLA's own operations."""
    if x.ndim == len(windows.strides) + 2:
        return convolve(windows, x, kernel, *bias, form=form)
    axes = [None if array.shape[0] == 1 else 0 for array in (x, kernel, *bias)]
    arrays = [
        array if axis == 0 else array[0]
        for array, axis in zip((x, kernel, *bias), axes, strict=True)
    ]
    # Of forms with branches, both would be computed where the kernel has a further axis.
    one = partial(by_xla, windows=windows, form=form if axes[1] is None else whole)
    return jax.vmap(one, axes)(*arrays) if 0 in axes else one(*arrays)[None]


def _by_kernels(x: Array, kernel: Array, *bias: Array, windows: Windows) -> Array:
    """The same by the kernels, which have two axes."""
    over_one = len(windows.strides) == 1
    if over_one:
        x, kernel = jnp.expand_dims(x, -3), jnp.expand_dims(kernel, -4)
    pads = ((0, 0), *windows.pads)[-2:]
    strides, dilation = (1, *windows.strides)[-2:], (1, *windows.dilation)[-2:]
    flat = Windows(pads, strides, dilation)
    shape = _shape(flat, x.shape, kernel.shape, *(array.shape for array in bias))
    before = [pad[0] for pad in pads]
    options = [*before, *strides, *dilation, windows.relu, windows.exact]
    call = jax.ffi.ffi_call("lamina_conv", jax.ShapeDtypeStruct(shape, x.dtype))
    y = call(x, kernel, *bias, options=np.array(options, np.int64))
    return y.squeeze(-3) if over_one else y


def _shape(windows: Windows, x: Shape, kernel: Shape, bias: Shape = ()) -> tuple[int, ...]:
    """Shape of the result; of the axes that come first each array has its own size, or 1."""
    rank = len(windows.strides)
    first = x[: -rank - 2], kernel[: -rank - 2], *([bias[:-1]] if bias else [])
    sizes = zip(x[-rank - 1 : -1], kernel[-rank - 2 : -2], *windows[:3], strict=True)
    spatial = [
        (size + sum(pads) - (window - 1) * gap - 1) // stride + 1
        for size, window, pads, stride, gap in sizes
    ]
    leading = [0 if 0 in sizes else max(sizes) for sizes in zip(*first, strict=True)]
    return (*leading, x[-rank - 2], *spatial, kernel[-1])


conv_p = library.primitive("lamina_conv", _by_kernels, by_xla)


@conv_p.def_abstract_eval
def _(x: Any, *others: Any, windows: Windows) -> Any:
    shape = _shape(windows, x.shape, *(other.shape for other in others))
    return x.update(shape=shape, weak_type=False)


def _tangent(
    primals: Sequence[Any], tangents: Sequence[Any], *, windows: Windows
) -> tuple[Array, Any]:
    (x, kernel, *_), (of_x, of_kernel, *of_bias) = primals, tangents
    value, terms = conv_p.bind(*primals, windows=windows), []
    linear = partial(conv_p.bind, windows=windows._replace(relu=False))
    if not isinstance(of_x, ad.Zero):
        terms.append(linear(of_x, kernel))
    if not isinstance(of_kernel, ad.Zero):
        terms.append(linear(x, of_kernel))
    for tangent in of_bias:
        if not isinstance(tangent, ad.Zero):
            terms.append(_spread(tangent, value.shape))
    return value, library.tangent(value, terms, windows.relu)


def _spread(bias: Array, shape: Shape) -> Array:
    if bias.ndim == 1:
        return along_last(bias, shape)
    return lax.broadcast_in_dim(bias, shape, (*range(bias.ndim - 1), len(shape) - 1))


def _batch(
    arrays: Sequence[Any], axes: Sequence[int | None], *, windows: Windows
) -> tuple[Array, int]:
    moved = [
        jnp.expand_dims(array, 0) if axis is None else jnp.moveaxis(array, axis, 0)
        for array, axis in zip(arrays, axes, strict=True)
    ]
    return conv_p.bind(*moved, windows=windows), 0


ad.primitive_jvps[conv_p] = _tangent
batching.primitive_batchers[conv_p] = _batch
