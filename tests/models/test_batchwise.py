"""Sources of batches as Keras 1 and 2 spelled them, and one batch at a time."""

import inspect

import numpy as np
import pytest

from lamina.callbacks import LambdaCallback
from lamina.layers import Dense
from lamina.models import Model, Sequential
from lamina.training import state

# As recorded from Keras 2.2.4.
SIGNATURES = {
    "fit_generator": {
        "steps_per_epoch": None,
        "epochs": 1,
        "verbose": 1,
        "callbacks": None,
        "validation_data": None,
        "validation_steps": None,
        "class_weight": None,
        "max_queue_size": 10,
        "workers": 1,
        "use_multiprocessing": False,
        "shuffle": True,
        "initial_epoch": 0,
    },
    "evaluate_generator": {
        "steps": None,
        "max_queue_size": 10,
        "workers": 1,
        "use_multiprocessing": False,
        "verbose": 0,
    },
    "predict_generator": {
        "steps": None,
        "max_queue_size": 10,
        "workers": 1,
        "use_multiprocessing": False,
        "verbose": 0,
    },
}


@pytest.fixture
def model() -> Sequential:
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile("sgd", "mse")
    return model


def batches():
    while True:
        yield np.ones((4, 3)), np.ones((4, 1))


@pytest.mark.parametrize("method", SIGNATURES)
def test_generator_methods_spell_out_their_arguments_in_the_order_of_keras_2(method) -> None:
    parameters = list(inspect.signature(getattr(Model, method)).parameters.values())
    assert [p.name for p in parameters[:2]] == ["self", "generator"]
    assert {p.name: p.default for p in parameters[2:-1]} == SIGNATURES[method]
    assert [p.name for p in parameters[2:-1]] == list(SIGNATURES[method])
    assert parameters[-1].kind is parameters[-1].VAR_KEYWORD


def test_evaluations_and_predictions_of_generators_are_silent(model, capsys) -> None:
    model.evaluate_generator(batches(), 2, 5, 1, False)
    assert model.predict_generator(batches(), 2, 5, 1, False, 0).shape == (8, 1)
    assert capsys.readouterr().out == ""


def test_names_of_keras_1_still_work(model) -> None:
    history = model.fit_generator(
        batches(),
        samples_per_epoch=12,
        nb_epoch=2,
        verbose=0,
        validation_data=batches(),
        nb_val_samples=8,
        max_q_size=2,
        nb_worker=1,
    )
    assert history.epoch == [0, 1]
    assert history.params["steps"] == 3
    assert "val_loss" in history.history
    model.evaluate_generator(batches(), val_samples=8, max_q_size=2)
    assert model.predict_generator(batches(), val_samples=8).shape == (8, 1)


@pytest.mark.parametrize(("rows", "steps"), [(50, 2), (100, 4), (1, 1)])
def test_rows_of_validation_arrays_become_steps(rows, steps, model) -> None:
    (x, y), seen = next(batches()), []
    held = (np.repeat(x, 25, axis=0), np.repeat(y, 25, axis=0))
    count = LambdaCallback(on_test_batch_end=lambda batch, logs: seen.append(batch))
    model.fit_generator(
        batches(), 2, 1, verbose=0, validation_data=held, nb_val_samples=rows, callbacks=[count]
    )
    assert seen == list(range(steps))


def test_unknown_arguments_of_generator_methods_are_refused(model) -> None:
    with pytest.raises(TypeError, match="unknown argument 'epoch'"):
        model.fit_generator(batches(), 2, epoch=3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a b", "a b"),
        ("a a a", "a a_1 a_2"),
        ("a a a_1", "a a_2 a_1"),
        ("a_1 a a a_1", "a_1 a a_2 a_1_1"),
    ],
)
def test_reports_of_one_name_get_numbers_that_are_free(given, expected) -> None:
    assert state.names_of([(name, 0.0) for name in given.split()]) == expected.split()


def test_many_reports_of_one_name_are_counted_once_each() -> None:
    class Name(str):
        compared = 0
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            Name.compared += 1
            return str.__eq__(self, other)

    state.names_of([(Name("a"), 0.0) for _ in range(300)])
    assert Name.compared < 3000
