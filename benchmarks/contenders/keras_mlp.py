"""Keras 3 on JAX: trains when a line comes in, and answers with microseconds per step.

Runs in an environment of its own; also imported where Keras is installed beside lamina.
"""

import os
import sys
import time

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

SIZES = (20, 32, 3)
ROWS, BATCH, EPOCHS = 8192, 32, 3


def contender():
    """A function that trains and gives microseconds per step."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, SIZES[0])).astype("float32")
    y = rng.integers(0, SIZES[-1], ROWS).astype("int32")
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((SIZES[0],)),
            layers.Dense(SIZES[1], activation="relu"),
            layers.Dense(SIZES[2], activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])

    def run():
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        return (time.perf_counter() - start) * 1e6 / (EPOCHS * ROWS // BATCH)

    return run


if __name__ == "__main__":
    train = contender()
    for _ in sys.stdin:
        print(train(), flush=True)
