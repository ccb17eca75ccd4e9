"""Gradients of convolutions on CPUs, by the kernels of `lamina.ops.library`.

A convolution, its input's gradient and its kernel's are three sides of one sum of products of three
arrays, so each leads to the other two: `conv_p`, `back_p` and `gradient_p`.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching

from lamina.ops import library
from lamina.ops.conv_forms import Windows, backwards, turned, whole
from lamina.ops.native_conv import Shape, by_xla, conv_p

if TYPE_CHECKING:
    from lamina.typing import Array


def _transpose(gradient: Any, x: Any, kernel: Any, *, windows: Windows) -> tuple[Any, Any]:
    """Gradients of sums of products."""
    if not ad.is_undefined_primal(x):
        sums = gradient_p.bind if _is_plain(windows, x, gradient) else _gradient_by_xla
        return None, sums(x, gradient, windows=windows, shape=kernel.aval.shape)
    shape = x.aval.shape
    mirrored = _mirrored(windows, shape, kernel.shape)
    if mirrored is not None:
        return conv_p.bind(gradient, turned(kernel), windows=mirrored), None
    if _is_plain(windows, gradient, kernel) and goes_back(windows, shape, kernel.shape):
        return back_p.bind(gradient, kernel, windows=windows, shape=shape), None
    form = partial(by_xla, windows=windows, form=whole)
    return *jax.linear_transpose(lambda x: form(x, kernel), x.aval)(gradient), None


def _mirrored(windows: Windows, x: Shape, kernel: Shape) -> Windows | None:
    """The convolution that leads from gradients back; ``None`` if the kernels have it not."""
    rank, pads = len(windows.strides), []
    if len(x) > rank + 2 or x[-1] < library.fewest() or max(windows.strides) > 1:
        return None
    for axis, (before, after) in enumerate(windows.pads):
        span = (kernel[axis] - 1) * windows.dilation[axis]
        pads.append((span - before, span - after))
    return windows._replace(pads=tuple(pads)) if min(map(min, pads)) >= 0 else None


def _is_plain(windows: Windows, *arrays: Array) -> bool:
    """Whether arrays have no further axes, only axes of known sizes, and are not split."""
    for array in arrays:
        if array.ndim != len(windows.strides) + 2 or not isinstance(array.size, int):
            return False
        if not jax.typeof(array).sharding.mesh.empty:
            return False
    return True


def _gradient_by_xla(x: Array, gradient: Array, *, windows: Windows, shape: Shape) -> Array:
    """The gradient of a kernel, by XLA's own operations."""
    form = partial(by_xla, x, windows=windows, form=whole)
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


def _gradient_transpose(
    kernel: Any, x: Any, gradient: Any, *, windows: Windows, shape: Shape
) -> tuple[Any, Any]:
    """The sum of all kernel * gradient is that of all results * gradient of results."""
    if not ad.is_undefined_primal(x):
        return None, conv_p.bind(x, kernel, windows=windows)
    of_x = jax.linear_transpose(lambda x: conv_p.bind(x, kernel, windows=windows), x.aval)
    return *of_x(gradient), None


def goes_back(windows: Windows, x: Shape, kernel: Shape) -> bool:
    """Whether the kernels find gradients of an input of this shape from those of the result."""
    if len(windows.strides) > 2 or x[-1] < library.fewest() or max(windows.dilation) > 1:
        return False
    spans = zip(windows.pads, kernel, strict=False)
    return all(min(pads) >= 0 and max(pads) < window for pads, window in spans)


def back(gradient: Array, kernel: Array, windows: Windows, shape: Shape) -> Array:
    """Spread an array as `conv` collects one: the gradient of its input.

    Args:
        gradient: float32 array, of the shape of the convolution's result.
        kernel: array of shape ``(*window, channels, outputs)``.
        windows: how the windows of the convolution slide; `goes_back`.
        shape: that of its input; cells that no window reaches become zero.

    >>> if library.fewest():
    ...     windows = Windows(((0, 0),), (2,), (1,))
    ...     y, kernel = jnp.array([[[1.0], [2.0]]]), jnp.ones((1, 4, 1))
    ...     print(back(y, kernel, windows, (1, 4, 4))[0, :, 0])
    [1. 0. 2. 0.]
    """
    return back_p.bind(gradient, kernel, windows=windows, shape=shape)


def _back_by_xla(gradient: Array, kernel: Array, *, windows: Windows, shape: Shape) -> Array:
    sizes = zip(windows.pads, gradient.shape[1:], shape[1:], kernel.shape, strict=False)
    pads = []
    for ((before, _), places, size, window), step, gap in zip(
        sizes, windows.strides, windows.dilation, strict=True
    ):
        first = (window - 1) * gap - before
        pads.append((first, size - 1 - (places - 1) * step + (window - 1) * gap - first))
    plan = windows.strides, windows.dilation, tuple(pads), windows.data_format
    return backwards(gradient, kernel, *plan)


