"""Warnings point at the line of the user's program."""

import inspect
import warnings
from pathlib import Path

import numpy as np
import pytest

from lamina import callbacks
from lamina.layers import Dense
from lamina.models import Sequential

X, Y = np.ones((8, 3), "f"), np.ones((8, 1), "f")


def compiled(loss="mse") -> Sequential:
    model = Sequential([Dense(2, input_shape=(3,)), Dense(1)])
    model.compile("sgd", loss)
    return model


def flags(model) -> int:
    model.layers[0].trainable = False
    model.fit(X, Y, verbose=0)
    return line() - 1


def flags_of_a_batch(model) -> int:
    model.layers[0].trainable = False
    model.train_on_batch(X, Y)
    return line() - 1


def missing_monitor(model) -> int:
    watch = callbacks.EarlyStopping("val_loss")
    model.fit(X, Y, verbose=0, callbacks=[watch])
    return line() - 1


def dry_generator(model) -> int:
    model.fit_generator(iter([(X, Y)]), steps_per_epoch=3, epochs=1, verbose=0)
    return line() - 1


def loss_that_is_nan(model) -> int:
    model.fit(X * np.nan, Y, verbose=0)
    return line() - 1


def too_many_steps(model) -> int:
    model.evaluate(X, Y, steps=9, verbose=0)
    return line() - 1


def one_class(model) -> int:
    model.compile("sgd", "categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    return line() - 1


def processes_for_a_generator(model) -> int:
    model.fit(iter([(X, Y)]), verbose=0, use_multiprocessing=True)
    return line() - 1


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


MISTAKES = (
    *(flags, flags_of_a_batch, missing_monitor, dry_generator, loss_that_is_nan),
    *(too_many_steps, one_class, processes_for_a_generator),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_warnings_point_at_the_line_of_the_user(mistake) -> None:
    model = compiled()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        expected = mistake(model)
    assert len({str(warning.message) for warning in found}) == 1
    places = {(Path(warning.filename), warning.lineno) for warning in found}
    assert places == {(Path(__file__), expected)}


def test_a_line_warns_once_by_default() -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for _ in range(2):
            compiled().evaluate(X, Y, steps=9, verbose=0)
        compiled().evaluate(X, Y, steps=9, verbose=0)
    assert [warning.lineno for warning in found] == [line() - 2, line() - 1]
