"""Predictions for many batches in one compiled call.

A call of a small net takes less time than the Python around it, so whole batches of data in memory
run in blocks, as in ``fit``. Models that convolve (on a CPU), draw, change their variables or read
variables of no layer take batch by batch, with ``model(x, training=False)``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import eval_jaxpr

from lamina.core import calls, jit, programs
from lamina.core.layer import Layer
from lamina.core.pure import has_failed, noted_in, nothing_noted
from lamina.core.readers import readers
from lamina.distribution.current import current
from lamina.training import resident
from lamina.training.data.source import Source
from lamina.training.epochs import Chunks
from lamina.training.state import batch_of

MOST_BATCHES = 16
"""Batches of a block; more of them save little, and a block takes memory for all of them."""


class Part(NamedTuple):
    """Outputs of some batches of a block.

    Attributes:
        outputs: arrays that begin with the batches and their rows, on the device.
        first: the first of the batches that were computed.
        batches: how many were.
        noted: the first check that failed, ready when the outputs are.
    """

    outputs: Any
    first: int
    batches: int
    noted: Any


class Alone(Exception):
    """A model must take each batch in a call of its own."""


class Blocks:
    """The compiled call of a model on blocks of batches.

    Args:
        model: the model; built.
        structure: how the inputs are made of arrays.
        count: number of these arrays.
    """

    def __init__(self, model: Any, structure: Any, count: int) -> None:
        self.program = calls.Program(model, structure, (None,) * count)
        self.program.training = False
        self.chunks = Chunks()
        # The program would say so too, but tracing takes longer.
        self.alone = self.program.convolves and jax.default_backend() == "cpu"
        self._compiled = jit.compile(self._predict_many, stored=1)

    def _predict_many(self, values: list[Any], block: Any, first: Any, count: Any) -> Any:
        """Outputs of the batches from number `first` on, and the first check that failed."""

        def single(values: list[Any], batch: list[Any]) -> Any:
            return self.program.function(values, np.uint32(0), np.uint32(0), batch)

        program, shapes = jax.make_jaxpr(single, return_shape=True)(values, batch_of(block, first))
        if not (self.program.repeats and programs.may_loop(program.jaxpr)):
            raise Alone
        batches = jax.tree.leaves(block)[0].shape[0]

        def body(place: Any, carry: Any) -> Any:
            rows, noted = carry
            leaves = jax.tree.leaves((values, batch_of(block, place)))
            found = eval_jaxpr(program.jaxpr, program.consts, *leaves)
            (outputs, _), _, now, _ = jax.tree.unflatten(jax.tree.structure(shapes), found)
            rows = jax.tree.map(lambda all, one: all.at[place].set(one), rows, outputs)
            if now is not None:
                noted = jnp.where(has_failed(noted), noted, now.at[3].set(place))
            return rows, noted

        empty = jax.tree.map(lambda one: jnp.zeros((batches, *one.shape), one.dtype), shapes[0][0])
        return lax.fori_loop(first, first + count, body, (empty, jnp.asarray(nothing_noted())))

    def run(self, block: Any, first: int, count: int, start: int) -> Part:
        """Predict for some batches of a block.

        Args:
            block: inputs of the batches.
            first: the first of the batches in it.
            count: how many of them.
            start: row of the data with which the block begins.

        Raises:
            ValueError: a check of the model failed.
        """
        begun = time.perf_counter()
        leaves = jax.tree.leaves(block)
        with readers:
            values = [variable._value for variable in self.program.variables]
            outputs, noted = self._compiled(values, leaves, np.int32(first), np.int32(count))
        if current.placement is not None:
            current.placement.settled(noted)
        if self.program.faults:
            check, row, value, batch = noted_in(noted)
            if check >= 0:
                place = start + batch * leaves[0].shape[1] + row
                raise ValueError(self.program.faults[check].explain(place, value))
        if self.chunks.count < leaves[0].shape[0]:
            jax.block_until_ready(noted)
            self.chunks.measure(count, time.perf_counter() - begun)
        return Part(outputs, first, count, noted)


def found(model: Any, source: Source) -> Iterator[tuple[int, Part]]:
    """Outputs of the whole batches of a source, as many as can be predicted in blocks.

    Args:
        model: the model.
        source: the data.

    Yields:
        The number of batches done so far, and the outputs of the last ones.
    """
    if source.resident is None or model.run_eagerly or type(model).__call__ is not Layer.__call__:
        return
    size, samples = source.batch_size, source.samples
    if size is None or samples is None or samples < 2 * size:
        return
    blocks = _blocks(model, jax.tree.map(lambda leaf: leaf[:size], source.resident[0]))
    if blocks.alone:
        return
    if current.placement is not None:
        current.placement.ready(model)
    rows = resident.on(source, MOST_BATCHES)
    start = 0
    while start < rows.whole:
        block = rows.block(None, start)[0]
        there = min(rows.capacity, rows.whole - start)
        place = 0
        while place < there:
            count = min(blocks.chunks.count, there - place)
            try:
                part = blocks.run(block, place, count, start * rows.size)
            except Alone:
                blocks.alone = True
                return
            rows.used_by(part.noted)
            place += count
            yield start + place, part
        start += there


def _blocks(model: Any, example: Any) -> Blocks:
    """The compiled call for inputs like these, made once."""
    leaves, structure = calls.readied(model, (example,))
    sizes = tuple([(leaf.shape, leaf.dtype) for leaf in leaves])
    key = ("blocks", structure, sizes, calls.parts_token(model))
    blocks = model._compiled_calls.get(key)
    if blocks is None:
        blocks = Blocks(model, structure, len(leaves))
        calls.keep(model, key, blocks)
    return blocks


def on_host(part: Part) -> Any:
    """The rows that were computed, of arrays that are on the host."""
    last = part.first + part.batches
    return jax.tree.map(
        lambda leaf: leaf[part.first : last].reshape(-1, *leaf.shape[2:]), part.outputs
    )
