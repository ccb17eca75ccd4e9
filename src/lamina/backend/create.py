"""New tensors and variables of ``K``: constants, random draws, casts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina import config, seeds
from lamina.backend.old_names import renamed
from lamina.core import context, naming
from lamina.core.dispatch import dispatch
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable
from lamina.ops import elementwise
from lamina.ops import random as draws


def dtype_or_floatx(dtype: Any) -> Any:
    """The dtype, or ``floatx`` for None."""
    return jnp.dtype(config.floatx() if dtype is None else dtype)


def sizes(who: str, shape: Any) -> tuple[int, ...]:
    """A shape of plain sizes.

    Raises:
        TypeError: a size is unknown, symbolic or no int.
    """
    whole = shape if isinstance(shape, Sequence | np.ndarray) else (shape,)
    for size in whole:
        if not isinstance(size, int | np.integer):
            raise TypeError(
                f"K.{who}: shape must be made of ints, got {shape!r}. A size that only the data "
                "decide is known inside of a Lambda layer or of a layer's call, as K.shape(x)[0]."
            )
    return tuple(int(size) for size in whole)


def draw_key(seed: int | None) -> jax.Array:
    """Key of a draw: from the run that is going on, or else from the seed alone."""
    call = context.current()
    if call is None:
        return jax.random.key(seeds.next_seed() if seed is None else seed)
    return call.next_key(0 if seed is None else seed)


def own_seed(seed: int | None) -> int | None:
    """A seed for a draw that is recorded in a graph and has none."""
    return seeds.next_seed() if seed is None and context.current() is None else seed


def variable(value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None) -> Any:
    """Make a variable.

    Args:
        value: first value.
        dtype: dtype; ``floatx`` by default.
        name: name.
        constraint: function applied to the value after each update.

    >>> variable([[1, 2], [3, 4]]).dtype
    dtype('float32')
    """
    if hasattr(value, "toarray"):
        value = value.toarray()
    return Variable(
        value, dtype=dtype_or_floatx(dtype), name=name or _free_name(), constraint=constraint
    )


def _free_name() -> str:
    return naming.unique("variable", first=1)


def constant(
    value: Any, dtype: Any = None, shape: Sequence[int] | None = None, name: str | None = None
) -> Any:
    """Make an array.

    Args:
        value: a number, or an array with as many values as `shape` asks for.
        dtype: dtype; ``floatx`` by default.
        shape: shape of the result.
        name: not used.

    >>> constant(3, shape=(2,))
    Array([3., 3.], dtype=float32)
    """
    del name
    array = jnp.asarray(value, dtype_or_floatx(dtype))
    if shape is None:
        return array
    whole = sizes("constant", shape)
    return jnp.broadcast_to(array, whole) if array.size == 1 else array.reshape(whole)


def placeholder(
    shape: Sequence[int | None] | None = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
) -> Any:
    """Make a symbolic tensor that ``K.function`` feeds.

    Args:
        shape: shape, with None for unknown sizes.
        ndim: rank, when nothing is known about the shape.
        dtype: dtype; ``floatx`` by default.
        sparse: whether sparse data is fed.
        name: name.

    Raises:
        ValueError: neither `shape` nor `ndim` is given.

    >>> placeholder((None, 3)).shape
    (None, 3)
    """
    if shape is None:
        if ndim is None:
            raise ValueError("K.placeholder: give a shape, or ndim, the number of axes.")
        shape = (None,) * ndim
    return SymbolicTensor(
        tuple(shape), dtype_or_floatx(dtype), name or naming.unique("placeholder", 1), sparse
    )


def _held(array: jax.Array, name: str | None) -> Any:
    """The array as a variable; inside of a trace, where none can be made, the array."""
    if isinstance(array, Tracer):
        return array
    return Variable(array, dtype=array.dtype, name=name or _free_name())


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Make a variable of zeros (inside of a layer's call: an array).

    >>> zeros((2, 3)).shape
    (2, 3)
    """
    return _held(jnp.zeros(sizes("zeros", shape), dtype_or_floatx(dtype)), name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Make a variable of ones (inside of a layer's call: an array).

    >>> ones((2, 3)).shape
    (2, 3)
    """
    return _held(jnp.ones(sizes("ones", shape), dtype_or_floatx(dtype)), name)


def eye(size: int, dtype: Any = None, name: str | None = None) -> Any:
    """Make a variable that is the identity matrix (inside of a layer's call: an array).

    >>> eye(3).shape
    (3, 3)
    """
    return _held(jnp.eye(size, dtype=dtype_or_floatx(dtype)), name)


def _filled_like(x: Any, value: float, dtype: Any) -> Any:
    return jnp.full_like(jnp.asarray(x), value, dtype=dtype)


def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Zeros in the shape of a tensor.

    >>> zeros_like(jnp.ones(2))
    Array([0., 0.], dtype=float32)
    """
    del name
    return dispatch(_filled_like, x, 0, dtype)


def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Ones in the shape of a tensor.

    >>> ones_like(jnp.zeros(2))
    Array([1., 1.], dtype=float32)
    """
    del name
    return dispatch(_filled_like, x, 1, dtype)


def identity(x: Any, name: str | None = None) -> Any:
    """The same values as a new tensor.

    >>> identity(jnp.array([2.0]))
    Array([2.], dtype=float32)
    """
    del name
    return dispatch(elementwise.linear, x)


def arange(start: int, stop: int | None = None, step: int = 1, dtype: Any = "int32") -> Any:
    """Numbers from `start` up to `stop`, or from 0 up to `start` if `stop` is not given.

    >>> arange(2, 8, 3)
    Array([2, 5], dtype=int32)
    """
    first, last = (0, start) if stop is None else (start, stop)
    return jnp.asarray(np.arange(first, last, step), dtype=dtype)


def _cast(x: Any, dtype: Any) -> Any:
    return jnp.asarray(x).astype(dtype)


def cast(x: Any, dtype: Any) -> Any:
    """Convert values to another dtype.

    >>> cast(jnp.array([1.7]), "int32")
    Array([1], dtype=int32)
    """
    return dispatch(_cast, x, jnp.dtype(dtype))


def cast_to_floatx(x: Any) -> Any:
    """Convert values to ``floatx``; a NumPy array or a list gives a NumPy array.

    >>> cast_to_floatx([1, 2])
    array([1., 2.], dtype=float32)
    """
    if isinstance(x, np.ndarray | list | tuple | int | float):
        return np.asarray(x, dtype=config.floatx())
    return cast(x, config.floatx())


@renamed(std="stddev")
def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Draw from a normal distribution: anew in each run of a layer, once outside of it.

    >>> random_normal((2, 3), seed=1).shape
    (2, 3)
    """
    whole = sizes("random_normal", shape)
    return draws.normal(draw_key(seed), whole, mean, stddev, dtype_or_floatx(dtype))


@renamed(low="minval", high="maxval")
def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Draw evenly from ``[minval, maxval)``: anew in each run of a layer, once outside of it.

    >>> random_uniform((2, 3), seed=1).shape
    (2, 3)
    """
    whole = sizes("random_uniform", shape)
    return draws.uniform(draw_key(seed), whole, minval, maxval, dtype_or_floatx(dtype))


def random_binomial(shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Any:
    """Draw ones with probability `p`, else zeros.

    >>> random_binomial((2,), p=1.0)
    Array([1., 1.], dtype=float32)
    """
    whole = sizes("random_binomial", shape)
    return draws.bernoulli(draw_key(seed), p, whole, dtype_or_floatx(dtype))


def truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Draw from a normal distribution, again whatever lies over two deviations from the mean.

    >>> bool(jnp.all(jnp.abs(truncated_normal((99,))) <= 2))
    True
    """
    whole = sizes("truncated_normal", shape)
    return draws.truncated_normal(draw_key(seed), whole, mean, stddev, dtype_or_floatx(dtype))


def random_normal_variable(
    shape: Any,
    mean: float,
    scale: float,
    dtype: Any = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """Make a variable with values from a normal distribution of deviation `scale`.

    >>> random_normal_variable((2, 3), 0.0, 1.0).shape
    (2, 3)
    """
    return _held(random_normal(shape, mean, scale, dtype, seed), name)


def random_uniform_variable(
    shape: Any,
    low: float,
    high: float,
    dtype: Any = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """Make a variable with values drawn evenly from ``[low, high)``.

    >>> random_uniform_variable((2, 3), 0.0, 1.0).shape
    (2, 3)
    """
    return _held(random_uniform(shape, low, high, dtype, seed), name)
