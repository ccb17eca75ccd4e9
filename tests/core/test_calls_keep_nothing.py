"""Ten thousand calls leave the memory of the process where it was."""

import gc
import tracemalloc

import jax
import numpy as np
import pytest

from lamina import layers
from lamina.models import Sequential


def small():
    parts = [layers.Dense(4, "tanh", input_shape=(3,)), layers.Dropout(0.5), layers.Dense(2)]
    model = Sequential(parts)
    model.compile("adam", "mse")
    return model


X, Y = np.ones((1, 3), "f"), np.ones((1, 2), "f")

WAYS = {
    "call": (lambda model: model(X), 10_000),
    "predict": (lambda model: model.predict(X, verbose=0), 10_000),
    "train_on_batch": (lambda model: model.train_on_batch(X, Y), 2_500),
}


@pytest.mark.parametrize(("way", "calls"), WAYS.values(), ids=WAYS)
def test_calls_keep_nothing(way, calls):
    model = small()
    for _ in range(50):
        way(model)
    gc.collect()
    arrays = len(jax.live_arrays())
    tracemalloc.start()
    try:
        for _ in range(100):
            way(model)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(calls):
            way(model)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The smallest object for each call would be more; caches that fill are less.
    assert after - before < 64_000
    assert len(jax.live_arrays()) <= arrays + 2
