"""Outputs, gradients and one SGD step of the layers of attention, as recorded from Keras 3.15.

The cases are in ``tools/attention_cases.py``, the recording script is
``tools/golden_attention.py``.
"""

import json
import runpy
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.core import pure
from lamina.core.weights import regularization

FOLDER = Path(__file__).parents[1] / "golden"
TABLE = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "attention_cases.py"))
CASES = TABLE["cases"]()
QUICK = {"xla_backend_optimization_level": 0}
RATE = 0.1


@cache
def recorded():
    with np.load(FOLDER / "attention_keras3.npz") as arrays:
        stored = dict(arrays)
    return json.loads((FOLDER / "attention_keras3.json").read_text()), stored


class Case:
    """A layer with the recorded weights, its inputs, and a step as a pure function."""

    def __init__(self, kind, place, arguments, shapes, call):
        rng = TABLE["numbers"](kind, place)
        inputs = [rng.normal(size=shape).astype("f") for shape in shapes]
        call = TABLE["made_masks"](call, rng)
        self.layer = getattr(layers, kind)(**arguments)
        if TABLE["listed"](kind):
            masks = [call.pop("query_mask", None), call.pop("value_mask", None)]
            self.mask = masks if any(mask is not None for mask in masks) else None
            self.args = lambda given: (list(given),)
        else:
            self.mask, self.args = None, tuple
        self.call, self.inputs = call, inputs
        kwargs = call if self.mask is None else {**call, "mask": self.mask}
        shown = jax.eval_shape(lambda given: self.layer(*self.args(given), **kwargs), inputs)
        first = shown[0] if isinstance(shown, tuple) else shown
        self.layer.set_weights([rng.normal(size=w.shape).astype("f") for w in self.layer.weights])
        self.target = rng.normal(size=first.shape).astype("f")

    def outputs(self, values, inputs):
        outcome = pure.run(
            self.layer._computed,
            self.layer.weights,
            values,
            self.args(inputs),
            dict(self.call),
            self.mask,
        )
        outputs = outcome.result[0]
        return list(outputs) if isinstance(outputs, tuple) else [outputs]

    def __call__(self, values, inputs, target):
        def loss(values, inputs):
            total = jnp.mean(jnp.square(self.outputs(values, inputs)[0] - target))
            penalties = pure.run(
                lambda: regularization(self.layer.weights), self.layer.weights, values
            )
            return sum(penalties.result, total)

        slopes, gradients = jax.grad(loss, (0, 1))(values, inputs)
        new = []
        for weight, value, slope in zip(self.layer.weights, values, slopes, strict=True):
            moved = value - RATE * slope
            new.append(moved if weight.constraint is None else weight.constraint(moved))
        return [*self.outputs(values, inputs), *gradients, *new]


@pytest.mark.parametrize("kind", CASES)
def test_step_is_that_of_keras(kind):
    facts, stored = recorded()
    cases = [Case(kind, place, *case) for place, case in enumerate(CASES[kind])]
    for case, fact in zip(cases, facts[kind], strict=True):
        names = [weight.path.split("/", 1)[1] for weight in case.layer.weights]
        assert names == fact["weights"]
    given = [([w.value for w in case.layer.weights], case.inputs, case.target) for case in cases]
    program = jax.jit(
        lambda given: [case(*a) for case, a in zip(cases, given, strict=True)],
        compiler_options=QUICK,
    )
    wrong, start = [], 0
    found = program(given)
    for described, fact, results in zip(CASES[kind], facts[kind], found, strict=True):
        for number, (shape, result) in enumerate(zip(fact["shapes"], results, strict=True)):
            end = start + int(np.prod(shape))
            right = stored[kind][start:end].reshape(shape)
            start = end
            if result.shape != right.shape:
                wrong.append(f"{described}: {number} has shape {result.shape}, not {right.shape}")
            elif not np.allclose(result, right, rtol=1e-5, atol=3e-5):  # sums of numbers up to 30
                distance = np.abs(np.asarray(result) - right).max()
                wrong.append(f"{described}: {number} is {distance} away")
    assert wrong == []
    assert start == stored[kind].size


@pytest.mark.parametrize("kind", CASES)
def test_a_layer_has_at_least_15_recorded_cases(kind):
    assert len({json.dumps(case, sort_keys=True) for case in CASES[kind]}) >= 15
