"""Metrics against slow readings of their definitions, and sums that must not lose anything."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import metrics

rng = np.random.default_rng(3)
LABELS = rng.integers(0, 2, size=57)
SCORES = rng.uniform(size=57).astype("float32")
WEIGHTS = rng.uniform(0.2, 2, size=57).astype("float32")


def counts(threshold, weights):
    """Right and wrong predictions, one by one."""
    found = dict.fromkeys(("hit", "alarm", "quiet", "missed"), 0.0)
    for label, score, weight in zip(LABELS, SCORES, weights, strict=True):
        names = ("hit", "missed") if label else ("alarm", "quiet")
        found[names[0] if score > np.float32(threshold) else names[1]] += float(weight)
    return found


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_auc_is_the_sum_of_trapezoids(weights):
    thresholds = np.r_[-1e-7, np.arange(1, 40) / 40, 1 + 1e-7]
    points = []
    for threshold in thresholds:
        at = counts(threshold, np.ones(57) if weights is None else weights)
        points.append((at["alarm"] / (at["alarm"] + at["quiet"]),
                       at["hit"] / (at["hit"] + at["missed"])))  # fmt: skip
    x, y = np.array(points).T
    area = sum((x[i] - x[i + 1]) * (y[i] + y[i + 1]) / 2 for i in range(len(x) - 1))
    found = metrics.AUC(num_thresholds=41)(LABELS, SCORES, weights)
    np.testing.assert_allclose(found, area, rtol=1e-5)


def test_auc_with_many_thresholds_is_the_share_of_ordered_pairs():
    ones, zeros = SCORES[LABELS == 1], SCORES[LABELS == 0]
    share = np.mean([one > zero for one in ones for zero in zeros])
    np.testing.assert_allclose(metrics.AUC(5000)(LABELS, SCORES), share, atol=2e-3)


def test_many_thresholds_count_like_few():
    thresholds = list(np.linspace(0, 1, 21))
    thresholds[4], thresholds[7] = thresholds[7], thresholds[4]
    scores = np.where(SCORES < 0.6, np.round(SCORES * 20) / 20, SCORES).astype("float32")
    together = metrics.FalsePositives(thresholds)(LABELS, scores, WEIGHTS)
    alone = [metrics.FalsePositives(one)(LABELS, scores, WEIGHTS) for one in thresholds[:9]]
    np.testing.assert_allclose(together[:9], alone, rtol=1e-6)


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    at = counts(0.5, WEIGHTS)
    precision, recall = (
        at["hit"] / (at["hit"] + at["alarm"]),
        at["hit"] / (at["hit"] + at["missed"]),
    )
    columns = LABELS[:, None], SCORES[:, None], WEIGHTS
    found = metrics.F1Score(threshold=0.5)(*columns)
    np.testing.assert_allclose(found, [2 / (1 / precision + 1 / recall)], rtol=1e-5)
    np.testing.assert_allclose(metrics.Precision()(*columns), precision, rtol=1e-5)
    np.testing.assert_allclose(metrics.Recall()(*columns), recall, rtol=1e-5)


def test_r2_of_numbers_far_from_zero():
    y_true = 10_000 + rng.normal(size=(83, 2))
    y_true, y_pred = y_true.astype("f"), (y_true + rng.normal(size=(83, 2)) * 0.5).astype("f")
    weights = rng.uniform(0.2, 2, size=83)
    metric = metrics.R2Score(class_aggregation=None)
    for rows in (slice(0, 20), slice(20, 83)):
        metric.update_state(y_true[rows], y_pred[rows], weights[rows])
    truth, found = y_true.astype("d"), y_pred.astype("d")
    mean = np.average(truth, axis=0, weights=weights)
    residual, spread = weights @ (truth - found) ** 2, weights @ (truth - mean) ** 2
    np.testing.assert_allclose(metric.result(), 1 - residual / spread, rtol=1e-4)


def test_r2_of_constant_targets():
    assert metrics.R2Score()([[2.0], [2.0]], [[2.0], [2.0]]) == 1
    assert metrics.R2Score()([[2.0], [2.0]], [[2.0], [3.0]]) == 0


def test_pearson_is_that_of_numpy():
    y_true, y_pred = rng.normal(size=(2, 5, 31)).astype("f")
    expected = [np.corrcoef(*row)[0, 1] for row in zip(y_true, y_pred, strict=True)]
    np.testing.assert_allclose(metrics.pearson_correlation(y_true, y_pred), expected, rtol=1e-5)


def test_top_k_gives_ties_the_better_place():
    scores = np.array([[0.5, 0.3, 0.3, 0.1, np.nan]] * 7, "float32")
    labels = np.array([0, 1, 2, 3, 4, 5, -1])
    found = metrics.sparse_top_k_categorical_accuracy(labels, scores, k=2)
    np.testing.assert_array_equal(found, [1, 1, 1, 0, 0, 0, 0])
    third = metrics.sparse_top_k_categorical_accuracy(labels, scores, k=3)
    np.testing.assert_array_equal(third, found)
    every = metrics.sparse_top_k_categorical_accuracy(labels, scores, k=9)
    np.testing.assert_array_equal(every, [1, 1, 1, 1, 0, 0, 0])


def test_matthews_correlation_is_pearsons_of_zeros_and_ones():
    expected = np.corrcoef(LABELS, SCORES > 0.5)[0, 1]
    found = metrics.matthews_correlation(LABELS.astype("f"), SCORES)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


BATCHES = (slice(0, 9), slice(9, 57))
SHAPED = [
    (metrics.AUC, {}),
    (metrics.AUC, {"curve": "PR"}),
    (metrics.MeanSquaredError, {}),
    (metrics.BinaryAccuracy, {}),
    (metrics.RootMeanSquaredError, {}),
    (metrics.Recall, {"thresholds": [0.2, 0.4]}),
    (metrics.PrecisionAtRecall, {"recall": 0.7}),
    (metrics.R2Score, {}),
    (metrics.BinaryIoU, {}),
]


@pytest.mark.parametrize(("cls", "options"), SHAPED)
def test_unequal_batches_give_what_all_rows_give(cls, options):
    y_true, y_pred = LABELS, SCORES[:, None]
    parts, whole = cls(**options), cls(**options)
    for rows in BATCHES:
        parts.update_state(y_true[rows], y_pred[rows], WEIGHTS[rows])
    whole.update_state(y_true, y_pred, WEIGHTS)
    np.testing.assert_allclose(parts.result(), whole.result(), rtol=1e-5)


def test_a_function_of_the_whole_batch_counts_with_its_rows():
    metric = metrics.MeanMetricWrapper(lambda y_true, y_pred: jnp.mean(y_pred), name="mean")
    for rows in BATCHES:
        metric.update_state(LABELS[rows], SCORES[rows])
    np.testing.assert_allclose(metric.result(), SCORES.mean(), rtol=1e-6)


def test_sums_stay_exact_past_what_float32_counts():
    metric = metrics.Sum()
    metric.update_state(np.float32(2**25))
    step = jax.jit(metric.stateless_update_state)
    state = [variable.value for variable in metric.variables]
    for _ in range(1001):
        state = step(state, np.float32(1))
    assert float(state[0]) + float(state[1]) == 2**25 + 1001
    counted = metrics.TruePositives()
    counted.accumulate(counted.true_positives, jnp.array([2**24 + 1], jnp.int32))
    counted.accumulate(counted.true_positives, jnp.array([1], jnp.int32))
    assert float(counted.result()) == 2**24 + 2


def test_half_precision_counts_in_more():
    metric = metrics.Mean(dtype="float16")
    for _ in range(3):
        metric.update_state(np.ones(3000, "float16"))
    assert metric.result() == 1
    assert metric.result().dtype == jnp.float16
    assert metric.count.value == 9000


def test_rows_of_weight_zero_may_hold_anything():
    y_pred, weights = SCORES.copy(), WEIGHTS.copy()
    y_pred[50:], weights[50:] = np.nan, 0
    for cls in (metrics.MeanSquaredError, metrics.AUC, metrics.R2Score):
        found = cls()(LABELS, y_pred, weights)
        np.testing.assert_allclose(found, cls()(LABELS[:50], SCORES[:50], WEIGHTS[:50]), rtol=1e-5)
    labels = np.array([0, 1, 255])
    assert metrics.MeanIoU(2)(labels, np.array([0, 1, 0]), np.array([1, 1, 0])) == 1
