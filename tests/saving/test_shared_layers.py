"""A layer that stands in two models within a third: one layer before, in and after a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.saving.oracle import run_oracle

from lamina import layers
from lamina.models import Model, Sequential, clone_model, load_model, model_from_json
from lamina.utils import set_random_seed

FOLDER = Path(__file__).parents[1] / "golden" / "shared_layers"


def siblings() -> Any:
    """The same model, and the same input, in two models."""
    shared = Sequential([layers.Input((3,)), layers.Dense(3, activation="tanh")], name="shared")
    a = layers.Input((3,), name="a")
    one = Model(a, layers.Dense(3, name="one")(shared(a)), name="first")
    two = Model(a, layers.Dense(2, name="two")(shared(shared(a))), name="second")
    c = layers.Input((3,), name="c")
    return Model(c, two(one(c)))


def inner_first() -> Any:
    """In a model, called twice, and thrice outside of it, between its calls."""
    shared = layers.Dense(3, activation="tanh", name="shared")
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    inner = Model(a, layers.Dense(3, name="own")(shared(shared(a))), name="inner")
    x = shared(inner(shared(b)))
    return Model(b, layers.Dense(2, name="out")(shared(inner(x))))


def stacks() -> Any:
    """In stacks with an input and without, of which the latter is built by the call."""
    shared = layers.Dense(3, activation="tanh", name="shared")
    stated = Sequential([layers.Input((3,)), shared, layers.Dense(3, name="own")], name="stated")
    later = Sequential([layers.Dense(3, name="other"), shared], name="later")
    b = layers.Input((3,), name="b")
    return Model(b, shared(later(stated(shared(b)))))


def wrapped() -> Any:
    """In a wrapper, in a Sequential in a Sequential, and outside of them."""
    shared = layers.Dense(3, activation="tanh", name="shared")
    x = layers.Input((4, 3), name="x")
    inner = Sequential([layers.Input((4, 3)), layers.TimeDistributed(shared)], name="inner")
    outer = Sequential([layers.Input((4, 3)), inner, shared], name="outer")
    return Model(x, shared(outer(x)))


@pytest.fixture(params=[siblings, inner_first, stacks, wrapped])
def model(request) -> Any:
    set_random_seed(3)
    found = request.param()
    rng = np.random.default_rng(4)
    found.set_weights([rng.normal(size=w.shape) for w in found.get_weights()])
    return found


def noise(model: Any) -> np.ndarray:
    shape = (5, *model.input_shape[1:])
    return np.random.default_rng(6).normal(size=shape).astype("f")


def check(old: Any, new: Any) -> None:
    """One layer of that name, the same weights, and training that changes both alike."""
    assert new.count_params() == old.count_params()
    named = [layer for layer in new.all_layers() if layer.name == "shared"]
    assert len(named) == 1
    x = noise(old)
    np.testing.assert_array_equal(new.predict(x), old.predict(x))
    for one in (old, new):
        one.compile("sgd", "mse")
        one.train_on_batch(x, np.ones(one.predict(x).shape, "f"))
    for ours, theirs in zip(new.get_weights(), old.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_it_is_one_layer_after_loading(tmp_path, model, ending):
    model.save(tmp_path / f"model.{ending}")
    check(model, load_model(tmp_path / f"model.{ending}"))


def test_it_is_one_layer_in_json_and_configs(model):
    for new in (model_from_json(model.to_json()), Model.from_config(model.get_config())):
        new.set_weights(model.get_weights())
        check(model, new)


def test_it_is_one_layer_in_clones(model):
    new = clone_model(model)
    assert not {id(w) for w in new.weights} & {id(w) for w in model.weights}
    new.set_weights(model.get_weights())
    check(model, new)


def test_a_function_that_clones_within_models_is_asked_once_for_each(model):
    seen = []

    def same(layer: Any) -> Any:
        seen.append(layer)
        return layer

    assert clone_model(model, clone_function=same, recursive=True).weights == model.weights
    assert len(seen) == len({id(layer) for layer in seen})


def test_weights_alone_say_what_was_used(tmp_path, model):
    model.save_weights(tmp_path / "model.weights.h5")
    assert model.load_weights(tmp_path / "model.weights.h5").unused == []


@pytest.mark.parametrize("which", ["keras3", "tf_keras"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_others_predict_the_same(tmp_path, model, ending, which):
    if (ending, which) == ("h5", "keras3") and model.layers[1].name == "outer":
        pytest.skip("Keras 3 reads no numbers in .h5, and wants two copies of weights within outer")
    model.save(tmp_path / f"model.{ending}")
    x = noise(model)
    found = run_oracle(which, "predict", file=tmp_path / f"model.{ending}", inputs=[x])
    np.testing.assert_allclose(found["prediction_0"], model.predict(x), rtol=1e-5, atol=1e-6)


FILES = [path for path in sorted(FOLDER.glob("*.*")) if path.suffix != ".npz"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_of_real_releases(path):
    if path.name == "tf2.15_inner_first.h5":  # it says "a" twice where the second call was on "b"
        with pytest.raises(ValueError, match="a layer 'a' that it does not describe"):
            load_model(path)
        return
    recorded = np.load(path.with_suffix(".npz"))
    model = load_model(path, compile=False)
    assert model.count_params() == recorded["parameters"]
    found = model.predict(recorded["input"])
    np.testing.assert_allclose(found, recorded["prediction"], rtol=1e-5, atol=1e-6)


def test_numbers_that_lie_are_an_error():
    text = json.loads(inner_first().to_json())
    outer = [entry for entry in text["config"]["layers"] if entry["name"] == "shared"]
    outer[0]["config"]["units"] = 4
    with pytest.raises(ValueError, match=r"two layers are one .*'shared'"):
        model_from_json(json.dumps(text))
