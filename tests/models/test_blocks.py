"""Predictions for many batches in one compiled call are those of each batch alone."""

import jax
import numpy as np
import pytest

from lamina import backend as K
from lamina import layers
from lamina.callbacks import Callback
from lamina.models import Model, Sequential
from lamina.training import blocks


def noisy(model, seed=3):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape).astype("f") for w in model.get_weights()])
    return model


def small():
    return noisy(Sequential([layers.Dense(7, "tanh", input_shape=(5,)), layers.Dense(3)]))


@pytest.fixture
def parts(monkeypatch):
    """The first batch and the number of batches of each call on a block."""
    seen = []
    usual = blocks.Blocks.run

    def run(self, block, first, count, start):
        part = usual(self, block, first, count, start)
        seen.append((first, count))
        return part

    monkeypatch.setattr(blocks.Blocks, "run", run)
    return seen


def by_batch(model, x, size):
    """What the model gives for each batch in a call of its own."""
    rows = len(jax.tree.leaves(x)[0])
    spans = [slice(first, first + size) for first in range(0, rows, size)]
    batches = [jax.tree.map(lambda leaf, span=span: leaf[span], x) for span in spans]
    found = [jax.tree.map(np.asarray, model(batch)) for batch in batches]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)


def test_whole_batches_run_in_blocks_and_the_rest_alone(parts):
    model, x = small(), np.random.default_rng(2).normal(size=(41 * 4 + 3, 5)).astype("f")
    found = model.predict(x, batch_size=4)
    assert found.shape == (167, 3)
    np.testing.assert_allclose(found, by_batch(model, x, 4), rtol=1e-6)
    assert sum(count for _, count in parts) == 41
    assert len(parts) < 12
    # Once it is known how long a batch takes, blocks are whole.
    del parts[:]
    np.testing.assert_array_equal(model.predict(x, batch_size=4), found)
    assert parts == [(0, 16), (0, 16), (0, 9)]


def test_bits_do_not_depend_on_how_many_rows_there_are():
    model, x = small(), np.random.default_rng(2).normal(size=(400, 5)).astype("f")
    found = model.predict(x, batch_size=8)
    for rows in (16, 24, 136, 400):
        np.testing.assert_array_equal(model.predict(x[:rows], batch_size=8), found[:rows])


def test_structures_masks_and_inner_loops(parts):
    words = layers.Input((6,), dtype="int32", name="words")
    numbers = layers.Input((5,), name="numbers")
    read = layers.LSTM(4)(layers.Embedding(11, 3, mask_zero=True)(words))
    both = layers.concatenate([read, layers.Dense(2)(numbers)])
    normal = layers.BatchNormalization()(both)
    outputs = {"sum": layers.Dense(3)(normal), "words": layers.Activation("tanh")(read)}
    model = Model({"words": words, "numbers": numbers}, outputs)
    rng = np.random.default_rng(8)
    weights = [np.abs(rng.normal(size=w.shape)).astype("f") for w in model.get_weights()]
    model.set_weights(weights)
    x = {
        "words": rng.integers(0, 11, size=(70, 6)).astype("int32"),
        "numbers": rng.normal(size=(70, 5)).astype("f"),
    }
    found = model.predict(x, batch_size=8)
    expected = by_batch(model, x, 8)
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)
    assert parts


def test_new_weights_and_new_layers_take_effect(parts):
    model, x = small(), np.random.default_rng(2).normal(size=(64, 5)).astype("f")
    before = model.predict(x, batch_size=4)
    noisy(model, 4)
    after = model.predict(x, batch_size=4)
    assert np.abs(after - before).max() > 0.1
    model.add(layers.Dense(2))
    noisy(model, 5)
    np.testing.assert_allclose(
        model.predict(x, batch_size=4), by_batch(model, x, 4), rtol=1e-5, atol=1e-6
    )
    assert parts


def test_a_wrong_index_is_told_with_its_row_in_the_data(parts):
    model = noisy(Sequential([layers.Embedding(9, 2, input_length=3), layers.Flatten()]))
    x = np.random.default_rng(1).integers(0, 9, size=(90, 3))
    good = model.predict(x, batch_size=4)
    x[73, 1], x[80, 0] = 9, 12
    with pytest.raises(ValueError, match=r"embedding.*9.*row 73"):
        model.predict(x, batch_size=4)
    assert parts[-1][0] + parts[-1][1] <= 16
    x[73, 1], x[80, 0] = 1, 1
    assert model.predict(x, batch_size=4).shape == good.shape


class Counter(layers.Layer):
    """Adds how often it was called."""

    def build(self, input_shape):
        self.calls = self.add_weight("calls", (), initializer="zeros", trainable=False)

    def call(self, inputs):
        self.calls.assign(self.calls + 1.0)
        return inputs + self.calls


def noise_layer():
    return layers.Lambda(lambda x: x + K.random_normal(K.shape(x)))


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Conv1D(2, 3),
        noise_layer,
        Counter,
        lambda: layers.ActivityRegularization(l2=0.1),
        lambda: layers.LSTM(2, stateful=True),
    ],
    ids=["convolves", "draws", "changes variables", "adds losses", "keeps states"],
)
def test_models_for_which_calls_differ_run_batch_by_batch(parts, layer):
    model = Sequential([layers.Input(batch_shape=(4, 5, 6)), layer()])
    found = model.predict(np.ones((24, 5, 6), "f"), batch_size=4)
    assert len(found) == 24
    assert not parts
    if isinstance(model.layers[-1], Counter):
        np.testing.assert_array_equal(found[:, 0, 0], np.repeat(np.arange(2.0, 8.0), 4))
    if isinstance(model.layers[-1], layers.Lambda):
        assert np.abs(found[:4] - found[4:8]).min() > 0


def test_variables_of_no_layer_are_read_anew():
    factor = K.variable(2.0)
    model = Sequential([layers.Lambda(lambda x: x * factor, input_shape=(3,))])
    x = np.ones((24, 3), "f")
    assert model.predict(x, batch_size=4).min() == 2
    K.set_value(factor, 5.0)
    assert model.predict(x, batch_size=4).min() == 5


def test_callbacks_see_every_batch(parts):
    class Batches(Callback):
        def __init__(self):
            super().__init__()
            self.rows = []

        def on_predict_batch_end(self, batch, logs=None):
            self.rows.append(len(logs["outputs"]))

    seen = Batches()
    small().predict(np.ones((18, 5), "f"), batch_size=4, callbacks=[seen])
    assert seen.rows == [4, 4, 4, 4, 2]
    assert not parts


def test_models_that_override_being_called_are_called(parts):
    class Doubled(Sequential):
        def __call__(self, *args, **kwargs):
            return 2 * super().__call__(*args, **kwargs)

    usual = small()
    model = Doubled(usual.layers)
    x = np.ones((24, 5), "f")
    np.testing.assert_allclose(
        model.predict(x, batch_size=4), 2 * usual.predict(x, batch_size=4), rtol=1e-6
    )
