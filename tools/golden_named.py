"""Record what initializers, activations, regularizers and constraints do in real releases.

Run once in an environment with Keras 2.2.4 and once in one with Keras 3 (``KERAS_BACKEND=jax``);
each run writes its part of ``tests/golden/named.json``.

    python tools/golden_named.py tests/golden/named.json
"""

import json
import os
import sys

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow" if sys.version_info < (3, 8) else "jax")

import keras
from keras import activations, constraints, initializers, regularizers

OLD = keras.__version__.startswith("2")
K = keras.backend

ACTIVATIONS = [
    ("linear", {}),
    ("relu", {}),
    ("relu", {"max_value": 2.0, "threshold": 0.5}),
    ("relu", {"alpha" if OLD else "negative_slope": 0.3, "max_value": 2.0}),
    ("relu", {"alpha" if OLD else "negative_slope": 0.3, "threshold": -0.7}),
    ("tanh", {}),
    ("sigmoid", {}),
    ("hard_sigmoid", {}),
    ("softmax", {}),
    ("softmax", {"axis": 1}),
    ("softplus", {}),
    ("softsign", {}),
    ("elu", {}),
    ("elu", {"alpha": 0.4}),
    ("selu", {}),
    ("exponential", {}),
]
NEWER = [
    ("silu", {}),
    ("gelu", {}),
    ("gelu", {"approximate": True}),
    ("mish", {}),
    ("leaky_relu", {}),
    ("leaky_relu", {"negative_slope": 0.35}),
    ("relu6", {}),
    ("log_softmax", {"axis": 1}),
    ("log_sigmoid", {}),
    ("hard_silu", {}),
    ("hard_tanh", {}),
    ("hard_shrink", {}),
    ("soft_shrink", {"threshold": 0.3}),
    ("tanh_shrink", {}),
    ("squareplus", {}),
    ("squareplus", {"b": 2}),
    ("sparse_plus", {}),
    ("sparse_sigmoid", {}),
    ("sparsemax", {}),
    ("celu", {"alpha": 0.6}),
    ("glu", {}),
    ("threshold", {"threshold": 0.4, "default_value": -2.0}),
]
REGULARIZERS = [("L1L2", {"l1": 0.03, "l2": 0.2}), ("l1", {}), ("l2", {}), ("l1_l2", {})]
CONSTRAINTS = [
    ("MaxNorm", {"max_value": 0.9}),
    ("MaxNorm", {"max_value": 1.1, "axis": [0, 1]}),
    ("NonNeg", {}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": [1, 2]}),
    ("MinMaxNorm", {"min_value": 0.8, "max_value": 1.2}),
    ("MinMaxNorm", {"min_value": 0.8, "max_value": 1.2, "rate": 0.3, "axis": 1}),
]
FIXED = [("Identity", {"gain": 1.7}, (3, 3)), ("Constant", {"value": 2.5}, (2, 3))]
SPREAD = ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform"]
SHAPES = [(40, 70), (5, 30, 50), (3, 4, 20, 30), (2, 3, 4, 20, 30)]


def numbers(value):
    evaluated = K.eval(value) if OLD and not isinstance(value, np.ndarray) else value
    found = np.asarray(evaluated, dtype="float64")
    return [float(format(x, ".8g")) for x in found.ravel()]


def tensor(array):
    return K.variable(array) if OLD else keras.ops.convert_to_tensor(array)


def made(module, name, arguments):
    """The object of a name; with nothing to set, what the bare name as a string stands for."""
    if name[0].islower() and not arguments:
        try:
            return module.get(name)
        except ValueError:
            return None
    return getattr(module, name)(**arguments)


def spread(name, shape):
    draws = np.asarray(numbers(made(initializers, name, {})(shape)))
    return [float(format(x, ".4g")) for x in (draws.std(), np.abs(draws).max())]


def record(inputs):
    x = tensor(inputs)
    todo = ACTIVATIONS + ([] if OLD else NEWER)
    regular = REGULARIZERS if OLD else [*REGULARIZERS, ("L1", {"l1": 0.3}), ("L2", {"l2": 0.3})]
    found = {
        "activations": [[n, a, numbers(getattr(activations, n)(x, **a))] for n, a in todo],
        "regularizers": [
            [n, a, numbers(made(regularizers, n, a)(x))]
            for n, a in regular
            if made(regularizers, n, a) is not None
        ],
        "constraints": [[n, a, numbers(getattr(constraints, n)(**a)(x))] for n, a in CONSTRAINTS],
        "fixed": [[n, a, s, numbers(made(initializers, n, a)(s))] for n, a, s in FIXED],
        "spread": [[n, s, spread(n, s)] for n in [*SPREAD, "lecun_normal"] for s in SHAPES],
    }
    if not OLD:
        matrix = tensor(inputs[0])
        for mode in ("rows", "columns"):
            arguments = {"factor": 0.7, "mode": mode}
            value = numbers(regularizers.OrthogonalRegularizer(**arguments)(matrix))
            found["regularizers"].append(["OrthogonalRegularizer", arguments, value])
        found["fixed"].append(
            ["Identity", {"gain": 1.7}, (2, 5), numbers(initializers.Identity(1.7)((2, 5)))]
        )
    return found


def main(path):
    found = {}
    if os.path.exists(path):
        with open(path) as file:
            found = json.load(file)
    inputs = np.random.RandomState(3).normal(size=(2, 3, 4)).round(3).astype("float32") * 1.5
    found["inputs"] = {"shape": inputs.shape, "values": [float(v) for v in inputs.ravel()]}
    found["keras2" if OLD else "keras3"] = record(inputs)
    with open(path, "w") as file:
        json.dump(found, file)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
