"""TensorBoard: which numbers are written, where and when."""

from __future__ import annotations

import importlib
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina.callbacks import TensorBoard
from lamina.layers import Dense
from lamina.models import Sequential

pytest.importorskip("tensorboardX")

ROWS, FEATURES, OUTPUTS, BATCH = 22, 5, 3, 4
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, FEATURES)).astype("f")
Y = rng.normal(size=(ROWS, OUTPUTS)).astype("f")
OPTIONS: dict[str, Any] = {"batch_size": BATCH, "epochs": 3, "verbose": 0}


@pytest.fixture(scope="module")
def model() -> Sequential:
    model = Sequential([Dense(OUTPUTS, input_shape=(FEATURES,), name="only")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def events(folder: Path) -> list[Any]:
    """The events of the only file in a folder; records are length, check, bytes, check."""
    event: Any = vars(importlib.import_module("tensorboardX.proto.event_pb2"))["Event"]
    (path,) = folder.glob("events*")
    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        (length,) = struct.unpack("<Q", data[place : place + 8])
        found.append(event.FromString(data[place + 12 : place + 12 + length]))
        place += length + 16
    return found


def values(folder: Path) -> list[Any]:
    return [(one.step, value) for one in events(folder) for value in one.summary.value]


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for step, value in values(folder):
        if value.HasField("simple_value"):
            found.setdefault(value.tag, {})[step] = value.simple_value
    return found


def test_numbers_of_epochs(model, tmp_path):
    callback = TensorBoard(tmp_path, write_steps_per_second=True)
    history = model.fit(X, Y, validation_data=(X, Y), callbacks=callback, **OPTIONS).history
    train, held_out = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    for name in ("loss", "mae"):
        np.testing.assert_allclose(list(train[f"epoch_{name}"].values()), history[name], rtol=1e-6)
        wanted = history[f"val_{name}"]
        np.testing.assert_allclose(list(held_out[f"epoch_{name}"].values()), wanted, rtol=1e-6)
        assert list(held_out[f"epoch_{name}"]) == [0, 1, 2]
    assert train["epoch_learning_rate"][2] == pytest.approx(0.01)
    assert train["epoch_steps_per_second"][1] > 0
    assert set(held_out) == {"epoch_loss", "epoch_mae"}
    assert not any(name.startswith("batch_") for name in train)
    (text,) = [value for _, value in values(tmp_path / "train") if value.tag.startswith("model")]
    assert b"only" in text.tensor.string_val[0]


@pytest.mark.parametrize(("freq", "steps"), [("batch", range(18)), (4, [3, 7, 11, 15])])
def test_numbers_of_batches(model, tmp_path, freq, steps):
    callback = TensorBoard(tmp_path, update_freq=freq, write_graph=False)
    model.fit(X, Y, validation_data=(X, Y), callbacks=callback, **OPTIONS)
    found = scalars(tmp_path / "train")
    assert list(found["batch_loss"]) == list(steps)
    assert list(found["epoch_loss"]) == [0, 1, 2]
    if freq == "batch":  # logs are averages over the epoch so far
        assert found["batch_mae"][11] == pytest.approx(found["epoch_mae"][1])


def test_histograms_and_images_of_weights(model, tmp_path):
    callback = TensorBoard(tmp_path, histogram_freq=2, write_images=True)
    model.fit(X, Y, callbacks=callback, **OPTIONS)
    found = values(tmp_path / "train")
    histograms = [(step, value.tag) for step, value in found if value.HasField("histo")]
    assert histograms == [(s, f"only/{name}") for s in (0, 2) for name in ("kernel", "bias")]
    last = [value.histo for _, value in found if value.HasField("histo")][-2]
    assert (last.num, last.max) == (FEATURES * OUTPUTS, pytest.approx(model.get_weights()[0].max()))
    images = [value.image for _, value in found if value.HasField("image")]
    assert [(image.height, image.width) for image in images[:2]] == [(5, 3), (1, 3)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"update_freq": 0}, ValueError, "update_freq must be 'batch', 'epoch' or a positive int"),
        ({"update_freq": "step"}, ValueError, "update_freq must be .* got 'step'"),
        ({"profile_batch": 2}, ValueError, "profile_batch=2 is not there; .*jax.profiler.trace"),
        ({"write_grads": True}, ValueError, "gradients are not written"),
        ({"embeddings_freq": 1}, ValueError, "add_embedding"),
        ({"histogram_freq": -1}, ValueError, "histogram_freq must be an int of at least 0"),
        ({"logdir": "x"}, TypeError, "no argument 'logdir'. Did you mean 'log_dir'"),
    ],
)
def test_wrong_arguments_are_named(options, error, message):
    with pytest.raises(error, match=message):
        TensorBoard(**options)


def test_arguments_of_keras_2_without_a_meaning_are_taken():
    old = {"batch_size": 8, "write_grads": False, "embeddings_data": None}
    assert TensorBoard("logs", **old).log_dir == "logs"


def test_a_missing_package_is_named(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'lamina\[tensorboard\]'"):
        model.fit(X, Y, callbacks=TensorBoard(tmp_path), **OPTIONS)
