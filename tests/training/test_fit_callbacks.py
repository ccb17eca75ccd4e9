"""Callbacks in real trainings: their order, live weights, Ctrl-C, threads."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pytest

import lamina
from lamina import backend as K
from lamina import callbacks, optimizers
from lamina.callbacks import Callback, EarlyStopping, LambdaCallback
from lamina.layers import Dense, Input
from lamina.models import Sequential

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "hooks.json").read_text("utf-8"))
ROWS, FEATURES, BATCH = 20, 3, 4
rng = np.random.default_rng(1)
X = rng.normal(size=(ROWS, FEATURES)).astype("f")
Y = (X @ rng.normal(size=(FEATURES, 1)) + 0.1).astype("f")
START = [rng.normal(size=(FEATURES, 1)).astype("f"), np.array([0.3], "f")]


@pytest.fixture(scope="module")
def shared() -> Sequential:
    model = Sequential([Input(shape=(FEATURES,)), Dense(1)])
    model.compile(optimizers.SGD(0.1), "mse", metrics=["mae"])
    return model


@pytest.fixture
def model(shared) -> Sequential:
    shared.set_weights(START)
    shared.optimizer.learning_rate = 0.1
    return shared


def recorder(calls: list[Any], hooks: list[str]) -> Callback:
    def hook(name: str) -> Callable[..., None]:
        numbered = "batch" in name or "epoch" in name

        def call(self: Callback, *arguments: Any) -> None:
            number = arguments[0] if numbered else None
            calls.append([name, number, sorted(dict(arguments[-1] or {}))])

        return call

    return type("Recorder", (Callback,), {name: hook(name) for name in hooks})()


def test_hooks_are_called_in_the_order_of_keras(model) -> None:
    x, y = np.ones((5, FEATURES), "f"), np.ones((5, 1), "f")
    calls: dict[str, list[Any]] = {"fit": [], "evaluate": [], "predict": []}
    record = {name: recorder(made, GOLDEN["hooks"]) for name, made in calls.items()}
    model.fit(x, y, 2, 2, 0, record["fit"], validation_data=(x[:3], y[:3]))
    model.evaluate(x, y, 2, 0, callbacks=record["evaluate"])
    model.predict(x, 2, 0, callbacks=record["predict"])
    assert calls == GOLDEN["calls"]


def test_hooks_of_keras_2_are_called_too(model) -> None:
    calls: list[Any] = []
    names = ["on_batch_begin", "on_batch_end", "on_epoch_begin", "on_epoch_end"]
    callback = recorder(calls, names)
    model.fit(X[:8], Y[:8], BATCH, 1, 0, [callback])
    assert [call[:2] for call in calls] == [
        ["on_epoch_begin", 0],
        ["on_batch_begin", 0],
        ["on_batch_end", 0],
        ["on_batch_begin", 1],
        ["on_batch_end", 1],
        ["on_epoch_end", 0],
    ]
    assert callback.model is model
    assert callback.params["nb_epoch"] == callback.params["epochs"] == 1
    assert (callback.params["steps"], callback.params["samples"]) == (2, 8)


def test_weights_read_in_a_hook_are_those_of_the_moment(model) -> None:
    seen: list[np.ndarray] = []
    held = model.layers[0].kernel.value
    live: list[Any] = []

    def after(batch: int, logs: Any) -> None:
        seen.append(model.get_weights()[0])
        live.append(model.layers[0].kernel.value)

    model.fit(X, Y, BATCH, 1, 0, LambdaCallback(on_batch_end=after), shuffle=False)
    kernel, bias = START
    for batch in range(5):
        part = slice(BATCH * batch, BATCH * batch + BATCH)
        error = X[part] @ kernel + bias - Y[part]
        kernel, bias = kernel - 0.05 * X[part].T @ error, bias - 0.05 * error.sum(axis=0)
        np.testing.assert_allclose(seen[batch], kernel, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(np.asarray(live[batch]), seen[batch])
    np.testing.assert_array_equal(np.asarray(held), START[0])  # nobody took its memory


def test_weights_set_in_a_hook_count_in_the_next_step(model) -> None:
    def after(batch: int, logs: Any) -> None:
        if batch == 3:
            model.set_weights(START)
        if batch == 1:
            model.layers[0].bias.assign(np.array([7.0]))

    biases: list[float] = []
    peek = LambdaCallback(on_batch_begin=lambda batch, logs: biases.append(float(bias())))

    def bias() -> Any:
        return K.get_value(model.layers[0].bias)[0]

    model.fit(X, Y, BATCH, 1, 0, [LambdaCallback(on_batch_end=after), peek], shuffle=False)
    assert biases[2] == 7.0
    found = model.get_weights()
    model.set_weights(START)
    model.train_on_batch(X[16:], Y[16:])
    for one, other in zip(found, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_learning_rate_is_read_and_set_by_all_its_names(model) -> None:
    optimizer = model.optimizer
    rates: list[float] = []

    def begin(epoch: int, logs: Any) -> None:
        if epoch == 1:
            K.set_value(optimizer.lr, 0.05)
        if epoch == 2:
            optimizer.lr = 0.025
        if epoch == 3:
            optimizer.learning_rate.assign(0.0)
            kept.append(model.get_weights())
        rates.append(float(K.get_value(optimizer.learning_rate)))

    kept: list[Any] = []
    model.fit(X, Y, BATCH, 4, 0, LambdaCallback(on_epoch_begin=begin))
    np.testing.assert_allclose(rates, [0.1, 0.05, 0.025, 0.0])
    np.testing.assert_array_equal(kept[0][0], model.get_weights()[0])


def test_rates_by_callbacks_reach_the_history(model) -> None:
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    history = model.fit(X, Y, BATCH, 3, 0, schedule).history
    np.testing.assert_allclose(history["lr"], [0.1, 0.05, 0.025])
    np.testing.assert_allclose(history["learning_rate"], history["lr"])
    model.optimizer.lr = 0.1
    plateau = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100.0)
    history = model.fit(X, Y, BATCH, 4, 0, plateau).history
    np.testing.assert_allclose(history["lr"], [0.1, 0.1, 0.05, 0.025])
    assert float(model.optimizer.lr) == pytest.approx(0.0125)


def test_early_stopping_brings_the_best_weights_back(model) -> None:
    weights: list[Any] = []

    def end(epoch: int, logs: Any) -> None:
        weights.append(model.get_weights())
        if epoch == 1:
            model.optimizer.lr = 1.2  # from here on it gets worse

    stopping = EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    history = model.fit(
        X, Y, BATCH, 50, 0, [LambdaCallback(on_epoch_end=end), stopping], validation_data=(X, Y)
    )
    best = int(np.argmin(history.history["val_loss"]))
    assert stopping.stopped_epoch == len(weights) - 1 == best + 2
    assert history.epoch == list(range(len(weights)))
    for one, other in zip(weights[best], model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_terminate_on_nan_stops_at_the_batch(model) -> None:
    x = X.copy()
    x[9] = np.nan
    ends: list[int] = []
    count = LambdaCallback(on_batch_end=lambda batch, logs: ends.append(batch))
    with pytest.warns(RuntimeWarning, match=r"loss is nan .*dense\S*/kernel, dense\S*/bias"):
        model.fit(x, Y, BATCH, 3, 0, [count, callbacks.TerminateOnNaN()], shuffle=False)
    assert ends == [0, 1, 2]


def test_a_loss_that_is_nan_names_the_weights(model) -> None:
    with pytest.warns(RuntimeWarning, match="loss is nan at the end of epoch 1"):
        model.fit(np.full_like(X, np.nan), Y, BATCH, 1, 0)
    model.set_weights(START)
    assert np.isfinite(model.fit(X, Y, BATCH, 1, 0).history["loss"]).all()


def test_csv_logger_and_old_names(model, tmp_path) -> None:
    model.compile(optimizers.SGD(0.1), "mse", metrics=["mean_absolute_error"])
    path = tmp_path / "log.csv"
    history = model.fit(
        X, Y, BATCH, 2, 0, callbacks.CSVLogger(path), validation_data=(X, Y)
    ).history
    assert history["mae"] == history["mean_absolute_error"]
    assert history["val_mae"] == history["val_mean_absolute_error"]
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    assert [float(row["val_loss"]) for row in rows] == history["val_loss"]


def test_accuracy_is_found_under_both_names() -> None:
    model = Sequential([Input((FEATURES,)), Dense(1, activation="sigmoid")])
    labels = (Y > 0).astype("i")
    for name, other in (("acc", "accuracy"), ("accuracy", "acc")):
        model.compile("sgd", "binary_crossentropy", metrics=[name])
        history = model.fit(X, labels, ROWS, 1, 0).history
        assert list(history) == ["loss", name]
        assert history[other] == history[name]


@pytest.fixture
def keyboard() -> Iterator[None]:
    """Ctrl-C as a process in a terminal has it; one in the background may have it switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("keyboard")
