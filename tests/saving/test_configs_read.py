"""Configs of all releases are read by one reader: the recorded ones, and single questions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina import (
    activations,
    initializers,
    layers,
    losses,
    registry,
    regularizers,
    saving,
    schedules,
)
from lamina.core import policy
from lamina.models import Model, Sequential, model_from_config, model_from_json, model_from_yaml
from lamina.saving import config, releases

FILES = Path(__file__).parents[1] / "golden" / "files"
INDEX = json.loads((FILES / "index.json").read_text())["models"]
TEXTS = [model for model in INDEX if "json" in model["files"]]


class Scale(layers.Layer):
    """The layer class of the recorded files' user."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def build(self, input_shape: Any) -> None:
        self.scale = self.add_weight("scale", (input_shape[-1],), initializer="ones")

    def call(self, inputs: Any) -> Any:
        return inputs * self.scale.value * self.factor


FUNCTIONS = {
    "softsign": activations.softsign,
    "halve": lambda x: x * 0.5,
    "square_plus": lambda x, by=1.0: x * x + by,
}


def objects(model: dict[str, Any]) -> dict[str, Any]:
    """What the caller passes for a recorded model."""
    named = model["facts"].get("functions", {})
    return {"Scale": Scale} | {layer: FUNCTIONS[name] for layer, name in named.items()}


@pytest.mark.parametrize("model", TEXTS, ids=[m["files"]["json"] for m in TEXTS])
def test_recorded_configs_are_read(model):
    made = model_from_json((FILES / model["files"]["json"]).read_text(), objects(model))
    with np.load(FILES / model["arrays"]) as arrays:
        inputs = [arrays[f"input_{place}"] for place in range(model["inputs"])]
        shapes = [arrays[f"prediction_{place}"].shape for place in range(model["outputs"])]
    outputs = made.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert [np.shape(output) for output in outputs] == shapes


def keras3(kind: str, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": arguments,
        "registered_name": None,
        **more,
    }


def stacked(*entries: Any, version: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"class_name": "Sequential", "config": {"layers": list(entries)}}
    return found if version is None else found | {"keras_version": version}


HARD = {"units": 1, "activation": "hard_sigmoid", "kernel_initializer": "ones"}


@pytest.mark.parametrize(("version", "at_2"), [("1.2.2", 0.9), ("2.15.0", 0.9), ("3.0.5", 5 / 6)])
def test_hard_sigmoid_is_that_of_the_release(version, at_2):
    model = model_from_config(stacked({"class_name": "Dense", "config": HARD}, version=version))
    np.testing.assert_allclose(model(np.full((1, 1), 2, "f")), [[at_2]], rtol=1e-6)


def test_hard_sigmoid_of_keras_3_survives_the_round_trip():
    made = model_from_config(stacked(keras3("Activation", {"activation": "hard_sigmoid"})))
    assert made.layers[0].activation is activations.hard_sigmoid_keras3
    again = Sequential.from_config(made.get_config())
    assert again.layers[0].activation is activations.hard_sigmoid_keras3
    mine = {"hard_sigmoid": activations.tanh}
    made = model_from_config(stacked(keras3("Activation", {"activation": "hard_sigmoid"})), mine)
    assert made.layers[0].activation is activations.tanh


@pytest.mark.parametrize(
    ("entry", "version", "found"),
    [
        ({"class_name": "Dense", "config": {"W_regularizer": None}}, None, 1),
        ({"class_name": "Dense", "config": {"units": 3}}, None, 2),
        (keras3("Dense", {"units": 3}), None, 3),
        (keras3("Dense", {"units": 3}), "2.15.0", 2),
        ({"class_name": "InputLayer", "config": {"batch_shape": [None, 2]}}, None, 3),
        ({}, "2.2.4-tf", 2),
        ({}, b"1.0.8", 1),
        ({}, "4.1.0", 3),
    ],
)
def test_dialects_are_recognised(entry, version, found):
    assert releases.dialect_of(entry, version) == found


def test_a_version_that_is_none_is_an_error():
    with pytest.raises(ValueError, match=r"keras_version must be a release.*'latest'"):
        releases.dialect_of({}, "latest")


