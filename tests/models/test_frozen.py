"""Freezing a model freezes what is in it: weights, and the moving statistics of normalization."""

import numpy as np
import pytest

from lamina.layers import BatchNormalization, Dense, Input, Layer
from lamina.models import Model, Sequential

rng = np.random.default_rng(5)
X = rng.normal(2.0, 3.0, size=(40, 7)).astype("f")
Y = rng.normal(size=(40, 1)).astype("f")


def base(**options):
    entry = Input(shape=(7,))
    return Model(entry, BatchNormalization()(entry), **options)


def moved(model, before):
    return not all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def around(inner):
    entry = Input(shape=(7,))
    model = Model(entry, Dense(1)(inner(entry)))
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("depth", [1, 3])
def test_a_frozen_model_keeps_its_moving_statistics(depth):
    inner = base()
    outer = inner
    for _ in range(depth - 1):
        outer = Sequential([outer])
    outer.trainable = False
    assert [layer.trainable for layer in outer.all_layers()] == [False] * len(
        list(outer.all_layers())
    )
    before = inner.get_weights()
    around(outer).fit(X, Y, verbose=0)
    assert not moved(inner, before)
    outer.trainable = True
    around(outer).fit(X, Y, verbose=0)
    assert moved(inner, before)


@pytest.mark.parametrize(
    "make",
    [
        lambda: base(trainable=False),
        lambda: Sequential([BatchNormalization(input_shape=(7,))], trainable=False),
    ],
)
def test_a_model_that_is_made_frozen_does_too(make):
    inner = make()
    before = inner.get_weights()
    around(inner).fit(X, Y, verbose=0)
    assert not moved(inner, before)


def test_flags_reach_layers_in_layers_and_single_ones_may_learn_again():
    wrapper = Layer()
    wrapper.parts = {"a": [Dense(2)]}  # type: ignore[attr-defined]
    wrapper.trainable = False
    assert not wrapper.parts["a"][0].trainable  # type: ignore[attr-defined]
    model = Sequential([Dense(3, input_shape=(7,)), Dense(2)])
    model.trainable = False
    model.trainable = True
    assert len(model.trainable_weights) == 4
    model.layers[0].trainable = False
    assert len(model.trainable_weights) == 2


@pytest.mark.parametrize("eager", [False, True])
def test_a_discriminator_normalizes_as_it_was_compiled(eager):
    """It is frozen for the combined model, and goes on learning on its own."""
    entry = Input(shape=(7,))
    critic = Model(entry, Dense(1)(BatchNormalization()(entry)))
    critic.compile("sgd", "mse", run_eagerly=eager)
    critic.trainable = False
    maker = Sequential([Dense(7, input_shape=(3,))])
    combined = Sequential([maker, critic])
    combined.compile("sgd", "mse", run_eagerly=eager)
    before = critic.get_weights()
    combined.train_on_batch(X[:, :3], Y)
    assert not moved(critic, before)
    with pytest.warns(UserWarning, match="0 weights are trainable now"):
        critic.train_on_batch(X, Y)
    middle = critic.get_weights()
    assert not any(np.array_equal(a, b) for a, b in zip(before, middle, strict=True))
    combined.train_on_batch(X[:, :3], Y)
    assert not moved(critic, middle)
    assert not any(layer.trainable for layer in critic.all_layers())
