"""Pooling on CPUs by the kernels of `lamina.ops.library`, where nothing is differentiated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching

from lamina.ops import library

if TYPE_CHECKING:
    from lamina.typing import Array


def takes(x: Array) -> bool:
    """Whether the kernels pool an array of batch, spatial axes, and channels."""
    return x.ndim > 2 and library.takes(x) and library.fewest() <= x.shape[-1]


def pool(x: Array, window: Sequence[int], strides: Sequence[int], means: bool = False) -> Array:
    """Give the largest number of each window, or the mean.

    Args:
        x: float32 array of batch, one or two spatial axes, and channels.
        window: size of the window along each spatial axis; it must fit.
        strides: step of the window along each spatial axis.
        means: whether means are wanted.

    >>> if library.fewest():
    ...     print(pool(jnp.arange(32.0).reshape(1, 4, 8), (2,), (2,))[0, :, 0])
    [ 8. 24.]
    """
    return pool_p.bind(x, window=tuple(window), strides=tuple(strides), means=means)


def over_all(x: Array, means: bool = False) -> Array:
    """Give the largest number over all places of any number of axes, or the mean.

    >>> if library.fewest():
    ...     print(over_all(jnp.arange(72.0).reshape(1, 3, 3, 8), means=True)[0, 0])
    32.0
    """
    if x.ndim > 4:
        x = x.reshape(x.shape[0], -1, *x.shape[-2:])
    window = x.shape[1:-1]
    return pool(x, window, window, means).reshape(x.shape[0], x.shape[-1])


def _shape(x: Any, window: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    sizes = zip(x.shape[1:-1], window, strides, strict=True)
    return (x.shape[0], *((n - w) // step + 1 for n, w, step in sizes), x.shape[-1])


def _by_kernels(
    x: Array, *, window: tuple[int, ...], strides: tuple[int, ...], means: bool
) -> Array:
    shape = _shape(x, window, strides)
    if x.ndim == 3:
        x = jnp.expand_dims(x, 1)
    options = [*(1, *window)[-2:], *(1, *strides)[-2:], means]
    flat = (shape[0], *(1, *shape[1:-1])[-2:], shape[-1])
    call = jax.ffi.ffi_call("lamina_pool", jax.ShapeDtypeStruct(flat, x.dtype))
    return call(x, options=np.array(options, np.int64)).reshape(shape)


def _by_xla(x: Array, *, window: tuple[int, ...], strides: tuple[int, ...], means: bool) -> Array:
    if window == x.shape[1:-1]:
        axes = tuple(range(1, x.ndim - 1))
        return (jnp.mean if means else jnp.max)(x, axes, keepdims=True)
    first, combine = (0, lax.add) if means else (-math.inf, lax.max)
    cells, steps = (1, *window, 1), (1, *strides, 1)
    y = lax.reduce_window(x, np.float32(first), combine, cells, steps, "VALID")
    return y / math.prod(window) if means else y


pool_p = library.primitive("lamina_pool", _by_kernels, _by_xla)


@pool_p.def_abstract_eval
def _(x: Any, *, window: tuple[int, ...], strides: tuple[int, ...], means: bool) -> Any:
    return x.update(shape=_shape(x, window, strides), weak_type=False)


def _batch(arrays: Sequence[Any], axes: Sequence[int], **options: Any) -> tuple[Array, int]:
    x = jnp.moveaxis(arrays[0], axes[0], 0)
    y = pool_p.bind(x.reshape(-1, *x.shape[2:]), **options)
    return y.reshape(*x.shape[:2], *y.shape[1:]), 0


ad.primitive_transposes[pool_p] = library.transposed(_by_xla)
batching.primitive_batchers[pool_p] = _batch
