"""The odd functions of K, against values recorded from Keras 2.2.4."""

from pathlib import Path

import jax
import numpy as np
import pytest

from lamina import backend as K

with np.load(Path(__file__).parents[1] / "golden" / "backend.npz") as _stored:
    GOLDEN = dict(_stored)


def recorded(name):
    head = name + "/"
    return {k[len(head) :]: v for k, v in GOLDEN.items() if k.rpartition("/")[0] == name}


def close(found, wanted, tolerance=2e-5):
    found = np.asarray(found)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["22_1", "32_21", "33_none", "33_12", "33_2", "23_12", "44_32"])
def test_batch_dot(name):
    case = recorded(f"batch_dot/{name}")
    stored = case["axes"].tolist()
    axes = None if stored == [-1] else stored[0] if len(stored) == 1 else tuple(stored)
    close(K.batch_dot(case["x"], case["y"], axes), case["result"])


@pytest.mark.parametrize("masked", [0, 1])
@pytest.mark.parametrize("backwards", [0, 1])
@pytest.mark.parametrize("unroll", [0, 1])
@pytest.mark.parametrize("symbolic", [False, True])
def test_rnn(masked, backwards, unroll, symbolic):
    given, wanted = recorded("rnn"), recorded(f"rnn/{masked}{backwards}{unroll}")
    kernel, recurrent = K.variable(given["kernel"]), K.variable(given["recurrent"])

    def step(x, states):
        new = K.tanh(K.dot(x, kernel) + K.dot(states[0], recurrent)) + states[-1]
        return new, [new]

    def run(x):
        mask = given["mask"] if masked else None
        return K.rnn(
            step,
            x,
            [given["first"]],
            go_backwards=bool(backwards),
            mask=mask,
            constants=[given["extra"]],
            unroll=bool(unroll),
        )

    if symbolic:
        fed = K.placeholder((2, 5, 3))
        last, outputs, (state,) = run(fed)
        last, outputs, state = K.function([fed], [last, outputs, state])([given["x"]])
    else:
        last, outputs, (state,) = run(given["x"])
    close(last, wanted["last"])
    close(outputs, wanted["outputs"])
    close(state, wanted["state"])


def test_ctc():
    case = recorded("ctc")
    y_pred, steps = case["y_pred"], case["steps"]
    close(K.ctc_batch_cost(case["labels"], y_pred, steps, case["counts"]), case["cost"], 1e-4)
    (labels,), score = K.ctc_decode(y_pred, steps[:, 0])
    np.testing.assert_array_equal(labels, case["greedy"])
    close(score, case["greedy_score"])
    (wide,), _ = jax.jit(K.ctc_decode)(y_pred, steps[:, 0])
    assert wide.shape == y_pred.shape[:2]
    np.testing.assert_array_equal(wide[:, : labels.shape[1]], labels)


def spelled(p, labels):
    """Probability of labels: the sum over all ways to spell them."""
    steps, classes = p.shape
    total = 0.0
    for path in np.ndindex(*[classes] * steps):
        merged = [c for i, c in enumerate(path) if not i or c != path[i - 1]]
        if [c for c in merged if c != classes - 1] == list(labels):
            total += np.prod([p[i, c] for i, c in enumerate(path)])
    return total


def test_ctc_search_finds_the_best_labels():
    logits = np.random.default_rng(5).normal(size=(2, 4, 3))
    p = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype("f")
    paths, scores = K.ctc_decode(p, [4, 3], greedy=False, beam_width=60, top_paths=2)
    for row, steps in enumerate((4, 3)):
        every = {
            tuple(c for c in labels if c != 2)
            for n in range(steps + 1)
            for labels in np.ndindex(*[2] * n)
        }
        ranked = sorted(((spelled(p[row, :steps], one), one) for one in every), reverse=True)
        for place in range(2):
            found = tuple(int(c) for c in np.asarray(paths[place])[row] if c != -1)
            assert found == ranked[place][1]
            np.testing.assert_allclose(scores[row, place], np.log(ranked[place][0]), rtol=1e-4)


def test_ctc_cost_is_the_probability_of_all_spellings():
    logits = np.random.default_rng(6).normal(size=(1, 4, 3))
    p = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype("f")
    found = K.ctc_batch_cost(np.array([[1, 1]]), p, [[4]], [[2]])
    np.testing.assert_allclose(found, [[-np.log(spelled(p[0], (1, 1)))]], rtol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_in_top_k(k):
    given = recorded("in_top_k")
    found = K.in_top_k(given["predictions"], given["targets"], k)
    np.testing.assert_array_equal(found, recorded(f"in_top_k/{k}")["result"])


def test_normalize_batch_in_training():
    case = recorded("normalize")
    parts = K.normalize_batch_in_training(case["x"], case["gamma"], case["beta"], [0, 1])
    for part, name in zip(parts, ("normed", "mean", "var"), strict=True):
        close(part, case[name])


def test_images_and_convolutions():
    case = recorded("resize")
    close(K.resize_images(case["x"], 2, 3, "channels_last"), case["nearest"])
    case = recorded("local")
    close(K.local_conv2d(case["x"], case["kernel"], (2, 2), (2, 1), (2, 3)), case["result"])
    first = K.local_conv2d(
        case["x"].transpose(0, 3, 1, 2),
        case["kernel"].reshape(6, 4, 2, 3).swapaxes(1, 2).reshape(6, 8, 3),
        (2, 2), (2, 1), (2, 3), "channels_first",
    )  # fmt: skip
    close(np.moveaxis(first, 1, -1), case["result"])
    case = recorded("transpose")
    found = K.conv2d_transpose(case["x"], case["kernel"], (2, 6, 8, 5), (2, 2), "same")
    close(found, case["result"])
    case = recorded("separable")
    found = K.separable_conv2d(case["x"], case["deep"], case["mixing"], (1, 1), "same")
    close(found, case["result"])


def test_small_facts():
    case = recorded("switch")
    close(K.switch(case["condition"], case["one"], case["two"]), case["result"])
    case = recorded("sqrt")
    close(K.sqrt(case["x"]), case["result"])
    case = recorded("clip")
    close(K.clip(case["x"], 0.2, -0.3), case["result"])
    case = recorded("sparse")
    close(K.sparse_categorical_crossentropy(case["index"], case["p"]), case["result"])
