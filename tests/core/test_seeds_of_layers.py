"""Layers and initializers with a seed of their own, where no global seed was set."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from lamina import backend as K
from lamina import initializers, seeds
from lamina.core import context
from lamina.layers import AlphaDropout, Dense, Dropout, GaussianNoise, Input, Layer
from lamina.models import Model, Sequential

X = np.ones((3, 40), "f")


def masks(layer, times=2):
    return [np.asarray(layer(X, training=True)) for _ in range(times)]


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("kind", [Dropout, AlphaDropout, GaussianNoise])
def test_a_layers_own_seed_is_enough(kind):
    first, second = masks(kind(0.5, seed=7)), masks(kind(0.5, seed=7))
    np.testing.assert_array_equal(first, second)
    assert (first[0] != first[1]).any()
    assert (masks(kind(0.5, seed=8))[0] != first[0]).any()
    assert (masks(kind(0.5))[0] != masks(kind(0.5))[0]).any()


@pytest.mark.usefixtures("unset")
@pytest.mark.parametrize("way", ["eagerly", "in a model", "K.function", "under jit"])
def test_on_every_road(way):
    def drawn():
        layer = Dropout(0.5, seed=7)
        if way == "in a model":
            return masks(Sequential([layer]))
        if way == "under jit":
            return [np.asarray(jax.jit(lambda x: layer(x, training=True))(X))]
        if way == "eagerly":
            layer.run_eagerly = True
            return masks(layer)
        x = Input((40,))
        run = K.function([x, K.learning_phase()], [layer(x)])
        return [run([X, 1])[0], run([X, 1])[0]]

    first, second = drawn(), drawn()
    np.testing.assert_array_equal(first, second)
    assert all(0 < np.mean(one == 0) < 1 for one in first)
    assert len(first) == 1 or (first[0] != first[1]).any()


@pytest.mark.usefixtures("unset")
def test_training_with_seeds_of_layers_alone():
    def trained(seed):
        first = Dense(5, kernel_initializer=initializers.GlorotUniform(seed=3))
        last = Dense(1, kernel_initializer=initializers.RandomNormal(seed=4))
        model = Sequential([Input((40,)), first, Dropout(0.5, seed=seed), last])
        model.compile("sgd", "mse")
        model.fit(X, X[:, :1] * 2, epochs=3, batch_size=1, shuffle=False, verbose=0)
        return model.get_weights()

    first, again, other, free = (trained(seed) for seed in (7, 7, 8, None))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    assert any((a != b).any() for a, b in zip(first, free, strict=True))


def test_a_global_seed_counts_for_layers_with_a_seed_too():
    found = []
    for seed in (1, 1, 2):
        seeds.set_random_seed(seed)
        found.append(masks(Dropout(0.5, seed=7))[0])
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


@pytest.mark.usefixtures("unset")
def test_turns_of_a_loop_differ_and_come_again():
    class Noisy(Layer):
        def call(self, inputs, training=None):
            def turn(row):
                return row * jax.random.uniform(self.random_key(7), row.shape)

            return K.map_fn(turn, inputs)

    first, second = Noisy()(X), Noisy()(X)
    np.testing.assert_array_equal(first, second)
    assert (np.asarray(first)[0] != np.asarray(first)[1]).any()


@pytest.mark.usefixtures("unset")
def test_seeds_of_runs_say_whether_a_global_one_was_set():
    assert seeds.next_run_seed() & seeds.FREE
    seeds.set_random_seed(5)
    assert not seeds.next_run_seed() & seeds.FREE
    free, bound = seeds.FREE | np.uint32(9), np.uint32(9)
    same = [
        jax.random.key_data(context.key_of_step(seed, 2).of(7)) for seed in (free, free + 1, bound)
    ]
    assert (same[0] == same[1]).all()
    assert (same[0] != same[2]).any()
    np.testing.assert_array_equal(
        jax.random.key_data(context.key_of_step(bound, 2).of(7)),
        jax.random.key_data(context.key_of_step(bound, 2).of(None)),
    )


PROGRAM = """
import numpy as np
from lamina import initializers
from lamina.layers import Dropout
mask = Dropout(0.5, seed=7)(np.ones((2, 30), "f"), training=True)
print(np.asarray(mask).ravel().tolist())
print(np.asarray(initializers.HeNormal(seed=3)((2, 3))).ravel().tolist())
"""


def test_two_processes_draw_the_same():
    """One process of its own is compared with this one."""
    kept = dict(seeds._state)
    seeds._state.update(seed=None, drawn=0)
    try:
        mask = np.asarray(Dropout(0.5, seed=7)(np.ones((2, 30), "f"), training=True))
    finally:
        seeds._state.update(kept)
    kernel = np.asarray(initializers.HeNormal(seed=3)((2, 3)))
    expected = f"{mask.ravel().tolist()}\n{kernel.ravel().tolist()}\n"
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert run.stdout == expected


def test_a_model_of_models_too():
    kept = dict(seeds._state)
    seeds._state.update(seed=None, drawn=0)
    try:
        found = []
        for _ in range(2):
            x = Input((40,))
            inner = Sequential([Dropout(0.5, seed=7)])
            found.append(np.asarray(Model(x, inner(x))(X, training=True)))
    finally:
        seeds._state.update(kept)
    np.testing.assert_array_equal(found[0], found[1])
