"""What values there are, how often and where, and sums of parts, by Keras 3's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.backend.keras3.names import dense, known_values, own
from lamina.ops import arithmetic, elementwise


def nonzero(x: Any) -> tuple[Any, ...]:
    """Indices of the values that are not 0: an array for each axis.

    Raises:
        TypeError: the values are not known yet, in a graph or in compiled code.

    >>> [places.tolist() for places in nonzero(jnp.array([[5, 0], [0, 7]]))]
    [[0, 1], [0, 1]]
    """
    x = jnp.asarray(x)
    way_out = "Keep the shape with ops.where(condition, x1, x2), or call it outside."
    known_values("nonzero", "how many values are not 0", way_out, x)
    return jnp.nonzero(x)


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The values that occur, each once.

    Args:
        x: array.
        sorted: not used: the values are always in rising order.
        return_index: give the first index of each value, too.
        return_inverse: give the index of each element's value, too.
        return_counts: give how often each value occurs, too.
        axis: compare the slices along this axis, not single values.
        size: number of values of the result: those that are too many are left out, and those
            that lack are `fill_value`. Needed where the values are not known yet, in a graph or
            in compiled code.
        fill_value: by default the smallest value.

    Raises:
        TypeError: the values are not known yet, and there is no `size`.

    >>> unique(jnp.array([3, 1, 3])).tolist()
    [1, 3]
    >>> unique(jnp.array([3, 1, 3]), size=3, fill_value=0).tolist()
    [1, 3, 0]
    """
    del sorted
    x = jnp.asarray(x)
    if size is None:
        way_out = "Say how many there may be: size=n, and the value of those that lack: fill_value."
        known_values("unique", "how many values there are", way_out, x)
    flags = (return_index, return_inverse, return_counts)
    return jnp.unique(x, *flags, axis=axis, size=size, fill_value=fill_value)


def argpartition(x: Any, kth: int, axis: int = -1) -> Any:
    """Indices that bring the smallest values before place `kth` and the larger ones behind it.

    >>> int(argpartition(jnp.array([3, 1, 2]), 0)[0])
    1
    """
    return jnp.argpartition(jnp.asarray(x), kth, axis)


def digitize(x: Any, bins: Any) -> Any:
    """Number of the interval that each value falls in: ``bins[i - 1] <= x < bins[i]``.

    Args:
        x: values.
        bins: ends of the intervals, in rising order.

    >>> digitize(jnp.array([0.5, 2.0]), jnp.array([0.0, 1.0, 2.0])).tolist()
    [1, 3]
    """
    x, bins = arithmetic.same_dtype(x, bins)
    if bins.ndim != 1:
        raise ValueError(f"ops.digitize: bins must be a vector, got shape {bins.shape}.")
    return jnp.digitize(x, bins)


def histogram(x: Any, bins: int = 10, range: Any = None) -> tuple[Any, Any]:
    """How many values fall in each of some intervals of one size.

    Args:
        x: values.
        bins: number of intervals.
        range: pair of the lowest and highest value; those of `x` by default.

    Returns:
        The counts, and the ``bins + 1`` ends of the intervals.

    Raises:
        ValueError: `bins` is not a positive int, or `range` not a rising pair.

    >>> [part.tolist() for part in histogram(jnp.array([0.0, 1.0, 4.0]), 2)]
    [[2.0, 1.0], [0.0, 2.0, 4.0]]
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise ValueError(f"ops.histogram: bins must be a positive int, got {bins!r}.")
    if range is not None and (len(range) != 2 or range[0] >= range[1]):
        raise ValueError(f"ops.histogram: range must be (lowest, highest), got {range!r}.")
    counts, ends = jnp.histogram(elementwise.as_float(x), bins, range)
    return counts, ends


def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often each number from 0 occurs.

    Args:
        x: ints, not negative: a vector, or a matrix each of whose rows is counted by itself.
        weights: what each occurrence counts, in the shape of `x`; 1 by default.
        minlength: number of counts that there are at least.
        sparse: must be false: results are dense.

    Raises:
        TypeError: the values are not known yet, in a graph or in compiled code.

    >>> bincount(jnp.array([1, 1, 3])).tolist()
    [0, 2, 0, 1]
    """
    dense("bincount", sparse)
    x = jnp.asarray(x)
    way_out = "Add up ops.one_hot(x, num_classes), whose shape is known."
    known_values("bincount", "the largest number, so the size of the result,", way_out, x)
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise TypeError(f"ops.bincount: x must have an integer dtype, got {x.dtype}.")
    weights = None if weights is None else jnp.broadcast_to(jnp.asarray(weights), x.shape)
    if x.ndim != 2:
        return jnp.bincount(x, weights, minlength)
    length = max(minlength, int(jnp.max(x, initial=-1)) + 1)
    if weights is None:
        return jax.vmap(lambda row: jnp.bincount(row, length=length))(x)
    return jax.vmap(lambda row, own: jnp.bincount(row, own, length=length))(x, weights)


