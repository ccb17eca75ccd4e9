"""Convolutions on CPUs by the kernels of `lamina.ops.library`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
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


def _by_xla(
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
    one = partial(_by_xla, windows=windows, form=form if axes[1] is None else whole)
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


conv_p = library.primitive("lamina_conv", _by_kernels, _by_xla)


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


def _transpose(gradient: Any, x: Any, kernel: Any, *, windows: Windows) -> tuple[Any, Any]:
    """Gradients of sums of products: of the input by the kernels, if the windows have no steps."""
    by_xla = partial(_by_xla, windows=windows, form=whole)
    if not ad.is_undefined_primal(x):
        sums = gradient_p.bind if _is_plain(windows, x, gradient) else _gradient_by_xla
        return None, sums(x, gradient, windows=windows, shape=kernel.aval.shape)
    mirrored = _mirrored(windows, x.aval.shape, kernel.shape)
    if mirrored is None:
        return *jax.linear_transpose(lambda x: by_xla(x, kernel), x.aval)(gradient), None
    axes = range(len(windows.strides))
    swapped = *axes, kernel.ndim - 1, kernel.ndim - 2
    weights = lax.transpose(lax.rev(kernel, axes), swapped)
    return conv_p.bind(gradient, weights, windows=mirrored), None


def _mirrored(windows: Windows, x: Shape, kernel: Shape) -> Windows | None:
    """The convolution that leads from gradients back; ``None`` if the kernels have it not."""
    rank, pads = len(windows.strides), []
    if len(x) > rank + 2 or x[-1] < library.fewest() or max(windows.strides) > 1:
        return None
    for axis, (before, after) in enumerate(windows.pads):
        span = (kernel[axis] - 1) * windows.dilation[axis]
        pads.append((span - before, span - after))
    return windows._replace(pads=tuple(pads)) if min(map(min, pads)) >= 0 else None


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
ad.primitive_transposes[conv_p] = _transpose
batching.primitive_batchers[conv_p] = _batch


def _is_plain(windows: Windows, x: Array, gradient: Array) -> bool:
    """Whether arrays have no further axes, only axes of known sizes, and are not split."""
    plain = x.ndim == gradient.ndim == len(windows.strides) + 2
    return plain and isinstance(x.size, int) and jax.typeof(x).sharding.mesh.empty


def _gradient_by_xla(x: Array, gradient: Array, *, windows: Windows, shape: Shape) -> Array:
    """The gradient of a kernel, by XLA's own operations."""
    form = partial(_by_xla, x, windows=windows, form=whole)
    return jax.linear_transpose(form, jax.ShapeDtypeStruct(shape, x.dtype))(gradient)[0]


def _gradient_by_kernels(x: Array, gradient: Array, *, windows: Windows, shape: Shape) -> Array:
    """The same by the kernels, which have two axes."""
    if len(windows.strides) == 1:
        x, gradient = jnp.expand_dims(x, -3), jnp.expand_dims(gradient, -3)
    before = [pad[0] for pad in ((0, 0), *windows.pads)[-2:]]
    options = [*before, *(1, *windows.strides)[-2:], *(1, *windows.dilation)[-2:]]
    flat = jax.ShapeDtypeStruct((1, *shape)[-4:], x.dtype)
    call = jax.ffi.ffi_call("lamina_conv_gradient", flat)
    return call(x, gradient, options=np.array(options, np.int64)).reshape(shape)


gradient_p = library.primitive("lamina_conv_gradient", _gradient_by_kernels, _gradient_by_xla)


@gradient_p.def_abstract_eval
def _(x: Any, gradient: Any, *, windows: Windows, shape: Shape) -> Any:
    return x.update(shape=shape, weak_type=False)


def _gradient_tangent(
    primals: Sequence[Any], tangents: Sequence[Any], **options: Any
) -> tuple[Array, Array]:
    (x, gradient), (of_x, of_gradient) = primals, tangents
    terms = []
    if not isinstance(of_x, ad.Zero):
        terms.append(gradient_p.bind(of_x, gradient, **options))
    if not isinstance(of_gradient, ad.Zero):
        terms.append(gradient_p.bind(x, of_gradient, **options))
    return gradient_p.bind(*primals, **options), reduce(lax.add, terms)


def _gradient_transpose(
    kernel: Any, x: Any, gradient: Any, *, windows: Windows, shape: Shape
) -> tuple[Any, Any]:
    """The sum of all kernel * gradient is that of all results * gradient of results."""
    if not ad.is_undefined_primal(x):
        return None, conv_p.bind(x, kernel, windows=windows)
    of_x = jax.linear_transpose(lambda x: conv_p.bind(x, kernel, windows=windows), x.aval)
    return *of_x(gradient), None


def _gradient_batch(
    arrays: Sequence[Any], axes: Sequence[int | None], **options: Any
) -> tuple[Array, int]:
    return jax.vmap(partial(_gradient_by_xla, **options), tuple(axes))(*arrays), 0


ad.primitive_jvps[gradient_p] = _gradient_tangent
ad.primitive_transposes[gradient_p] = _gradient_transpose
batching.primitive_batchers[gradient_p] = _gradient_batch
