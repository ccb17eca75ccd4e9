"""fit, evaluate and predict on every kind of data, against least squares in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from jax.experimental.sparse import BCOO

import lamina
from lamina import optimizers
from lamina.callbacks import LambdaCallback
from lamina.layers import Activation, Concatenate, Dense, Flatten, Input, Reshape
from lamina.models import Model, Sequential

ROWS, FEATURES, BATCH, RATE = 10, 3, 4, 0.1
rng = np.random.default_rng(8)
X = rng.normal(size=(ROWS, FEATURES)).astype("f")
Y = rng.normal(size=(ROWS, 1)).astype("f")
W = rng.uniform(0.5, 2, ROWS).astype("f")
START = [rng.normal(size=(FEATURES, 1)).astype("f"), np.array([0.3], "f")]


def by_hand(epochs: int = 2, rows: int = ROWS, weights: Any = None, batch: int = BATCH) -> Any:
    """Kernel and bias after gradient descent on the mean of squares of each batch."""
    kernel, bias = (array.astype("d") for array in START)
    scale = np.ones(ROWS) if weights is None else weights
    for _ in range(epochs):
        for first in range(0, rows, batch):
            part = slice(first, min(first + batch, rows))
            error = scale[part, None] * (X[part] @ kernel + bias - Y[part])
            step = 2 * RATE / len(error)
            kernel, bias = kernel - step * X[part].T @ error, bias - step * error.sum(axis=0)
    return [kernel, bias]


@pytest.fixture(scope="module")
def shared() -> Sequential:
    model = Sequential([Input(shape=(FEATURES,), name="features"), Dense(1, name="out")])
    model.compile(optimizers.SGD(RATE), "mse", metrics=["mae"])
    return model


@pytest.fixture
def model(shared) -> Sequential:
    shared.set_weights(START)
    return shared


def close(model: Any, expected: Any) -> None:
    for found, wanted in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


def batches(count: int | None = 3) -> Iterator[Any]:
    number = 0
    while count is None or number < count:
        part = slice(number % 3 * BATCH, number % 3 * BATCH + BATCH)
        yield X[part], Y[part]
        number += 1


class Loader:
    """What `tf.data` and the loaders of PyTorch look like: an iterable that starts anew."""

    def __iter__(self) -> Iterator[Any]:
        return batches(3)

    def __len__(self) -> int:
        return 3


class Numbered(lamina.utils.Sequence):
    """Batches under numbers."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        part = slice(index * BATCH, index * BATCH + BATCH)
        return X[part], Y[part]


