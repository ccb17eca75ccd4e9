"""Metrics against numbers recorded from Keras 3.15 and 2.2.4 (tools/golden_metrics.py)."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from lamina import metrics

GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text())
INTEGERS = {"sparse", "sparse_steps", "segments", "counted"}


def _cases():
    for number, (name, options, kind, weight, results) in enumerate(GOLDEN["objects"]):
        yield pytest.param(
            name, options, kind, weight, results, id=f"{number}-{name}-{kind}-{weight}"
        )


def batches(kind, weight):
    for number, (y_true, y_pred) in enumerate(GOLDEN["data"][kind]):
        labels = np.array(y_true, "int32" if kind in INTEGERS else "float32")
        given = None
        if weight is not None:
            given = np.array(GOLDEN["data"]["weights_" + weight][number], "float32")
        yield labels, np.array(y_pred, "float32"), given


@pytest.mark.parametrize(("name", "options", "kind", "weight", "results"), list(_cases()))
def test_object_gives_what_keras_gives(name, options, kind, weight, results):
    metric = getattr(metrics, name)(**options)
    for (y_true, y_pred, given), expected in zip(batches(kind, weight), results, strict=True):
        metric.update_state(y_true, y_pred, sample_weight=given)
        np.testing.assert_allclose(metric.result(), expected, rtol=1e-5, atol=1e-6)


ONE_OF_EACH = list({name: case for case in _cases() for name in [case.values[0]]}.values())


COMPILED = (
    *("Accuracy", "SparseTopKCategoricalAccuracy", "MeanSquaredError", "RootMeanSquaredError"),
    *("R2Score", "FalseNegatives", "Precision", "PrecisionAtRecall", "FBetaScore", "IoU", "AUC"),
)


@pytest.mark.parametrize(
    ("name", "options", "kind", "weight", "results"),
    [case for case in ONE_OF_EACH if case.values[0] in COMPILED],
)
def test_compiled_and_stateless_gives_the_same(name, options, kind, weight, results):
    metric = getattr(metrics, name)(**options)
    both = list(batches(kind, weight))
    metric.build(both[0][0].shape, both[0][1].shape)
    step = jax.jit(metric.stateless_update_state)
    state = metric.stateless_reset_state()
    for y_true, y_pred, given in both:
        state = step(state, y_true, y_pred, sample_weight=given)
    found = jax.jit(metric.stateless_result)(state)
    np.testing.assert_allclose(found, results[-1], rtol=1e-5, atol=1e-6)
    assert all(not np.any(np.array(variable)) for variable in metric.variables)


@pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param(*case.values[:2], id=str(case.values[0])) for case in ONE_OF_EACH],
)
def test_config_makes_the_same_metric(name, options):
    first = getattr(metrics, name)(**options)
    config = json.loads(json.dumps(metrics.serialize(first)))
    copy = metrics.deserialize(config)
    assert type(copy) is type(first)
    assert copy.get_config() == first.get_config()


@pytest.mark.parametrize(("name", "options", "kind", "expected"), GOLDEN["functions"])
def test_function_gives_what_keras_2_gives(name, options, kind, expected):
    y_true, y_pred, _ = next(batches(kind, None))
    found = getattr(metrics, name)(y_true, y_pred, **options)
    if name.endswith("top_k_categorical_accuracy"):  # Keras 2 averages these over the batch
        found = np.mean(found)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert metrics.get(name) is not None
