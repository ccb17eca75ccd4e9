"""Schedules against recorded values of Keras 3 and against their definitions."""

from __future__ import annotations

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import schedules
from lamina.optimizers import SGD

GOLDEN = json.loads((Path(__file__).parent / "golden" / "optimizers_keras3.json").read_text())
CASES = [pytest.param(c, id=f"{c['name']}-{i}") for i, c in enumerate(GOLDEN["schedules"])]


@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_keras3(case):
    schedule = getattr(schedules, case["name"])(**case["config"])
    compiled = jax.jit(schedule)
    found = [float(compiled(jnp.int32(step))) for step in range(len(case["values"]))]
    np.testing.assert_allclose(found, case["values"], rtol=2e-5, atol=1e-7)
    assert float(schedule(5)) == pytest.approx(case["values"][5], rel=1e-5)
    assert compiled(jnp.int32(3)).dtype == jnp.float32


@pytest.mark.parametrize("case", CASES)
def test_config_is_that_of_keras3_and_comes_back(case):
    schedule = getattr(schedules, case["name"])(**case["config"])
    assert schedule.get_config() == case["written"]
    copy = schedules.deserialize(schedules.serialize(schedule))
    assert type(copy) is type(schedule)
    assert copy.get_config() == schedule.get_config()


def test_subclass_is_used_by_an_optimizer():
    class Stairs(schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.5 / jnp.float32(step + 1)

    optimizer = SGD(Stairs())
    assert float(optimizer.learning_rate) == 0.5
    with pytest.raises(NotImplementedError, match=r"Stairs must override get_config"):
        optimizer.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps must be a number of at le"),
        (
            lambda: schedules.CosineDecay(math.inf, 3),
            "CosineDecay: initial_learning_rate .* got inf",
        ),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "got 2 values and 2 bound"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "must rise"),
        (lambda: schedules.CosineDecayRestarts(0.1, 4, t_mul=0.5), "t_mul must be at least 1"),
        (lambda: schedules.deserialize({"class_name": "CosinDecay"}), "Did you mean 'CosineDecay'"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_schedules_are_where_keras_has_them():
    from lamina.optimizers.schedules import CosineDecay

    assert CosineDecay is schedules.CosineDecay
