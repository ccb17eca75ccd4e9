"""Trajectories, defaults and configs of optimizers against recordings of real Keras."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import optimizers
from lamina.core.variable import Variable

ROOT = Path(__file__).parent
GOLDEN3 = json.loads((ROOT / "golden" / "optimizers_keras3.json").read_text())
GOLDEN2 = json.loads((ROOT / "golden" / "optimizers_keras2.json").read_text())


def _recorder():
    path = ROOT.parent / "tools" / "golden_optimizers.py"
    spec = importlib.util.spec_from_file_location("golden_optimizers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECORDER = _recorder()


def variables_of_problem():
    values, gradients = RECORDER.problem()
    variables = []
    for path, value in zip(RECORDER.SHAPES, values, strict=True):
        variable = Variable(value, name=path.rsplit("/", maxsplit=1)[-1])
        variable.path = path
        variables.append(variable)
    return variables, gradients


def cases(golden):
    return [pytest.param(one, id=f"{one['name']}-{i}") for i, one in enumerate(golden)]


def close(variables, expected, note, atol=2e-7):
    for variable, flat in zip(variables, expected, strict=True):
        np.testing.assert_allclose(
            variable.numpy().ravel(), flat, rtol=1e-5, atol=atol, err_msg=f"{note} {variable.path}"
        )


def run(optimizer, expected, atol=2e-7):
    variables, gradients = variables_of_problem()
    for step, row in enumerate(gradients, 1):
        optimizer.apply([jnp.asarray(g) for g in row], variables)
        if str(step) in expected:
            close(variables, expected[str(step)], f"step {step}", atol)
    return variables


@pytest.mark.parametrize("case", cases(GOLDEN3["optimizers"]))
def test_trajectory_is_that_of_keras3(case):
    optimizer = optimizers.deserialize(
        {"class_name": case["name"], "config": copy.deepcopy(case["config"])}
    )
    variables = run(optimizer, case["steps"])
    assert len(case["steps"]) == 4
    optimizer.finalize_variable_values(variables)
    close(variables, case["final"], "final")


@pytest.mark.parametrize("case", cases(GOLDEN2["optimizers"]))
def test_trajectory_with_decay_is_that_of_keras2(case):
    # TensorFlow's float32 powers differ by a unit: 1 - 0.999 ** t has 4 digits less.
    optimizer = optimizers.deserialize({"class_name": case["name"], "config": case["config"]})
    run(optimizer, case["steps"], atol=4e-6)
    again = optimizers.deserialize({"class_name": case["name"], "config": case["written"]})
    assert numbers(again.get_config()) == pytest.approx(numbers(optimizer.get_config()), rel=1e-6)


def numbers(config):
    return {key: float(value) for key, value in config.items() if isinstance(value, int | float)}


# Slots that are not kept: Adafactor's are recomputed from rows and columns.
WITHOUT_SAME_WEIGHTS = {"Adafactor"}


@pytest.mark.parametrize(
    "case", cases([c for c in GOLDEN3["optimizers"] if c["name"] not in WITHOUT_SAME_WEIGHTS])
)
def test_weights_have_the_order_of_keras3(case):
    optimizer = optimizers.deserialize(
        {"class_name": case["name"], "config": copy.deepcopy(case["config"])}
    )
    optimizer.build(variables_of_problem()[0])
    assert [list(w.shape) for w in optimizer.weights] == [shape for shape, _ in case["weights"]]
    names = [name for _, name in case["weights"]]
    for weight, name in zip(optimizer.weights, names, strict=True):
        if not name.startswith("variable"):
            assert weight.name.endswith(name.rsplit("_", 1)[-1]), (weight.name, name)


@pytest.mark.parametrize("name", GOLDEN3["defaults"])
def test_defaults_are_those_of_keras3(name):
    config = optimizers.get(name).get_config()
    expected = GOLDEN3["defaults"][name]
    assert config["learning_rate"] == pytest.approx(expected["learning_rate"], rel=1e-6)
    # The recorded name has a number: it was not the first of its class.
    assert re.sub(r"_\d+$", "", expected["name"]) == config["name"]
    apart = ("learning_rate", "name")
    assert {key: config[key] for key in config if key not in apart} == {
        key: expected[key] for key in expected if key not in apart
    }


def test_loss_scale_is_that_of_keras3():
    golden = GOLDEN3["loss_scale"]
    variables, gradients = variables_of_problem()
    gradients[3][0] = gradients[3][0] * np.float32(np.inf)
    optimizer = optimizers.LossScaleOptimizer(
        optimizers.Adam(0.1), initial_scale=4.0, dynamic_growth_steps=2
    )
    scales = []
    for step, row in enumerate(gradients, 1):
        optimizer.apply([jnp.asarray(g) for g in row], variables)
        scales.append(float(optimizer.dynamic_scale))
        if str(step) in golden["steps"]:
            close(variables, golden["steps"][str(step)], f"step {step}")
    assert scales == golden["scales"]
    assert int(optimizer.iterations) == len(gradients) - 1
