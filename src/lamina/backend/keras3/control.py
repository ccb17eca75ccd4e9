"""Loops, choices and what is known of tensors, by Keras 3's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer

from lamina.backend import control, nn, state, tensors
from lamina.backend.keras3.names import own
from lamina.core.dispatch import at_once, plain
from lamina.core.symbolic import is_symbolic
from lamina.core.variable import Variable


def convert_to_numpy(x: Any) -> np.ndarray:
    """The values as a NumPy array."""
    return np.asarray(state.get_value(x))


def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """An array of JAX; a symbolic tensor stays one.

    Args:
        x: array, variable, number, nested list or symbolic tensor.
        dtype: dtype of the result; that of `x` by default.
        sparse: not used: results are dense.
        ragged: not used, likewise.

    >>> convert_to_tensor([1, 2], "float32")
    Array([1., 2.], dtype=float32)
    """
    del sparse, ragged
    if is_symbolic(x):
        return x if dtype is None else x.astype(dtype)
    return jnp.asarray(plain(x), dtype)


def array(x: Any, dtype: Any = None) -> Any:
    """An array of JAX; a symbolic tensor stays one.

    >>> array([1, 2])
    Array([1, 2], dtype=int32)
    """
    return convert_to_tensor(x, dtype)


def stop_gradient(variable: Any) -> Any:
    """The same values, whose gradient is 0.

    >>> jax.grad(lambda x: x * stop_gradient(x))(3.0).tolist()
    3.0
    """
    return tensors.stop_gradient(variable)


def size(x: Any) -> Any:
    """Number of values; of a symbolic tensor, a symbolic one.

    >>> size(jnp.ones((2, 3)))
    6
    """
    if is_symbolic(x):
        return at_once(_size, x)
    return jnp.size(jnp.asarray(plain(x)))


def _size(x: Any) -> Any:
    return jnp.asarray(x.size)


def shape(x: Any) -> Any:
    """Shape as a tuple, with None for unknown sizes."""
    return tuple(np.shape(x)) if not hasattr(x, "shape") else tuple(x.shape)


def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether each target is among the k classes with the largest predictions."""
    return nn.in_top_k(predictions, targets, k)


def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The result of one of two functions."""
    if is_symbolic(pred):
        return control.switch(pred, true_fn, false_fn)
    chosen = jnp.asarray(plain(pred)).astype(bool)
    if not isinstance(chosen, Tracer):
        return true_fn() if bool(chosen) else false_fn()
    run = control.isolated("ops.cond")
    return lax.cond(chosen, lambda: run(true_fn, 0), lambda: run(false_fn, 1))


def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int = 1,
) -> Any:
    """Carry a value along the first axis: ``carry, y = f(carry, x)``."""
    run = control.isolated("ops.scan")
    init, xs = jax.tree.map(jnp.asarray, plain((init, xs)))
    leaves = jax.tree.leaves(xs)
    count = leaves[0].shape[0] if leaves else length
    if count is None:
        raise ValueError("ops.scan: without xs the length must be given.")

    def step(carry: Any, part: Any) -> Any:
        return run(f, part[0], carry, part[1])

    return lax.scan(step, init, (jnp.arange(count), xs), count, reverse, unroll)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[..., Any], init_val: Any) -> Any:
    """Apply ``body_fun(i, value)`` for each i from `lower` up to `upper`."""
    run = control.isolated("ops.fori_loop")
    start = jax.tree.map(jnp.asarray, plain(init_val))
    return lax.fori_loop(lower, upper, lambda i, value: run(body_fun, i, i, value), start)


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    maximum_iterations: int | None = None,
) -> Any:
    """Apply `body` to the values as long as `cond` of them is true."""
    run = control.isolated("ops.while_loop")
    single = not isinstance(loop_vars, list | tuple)
    start = jax.tree.map(jnp.asarray, plain((loop_vars,) if single else tuple(loop_vars)))

    def go_on(now: Any) -> Any:
        more = jnp.asarray(run(cond, now[0], *now[1])).astype(bool)
        return more if maximum_iterations is None else more & (now[0] < maximum_iterations)

    def step(now: Any) -> Any:
        new = run(body, now[0], *now[1])
        return now[0] + 1, tuple(new) if isinstance(new, list | tuple) else (new,)

    found = lax.while_loop(go_on, step, (jnp.int32(0), start))[1]
    return found[0] if single else found


def map(f: Callable[..., Any], xs: Any) -> Any:
    """Apply a function to each slice along the first axis, one after the other."""
    return control.map_fn(f, xs)


def vectorized_map(function: Callable[..., Any], elements: Any) -> Any:
    """Apply a function to all slices along the first axis at once."""

    def one(part: Any) -> Any:
        return plain(function(part))

    return jax.vmap(one)(jax.tree.map(jnp.asarray, plain(elements)))


def is_tensor(x: Any) -> bool:
    """Whether something is an array of JAX, a variable or a symbolic tensor."""
    return isinstance(x, Variable) or state.is_tensor(x)


def table() -> dict[str, Callable[..., Any]]:
    """Name to function, of this module and of ``K``; all take symbolic tensors already."""
    found = own(globals())
    same = ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]
    found |= {name: getattr(nn, name) for name in same}
    return found | {"dtype": state.dtype, "ndim": state.ndim}