def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each value of `x1` is among those of `x2`.

    Args:
        x1: values.
        x2: values to look among.
        assume_unique: no value occurs twice in either.
        invert: whether it is not among them.

    >>> isin(jnp.array([1, 2]), jnp.array([2, 3])).tolist()
    [False, True]
    """
    x1, x2 = arithmetic.same_dtype(x1, x2)
    return jnp.isin(x1, x2, assume_unique, invert)


def unravel_index(indices: Any, shape: Sequence[int]) -> tuple[Any, ...]:
    """Indices along each axis, from indices of the flat array.

    >>> [int(place) for place in unravel_index(5, (2, 3))]
    [1, 2]
    """
    return tuple(jnp.unravel_index(jnp.asarray(indices), tuple(shape)))


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Values of the first choice whose condition holds.

    Args:
        condlist: conditions.
        choicelist: as many arrays of values.
        default: value where no condition holds.

    Raises:
        ValueError: there are not as many choices as conditions.

    >>> select([jnp.array([True, False])], [jnp.array([1, 2])], 9).tolist()
    [1, 9]
    """
    if not condlist or len(condlist) != len(choicelist):
        raise ValueError(
            "ops.select: expected one choice for each condition, got "
            f"{len(choicelist)} choices and {len(condlist)} conditions."
        )
    found = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        found = arithmetic.where(condition, choice, found)
    return found


def _segments(who: str, data: Any, segment_ids: Any, count: int | None) -> tuple[Any, Any, int]:
    data, ids = jnp.asarray(data), jnp.asarray(segment_ids)
    if ids.ndim != 1 or data.ndim < 1 or len(ids) != data.shape[0]:
        raise ValueError(
            f"ops.{who}: segment_ids must be a vector with an id for each slice of data along its "
            f"first axis, got shapes {ids.shape} and {data.shape}."
        )
    if count is None:
        known_values(who, "the number of segments", "Give num_segments.", ids)
        count = int(jnp.max(ids, initial=-1)) + 1
    return data, ids, count


def segment_sum(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
    """Sum of the slices of each segment.

    Args:
        data: array, cut along its first axis.
        segment_ids: the segment of each slice; slices of a segment that there is not are left
            out.
        num_segments: number of segments; from `segment_ids` by default.
        sorted: the ids are in rising order, which is faster.

    Raises:
        TypeError: `num_segments` lacks, and the ids are not known yet.
        ValueError: the ids are not a vector with an id for each slice.

    >>> segment_sum(jnp.array([1, 2, 4]), jnp.array([0, 2, 2])).tolist()
    [1, 0, 6]
    """
    return jax.ops.segment_sum(*_segments("segment_sum", data, segment_ids, num_segments), sorted)


def segment_max(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
    """Largest of the slices of each segment; the lowest number where there is none.

    >>> segment_max(jnp.array([1, 2, 4]), jnp.array([0, 1, 1])).tolist()
    [1, 4]
    """
    return jax.ops.segment_max(*_segments("segment_max", data, segment_ids, num_segments), sorted)


def segment_min(data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False) -> Any:
    """Smallest of the slices of each segment; the highest number where there is none.

    >>> segment_min(jnp.array([1, 2, 4]), jnp.array([0, 1, 1])).tolist()
    [1, 2]
    """
    return jax.ops.segment_min(*_segments("segment_min", data, segment_ids, num_segments), sorted)


def segment_prod(
    data: Any, segment_ids: Any, num_segments: Any = None, sorted: bool = False
) -> Any:
    """Product of the slices of each segment; 1 where there is none.

    >>> segment_prod(jnp.array([1, 2, 4]), jnp.array([0, 1, 1])).tolist()
    [1, 8]
    """
    return jax.ops.segment_prod(*_segments("segment_prod", data, segment_ids, num_segments), sorted)


def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """Values of `x1` where the condition holds, else those of `x2`.

    Without them the indices at which it holds, as `nonzero` gives them.

    >>> where(jnp.array([True, False]), 1, 2).tolist()
    [1, 2]
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("ops.where: give both x1 and x2, or neither.")
    return nonzero(condition) if x1 is None else arithmetic.where(condition, x1, x2)


def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """The k largest values of the last axis and their indices, the largest first.

    Args:
        x: array.
        k: how many.
        sorted: not used: they always are.

    Raises:
        ValueError: the last axis has fewer values.

    >>> [part.tolist() for part in top_k(jnp.array([3, 1, 2]), 2)]
    [[3, 2], [0, 2]]
    """
    del sorted
    x = jnp.asarray(x)
    if x.ndim < 1 or not 0 <= k <= x.shape[-1]:
        raise ValueError(f"ops.top_k: the last axis of shape {x.shape} has no {k} values.")
    values, indices = jax.lax.top_k(x, k)
    return values, indices


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    return own(globals())
