"""``fit`` of a 20-32-3 net in batches of 32: against a hand-written scan of several epochs."""

from __future__ import annotations

import jax.numpy as jnp
import nets
import numpy as np
import plain
from timing import Row, Run, compare, rounds, timed

SIZES = (20, 32, 3)
ROWS, BATCH, EPOCHS = 8192, 32, 4
STEPS = ROWS // BATCH * EPOCHS


def scan(x: np.ndarray, y: np.ndarray) -> Run:
    """The hand-written epochs: rows in a new order each, one compiled loop, logs read."""
    states = {"state": plain.start(SIZES)}
    rate, rng = jnp.float32(1e-3), np.random.default_rng(0)
    on_device = jnp.asarray(x), jnp.asarray(y)

    def run() -> None:
        for _ in range(EPOCHS):
            order = rng.permutation(ROWS).astype("int32").reshape(-1, BATCH)
            state, logs = plain.epoch(states["state"], rate, *on_device, jnp.asarray(order))
            states["state"] = state
            [float(value) for value in logs]

    return timed(run, 1e-6 * STEPS)


def lamina(x: np.ndarray, y: np.ndarray) -> Run:
    model = nets.mlp(SIZES)
    return timed(lambda: model.fit(x, y, BATCH, EPOCHS, verbose=0), 1e-6 * STEPS)


def measure() -> list[Row]:
    x, y = plain.data(ROWS, SIZES[0], SIZES[-1])
    ours = lamina(x, y)
    taken = rounds({"lamina": ours, "scan": scan(x, y)}, count=60)
    return [compare("fit / a hand-written scan", "us", taken["lamina"], taken["scan"], 1.5)]
