"""Batches of a stream are on their way to an accelerator before they are used."""

import jax
import numpy as np
import pytest

from lamina import layers
from lamina.models import Sequential
from lamina.training import resident

X = np.random.default_rng(1).normal(size=(30, 5)).astype("f")
Y = np.random.default_rng(2).normal(size=(30, 3)).astype("f")


def stream(events, size=6):
    for first in range(0, 30, size):
        events.append(("read", first // size))
        yield X[first : first + size], Y[first : first + size]


def model():
    one = Sequential([layers.Dense(3, kernel_initializer="zeros", input_shape=(5,))])
    one.compile("sgd", "mse")
    return one


@pytest.fixture
def accelerator(monkeypatch):
    """Let this machine pass for one with an accelerator where batches are moved."""
    monkeypatch.setattr(resident.jax, "default_backend", lambda: "gpu")


def test_a_cpu_moves_nothing():
    batches = iter([(X, Y, None)])
    assert resident.moved_ahead(batches) is batches


def test_each_batch_moves_before_the_one_before_it_is_used(accelerator):
    events = []
    batches = ((x, y, None) for x, y in stream(events))
    for number, (x, _, _) in enumerate(resident.moved_ahead(batches)):
        assert isinstance(x, jax.Array)
        np.testing.assert_array_equal(x, X[6 * number : 6 * number + 6])
        assert events[-1] == ("read", min(number + 1, 4))
    assert len(events) == 5
    assert list(resident.moved_ahead(iter(()))) == []


def test_the_numbers_are_the_same(monkeypatch):
    usual = model()
    expected = usual.fit(stream([]), epochs=1, verbose=0).history
    monkeypatch.setattr(
        resident, "moved_ahead", lambda batches: resident._one_ahead(map(jax.device_put, batches))
    )
    other = model()
    assert other.fit(stream([]), epochs=1, verbose=0).history == expected
    for now, then in zip(other.get_weights(), usual.get_weights(), strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(
        other.predict((x for x, _ in stream([])), verbose=0), usual.predict(X, 6, verbose=0)
    )
