"""What the files of ``lamina.ops`` share: their lists of functions and the words of errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.ops import elementwise
from lamina.typing import DataFormat


def own(namespace: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """Name to public function of a module, given its ``globals()``; its `table` is none.

    >>> names = own(globals())
    >>> "matrices" in names, "own" in names, "jnp" in names
    (True, False, False)
    """
    module = namespace["__name__"]
    found = {n: f for n, f in namespace.items() if getattr(f, "__module__", None) == module}
    return {n: f for n, f in found.items() if not n.startswith("_") and n not in ("table", "own")}


def words(text: str) -> list[str]:
    """The words of a text.

    >>> words("add subtract")
    ['add', 'subtract']
    """
    return text.split()


def known_values(who: str, subject: str, way_out: str, *arrays: Any) -> None:
    """Refuse arrays whose values are not known, where the shape of the result depends on them.

    Raises:
        TypeError: an array is traced (a graph is built, or a function compiled).

    >>> known_values("nonzero", "how many values are not 0", "Use ops.where.", jnp.ones(2))
    """
    if any(isinstance(array, Tracer) for array in arrays):
        raise TypeError(
            f"ops.{who}: {subject} depends on values, which are not known while a graph is built "
            f"or a function is compiled. {way_out}"
        )


def dense(who: str, sparse: Any) -> None:
    """Refuse the argument `sparse` of Keras 3.

    Raises:
        ValueError: it is true.

    >>> dense("one_hot", False)
    """
    if sparse:
        raise ValueError(
            f"ops.{who}: sparse=True is not supported, results are dense arrays; leave it out, and "
            "call jax.experimental.sparse.BCOO.fromdense on the result where sparse data helps."
        )


def whole(who: str, argument: str, value: Any, least: int = 1) -> int:
    """A whole number that is not too small.

    Raises:
        ValueError: it is none, or too small.

    >>> whole("ops.rfft", "fft_length", 4)
    4
    """
    found = (
        value.item() if isinstance(value, np.ndarray | np.integer) and not value.shape else value
    )
    if isinstance(found, bool) or not isinstance(found, int) or found < least:
        raise ValueError(f"{who}: {argument} must be an int of at least {least}, got {value!r}.")
    return found


def wholes(who: str, argument: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """So many whole numbers; one stands for all.

    Raises:
        ValueError: there are more or fewer, or one is too small.

    >>> wholes("ops.fold", "stride", 2, 2)
    (2, 2)
    """
    found = tuple(value) if isinstance(value, list | tuple) else (value,) * count
    if len(found) != count:
        raise ValueError(f"{who}: {argument} must be an int or {count} ints, got {value!r}.")
    return tuple(whole(who, argument, one, least) for one in found)


def matrices(who: str, x: Any, *, square: bool = False, argument: str = "x") -> Any:
    """The argument as floating matrices, one or a stack of them.

    Raises:
        ValueError: it has fewer than two axes, or the matrices are not square.

    >>> matrices("inv", jnp.ones((2, 2), "int32"), square=True).dtype
    dtype('float32')
    """
    x = elementwise.as_float(x)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        kind = "square matrices (..., n, n)" if square else "matrices (..., m, n)"
        raise ValueError(f"ops.{who}: {argument} must hold {kind}, got shape {x.shape}.")
    return x


def spatial(who: str, x: Any, data_format: DataFormat, *, ranks: tuple[int, ...] = (3, 4)) -> Any:
    """The argument as an array of images with the channels last.

    Raises:
        ValueError: it has another number of axes.

    >>> spatial("resize", jnp.ones((2, 3, 4, 5)), "channels_first").shape
    (2, 4, 5, 3)
    """
    x = jnp.asarray(x)
    if x.ndim not in ranks:
        wanted = " or ".join(map(str, ranks))
        raise ValueError(f"ops.{who}: expected {wanted} axes, got shape {x.shape}.")
    return jnp.moveaxis(x, channel_axis(data_format, x.ndim, max(ranks)), -1)


def unspatial(x: Any, data_format: DataFormat, rank: int) -> Any:
    """Undo `spatial`; `rank` is that of a batch."""
    return jnp.moveaxis(x, -1, channel_axis(data_format, x.ndim, rank))


def channel_axis(data_format: DataFormat, ndim: int, rank: int) -> int:
    """The axis of the channels, of a batch or (with one axis less) of a single sample."""
    return -1 if data_format == "channels_last" else ndim - rank + 1
