"""``K.rnn``: a step function over the time axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from lamina.backend.control import isolated
from lamina.core.dispatch import dispatch_reading

Step = Callable[[Any, list[Any]], tuple[Any, Sequence[Any]]]


def rnn(
    step_function: Step,
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: int | None = None,
) -> tuple[Any, Any, list[Any]]:
    """Run a step function along axis 1.

    Args:
        step_function: function of the input of a step, shape ``(batch, ...)``, and of the list
            of states and constants; gives the output and the list of new states.
        inputs: tensor of shape ``(batch, steps, ...)``.
        initial_states: states before the first step.
        go_backwards: begin with the last step; the outputs stay in the order in which they are
            computed.
        mask: which steps count, of shape ``(batch, steps)`` or ``(batch, steps, 1)``. Where one
            does not, the states stay. The output is the first state, which therefore should be
            the output of the step before; unrolled, it is the output before (at first, 0).
        constants: further values for each step.
        unroll: write the steps out instead of compiling a loop.
        input_length: not used.

    Returns:
        The last output, all outputs of shape ``(batch, steps, ...)``, and the last states.

    Raises:
        ValueError: the input has too low a rank, an unrolled one has unknown steps, a mask comes
            without states, or a state changes its shape or dtype.

    >>> def add(x, states):
    ...     return x + states[0], [x + states[0]]
    >>> last, outputs, states = rnn(add, jnp.ones((2, 3, 1)), [jnp.zeros((2, 1))])
    >>> outputs[0, :, 0]
    Array([1., 2., 3.], dtype=float32)
    """
    del input_length
    if len(inputs.shape) < 3:
        raise ValueError(
            f"K.rnn: inputs must have at least 3 axes (batch, steps, ...), got {inputs.shape}."
        )
    if unroll and inputs.shape[1] is None:
        raise ValueError("K.rnn: unroll=True needs a known number of steps, got None.")
    if mask is not None and not len(initial_states):
        raise ValueError(
            "K.rnn: a mask needs initial states; the first one stands for the output of the step "
            "before."
        )
    options = bool(go_backwards), bool(unroll)
    states, constants = list(initial_states), list(constants or [])
    return dispatch_reading(_rnn, step_function, inputs, states, mask, constants, *options)


def _rnn(
    step: Step,
    inputs: Any,
    states: list[Any],
    mask: Any,
    constants: list[Any],
    go_backwards: bool,
    unroll: bool,
) -> tuple[Any, Any, list[Any]]:
    inputs = jnp.moveaxis(jnp.asarray(inputs), 1, 0)
    states = [jnp.asarray(state) for state in states]
    mask = None if mask is None else _steps_of(mask, inputs.shape)
    if go_backwards:
        inputs = jnp.flip(inputs, 0)
        mask = None if mask is None else jnp.flip(mask, 0)
    run = isolated("K.rnn")

    def once(place: Any, x: Any, now: list[Any]) -> tuple[Any, list[Any]]:
        output, new = run(step, place, x, [*now, *constants])
        return jnp.asarray(output), _checked(states, new)

    loop = _unrolled if unroll else _scanned
    outputs, states = loop(once, inputs, mask, states)
    return outputs[-1], jnp.moveaxis(outputs, 0, 1), states


def _steps_of(mask: Any, shape: tuple[int, ...]) -> Any:
    """The mask by steps: shape ``(steps, batch)``."""
    mask = jnp.asarray(mask)
    if mask.ndim == 3 and mask.shape[-1] == 1:
        mask = mask[..., 0]
    if mask.shape != (shape[1], shape[0]):
        raise ValueError(
            f"K.rnn: the mask must have shape (batch, steps) = {(shape[1], shape[0])}, "
            f"got {mask.shape}."
        )
    return jnp.swapaxes(mask.astype(bool), 0, 1)


def _checked(old: list[Any], new: Sequence[Any]) -> list[Any]:
    new = [jnp.asarray(state) for state in new]
    before = [(state.shape, state.dtype.name) for state in old]
    after = [(state.shape, state.dtype.name) for state in new]
    if before != after:
        raise ValueError(
            f"K.rnn: step_function must keep number, shapes and dtypes of the states: it was given "
            f"{before} and returned {after}."
        )
    return new


def _kept(mask: Any, new: Any, old: Any) -> Any:
    shaped = mask.reshape(mask.shape + (1,) * (new.ndim - 1))
    return jnp.where(jnp.broadcast_to(shaped, new.shape), new, old)


def _scanned(once: Any, inputs: Any, mask: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    def body(now: list[Any], part: Any) -> tuple[list[Any], Any]:
        place, x, real = part
        output, new = once(place, x, now)
        if real is None:
            return new, output
        if now[0].shape != output.shape:
            raise ValueError(
                f"K.rnn: with a mask the first state must be the output of the step before, but "
                f"it has shape {now[0].shape} and the output {output.shape}."
            )
        kept = [_kept(real, *pair) for pair in zip(new, now, strict=True)]
        return kept, _kept(real, output, now[0].astype(output.dtype))

    places = jnp.arange(inputs.shape[0])
    states, outputs = lax.scan(body, states, (places, inputs, mask))
    return outputs, states


def _unrolled(once: Any, inputs: Any, mask: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    outputs: list[Any] = []
    for place in range(inputs.shape[0]):
        output, new = once(place, inputs[place], states)
        if mask is not None:
            before = outputs[-1] if outputs else jnp.zeros_like(output)
            output = _kept(mask[place], output, before)
            new = [_kept(mask[place], *pair) for pair in zip(new, states, strict=True)]
        outputs.append(output)
        states = new
    return jnp.stack(outputs), states
