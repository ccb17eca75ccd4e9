"""States of stateful layers over all methods, as recorded from Keras 2.2.4."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina import layers, models

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tools" / "golden_stateful.py"))
RECORDED = np.load(ROOT / "tests" / "golden" / "stateful_keras2.npz")


@pytest.mark.parametrize("name", TABLE["MODELS"])
def test_states_go_from_batch_to_batch_as_in_keras_2(name):
    found = TABLE["run"](name, layers, models, lambda state: state.numpy())
    for place, ours in enumerate(found):
        theirs = RECORDED[f"{name}_{place}"]
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5, err_msg=str(place))
    assert f"{name}_{len(found)}" not in RECORDED


def test_both_directions_keep_states_in_evaluation():
    layer = layers.Bidirectional(
        layers.GRU(4, stateful=True, return_sequences=True), batch_input_shape=(2, 5, 3)
    )
    model: Any = models.Sequential([layer])
    model.compile("sgd", "mse")
    x, y = TABLE["X"], np.zeros((8, 5, 8), "f")
    first, second = (model.evaluate(x, y, batch_size=2, verbose=0) for _ in range(2))
    assert first != second
    model.reset_states()
    ours = [np.mean(np.square(model(x[start : start + 2]))) for start in range(0, 8, 2)]
    assert first == pytest.approx(float(np.mean(ours)), rel=1e-5)


def test_evaluation_leaves_weights_and_saved_files_alone(tmp_path):
    """States that an evaluation led to are no weights: no file holds them."""
    model: Any = models.Sequential([layers.LSTM(4, stateful=True, batch_input_shape=(2, 5, 3))])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.evaluate(TABLE["X"], np.zeros((8, 4), "f"), batch_size=2, verbose=0)
    assert all(
        np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)
    )
    assert np.any(model.layers[0].states[0].numpy())
    model.save(tmp_path / "model.keras")
    loaded: Any = models.load_model(tmp_path / "model.keras")
    assert not np.any(loaded.layers[0].states[0].numpy())


def test_a_check_that_fails_in_evaluation_leaves_the_states_as_they_were():
    model: Any = models.Sequential(
        [
            layers.Embedding(4, 3, batch_input_shape=(2, 5)),
            layers.LSTM(4, stateful=True),
        ]
    )
    model.compile("sgd", "mse")
    x = np.array([[1, 2, 3, 0, 1]] * 4)
    x[2, 1] = 4
    with pytest.raises(ValueError, match="4"):
        model.evaluate(x, np.zeros((4, 4), "f"), batch_size=2, verbose=0)
    once = model.layers[1].states[0].numpy()
    model.reset_states()
    model.test_on_batch(x[:2], np.zeros((2, 4), "f"))
    np.testing.assert_allclose(once, model.layers[1].states[0].numpy(), rtol=1e-6)
