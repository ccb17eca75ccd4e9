"""Loaders of other frameworks as they come; each test needs its framework installed."""

import numpy as np
import pytest

import lamina
from lamina import layers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(75, 20)).astype("float32")
Y = X[:, :3].argmax(axis=1)


def model():
    built = lamina.Sequential([layers.Dense(3, activation="softmax", input_shape=(20,))])
    built.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return built


def check(data):
    trained = model()
    history = trained.fit(data, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert history.history["loss"][1] < history.history["loss"][0]
    assert trained.evaluate(data, verbose=0)[0] == pytest.approx(
        trained.evaluate(X, Y, verbose=0)[0], rel=1e-5
    )
    assert trained.predict(data, verbose=0).shape == (75, 3)


def test_loader_of_pytorch():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    check(torch.utils.data.DataLoader(data, batch_size=32, shuffle=True))


def test_dataset_of_tensorflow():
    tensorflow = pytest.importorskip("tensorflow")
    check(tensorflow.data.Dataset.from_tensor_slices((X, Y)).batch(32))
