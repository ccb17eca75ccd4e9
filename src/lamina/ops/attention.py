"""Attention: scores of queries and keys, their softmax under masks, and the mean of the values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.linear import bias_add, dot_last
from lamina.ops.random import dropout

if TYPE_CHECKING:
    from lamina.typing import Array

FAR = 1e9
"""What is subtracted from the scores of masked places, as Keras does."""


def causal_mask(queries: int, keys: int) -> Array:
    """True where a query may see a key: not where the key comes later.

    >>> causal_mask(2, 3).astype(int).tolist()
    [[1, 0, 0], [1, 1, 0]]
    """
    shape = (queries, keys)
    return lax.broadcasted_iota("int32", shape, 0) >= lax.broadcasted_iota("int32", shape, 1)


def window_mask(queries: int, keys: int, window: int) -> Array:
    """True where query and key are less than `window` places apart.

    >>> window_mask(2, 3, 2).astype(int).tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    shape = (queries, keys)
    rows, columns = (lax.broadcasted_iota("int32", shape, axis) for axis in (0, 1))
    return jnp.abs(rows - columns) < window


def joined_mask(*masks: Any) -> Array | None:
    """True where all masks are, those that are None left out; None if there is none.

    >>> joined_mask(None, jnp.array([True, False]), jnp.array([True, True])).tolist()
    [True, False]
    """
    given = [jnp.asarray(mask).astype(bool) for mask in masks if mask is not None]
    shape = jnp.broadcast_shapes(*(mask.shape for mask in given))
    spread = [jnp.broadcast_to(mask, shape) for mask in given]
    return reduce(jnp.logical_and, spread) if spread else None


def dot_scores(query: Any, key: Any, scale: Any = None) -> Array:
    """Products of each query with each key, times a scale. Luong and others (2015).

    Args:
        query: array of shape ``(..., queries, size)``.
        key: array of shape ``(..., keys, size)``.
        scale: scalar; None for 1.

    >>> dot_scores(jnp.ones((1, 2, 3)), jnp.ones((1, 4, 3))).shape
    (1, 2, 4)
    """
    scores = query @ jnp.swapaxes(key, -2, -1)
    return scores if scale is None else scores * jnp.asarray(scale).astype(scores.dtype)


def additive_scores(query: Any, key: Any, weights: Any = None, scale: Any = None) -> Array:
    """``sum(weights * tanh(scale * (query + key)))`` over the last axis. Bahdanau (2015).

    Args:
        query: array of shape ``(..., queries, size)``.
        key: array of shape ``(..., keys, size)``.
        weights: array of shape ``(size,)`` or scalar; None for 1.
        scale: scalar; None for 1.

    >>> additive_scores(jnp.zeros((1, 2, 3)), jnp.zeros((1, 4, 3))).shape
    (1, 2, 4)
    """
    query, key = query[..., :, None, :], key[..., None, :, :]
    shape = jnp.broadcast_shapes(query.shape, key.shape)
    both = jnp.broadcast_to(query, shape) + jnp.broadcast_to(key, shape)
    if scale is not None:
        both = both * jnp.asarray(scale).astype(both.dtype)
    both = jnp.tanh(both)
    if weights is not None:
        both = both * jnp.broadcast_to(jnp.asarray(weights).astype(both.dtype), shape)
    return jnp.sum(both, -1)


def attend(
    scores: Any, value: Any, mask: Any = None, rate: float = 0.0, random_key: Any = None
) -> tuple[Array, Array]:
    """Means of the values, weighted by the softmax of scores along the last axis.

    Args:
        scores: array of shape ``(..., queries, keys)``.
        value: array of shape ``(..., keys, size)``.
        mask: true where a key counts, of the rank of the scores; all keys do if none does.
        rate: part of the weights that is dropped.
        random_key: key of the draw; None to drop nothing.

    Returns:
        The means, of shape ``(..., queries, size)``, and the weights.

    >>> attend(jnp.zeros((1, 2)), jnp.array([[1.0], [3.0]]))[0]
    Array([[2.]], dtype=float32)
    """
    wide = scores.astype(jnp.float32) if scores.dtype.itemsize < 4 else scores
    if mask is not None:
        wide = jnp.where(jnp.broadcast_to(mask, wide.shape), wide, wide - FAR)
    weights = jax.nn.softmax(wide, -1).astype(value.dtype)
    if random_key is not None and rate:
        weights = dropout(weights, rate, random_key)
    return weights @ value, weights


