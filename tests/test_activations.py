"""Activations by name, on arrays, variables and symbolic tensors, against recorded releases."""

import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import activations, registry
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable

untyped: Any = activations
GOLDEN = json.loads((Path(__file__).parent / "golden" / "named.json").read_text())
INPUTS = np.asarray(GOLDEN["inputs"]["values"], "float32").reshape(GOLDEN["inputs"]["shape"])

NAMES = [
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6",
    "selu", "sigmoid", "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus",
    "sparse_sigmoid", "sparsemax", "squareplus", "tanh", "tanh_shrink",
]  # fmt: skip
DIFFERENT = [
    ("keras3", "hard_sigmoid"),  # its slope is 1 / 6 there
    ("keras3", "sparsemax"),  # its probabilities do not sum to 1: 1.66 in one of these rows
]
ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}


@pytest.mark.parametrize("name", [*NAMES, "threshold"])
def test_every_name_is_known_and_written_back(name):
    function = getattr(activations, name)
    assert activations.get(name) is function
    assert activations.serialize(function) == name
    assert activations.deserialize(name) is function


@pytest.mark.parametrize("name", ALIASES)
def test_old_names(name):
    function = getattr(activations, ALIASES[name])
    assert activations.get(name) is function
    assert getattr(activations, name) is function
    assert activations.serialize(function) == ALIASES[name]


@pytest.mark.parametrize("release", ["keras2", "keras3"])
def test_values_of_the_releases(release):
    for name, arguments, expected in GOLDEN[release]["activations"]:
        if (release, name) in DIFFERENT:
            continue
        result = np.ravel(getattr(activations, name)(jnp.asarray(INPUTS), **arguments))
        np.testing.assert_allclose(
            result, expected, rtol=2e-5, atol=1e-6, err_msg=f"{name} {arguments}"
        )


def test_hard_sigmoid_is_that_of_keras_2():
    x = np.linspace(-4, 4, 17, dtype="float32")
    np.testing.assert_allclose(activations.hard_sigmoid(x), np.clip(0.2 * x + 0.5, 0, 1), rtol=1e-6)


def test_relu_takes_both_names_of_its_slope():
    x = jnp.array([-2.0, 3.0])
    for result in (
        activations.relu(x, 0.25),
        activations.relu(x, alpha=0.25),
        activations.relu(x, negative_slope=0.25),
    ):
        np.testing.assert_array_equal(result, [-0.5, 3.0])
    with pytest.raises(ValueError, match=r"alpha is the old name .* got 0\.25 and 0\.5"):
        activations.relu(x, 0.5, alpha=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_variables_and_symbolic_tensors(name):
    function = getattr(activations, name)
    expected = function(jnp.asarray(INPUTS))
    np.testing.assert_array_equal(function(Variable(INPUTS)), expected)
    symbolic = function(SymbolicTensor((None, 3, 4), "float32", "x"))
    assert isinstance(symbolic, SymbolicTensor)
    assert symbolic.shape == (None, *expected.shape[1:])
    assert symbolic.dtype == expected.dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_dtype_stays(name, dtype):
    assert getattr(activations, name)(jnp.asarray(INPUTS, dtype)).dtype == jnp.dtype(dtype)


def test_sparsemax_is_the_nearest_distribution():
    for row in INPUTS.reshape(-1, 4):
        found = np.asarray(activations.sparsemax(jnp.asarray(row)), "float64")
        assert found.sum() == pytest.approx(1, abs=1e-6)
        # Bisection on the shift of which the definition speaks.
        low, high = row.min() - 1.0, row.max()
        for _ in range(60):
            middle = (low + high) / 2
            larger = np.maximum(row - middle, 0).sum() > 1
            low, high = (middle, high) if larger else (low, middle)
        np.testing.assert_allclose(found, np.maximum(row - low, 0), atol=1e-6)


def test_none_is_linear():
    assert activations.get(None) is activations.linear


class Doubling:
    """Stands for a layer: an object with a config that is called."""

    def __init__(self, factor=2.0):
        self.factor = factor

    def __call__(self, x):
        return self.factor * x

    def get_config(self):
        return {"factor": self.factor}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@pytest.fixture
def doubling():
    """Register the stand-in as a layer, for one test."""
    registry.register("layer")(Doubling)
    yield Doubling
    registry._entries["layer"].pop("Doubling")
    registry._folded["layer"].pop("doubling")


def test_layer_objects_and_classes(doubling):
    made = doubling(3.0)
    assert activations.get(made) is made
    assert isinstance(activations.get(doubling), doubling)
    stored = activations.serialize(made)
    assert stored == {"class_name": "Doubling", "config": {"factor": 3.0}}
    assert activations.deserialize(stored).factor == 3.0
    assert activations.get(stored).factor == 3.0


def test_functions_of_the_caller():
    def twice(x):
        return 2 * x

    assert activations.get(twice) is twice
    assert activations.serialize(twice) == "twice"
    assert activations.deserialize("twice", {"twice": twice}) is twice
    assert activations.get(jnp.tanh) is jnp.tanh
    with registry.custom_object_scope({"twice": twice}):
        assert activations.get("twice") is twice


def test_function_of_a_keras_3_file():
    stored = {"module": "builtins", "class_name": "function", "config": "relu"}
    assert activations.deserialize(stored) is activations.relu


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rleu", "Unknown activation 'rleu'. Did you mean 'relu'"),
        ("softmx", "Did you mean 'softmax'"),
        (
            "quux",
            "Unknown activation 'quux'. Your own activation",
        ),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(ValueError, match=message):
        activations.get(name)


@pytest.mark.parametrize("value", [3, object()])
def test_other_values_are_refused(value):
    with pytest.raises(TypeError, match="activation"):
        activations.get(value)


def test_config_without_a_call_is_refused():
    class Silent:
        def get_config(self):
            return {}

    with pytest.raises(TypeError, match="An activation must be callable"):
        untyped.get(Silent())


def test_glu_needs_an_even_axis():
    with pytest.raises(ValueError, match="glu: axis 1 must have an even size"):
        activations.glu(jnp.asarray(INPUTS), axis=1)
