"""Record losses of Keras into tests/golden/losses.json; run once with each release.

    python tools/golden_losses.py tests/golden/losses.json

Keras 2.2.4 writes the part "keras2", Keras 3 the part "keras3"; the inputs are the same.
Only Python 3.7 syntax is used.
"""

import json
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "jax" if sys.version_info >= (3, 10) else "tensorflow")

import keras
import numpy as np

RELEASE = int(keras.__version__.split(".")[0])

# name of the function, kinds of targets and outputs, arguments
CASES = [
    ("mean_squared_error", "numbers", "numbers", {}),
    ("mean_absolute_error", "numbers", "numbers", {}),
    ("mean_absolute_percentage_error", "numbers", "numbers", {}),
    ("mean_squared_logarithmic_error", "numbers", "numbers", {}),
    ("squared_hinge", "signs", "numbers", {}),
    ("hinge", "signs", "numbers", {}),
    ("categorical_hinge", "one_hot", "numbers", {}),
    ("logcosh", "numbers", "numbers", {}),
    ("log_cosh", "numbers", "numbers", {}),
    ("categorical_crossentropy", "chances", "positive", {}),
    ("sparse_categorical_crossentropy", "labels", "chances", {}),
    ("binary_crossentropy", "zero_one", "chances", {}),
    ("kullback_leibler_divergence", "chances", "positive", {}),
    ("kl_divergence", "chances", "positive", {}),
    ("poisson", "counts", "positive", {}),
    ("cosine_proximity", "numbers", "positive", {}),
    ("cosine_similarity", "numbers", "positive", {}),
    ("cosine_similarity", "numbers", "positive", {"axis": 1}),
    ("hinge", "zero_one", "numbers", {}),
    ("squared_hinge", "zero_one", "numbers", {}),
    ("huber", "numbers", "numbers", {"delta": 0.7}),
    ("categorical_crossentropy", "one_hot", "numbers", {"from_logits": True}),
    ("categorical_crossentropy", "one_hot", "positive", {"label_smoothing": 0.2}),
    ("binary_crossentropy", "zero_one", "numbers", {"from_logits": True, "label_smoothing": 0.3}),
    ("binary_crossentropy", "zero_one", "chances", {"axis": 1}),
    ("sparse_categorical_crossentropy", "labels", "numbers", {"from_logits": True}),
    ("sparse_categorical_crossentropy", "labels", "positive", {"ignore_class": 2}),
    ("binary_focal_crossentropy", "zero_one", "chances", {"gamma": 1.5}),
    (
        "binary_focal_crossentropy",
        "zero_one",
        "numbers",
        {"apply_class_balancing": True, "alpha": 0.3, "from_logits": True, "label_smoothing": 0.1},
    ),
    ("categorical_focal_crossentropy", "one_hot", "positive", {"alpha": 0.4, "gamma": 1.5}),
    ("categorical_focal_crossentropy", "one_hot", "numbers", {"from_logits": True}),
    ("categorical_generalized_cross_entropy", "labels", "chances", {"q": 0.6}),
    ("dice", "zero_one", "chances", {}),
    ("dice", "zero_one", "chances", {"axis": [1, 2]}),
    ("tversky", "zero_one", "chances", {"alpha": 0.3, "beta": 0.9}),
    ("tversky", "zero_one", "chances", {"axis": [1]}),
    ("circle", "groups", "unit", {"gamma": 3.0, "margin": 0.25}),
    ("circle", "groups", "unit", {"remove_diagonal": False, "gamma": 2.0}),
    ("ctc", "words", "numbers", {}),
]

# class, arguments, kinds, whether weighted
OBJECTS = [
    ("MeanSquaredError", {"reduction": "sum_over_batch_size"}, "numbers", "numbers", "rows"),
    ("MeanSquaredError", {"reduction": "sum"}, "numbers", "numbers", "steps"),
    ("MeanSquaredError", {"reduction": "mean"}, "numbers", "numbers", "steps"),
    ("MeanSquaredError", {"reduction": "mean_with_sample_weight"}, "numbers", "numbers", "steps"),
    ("MeanAbsoluteError", {"reduction": "none"}, "numbers", "numbers", "steps"),
    ("Huber", {"delta": 0.4}, "numbers", "numbers", None),
    ("Dice", {}, "zero_one", "chances", None),
    ("Circle", {"gamma": 2.0}, "groups", "unit", None),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "labels", "positive", None),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "labels", "positive", "steps"),
    ("KLDivergence", {}, "chances", "positive", None),
]


def make_inputs():
    rng = np.random.RandomState(0)
    shape = (2, 3, 5)
    chances = rng.uniform(0.05, 1, size=shape)
    labels = rng.randint(0, 5, size=shape[:2])
    labels[0, 0] = 2
    unit = rng.normal(size=(7, 4))
    inputs = {
        "numbers": [rng.normal(size=shape), rng.normal(size=shape)],
        "signs": [np.sign(rng.normal(size=shape))] * 2,
        "zero_one": [rng.randint(0, 2, size=shape)] * 2,
        "one_hot": [np.eye(5)[labels]] * 2,
        "labels": [labels] * 2,
        "counts": [rng.poisson(2.0, size=shape)] * 2,
        "positive": [rng.uniform(0.05, 3, size=shape)] * 2,
        "chances": [chances / chances.sum(-1, keepdims=True), rng.uniform(0.02, 0.98, size=shape)],
        "groups": [np.array([0, 1, 0, 2, 1, 0, 3])] * 2,
        "unit": [unit / np.linalg.norm(unit, axis=-1, keepdims=True)] * 2,
        "words": [np.array([[3, 3], [1, 0]])] * 2,
        "rows": [rng.uniform(size=(2, 1))],
        "steps": [rng.uniform(size=shape[:2])],
    }
    return {
        kind: [np.round(value, 3).tolist() for value in values] for kind, values in inputs.items()
    }


def arrays(inputs, targets, outputs):
    true = np.array(inputs[targets][0])
    pred = np.array(inputs[outputs][1], "float32")
    return (true if targets in ("labels", "groups", "words") else true.astype("float32")), pred


def evaluate(value):
    if RELEASE == 2:
        value = keras.backend.eval(value)
    return np.asarray(value, "float64").round(7).tolist()


def main(path):
    inputs = make_inputs()
    golden = {}
    if os.path.exists(path):
        with open(path) as file:
            golden = json.load(file)
    golden["inputs"] = inputs
    rows = []
    for name, targets, outputs, arguments in CASES:
        function = getattr(keras.losses, name, None)
        if function is None or (RELEASE == 2 and arguments):
            continue
        if RELEASE == 2 and "hinge" in name and targets == "zero_one":
            continue  # used as they are there
        true, pred = arrays(inputs, targets, outputs)
        if RELEASE == 2:
            true, pred = keras.backend.variable(true), keras.backend.variable(pred)
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
        value = evaluate(function(true, pred, **given))
        rows.append([name, targets, outputs, arguments, value])
    golden[f"keras{RELEASE}"] = rows
    if RELEASE == 3:
        golden["objects"] = []
        for name, arguments, targets, outputs, weights in OBJECTS:
            true, pred = arrays(inputs, targets, outputs)
            weight = None if weights is None else np.array(inputs[weights][0], "float32")
            value = evaluate(getattr(keras.losses, name)(**arguments)(true, pred, weight))
            golden["objects"].append([name, arguments, targets, outputs, weights, value])
    with open(path, "w") as file:
        json.dump(golden, file, indent=None, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])
