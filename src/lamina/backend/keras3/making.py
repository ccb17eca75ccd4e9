"""New arrays, cutting and joining, ranks of values and other dtypes, by Keras 3's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from lamina import config
from lamina.backend.keras3.names import own
from lamina.ops import arithmetic, elementwise


def _dtype(dtype: Any) -> Any:
    return jnp.dtype(config.floatx() if dtype is None else dtype)


def empty(shape: Any, dtype: Any = None) -> Any:
    """An array whose values are of no account: they are 0.

    >>> empty((2, 3)).shape
    (2, 3)
    """
    return jnp.zeros(shape, _dtype(dtype))


def empty_like(x: Any, dtype: Any = None) -> Any:
    """An array in the shape of another one, whose values are of no account.

    >>> empty_like(jnp.ones(3, "int32")).dtype
    dtype('int32')
    """
    return jnp.zeros_like(jnp.asarray(x), dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on and below a diagonal, else zeros.

    >>> tri(2, 3).tolist()
    [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    """
    return jnp.tri(N, M, k, _dtype(dtype))


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """So many numbers at equal distances.

    Args:
        start: the first one.
        stop: the last one, or the one behind the last.
        num: how many.
        endpoint: `stop` is the last one.
        retstep: give the distance, too.
        dtype: dtype of the numbers.
        axis: where they lie, if `start` and `stop` are arrays.

    >>> linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    start, stop = _ends(start, stop)
    return jnp.linspace(start, stop, num, endpoint, retstep, _dtype(dtype), axis)


def _ends(start: Any, stop: Any) -> list[Any]:
    return arithmetic.broadcast(elementwise.as_float(start), elementwise.as_float(stop))


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Powers of a base, whose exponents lie at equal distances; see `linspace`.

    >>> logspace(0, 2, 3, base=2).tolist()
    [1.0, 2.0, 4.0]
    """
    start, stop = _ends(start, stop)
    return jnp.logspace(start, stop, num, endpoint, base, _dtype(dtype), axis)


def geomspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Numbers each of which is the one before times a factor; see `linspace`.

    Raises:
        ValueError: `start` and `stop` (where they are known) have not the same sign, or are 0.

    >>> geomspace(1, 4, 3).round(4).tolist()
    [1.0, 2.0, 4.0]
    """
    start, stop = _ends(start, stop)
    if not isinstance(start * stop, Tracer) and not bool(jnp.all(start * stop > 0)):
        raise ValueError("ops.geomspace: start and stop must have one sign, and not be 0.")
    powers = jnp.linspace(jnp.log(jnp.abs(start)), jnp.log(jnp.abs(stop)), num, endpoint)
    found = jnp.exp(powers) * jnp.broadcast_to(jnp.sign(start), powers.shape)
    # Both ends are exact.
    found = found.at[:1].set(start)
    if endpoint and num > 1:
        found = found.at[-1].set(stop)
    return jnp.moveaxis(found.astype(_dtype(dtype)), 0, axis)


def diagflat(x: Any, k: int = 0) -> Any:
    """Matrix with all values on a diagonal.

    >>> diagflat(jnp.array([[1, 2]])).tolist()
    [[1, 0], [0, 2]]
    """
    return jnp.diagflat(jnp.asarray(x), k)


def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cut into parts of nearly equal sizes, or at places along an axis.

    >>> [part.tolist() for part in array_split(jnp.arange(3), 2)]
    [[0, 1], [2]]
    """
    return list(jnp.array_split(jnp.asarray(x), _places(indices_or_sections), axis))


def _places(given: Any) -> Any:
    return given if isinstance(given, int) else tuple(int(place) for place in given)


