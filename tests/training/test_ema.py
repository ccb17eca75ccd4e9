"""SwapEMAWeights: evaluations see the averages, steps the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lamina import optimizers
from lamina.callbacks import BackupAndRestore, Callback, SwapEMAWeights
from lamina.layers import Dense
from lamina.models import Sequential

ROWS, FEATURES, OUTPUTS, BATCH, KEEP = 12, 5, 3, 4, 0.6
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS, FEATURES)).astype("f")
Y = rng.normal(size=(ROWS, OUTPUTS)).astype("f")
START = rng.normal(size=(FEATURES, OUTPUTS)).astype("f")
OPTIONS: dict[str, Any] = {"batch_size": BATCH, "shuffle": False, "verbose": 0}


def built(optimizer: Any) -> Sequential:
    model = Sequential([Dense(OUTPUTS, use_bias=False, input_shape=(FEATURES,))])
    model.compile(optimizer, "mse")
    model.set_weights([START])
    return model


def by_hand(epochs: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and averages after each epoch of plain gradient descent."""
    weight, average, count = START.astype("d"), np.zeros_like(START, "d"), 0
    weights, averages = [], []
    for _ in range(epochs):
        for first in range(0, ROWS, BATCH):
            x, y = X[first : first + BATCH], Y[first : first + BATCH]
            weight = weight - 0.1 * 2 * x.T @ (x @ weight - y) / y.size
            average = weight if count == 0 else KEEP * average + (1 - KEEP) * weight
            count += 1
        weights.append(weight)
        averages.append(average)
    return weights, averages


class Watch(Callback):
    """Note the weights at the moments of a training."""

    def __init__(self) -> None:
        self.seen: dict[str, list[np.ndarray]] = {"begin": [], "test": [], "end": []}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.seen["begin"].append(self.model.get_weights()[0])

    def on_test_begin(self, logs: Any = None) -> None:
        self.seen["test"].append(self.model.get_weights()[0])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen["end"].append(self.model.get_weights()[0])


def scaled(inner: Any) -> Any:
    return optimizers.LossScaleOptimizer(inner, initial_scale=8.0)


@pytest.mark.parametrize("wrap", [lambda inner: inner, scaled], ids=["plain", "scaled"])
@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_who_sees_what(wrap, swap_on_epoch):
    model = built(wrap(optimizers.SGD(0.1, use_ema=True, ema_momentum=KEEP)))
    watch = Watch()
    callbacks = [SwapEMAWeights(swap_on_epoch), watch]
    history = model.fit(X, Y, epochs=3, validation_data=(X, Y), callbacks=callbacks, **OPTIONS)
    weights, averages = by_hand(3)
    np.testing.assert_allclose(watch.seen["begin"], [START, *weights[:-1]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(watch.seen["test"], averages, rtol=1e-5, atol=1e-6)
    wanted = averages if swap_on_epoch else weights
    np.testing.assert_allclose(watch.seen["end"], wanted, rtol=1e-5, atol=1e-6)
    losses = [np.mean((X @ average - Y) ** 2) for average in averages]
    np.testing.assert_allclose(history.history["val_loss"], losses, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], averages[-1], rtol=1e-5, atol=1e-6)


def test_evaluate_and_predict_alone():
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=KEEP)
    model = built(optimizer)
    assert model.evaluate(X, Y, verbose=0, callbacks=[SwapEMAWeights()]) == pytest.approx(
        float(np.mean((X @ START - Y) ** 2)), rel=1e-5
    )
    for first in range(0, ROWS, BATCH):
        model.train_on_batch(X[first : first + BATCH], Y[first : first + BATCH])
    (weight,), (average,) = by_hand(1)
    np.testing.assert_allclose(
        model.predict(X, callbacks=[SwapEMAWeights()]), X @ average, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(model.predict(X), X @ weight, rtol=1e-4, atol=1e-5)


def test_an_optimizer_without_averages_is_named():
    model = built("sgd")
    with pytest.raises(ValueError, match="keeps no moving averages; make it with use_ema=True"):
        model.fit(X, Y, validation_data=(X, Y), callbacks=[SwapEMAWeights()], **OPTIONS)


def test_a_training_that_broke_off_goes_on(tmp_path):
    class Break(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1 and self.model.history.epoch == [0]:
                raise KeyError

    model = built(optimizers.SGD(0.1, use_ema=True, ema_momentum=KEEP))
    callbacks = [BackupAndRestore(tmp_path), SwapEMAWeights(swap_on_epoch=True)]
    with pytest.raises(KeyError):
        model.fit(X, Y, epochs=3, callbacks=[*callbacks, Break()], **OPTIONS)
    other = built(optimizers.SGD(0.1, use_ema=True, ema_momentum=KEEP))
    watch = Watch()
    other.fit(X, Y, epochs=3, callbacks=[*callbacks, watch], **OPTIONS)
    weights, averages = by_hand(3)
    np.testing.assert_allclose(watch.seen["begin"], weights[:-1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(watch.seen["end"], averages[1:], rtol=1e-5, atol=1e-6)
