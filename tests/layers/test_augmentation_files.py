"""Files with layers that move pixels: of Keras 3.15 and ``tf.keras`` 2.15, and for Keras 3.15."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.saving.oracle import run_oracle

from lamina import layers
from lamina.models import Sequential, load_model

FOLDER = Path(__file__).parents[1] / "golden" / "augmentation"


@pytest.mark.parametrize("name", ["keras3.keras", "tf2.15.h5", "tf2.15.keras"])
def test_files_open_and_predict_the_same(name):
    with np.load(FOLDER / f"{name.rpartition('.')[0]}.npz") as stored:
        x, y = stored["x"], stored["y"]
    model = load_model(FOLDER / name)
    np.testing.assert_allclose(model.predict(x, verbose=0), y, rtol=1e-4, atol=1e-5)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds[1:5] == ["RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"]
    zoom, shift = model.layers[3:5]
    assert (list(zoom.height_factor), zoom.width_factor) == [[-0.2, 0.1], 0.2] or (
        (list(zoom.height_factor), zoom.width_factor) == ([-0.2, 0.1], 0.2)
    )
    assert (shift.fill_mode, shift.fill_value, model.layers[1].seed) == ("constant", 1.0, 3)
    if name.startswith("keras3"):
        model.compile("sgd", "mse")
        model.fit(x, y, verbose=0)
        assert not np.allclose(model.predict(x, verbose=0), y, rtol=1e-4)


def stack() -> Sequential:
    return Sequential(
        [
            layers.Input((5, 7, 3)),
            layers.RandomFlip("vertical", seed=3),
            layers.RandomRotation((-0.1, 0.2), "nearest"),
            layers.RandomZoom(0.2, (0.1, 0.3), interpolation="nearest"),
            layers.RandomTranslation(0.1, (0.1, 0.2), "constant", fill_value=1.0),
            layers.RandomCrop(5, 7),
            layers.RandomShear(0.2, (0.1, 0.3)),
            layers.RandomPerspective(0.5),
            layers.RandomElasticTransform((0.2, 0.5), value_range=(0, 1)),
            layers.RandomErasing(fill_value=2.0),
            layers.CutMix(0.5),
            layers.MixUp(0.3),
            layers.MaxNumBoundingBoxes(3),
            layers.Pipeline([layers.RandomFlip(), layers.Dense(4), layers.Dense(3)]),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def test_files_open_in_keras(tmp_path):
    model = stack()
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape).astype("f") for w in model.get_weights()])
    x = rng.uniform(size=(4, 5, 7, 3)).astype("f")
    path = tmp_path / "model.keras"
    model.save(path)
    script = """
        model = keras.models.load_model(file)
        result["y"] = model.predict(inputs[0], verbose=0)
        result["kinds"] = [type(layer).__name__ for layer in model.layers]
        result["shear"] = [model.layers[5].x_factor, model.layers[5].y_factor]
        result["changed"] = bool((model(inputs[0], training=True) != result["y"]).any())
    """
    found = run_oracle("keras3", script, file=path, inputs=[x])
    np.testing.assert_allclose(found["y"], model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
    assert found["kinds"] == [type(layer).__name__ for layer in model.layers]
    assert [list(one) for one in found["shear"]] == [[-0.2, 0.2], [0.1, 0.3]]
    assert found["changed"]
    again = load_model(path)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    before, after = ([layer.get_config() for layer in one.layers] for one in (model, again))
    assert json.dumps(after) == json.dumps(before)


def test_files_of_old_layers_open_in_tf_keras(tmp_path):
    model = Sequential(
        [
            layers.Input((5, 7, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.2),
            layers.RandomZoom(0.2),
            layers.RandomTranslation(0.1, 0.2),
            layers.RandomCrop(4, 3),
            layers.RandomHeight(0.2),
            layers.RandomWidth(0.2),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    x = np.random.default_rng(0).uniform(size=(4, 5, 7, 3)).astype("f")
    for ending in ("h5", "keras"):
        path = tmp_path / f"model.{ending}"
        model.save(path)
        found = run_oracle("tf_keras", "predict", file=path, inputs=[x])
        right = model.predict(x, verbose=0)
        np.testing.assert_allclose(found["prediction_0"], right, rtol=1e-4, atol=1e-5)