def _back_by_kernels(gradient: Array, kernel: Array, *, windows: Windows, shape: Shape) -> Array:
    """One convolution without steps for each place within a step; their results lie interleaved.

    Place ``step * t + r`` of the input is seen by cell ``i`` of the window whose number is t + n,
    where ``step * n = r + before - i``. So the cells of one r are every step-th of the window.
    """
    rank = len(windows.strides)
    plans = [
        [_phase(phase, *sizes) for phase in range(sizes[0])]
        for sizes in zip(
            windows.strides,
            (before for before, _ in windows.pads),
            kernel.shape[:rank],
            gradient.shape[1:-1],
            shape[1:-1],
            strict=True,
        )
    ]
    parts = [
        _part(gradient, kernel, plan, windows, shape[-1]) for plan in itertools.product(*plans)
    ]
    for axis in reversed(range(rank)):
        step = windows.strides[axis]
        parts = [
            lax.concatenate([lax.expand_dims(part, (axis + 2,)) for part in some], axis + 2)
            for some in (parts[at : at + step] for at in range(0, len(parts), step))
        ]
        (*first, places, _), rest = parts[0].shape[: axis + 3], parts[0].shape[axis + 3 :]
        joined = *first, places * step, *rest
        parts = [lax.reshape(part, joined) for part in parts]
    return lax.slice(parts[0], (0,) * len(shape), shape)


class _Phase(NamedTuple):
    """One axis of what `_part` convolves.

    Attributes:
        cells: those of the window that take part.
        taken: their number.
        places: number of places of the result.
        before, after: zeros around the gradient; negative for what is left out.
    """

    cells: slice
    taken: int
    places: int
    before: int
    after: int


def _phase(phase: int, step: int, before: int, window: int, places: int, size: int) -> _Phase:
    number, first = divmod(phase + before, step)
    count = len(range(first, window, step))
    wanted = -(-size // step)
    zeros = count - 1 - number
    after = wanted - places - zeros + count - 1
    return _Phase(slice(first, window, step), count, wanted, zeros, after)


def _part(
    gradient: Array, kernel: Array, plan: Sequence[_Phase], windows: Windows, channels: int
) -> Array:
    first = [max(-phase.before, 0) for phase in plan]
    last = [
        size + min(phase.after, 0) for size, phase in zip(gradient.shape[1:-1], plan, strict=True)
    ]
    if not all(phase.taken for phase in plan) or any(map(operator.ge, first, last)):
        shape = gradient.shape[0], *(phase.places for phase in plan), channels
        return lax.full(shape, 0, gradient.dtype)
    seen = lax.slice(gradient, (0, *first, 0), (gradient.shape[0], *last, gradient.shape[-1]))
    pads = tuple((max(phase.before, 0), max(phase.after, 0)) for phase in plan)
    windows = windows._replace(pads=pads, strides=(1,) * len(plan))
    weights = turned(kernel[tuple(phase.cells for phase in plan)])
    return conv_p.bind(seen, weights, windows=windows)


back_p = library.primitive("lamina_conv_back", _back_by_kernels, _back_by_xla)


def _back_transpose(
    x: Any, gradient: Any, kernel: Any, *, windows: Windows, shape: Shape
) -> tuple[Any, Any]:
    """The sum of all inputs * gradients is that of all results * gradients of results."""
    first = ad.is_undefined_primal(gradient)
    window = kernel.shape if first else kernel.aval.shape
    places = gradient.aval.shape if first else gradient.shape
    limits, pads = [x.shape[0]], []
    for axis, ((before, _), step, gap) in enumerate(
        zip(windows.pads, windows.strides, windows.dilation, strict=True)
    ):
        covered = (places[axis + 1] - 1) * step + (window[axis] - 1) * gap + 1 - before
        limits.append(min(x.shape[axis + 1], covered))
        pads.append((before, covered - limits[-1]))
    x = lax.slice(x, (0,) * x.ndim, (*limits, x.shape[-1]))
    windows = windows._replace(pads=tuple(pads))
    if first:
        return conv_p.bind(x, kernel, windows=windows), None
    return None, gradient_p.bind(x, gradient, windows=windows, shape=kernel.aval.shape)


def _shaped(first: Any, second: Any, *, windows: Windows, shape: Shape) -> Any:
    return first.update(shape=shape, weak_type=False)


def _tangent(
    primitive: Any, primals: Sequence[Any], tangents: Sequence[Any], **options: Any
) -> tuple[Array, Array]:
    """The tangent of what is linear in each of its arrays."""
    terms = []
    for place, tangent in enumerate(tangents):
        if not isinstance(tangent, ad.Zero):
            arrays = [*primals]
            arrays[place] = tangent
            terms.append(primitive.bind(*arrays, **options))
    return primitive.bind(*primals, **options), reduce(lax.add, terms)


for _primitive, _form in ((gradient_p, _gradient_by_xla), (back_p, _back_by_xla)):
    _primitive.def_abstract_eval(_shaped)
    ad.primitive_jvps[_primitive] = partial(_tangent, _primitive)
    batching.primitive_batchers[_primitive] = library.vectorized(_form)
ad.primitive_transposes[gradient_p] = _gradient_transpose
ad.primitive_transposes[back_p] = _back_transpose
ad.primitive_transposes[conv_p] = _transpose