class Typed:
    """A tensor of another library."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.array, dtype)


FITS: dict[str, Callable[[Any], Any]] = {
    "arrays": lambda m: m.fit(X, Y, BATCH, 2, 0, shuffle=False),
    "float64": lambda m: m.fit(X.astype("d"), Y.astype("d"), BATCH, 2, 0, shuffle=False),
    "targets without the axis of 1": lambda m: m.fit(X, Y[:, 0], BATCH, 2, 0, shuffle=False),
    "lists": lambda m: m.fit(X.tolist(), Y.tolist(), BATCH, 2, 0, shuffle=False),
    "list of arrays": lambda m: m.fit([X], [Y], BATCH, 2, 0, shuffle=False),
    "dict": lambda m: m.fit({"features": X}, {"out": Y}, BATCH, 2, 0, shuffle=False),
    "pandas": lambda m: m.fit(
        pd.DataFrame(X), pd.Series(Y[:, 0]), batch_size=BATCH, epochs=2, verbose=0, shuffle=False
    ),
    "another library": lambda m: m.fit(Typed(X), Typed(Y), BATCH, 2, 0, shuffle=False),
    "weights of 1": lambda m: m.fit(X, Y, BATCH, 2, 0, shuffle=False, sample_weight=np.ones(ROWS)),
    "steps_per_epoch": lambda m: m.fit(X, Y, BATCH, 2, 0, shuffle=False, steps_per_epoch=3),
    "finite generator": lambda m: m.fit(batches(6), steps_per_epoch=3, epochs=2, verbose=0),
    "endless generator": lambda m: m.fit(batches(None), steps_per_epoch=3, epochs=2, verbose=0),
    "iterable of batches": lambda m: m.fit(Loader(), epochs=2, verbose=0),
    "a list iterator a fit": lambda m: [m.fit(iter(list(batches())), verbose=0) for _ in "12"],
    "Sequence": lambda m: m.fit(Numbered(), epochs=2, verbose=0, shuffle=False, workers=2),
    "Sequence without workers": lambda m: m.fit(
        Numbered(), epochs=2, verbose=0, shuffle=False, workers=0
    ),
    "initial_epoch": lambda m: m.fit(X, Y, BATCH, 7, 0, shuffle=False, initial_epoch=5),
    "nb_epoch": lambda m: m.fit(X, Y, batch_size=BATCH, nb_epoch=2, verbose=0, shuffle=False),
    "fit_generator of Keras 2": lambda m: m.fit_generator(
        batches(None), steps_per_epoch=3, epochs=2, verbose=0, max_queue_size=2
    ),
    "fit_generator by position": lambda m: m.fit_generator(batches(None), 3, 2, 0),
    "fit_generator of Keras 1": lambda m: m.fit_generator(
        batches(None), samples_per_epoch=12, nb_epoch=2, verbose=0, nb_worker=1, max_q_size=2
    ),
    "train_on_batch": lambda m: [m.train_on_batch(*batch) for batch in batches(6)],
    "validation_split": lambda m: m.fit(
        np.concatenate([X, X]), np.concatenate([Y, Y]), BATCH, 2, 0, None, 0.5, shuffle=False
    ),
}


@pytest.mark.parametrize("way", FITS)
def test_every_kind_of_data_trains_the_same(way, model) -> None:
    FITS[way](model)
    close(model, by_hand())


def test_a_generator_that_runs_dry_warns_and_keeps_what_was_learned(model) -> None:
    with pytest.warns(UserWarning, match="ran out in epoch 2: 3 steps were expected and 1"):
        history = model.fit(batches(4), steps_per_epoch=3, epochs=5, verbose=0)
    assert history.epoch == [0, 1]
    assert np.isfinite(history.history["loss"]).all()


def test_rows_are_shuffled_as_wanted(model) -> None:
    x = np.repeat(np.arange(ROWS, dtype="f")[:, None], FEATURES, axis=1)
    seen: list[list[float]] = []

    for shuffle in (False, True, "batch"):
        source = lamina.training.data.make_source(
            x, Y, batch_size=BATCH, shuffle=shuffle, seed=int(model._seed)
        )
        seen.append([float(row) for part, _, _ in source.batches(0) for row in part[:, 0]])
    assert seen[0] == list(range(ROWS))
    assert sorted(seen[1]) == sorted(seen[2]) == seen[0]
    assert seen[1] != seen[0]
    results = []
    for shuffle in (False, True, "batch"):
        model.set_weights(START)
        model.fit(X, Y, BATCH, 2, 0, shuffle=shuffle)
        results.append(model.get_weights()[0])
    assert not np.allclose(results[0], results[1])


def test_sample_and_class_weights(model) -> None:
    model.fit(X, Y, BATCH, 2, 0, shuffle=False, sample_weight=W)
    close(model, by_hand(weights=W))
    model.set_weights(START)
    labels = (np.arange(ROWS) % 2).astype("i")
    model.fit(X, labels, BATCH, 1, 0, shuffle=False, class_weight={0: 0.5, 1: 3.0})
    first = model.get_weights()
    model.set_weights(START)
    weights = np.where(labels == 0, 0.5, 3.0)
    model.fit(X, labels, BATCH, 1, 0, shuffle=False, sample_weight=weights)
    close(model, first)


def test_weights_of_time_steps() -> None:
    model = Sequential([Dense(1, input_shape=(5, 2))])
    model.compile("sgd", "mse", sample_weight_mode="temporal")
    x = rng.normal(size=(6, 5, 2)).astype("f")
    y, weight = rng.normal(size=(6, 5, 1)).astype("f"), rng.uniform(0, 2, (6, 5)).astype("f")
    kernel, bias = model.get_weights()
    errors = ((x @ kernel + bias - y) ** 2)[..., 0]
    found = model.evaluate(x, y, batch_size=4, sample_weight=weight, verbose=0)
    assert found == pytest.approx((weight * errors).mean(), rel=1e-5)


def test_validation(model) -> None:
    every = model.fit(X, Y, BATCH, 4, 0, validation_data=(X, Y), validation_freq=2).history
    assert (len(every["loss"]), len(every["val_loss"])) == (4, 2)
    assert list(every) == ["loss", "mae", "val_loss", "val_mae"]
    some = model.fit(X, Y, BATCH, 4, 0, validation_data=[X, Y], validation_freq=[1, 4]).history
    assert len(some["val_mae"]) == 2
    last = model.evaluate(X, Y, BATCH, 0)
    assert [some["val_loss"][-1], some["val_mae"][-1]] == pytest.approx(last, rel=1e-6)
    streamed = model.fit(
        batches(None),
        steps_per_epoch=3,
        verbose=0,
        validation_data=batches(None),
        validation_steps=2,
    ).history
    head = model.evaluate(X[:8], Y[:8], BATCH, 0)
    assert streamed["val_loss"] == pytest.approx([head[0]], rel=1e-6)
    weighted = model.fit(X, Y, BATCH, 1, 0, validation_data=(X, Y, W), validation_batch_size=4)
    found = model.evaluate(X, Y, sample_weight=W, batch_size=BATCH, verbose=0)[0]
    assert weighted.history["val_loss"] == pytest.approx([found], rel=1e-6)
    sequence = model.fit(Numbered(), verbose=0, validation_data=Numbered()).history
    found = model.evaluate(X, Y, BATCH, 0)[0]
    assert sequence["val_loss"] == pytest.approx([found], rel=1e-6)


def test_validation_within_an_epoch_does_not_disturb_its_logs(model) -> None:
    alone = model.fit(X, Y, BATCH, 1, 0, shuffle=False).history
    model.set_weights(START)

    def evaluate(batch: int, logs: Any) -> None:
        model.evaluate(X[:4], Y[:4], BATCH, 0)

    disturbed = model.fit(
        X, Y, BATCH, 1, 0, LambdaCallback(on_batch_end=evaluate), shuffle=False
    ).history
    assert disturbed == alone


def test_results_come_as_list_or_dict(model) -> None:
    listed = model.evaluate(X, Y, BATCH, 0)
    assert model.metrics_names == ["loss", "mae"]
    assert model.evaluate(X, Y, BATCH, 0, return_dict=True) == dict(
        zip(["loss", "mae"], listed, strict=True)
    )
    one = model.test_on_batch(X[:4], Y[:4], return_dict=True)
    assert list(one) == ["loss", "mae"]
    errors = X[:4] @ START[0] + START[1] - Y[:4]
    assert one["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    trained = model.train_on_batch(X[:4], Y[:4], return_dict=True)
    assert trained == one  # the loss before the step
    assert model.test_on_batch(X[:4], Y[:4])[0] < one["loss"]
    both = [model.test_on_batch(X[i : i + 4], Y[i : i + 4], reset_metrics=i == 0) for i in (0, 4)]
    assert both[1] == pytest.approx(model.evaluate(X[:8], Y[:8], BATCH, 0), rel=1e-6)


def test_predictions(model) -> None:
    expected = X @ START[0] + START[1]
    for data, options in (
        (X, {"batch_size": BATCH}),
        (X.tolist(), {"batch_size": BATCH}),
        ({"features": X}, {"batch_size": BATCH}),
        (pd.DataFrame(X), {"batch_size": BATCH}),
        (Loader(), {}),
        (Numbered(), {"workers": 2}),
        (batches(None), {"steps": 3}),
    ):
        found = model.predict(data, **options)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(X[:4]), expected[:4], rtol=1e-5, atol=1e-6)
    found = model.predict_generator(batches(None), 2)
    np.testing.assert_allclose(found, expected[:8], rtol=1e-5, atol=1e-6)
    found = model.evaluate_generator(batches(None), 3)
    assert found == pytest.approx(model.evaluate(X, Y, BATCH, 0), rel=1e-6)


def test_several_inputs_and_outputs_by_list_and_by_name() -> None:
    left, right = Input((3,), name="left"), Input((2, 1), name="right")
    joined = Concatenate()([left, Flatten()(right)])
    model = Model([left, right], [Dense(1, name="a")(joined), Dense(2, name="b")(joined)])
    model.compile(optimizers.SGD(0.1), ["mse", "mae"], metrics={"b": ["mse"]})
    other = rng.normal(size=(ROWS, 2)).astype("f")
    start = model.get_weights()
    results = []
    for x, y in (
        ([X, other], [Y, other]),
        ({"right": other, "left": X}, {"b": other, "a": Y}),
        ((X, other), (Y, other)),
    ):
        model.set_weights(start)
        history = model.fit(x, y, BATCH, 1, 0, shuffle=False).history
        assert list(history) == ["loss", "a_loss", "b_loss", "b_mse"]
        results.append(model.get_weights())
    for found in results[1:]:
        for one, two in zip(found, results[0], strict=True):
            np.testing.assert_array_equal(one, two)
    first, second = model.predict([X, other])
    assert (first.shape, second.shape) == ((ROWS, 1), (ROWS, 2))


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, BCOO.fromdense])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_ragged_last_batch_of_sparse_rows_counts_by_its_rows(make, steps) -> None:
    data = np.where(np.abs(X) > 0.4, X, 0).astype("f")
    place = Input((FEATURES,), sparse=True)
    model = Model(place, Dense(1, name="out")(place))
    model.compile(optimizers.SGD(0.0), "mse", metrics=["mae"], steps_per_execution=steps)
    model.set_weights(START)
    error = data @ START[0] + START[1] - Y
    expected = pytest.approx([np.mean(error**2), np.mean(np.abs(error))], rel=1e-5)
    history = model.fit(make(data), Y, BATCH, 1, 0, validation_data=(make(data), Y)).history
    assert [history["loss"][0], history["mae"][0]] == expected
    assert [history["val_loss"][0], history["val_mae"][0]] == expected
    assert model.evaluate(make(data), Y, BATCH, 0) == expected
    np.testing.assert_allclose(model.predict(make(data), BATCH), error + Y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [Activation("relu", name="own"), Reshape((FEATURES, 1), name="own"), Flatten(name="own")],
)
def test_a_layer_that_takes_no_sparse_input_says_so(layer) -> None:
    place = Input((FEATURES,), sparse=True)
    model = Model(place, layer(place))
    rows = scipy.sparse.random(4, FEATURES, 0.5, format="csr", dtype="float32")
    with pytest.raises(TypeError, match=r"'own' takes no sparse input\. Let a Dense or a Lambda"):
        model.predict(rows)
