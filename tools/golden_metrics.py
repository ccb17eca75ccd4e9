"""Record what the metrics of Keras 3.15 and 2.2.4 give, for tests/golden/metrics.json.

Run it once under each release (KERAS_BACKEND=jax for Keras 3); each run fills its own part.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

TARGET = Path(__file__).parent.parent / "tests" / "golden" / "metrics.json"


def data():
    """Two batches of 9 and 9 rows of each kind of target and prediction."""
    rng = np.random.RandomState(7)
    found = {}
    for _batch in (0, 1):
        p = rng.uniform(size=(9, 4))
        share = p / p.sum(axis=1, keepdims=True)
        labels = rng.randint(0, 4, size=9)
        sets = {
            "binary": (rng.randint(0, 2, size=(9, 4)), p),
            "column": (rng.randint(0, 2, size=(9, 1)), rng.uniform(size=(9, 1))),
            "flat": (rng.randint(0, 2, size=9), rng.uniform(size=9)),
            "onehot": (np.eye(4)[labels], share),
            "sparse": (labels, share),
            "sparse_steps": (rng.randint(0, 4, size=(9, 3)), rng.uniform(size=(9, 3, 4))),
            "ties": (np.eye(4)[labels], np.round(p * 2) / 2),
            "numbers": (rng.normal(size=(9, 4)), rng.normal(size=(9, 4))),
            "positive": (rng.uniform(0.1, 2, size=(9, 4)), rng.uniform(0.1, 2, size=(9, 4))),
            "signs": (rng.randint(0, 2, size=(9, 4)) * 2 - 1, rng.normal(size=(9, 4))),
            "segments": (rng.randint(0, 4, size=(9, 5)), rng.randint(0, 4, size=(9, 5))),
            "counted": (rng.randint(0, 3, size=(9, 4)), rng.randint(0, 3, size=(9, 4))),
            "logits": (rng.randint(0, 2, size=9), rng.normal(size=9) * 3),
        }
        weights = {
            "row": rng.uniform(0.2, 2, size=9),
            "element": rng.uniform(0.2, 2, size=(9, 4)),
            "step": rng.uniform(0.2, 2, size=(9, 3)),
            "whole": rng.randint(0, 4, size=(9, 5)),
            "zeros": np.r_[np.ones(4), np.zeros(5)],
        }
        for name, (y_true, y_pred) in sets.items():
            pair = [np.asarray(y_true, "float32"), np.asarray(y_pred, "float32")]
            found.setdefault(name, []).append(pair)
        for name, weight in weights.items():
            found.setdefault("weights_" + name, []).append(np.asarray(weight, "float32"))
    return found


ROW = (None, "row", "zeros")
FULL = (None, "row", "element", "zeros")
OBJECTS = [
    ("BinaryAccuracy", {}, "binary", FULL),
    ("BinaryAccuracy", {"threshold": 0.7}, "column", ROW),
    ("CategoricalAccuracy", {}, "onehot", ROW),
    ("CategoricalAccuracy", {}, "ties", ROW),
    ("SparseCategoricalAccuracy", {}, "sparse", ROW),
    ("SparseCategoricalAccuracy", {}, "sparse_steps", (None, "row", "step")),
    ("TopKCategoricalAccuracy", {"k": 2}, "ties", ROW),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "sparse", ROW),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, "sparse_steps", (None, "step")),
    ("Accuracy", {}, "counted", FULL),
    ("MeanSquaredError", {}, "numbers", ROW),
    ("RootMeanSquaredError", {}, "numbers", FULL),
    ("MeanAbsoluteError", {}, "numbers", ROW),
    ("MeanAbsolutePercentageError", {}, "positive", ROW),
    ("MeanSquaredLogarithmicError", {}, "positive", ROW),
    ("LogCoshError", {}, "numbers", ROW),
    ("CosineSimilarity", {}, "numbers", ROW),
    ("R2Score", {}, "numbers", ROW),
    ("R2Score", {"class_aggregation": None}, "numbers", ROW),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, "numbers", ROW),
    ("R2Score", {"num_regressors": 3}, "numbers", ROW),
    ("PearsonCorrelation", {}, "numbers", ROW),
    ("ConcordanceCorrelation", {}, "numbers", ROW),
    ("BinaryCrossentropy", {}, "binary", ROW),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary", ROW),
    ("CategoricalCrossentropy", {}, "onehot", ROW),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "onehot", ROW),
    ("SparseCategoricalCrossentropy", {}, "sparse", ROW),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sparse_steps", (None, "step")),
    ("KLDivergence", {}, "onehot", ROW),
    ("Poisson", {}, "positive", ROW),
    ("Hinge", {}, "signs", ROW),
    ("SquaredHinge", {}, "signs", ROW),
    ("CategoricalHinge", {}, "onehot", ROW),
    ("TruePositives", {}, "binary", FULL),
    ("FalsePositives", {"thresholds": [0.7, 0.2]}, "binary", FULL),
    ("TrueNegatives", {"thresholds": 0.3}, "flat", ROW),
    ("FalseNegatives", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "column", ROW),
    ("Precision", {}, "binary", FULL),
    ("Precision", {"top_k": 2}, "binary", ROW),
    ("Precision", {"class_id": 2, "thresholds": [0.3, 0.6]}, "binary", ROW),
    ("Recall", {}, "flat", ROW),
    ("Recall", {"top_k": 3, "class_id": 1}, "binary", ROW),
    ("Recall", {"thresholds": [x / 10 for x in range(11)]}, "binary", FULL),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, "column", ROW),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 11}, "column", ROW),
    ("PrecisionAtRecall", {"recall": 0.5}, "binary", ROW),
    ("RecallAtPrecision", {"precision": 0.5, "class_id": 3}, "binary", ROW),
    ("SensitivityAtSpecificity", {"specificity": 0.6, "num_thresholds": 1}, "column", ROW),
    ("F1Score", {}, "binary", ROW),
    ("F1Score", {"average": "micro", "threshold": 0.5}, "binary", ROW),
    ("FBetaScore", {"beta": 2.0, "average": "macro", "threshold": 0.4}, "binary", ROW),
    ("FBetaScore", {"beta": 0.5, "average": "weighted"}, "ties", ROW),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, "segments", (None, "whole")),
    ("MeanIoU", {"num_classes": 4}, "segments", (None, "whole")),
    ("MeanIoU", {"num_classes": 6, "ignore_class": 3}, "segments", (None, "whole")),
    ("BinaryIoU", {"threshold": 0.3}, "binary", (None,)),
    ("BinaryIoU", {"target_class_ids": [1], "dtype": "float32"}, "binary", (None, "element")),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [1, 3]}, "onehot", (None,)),
    ("OneHotMeanIoU", {"num_classes": 4}, "onehot", (None,)),
    *[
        ("AUC", {"curve": curve, "summation_method": method}, "binary", FULL)
        for curve in ("ROC", "PR", "PRGAIN")
        for method in ("interpolation", "majoring", "minoring")
    ],
    ("AUC", {}, "flat", ROW),
    ("AUC", {"num_thresholds": 5, "curve": "PR"}, "column", ROW),
    ("AUC", {"thresholds": [0.2, 0.35, 0.9]}, "column", ROW),
    ("AUC", {"multi_label": True}, "binary", ROW),
    ("AUC", {"multi_label": True, "label_weights": [0.1, 0.2, 0.3, 0.4]}, "binary", ROW),
    ("AUC", {"multi_label": True, "num_labels": 4, "curve": "PR"}, "binary", ROW),
    ("AUC", {"label_weights": [0.1, 0.2, 0.3, 0.4]}, "binary", ROW),
    ("AUC", {"from_logits": True}, "logits", ROW),
]
FUNCTIONS = {
    "binary_accuracy": "binary",
    "categorical_accuracy": "onehot",
    "sparse_categorical_accuracy": "sparse",
    "mean_squared_error": "numbers",
    "mean_absolute_error": "numbers",
    "mean_absolute_percentage_error": "positive",
    "mean_squared_logarithmic_error": "positive",
    "hinge": "signs",
    "squared_hinge": "signs",
    "logcosh": "numbers",
    "categorical_crossentropy": "onehot",
    "sparse_categorical_crossentropy": "sparse",
    "binary_crossentropy": "binary",
    "kullback_leibler_divergence": "onehot",
    "poisson": "positive",
    "cosine_proximity": "numbers",
    "cosine": "numbers",
}
OVER_BATCH = {"top_k_categorical_accuracy": "ties", "sparse_top_k_categorical_accuracy": "sparse"}


def objects():
    batches, found = data(), []
    for name, options, kind, weights in OBJECTS:
        for weight in weights:
            metric = getattr(keras.metrics, name)(**options)
            results = []
            for number, (y_true, y_pred) in enumerate(batches[kind]):
                given = None if weight is None else batches["weights_" + weight][number]
                metric.update_state(y_true, y_pred, sample_weight=given)
                results.append(np.asarray(metric.result(), "float64").tolist())
            found.append([name, options, kind, weight, results])
    return found


def functions():
    from keras import backend as K

    batches, found = data(), []
    for table, options in ((FUNCTIONS, {}), (OVER_BATCH, {"k": 2})):
        for name, kind in table.items():
            y_true, y_pred = (K.variable(part) for part in batches[kind][0])
            value = K.eval(getattr(keras.metrics, name)(y_true, y_pred, **options))
            found.append([name, options, kind, np.asarray(value, "float64").tolist()])
    return found


def lists(value):
    return value.tolist() if isinstance(value, np.ndarray) else [lists(part) for part in value]


def main():
    stored = json.loads(TARGET.read_text()) if TARGET.exists() else {}
    stored["data"] = {name: lists(batches) for name, batches in data().items()}
    if keras.__version__.startswith("3."):
        stored["objects"] = objects()
    else:
        stored["functions"] = functions()
    TARGET.write_text(json.dumps(stored, separators=(",", ":")))
    print(keras.__version__, len(stored.get("objects", [])), len(stored.get("functions", [])))


if __name__ == "__main__":
    sys.exit(main())
