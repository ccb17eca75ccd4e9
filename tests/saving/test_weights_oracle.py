"""Keras 3.15 and ``tf_keras`` open the files of weights that lamina writes, and train on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.saving.oracle import run_oracle

from lamina.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input
from lamina.models import Model, Sequential
from lamina.saving import h5_writing, legacy_weights, optimizer_state

X = np.random.default_rng(0).normal(size=(6, 5, 4, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")

# The same model, made by hand in the other implementation.
BUILD = """
L = keras.layers
x = keras.Input((5, 4, 3), name="x")
inner = keras.Sequential(
    [
        keras.Input((5, 4, 3)),
        L.Conv2D(4, (3, 2), name="conv"),
        L.BatchNormalization(name="norm"),
    ],
    name="inner",
)
inner.layers[0].trainable = not frozen
hidden = L.Dropout(0.0, name="drop")(L.Flatten(name="flat")(inner(x)))
model = keras.Model(x, L.Dense(2, name="end")(L.Dense(3, activation="tanh", name="mid")(hidden)))
model.compile(keras.optimizers.Adam(0.01), "mean_squared_error")
model.optimizer.build(model.trainable_variables)
"""


def ours(frozen: bool) -> Model:
    x = Input((5, 4, 3), name="x")
    inner = Sequential(
        [
            Conv2D(4, (3, 2), input_shape=(5, 4, 3), name="conv"),
            BatchNormalization(name="norm"),
        ],
        name="inner",
    )
    inner.layers[0].trainable = not frozen
    hidden = Dropout(0.0, name="drop")(Flatten(name="flat")(inner(x)))
    model = Model(x, Dense(2, name="end")(Dense(3, activation="tanh", name="mid")(hidden)))
    rng = np.random.default_rng(2)
    model.set_weights([rng.uniform(0.5, 1, w.shape).astype("f") for w in model.get_weights()])
    model.compile("adam", "mean_squared_error")
    model.optimizer.learning_rate = 0.01
    model.train_on_batch(X, Y)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True], ids=["learning", "frozen"])
@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5"])
@pytest.mark.parametrize("which", ["keras3", "tf_keras"])
def test_others_predict_the_same(tmp_path: Path, which: Any, name: str, frozen: bool) -> None:
    model = ours(frozen)
    model.save_weights(tmp_path / name)
    script = BUILD + "model.load_weights(file)\nresult['y'] = model.predict(X, verbose=0)"
    found = run_oracle(which, script, file=tmp_path / name, X=X, frozen=frozen)
    np.testing.assert_allclose(found["y"], model.predict(X, verbose=0), rtol=1e-4, atol=1e-5)


STEPS = "\nresult['losses'] = [float(model.train_on_batch(X, Y)) for _ in range(3)]"


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True], ids=["learning", "frozen"])
def test_keras_3_trains_on(tmp_path: Path, frozen: bool) -> None:
    model = ours(frozen)
    path = tmp_path / "w.weights.h5"
    model.save_weights(path)
    script = BUILD + "model.load_weights(file)" + STEPS
    found = run_oracle("keras3", script, file=path, X=X, Y=Y, frozen=frozen)
    mine = [model.train_on_batch(X, Y) for _ in range(3)]
    np.testing.assert_allclose(found["losses"], mine, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True], ids=["learning", "frozen"])
def test_tf_keras_trains_on(tmp_path: Path, frozen: bool) -> None:
    model = ours(frozen)
    path = tmp_path / "w.h5"
    with open(path, "w+b") as file, h5_writing.written(file) as root:
        legacy_weights.write(root, model)
        optimizer_state.write_legacy(root, model.optimizer)
    script = (
        BUILD
        + """
model.load_weights(file)
import h5py
with h5py.File(file) as root:
    group = root["optimizer_weights"]
    state = [group[name][()] for name in group.attrs["weight_names"]]
model.optimizer.set_weights(state)
"""
        + STEPS
    )
    found = run_oracle("tf_keras", script, file=path, X=X, Y=Y, frozen=frozen)
    mine = [model.train_on_batch(X, Y) for _ in range(3)]
    np.testing.assert_allclose(found["losses"], mine, rtol=1e-4)
