"""``fit`` of a 20-32-3 net in batches of 32: against a hand-written scan, and Keras 3 on JAX.

All in one process: Keras comes from the environment of its own in which `peers` runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import environments
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
    rows = [compare("fit / a hand-written scan", "us", taken["lamina"], taken["scan"], 1.5)]
    theirs = keras(x, y)
    if theirs is not None:
        taken = rounds({"lamina": ours, "keras": theirs}, count=12, warm=1)
        rows.append(compare("fit / Keras 3 on JAX", "us", taken["lamina"], taken["keras"], 0.2))
    return rows


def keras(x: np.ndarray, y: np.ndarray) -> Run | None:
    """The same net in Keras, in this process; ``None``, with a word, where there is none."""
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        sys.path.append(packages_of(environments.contenders()["keras-jax"]))
        import keras
    except (ImportError, subprocess.CalledProcessError) as error:
        print(f"No comparison with Keras: {error}", file=sys.stderr)
        return None
    first, hidden, last = SIZES
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((first,)),
            layers.Dense(hidden, activation="relu"),
            layers.Dense(last, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return timed(lambda: model.fit(x, y, BATCH, EPOCHS, verbose=0), 1e-6 * STEPS)


def packages_of(contender: Any) -> str:
    """Where the packages of an environment lie."""
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    program = [environments.python(contender), "-c", ask]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout.strip()
