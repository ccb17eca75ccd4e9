"""Penalties, names and configs of regularizers, against NumPy and recorded releases."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import regularizers
from lamina.core.variable import Variable

untyped: Any = regularizers
GOLDEN = json.loads((Path(__file__).parent / "golden" / "named.json").read_text())
INPUTS = np.asarray(GOLDEN["inputs"]["values"], "float32").reshape(GOLDEN["inputs"]["shape"])
MATRIX = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")

DEFAULTS = {
    "L1L2": {"l1": 0.0, "l2": 0.0},
    "l1_l2": {"l1": 0.01, "l2": 0.01},
    "l1l2": {"l1": 0.01, "l2": 0.01},
    "activity_l1l2": {"l1": 0.01, "l2": 0.01},
    "L1": {"l1": 0.01},
    "l1": {"l1": 0.01},
    "activity_l1": {"l1": 0.01},
    "L2": {"l2": 0.01},
    "l2": {"l2": 0.01},
    "activity_l2": {"l2": 0.01},
    "OrthogonalRegularizer": {"factor": 0.01, "mode": "rows"},
    "orthogonal_regularizer": {"factor": 0.01, "mode": "rows"},
    "WeightRegularizer": {"l1": 0.0, "l2": 0.0},
    "ActivityRegularizer": {"l1": 0.0, "l2": 0.0},
    "L1L2Regularizer": {"l1": 0.0, "l2": 0.0},
}

OBJECTS = [
    regularizers.L1L2(0.3, 0.2),
    regularizers.L1(0.3),
    regularizers.L2(0.2),
    regularizers.OrthogonalRegularizer(0.4, "columns"),
    regularizers.EigenvalueRegularizer(0.7),
]


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_name_has_its_defaults(name):
    assert regularizers.get(name).get_config() == DEFAULTS[name]


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_name_is_a_public_function_or_class(name):
    assert getattr(regularizers, name)().get_config() == DEFAULTS[name]


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_config_round_trip(made):
    stored = json.loads(json.dumps(regularizers.serialize(made)))
    back = regularizers.get(stored)
    assert type(back) is type(made)
    assert back.get_config() == made.get_config()
    assert float(back(MATRIX)) == float(made(MATRIX))


@pytest.mark.parametrize("name", ["l1_l2", "l1l2", "L1L2", "activity_l1l2", "WeightRegularizer"])
def test_configs_under_old_names(name):
    expected = {"l1": 0.2, "l2": 0.5}
    stored = {"class_name": name, "config": expected}
    assert regularizers.deserialize(stored).get_config() == expected
    assert regularizers.get({"name": name, **expected}).get_config() == expected


def test_keyword_of_keras_1_and_2():
    assert regularizers.l1(l=0.3).get_config() == {"l1": 0.3}
    assert regularizers.l2(l=0.3).get_config() == {"l2": 0.3}
    with pytest.raises(TypeError, match="L2 has no argument 'rate'"):
        regularizers.l2(rate=0.3)


def test_config_keeps_python_numbers():
    assert regularizers.L2(0.1).get_config() == {"l2": 0.1}
    assert regularizers.L1L2(None, np.float64(0.3)).get_config() == {"l1": 0.0, "l2": 0.3}
    assert type(untyped.L2(np.float32(0.5)).l2) is float


@pytest.mark.parametrize("release", ["keras2", "keras3"])
def test_values_of_the_releases(release):
    for name, arguments, expected in GOLDEN[release]["regularizers"]:
        made = regularizers.get(
            name if not arguments else {"class_name": name, "config": arguments}
        )
        x = INPUTS[0] if name == "OrthogonalRegularizer" else INPUTS
        np.testing.assert_allclose(made(x), expected[0], rtol=1e-5, err_msg=name)


def test_sums():
    absolute, square = np.abs(MATRIX).sum(), (MATRIX**2).sum()
    assert float(regularizers.L1(0.3)(MATRIX)) == pytest.approx(0.3 * absolute, rel=1e-5)
    assert float(regularizers.L2(0.2)(MATRIX)) == pytest.approx(0.2 * square, rel=1e-5)
    both = regularizers.L1L2(0.3, 0.2)(MATRIX)
    assert float(both) == pytest.approx(0.3 * absolute + 0.2 * square, rel=1e-5)


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonal_regularizer(mode):
    vectors = MATRIX if mode == "rows" else MATRIX.T
    total, pairs = 0.0, 0
    for i, one in enumerate(vectors):
        for other in vectors[:i]:
            total += abs(one @ other) / np.linalg.norm(one) / np.linalg.norm(other)
            pairs += 1
    made = regularizers.OrthogonalRegularizer(0.7, mode)
    assert float(made(MATRIX)) == pytest.approx(0.7 * total / pairs, rel=1e-5)


def test_orthogonal_regularizer_of_zeros_and_of_one_row():
    made = regularizers.OrthogonalRegularizer(0.7)
    assert float(made(np.zeros((2, 3), "float32"))) == 0
    assert float(made(MATRIX[:1])) == 0
    assert np.isfinite(jax.grad(made)(jnp.zeros((2, 3)))).all()


def test_eigenvalue_regularizer():
    largest = np.sqrt(np.linalg.eigvalsh(MATRIX.T @ MATRIX).max())
    assert float(regularizers.EigenvalueRegularizer(0.7)(MATRIX)) == pytest.approx(
        0.7 * largest, rel=1e-5
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_result_is_a_scalar_of_the_input_dtype(made, dtype):
    result = made(jnp.asarray(MATRIX, dtype))
    assert result.shape == ()
    assert result.dtype == jnp.dtype(dtype)
    assert float(result) == pytest.approx(float(made(MATRIX)), rel=0.02)


def test_squares_of_half_floats_do_not_overflow():
    assert float(regularizers.L2(1e-4)(jnp.full((3,), 300.0, "float16"))) == pytest.approx(
        27, rel=1e-3
    )


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_variables_gradients_and_jit(made):
    expected = float(made(MATRIX))
    assert float(made(Variable(MATRIX))) == expected
    assert float(jax.jit(made)(MATRIX)) == pytest.approx(expected, rel=1e-6)
    step = np.random.default_rng(1).normal(size=MATRIX.shape).astype("float32")
    slope = (float(made(MATRIX + 1e-2 * step)) - float(made(MATRIX - 1e-2 * step))) / 2e-2
    gradient = np.asarray(jax.grad(made)(jnp.asarray(MATRIX)))
    assert float((gradient * step).sum()) == pytest.approx(slope, rel=0.02, abs=2e-3)


def test_functions_of_the_caller():
    def penalty(x):
        return 0.5 * x.sum()

    assert regularizers.get(penalty) is penalty
    assert regularizers.serialize(penalty) == "penalty"
    assert regularizers.deserialize("penalty", {"penalty": penalty}) is penalty
    assert regularizers.get(None) is None
    assert regularizers.get(regularizers.L2).get_config() == {"l2": 0.01}
    assert regularizers.get(regularizers.l1_l2).get_config() == {"l1": 0.01, "l2": 0.01}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: untyped.L1(-1.0), r"L1: l1 must be a number of at least 0, got -1\.0"),
        (lambda: untyped.L2("a"), "L2: l2 must be a number of at least 0, got 'a'"),
        (lambda: untyped.L1L2(0.1, float("nan")), "L1L2: l2 .* got nan"),
        (lambda: untyped.L1L2(True), "L1L2: l1 .* got True"),
        (lambda: untyped.OrthogonalRegularizer(mode="row"), "mode must be .* got 'row'"),
        (lambda: untyped.OrthogonalRegularizer(-1), "factor .* got -1"),
        (
            lambda: untyped.OrthogonalRegularizer()(INPUTS),
            r"OrthogonalRegularizer takes a matrix, got an array of shape \(2, 3, 4\)",
        ),
        (lambda: untyped.EigenvalueRegularizer(1)(INPUTS), "takes a matrix, got"),
        (lambda: untyped.get("l1l3"), "Unknown regularizer 'l1l3'. Did you mean"),
        (lambda: untyped.deserialize({"l1": 1}), "needs a 'class_name'"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_integers_are_refused():
    with pytest.raises(TypeError, match="L2 takes an array of floats, got dtype int32"):
        untyped.L2()(jnp.arange(3))
