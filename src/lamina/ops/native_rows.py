"""Products of rows with matrices, and look-ups of rows, on CPUs by kernels of `lamina.ops.library`.

XLA divides what reads a large array among threads and waits for them. For few rows that takes
longer than the work, and for many its products take longer than those of the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.interpreters import ad, batching
from jax.sharding import PartitionSpec

from lamina.ops import library

if TYPE_CHECKING:
    from lamina.typing import Array

MOST_PRODUCTS = 2**28
"""Multiplications up to which a product is taken; larger ones are faster by XLA."""

FEWEST_SUMMED = 2**18
"""Numbers from which they are summed over all axes but the last by the kernels."""

MOST_NUMBERS = 2**15
MOST_INDICES = 2**11
"""Numbers up to which rows are looked up, and indices up to which they are checked."""


def multiplies(x: Array, kernel: Array, bias: Array | None = None) -> bool:
    """Whether `dot` takes arrays of these shapes and dtypes.

    The limit was measured; `benchmarks/README.md` has the figures.
    """
    further = () if bias is None else (bias,)
    if kernel.ndim != 2 or not library.takes(x, kernel, *further):
        return False
    outputs = kernel.shape[-1]
    if bias is not None and bias.shape != (outputs,):
        return False
    return library.fewest() <= outputs and x.size * outputs <= MOST_PRODUCTS


def dot(x: Array, kernel: Array, bias: Array | None = None, relu: bool = False) -> Array:
    """Multiply the last axis of `x` by a matrix, add a bias, and rectify.

    Args:
        x: float32 array of shape ``(..., n)``.
        kernel: float32 array of shape ``(n, outputs)``.
        bias: float32 array of shape ``(outputs,)``.
        relu: whether negative results become zero.

    >>> if library.fewest():
    ...     print(dot(jnp.arange(3.0), jnp.ones((3, 5)), -jnp.arange(5.0), relu=True))
    [3. 2. 1. 0. 0.]
    """
    return dot_p.bind(x, kernel, *(() if bias is None else (bias,)), relu=relu, transposed=False)


def takes(table: Array, index: Array) -> bool:
    """Whether `take` takes arrays of these shapes and dtypes."""
    if table.ndim != 2 or index.dtype != jnp.int32 or not library.takes(table):
        return False
    known = isinstance(index.size, int)
    return known and 0 < index.size * table.shape[1] <= MOST_NUMBERS


def take(table: Array, index: Array) -> Array:
    """Look up rows of a table; an index out of range gives the nearest.

    Args:
        table: float32 array of shape ``(rows, n)``.
        index: int32 array.

    >>> if library.fewest():
    ...     print(take(jnp.array([[1.0], [2.0], [3.0]]), jnp.array([[2, 0]])))
    [[[3.]
      [1.]]]
    """
    return take_p.bind(table, index)


def searches(index: Array) -> bool:
    """Whether `first_outside` takes an array of this shape and dtype."""
    known = index.dtype == jnp.int32 and isinstance(index.size, int)
    return known and 0 < index.size <= MOST_INDICES and library.takes()


def first_outside(index: Array, size: int) -> Array:
    """Find the first number that is not in ``[0, size)``.

    Args:
        index: int32 array.
        size: the first number that is too large.

    Returns:
        Its place among all numbers in order, as an int32 scalar; their count if there is none.

    >>> if library.fewest():
    ...     print(first_outside(jnp.array([[0, 1], [7, 2]]), 3))
    2
    """
    return search_p.bind(index, size=size)


def _dot_by_kernels(x: Array, kernel: Array, *bias: Array, relu: bool, transposed: bool) -> Array:
    rows = x.reshape(-1, x.shape[-1])
    shape = rows.shape[transposed], kernel.shape[1]
    call = jax.ffi.ffi_call("lamina_dot", jax.ShapeDtypeStruct(shape, x.dtype))
    y = call(rows, kernel, *bias, options=np.array([relu, transposed], np.int64))
    return y if transposed else y.reshape(*x.shape[:-1], -1)


def _dot_by_xla(x: Array, kernel: Array, *bias: Array, relu: bool, transposed: bool) -> Array:
    y = _product(x.T if transposed else x, kernel)
    y = y + along_last(bias[0], y.shape) if bias else y
    return lax.max(y, jnp.zeros_like(y)) if relu else y


def _product(x: Array, kernel: Array) -> Array:
    return lax.dot_general(x, kernel, (((x.ndim - 1,), (0,)), ((), ())))


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def along_last(vector: Array, shape: tuple[int, ...]) -> Array:
    """A vector along the last axis of an array, the same everywhere else."""
    return lax.broadcast_in_dim(vector, shape, (len(shape) - 1,))


@along_last.defjvp
def _along_last_tangent(
    shape: tuple[int, ...], vectors: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    """The tangent as a product with ones, for the sake of its transpose.

    The gradient of the vector is then a product too. As a sum over all axes but the last, XLA takes
    two to seven times as long for it on a CPU.
    """
    (tangent,) = tangents
    return along_last(*vectors, shape), _by_ones(tangent, shape)


def _by_ones(vector: Array, shape: tuple[int, ...]) -> Array:
    ones, row = jnp.ones((math.prod(shape[:-1]), 1), vector.dtype), vector[None]
    if ones.size * row.size >= FEWEST_SUMMED and multiplies(ones, row):
        product = dot(ones, row)
    else:
        product = lax.dot(ones, row, precision=lax.Precision.HIGHEST)
    return product.reshape(shape)


def _take_by_kernels(table: Array, index: Array) -> Array:
    y = jax.ShapeDtypeStruct((*index.shape, table.shape[1]), table.dtype)
    return jax.ffi.ffi_call("lamina_take", y)(table, index)


_take_by_xla = partial(jnp.take, axis=0, mode="clip")


def _search_by_kernels(index: Array, *, size: int) -> Array:
    call = jax.ffi.ffi_call("lamina_search", jax.ShapeDtypeStruct((), jnp.int32))
    return call(index, options=np.array([size], np.int64))


def _search_by_xla(index: Array, *, size: int) -> Array:
    place = lax.iota(jnp.int32, index.size).reshape(index.shape)
    return jnp.min(jnp.where((index < 0) | (index >= size), place, index.size))


dot_p = library.primitive("lamina_dot", _dot_by_kernels, _dot_by_xla)
take_p = library.primitive("lamina_take", _take_by_kernels, _take_by_xla)
search_p = library.primitive("lamina_search", _search_by_kernels, _search_by_xla)


@search_p.def_abstract_eval
def _(index: Any, *, size: int) -> Any:
    return _of(index, (), index.dtype, ())


@dot_p.def_abstract_eval
def _(x: Any, kernel: Any, *bias: Any, relu: bool, transposed: bool) -> Any:
    if transposed:
        return kernel.update(shape=(x.shape[1], kernel.shape[1]), weak_type=False)
    return x.update(shape=(*x.shape[:-1], kernel.shape[1]), weak_type=False)


@take_p.def_abstract_eval
def _(table: Any, index: Any) -> Any:
    shape = (*index.shape, table.shape[1])
    return _of(index, shape, table.dtype, (*index.sharding.spec, None))


def _of(value: Any, shape: tuple[int, ...], dtype: Any, spec: tuple[Any, ...]) -> Any:
    """What has a shape of another rank than the value that it comes from."""
    sharding = value.sharding.update(spec=PartitionSpec(*spec))
    return value.update(shape=shape, dtype=dtype, sharding=sharding, weak_type=False)


def _dot_tangent(
    primals: Sequence[Any], tangents: Sequence[Any], *, relu: bool, transposed: bool
) -> tuple[Array, Array]:
    (x, kernel, *_), (of_x, of_kernel, *of_bias) = primals, tangents
    value, terms = dot_p.bind(*primals, relu=relu, transposed=transposed), []
    linear = partial(dot_p.bind, relu=False, transposed=transposed)
    if _is_there(of_x):
        terms.append(linear(of_x, kernel))
    if _is_there(of_kernel):
        terms.append(linear(x, of_kernel))
    terms += [_by_ones(one, value.shape) for one in of_bias if _is_there(one)]
    return value, library.tangent(value, terms, relu)


def _dot_transpose(gradient: Any, *arrays: Any, transposed: bool, **options: Any) -> Any:
    """Gradients of a product: that of the second matrix is a product by the kernels, too."""
    x = arrays[0]
    if len(arrays) > 2 or ad.is_undefined_primal(x) or isinstance(gradient, ad.Zero):
        return _by_xla_transposed(gradient, *arrays, transposed=transposed, **options)
    rows = x.reshape(-1, x.shape[-1])
    back = gradient.reshape(-1, gradient.shape[-1])
    return None, dot_p.bind(rows, back, relu=False, transposed=not transposed)


def _is_there(tangent: Any) -> bool:
    return not isinstance(tangent, ad.Zero)


def _batch_dot(
    arrays: Sequence[Any], axes: Sequence[Any], *, relu: bool, transposed: bool
) -> tuple[Array, int]:
    """Of rows alone that are many, each is one more row of the same product."""
    x, *others = arrays
    if not transposed and all(axis is None for axis in axes[1:]):
        x = jnp.moveaxis(x, axes[0], 0)
        if multiplies(x, *others):
            return dot_p.bind(x, *others, relu=relu, transposed=False), 0
    return _by_xla_vectorized(arrays, axes, relu=relu, transposed=transposed)


ad.primitive_jvps[dot_p] = _dot_tangent
ad.defjvp(take_p, lambda tangent, table, index: _take_by_xla(tangent, index), None)
_by_xla_transposed = library.transposed(_dot_by_xla)
_by_xla_vectorized = library.vectorized(_dot_by_xla)
ad.primitive_transposes[dot_p] = _dot_transpose
ad.primitive_transposes[take_p] = library.transposed(_take_by_xla)
batching.primitive_batchers[dot_p] = _batch_dot
batching.primitive_batchers[take_p] = library.vectorized(_take_by_xla)
batching.primitive_batchers[search_p] = library.vectorized(_search_by_xla)
