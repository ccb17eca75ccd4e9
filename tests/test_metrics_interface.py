"""Names, configs, states and errors of metrics."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import metrics, registry
from lamina.core import context, pure

ALIASES = {
    "mse": "mean_squared_error", "MSE": "mean_squared_error", "mae": "mean_absolute_error",
    "MAPE": "mean_absolute_percentage_error", "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy", "logcosh": "log_cosh", "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence", "cosine": "cosine_proximity",
    "f1score": "fmeasure", "fscore": "fmeasure", "huber": "huber", "AUC": "AUC", "auc": "AUC",
    "precision": "Precision", "recall": "Recall", "acc": "Accuracy",
    "fbeta_score": "FBetaScore", "f1_score": "F1Score", "cosine_similarity": "cosine_similarity",
    "root_mean_squared_error": "RootMeanSquaredError", "binary_accuracy": "binary_accuracy",
    "sparse_top_k_categorical_accuracy": "sparse_top_k_categorical_accuracy",
}  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), ALIASES.items())
def test_names_resolve(name, expected):
    found = metrics.get(name)
    assert getattr(found, "__name__", type(found).__name__) == expected


@pytest.mark.parametrize("kind", ["objects", "functions"])
def test_every_recorded_name_is_public(kind):
    golden = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text())
    assert {case[0] for case in golden[kind]} <= set(metrics.__all__)
    assert set(registry.names("metric")) >= {"MeanIoU", "mse", "pearson_correlation"}


def test_automatic_names_are_numbered():
    first, second = metrics.AUC(), metrics.AUC()
    stem, number = f"{first.name}_0".split("_")[:2]
    assert stem == "auc"
    assert second.name == f"auc_{int(number) + 1}"


class Largest(metrics.Metric):
    def __init__(self, name="largest", scale=1.0, **options):
        super().__init__(name=name, **options)
        self.scale = scale
        self.total = self.add_weight(name="t", initializer="zeros")
        self.seen = self.add_weight("seen", (), initializer="ones", dtype="int32")
        self.extra = self.add_weight((3,), "ones", "float32", "extra")
        self.inner = metrics.Mean()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(jnp.max(y_pred) * self.scale)
        self.seen.assign_add(1)
        self.inner.update_state(y_pred)

    def result(self):
        return self.total.value / self.seen.value.astype("float32")


def test_metric_of_ones_own_in_the_style_of_tf_keras():
    metric = Largest(scale=2.0)
    assert [v.name for v in metric.variables][:3] == ["t", "seen", "extra"]
    assert len(metric.variables) == 3 + len(metric.inner.variables)
    assert not any(v.trainable for v in metric.variables)
    assert metric([0.0], np.array([3.0, 4.0], "f")) == 4
    metric.reset_states()
    assert [int(metric.seen), float(metric.total), float(metric.inner.result())] == [1, 0, 0]
    copy = Largest.from_config(metric.get_config())
    assert (copy.scale, copy.name, copy.dtype) == (2.0, "largest", "float32")


def test_state_lives_in_the_record_of_a_compiled_step():
    metric = metrics.MeanSquaredError()
    y_true, y_pred = np.zeros((4, 3), "f"), np.arange(12, dtype="f").reshape(4, 3)

    @jax.jit
    def step(values):
        done = pure.run(metric.update_state, metric.variables, values, y_true, y_pred)
        return done.values

    values = step(step([v.value for v in metric.variables]))
    assert metric.result() == 0
    np.testing.assert_allclose(metric.stateless_result(values), np.mean(y_pred**2), rtol=1e-6)


def test_wrong_label_becomes_a_fault_of_the_step():
    metric, kept = metrics.MeanIoU(3, name="iou"), []

    @jax.jit
    def step(y_true):
        now = [v.value for v in metric.variables]
        done = pure.run(metric.update_state, metric.variables, now, y_true, jnp.zeros(4))
        kept[:] = done.call.faults
        return pure.first_failure(kept)

    found = step(jnp.array([0, 1, 7, 2], jnp.int32))
    assert found.tolist()[:2] == [0, 2]
    with pytest.raises(ValueError, match=r"MeanIoU 'iou': labels of y_true .* got 7 in row 2"):
        pure.raise_noted(kept, found)


def test_wrong_label_in_a_jit_of_ones_own_gives_nan():
    metric = metrics.MeanIoU(3)
    step = jax.jit(metric.stateless_update_state)
    start = metric.stateless_reset_state()
    assert np.isnan(metric.stateless_result(step(start, jnp.array([0, 9]), jnp.array([0, 1]))))
    assert metric.stateless_result(step(start, jnp.array([0, 1]), jnp.array([0, 1]))) == 1
    assert context.current() is None


def test_out_of_range_labels_are_never_right():
    y_pred = np.array([[0.1, 0.9], [0.1, 0.9], [0.2, 0.8]], "f")
    found = metrics.sparse_categorical_accuracy(np.array([1, 5, -1]), y_pred)
    np.testing.assert_array_equal(found, [1, 0, 0])


def test_wrapper_keeps_its_function_in_a_config():
    metric = metrics.MeanMetricWrapper(metrics.binary_accuracy, threshold=0.25)
    copy = metrics.deserialize(json.loads(json.dumps(metrics.serialize(metric))))
    assert copy.name == "binary_accuracy"
    assert copy([[1, 0]], [[0.3, 0.3]]) == 0.5


def test_config_of_keras_3_is_read():
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}
    config = {"name": "f", "dtype": policy, "fn": {
        "module": "builtins", "class_name": "function", "config": "mean_squared_error",
        "registered_name": "function"}}  # fmt: skip
    metric = metrics.deserialize(
        {"module": "keras.metrics", "class_name": "MeanMetricWrapper", "config": config}
    )
    assert metric([[1.0, 3.0]], [[0.0, 0.0]]) == 5


BAD_ARGUMENTS = [
    (metrics.Precision, {"thresholds": [0.5, 1.5]}, r"Precision 'm': thresholds .* got \[1.5\]"),
    (metrics.Recall, {"top_k": 0}, r"Recall 'm': top_k must be a positive int, got 0"),
    (metrics.Recall, {"class_id": -1}, r"class_id must be an int of at least 0, got -1"),
    (metrics.AUC, {"num_thresholds": 1}, r"num_thresholds must be an int of at least 2, got 1"),
    (metrics.AUC, {"curve": "RCO"}, r"AUC 'm': curve must be one of 'ROC', 'PR'.* got 'RCO'"),
    (metrics.AUC, {"summation_method": "x"}, r"summation_method must be one of .* got 'X'|'x'"),
    (metrics.AUC, {"num_labels": 3}, r"num_labels is for multi_label=True, got 3"),
    (metrics.PrecisionAtRecall, {"recall": 2}, r"recall must be a number from 0 to 1, got 2"),
    (metrics.F1Score, {"average": "mean"}, r"F1Score 'm': average must be one of None.*'mean'"),
    (metrics.FBetaScore, {"beta": 0}, r"beta must be above 0, got 0"),
    (metrics.FBetaScore, {"threshold": 0.0}, r"threshold must be above 0"),
    (metrics.IoU, {"num_classes": 2, "target_class_ids": [2]}, r"below num_classes=2, got \[2\]"),
    (metrics.MeanIoU, {"num_classes": 0}, r"num_classes must be a positive int, got 0"),
    (metrics.R2Score, {"class_aggregation": "sum"}, r"class_aggregation must be one of"),
    (metrics.R2Score, {"num_regressors": -1}, r"num_regressors must be an int of at least 0"),
    (metrics.TopKCategoricalAccuracy, {"k": 0}, r"k must be a positive int, got 0"),
    (metrics.BinaryAccuracy, {"threshold": "a"}, r"threshold must be a number, got 'a'"),
    (metrics.Mean, {"dtype": "float33"}, r"float33"),
]


@pytest.mark.parametrize(("cls", "options", "message"), BAD_ARGUMENTS)
def test_bad_arguments_are_named(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(name="m", **options)


FOUR = np.array([0.0, 1.0, 0.0, 1.0], "f")
BAD_DATA = [
    (metrics.MeanSquaredError, {}, (np.zeros((4, 3)), np.zeros((4, 2))), r"\(4, 3\) and \(4, 2\)"),
    (metrics.BinaryAccuracy, {}, (np.zeros((4, 1)), np.zeros((4, 2))), r"'m': .* the same shape"),
    (metrics.Mean, {}, (np.zeros((4, 3)), np.zeros(5)), r"'m': sample_weight .* shape \(5,\)"),
    (metrics.CategoricalAccuracy, {}, (np.zeros(4), np.zeros((4, 2))), "sparse_categorical_acc"),
    (metrics.SparseCategoricalAccuracy, {}, (np.zeros(3), np.zeros((4, 2))), r"\(3,\)"),
    (metrics.AUC, {}, (FOUR, FOUR * 3), r"AUC 'm': y_pred must be from 0 to 1, got 3 in row 1"),
    (metrics.Precision, {}, (FOUR - 1, FOUR), r"y_true must be 0 or 1, got -1 in row 0"),
    (metrics.Precision, {"class_id": 2}, (np.ones((4, 2)), np.ones((4, 2))), r"class_id=2 needs"),
    (metrics.Precision, {"top_k": 3}, (np.ones((4, 2)), np.ones((4, 2))), r"top_k=3 needs"),
    (metrics.F1Score, {}, (FOUR, FOUR), r"F1Score 'm': .* shape \(rows, classes\)"),
    (metrics.MeanIoU, {"num_classes": 2}, (FOUR * 2, FOUR), r"from 0 to 1, got 2 in row 1"),
    (metrics.MeanIoU, {"num_classes": 2}, (FOUR, FOUR * 2), r"y_pred must be .* got 2 in row 1"),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "options", "args", "message"), BAD_DATA)
def test_bad_data_is_named(cls, options, args, message):
    with pytest.raises(ValueError, match=message):
        cls(name="m", **options).update_state(*args)


def test_unknown_name_gets_a_hint():
    with pytest.raises(ValueError, match=r"Unknown metric 'categ_accuracy'\. Did you mean 'categ"):
        metrics.get("categ_accuracy")


def test_forgotten_constructor_is_named():
    class Bare(metrics.Metric):
        def __init__(self):
            self.total = self.add_weight(name="total")

    with pytest.raises(RuntimeError, match=r"Bare: call super\(\).__init__\(\)"):
        Bare()
