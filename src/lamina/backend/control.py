"""Choices and loops of ``K``: switch, phases, maps and folds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import Tracer

from lamina.backend.session import learning_phase
from lamina.core import context, pure
from lamina.core.derived import Valued
from lamina.core.dispatch import dispatch, dispatch_reading, plain
from lamina.core.symbolic import SymbolicTensor, is_symbolic
from lamina.ops import arithmetic
from lamina.seeds import next_seed


def isolated(who: str) -> Callable[..., Any]:
    """A way to call a function within a loop of JAX: ``run(function, place, *args)``.

    Each place of the loop has random keys of its own. Variables can be read, not assigned.
    """
    outer = context.current()
    key = jax.random.key(next_seed()) if outer is None else outer.key
    values = {} if outer is None else outer.values
    training = None if outer is None else outer.training

    def run(function: Callable[..., Any], place: Any, *args: Any) -> Any:
        own = None if key is None else context.folded_key(key, place)

        def guarded(*given: Any) -> Any:
            result = function(*given)
            inner = context.current()
            if inner is not None and inner.updated:
                name = next(iter(inner.updated)).path
                raise ValueError(
                    f"{who}: the function assigned to variable {name!r}, which a loop cannot do; "
                    "return the new value instead."
                )
            return result

        outcome = pure.run(
            guarded, list(values), list(values.values()), *args, training=training, key=own
        )
        if outer is not None:
            outer.drawn |= outcome.call.drawn
        if is_symbolic(outcome.result):
            raise TypeError(
                f"{who}: the function used a symbolic tensor from outside, which has no value "
                "here; hand it over as an argument of the loop."
            )
        return plain(outcome.result)

    return run


def _called(value: Any) -> Any:
    return value() if callable(value) and not isinstance(value, SymbolicTensor) else value


def _choose(condition: Any, x: Any, y: Any) -> Any:
    condition = jnp.asarray(condition).astype(bool)
    x, y = arithmetic.broadcast(x, y)
    if condition.ndim > x.ndim:
        raise ValueError(
            f"K.switch: the condition has rank {condition.ndim}, more than the {x.ndim} of what "
            "it chooses from."
        )
    # A condition lies along the first axes, not along the last ones.
    condition = condition.reshape(condition.shape + (1,) * (x.ndim - condition.ndim))
    return jnp.where(jnp.broadcast_to(condition, x.shape), x, y)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """Choose between two tensors, or between the results of two functions.

    Args:
        condition: a scalar, or a tensor whose axes are the first ones of the expressions.
        then_expression: tensor, or function without arguments.
        else_expression: likewise. With a scalar condition and two functions only the one
            that is chosen runs.

    Raises:
        ValueError: the condition has a higher rank than the expressions.

    >>> switch(jnp.array([True, False]), jnp.ones((2, 2)), jnp.zeros((2, 2)))
    Array([[1., 1.],
           [0., 0.]], dtype=float32)
    """
    scalar = not getattr(condition, "shape", ())
    functions = callable(then_expression) and callable(else_expression)
    follows = isinstance(condition, Valued) and context.current() is None
    if scalar and functions and not follows and not is_symbolic(condition):
        chosen = jnp.asarray(plain(condition)).astype(bool)
        if not isinstance(chosen, Tracer):
            return then_expression() if bool(chosen) else else_expression()
    return dispatch(_choose, condition, _called(then_expression), _called(else_expression))


def _by_phase(x: Any, alt: Any) -> Any:
    call = context.current()
    x, alt = arithmetic.broadcast(x, alt)
    return x if call is not None and call.training else alt


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Choose `x` in training and `alt` otherwise.

    Args:
        x: tensor, or function without arguments.
        alt: likewise.
        training: the phase; that of the run, `learning_phase`, by default.

    >>> in_train_phase(jnp.ones(1), jnp.zeros(1), training=True)
    Array([1.], dtype=float32)
    """
    training = learning_phase() if training is None else training
    if not isinstance(training, SymbolicTensor):
        if isinstance(training, jax.Array | Valued):
            return switch(training, x, alt)
        return _called(x) if training else _called(alt)
    x, alt = _called(x), _called(alt)
    if training.name != "keras_learning_phase":
        return switch(training, x, alt)
    if is_symbolic((x, alt)):
        return dispatch(_by_phase, x, alt)
    return switch(training, x, alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Choose `x` outside of training and `alt` in it; see `in_train_phase`.

    >>> in_test_phase(jnp.ones(1), jnp.zeros(1), training=True)
    Array([0.], dtype=float32)
    """
    return in_train_phase(alt, x, training)


def _map(fn: Callable[..., Any], elems: Any, dtype: Any) -> Any:
    run = isolated("K.map_fn")
    elems = jax.tree.map(jnp.asarray, elems)
    places = jnp.arange(jax.tree.leaves(elems)[0].shape[0])
    result = lax.map(lambda pair: run(fn, pair[0], pair[1]), (places, elems))
    return result if dtype is None else jax.tree.map(lambda x: x.astype(dtype), result)


def map_fn(fn: Callable[..., Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """Apply a function to each slice along the first axis, and stack the results.

    Args:
        fn: function of one slice (of a tuple of slices, if `elems` is one).
        elems: tensor, or a tuple or list of them.
        name: not used.
        dtype: dtype of the result, if it shall be another one.

    >>> map_fn(lambda row: row.sum(), jnp.ones((2, 3)))
    Array([3., 3.], dtype=float32)
    """
    del name
    return dispatch_reading(_map, fn, elems, None if dtype is None else jnp.dtype(dtype))


def _fold(fn: Callable[..., Any], elems: Any, initializer: Any, backwards: bool, who: str) -> Any:
    run = isolated(who)
    elems = jnp.asarray(elems)
    if initializer is None:
        first = elems[-1] if backwards else elems[0]
        elems = elems[:-1] if backwards else elems[1:]
    else:
        first = jnp.asarray(initializer)

    def step(total: Any, pair: Any) -> tuple[Any, None]:
        new = jnp.asarray(run(fn, pair[0], total, pair[1]))
        if new.shape != first.shape:
            raise ValueError(
                f"{who}: the function turned a value of shape {first.shape} into one of shape "
                f"{new.shape}; it must keep the shape of the initial value."
            )
        return new.astype(first.dtype), None

    return lax.scan(step, first, (jnp.arange(elems.shape[0]), elems), reverse=backwards)[0]


def foldl(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, name: str | None = None
) -> Any:
    """Combine the slices along the first axis, the first one first.

    Args:
        fn: function of the result so far and a slice.
        elems: tensor.
        initializer: first result; by default the first slice.
        name: not used.

    Raises:
        ValueError: the function changes the shape.

    >>> foldl(lambda total, x: 10 * total + x, jnp.array([1, 2, 3]))
    Array(123, dtype=int32)
    """
    del name
    return dispatch_reading(_fold, fn, elems, initializer, False, "K.foldl")


def foldr(
    fn: Callable[..., Any], elems: Any, initializer: Any = None, name: str | None = None
) -> Any:
    """Combine the slices along the first axis, the last one first; see `foldl`.

    >>> foldr(lambda total, x: 10 * total + x, jnp.array([1, 2, 3]))
    Array(321, dtype=int32)
    """
    del name
    return dispatch_reading(_fold, fn, elems, initializer, True, "K.foldr")
