"""Outputs, gradients and one SGD step of all layers, as recorded from Keras 1.2.2, 2.2.4 and 3.15.

The cases are in ``tools/layer_cases.py``, the recording script is ``tools/golden_steps.py``. All
cases of a layer run in one compiled program.
"""

import json
import runpy
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import backend, layers, optimizers
from lamina.core import pure
from lamina.core.weights import regularization
from lamina.layers import Input
from lamina.models import Model

FOLDER = Path(__file__).parents[1] / "golden"
TABLE = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "layer_cases.py"))
# Each program runs once: the compiler's time is what counts.
QUICK = {"xla_backend_optimization_level": 0}
RELEASES = ("keras1", "keras2", "keras3")
KINDS = [(release, kind) for release in RELEASES for kind in sorted(TABLE[release]())]
# Keras 3 has another name for a weight.
OTHER_NAMES = {"DepthwiseConv1D": "depthwise_kernel", "DepthwiseConv2D": "depthwise_kernel"}


@cache
def recorded(release):
    with np.load(FOLDER / f"steps_{release}.npz") as arrays:
        stored = dict(arrays)
    return json.loads((FOLDER / f"steps_{release}.json").read_text()), stored


def made(kind, arguments):
    """The layer; Keras has functions of its backend where the table has names."""
    kind, arguments = kind.split("/")[0], dict(arguments)
    if kind == "Lambda":
        arguments["function"] = getattr(backend, arguments["function"])
    return getattr(layers, kind)(**arguments)


def one(values):
    return values[0] if len(values) == 1 else values


class Case:
    """A layer with the recorded weights, its inputs, and a step as a pure function."""

    def __init__(self, kind, place, arguments, specs, fact, dtype=None):
        rng = TABLE["generator"](f"{kind} {dtype}" if dtype else kind, place)
        numbers = "float64" if dtype == "float64" else "float32"
        self.inputs = [TABLE["made_input"](spec, rng, numbers) for spec in specs]
        self.floats = [n for n, v in enumerate(self.inputs) if v.dtype == numbers]
        if kind == "Embedding":
            self.floats = []
        self.layer = made(kind, arguments)
        shapes = jax.eval_shape(self.layer, one(self.inputs))
        other = OTHER_NAMES.get(kind, "kernel")
        stated = [other if name == "kernel" else name for name in fact["weights"]]
        assert [weight.name for weight in self.layer.weights] == stated
        named = [(weight.name, weight.shape) for weight in self.layer.weights]
        values = [TABLE["made_weight"](name, shape, rng, numbers) for name, shape in named]
        self.layer.set_weights(values)
        self.target = rng.normal(size=shapes.shape).astype(numbers)
        self.training = TABLE["trains"](kind)
        self.optimizer = optimizers.SGD(0.1)
        self.state = self.optimizer.init(self.layer.trainable_weights)

    def __call__(self, values, inputs, target):
        """Output, gradients of the inputs and new weights, as the recording has them."""
        layer = self.layer
        idle = pure.run(layer._computed, layer.weights, values, (one(inputs),), {}, None)
        trained = [place for place, w in enumerate(layer.weights) if w in layer.trainable_weights]

        def loss(chosen, given):
            filled, run = list(values), list(inputs)
            for place, value in zip(trained, chosen, strict=True):
                filled[place] = value
            for place, value in zip(self.floats, given, strict=True):
                run[place] = value
            outcome = pure.run(
                self.objective, layer.weights, filled, one(run), target, training=self.training
            )
            return outcome.result, outcome.values

        chosen = [values[place] for place in trained]
        given = [inputs[place] for place in self.floats]
        (slopes, gradients), new = jax.grad(loss, (0, 1), has_aux=True)(chosen, given)
        if trained:
            hyper = self.optimizer.hyperparameters()
            stepped, _ = self.optimizer.update(slopes, self.state, chosen, hyper)
            for place, value in zip(trained, stepped, strict=True):
                constraint = layer.weights[place].constraint
                new[place] = value if constraint is None else constraint(value)
        return [idle.result[0], *gradients, *new]

    def objective(self, inputs, target):
        output, _ = self.layer._computed((inputs,), {}, None)
        total = jnp.mean(jnp.square(output.astype(target.dtype) - target))
        record = pure.context.current()
        assert record is not None
        for penalty in [p for _, p in record.losses] + regularization(self.layer.trainable_weights):
            total = total + penalty.astype(total.dtype)
        return total


def parts(case):
    """Names of what a recording holds, in order."""
    gradients = [f"gradient of input {place}" for place in case.floats]
    return ["output", *gradients, *(weight.name for weight in case.layer.weights)]


