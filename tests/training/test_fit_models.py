"""What models and layers bring along: flags, losses and metrics of their own, bad values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import backend as K
from lamina import losses, metrics, optimizers
from lamina.core.layer import Layer
from lamina.layers import Dense, Dropout, Embedding, Flatten, Input
from lamina.models import Model, Sequential

ROWS, FEATURES = 12, 3
rng = np.random.default_rng(6)
X = rng.normal(size=(ROWS, FEATURES)).astype("f")
Y = rng.normal(size=(ROWS, 1)).astype("f")


def linear(**options: Any) -> Sequential:
    lamina.utils.set_random_seed(1)
    return Sequential([Input((FEATURES,)), Dense(1, **options)])


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# ---- which weights are trained ----------------------------------------------------------------


def test_generator_and_discriminator_as_in_2016() -> None:
    """One optimizer, flags that change after compile, models within models."""
    optimizer = optimizers.Adam(0.05)
    critic = Sequential([Dense(4, activation="relu", input_dim=2), Dense(1, activation="sigmoid")])
    critic.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    maker = Sequential([Dense(2, input_dim=3)])
    noise = Input(shape=(3,))
    critic.trainable = False
    combined = Model(noise, critic(maker(noise)))
    combined.compile(optimizer, "binary_crossentropy")
    assert len(combined.trainable_weights) == 2
    real, labels = rng.normal(size=(8, 2)).astype("f"), np.ones((8, 1), "f")
    before = critic.get_weights(), maker.get_weights()
    with pytest.warns(UserWarning, match="0 weights are trainable now, but 4 were"):
        critic.train_on_batch(real, labels)
    middle = critic.get_weights(), maker.get_weights()
    assert not same(middle[0], before[0])
    assert same(middle[1], before[1])
    for _ in range(3):
        combined.train_on_batch(rng.normal(size=(8, 3)).astype("f"), labels)
        critic.train_on_batch(real, labels)  # warns once
    combined.train_on_batch(rng.normal(size=(8, 3)).astype("f"), labels)
    assert int(critic.optimizer.iterations) == 4
    assert int(combined.optimizer.iterations) == 4
    last = critic.get_weights()
    combined.train_on_batch(rng.normal(size=(8, 3)).astype("f"), labels)
    assert same(critic.get_weights(), last)
    assert not same(maker.get_weights(), before[1])
    optimizer.learning_rate = 0.0  # of both
    last = maker.get_weights()
    combined.train_on_batch(rng.normal(size=(8, 3)).astype("f"), labels)
    assert same(maker.get_weights(), last)


def test_frozen_layers_stay_and_their_penalty_does_not_count() -> None:
    model = Sequential(
        [Input((FEATURES,)), Dense(2, kernel_regularizer="l2", name="frozen"), Dense(1)]
    )
    model.layers[0].trainable = False
    model.compile(optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    loss = model.evaluate(X, Y, verbose=0)
    assert loss == pytest.approx(np.mean((model.predict(X) - Y) ** 2), rel=1e-5)
    model.fit(X, Y, 4, 2, 0)
    after = model.get_weights()
    assert same(after[:2], before[:2])
    assert not same(after[2:], before[2:])
    model.layers[0].trainable = True
    model.compile(optimizers.SGD(0.1), "mse")
    model.fit(X, Y, 4, 1, 0)
    assert not same(model.get_weights()[:2], before[:2])


# ---- losses and metrics of the user's own -----------------------------------------------------


def cubic(y_true: Any, y_pred: Any) -> Any:
    return jnp.mean(jnp.abs(y_true - y_pred) ** 3, axis=-1)


class Cubic(losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return cubic(y_true, y_pred)


class Largest(metrics.Metric):
    """The largest prediction so far."""

    def __init__(self, name: str = "largest", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.seen = self.add_weight(name="seen", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.seen.assign(jnp.maximum(self.seen.value, jnp.max(y_pred)))

    def result(self) -> Any:
        return self.seen.value


def test_losses_and_metrics_as_functions_and_objects() -> None:
    model = linear()
    guess = model.predict(X)
    errors = np.abs(guess - Y)
    for loss in (cubic, Cubic()):
        model.compile("sgd", loss, metrics=[cubic, Largest(), metrics.MeanSquaredError("square")])
        logs = model.evaluate(X, Y, 5, 0, return_dict=True)
        assert list(logs) == ["loss", "cubic", "largest", "square"]
        assert logs["loss"] == pytest.approx((errors**3).mean(), rel=1e-5)
        assert logs["cubic"] == pytest.approx(logs["loss"], rel=1e-6)
        assert logs["largest"] == pytest.approx(max(guess.max(), 0.0), rel=1e-6)
        assert logs["square"] == pytest.approx((errors**2).mean(), rel=1e-5)
    before = model.get_weights()
    model.fit(X, Y, 5, 2, 0)
    assert model.evaluate(X, Y, verbose=0)[0] < logs["loss"]
    assert not same(before, model.get_weights())


class Priced(Layer):
    """Adds a loss and reports two metrics."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.mean = metrics.Mean("mean_of_squares")

    def call(self, inputs: Any) -> Any:
        self.add_loss(0.5 * jnp.mean(inputs**2))
        self.add_metric(jnp.mean(jnp.abs(inputs)), name="size", aggregation="mean")
        self.mean.update_state(inputs**2)
        return inputs


