"""What a first step must know is found out with one abstract run of the model, or two."""

import numpy as np
import pytest

from lamina import backend as K
from lamina import layers
from lamina.models import Sequential
from lamina.training import preparation

X = np.random.default_rng(1).normal(size=(20, 5)).astype("f")
Y = np.random.default_rng(2).normal(size=(20, 3)).astype("f")


@pytest.fixture
def tried(monkeypatch):
    """One entry for each whole step that was run abstractly."""
    seen = []
    usual = preparation._try

    def counted(steps, batch):
        seen.append(steps)
        usual(steps, batch)

    monkeypatch.setattr(preparation, "_try", counted)
    return seen


def model():
    return Sequential([layers.Dense(4, "tanh", input_shape=(5,)), layers.Dense(3)])


def test_a_usual_model_runs_abstractly_once(tried):
    one = model()
    one.compile("sgd", "mse", metrics=["mae"])
    one.fit(X, Y, verbose=0)
    one.evaluate(X, Y, verbose=0)
    assert not tried


@pytest.mark.parametrize("first", ["fit", "evaluate", "train_on_batch"])
def test_variables_that_a_loss_and_a_metric_read_are_found(tried, first):
    factor, offset = K.variable(2.0), K.variable(0.0)
    one = model()
    one.compile(
        "sgd",
        lambda y_true, y_pred: factor * K.mean(K.square(y_true - y_pred)),
        metrics=[lambda y_true, y_pred: offset + K.mean(K.abs(y_true - y_pred))],
    )
    options = {} if first == "train_on_batch" else {"verbose": 0}
    getattr(one, first)(X, Y, **options)
    assert len(tried) == 1
    before = one.evaluate(X, Y, verbose=0)
    K.set_value(factor, 6.0)
    K.set_value(offset, 10.0)
    after = one.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(after[0], 3 * before[0], rtol=1e-5)
    np.testing.assert_allclose(after[1], 10 + before[1], rtol=1e-5)
    weights = one.get_weights()
    K.set_value(factor, 0.0)
    one.fit(X, Y, verbose=0)
    for now, then in zip(one.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    assert len(tried) == 1


def test_a_first_step_that_fails_leaves_the_next_data_free():
    one = model()
    one.compile("sgd", "mse", metrics=["accuracy"])
    with pytest.raises(ValueError, match="shape"):
        one.fit(X, Y[:, :2], verbose=0)
    labels = np.eye(3, dtype="f")[np.arange(20) % 3]
    history = one.fit(X, labels, epochs=2, verbose=0).history
    assert sorted(history) == ["accuracy", "loss"]
    other = model()
    other.set_weights(one.get_weights())
    other.compile("sgd", "mse", metrics=["accuracy"])
    np.testing.assert_allclose(
        one.evaluate(X, labels, verbose=0), other.evaluate(X, labels, verbose=0), rtol=1e-6
    )


def test_a_metric_that_raises_once_is_made_anew():
    fails = [True]

    def own(y_true, y_pred):
        if fails:
            raise ValueError("not yet")
        return K.mean(y_pred)

    one = model()
    one.compile("sgd", "mse", metrics=[own])
    with pytest.raises(ValueError, match="not yet"):
        one.fit(X, Y, verbose=0)
    del fails[:]
    loss, mean = one.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(mean, one.predict(X).mean(), rtol=1e-4, atol=1e-6)
    assert loss > 0


def test_losses_of_layers_and_reports_are_told_by_the_model_alone(tried):
    class Reporting(layers.Dense):
        def call(self, inputs):
            outputs = super().call(inputs)
            self.add_metric(K.mean(outputs), name="mean")
            return outputs

    one = Sequential([Reporting(4, activity_regularizer="l2", input_shape=(5,))])
    one.compile("sgd")
    history = one.fit(X, epochs=2, verbose=0).history
    assert sorted(history) == ["loss", "mean"]
    assert history["loss"][1] < history["loss"][0]
    assert not tried


def test_nothing_to_train_on_is_told_before_anything_runs():
    one = model()
    one.compile("sgd", metrics=["mse"])
    with pytest.raises(ValueError, match="no loss to train on"):
        one.fit(X, Y, verbose=0)