def _split(who: str, x: Any, given: Any, axis: int, least: int) -> list[Any]:
    x = jnp.asarray(x)
    if x.ndim < least:
        raise ValueError(f"ops.{who}: expected at least {least} axes, got shape {x.shape}.")
    if isinstance(given, int) and x.shape[axis] % given:
        raise ValueError(
            f"ops.{who}: axis {axis} of shape {x.shape} cannot be cut into {given} equal parts; "
            "ops.array_split makes parts of nearly equal sizes."
        )
    return list(jnp.split(x, _places(given), axis))


def vsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Cut the first axis into equal parts, or at places.

    >>> [part.shape for part in vsplit(jnp.ones((4, 2)), 2)]
    [(2, 2), (2, 2)]
    """
    return _split("vsplit", x, indices_or_sections, 0, 2)


def hsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Cut the second axis (the first of vectors) into equal parts, or at places.

    >>> [part.shape for part in hsplit(jnp.ones((4, 3)), [1])]
    [(4, 1), (4, 2)]
    """
    return _split("hsplit", x, indices_or_sections, 0 if jnp.ndim(x) == 1 else 1, 1)


def dsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Cut the third axis into equal parts, or at places.

    >>> [part.shape for part in dsplit(jnp.ones((1, 2, 4)), 2)]
    [(1, 2, 2), (1, 2, 2)]
    """
    return _split("dsplit", x, indices_or_sections, 2, 3)


def dstack(xs: Sequence[Any]) -> Any:
    """Join along the third axis, which vectors and matrices get.

    >>> dstack([jnp.ones(2), jnp.zeros(2)]).tolist()
    [[[1.0, 0.0], [1.0, 0.0]]]
    """
    return jnp.dstack(arithmetic.same_dtype(*xs))


def _ranked(function: Callable[..., Any], x: Any, q: Any, part: float, rest: Any) -> Any:
    x = elementwise.as_float(x)
    q = jnp.asarray(q).astype(x.dtype) / part
    axis, method, keepdims = rest
    axis = tuple(axis) if isinstance(axis, list) else axis
    return function(x, q, axis, method=method, keepdims=keepdims)


def quantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """Value below which a part of the values lies.

    Args:
        x: values.
        q: the part, from 0 to 1, or several of them.
        axis: over which axes; all by default.
        method: what to do between two values: ``linear``, ``lower``, ``higher``, ``midpoint`` or
            ``nearest``.
        keepdims: keep the axes, with size 1.

    >>> quantile(jnp.array([1.0, 2.0, 4.0]), 0.75)
    Array(3., dtype=float32)
    """
    return _ranked(jnp.quantile, x, q, 1, (axis, method, keepdims))


def nanquantile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """`quantile` of the values that are not NaN.

    >>> nanquantile(jnp.array([1.0, jnp.nan, 4.0]), 0.5)
    Array(2.5, dtype=float32)
    """
    return _ranked(jnp.nanquantile, x, q, 1, (axis, method, keepdims))


def percentile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """`quantile` with the part in per cent.

    >>> percentile(jnp.array([1.0, 2.0, 4.0]), 75)
    Array(3., dtype=float32)
    """
    return _ranked(jnp.quantile, x, q, 100, (axis, method, keepdims))


def nanpercentile(
    x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """`percentile` of the values that are not NaN.

    >>> nanpercentile(jnp.array([1.0, jnp.nan, 4.0]), 50)
    Array(2.5, dtype=float32)
    """
    return _ranked(jnp.nanquantile, x, q, 100, (axis, method, keepdims))


def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running sum, in which NaN is 0.

    >>> nancumsum(jnp.array([1.0, jnp.nan, 2.0])).tolist()
    [1.0, 1.0, 3.0]
    """
    return jnp.nancumsum(jnp.asarray(x), axis, dtype)