def test_variables_in_losses_and_metrics_are_live() -> None:
    """The weight of a term that a callback raises, and the learning rate as a metric."""
    factor = lamina.backend.variable(1.0)
    model = linear()
    optimizer = optimizers.SGD(0.01)

    def scaled(y_true: Any, y_pred: Any) -> Any:
        return factor * jnp.mean((y_true - y_pred) ** 2, axis=-1)

    def rate(y_true: Any, y_pred: Any) -> Any:
        return optimizer.lr

    def size(y_true: Any, y_pred: Any) -> Any:
        return jnp.sum(model.weights[0].value ** 2)

    model.compile(optimizer, scaled, metrics=[rate, size])
    first = model.evaluate(X, Y, verbose=0)
    assert first[2] == pytest.approx(np.sum(model.get_weights()[0] ** 2), rel=1e-5)
    lamina.backend.set_value(factor, 3.0)
    optimizer.lr = 0.0
    second = model.evaluate(X, Y, verbose=0)
    assert second[:2] == pytest.approx([3 * first[0], 0.0], rel=1e-5)
    assert first[1] == pytest.approx(0.01)
    history = model.fit(X, Y, 4, 1, 0).history
    assert history["loss"] == pytest.approx([second[0]], rel=1e-5)
    lamina.backend.set_value(factor, 2.0)
    optimizer.lr = 0.02
    history = model.fit(X, Y, ROWS, 1, 0).history
    assert history["loss"] == pytest.approx([2 * first[0]], rel=1e-5)
    assert history["rate"] == pytest.approx([0.02])


def test_losses_and_metrics_that_layers_add() -> None:
    lamina.utils.set_random_seed(3)
    model = Sequential([Input((FEATURES,)), Priced(), Dense(1, activity_regularizer="l2")])
    model.compile(optimizers.SGD(0.0), "mse", metrics=["mae"])
    guess = np.asarray(model.layers[-1](X))
    parts = [(X[i : i + 5], guess[i : i + 5], Y[i : i + 5]) for i in (0, 5, 10)]
    losses_of = [
        np.mean((p - y) ** 2) + 0.5 * np.mean(x**2) + 0.01 * np.sum(p**2) / len(x)
        for x, p, y in parts
    ]
    expected = sum(len(x) * one for one, (x, _, _) in zip(losses_of, parts, strict=True)) / ROWS
    for logs in (
        model.evaluate(X, Y, 5, 0, return_dict=True),
        {k: v[0] for k, v in model.fit(X, Y, 5, 1, 0, shuffle=False).history.items()},
    ):
        assert list(logs) == ["loss", "mae", "size", "mean_of_squares"]
        assert logs["loss"] == pytest.approx(expected, rel=1e-5)
        assert logs["size"] == pytest.approx(np.abs(X).mean(), rel=1e-5)
        assert logs["mean_of_squares"] == pytest.approx((X**2).mean(), rel=1e-5)
    assert [metric.name for metric in model.metrics][-1] == "mean_of_squares"


def test_a_model_of_added_losses_alone_needs_no_targets() -> None:
    entry = Input((FEATURES,))
    output = Dense(2)(entry)
    model = Model(entry, output)
    model.add_loss(jnp_mean(output))
    model.compile(optimizers.SGD(0.1), None)
    before = model.evaluate(X, verbose=0)
    assert before == pytest.approx(np.mean(model.predict(X) ** 2), rel=1e-5)
    model.fit(X, None, 4, 3, 0)
    assert model.evaluate(X, verbose=0) < before


def jnp_mean(tensor: Any) -> Any:
    return lamina.ops.mean(lamina.ops.square(tensor))