def test_policies_and_unused_arguments_of_keras_3():
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}
    entry = keras3("Dense", {"units": 2, "dtype": policy, "quantization_config": None, "new": None})
    made = config.read_model(entry)
    assert made.compute_dtype == "bfloat16"
    quantised = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}
    with pytest.raises(ValueError, match="none of lamina's"):
        config.read_model(keras3("Dense", {"units": 2, "dtype": quantised}))
    with pytest.raises(ValueError, match=r"unknown argument 'rank'"):
        config.read_model(keras3("Dense", {"units": 2, "rank": 4}))


def test_keras_1_sequential_with_a_merge_of_branches():
    def dense(name, size, width, **more):
        return {
            "class_name": "Dense",
            "config": {"name": name, "output_dim": width, "init": "one", "bias": False}
            | ({"batch_input_shape": [None, size]} if size else {})
            | more,
        }

    branches = [
        {"class_name": "Sequential", "config": [dense("a", 2, 3), dense("b", None, 4)]},
        {"class_name": "Sequential", "config": [dense("c", 5, 4)]},
    ]
    merge = {"mode": "sum", "mode_type": "raw", "concat_axis": -1, "name": "m", "layers": branches}
    entries = [{"class_name": "Merge", "config": merge}, dense("d", None, 6)]
    model = model_from_config({"class_name": "Sequential", "config": entries})
    assert [layer.name for layer in model.layers if layer.weights] == ["a", "b", "c", "d"]
    outputs = model.predict([np.ones((1, 2), "f"), np.ones((1, 5), "f")], verbose=0)
    np.testing.assert_array_equal(outputs, np.full((1, 6), 4 * (6 + 5)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"mode": "concat", "concat_axis": 1}, [1, 2, 3, 4]),
        ({"mode": "mul"}, [3, 8]),
        ({"mode": "ave"}, [2, 3]),
        ({"mode": "max"}, [3, 4]),
        ({"mode": "dot", "dot_axes": [[1], [1]]}, [11]),
        ({"mode": "dot", "dot_axes": 1}, [11]),
    ],
)
def test_keras_1_merge(arguments, expected):
    def entry(name, batch):
        return {
            "class_name": "InputLayer",
            "name": name,
            "config": {"batch_input_shape": [None, 2], "input_dtype": "float32", "name": name},
            "inbound_nodes": [],
        }

    merge = {
        "class_name": "Merge",
        "name": "m",
        "config": {"name": "m", "mode_type": "raw", **arguments},
        "inbound_nodes": [[["x", 0, 0], ["y", 0, 0]]],
    }
    body = {
        "name": "two",
        "layers": [entry("x", 2), entry("y", 2), merge],
        "input_layers": [["x", 0, 0], ["y", 0, 0]],
        "output_layers": [["m", 0, 0]],
    }
    model = model_from_config({"class_name": "Model", "config": body})
    x, y = np.array([[1, 2]], "f"), np.array([[3, 4]], "f")
    np.testing.assert_array_equal(np.ravel(model.predict([x, y], verbose=0)), expected)


def test_keras_3_operations_in_a_graph():
    def tensor(name):
        history = {"shape": [None, 3], "dtype": "float32", "keras_history": [name, 0, 0]}
        return {"class_name": "__keras_tensor__", "config": history}

    def operation(kind, name, args, **arguments):
        return {
            "module": "keras.src.ops.numpy",
            "class_name": kind,
            "config": {"name": name, **arguments},
            "registered_name": kind,
            "name": name,
            "inbound_nodes": [{"args": args, "kwargs": {}}],
        }

    start = keras3(
        "InputLayer", {"batch_shape": [None, 3], "name": "x"}, name="x", inbound_nodes=[]
    )
    body = {
        "name": "ops",
        "layers": [
            start,
            operation("Multiply", "double", [tensor("x"), 2.0]),
            operation("TrueDivide", "part", [tensor("double"), tensor("x")]),
            operation("Mean", "mean", [tensor("part")], axis=1, keepdims=True),
        ],
        "input_layers": ["x", 0, 0],
        "output_layers": [["mean", 0, 0]],
    }
    entry = {"module": "keras.src.models.functional", "class_name": "Functional", "config": body}
    model = model_from_config(entry)
    np.testing.assert_allclose(model.predict(np.ones((2, 3), "f"), verbose=0), [[2.0], [2.0]])
    body["layers"][1] = operation("LoadFile", "double", [tensor("x"), 2.0])
    with pytest.raises(ValueError, match=r"'LoadFile', which is none of lamina\.ops"):
        model_from_config(entry)


