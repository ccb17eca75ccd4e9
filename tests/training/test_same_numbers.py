"""Same seed, same weights, however training is cut into calls; one program a batch shape."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

import lamina
from lamina import optimizers
from lamina.callbacks import Callback, LambdaCallback
from lamina.layers import Dense, Dropout, Input
from lamina.models import Sequential

ROWS, FEATURES, BATCH = 67, 4, 8


class EachBatch(Callback):
    """Wants the moment after every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(logs["loss"])


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(ROWS, FEATURES)).astype("f"), rng.integers(0, 3, ROWS)


def built() -> Sequential:
    lamina.utils.set_random_seed(4)
    return Sequential(
        [
            Input(shape=(FEATURES,)),
            Dense(6, activation="relu"),
            Dropout(0.3),
            Dense(3, activation="softmax"),
        ]
    )


def trained(data: Any, verbose: int = 0, each: bool = False, **compile_options: Any) -> Any:
    model = built()
    model.compile(
        optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        **compile_options,
    )
    callbacks = [EachBatch()] if each else None
    history = model.fit(
        *data,
        batch_size=BATCH,
        epochs=3,
        verbose=verbose,
        callbacks=callbacks,
        validation_data=data,
    )
    return model.get_weights(), history.history


@pytest.fixture(scope="module")
def usual(data) -> Any:
    return trained(data)


WAYS: dict[str, dict[str, Any]] = {
    "again": {},
    "bar": {"verbose": 1},
    "lines": {"verbose": 2},
    "a step a call": {"each": True},
    "7 steps a call": {"steps_per_execution": 7},
    "a step a call, 7 wanted": {"each": True, "steps_per_execution": 7},
}


