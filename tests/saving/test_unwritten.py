"""Files that declare more than they hold, and other things that a review found."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from lamina import saving
from lamina.callbacks import ModelCheckpoint
from lamina.layers import Dense
from lamina.models import Model, Sequential, model_from_json
from lamina.registry import register_keras_serializable


def changed(path, units, make):
    """A file whose last layer has other units; `make(group, name, shape)` makes its kernel."""
    Sequential([Dense(4, input_shape=(3,)), Dense(2, name="last")], name="m").save(path)

    def in_place(file, prefix):
        found = []
        file.visititems(lambda name, item: found.append(name) if is_kernel(item) else None)
        for name in found:
            if prefix(name):
                group, _, own = name.rpartition("/")
                del file[name]
                make(file[group], own, (4, units))

    def is_kernel(item):
        return isinstance(item, h5py.Dataset) and item.shape == (4, 2)

    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            text = json.loads(str(file.attrs["model_config"]))
            resize(text, units)
            file.attrs["model_config"] = json.dumps(text)
            in_place(file, lambda name: name.startswith("model_weights"))
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = json.loads(members["config.json"])
    resize(text, units)
    members["config.json"] = json.dumps(text).encode()
    held = io.BytesIO(members["model.weights.h5"])
    with h5py.File(held, "r+") as file:
        in_place(file, lambda name: True)
    members["model.weights.h5"] = held.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def resize(config, units):
    for entry in config["config"]["layers"]:
        if entry["config"].get("name") == "last":
            entry["config"]["units"] = units


def never_written(group, name, shape):
    group.create_dataset(name, shape, "float32", chunks=(1, 1024))


def partly_written(group, name, shape):
    group.create_dataset(name, shape, "float32", chunks=(1, 1024))[0, :5] = 1


def without_chunks(group, name, shape):
    group.create_dataset(name, shape, "float32")


def well_packed(group, name, shape):
    group.create_dataset(
        name, data=np.zeros(shape, "float32"), chunks=(4, shape[1] // 4), compression="gzip"
    )


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize(
    ("make", "units", "message"),
    [
        (never_written, 700_000_000, "not all of its values were ever written"),
        (never_written, 20_000, "not all of its values were ever written"),
        (partly_written, 20_000, "not all of its values were ever written"),
        (without_chunks, 700_000_000, "not all of its values were ever written"),
        (well_packed, 5_000_000, r"unpacks from \d+ to 80000000 bytes, more than 100 times"),
    ],
)
def test_what_is_declared_must_be_there(tmp_path, ending, make, units, message):
    path = tmp_path / f"m{ending}"
    changed(path, units, make)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match=message):
        saving.load_model(path)


@pytest.mark.parametrize("ending", [".h5", ".keras"])
@pytest.mark.parametrize("units", [1, 3, 50])
def test_another_size_is_told_by_layer_weight_and_both_shapes(tmp_path, ending, units):
    path = tmp_path / f"m{ending}"
    changed(path, units, lambda group, name, _: group.create_dataset(name, data=np.ones((4, 2))))
    expected = rf"layer 'last'.*kernel.*shape \(4, {units}\).*shape \(4, 2\)"
    with pytest.raises(ValueError, match=expected):
        saving.load_model(path)


def test_json_of_a_registered_class_of_models():
    @register_keras_serializable("own")
    class Mine(Model):
        def __init__(self, units=2, **options):
            super().__init__(**options)
            self.units = units
            self.layer = Dense(units)

        def call(self, x):  # pyright: ignore
            return self.layer(x)

    made = model_from_json(Mine(5).to_json())
    assert isinstance(made, Mine)
    assert made(np.ones((2, 3), "float32")).shape == (2, 5)


def test_the_argument_that_two_releases_take_in_one_place_needs_its_name():
    with pytest.raises(TypeError, match="is period in Keras 2 and save_freq in Keras 3"):
        ModelCheckpoint("a.h5", "val_loss", 0, True, False, "auto", 1)
    assert ModelCheckpoint("a.h5", "val_loss", 0, True, False, "auto", period=3).period == 3
    assert ModelCheckpoint("a.h5", "val_loss", 0, True, False, "auto", "epoch").save_freq == "epoch"


def test_custom_objects_must_be_a_dict(tmp_path):
    Sequential([Dense(2, input_shape=(3,))]).save(tmp_path / "m.h5")
    with pytest.raises(TypeError, match=r"custom_objects must be a dict .* got list"):
        saving.load_model(tmp_path / "m.h5", custom_objects=[1])  # pyright: ignore


@pytest.mark.parametrize(
    "function", ["save_model", "save_weights", "load_weights", "save_checkpoint", "load_checkpoint"]
)
def test_the_model_comes_first(function, tmp_path):
    model = Sequential([Dense(2, input_shape=(3,))])
    message = rf"{function}: the first argument must be the model, got '.*m.h5': {function}\(model"
    with pytest.raises(TypeError, match=message):
        getattr(saving, function)(str(tmp_path / "m.h5"), model)


def test_a_checkpoint_that_is_not_there(tmp_path):
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse")
    with pytest.raises(FileNotFoundError, match=r"there is no file or folder .*nowhere"):
        saving.load_checkpoint(model, tmp_path / "nowhere")
