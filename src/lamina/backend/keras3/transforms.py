"""Functions of functions, by Keras 3's names: derivatives, choices, loops over many values."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from lamina.backend import control
from lamina.backend.keras3.names import own
from lamina.core.dispatch import at_once, plain


def associative_scan(
    f: Callable[..., Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """Combine the slices up to each one, in parallel. Blelloch (1990).

    Args:
        f: function of two tensors (or lists, tuples, dicts of them) like `elems` that gives
            one; it must be associative: ``f(a, f(b, c)) == f(f(a, b), c)``.
        elems: tensor, or lists, tuples, dicts of them.
        reverse: begin at the end.
        axis: axis of the slices.

    >>> associative_scan(lambda a, b: a + b, jnp.array([1, 2, 3])).tolist()
    [1, 3, 6]
    """
    return at_once(_associative_scan, f, elems, reverse, axis)


def _associative_scan(f: Callable[..., Any], elems: Any, reverse: bool, axis: int) -> Any:
    def combined(left: Any, right: Any) -> Any:
        return plain(f(left, right))

    return lax.associative_scan(combined, jax.tree.map(jnp.asarray, elems), reverse, axis)


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient of its own.

    Args:
        f: function of tensors that gives its result and a function: from the gradient of the
            result, that of each argument.

    >>> @custom_gradient
    ... def clipped(x):
    ...     return x * 2, lambda upstream: jnp.clip(upstream, -1, 1)
    >>> jax.grad(clipped)(3.0).tolist()
    1.0
    """
    derived = jax.custom_gradient(f)

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        return at_once(derived, *args)

    return call


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> Any:
    """Value of a function, and its derivative in a direction.

    Args:
        fun: function of tensors.
        primals: its arguments.
        tangents: the direction: a tensor for each argument, of its shape and dtype.
        has_aux: the function gives a pair; its second part is handed on and not derived.

    Returns:
        The value and the derivative; with `has_aux` the second part, too.

    Raises:
        ValueError: there are not as many tangents as arguments.

    >>> [float(part) for part in jvp(lambda x: x * x, (3.0,), (2.0,))]
    [9.0, 12.0]
    """
    if len(primals) != len(tangents):
        raise ValueError(
            f"ops.jvp: expected a tangent for each argument, got {len(tangents)} for "
            f"{len(primals)}."
        )
    return at_once(_jvp, fun, tuple(primals), tuple(tangents), has_aux)


def _jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool) -> Any:
    primals = jax.tree.map(jnp.asarray, primals)
    tangents = jax.tree.map(lambda t, x: jnp.asarray(t).astype(x.dtype), tangents, primals)
    return jax.jvp(lambda *args: plain(fun(*args)), primals, tangents, has_aux=has_aux)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """The result of one of several functions.

    Args:
        index: which one, an integer scalar.
        branches: functions of the operands, with results of one shape and dtype.
        operands: their arguments.

    Raises:
        ValueError: there are no functions, or the index (where it is known) is none of theirs;
            in a graph or compiled code the nearest one is taken.

    >>> switch(1, [jnp.add, jnp.subtract], 2.0, 0.5)
    Array(1.5, dtype=float32, weak_type=True)
    """
    if not branches:
        raise ValueError("ops.switch: expected at least one function.")
    return at_once(_switch, index, tuple(branches), *operands)


def _switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    place = jnp.asarray(index)
    if place.shape or not jnp.issubdtype(place.dtype, jnp.integer):
        raise ValueError(
            f"ops.switch: index must be an integer scalar, got shape {place.shape} and dtype "
            f"{place.dtype}."
        )
    if isinstance(place, Tracer):
        run = control.isolated("ops.switch")
        chosen = [functools.partial(run, branch, at) for at, branch in enumerate(branches)]
        return lax.switch(place, chosen, *jax.tree.map(jnp.asarray, operands))
    if not 0 <= int(place) < len(branches):
        raise ValueError(
            f"ops.switch: index must be from 0 to {len(branches) - 1}, got {int(place)}."
        )
    return branches[int(place)](*operands)


def vectorize(
    pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None
) -> Callable[..., Any]:
    """A function of arrays from one of scalars: its arguments broadcast.

    Args:
        pyfunc: function of scalars, or of arrays with the axes that `signature` names.
        excluded: places of arguments that are handed on as they are.
        signature: last axes of the arguments and results, such as ``"(m,n),(n)->(m)"``.

    >>> vectorize(lambda a, b: a + b)(jnp.array([1, 2]), jnp.array(5)).tolist()
    [6, 7]
    """
    own_excluded = frozenset() if excluded is None else frozenset(excluded)
    vectorized = jnp.vectorize(pyfunc, excluded=own_excluded, signature=signature)

    def wide(*args: Any, **kwargs: Any) -> Any:
        # To broadcast arguments of any ranks is what it is for.
        with jax.numpy_rank_promotion("allow"):
            return vectorized(*args, **kwargs)

    @functools.wraps(pyfunc)
    def call(*args: Any, **kwargs: Any) -> Any:
        return at_once(wide, *args, **kwargs)

    return call


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of this module; they take symbolic tensors already."""
    return own(globals())
