"""What is done number by number with one or two rows, on CPUs by the kernels of `ops.library`.

Programs in which XLA counts few operations run where they are called, others on one of its threads,
and to wake that takes as long as some layers. It counts those of calls for none.
"""

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

if TYPE_CHECKING:
    from lamina.typing import Array

MOST_ROWS = 2
FEWEST_NUMBERS, MOST_NUMBERS = 2**7, 2**17
"""Below, XLA would not count many operations; above, its threads are worth waiting for."""


def takes(x: Array, *others: Array) -> bool:
    """Whether arrays of these shapes and dtypes go number by number here."""
    return (
        x.ndim > 1
        and library.takes(x, *others)
        and x.shape[0] <= MOST_ROWS
        and FEWEST_NUMBERS <= x.size <= MOST_NUMBERS
        and library.fewest() <= x.shape[-1]
    )


def normalize(
    x: Array, mean: Array, variance: Array, gamma: Array | None, beta: Array | None, epsilon: float
) -> Array:
    """``(x - mean) * gamma / sqrt(variance + epsilon) + beta`` along the last axis.

    Args:
        x: float32 array.
        mean: float32 array of the size of the last axis.
        variance: likewise.
        gamma: likewise; None for 1.
        beta: likewise; None for 0.
        epsilon: added to the variance.

    >>> if library.fewest():
    ...     print(normalize(jnp.ones((1, 4)), jnp.zeros(4), jnp.full(4, 0.25), None, None, 0.0))
    [[2. 2. 2. 2.]]
    """
    further = [values for values in (gamma, beta) if values is not None]
    arrays = x, mean, variance, *further, jnp.full((), epsilon, x.dtype)
    options = True, gamma is not None, beta is not None, False, False
    return each_p.bind(*arrays, options=options)


def add(x: Any, other: Any) -> Array:
    """Add two arrays, or numbers: here where it can be, and elsewhere by XLA."""
    same = jnp.shape(x) == jnp.shape(other) != ()
    if same and takes(jnp.asarray(x), jnp.asarray(other)):
        return each_p.bind(x, other, options=(False, False, False, True, False))
    return jnp.add(x, other)


def rectify(x: Array) -> Array:
    """Replace what is negative in a float32 array by 0."""
    return each_p.bind(x, options=(False, False, False, False, True))


def by_moments(
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array | None,
    beta: Array | None,
    epsilon: Any,
    axes: Sequence[int],
) -> Array:
    """`normalize` along any axes, by XLA, in the dtype of the moments if that is wider."""

    def along(values: Array) -> Array:
        return lax.broadcast_in_dim(values, x.shape, axes)

    scale = lax.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma.astype(scale.dtype)
    # Subtracting the mean first: x * scale - mean * scale would lose digits.
    result = (x.astype(scale.dtype) - along(mean)) * along(scale)
    if beta is not None:
        result = result + along(beta.astype(scale.dtype))
    return result.astype(x.dtype)


def _by_kernels(*arrays: Array, options: tuple[bool, ...]) -> Array:
    call = jax.ffi.ffi_call("lamina_each", jax.ShapeDtypeStruct(arrays[0].shape, arrays[0].dtype))
    return call(*arrays, options=np.array(options, np.int64))


def _by_xla(*arrays: Array, options: tuple[bool, ...]) -> Array:
    normalizes, scales, shifts, adds, rectifies = options
    y, *rest = arrays
    if normalizes:
        mean, variance, *rest, epsilon = rest
        gamma, beta = (rest.pop(0) if there else None for there in (scales, shifts))
        y = by_moments(y, mean, variance, gamma, beta, epsilon, (y.ndim - 1,))
    if adds:
        y = y + rest.pop(0)
    return jax.nn.relu(y) if rectifies else y


def _tangent(
    primals: Sequence[Any], tangents: Sequence[Any], options: tuple[bool, ...]
) -> tuple[Array, Array]:
    """Value and tangent by XLA's operations: training has many, and they are drawn together."""
    tangents = [ad.instantiate_zeros(one) for one in tangents]
    return jax.jvp(partial(_by_xla, options=options), tuple(primals), tuple(tangents))


each_p = library.primitive("lamina_each", _by_kernels, _by_xla)
each_p.def_abstract_eval(lambda x, *others, options: x.update(weak_type=False))
ad.primitive_jvps[each_p] = _tangent
ad.primitive_transposes[each_p] = library.transposed(_by_xla)
batching.primitive_batchers[each_p] = library.vectorized(_by_xla)