@pytest.mark.parametrize("way", WAYS)
def test_same_seed_same_weights_bit_for_bit(way, data, usual, capsys) -> None:
    weights, history = trained(data, **WAYS[way])
    for one, other in zip(weights, usual[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert history == usual[1]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch")]
    assert len(lines) == (3 if WAYS[way].get("verbose") else 0)


def test_another_seed_gives_other_weights(data, usual) -> None:
    model = built()
    lamina.utils.set_random_seed(5)
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*data, batch_size=BATCH, epochs=3, verbose=0)
    assert not np.array_equal(model.get_weights()[0], usual[0][0])


def test_a_training_in_two_parts_is_the_training_in_one(data, usual) -> None:
    model = built()
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["acc"])
    first = model.fit(*data, batch_size=BATCH, epochs=1, verbose=0)
    second = model.fit(*data, batch_size=BATCH, epochs=3, verbose=0, initial_epoch=1)
    for one, other in zip(model.get_weights(), usual[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert first.history["loss"] + second.history["loss"] == usual[1]["loss"]
    assert (first.epoch, second.epoch) == ([0], [1, 2])
    third = model.fit(
        *data, batch_size=BATCH, epochs=1, verbose=0
    )  # no third order of the rows is the first one again
    orders = [tuple(lamina.training.data.source.permutation(9, 1, epoch)) for epoch in range(4)]
    assert len(set(orders)) == 4
    assert third.epoch == [0]


def test_the_logs_of_a_batch_are_means_of_the_epoch_so_far(data) -> None:
    model = built()
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    model.layers[1].rate = 0.0
    each = EachBatch()
    history = model.fit(*data, batch_size=BATCH, epochs=1, verbose=0, callbacks=each, shuffle=False)
    probabilities = model.predict(data[0])
    losses = -np.log(probabilities[np.arange(ROWS), data[1]])
    ends = [*range(BATCH, ROWS, BATCH), ROWS]
    expected = [losses[:end].mean() for end in ends]
    np.testing.assert_allclose(each.losses, expected, rtol=1e-6)
    np.testing.assert_allclose(history.history["loss"], losses.mean(), rtol=1e-6)


class Compilations(logging.Handler):
    """Counts what JAX compiles, by the names of the functions."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith("Compiling "):
            self.names.append(text.split()[1])

    def steps(self) -> list[str]:
        names = [name.removeprefix("jit(").removesuffix(")") for name in self.names]
        mine = {"_one", "_many", "_test_one", "_test_many", "_predict_many", "function"}
        return sorted(name for name in names if name in mine)


@pytest.fixture
def compilations() -> Iterator[Compilations]:
    handler, logger = Compilations(), logging.getLogger("jax._src.interpreters.pxla")
    logger.addHandler(handler)
    kept, logger.propagate = logger.propagate, False
    with jax.log_compiles():
        yield handler
    logger.removeHandler(handler)
    logger.propagate = kept


def test_one_program_for_each_batch_shape(data, compilations) -> None:
    x, y = data
    model = built()
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, BATCH, 2, 0, validation_data=(x[:20], y[:20]))
    # Blocks of full batches, and the ragged last one, of 3 and of 4 rows.
    assert compilations.steps() == ["_many", "_one", "_test_many", "_test_one"]
    compilations.names.clear()
    model.fit(x[:27], y[:27], BATCH, 3, 0, validation_data=(x[:60], y[:60]))  # other lengths
    model.fit(x[:24], y[:24], BATCH, 1, 0, shuffle=False)
    model.evaluate(x[:44], y[:44], BATCH, 0)
    model.evaluate(x[:44], y[:44], BATCH, 0)
    model.fit(x, y, BATCH, 1, 0, callbacks=EachBatch())
    model.optimizer.learning_rate = 0.05
    model.fit(x, y, BATCH, 1, 0)
    model.train_on_batch(x[:3], y[:3])  # the shape of the ragged batch
    assert compilations.steps() == []
    model.predict(x, BATCH)
    assert compilations.steps() == ["_predict_many", "function"]
    compilations.names.clear()
    model.predict(x[:43], BATCH)
    assert compilations.steps() == []
    model.predict_on_batch(x[:BATCH])
    assert compilations.steps() == ["function"]
    compilations.names.clear()
    model.predict(x[:BATCH], BATCH)
    model.predict(x[: BATCH + 3], BATCH)
    assert compilations.steps() == []


def test_other_layers_and_flags_recompile_nothing_in_a_known_state(data, compilations) -> None:
    x, y = data
    model = built()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(x[:8], y[:8])
    weights = model.get_weights()
    Dense(3)(x[:2])  # a layer of somebody else
    model.train_on_batch(x[:8], y[:8])
    assert compilations.steps().count("_one") == 1
    model.layers[0].trainable = False
    with pytest.warns(UserWarning, match="2 weights are trainable now, but 4"):
        model.train_on_batch(x[:8], y[:8])
    model.layers[0].trainable = True
    model.train_on_batch(x[:8], y[:8])
    model.layers[0].trainable = False
    model.train_on_batch(x[:8], y[:8])
    assert compilations.steps().count("_one") == 1  # flags are those of the time of compile
    assert not np.array_equal(model.get_weights()[0], weights[0])


def test_the_learning_rate_changes_between_steps_and_compiles_nothing(data, compilations) -> None:
    x, y = data
    model = built()
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    seen: list[float] = []

    def after(batch: int, logs: Any) -> None:
        seen.append(float(model.optimizer.lr))
        model.optimizer.learning_rate = 0.0 if batch == 0 else 0.1
        if batch == 0:
            kept.append(model.get_weights())
        if batch == 1:
            kept.append(model.get_weights())

    kept: list[Any] = []
    model.fit(x[:24], y[:24], BATCH, 1, 0, LambdaCallback(on_batch_end=after))
    np.testing.assert_allclose(seen, [0.1, 0.0, 0.1])
    np.testing.assert_array_equal(kept[0][0], kept[1][0])  # the step at a rate of 0
    assert not np.array_equal(kept[1][0], model.get_weights()[0])
    assert compilations.steps() == ["_many"]


def test_a_rate_that_is_a_function_is_asked_before_each_step(data) -> None:
    x, y = data
    asked: list[float] = []

    def rate() -> float:
        asked.append(0.1 / (1 + len(asked)))
        return asked[-1]

    model = built()
    model.compile(optimizers.SGD(rate), "sparse_categorical_crossentropy")
    model.fit(x, y, BATCH, 2, 0)
    assert len(asked) == 2 * 9


@pytest.mark.parametrize("each", [False, True])
def test_a_schedule_follows_the_steps(data, each) -> None:
    x, y = data
    model = built()
    schedule = optimizers.schedules.ExponentialDecay(0.1, decay_steps=1, decay_rate=0.5)
    model.compile(optimizers.SGD(schedule), "sparse_categorical_crossentropy")
    model.fit(x, y, BATCH, 1, 0, EachBatch() if each else None)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1 * 0.5**9)
    assert int(model.optimizer.iterations) == 9


FIRST_FIT = """
import logging, sys
import jax
import numpy as np

class Names(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("Compiling"):
            print(record.getMessage().split()[1])

logger = logging.getLogger("jax._src.interpreters.pxla")
logger.addHandler(Names())
logger.propagate = False
from lamina import Sequential, layers
model = Sequential([layers.Dense(7, input_shape=(5,)), layers.Dropout(0.3), layers.Dense(3)])
model.set_weights([np.ones(weight.shape, "float32") for weight in model.get_weights()])
model.compile("adam", "mse", metrics=["mae"])
with jax.log_compiles():
    model.fit(np.ones((64, 5), "float32"), np.ones((64, 3), "float32"), verbose=0)
"""


@pytest.mark.slow
def test_a_first_fit_compiles_the_step_and_nothing_else() -> None:
    found = subprocess.run(
        [sys.executable, "-c", FIRST_FIT], check=True, capture_output=True, text=True
    ).stdout.split()
    # The program of one number finds out which options XLA knows.
    assert [name for name in found if "lambda" not in name] == ["jit(_many)"]
    assert len(found) <= 2