@registry.register_keras_serializable("reading")
class Twice(layers.Layer):
    """A registered layer that holds another one in its config."""

    def __init__(self, inner: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.inner = inner or layers.Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs) * 2.0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "inner": registry.serialize(self.inner)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        inner = registry.deserialize("layer", config.pop("inner"))
        return cls(inner, **config)


def test_custom_classes_by_registered_and_by_plain_name():
    dense = {"class_name": "Dense", "config": {"units": 3, "name": "in"}}
    written = {"name": "t", "inner": dense}
    for entry in (
        {"class_name": "reading>Twice", "config": written},
        {
            "class_name": "Twice",
            "registered_name": "reading>Twice",
            "config": written,
            "module": "a",
        },
    ):
        made = model_from_config(entry)
        assert (type(made), made.inner.units) == (Twice, 3)
    made = model_from_config(
        {"class_name": "Scale", "registered_name": "any>Scale", "config": {"factor": 2.0}},
        {"Scale": Scale},
    )
    assert (type(made), made.factor) == (Scale, 2.0)


def test_unknown_layers_are_all_named_with_what_to_pass():
    entries = [
        {"class_name": "Mystery", "config": {"name": "first"}},
        {"class_name": "Dens", "config": {"name": "second"}},
    ]
    with pytest.raises(ValueError, match="unknown classes") as caught:
        model_from_config(stacked(*entries))
    text = str(caught.value)
    assert "'Mystery' (layer 'first')" in text
    assert "'Dens' (layer 'second')" in text
    assert "Did you mean 'Dense'?" in text
    assert "custom_objects={'Dens': ..., 'Mystery': ...}" in text


def test_a_class_of_another_package_is_not_lamina_s():
    entry = {"module": "somewhere.layers", "class_name": "Dense", "config": {"units": 2}}
    with pytest.raises(ValueError, match=r"'somewhere.layers.Dense'"):
        model_from_config(stacked(entry))
    with pytest.raises(ValueError, match=r"'mine>Dense'"):
        model_from_config(stacked(entry | {"registered_name": "mine>Dense"}))


def test_custom_objects_reach_arguments_and_end_with_the_call():
    entry = {"class_name": "Dense", "config": {"units": 1, "activation": "mine"}}
    made = model_from_config(stacked(entry), {"mine": activations.tanh})
    assert made.layers[0].activation is activations.tanh
    with pytest.raises(ValueError, match=r"Unknown activation 'mine'.*custom_objects"):
        model_from_config(stacked(entry))


