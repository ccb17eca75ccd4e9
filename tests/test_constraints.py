"""Constraints, their names and configs, against NumPy and recorded releases."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import constraints
from lamina.core.variable import Variable

untyped: Any = constraints
GOLDEN = json.loads((Path(__file__).parent / "golden" / "named.json").read_text())
INPUTS = np.asarray(GOLDEN["inputs"]["values"], "float32").reshape(GOLDEN["inputs"]["shape"])

NAMES = {
    "MaxNorm": ["MaxNorm", "max_norm", "maxnorm"],
    "NonNeg": ["NonNeg", "non_neg", "nonneg"],
    "UnitNorm": ["UnitNorm", "unit_norm", "unitnorm"],
    "MinMaxNorm": ["MinMaxNorm", "min_max_norm"],
}
ALIASES = [(name, cls) for cls, names in NAMES.items() for name in names]

OBJECTS = [
    constraints.MaxNorm(1.5, axis=1),
    constraints.NonNeg(),
    constraints.UnitNorm(axis=[0, 2]),
    constraints.MinMaxNorm(0.5, 0.9, 0.3, axis=-1),
]


@pytest.mark.parametrize(("name", "cls"), ALIASES)
def test_every_name_is_known(name, cls):
    assert type(constraints.get(name)) is getattr(constraints, cls)
    assert getattr(constraints, name) is getattr(constraints, cls)


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_config_round_trip(made):
    stored = json.loads(json.dumps(constraints.serialize(made)))
    back = constraints.get(stored)
    assert type(back) is type(made)
    assert back.get_config() == made.get_config()
    np.testing.assert_array_equal(back(INPUTS), made(INPUTS))
    assert type(constraints.deserialize(stored)) is type(made)


def test_defaults():
    assert constraints.MaxNorm().get_config() == {"max_value": 2, "axis": 0}
    assert constraints.UnitNorm().get_config() == {"axis": 0}
    assert constraints.MinMaxNorm().get_config() == {
        "min_value": 0.0,
        "max_value": 1.0,
        "rate": 1.0,
        "axis": 0,
    }


def test_arguments_and_configs_of_keras_1():
    assert constraints.maxnorm(m=3).get_config() == {"max_value": 3, "axis": 0}
    assert constraints.MinMaxNorm(low=0.1, high=0.4).max_value == 0.4
    assert constraints.MinMaxNorm(low=0.1, high=0.4).min_value == 0.1
    made = constraints.get({"name": "MaxNorm", "m": 3, "axis": 1})
    assert made.get_config() == {"max_value": 3, "axis": 1}
    with pytest.raises(TypeError, match="MaxNorm has no argument 'maximum'"):
        constraints.MaxNorm(maximum=3)


@pytest.mark.parametrize("release", ["keras2", "keras3"])
def test_values_of_the_releases(release):
    for name, arguments, expected in GOLDEN[release]["constraints"]:
        made = constraints.get({"class_name": name, "config": arguments})
        np.testing.assert_allclose(
            np.ravel(made(INPUTS)), expected, rtol=1e-5, atol=1e-7, err_msg=f"{name} {arguments}"
        )


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 1), [0, 1, 2]])
def test_norms(axis):
    axes = tuple(axis) if isinstance(axis, list) else axis
    norm = np.sqrt((INPUTS**2).sum(axis=axes))

    def norms(made):
        return np.sqrt((np.asarray(made(INPUTS)) ** 2).sum(axis=axes))

    bound = float(np.median(norm))
    np.testing.assert_allclose(
        norms(constraints.MaxNorm(bound, axis)), np.minimum(norm, bound), rtol=1e-5
    )
    np.testing.assert_allclose(norms(constraints.UnitNorm(axis)), np.ones_like(norm), rtol=1e-5)
    wanted = 0.25 * np.clip(norm, bound, 1.1 * bound) + 0.75 * norm
    made = constraints.MinMaxNorm(bound, 1.1 * bound, 0.25, axis)
    np.testing.assert_allclose(norms(made), wanted, rtol=1e-5)


def test_non_neg_keeps_nan():
    result = np.asarray(constraints.NonNeg()(jnp.array([-1.0, 2.0, jnp.nan])))
    np.testing.assert_array_equal(result, [0.0, 2.0, np.nan])


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_zeros_stay_finite(made):
    assert np.isfinite(made(np.zeros((2, 3, 4), "float32"))).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_shape_and_dtype_stay(made, dtype):
    result = made(jnp.asarray(INPUTS, dtype))
    assert result.shape == INPUTS.shape
    assert result.dtype == jnp.dtype(dtype)
    np.testing.assert_allclose(result.astype("float32"), made(INPUTS), rtol=0.03, atol=1e-3)


def test_norms_of_half_floats_do_not_overflow():
    large = jnp.full((4, 1), 300.0, "float16")
    np.testing.assert_allclose(constraints.UnitNorm()(large), np.full((4, 1), 0.5), rtol=1e-3)


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_variables_and_jit(made):
    np.testing.assert_array_equal(made(Variable(INPUTS)), made(INPUTS))
    np.testing.assert_allclose(jax.jit(made)(INPUTS), made(INPUTS), rtol=1e-6)


def test_functions_of_the_caller():
    def halved(w):
        return w / 2

    assert constraints.get(halved) is halved
    assert constraints.serialize(halved) == "halved"
    assert constraints.get(None) is None
    assert constraints.get(constraints.UnitNorm).axis == 0
    with pytest.raises(NotImplementedError, match="Constraint must override __call__"):
        constraints.Constraint()(INPUTS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: untyped.MaxNorm(-1), "MaxNorm: max_value must be .* at least 0, got -1"),
        (lambda: untyped.MaxNorm("a"), "MaxNorm: max_value .* got 'a'"),
        (lambda: untyped.MaxNorm(axis="x"), "MaxNorm: axis must be an int .* got 'x'"),
        (lambda: untyped.UnitNorm([]), r"UnitNorm: axis must be .* got \[\]"),
        (lambda: untyped.UnitNorm(1.5), "UnitNorm: axis must be .* got 1.5"),
        (lambda: untyped.MinMaxNorm(2, 1), "min_value .* larger than max_value, got 2 and 1"),
        (lambda: untyped.MinMaxNorm(-1, 1), "MinMaxNorm: min_value .* got -1"),
        (lambda: untyped.MinMaxNorm(rate=1.5), "MinMaxNorm: rate must be at most 1, got 1.5"),
        (lambda: untyped.MinMaxNorm(rate=-0.5), "MinMaxNorm: rate .* got -0.5"),
        (
            lambda: untyped.MaxNorm(1, axis=3)(INPUTS),
            r"MaxNorm: axis must lie within the weight's shape \(2, 3, 4\), got 3",
        ),
        (lambda: untyped.get("max_nrm"), "Unknown constraint 'max_nrm'. Did you mean"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
