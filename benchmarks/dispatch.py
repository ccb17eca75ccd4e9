"""A warm training step of a net of seven layers: lamina's step and a hand-written one.

The hand-written step does less: it checks no labels, and a wrong one spoils its weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import nets
import numpy as np
import plain
from timing import Row, compare, rounds, timed

SMALL, LARGER = (8, 16, 16, 16, 16, 16, 16, 3), (64, 64, 64, 64, 64, 64, 64, 10)
SMALL_BATCH, LARGER_BATCH = 32, 64
STEPS = 50
RATE = np.float32(1e-3)


def measure() -> list[Row]:
    small, larger = plain.data(SMALL_BATCH, SMALL[0], 3), plain.data(LARGER_BATCH, 64, 10)
    targets = np.random.default_rng(1).normal(size=(LARGER_BATCH, 10)).astype("float32")
    numbers = larger[0], targets
    model, other = nets.mlp(SMALL), nets.mlp(LARGER)
    on_device = jax.tree.map(jnp.asarray, small)
    runs = {
        "hand": by_hand(plain.step, SMALL, small),
        "step": by_step(model, small),
        "larger hand": by_hand(plain.step, LARGER, larger),
        "larger step": by_step(other, larger),
        "squares hand": by_hand(plain.step_squares, LARGER, numbers),
        "squares step": by_step(nets.regression(LARGER), numbers),
        "fit": lambda: model.fit(
            itertools.repeat(on_device, STEPS), steps_per_epoch=STEPS, verbose=0
        ),
        "batches": lambda: [model.train_on_batch(*small) for _ in range(STEPS)],
    }
    taken = rounds({name: timed(run, 1e-6 * STEPS) for name, run in runs.items()}, count=80)

    def row(name: str, ours: str, theirs: str, limit: float | None = None) -> Row:
        return compare(name, "us", taken[ours], taken[theirs], limit)

    return [
        row("a warm step, 16 units / plain jit and optax", "step", "hand", 1.1),
        row("a warm step, 64 units / the same", "larger step", "larger hand", 1.1),
        row("a warm step, squared error / the same", "squares step", "squares hand", 1.1),
        row("a step of fit on a stream, 16 units / plain", "fit", "hand"),
        row("train_on_batch, 16 units / plain", "batches", "hand"),
    ]


def by_hand(step: Any, sizes: Sequence[int], arrays: Any) -> Callable[[], None]:
    """Steps of plain JAX and Optax."""
    states, batch = {"plain": plain.start(sizes)}, jax.tree.map(jnp.asarray, arrays)

    def run() -> None:
        for _ in range(STEPS):
            states["plain"], logs = step(states["plain"], RATE, *batch)
        jax.block_until_ready(logs)

    return run


def by_step(model: Any, arrays: Any) -> Callable[[], None]:
    """Steps of lamina, as the loop takes them."""
    model.train_on_batch(*arrays)
    batch = (*jax.tree.map(jnp.asarray, arrays), None)

    def run() -> None:
        for _ in range(STEPS):
            logs = model._prepared_steps(batch).one(batch)
        jax.block_until_ready(logs)

    return run
