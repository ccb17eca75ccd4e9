"""Files of real releases: every weight, and what the models predict."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.saving import golden

from lamina import saving
from lamina.layers import Conv1D, Conv2D, Dense
from lamina.models import Sequential
from lamina.saving import h5_file, legacy_weights

NOT_HERE = {"classes", "functions", "gone"}  # layers that only the caller knows
# Theano pads "same" windows of an even size on the other side.
OTHER_SIDE = {("keras1.2.2-theano", "cnn_first"), ("keras1.2.2-theano", "cnn_last")}

CASES = [
    (entry["release"], entry["model"])
    for entry in golden.entries()
    if not NOT_HERE & set(entry["facts"]) and entry["model"] != "lambda_library"
]
OTHERS = [
    (entry["release"], entry["model"], kind)
    for entry in golden.entries()
    if not NOT_HERE & set(entry["facts"])
    for kind in entry["files"]
    if kind != "json" and kind not in golden.WHOLE and len(entry["files"]) > 1
]


def whole(entry: dict[str, Any], folder: Path) -> Path:
    """The file of the whole model, from which the model is made."""
    kinds = [kind.removesuffix(".gz") for kind in entry["files"]]
    return golden.path(entry, "keras" if "keras" in kinds else "h5", folder)


@pytest.mark.filterwarnings("ignore:Embedding. dropout of Keras 1")
@pytest.mark.parametrize(("release", "name"), CASES)
def test_files_of_all_releases_predict_the_same(tmp_path: Path, release: str, name: str) -> None:
    entry = golden.find(release, name)
    model, _ = golden.model_of(whole(entry, tmp_path))
    loaded = saving.load_weights(model, whole(entry, tmp_path))
    assert (loaded.skipped, loaded.unused) == ({}, [])
    if (release, name) in OTHER_SIDE:
        return
    found = model.predict(golden.one(golden.arrays(entry, "input")), verbose=0)
    found = found if isinstance(found, list) else [found]
    for ours, theirs in zip(found, golden.arrays(entry, "prediction"), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(("release", "name", "kind"), OTHERS)
def test_files_of_weights_hold_the_same_as_whole_models(
    tmp_path: Path, release: str, name: str, kind: str
) -> None:
    entry = golden.find(release, name)
    model, _ = golden.model_of(whole(entry, tmp_path))
    saving.load_weights(model, whole(entry, tmp_path))
    known = model.get_weights()
    model.set_weights([np.zeros_like(array) for array in known])
    loaded = saving.load_weights(model, golden.path(entry, kind, tmp_path))
    assert (loaded.skipped, loaded.unused) == ({}, [])
    for ours, theirs in zip(model.get_weights(), known, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("release", ["keras1.2.2", "keras2.2.4", "keras3.15"])
@pytest.mark.parametrize("name", ["mlp", "penalties", "two_by_two", "plain"])
def test_every_weight_is_the_recorded_one(tmp_path: Path, release: str, name: str) -> None:
    entry = golden.find(release, name)
    model, _ = golden.model_of(whole(entry, tmp_path))
    saving.load_weights(model, whole(entry, tmp_path))
    recorded = golden.arrays(entry, "weight")
    assert len(recorded) == len(model.get_weights()) > 0
    for ours, theirs in zip(model.get_weights(), recorded, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def stored(entry: dict[str, Any], path: str, folder: Path) -> np.ndarray:
    """An array of a file, without any conversion."""
    with h5_file.opened(whole(entry, folder)) as root:
        return root.dataset(path).read()


def test_kernels_of_keras_1_with_channels_first_are_transposed(tmp_path: Path) -> None:
    entry = golden.find("keras1.2.2", "cnn_first")
    raw = stored(entry, "model_weights/convolution2d_1/convolution2d_1_W:0", tmp_path)
    assert raw.shape == (3, 2, 3, 2)  # filters, channels, rows, columns
    layer = Conv2D(
        3, (3, 2), data_format="channels_first", input_shape=(2, 8, 9), name="convolution2d_1"
    )
    saving.load_weights(Sequential([layer]), whole(entry, tmp_path), by_name=True)
    np.testing.assert_array_equal(layer.kernel.numpy(), raw.transpose(2, 3, 1, 0))


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("conv1d", Conv1D(4, 3, input_shape=(12, 3), name="convolution1d_1")),
        ("cnn_last", Conv2D(3, (3, 2), input_shape=(8, 9, 2), name="convolution2d_1")),
    ],
)
def test_kernels_of_theano_are_turned_around(tmp_path: Path, name: str, layer: Any) -> None:
    # Theano convolves, all others correlate. Names without ":0" are not of TensorFlow.
    path = whole(golden.find("keras1.2.2-theano", name), tmp_path)
    with h5_file.opened(path) as root:
        group = root.group("model_weights")
        assert legacy_weights.writer_of(group, root) == legacy_weights.Writer("1.2.2", "theano")
        names = group.texts("layer_names")
        kernel = next(
            (layer_name, group.group(layer_name).texts("weight_names")[0])
            for layer_name in names
            if "convolution" in layer_name
        )
        raw = group.dataset("/".join(kernel)).read()
    twin = type(layer).from_config(layer.get_config() | {"name": kernel[0]})
    saving.load_weights(Sequential([twin]), path, by_name=True)
    rank = len(layer.kernel_size)
    turned = np.flip(raw.reshape(twin.kernel.shape), axis=tuple(range(rank)))
    np.testing.assert_array_equal(twin.kernel.numpy(), turned)
    assert not np.array_equal(raw.reshape(twin.kernel.shape), turned)


def test_long_names_lie_in_several_attributes(tmp_path: Path) -> None:
    entry = golden.find("keras2.2.4", "long_names")
    with h5_file.opened(whole(entry, tmp_path)) as root:
        group = root.group("model_weights")
        assert "layer_names0" in group.attribute_names()
        assert "layer_names" not in group.attribute_names()
        names = group.texts("layer_names")
    assert [len(name) for name in names] == [33_000, 33_000]


def test_nested_models_that_were_partly_frozen(tmp_path: Path) -> None:
    # The file has what learns first; here nothing is frozen, so the order is another one.
    entry = golden.find("keras2.2.4", "nested")
    model, _ = golden.model_of(whole(entry, tmp_path))
    saving.load_weights(model, whole(entry, tmp_path))
    before = {v.path: v.numpy() for v in model.weights}
    for flags in (True, False):
        model.trainable = flags
        model.set_weights([np.zeros_like(w) for w in model.get_weights()])
        saving.load_weights(model, whole(entry, tmp_path))
        for variable in model.weights:
            np.testing.assert_array_equal(variable.numpy(), before[variable.path])


def test_the_index_names_a_file_of_each_release() -> None:
    releases = {release for release, _ in CASES}
    assert {"keras1.2.2", "keras1.2.2-theano", "keras2.2.4", "keras3.15"} <= releases
    assert json.loads((golden.FOLDER / "index.json").read_text("utf-8"))["models"]


def test_layers_that_a_file_does_not_have_stay(tmp_path: Path) -> None:
    entry = golden.find("keras2.2.4", "mlp")
    model = Sequential([Dense(7, input_shape=(4,), name="dense_1"), Dense(2, name="mine")])
    mine = model.layers[1].get_weights()
    loaded = saving.load_weights(model, whole(entry, tmp_path), by_name=True)
    assert loaded.loaded == ["layer 'dense_1'"]
    assert set(loaded.unused) == {"batch_normalization_1", "dense_2"}
    np.testing.assert_array_equal(
        model.layers[0].get_weights()[0], golden.arrays(entry, "weight")[0]
    )
    np.testing.assert_array_equal(model.layers[1].get_weights()[0], mine[0])
