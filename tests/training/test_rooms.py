"""Blocks of batches that take turns in the same memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.callbacks import Callback
from lamina.models import Sequential
from lamina.training import resident
from lamina.training.data import make_source

ROWS, FEATURES = 330, 7

rng = np.random.default_rng(17)
X = rng.standard_normal((ROWS, FEATURES), "float32")
Y = rng.integers(0, 3, ROWS)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Four batches of ten rows each."""
    monkeypatch.setattr(resident, "BLOCK_BYTES", 4 * 10 * 4 * (FEATURES + 1))


class PerBatch(Callback):
    """Wants to act between all steps."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def hosted(x, y):
    source = make_source(x, y, batch_size=10)
    rows = resident.on(source)
    assert isinstance(rows, resident.Hosted)
    assert (rows.capacity, rows.whole) == (4, 33)
    return rows


def pointers(block):
    return [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(block)]


def test_two_rooms_in_turn():
    rows = hosted(X, Y.astype("int32"))
    order = rng.permutation(ROWS).astype("int32")
    places = []
    for start in range(0, rows.whole, rows.capacity):
        block = rows.block(order, start)
        there = order[start * 10 : (start + 4) * 10][: (rows.whole - start) * 10]
        x, y, _ = block
        np.testing.assert_array_equal(np.array(x).reshape(-1, FEATURES)[: len(there)], X[there])
        np.testing.assert_array_equal(np.array(y).reshape(-1)[: len(there)], Y[there])
        assert not np.array(x).reshape(-1, FEATURES)[len(there) :].any()
        places.append(pointers(block))
    assert len(places) == 9
    assert places[0] != places[1]
    for place, one in enumerate(places):
        assert one == places[place % 2]


def test_what_jax_copies_has_new_memory_each_time(monkeypatch):
    def askew(shape, dtype):
        memory = np.empty(int(np.prod(shape)) * dtype.itemsize + 128, np.uint8)
        start = -memory.__array_interface__["data"][0] % 64 + 4
        return memory[start : -128 + start].view(dtype).reshape(shape)

    monkeypatch.setattr(resident, "_aligned", askew)
    rows = hosted(X, Y)
    blocks = [rows.block(None, start) for start in (0, 4, 8, 12)]
    for number, (x, _, _) in enumerate(blocks):
        expected = X[number * 40 : (number + 1) * 40]
        np.testing.assert_array_equal(np.array(x).reshape(-1, FEATURES), expected)


def test_memory_is_not_written_while_it_is_read():
    rows = hosted(X, Y.astype("int32"))

    @jax.jit
    def read_late(x, matrix):
        matrix = jax.lax.fori_loop(0, 60, lambda _, m: m @ m / 400, matrix)
        late = (matrix[0, 0] > 2).astype("int32")  # which is 0
        return jax.lax.dynamic_slice(x, (late, 0, 0), (3, *x.shape[1:])).sum()

    matrix = jnp.ones((400, 400))
    for start in range(0, 32, 4):
        x = rows.block(None, start)[0]
        found = read_late(x, matrix)
        rows.used_by(found)
        rows.block(None, (start + 4) % 32)
        rows.block(None, (start + 8) % 32)
        expected = X[start * 10 : (start + 3) * 10].sum()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("each", [False, True])
def test_training_evaluation_and_prediction_are_those_of_new_memory(each, monkeypatch):
    def run():
        model = Sequential([layers.Input((FEATURES,)), layers.Dense(5), layers.Dense(3)])
        source = np.random.default_rng(3)
        model.set_weights([source.standard_normal(w.shape) for w in model.get_weights()])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        more = [PerBatch()] if each else []
        losses = model.fit(X, Y, 10, epochs=3, verbose=0, shuffle=False, callbacks=more)
        measured = model.evaluate(X, Y, batch_size=10, verbose=0)
        return losses.history["loss"], measured, model.predict(X, batch_size=10, verbose=0)

    found = run()
    monkeypatch.setattr(resident, "_is_same", lambda memory, array: False)
    for one, other in zip(found, run(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_readers_are_told(monkeypatch):
    told = []
    monkeypatch.setattr(resident.Hosted, "used_by", lambda rows, results: told.append(results))
    model = Sequential([layers.Input((FEATURES,)), layers.Dense(3)])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(X, Y, 10, verbose=0, callbacks=[PerBatch()])
    assert len(told) == 9
    assert "loss" in told[-1]
    told.clear()
    model.evaluate(X, Y, batch_size=10, verbose=0)
    assert len(told) >= 9
    told.clear()
    model.predict(X, batch_size=10, verbose=0)
    assert len(told) >= 9