# Layers of which too few cases would leave options unseen.
# fmt: off
RANKED = (
    "SpatialDropout", "Conv", "MaxPooling", "AveragePooling", "GlobalMaxPooling",
    "GlobalAveragePooling", "ZeroPadding", "Cropping", "UpSampling", "AdaptiveMaxPooling",
    "AdaptiveAveragePooling",
)
COVERED = [f"{name}{rank}D" for name in RANKED for rank in (1, 2, 3)]
COVERED += [
    "Dense", "Activation", "Dropout", "Flatten", "Reshape", "Permute", "RepeatVector",
    "Lambda", "ActivityRegularization", "Masking", "Embedding", "Softmax", "ReLU",
    "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "GaussianNoise", "GaussianDropout",
    "AlphaDropout", "Identity", "BatchNormalization", "Add", "Subtract", "Multiply",
    "Average", "Maximum", "Minimum", "Concatenate", "Dot",
    "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D", "DepthwiseConv2D",
    "SeparableConv1D", "SeparableConv2D", "LocallyConnected1D", "LocallyConnected2D",
    "EinsumDense", "Highway", "MaxoutDense", "ParametricSoftplus", "SReLU",
    "LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization",
]
# fmt: on


@pytest.mark.parametrize("name", COVERED)
def test_a_layer_has_at_least_15_recorded_cases_of_one_release(name):
    counts = []
    for release in RELEASES:
        facts, different = recorded(release)[0], set()
        for kind, listed in TABLE[release]().items():
            if kind.split("/")[0] == name:
                pairs = zip(listed, facts[kind], strict=True)
                different |= {json.dumps(case, sort_keys=True) for case, fact in pairs if fact}
        counts.append(len(different))
    assert max(counts) >= 15


def test_all_recorded_layers_are_counted():
    assert {kind.split("/")[0] for _, kind in KINDS} == set(COVERED)


@pytest.mark.parametrize(("release", "kind"), KINDS, ids=["-".join(pair) for pair in KINDS])
def test_step_is_that_of_keras(release, kind):
    facts, stored = recorded(release)
    listed, expected = TABLE[release]()[kind], stored[kind.replace("/", "_")]
    cases = [
        Case(kind, place, arguments, specs, fact)
        for place, ((arguments, specs), fact) in enumerate(zip(listed, facts[kind], strict=True))
    ]
    arguments = [
        ([w.value for w in case.layer.weights], case.inputs, case.target) for case in cases
    ]
    program = jax.jit(
        lambda given: [case(*a) for case, a in zip(cases, given, strict=True)],
        compiler_options=QUICK,
    )
    found = program(arguments)
    wrong, start = [], 0
    for case, fact, described, results in zip(cases, facts[kind], listed, found, strict=True):
        for name, shape, result in zip(parts(case), fact["shapes"], results, strict=True):
            end = start + int(np.prod(shape))
            right = expected[start:end].reshape(shape)
            start = end
            if result.shape != right.shape:
                wrong.append(f"{described}: {name} has shape {result.shape}, not {right.shape}")
                continue
            far = ~np.isclose(result, right, rtol=1e-5, atol=1e-5)
            if name == "gradient of input 0" and kind.endswith("/exact"):
                far &= ~at_a_bend(described[0], case.inputs[0])
            if far.any():
                distance = np.abs(np.asarray(result) - right)[far].max()
                wrong.append(f"{described}: {name} is {distance} away")
    assert wrong == []
    assert start == expected.size


def at_a_bend(arguments, values):
    """Where a function has no slope: what stands for it there is a convention."""
    names = ("threshold", "max_value", "theta")
    return np.isin(values, [0.0, *(arguments[name] for name in names if name in arguments)])


# A few cases once more through the public road: penalties, constraints, moving statistics.
FITTED = [
    ("keras2", "Conv2D", 5),
    ("keras2", "Dense", 4),
    ("keras2", "Embedding", 6),
    ("keras2", "PReLU", 12),
    ("keras3", "BatchNormalization", 10),
    ("keras3", "Conv1D", 2),
    ("keras3", "Dense", 6),
    ("keras3", "GroupNormalization", 6),
    ("keras3", "LayerNormalization", 15),
]


@pytest.mark.parametrize(("release", "kind", "place"), FITTED)
def test_step_of_a_model_is_that_of_keras(release, kind, place):
    facts, stored = recorded(release)
    sizes = [[int(np.prod(s)) for s in fact["shapes"]] for fact in facts[kind]]
    arguments, specs = TABLE[release]()[kind][place]
    case = Case(kind, place, arguments, specs, facts[kind][place])
    x = case.inputs[0]
    tensor = Input(x.shape[1:], dtype=str(x.dtype))
    model = Model(tensor, case.layer(tensor))
    model.compile(optimizers.SGD(0.1), "mse")
    model.train_on_batch(x, case.target)
    end = sum(map(sum, sizes[: place + 1]))
    for weight, size in zip(case.layer.weights[::-1], sizes[place][::-1], strict=False):
        right = stored[kind][end - size : end].reshape(weight.shape)
        np.testing.assert_allclose(weight.numpy(), right, rtol=1e-5, atol=1e-5)
        end -= size
