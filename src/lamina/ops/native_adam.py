"""A step of Adam over all weights at once, on CPUs by a kernel of `lamina.ops.library`.

XLA makes three passes over memory: for each average, and for the weights. The kernel makes one, and
XLA knows by then that nobody will read the old weights, so that it needs no copy of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad, batching

from lamina.ops import library

if TYPE_CHECKING:
    from lamina.typing import Array

Arrays = list[Any]


def takes(*columns: Sequence[Array]) -> bool:
    """Whether `adam` takes arrays of these dtypes and sizes."""
    return library.takes(*(array for column in columns for array in column))


def adam(
    gradients: Sequence[Array],
    values: Sequence[Array],
    means: Sequence[Array],
    squares: Sequence[Array],
    numbers: Sequence[Any],
) -> tuple[Arrays, Arrays, Arrays]:
    """Give new values, means and squares.

    With the numbers ``rate, epsilon, a, b``: ``mean += a * (gradient - mean)``,
    ``square += b * (gradient**2 - square)``, ``value -= rate * mean / (sqrt(square) + epsilon)``.

    Args:
        gradients: float32 arrays.
        values: float32 arrays of the same shapes.
        means: the same; averages of gradients.
        squares: the same; averages of their squares.
        numbers: four scalars.

    >>> if library.fewest():
    ...     one = [jnp.ones(2)]
    ...     print(adam(one, one, one, one, (0.5, 0.0, 0.1, 0.1))[0])
    ... else:
    ...     print("[Array([0.5, 0.5], dtype=float32)]")
    [Array([0.5, 0.5], dtype=float32)]
    """
    given = jnp.stack([jnp.asarray(number, jnp.float32) for number in numbers])
    count = len(values)
    found = adam_p.bind(jnp.asarray(False), given, *gradients, *values, *means, *squares)
    return found[:count], found[count : 2 * count], found[2 * count :]


def _by_kernels(off: Array, numbers: Array, *arrays: Array) -> Any:
    old = arrays[len(arrays) // 4 :]
    shapes = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in old]
    first = 2 + len(arrays) - len(old)
    places = {first + number: number for number in range(len(old))}
    call = jax.ffi.ffi_call("lamina_adam", shapes, input_output_aliases=places)
    return call(off, numbers, *arrays)


def _by_xla(off: Array, numbers: Array, *arrays: Array) -> Arrays:
    rate, epsilon, to_mean, to_square = numbers
    count = len(arrays) // 4
    columns: tuple[Arrays, Arrays, Arrays] = [], [], []
    for place in range(count):
        gradient, value, mean, square = arrays[place::count]
        mean = mean + (gradient - mean) * to_mean
        square = square + (gradient * gradient - square) * to_square
        value = value - rate * mean / (lax.sqrt(square) + epsilon)
        for column, one in zip(columns, (value, mean, square), strict=True):
            column.append(one)
    new = [one for column in columns for one in column]
    return [lax.select(off, old, one) for old, one in zip(arrays[count:], new, strict=True)]


adam_p = library.primitive("lamina_adam", _by_kernels, _by_xla, several=True)


@adam_p.def_abstract_eval
def _(off: Any, numbers: Any, *arrays: Any) -> list[Any]:
    del off, numbers
    return [array.update(weak_type=False) for array in arrays[len(arrays) // 4 :]]


def _tangent(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    return jax.jvp(_by_xla, tuple(primals), tuple(map(ad.instantiate_zeros, tangents)))


def _batch(arrays: Sequence[Any], axes: Sequence[int | None]) -> tuple[Any, Any]:
    found = jax.vmap(_by_xla, tuple(axes))(*arrays)
    return found, [0] * len(found)


ad.primitive_jvps[adam_p] = _tangent
batching.primitive_batchers[adam_p] = _batch