def heads_equations(rank: int, axes: Sequence[int]) -> tuple[str, str]:
    """Subscripts of the scores of heads, and of the means of their values.

    Args:
        rank: rank of queries, keys and values: batch, further axes, heads, size of a head.
        axes: axes of the places between which attention is paid, counted from 0.

    >>> heads_equations(4, (1,))
    ('abcd,aecd->acbe', 'acbe,aecd->abcd')
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    own = letters[:rank]
    others = iter(letters[rank:])
    other = "".join(next(others) if place in axes else own[place] for place in range(rank))
    shared = "".join(own[place] for place in range(rank - 1) if place not in axes)
    scores = shared + "".join(own[a] for a in axes) + "".join(other[a] for a in axes)
    return f"{own},{other}->{scores}", f"{scores},{other}->{own}"


def heads_scores(query: Any, key: Any, axes: Sequence[int] = (1,)) -> Array:
    """Products of queries and keys of each head, divided by the root of the size of a head.

    Args:
        query: array of shape ``(batch, ..., heads, size)``.
        key: likewise; the sizes along `axes` are its own.
        axes: axes of the places between which attention is paid, counted from 0.

    Returns:
        An array of the other axes and the heads, then `axes` of the queries, then of the keys;
        in 32 bits at least.

    >>> heads_scores(jnp.ones((2, 3, 5, 4)), jnp.ones((2, 7, 5, 4))).shape
    (2, 5, 3, 7)
    """
    wide = jnp.float32 if query.dtype.itemsize < 4 else query.dtype
    scores = jnp.einsum(
        heads_equations(query.ndim, axes)[0], query, key, preferred_element_type=wide
    )
    return scores * (query.shape[-1] ** -0.5)


def heads_attend(
    scores: Any,
    value: Any,
    mask: Any = None,
    *,
    axes: Sequence[int] = (1,),
    empty: bool = False,
    rate: float = 0.0,
    random_key: Any = None,
) -> tuple[Array, Array]:
    """Means of the values of each head, weighted by the softmax of their scores.

    Args:
        scores: what `heads_scores` gives.
        value: array of shape ``(batch, ..., heads, size)``.
        mask: true where a key counts, of a shape that spreads to that of the scores.
        axes: axes of the places between which attention is paid, counted from 0.
        empty: whether a query that may see no key gets 0; else it gets the mean of all values.
        rate: part of the weights that is dropped.
        random_key: key of the draw; None to drop nothing.

    Returns:
        The means, of the shape of the queries but for the size of a head, and the weights
        before any is dropped.

    >>> value = jnp.arange(4.0).reshape(1, 2, 1, 2)
    >>> heads_attend(jnp.zeros((1, 1, 1, 2)), value)[0].tolist()
    [[[[1.0, 2.0]]]]
    """
    if mask is not None:
        mask = jnp.broadcast_to(mask, scores.shape)
        scores = jnp.where(mask, scores, -FAR)
    last = tuple(range(scores.ndim - len(axes), scores.ndim))
    weights = jax.nn.softmax(scores, last)
    if mask is not None and empty:
        weights = jnp.where(mask, weights, 0.0)
    used = weights = weights.astype(value.dtype)
    if random_key is not None and rate:
        used = dropout(weights, rate, random_key)
    return jnp.einsum(heads_equations(value.ndim, axes)[1], used, value), weights


def spread_mask(mask: Any, rank: int, axes: Sequence[int] = (1,)) -> Array:
    """A mask of ``(batch, ..., queries, keys)`` with an axis for what it lacks, the heads first.

    Args:
        mask: the mask; its last axes are those of queries and keys.
        rank: rank of the scores.
        axes: axes of the places between which attention is paid.

    >>> spread_mask(jnp.ones((2, 3, 5), bool), 4).shape
    (2, 1, 3, 5)
    """
    while mask.ndim < rank:
        mask = jnp.expand_dims(mask, -2 * len(axes) - 1)
    return mask


def project(x: Any, kernel: Any, bias: Any = None, count: int = 1) -> Array:
    """Products of the last axes with a kernel that may have several axes for the output.

    Args:
        x: array of shape ``(..., *sizes)``.
        kernel: array of shape ``(*sizes, *outputs)``.
        bias: array of shape ``outputs``; None for none.
        count: number of the axes that are summed away.

    >>> project(jnp.ones((2, 3, 4)), jnp.ones((4, 5, 6))).shape
    (2, 3, 5, 6)
    >>> project(jnp.ones((2, 3, 5, 6)), jnp.ones((5, 6, 7)), count=2).shape
    (2, 3, 7)
    """
    # As a product of matrices: the fastest of the forms that were measured.
    size = math.prod(kernel.shape[:count])
    outputs = dot_last(x.reshape(*x.shape[: x.ndim - count], size), kernel.reshape(size, -1))
    if bias is not None:
        outputs = bias_add(outputs, bias.reshape(-1))
    return outputs.reshape(*x.shape[: x.ndim - count], *kernel.shape[count:])