def test_lambda_takes_the_function_under_the_name_of_the_layer():
    code = {"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None}}
    entry = keras3("Lambda", {"name": "lambda_1", "function": code, "arguments": {}})
    with pytest.raises(ValueError, match=r"Lambda 'lambda_1'.*custom_objects=\{'lambda_1': ...\}"):
        model_from_config(stacked(entry))
    made = model_from_config(stacked(entry), {"lambda_1": lambda x: x + 1})
    np.testing.assert_array_equal(made(np.zeros((1, 2), "f")), [[1, 1]])
    named = {"class_name": "lamina", "config": "backend.relu"}
    made = model_from_config(stacked({"class_name": "Lambda", "config": {"function": named}}))
    np.testing.assert_array_equal(made(np.array([[-1, 2]], "f")), [[0, 2]])


def test_a_stack_without_input_is_built_for_the_shape_of_the_config():
    body = {
        "layers": [{"class_name": "Dense", "config": {"units": 2}}],
        "build_input_shape": [None, 5],
    }
    made = model_from_config({"class_name": "Sequential", "config": body})
    assert made.built
    assert made.layers[0].kernel.shape == (5, 2)


def test_models_of_keras_3_that_are_frozen():
    frozen = {"layers": [keras3("Dense", {"units": 2, "name": "d"})], "trainable": False}
    made = model_from_config({"class_name": "Sequential", "config": frozen})
    assert not made.trainable
    assert not made.layers[0].trainable


def test_to_json_and_back():
    rng = np.random.default_rng(0)
    x, y = layers.Input((4,), name="x"), layers.Input((3,), name="y")
    shared = layers.Dense(5, name="shared")
    inner = Sequential([layers.Dense(4, input_shape=(3,), name="in")], name="inner")
    both = layers.Concatenate(name="both")([shared(x), shared(inner(y))])
    model = Model([x, y], {"first": layers.Dense(2, name="first")(both), "second": both})
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    values = [rng.normal(size=(6, 4)).astype("f"), rng.normal(size=(6, 3)).astype("f")]
    old, new = model.predict(values, verbose=0), again.predict(values, verbose=0)
    for key in ("first", "second"):
        np.testing.assert_array_equal(old[key], new[key])


def test_yaml_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"no YAML.*to_json\(\).*model_from_json"):
        model_from_yaml("class_name: Sequential")
    with pytest.raises(ValueError, match=r"no YAML.*to_json\(\)"):
        Sequential().to_yaml()
    with pytest.raises(ValueError, match="looks like YAML"):
        model_from_json("backend: tensorflow\nclass_name: Sequential\nconfig: []")
    with pytest.raises(TypeError, match="must be JSON text, got dict"):
        model_from_json({})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "thing",
    [
        layers.Dense(3, activation="relu", name="d"),
        Sequential([layers.Input((3,), name="i"), layers.Dense(2, name="e")], name="s"),
        {"a": [1, None, "text"], "b": {"c": 2.5}},
        regularizers.L1L2(0.1, 0.2),
        initializers.HeNormal(seed=3),
        schedules.ExponentialDecay(0.1, 10, 0.5),
        losses.Huber(2.0),
        activations.hard_sigmoid_keras3,
        activations.gelu,
        policy.DTypePolicy("mixed_bfloat16"),
        slice(1, None, 2),
        ...,
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_objects_are_written_and_read_again(thing):
    written = saving.serialize_keras_object(thing)
    again = saving.deserialize_keras_object(json.loads(json.dumps(written)))
    assert type(again) is type(thing)
    if hasattr(thing, "get_config"):
        assert again.get_config() == thing.get_config()
    else:
        assert again == thing


def test_operations_of_tf_keras_in_a_graph():
    def operation(function, name, *inputs):
        config = {"name": name, "trainable": True, "dtype": "float32", "function": function}
        kind = "SlicingOpLambda" if function.endswith("getitem") else "TFOpLambda"
        return {"class_name": kind, "name": name, "config": config, "inbound_nodes": [*inputs]}

    def entry(name):
        config = {"batch_input_shape": [None, 4], "dtype": "float32", "name": name}
        return {"class_name": "InputLayer", "name": name, "config": config, "inbound_nodes": []}

    spec = [{"start": None, "stop": None, "step": None}, {"start": 1, "stop": 3, "step": None}]
    body = {
        "layers": [
            entry("x"),
            operation("__operators__.add", "plus", ["x", 0, 0, {"y": 1.0, "name": None}]),
            operation("math.multiply", "times", ["plus", 0, 0, {"y": ["x", 0, 0], "name": None}]),
            operation("__operators__.getitem", "part", ["times", 0, 0, {"slice_spec": spec}]),
            operation("math.reduce_mean", "mean", ["part", 0, 0, {"axis": 1, "keepdims": True}]),
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["mean", 0, 0]],
    }
    model = model_from_config({"class_name": "Functional", "config": body})
    np.testing.assert_allclose(model(np.array([[0, 1, 2, 3]], "f")), [[(2 + 6) / 2]])


def test_operations_that_keras_3_writes_without_a_module():
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    start = {"class_name": "InputLayer", "config": {"batch_shape": [None, 3], "name": "x"}}
    add = {"class_name": "Add", "config": {"name": "add"}, "name": "add"}
    body = {
        "layers": [
            start | {"name": "x", "inbound_nodes": []},
            add | {"inbound_nodes": [{"args": [tensor, 2.0], "kwargs": {}}]},
        ],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["add", 0, 0]],
    }
    model = config.read_model({"class_name": "Functional", "config": body}, version="3.15.1")
    np.testing.assert_array_equal(model(np.ones((1, 3), "f")), [[3, 3, 3]])
