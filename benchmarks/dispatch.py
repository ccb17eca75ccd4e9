"""A warm training step of a net of seven layers: lamina's step and a hand-written one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import nets
import numpy as np
import plain
from timing import Row, compare, rounds, timed

SIZES = (64, 64, 64, 64, 64, 64, 64, 10)
BATCH = 64
STEPS = 50
RATE = np.float32(1e-3)


def measure() -> list[Row]:
    x, y = plain.data(BATCH, SIZES[0], SIZES[-1])
    targets = np.random.default_rng(1).normal(size=(BATCH, SIZES[-1])).astype("float32")
    classes = nets.mlp(SIZES)
    numbers = nets.regression(SIZES)
    batch, other = (jnp.asarray(x), jnp.asarray(y)), (jnp.asarray(x), jnp.asarray(targets))
    runs = {
        "hand": by_hand(plain.step_squares, other),
        "step": by_step(numbers, other),
        "hand, labels": by_hand(plain.step, batch),
        "step, labels": by_step(classes, batch),
        "fit": lambda: classes.fit(
            itertools.repeat(batch, STEPS), steps_per_epoch=STEPS, verbose=0
        ),
        "batches": lambda: [classes.train_on_batch(x, y) for _ in range(STEPS)],
    }
    taken = rounds({name: timed(run, 1e-6 * STEPS) for name, run in runs.items()}, count=80)
    hand, labelled = taken["hand"], taken["hand, labels"]
    return [
        compare("a warm step / plain jit and optax", "us", taken["step"], hand, 1.1),
        # Here lamina does more: it checks the labels, and undoes a step that had a wrong one.
        compare("a warm step that checks labels / the same", "us", taken["step, labels"], labelled),
        compare("a step of fit on a stream / the same", "us", taken["fit"], labelled),
        compare("train_on_batch / the same", "us", taken["batches"], labelled),
    ]


def by_hand(step: Any, batch: Any) -> Callable[[], None]:
    """Steps of plain JAX and Optax."""
    states = {"plain": plain.start(SIZES)}

    def run() -> None:
        for _ in range(STEPS):
            states["plain"], logs = step(states["plain"], RATE, *batch)
        jax.block_until_ready(logs)

    return run


def by_step(model: Any, batch: Any) -> Callable[[], None]:
    """Steps of lamina, as the loop takes them."""
    model.train_on_batch(*batch)

    def run() -> None:
        for _ in range(STEPS):
            logs = model._prepared_steps((*batch, None)).one((*batch, None))
        jax.block_until_ready(logs)

    return run
