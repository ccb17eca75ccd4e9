"""Scripts as people wrote them from 2015 to 2019 train as they did then."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="mlp")
def mlp_fixture(run):
    return run("keras1_mlp")


def test_keras_1_net_of_dense_layers(mlp):
    names = mlp
    assert names.score[1] > 0.9
    assert names.history.history["loss"][-1] < names.history.history["loss"][0] / 2
    assert names.history.history["val_acc"][-1] == pytest.approx(names.score[1], abs=1e-5)
    assert (names.classes == names.y_test).mean() == pytest.approx(names.score[1], abs=1e-5)
    np.testing.assert_allclose(names.proba.sum(-1), np.ones(len(names.y_test)), rtol=1e-5)
    bound = np.linalg.norm(names.model.layers[0].get_weights()[0], axis=0)
    assert (bound <= 4.001).all()
    assert "Total params" in names.printed
    assert "Epoch 1/12" in names.printed


def test_keras_1_graph_of_two_inputs_and_two_outputs(mlp):
    names = mlp
    assert names.graph.metrics_names == ["loss", "digit_loss", "parity_loss", "digit_accuracy"]
    assert names.graph_history.history["val_digit_acc"][-1] > 0.9
    assert names.graph_score[3] > 0.9
    loss, digit, parity = names.graph_score[:3]
    kernel = names.graph.layers[3].get_weights()[0]
    penalty = 0.01 * (kernel**2).sum()
    assert loss == pytest.approx(digit + 0.5 * parity + penalty, rel=1e-4)
    assert [w.shape for w in names.weights] == [(32, 10), (10,)]


def test_keras_1_convolutions_and_generators(run):
    names = run("keras1_cnn")
    assert names.shapes[0] == (None, 32, 8, 8)
    assert names.shapes[3:5] == [(None, 32, 10, 10), (None, 32, 8, 8)]
    assert names.shapes[6:9] == [(None, 32, 4, 4), (None, 16, 4, 4), (None, 16, 2, 2)]
    assert len(names.history.history["loss"]) == 5
    assert names.score[1] > 0.85
    assert names.outputs.shape == (300, 10)
    right = names.outputs.argmax(-1) == names.y_test[:300]
    assert right.mean() > 0.85
    assert float(names.rate) == pytest.approx(0.02)


def test_keras_2_texts(run):
    names = run("keras2_text")
    assert names.final_acc > 0.9
    assert names.seen == names.val_acc
    assert names.acc[-1] > names.acc[0]
    right = (names.predictions[:, 0] > 0.5) == names.y_test
    assert right.mean() == pytest.approx(names.final_acc, abs=1e-5)
    assert 0.8 < names.final_precision <= 1
    assert names.activations.shape == (5, 22, 32)
    assert names.activations.min() == 0


def test_keras_2_nets_against_each_other(run):
    with pytest.warns(UserWarning, match=r"0 weights are trainable now, but 6 were"):
        names = run("keras2_gan")
    assert all(same for *_, same in names.log)
    changed = zip(names.judge_before, names.gan.discriminator.get_weights(), strict=True)
    assert all((a != b).any() for a, b in changed)
    changed = zip(names.maker_before, names.gan.generator.get_weights(), strict=True)
    assert all((a != b).any() for a, b in changed)
    losses = np.array([row[:3] for row in names.log], float)
    assert np.isfinite(losses).all()
    far = np.linalg.norm(names.start.mean(0) - [3, 0])
    near = np.linalg.norm(names.end.mean(0) - [3, 0])
    assert near < far / 2


def test_tf_keras_classes_of_our_own(run):
    names = run("tfkeras_subclass")
    loss, accuracy, found = names.results
    assert accuracy > 0.9
    assert (names.said == names.y_test).mean() == pytest.approx(accuracy, abs=1e-5)
    threes = (names.said == 3) & (names.y_test == 3)
    assert found == threes.sum()
    assert names.history.history["val_found"][-1] == found
    steps = -(-len(names.x_train) // 64) * len(names.history.history["loss"])
    assert len(names.recorder.losses) == steps
    linear, other = names.model.block.linear_1, names.model.block.linear_2
    assert float(linear.calls.value) == steps
    penalties = [1e-3 * (np.asarray(one.w.value) ** 2).mean() for one in (linear, other)]
    shifted = names.logits - names.logits.max(-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    own = -logs[np.arange(len(logs)), names.y_test].mean()
    assert loss == pytest.approx(own + sum(penalties), rel=1e-4)
    assert "Total params" in names.printed
