"""A warm training step of a net of seven layers: lamina's step and a hand-written one."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import nets
import plain
from timing import Row, compare, rounds, timed

SIZES = (8, 16, 16, 16, 16, 16, 16, 3)
BATCH = 32
STEPS = 50


def measure() -> list[Row]:
    x, y = plain.data(BATCH, SIZES[0], SIZES[-1])
    batch = jnp.asarray(x), jnp.asarray(y)
    model = nets.mlp(SIZES)
    model.train_on_batch(x, y)
    states = {"plain": plain.start(SIZES)}
    rate = jnp.float32(1e-3)

    def by_hand() -> None:
        for _ in range(STEPS):
            states["plain"], logs = plain.step(states["plain"], rate, *batch)
        jax.block_until_ready(logs)

    def by_step() -> None:
        for _ in range(STEPS):
            logs = model._prepared_steps((*batch, None)).one((*batch, None))
        jax.block_until_ready(logs)

    def by_fit() -> None:
        model.fit(itertools.repeat(batch, STEPS), steps_per_epoch=STEPS, verbose=0)

    def by_batches() -> None:
        for _ in range(STEPS):
            model.train_on_batch(x, y)

    runs = {"plain": by_hand, "step": by_step, "fit": by_fit, "batches": by_batches}
    taken = rounds({name: timed(run, 1e-6 * STEPS) for name, run in runs.items()}, count=80)
    hand = taken["plain"]
    return [
        # The hand-written step lets any label through, lamina's checks them.
        compare("a warm step / plain jit and optax", "us", taken["step"], hand, 1.1),
        compare("a step of fit on a stream / the same", "us", taken["fit"], hand),
        compare("train_on_batch / the same", "us", taken["batches"], hand),
    ]
