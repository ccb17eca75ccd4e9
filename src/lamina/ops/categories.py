"""From numbers of categories to vectors: one of each, or one of each sample; search in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from lamina.typing import Array


def one_hot(numbers: Array, depth: int, dtype: Any) -> Array:
    """A vector with a one at its number for each entry; zeros where there is no such place.

    Args:
        numbers: integers of any shape.
        depth: size of the vectors.
        dtype: that of the result.

    >>> one_hot(jnp.array([2, 0]), 3, "float32").tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    return jax.nn.one_hot(numbers, depth, dtype=dtype)


def counts(numbers: Array, depth: int, dtype: Any, weights: Array | None = None) -> Array:
    """How often each number is in each sample, the last axis.

    Args:
        numbers: integers of shape ``(*samples, length)``; those of `depth` or more, and negative
            ones, are not counted.
        depth: how many numbers there are.
        dtype: that of the result.
        weights: what an entry counts, of the shape of the numbers; 1 by default.

    >>> counts(jnp.array([[2, 0, 2]]), 3, "float32").tolist()
    [[1.0, 0.0, 2.0]]
    """
    length = numbers.shape[-1]
    flat = numbers.reshape(-1, length)
    flat = jnp.where(flat < 0, depth, flat)  # a negative place would count from the end
    each = jnp.ones(flat.shape, dtype) if weights is None else weights.reshape(flat.shape)
    rows = jax.lax.broadcasted_iota(flat.dtype, flat.shape, 0)
    table = jnp.zeros((flat.shape[0], depth), each.dtype).at[rows, flat].add(each, mode="drop")
    return table.reshape(*numbers.shape[:-1], depth)


def counts_on_host(numbers: np.ndarray, depth: int) -> np.ndarray:
    """`counts` without weights, by NumPy: for samples whose length changes from call to call.

    >>> counts_on_host(np.array([[2, 0, 2], [3, -1, 1]]), 3).tolist()
    [[1, 0, 2], [0, 1, 0]]
    """
    flat = numbers.reshape(-1, numbers.shape[-1])
    rows = np.broadcast_to(np.arange(len(flat))[:, None], flat.shape)
    inside = (flat >= 0) & (flat < depth)
    places = rows[inside] * depth + flat[inside]
    table = np.bincount(places, minlength=len(flat) * depth)
    return table.reshape(*numbers.shape[:-1], depth)


def looked_up(library: Any, inputs: Any, keys: Any, values: Any, missing: Any) -> Any:
    """What a table says of each input; `missing` where it does not have it.

    Args:
        library: ``numpy`` or ``jax.numpy``.
        inputs: array of any shape.
        keys: sorted array of the same dtype.
        values: array, what stands for each key.
        missing: scalar or array of the shape of the inputs.

    >>> looked_up(np, np.array([5, 6]), np.array([3, 5]), np.array([7, 8]), -1).tolist()
    [8, -1]
    """
    if not len(keys):
        return library.broadcast_to(library.asarray(missing, values.dtype), inputs.shape)
    places = library.minimum(library.searchsorted(keys, inputs), len(keys) - 1)
    return library.where(keys[places] == inputs, values[places], missing)
