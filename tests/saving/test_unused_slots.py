"""Parts of an optimizer's state that its config does not use: left out, and said."""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from lamina import optimizers
from lamina.layers import Dense
from lamina.models import Sequential, load_model

CASES: dict[str, Any] = {
    "sgd": (lambda: optimizers.SGD(0.1, momentum=0.9), {"momentum": 0.0}, ["momentum"]),
    "adam": (lambda: optimizers.Adam(0.1, amsgrad=True), {"amsgrad": False}, ["velocity_hat"]),
    "rmsprop": (
        lambda: optimizers.RMSprop(0.1, momentum=0.5, centered=True),
        {"momentum": 0.0, "centered": False},
        ["average_gradient", "momentum"],
    ),
}


def saved(make: Any, path: Path, change: dict[str, Any]) -> Any:
    """A trained model, and its file with other arguments of the optimizer."""
    model = Sequential([Dense(4, input_shape=(3,)), Dense(2)])
    model.compile(make(), "mse")
    model.train_on_batch(np.ones((5, 3), "f"), np.ones((5, 2), "f"))
    model.save(path)
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            section = json.loads(str(file.attrs["training_config"]))
            section["optimizer_config"]["config"].update(change)
            file.attrs["training_config"] = json.dumps(section)
        return model
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["compile_config"]["optimizer"]["config"].update(change)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return model


@pytest.mark.parametrize("case", CASES)
def test_h5_leaves_out_the_slot_and_names_it(tmp_path, case):
    make, change, slots = CASES[case]
    model = saved(make, tmp_path / "model.h5", change)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        loaded = load_model(tmp_path / "model.h5")
    texts = [str(one.message) for one in said]
    assert len(texts) == len(slots)
    for slot, text in zip(slots, texts, strict=True):
        assert f"optimizer_weights has a {slot!r} for each weight" in text
        assert "left out" in text
    assert int(loaded.optimizer.iterations) == 1
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("case", CASES)
def test_keras_archive_says_both_and_starts_anew(tmp_path, case):
    make, change, _ = CASES[case]
    model = saved(make, tmp_path / "model.keras", change)
    with pytest.warns(UserWarning, match=r"has \d+ arrays .* but the state in .* has \d+ "):
        loaded = load_model(tmp_path / "model.keras")
    for ours, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["SGD/m/{}:0", "training/SGD/Variable_{}:0"])
def test_the_last_step_that_sgd_without_a_momentum_keeps_is_no_loss(tmp_path, name):
    """Keras 1 and 2 and tf.keras from 2.11 on write it, and multiply it by 0."""
    model = saved(lambda: optimizers.SGD(0.1), tmp_path / "model.h5", {})
    first = "iteration:0" if "/m/" in name else "SGD/iterations:0"
    names = [first, *(name.format(number) for number in range(4))]
    arrays = [np.int64(1), *model.get_weights()]
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        del file["optimizer_weights"]
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = [one.encode() for one in names]
        for one, array in zip(names, arrays, strict=True):
            group[one] = array
    assert int(load_model(tmp_path / "model.h5").optimizer.iterations) == 1