@pytest.mark.parametrize("each", [False, True])
def test_ctrl_c_leaves_a_usable_model_and_the_history(each, model) -> None:
    def press(epoch: int, logs: Any) -> None:
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    hooks: dict[str, Any] = {"on_epoch_begin": press}
    if each:
        hooks["on_batch_end"] = lambda batch, logs: None
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, BATCH, 5, 0, LambdaCallback(**hooks))
    assert model.history.epoch == [0, 1]
    assert len(model.history.history["loss"]) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert np.isfinite(model.predict(X)).all()
    second = model.fit(X, Y, BATCH, 1, 0).history
    assert second["loss"][0] < model.history.history["loss"][0] + 1


@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_in_the_middle_of_many_steps(model, capsys) -> None:
    x, y = np.tile(X, (2000, 1)), np.tile(Y, (2000, 1))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))

    def begin(epoch: int, logs: Any) -> None:
        if epoch == 1:  # all is compiled
            timer.start()

    hook = LambdaCallback(on_epoch_begin=begin)
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, BATCH, 10_000, verbose=2, callbacks=hook)
    timer.join()
    assert time.perf_counter() - start < 60
    assert np.isfinite(model.evaluate(X, Y, BATCH, 0)).all()
    assert capsys.readouterr().out.endswith("\n")


