"""Recurrent networks: one step of each kind of cell, and the loop over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from lamina.ops.linear import bias_add, dot_last

if TYPE_CHECKING:
    from lamina.typing import Array

Step = Callable[[Any, Any], tuple[Any, Any]]
"""A function of the input of a step and the states, to the output and the new states."""

Function = Callable[[Any], Any]

Product = Callable[[Any, Any], Any]
"""A product of values and a kernel: a matrix product, or a convolution."""


def over_time(
    step: Step,
    inputs: Any,
    states: Any,
    mask: Array | None = None,
    *,
    every: bool = True,
    backwards: bool = False,
    unroll: bool = False,
    zero_masked: bool = False,
    shown: Function | None = None,
) -> tuple[Any, Any, Any]:
    """Run a step function over the first axis of the inputs.

    Args:
        step: function of the input of a step and the states; it keeps their shapes and dtypes.
        inputs: array of shape ``(steps, batch, ...)``, or a structure of them.
        states: states before the first step, any structure of arrays ``(batch, ...)``.
        mask: which steps count, of shape ``(steps, batch)``. Where one does not, the states stay,
            and the output is the one before, or 0.
        every: whether the outputs of all steps are wanted.
        backwards: begin with the last step; outputs stand in the order of their computation.
        unroll: write all steps out instead of compiling a loop.
        zero_masked: whether the output of a step that does not count is 0.
        shown: function of the states to the output that led to them, where there is one.

    Returns:
        The last output, all outputs ``(steps, batch, ...)`` or ``None``, and the last states.

    >>> add = lambda x, total: (x + total, x + total)
    >>> last, every, _ = over_time(add, jnp.ones((3, 2, 1)), jnp.zeros((2, 1)))
    >>> last.ravel(), every[:, 0, 0]
    (Array([3., 3.], dtype=float32), Array([1., 2., 3.], dtype=float32))
    """
    carried = shown is None
    if shown is None:
        # The output itself travels on, so that a masked step can repeat it.
        states, shown = (states, _first_output(step, inputs, states)), _second
        step = _with_output(step)
    body = partial(_body, step, shown, zero_masked, every)
    steps = jax.tree.leaves(inputs)[0].shape[0]
    written = max(steps, 1) if unroll else 1
    states, outputs = lax.scan(body, states, (inputs, mask), reverse=backwards, unroll=written)
    if backwards and every:
        outputs = jax.tree.map(lambda one: jnp.flip(one, 0), outputs)
    last = shown(states)
    if mask is not None and zero_masked and steps:
        last = _kept(mask[0 if backwards else -1], last, jax.tree.map(jnp.zeros_like, last))
    return last, outputs, states[0] if carried else states


def _with_output(step: Step) -> Step:
    """A step whose states hold its output too."""

    def longer(x: Any, states: Any) -> tuple[Any, Any]:
        output, new = step(x, states[0])
        return output, (new, output)

    return longer


def _second(pair: tuple[Any, Any]) -> Any:
    return pair[1]


def _body(
    step: Step, shown: Function, zero_masked: bool, every: bool, states: Any, part: Any
) -> Any:
    """One turn of the loop."""
    x, real = part
    output, new = step(x, states)
    if real is not None:
        new = _kept(real, new, states)
        if every:
            before = jax.tree.map(jnp.zeros_like, output) if zero_masked else shown(states)
            output = _kept(real, output, before)
    return new, output if every else None


def _first_output(step: Step, inputs: Any, states: Any) -> Any:
    """What a masked first step gives: the first state if it is like an output, else 0."""
    first = jax.tree.map(lambda one: jax.ShapeDtypeStruct(one.shape[1:], one.dtype), inputs)
    output = jax.eval_shape(lambda x, s: step(x, s)[0], first, states)
    leaves = jax.tree.leaves(states)
    kind = [(one.shape, one.dtype) for one in jax.tree.leaves(output)]
    if leaves and kind == [(leaves[0].shape, leaves[0].dtype)] and hasattr(output, "shape"):
        return leaves[0]
    return jax.tree.map(lambda one: jnp.zeros(one.shape, one.dtype), output)


def _kept(real: Array, new: Any, old: Any) -> Any:
    """New values in the rows that count, old ones in the others."""

    def one(after: Array, before: Array) -> Array:
        rows = real.reshape(real.shape + (1,) * (after.ndim - 1))
        return jnp.where(jnp.broadcast_to(rows, after.shape), after, before)

    return jax.tree.map(one, new, old)


def matrix_product(x: Array, kernel: Array) -> Array:
    """The last axis of `x` times a matrix.

    >>> matrix_product(jnp.ones((2, 3)), jnp.ones((3, 4))).shape
    (2, 4)
    """
    return dot_last(x, kernel)


def gate_inputs(
    x: Array,
    kernel: Array,
    bias: Array | None,
    drop: Array | None,
    product: Product = matrix_product,
    axis: int = -1,
) -> Array:
    """What the inputs give to all gates, for one step or for all steps at once.

    Args:
        x: inputs, ``(batch, ...)`` or ``(steps, batch, ...)``.
        kernel: kernels of the gates side by side on the last axis.
        bias: their biases, or ``None``.
        drop: factors of the inputs: of the shape of one step's, with an axis in front of size 1
            (the same for all gates) or of a size for each gate; ``None`` for no dropout.
        product: how inputs and kernel meet.
        axis: where the channels of the result are.

    >>> gate_inputs(jnp.ones((5, 2, 3)), jnp.ones((3, 8)), jnp.ones(8), None)[4, 1, 0]
    Array(4., dtype=float32)
    """
    found = dropped_product(x, kernel, drop, product, axis)
    return found if bias is None else bias_add(found, bias, axis)


def dropped_product(
    x: Array, kernel: Array, drop: Array | None, product: Product, axis: int = -1
) -> Array:
    """A product of values and kernels, with factors for the values of each gate or of all.

    Args:
        x: values.
        kernel: kernels of the gates side by side on the last axis.
        drop: as in `gate_inputs`.
        product: how values and kernel meet.
        axis: where the channels of the result are.

    >>> factors = jnp.array([[[1.0, 0.0]], [[2.0, 2.0]]])
    >>> dropped_product(jnp.ones((1, 2)), jnp.ones((2, 2)), factors, matrix_product)
    Array([[1., 4.]], dtype=float32)
    """
    if drop is None:
        return product(x, kernel)
    kernels = jnp.split(kernel, drop.shape[0], axis=-1)
    values = [x * jnp.broadcast_to(one, x.shape) for one in drop]
    parts = [product(*pair) for pair in zip(values, kernels, strict=True)]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis)


def simple_step(
    given: Array, h: Array, kernel: Array, drop: Array | None, activation: Function
) -> Array:
    """One step of a plain recurrent network: ``activation(given + h @ kernel)``.

    Args:
        given: what the inputs give, see `gate_inputs`.
        h: state, the output of the step before.
        kernel: recurrent kernel.
        drop: factors of the state, see `gate_inputs`.
        activation: function applied last.

    >>> simple_step(jnp.ones((1, 2)), jnp.ones((1, 2)), jnp.ones((2, 2)), None, lambda x: x)
    Array([[3., 3.]], dtype=float32)
    """
    return activation(given + dropped_product(h, kernel, drop, matrix_product))


def lstm_step(
    given: Array,
    states: Sequence[Array],
    kernel: Array,
    drop: Array | None,
    activation: Function,
    gate: Function,
    product: Product = matrix_product,
    axis: int = -1,
) -> tuple[Array, Array]:
    """One step of a network with a long memory: gates ``i``, ``f``, ``c``, ``o`` in this order.

    ``c' = f * c + i * activation(c gate)`` and ``h' = o * activation(c')``. Hochreiter and
    Schmidhuber (1997), with the forget gate of Gers and others (2000).

    Args:
        given: what the inputs give to the gates, see `gate_inputs`.
        states: output and memory of the step before.
        kernel: recurrent kernels of the gates.
        drop: factors of the output of the step before, see `gate_inputs`.
        activation: of the memory.
        gate: function of the gates.
        product: how the output of the step before and the kernel meet.
        axis: where the channels are.

    Returns:
        Output and memory.

    >>> zero = jnp.zeros((1, 1))
    >>> lstm_step(jnp.zeros((1, 4)), (zero, zero + 2), jnp.zeros((1, 4)), None, lambda x: x,
    ...           jax.nn.sigmoid)
    (Array([[0.5]], dtype=float32), Array([[1.]], dtype=float32))
    """
    h, c = states
    gates = given + dropped_product(h, kernel, drop, product, axis)
    i, f, g, o = jnp.split(gates, 4, axis)
    c = gate(f) * c + gate(i) * activation(g)
    return gate(o) * activation(c), c


def gru_step(
    given: Array,
    h: Array,
    kernel: Array,
    bias: Array | None,
    drop: Array | None,
    activation: Function,
    gate: Function,
    reset_after: bool,
) -> Array:
    """One step of a gated recurrent unit: gates ``z`` and ``r``, then the candidate.

    ``h' = z * h + (1 - z) * candidate``. Cho and others (2014); with `reset_after` the reset gate
    acts on the product with the recurrent kernel, as in CuDNN, instead of on the state.

    Args:
        given: what the inputs give, see `gate_inputs`.
        h: state, the output of the step before.
        kernel: recurrent kernels of the gates and the candidate.
        bias: added to the product of state and kernel; with `reset_after` only.
        drop: factors of the state, see `gate_inputs`.
        activation: of the candidate.
        gate: function of the gates.
        reset_after: where the reset gate acts.

    >>> gru_step(jnp.zeros((1, 3)), jnp.ones((1, 1)), jnp.zeros((1, 3)), None, None,
    ...          jnp.tanh, jax.nn.sigmoid, reset_after=True)
    Array([[0.5]], dtype=float32)
    """
    units = h.shape[-1]
    x_gates, x_candidate = given[..., : 2 * units], given[..., 2 * units :]
    if reset_after:
        found = dropped_product(h, kernel, drop, matrix_product)
        found = found if bias is None else bias_add(found, bias)
        z, r = jnp.split(gate(x_gates + found[..., : 2 * units]), 2, -1)
        candidate = activation(x_candidate + r * found[..., 2 * units :])
        return z * h + (1 - z) * candidate
    # One set of factors for all gates, or one each: the candidate has the last.
    early, late = (drop, drop) if drop is None or len(drop) == 1 else (drop[:2], drop[2:])
    found = dropped_product(h, kernel[:, : 2 * units], early, matrix_product)
    z, r = jnp.split(gate(x_gates + found), 2, -1)
    product = dropped_product(r * h, kernel[:, 2 * units :], late, matrix_product)
    return z * h + (1 - z) * activation(x_candidate + product)


def window_product(h: Array, kernel: Array, data_format: str = "channels_last") -> Array:
    """A convolution with stride 1 that keeps the sizes, as one product of matrices.

    Inside of a loop XLA runs convolutions many times slower than products on a CPU.

    Args:
        h: array of batch, spatial axes and channels.
        kernel: array of shape ``(*window, channels, outputs)``.
        data_format: where the channels are.

    >>> window_product(jnp.ones((1, 4, 1)), jnp.ones((3, 1, 2)))[0, :, 0]
    Array([2., 3., 3., 2.], dtype=float32)
    """
    if data_format == "channels_first":
        h = jnp.moveaxis(h, 1, -1)
    window, channels = kernel.shape[:-2], kernel.shape[-2]
    before = [(size - 1) // 2 for size in window]
    pads = [(low, size - 1 - low) for low, size in zip(before, window, strict=True)]
    padded = jnp.pad(h, [(0, 0), *pads, (0, 0)])
    sizes = h.shape[1:-1]
    parts = []
    for place in range(math.prod(window)):
        starts = _unraveled(place, window)
        ends = [start + size for start, size in zip(starts, sizes, strict=True)]
        where = tuple(slice(*pair) for pair in zip(starts, ends, strict=True))
        parts.append(padded[(slice(None), *where)])
    cells = jnp.concatenate(parts, -1)
    found = dot_last(cells, kernel.reshape(len(parts) * channels, kernel.shape[-1]))
    return jnp.moveaxis(found, -1, 1) if data_format == "channels_first" else found


def _unraveled(place: int, sizes: Sequence[int]) -> list[int]:
    """The indices of a place in an array, the last axis running fastest."""
    found = []
    for size in reversed(sizes):
        place, index = divmod(place, size)
        found.append(index)
    return found[::-1]


__all__ = [
    "dropped_product",
    "gate_inputs",
    "gru_step",
    "lstm_step",
    "matrix_product",
    "over_time",
    "simple_step",
    "window_product",
]
