"""``Merge`` of Keras 1, above all as the first layer of a `Sequential`."""

# pyright: reportArgumentType=false

import copy
import pickle
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.saving.oracle import run_oracle

from lamina import layers, models
from lamina.layers import Dense, Input, Merge
from lamina.models import Model, Sequential, clone_model, load_model, model_from_json

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tools" / "golden_merge.py"))
RECORDED = np.load(ROOT / "tests" / "golden" / "merge_keras1.npz")
X = [np.random.default_rng(1).normal(size=(5, size)).astype("f") for size in (4, 6)]


@pytest.mark.parametrize("name", TABLE["CASES"])
def test_branches_compute_and_train_as_in_keras_1(name):
    found = TABLE["run"](name, layers, models)
    for place, ours in enumerate(found):
        theirs = RECORDED[f"{name}_{place}"]
        np.testing.assert_allclose(
            ours.reshape(theirs.shape), theirs, rtol=1e-4, atol=1e-5, err_msg=str(place)
        )
    assert f"{name}_{len(found)}" not in RECORDED


def test_a_file_whose_branches_differ_in_depth(tmp_path):
    """Keras 1 wrote the weights branch by branch, graphs have them by depth."""
    path = ROOT / "tests" / "golden" / "merge_keras1.h5"
    x = [RECORDED[f"input_{place}"] for place in range(3)]
    loaded = load_model(path, compile=False)
    np.testing.assert_allclose(loaded.predict(x), RECORDED["prediction"], rtol=1e-5, atol=1e-6)
    again, _ = TABLE["branches_of_other_depths"](layers, Sequential)
    again.load_weights(path)
    np.testing.assert_allclose(again.predict(x), RECORDED["prediction"], rtol=1e-5, atol=1e-6)
    for ending in ("keras", "h5"):
        again.save(tmp_path / f"model.{ending}")
        same = load_model(tmp_path / f"model.{ending}", compile=False)
        np.testing.assert_array_equal(same.predict(x), again.predict(x))


def branched() -> Any:
    left, right = Sequential([Dense(3, input_dim=4)]), Sequential([Dense(3, input_dim=6)])
    model = Sequential([Merge([left, right], mode="concat", concat_axis=1), Dense(2)])
    model.compile("sgd", "mse")
    return model


def test_fit_takes_a_list():
    model = branched()
    history = model.fit(X, np.ones((5, 2)), nb_epoch=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert model.evaluate(X, np.ones((5, 2)), verbose=0) < history[-1]
    with pytest.raises(ValueError, match="has 2 inputs"):
        model.predict(X[0])


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_files(tmp_path, ending):
    model = branched()
    model.train_on_batch(X, np.ones((5, 2)))
    model.save(tmp_path / f"model.{ending}")
    loaded = load_model(tmp_path / f"model.{ending}")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.train_on_batch(X, np.ones((5, 2))) == model.train_on_batch(X, np.ones((5, 2)))
    model.save_weights(tmp_path / f"weights.{ending}.weights.h5")
    other = branched()
    other.load_weights(tmp_path / f"weights.{ending}.weights.h5")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))


@pytest.mark.parametrize("which", ["keras3", "tf_keras"])
@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_others_open_the_files(tmp_path, ending, which):
    inner = branched()
    more = Sequential([Merge([inner, Sequential([Dense(2, input_dim=3)])], mode="sum"), Dense(1)])
    x = [*X, np.ones((5, 3), "f")]
    more.save(tmp_path / f"model.{ending}")
    found = run_oracle(which, "predict", file=tmp_path / f"model.{ending}", inputs=x)
    np.testing.assert_allclose(found["prediction_0"], more.predict(x), rtol=1e-5, atol=1e-6)


def test_copies():
    model = branched()
    copies = [clone_model(model), model_from_json(model.to_json()), copy.deepcopy(model)]
    copies += [pickle.loads(pickle.dumps(model)), Sequential.from_config(model.get_config())]
    for one in copies:
        one.set_weights([weight + 1 for weight in model.get_weights()])
        again = clone_model(one)
        again.set_weights(one.get_weights())
        np.testing.assert_array_equal(again.predict(X), one.predict(X))
        assert not np.allclose(one.predict(X), model.predict(X))


def test_called_in_a_graph_and_on_arrays():
    model = branched()
    ins = [Input((4,)), Input((6,))]
    outer = Model(ins, model(ins))
    np.testing.assert_array_equal(outer.predict(X), model.predict(X))
    np.testing.assert_allclose(model(X), model.predict(X), rtol=1e-6)


def test_layers_are_added_and_taken_away():
    model = branched()
    model.add(Dense(4))
    assert model.output_shape == (None, 4)
    for _ in range(2):
        model.pop()
    assert model.output_shape == (None, 6)
    model.pop()
    assert model.layers == []
    model.add(Dense(2, input_dim=3))
    assert model.input_shape == (None, 3)


def test_without_branches_it_is_the_layer_of_the_mode():
    tensors = [Input((3,)), Input((3,))]
    assert Merge(mode="sum", name="both")(tensors).shape == (None, 3)
    assert isinstance(Merge(mode="ave"), layers.Average)
    assert isinstance(Merge(mode="dot", dot_axes=1), Merge)
    assert isinstance(Merge(None, lambda pair: pair[0]), layers.Lambda)


def test_a_call_of_a_shared_layer_is_named_by_its_node():
    shared = Dense(3)
    a, b = Input((4,)), Input((4,))
    first, second = shared(a), shared(b)
    merged = Merge([shared, shared], mode="mul", node_indices=[1, 0]).output
    model = Model([a, b], [first, second, merged])
    one, two, product = model.predict([X[0], -2 * X[0]])
    np.testing.assert_allclose(product, one * two, rtol=1e-6)


WRONG: dict[str, Any] = {
    "one branch": (lambda: Merge([Sequential()]), TypeError, "list of at least two branches"),
    "tensors": (lambda: Merge([Input((3,)), Input((3,))]), TypeError, r"Merge\(mode='sum'\)"),
    "no shape": (
        lambda: Merge([Sequential([Dense(3)]), Dense(2, input_dim=3)]),
        ValueError,
        "has no output yet. Give its first layer an input_shape",
    ),
    "mode": (lambda: Merge(mode="summ"), ValueError, "Did you mean 'sum'"),
    "node": (
        lambda: Merge([branched(), branched()], node_indices=[0, 5]),
        ValueError,
        "has no output",
    ),
    "tensor": (
        lambda: Merge([branched(), branched()], tensor_indices=[1, 0]),
        ValueError,
        "has no output 1 of call 0",
    ),
    "shapes": (
        lambda: Merge([Dense(3, input_dim=4), Dense(2, input_dim=4)], mode="mul"),
        ValueError,
        "do not fit together",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_told(case):
    make, kind, text = WRONG[case]
    with pytest.raises(kind, match=text):
        make()
