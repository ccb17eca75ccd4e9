"""What callbacks written for Keras 2 read from ``params`` and from the logs of batches."""

from typing import Any

import numpy as np
import pytest

from lamina.callbacks import Callback
from lamina.layers import Dense, Input
from lamina.models import Model, Sequential
from lamina.training.logs import Logs

X, Y = np.ones((10, 3), "f"), np.ones((10, 1), "f")


class Watch(Callback):
    def __init__(self) -> None:
        self.at_begin: list[str] = []
        self.at_end: list[str] = []
        self.begun: list[tuple] = []
        self.ended: list[tuple] = []
        self.keys: list[list[str]] = []

    def on_train_begin(self, logs=None) -> None:
        self.at_begin = list(self.params["metrics"])

    def on_train_end(self, logs=None) -> None:
        self.at_end = list(self.params["metrics"])

    def on_batch_begin(self, batch, logs=None) -> None:
        self.begun.append((batch, logs.get("batch"), logs.get("size")))

    def on_batch_end(self, batch, logs=None) -> None:
        self.ended.append((batch, logs["batch"], logs.get("size", 0)))
        self.keys.append(list(logs))


def compiled(metrics=("mae",)) -> Sequential:
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse", list(metrics))
    return model


def batches():
    for first in (0, 4, 8):
        yield X[first : first + 4], Y[first : first + 4]


EVERYTHING = ["loss", "mae", "val_loss", "val_mae"]


def test_names_of_metrics_are_known_when_training_begins() -> None:
    watch = Watch()
    compiled().fit(X, Y, 4, verbose=0, callbacks=[watch], validation_data=(X, Y))
    assert watch.at_begin == watch.at_end == EVERYTHING


def test_there_are_no_names_of_a_validation_that_does_not_happen() -> None:
    watch = Watch()
    compiled().fit(X, Y, 4, verbose=0, callbacks=[watch])
    assert watch.at_begin == ["loss", "mae"]


def test_names_of_metrics_with_several_outputs() -> None:
    tensor, watch = Input((3,)), Watch()
    model = Model(tensor, [Dense(1, name="a")(tensor), Dense(1, name="b")(tensor)])
    model.compile("sgd", "mse", {"b": ["mae"]})
    history = model.fit(X, [Y, Y], verbose=0, callbacks=[watch], validation_split=0.5)
    assert watch.at_begin == list(history.history)


def test_names_of_metrics_of_a_generator_are_known_after_its_first_batch() -> None:
    watch, model = Watch(), compiled()
    model.fit(batches(), verbose=0, callbacks=[watch], validation_data=(X, Y))
    assert watch.at_end == EVERYTHING
    model.fit(batches(), verbose=0, callbacks=[watch], validation_data=(X, Y))
    assert watch.at_begin == watch.at_end == EVERYTHING
    model.fit(batches(), verbose=0, callbacks=[watch])
    assert watch.at_begin == watch.at_end == ["loss", "mae"]


@pytest.mark.parametrize(("given", "expected"), [("auto", 1), (True, 1), (0, 0), (2, 2)])
def test_verbosity_is_a_number(given, expected, capsys) -> None:
    watch = Watch()
    compiled().fit(X, Y, verbose=given, callbacks=[watch])
    assert watch.params["verbose"] == expected
    assert type(watch.params["verbose"]) is int
    compiled().evaluate(X, Y, verbose=given, callbacks=[watch])
    assert watch.params["verbose"] == expected
    assert bool(capsys.readouterr().out) == bool(expected)


@pytest.mark.parametrize("data", [(X, Y, 4), (batches,)], ids=["arrays", "generator"])
def test_logs_of_batches_answer_to_batch_and_size(data) -> None:
    watch = Watch()
    given: list[Any] = [part() if callable(part) else part for part in data]
    history = compiled().fit(*given, verbose=0, shuffle=False, callbacks=[watch])
    assert watch.begun == watch.ended == [(0, 0, 4), (1, 1, 4), (2, 2, 2)]
    assert watch.keys == [["loss", "mae"]] * 3
    assert list(history.history) == ["loss", "mae"]


def test_what_is_aside_is_no_key_but_may_be_taken_out() -> None:
    logs = Logs({"loss": 0.5}, aside={"batch": 3, "size": 32})
    assert "size" in logs
    assert (len(logs), list(logs), dict(logs)) == (1, ["loss"], {"loss": 0.5})
    assert (logs.pop("size"), logs.get("size"), logs["batch"]) == (32, None, 3)
    logs["batch"] = 0.25
    assert (logs["batch"], list(logs)) == (0.25, ["loss", "batch"])
    with pytest.raises(KeyError, match="size"):
        logs["size"]


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_missing_targets_name_the_method(method) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=f"^{method}: there are no targets for output"):
            getattr(compiled(()), method)(X)