def test_an_error_in_a_callback_leaves_a_usable_model(model) -> None:
    class Own(Exception):
        pass

    def fail(batch: int, logs: Any) -> None:
        raise Own

    with pytest.raises(Own):
        model.fit(X, Y, BATCH, 1, 0, LambdaCallback(on_batch_end=fail))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, BATCH, 2, 0, LambdaCallback(on_epoch_end=_interrupt))
    model.set_weights(START)
    model.train_on_batch(X[:4], Y[:4])
    assert np.isfinite(model.fit(X, Y, BATCH, 1, 0).history["loss"]).all()


def _interrupt(epoch: int, logs: Any) -> None:
    raise KeyboardInterrupt


def test_threads_may_predict_while_one_fits(model) -> None:
    failures: list[BaseException] = []
    jobs: list[Callable[[], Any]] = [
        lambda: model.predict(X, BATCH),
        lambda: model(X[:BATCH]),
        lambda: model.predict_on_batch(X),
        lambda: model.get_weights()[0],
    ]
    counts = [0] * len(jobs)
    done = threading.Event()

    def work(number: int) -> None:
        try:
            while not done.is_set():
                found = np.asarray(jobs[number]())
                assert np.isfinite(found).all()
                assert np.abs(found).max() < 100
                counts[number] += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    try:
        model.fit(X, Y, BATCH, 30, 0)
        model.fit(X, Y, BATCH, 10, 0, LambdaCallback(on_batch_end=lambda batch, logs: None))
        while min(counts) < 5 and not failures:
            model.train_on_batch(X[:4], Y[:4])
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_stop_training_in_a_hook_of_a_batch(model) -> None:
    def stop(batch: int, logs: Any) -> None:
        if batch == 1:
            model.stop_training = True

    ends: list[int] = []
    hooks = [
        LambdaCallback(on_batch_end=stop),
        LambdaCallback(on_batch_end=lambda batch, logs: ends.append(batch)),
    ]
    assert model.fit(X, Y, BATCH, 3, 0, hooks).epoch == [0]
    assert ends == [0, 1]
    assert model.fit(X, Y, BATCH, 2, 0).epoch == [0, 1]


def test_a_list_of_callbacks_may_be_made_before(model) -> None:
    made = callbacks.CallbackList([LambdaCallback()], add_history=False)
    assert model.fit(X, Y, BATCH, 2, 0, made).epoch == [0, 1]


@pytest.mark.parametrize("verbose", [1, 2])
def test_the_line_ends_also_after_an_error(verbose, model, capsys) -> None:
    def fail(batch: int, logs: Any) -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        model.fit(X, Y, BATCH, 1, verbose, LambdaCallback(on_batch_end=fail))
    out = capsys.readouterr().out
    assert out == "" or out.endswith("\n")
    model.evaluate(X, Y, BATCH, verbose)
    assert "5/5" in capsys.readouterr().out


def test_the_rate_of_optax_through_injected_hyperparameters() -> None:
    lamina.utils.set_random_seed(0)
    model = Sequential([Input((FEATURES,)), Dense(1)])
    model.compile(optax.inject_hyperparams(optax.sgd)(learning_rate=0.1), "mse")
    with pytest.raises(AttributeError, match="learning rate"):
        _ = model.optimizer.lr
    model.fit(X, Y, BATCH, 1, 0)
    model.optimizer.lr = 0.0
    before = model.get_weights()
    model.fit(X, Y, BATCH, 1, 0)
    np.testing.assert_array_equal(before[0], model.get_weights()[0])
    assert float(model.optimizer.lr) == 0.0