def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Running product, in which NaN is 1.

    >>> nancumprod(jnp.array([3.0, jnp.nan, 2.0])).tolist()
    [3.0, 3.0, 6.0]
    """
    return jnp.nancumprod(jnp.asarray(x), axis, dtype)


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Integral of a line through the given points.

    Args:
        y: heights.
        x: where they are; at distances `dx` by default.
        dx: distance of neighbours.
        axis: axis of the points.

    >>> trapezoid(jnp.array([1.0, 3.0, 3.0]))
    Array(5., dtype=float32)
    """
    y = jnp.moveaxis(elementwise.as_float(y), axis, -1)
    middle = (y[..., 1:] + y[..., :-1]) / 2
    if x is None:
        return jnp.sum(middle * dx, -1)
    x = jnp.asarray(x).astype(y.dtype)
    width = jnp.diff(x if x.ndim == 1 else jnp.moveaxis(x, axis, -1))
    return jnp.sum(jnp.multiply(*arithmetic.aligned(middle, width)), -1)


def ldexp(x1: Any, x2: Any) -> Any:
    """``x1`` times 2 to the power of the ints `x2`.

    >>> ldexp(jnp.array([1.5]), jnp.array([3])).tolist()
    [12.0]
    """
    x1, x2 = elementwise.as_float(x1), jnp.asarray(x2)
    if not jnp.issubdtype(x2.dtype, jnp.integer):
        raise TypeError(f"ops.ldexp: x2 must have an integer dtype, got {x2.dtype}.")
    rank = max(x1.ndim, x2.ndim)
    x1, x2 = (x.reshape((1,) * (rank - x.ndim) + x.shape) for x in (x1, x2))
    return jnp.ldexp(x1, x2)


def view(x: Any, dtype: Any = None) -> Any:
    """The same bits, read as another dtype; the size of the last axis changes with the width.

    Args:
        x: array.
        dtype: how to read the bits; the own dtype by default.

    Raises:
        ValueError: the bits of the last axis make no whole number of values.

    >>> view(jnp.array([1.0]), "int32").tolist()
    [1065353216]
    """
    x = jnp.asarray(x)
    kind = x.dtype if dtype is None else jnp.dtype(dtype)
    narrow, wide = x.dtype.itemsize, kind.itemsize
    if narrow != wide and (x.ndim < 1 or x.shape[-1] * narrow % wide):
        raise ValueError(
            f"ops.view: the last axis of shape {x.shape} and dtype {x.dtype} makes no whole number "
            f"of values of dtype {kind}."
        )
    if wide > narrow:
        x = x.reshape((*x.shape[:-1], x.shape[-1] * narrow // wide, wide // narrow))
    found = jax.lax.bitcast_convert_type(x, kind)
    return found.reshape((*found.shape[:-2], -1)) if wide < narrow else found


def saturate_cast(x: Any, dtype: Any) -> Any:
    """Convert to another dtype; numbers beyond its range become its ends.

    >>> saturate_cast(jnp.array([-1.0, 300.0]), "uint8").tolist()
    [0, 255]
    """
    x, kind = jnp.asarray(x), jnp.dtype(dtype)
    if "b" in (kind.kind, x.dtype.kind):
        return jnp.clip(x, 0, 1).astype(kind) if kind.kind == "b" else x.astype(kind)
    if not _narrower(x.dtype, kind):
        return x.astype(kind)
    low, high = _range(kind)
    first, last = _range(x.dtype)
    # The ends of the range must be numbers of the dtype that is cut, and not beyond it.
    inside = jnp.clip(x, max(low, first), min(high, last)).astype(kind)
    return jnp.where(x >= high, jnp.asarray(high, kind), inside) if high < last else inside


def _range(kind: Any) -> tuple[Any, Any]:
    whole = jnp.issubdtype(kind, jnp.integer)
    limits = jnp.iinfo(kind) if whole else jnp.finfo(kind)
    read = int if whole else float
    return read(limits.min), read(limits.max)


def _narrower(given: Any, wanted: Any) -> bool:
    """Whether a number of one dtype may lie beyond the range of the other."""
    low, high = _range(wanted)
    first, last = _range(given)
    return first < low or last > high


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    return own(globals())