class Named(Model):
    """A subclass whose outputs are a dict, not in alphabetical order."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Dense(4, activation="tanh")
        self.wide, self.narrow = Dense(2), Dense(1)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        hidden = self.body(inputs)
        return {"wide": self.wide(hidden), "narrow": self.narrow(hidden)}


def test_a_subclass_with_outputs_by_name() -> None:
    lamina.utils.set_random_seed(9)
    model = Named()
    model.compile(
        optimizers.SGD(0.1), {"narrow": "mse", "wide": "mae"}, metrics={"narrow": ["mae"]}
    )
    targets = {"narrow": Y, "wide": np.repeat(Y, 2, axis=1)}
    first = model.evaluate(X, targets, verbose=0, return_dict=True)
    found = model.predict(X)
    assert set(found) == {"wide", "narrow"}
    narrow = found["narrow"] - Y
    assert first["narrow_loss"] == pytest.approx(np.mean(narrow**2), rel=1e-5)
    assert first["wide_loss"] == pytest.approx(np.abs(found["wide"] - Y).mean(), rel=1e-5)
    assert first["narrow_mae"] == pytest.approx(np.abs(narrow).mean(), rel=1e-5)
    model.fit(X, targets, 4, 5, 0)
    assert model.evaluate(X, targets, verbose=0)[0] < first["loss"]


def test_a_functional_model_with_outputs_by_name() -> None:
    entry = Input((FEATURES,))
    model = Model(entry, {"b": Dense(1)(entry), "a": Dense(2)(entry)})
    model.compile("sgd", {"a": "mse", "b": "mae"})
    logs = model.evaluate(X, {"a": np.repeat(Y, 2, axis=1), "b": Y}, verbose=0, return_dict=True)
    assert logs["b_loss"] == pytest.approx(np.abs(model.predict(X)["b"] - Y).mean(), rel=1e-5)


class OwnLoss(Model):
    def __init__(self) -> None:
        super().__init__()
        self.out = Dense(1, kernel_regularizer="l2")

    def call(self, inputs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.out(inputs)

    def compute_loss(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
    ) -> Any:
        return super().compute_loss(x, y, y_pred, sample_weight) + jnp.mean(x**2)


def test_compute_loss_may_be_overridden() -> None:
    model = OwnLoss()
    model.compile(optimizers.SGD(0.1), "mse", metrics=["mse"])
    loss, square = model.evaluate(X, Y, verbose=0)
    penalty = 0.01 * np.sum(model.get_weights()[0] ** 2)
    assert loss == pytest.approx(square + penalty + np.mean(X**2), rel=1e-5)
    model.fit(X, Y, 4, 3, 0)
    assert model.evaluate(X, Y, verbose=0)[0] < loss


def test_metrics_whose_variables_depend_on_shapes() -> None:
    model = Sequential([Input((FEATURES,)), Dense(3, activation="sigmoid")])
    several = [
        metrics.F1Score(name="f1"),
        metrics.FBetaScore(beta=0.5, name="fbeta"),
        metrics.R2Score(name="r2"),
        metrics.AUC(multi_label=True, name="auc"),
    ]
    labels = np.eye(3, dtype="f")[np.arange(ROWS) % 3]
    model.compile("sgd", "binary_crossentropy", metrics=several)
    logs = model.evaluate(X, labels, 5, 0, return_dict=True)
    alone = [type(metric).from_config(metric.get_config()) for metric in several]
    for metric in alone:
        metric.update_state(labels, model.predict(X))
        expected = np.asarray(metric.result())
        np.testing.assert_allclose(logs[metric.name], expected, rtol=1e-5, atol=1e-6)
    history = model.fit(X, labels, 5, 2, 0, validation_data=(X, labels)).history
    assert np.shape(history["f1"]) == np.shape(history["val_f1"]) == (2, 3)


def test_eager_steps_see_values() -> None:
    seen: list[bool] = []

    class Looking(Dense):
        def call(self, inputs: Any) -> Any:
            seen.append(bool(np.isfinite(np.asarray(jax.lax.stop_gradient(inputs))).all()))
            return super().call(inputs)

    lamina.utils.set_random_seed(1)
    model = Sequential([Input((FEATURES,)), Looking(1)])
    model.compile(optimizers.SGD(0.1), "mse", metrics=["mae"], run_eagerly=True)
    plain = linear()
    plain.compile(optimizers.SGD(0.1), "mse", metrics=["mae"])
    plain.set_weights(model.get_weights())
    seen.clear()
    eager = model.fit(X, Y, 5, 2, 0, shuffle=False, validation_data=(X, Y)).history
    compiled = plain.fit(X, Y, 5, 2, 0, shuffle=False, validation_data=(X, Y)).history
    assert len(seen) >= 12
    for name, values in compiled.items():
        np.testing.assert_allclose(eager[name], values, rtol=1e-5)


def test_half_precision_wraps_the_optimizer() -> None:
    model = Sequential([Input((FEATURES,)), Dense(1)], dtype="mixed_float16")
    model.compile(optimizers.SGD(0.1), "mse")
    assert isinstance(model.optimizer, optimizers.LossScaleOptimizer)
    model.compile(optimizers.SGD(0.1), "mse", auto_scale_loss=False)
    assert isinstance(model.optimizer, optimizers.SGD)


def test_layers_added_after_training_are_trained_once_compiled() -> None:
    model = linear()
    model.compile(optimizers.SGD(0.1), "mse")
    model.fit(X, Y, 4, 1, 0)
    model.add(Dense(2))
    targets = np.repeat(Y, 2, axis=1)
    model.compile(optimizers.SGD(0.1), "mse")
    before = model.get_weights()
    model.fit(X, targets, 4, 1, 0)
    assert not any(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


# ---- bad values -------------------------------------------------------------------------------


def classifier() -> Sequential:
    lamina.utils.set_random_seed(2)
    model = Sequential(
        [
            Embedding(7, 4, input_length=2, name="table"),
            Flatten(),
            Dropout(0.2),
            Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def words() -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(0, 7, (20, 2)), rng.integers(0, 3, 20)


@pytest.fixture(scope="module")
def shared() -> Any:
    model = classifier()
    return model, model.get_weights()


FAULTS = {
    "label too large": ("y", 3, r"label 3 in row 13, but the output has 3 classes"),
    "label below 0": ("y", -1, r"label -1 in row 13"),
    "index too large": ("x", 7, r"Embedding 'table': index 7 in row 13 .*table of 7 rows"),
    "index below 0": ("x", -2, r"Embedding 'table': index -2 in row 13"),
}


def spoiled(words: Any, part: str, value: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = (array.copy() for array in words)
    if part == "y":
        y[13] = value
    else:
        x[13, 1] = value
    return x, y


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_value_is_named_and_changes_no_weight(fault, shuffle, words, shared) -> None:
    part, value, message = FAULTS[fault]
    model, start = shared
    x, y = spoiled(words, part, value)
    model.set_weights(start)
    before: list[Any] = []

    def keep(batch: int, logs: Any) -> None:
        before[:] = model.get_weights(), int(model.optimizer.iterations), batch

    with pytest.raises(ValueError, match=message):
        model.fit(
            x, y, 4, 2, 0, lamina.callbacks.LambdaCallback(on_batch_begin=keep), shuffle=shuffle
        )
    assert same(model.get_weights(), before[0])
    assert int(model.optimizer.iterations) == before[1]
    assert shuffle or before[2] == 3  # the batch of row 13


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_value_is_named_by_all_methods(fault, words, shared) -> None:
    part, value, message = FAULTS[fault]
    model, start = shared
    x, y = spoiled(words, part, value)
    model.set_weights(start)
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, 4, 1, 0)
    with pytest.raises(ValueError, match=message):
        model.evaluate(x, y, 4, 0)
    if part == "x":
        with pytest.raises(ValueError, match="index"):
            model.predict(x, 4)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message.replace("13", "1")):
        model.train_on_batch(x[12:16], y[12:16])
    assert same(model.get_weights(), before)
    assert np.isfinite(model.fit(*words, batch_size=4, epochs=1, verbose=0).history["loss"]).all()
    assert not same(model.get_weights(), before)


def test_a_bad_value_in_a_stream_is_named_with_its_batch(words, shared) -> None:
    model, start = shared
    model.set_weights(start)
    x, y = words[0], words[1].copy()
    y[13] = 9
    batches = [(x[i : i + 4], y[i : i + 4]) for i in range(0, 20, 4)]
    with pytest.raises(ValueError, match=r"label 9 in row 1,.*It is in batch 3, counted from 0"):
        model.fit(iter(batches), verbose=0)


def test_metrics_report_what_losses_cannot_see() -> None:
    model = Sequential([Input((FEATURES,)), Dense(1)])
    model.compile("sgd", "mse", metrics=[metrics.MeanIoU(2, sparse_y_pred=True)])
    before = model.get_weights()
    with pytest.raises(ValueError, match="row 3"):
        model.fit(X, np.where(np.arange(ROWS) == 3, 5, 0), 4, 1, 0, shuffle=False)
    assert same(before, model.get_weights())


def test_models_that_share_an_optimizer_share_its_learning_rate() -> None:
    rate = optimizers.SGD(0.5)
    models = [Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))]) for _ in "ab"]
    x, y = np.ones((4, 2), "f"), np.ones((4, 1), "f")
    for model in models:
        model.compile(rate, "mse")
        model.train_on_batch(x, y)
    assert models[0].optimizer is rate
    assert models[1].optimizer is not rate
    K.set_value(rate.lr, 0.0)
    for model in models:
        before = model.get_weights()
        assert K.get_value(model.optimizer.lr) == 0.0
        model.train_on_batch(x, y)
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
        assert K.get_value(model.optimizer.iterations) == 2
