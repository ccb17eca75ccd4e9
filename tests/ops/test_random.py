"""Draws: their shapes, dtypes and moments."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops import random

KEY = jax.random.key(5)


def test_dropout_drops_its_share_and_scales_the_rest():
    x = np.random.default_rng(0).normal(size=(300, 200)).astype("f")
    y = np.asarray(random.dropout(x, 0.3, KEY))
    dropped = y == 0
    assert abs(dropped.mean() - 0.3) < 0.01
    np.testing.assert_allclose(y[~dropped], x[~dropped] / 0.7, rtol=1e-6)
    np.testing.assert_array_equal(y, random.dropout(x, 0.3, KEY))
    assert (y != random.dropout(x, 0.3, jax.random.key(6))).any()


def test_dropout_at_its_ends():
    x = np.ones((3, 4), "f")
    np.testing.assert_array_equal(random.dropout(x, 0, KEY), x)
    np.testing.assert_array_equal(random.dropout(x, 1.0, KEY), 0 * x)
    for rate in -0.1, 1.5:
        with pytest.raises(ValueError, match=f"rate must be a number from 0 to 1, got {rate}"):
            random.dropout(x, rate, KEY)


@pytest.mark.parametrize("noise_shape", [(None, 1, None), (7, 1, 30), (None, 1, 30)])
def test_noise_shape_drops_together(noise_shape):
    y = np.asarray(random.dropout(np.ones((7, 5, 30), "f"), 0.5, KEY, noise_shape))
    assert (y == y[:, :1]).all()
    assert 0 < (y == 0).mean() < 1
    assert (y[0] != y[1]).any()


@pytest.mark.parametrize("noise_shape", [(7, 1), (7, 2, 30), (None, None, 29)])
def test_noise_shapes_that_do_not_fit(noise_shape):
    with pytest.raises(ValueError, match="noise_shape"):
        random.dropout(np.ones((7, 5, 30), "f"), 0.5, KEY, noise_shape)


def test_gradient_of_dropout_is_its_mask():
    x = np.random.default_rng(0).normal(size=(9, 8)).astype("f")
    gradient = jax.grad(lambda x: random.dropout(x, 0.25, KEY).sum())(x)
    kept = np.asarray(random.dropout(x, 0.25, KEY)) != 0
    np.testing.assert_allclose(gradient, kept / 0.75, rtol=1e-6)


def test_half_precision_stays():
    assert random.dropout(jnp.ones(3, jnp.bfloat16), 0.5, KEY).dtype == jnp.bfloat16


DRAWS = {
    "uniform": (lambda s: random.uniform(KEY, s, -1.0, 3.0), 1, 4 / np.sqrt(12)),
    "normal": (lambda s: random.normal(KEY, s, 2.0, 3.0), 2, 3),
    "truncated": (lambda s: random.truncated_normal(KEY, s, 2.0, 3.0), 2, 3 * 0.87962566),
    "bernoulli": (lambda s: random.bernoulli(KEY, 0.2, s), 0.2, 0.4),
    "gamma": (lambda s: random.gamma(KEY, s, 4.0), 4, 2),
    "beta": (lambda s: random.beta(KEY, s, 2.0, 2.0), 0.5, np.sqrt(0.05)),
    "binomial": (lambda s: random.binomial(KEY, s, 8.0, 0.5), 4, np.sqrt(2)),
}
SLOW = {"gamma", "beta", "binomial"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in DRAWS]
)
def test_moments(name):
    draw, mean, deviation = DRAWS[name]
    values = draw((200, 100))
    assert values.shape == (200, 100)
    assert abs(values.mean() - mean) < 0.05 * deviation
    assert abs(values.std() - deviation) < 0.05 * deviation
    if name == "truncated":
        assert np.abs(values - 2).max() <= 6


def test_integers_and_dtypes():
    whole = random.randint(KEY, (500,), 3, 6)
    assert sorted(set(whole.tolist())) == [3, 4, 5]
    assert random.uniform(KEY, (500,), 3, 6, "int32").dtype == jnp.int32
    for draw in random.uniform, random.normal, random.truncated_normal:
        assert draw(KEY, (2,), 1.0, 2.0, "bfloat16").dtype == jnp.bfloat16


def test_classes_follow_the_logits():
    probabilities = np.array([[0.5, 0.1, 0.4], [0.2, 0.8, 0.0]])
    drawn = np.asarray(random.categorical(KEY, np.log(probabilities + 1e-9).astype("f"), 4000))
    assert drawn.shape == (2, 4000)
    found = np.stack([np.bincount(row, minlength=3) for row in drawn]) / 4000
    np.testing.assert_allclose(found, probabilities, atol=0.03)


def test_shuffle_keeps_the_slices():
    x = np.arange(12).reshape(3, 4)
    y = np.asarray(random.shuffle(KEY, x, axis=1))
    np.testing.assert_array_equal(np.sort(y, axis=1), x)
    np.testing.assert_array_equal(y[1] - y[0], [4] * 4)


def draws_of_many_keys(probability: float, shape: tuple[int, ...], count: int) -> np.ndarray:
    keys = jax.random.split(jax.random.key(11), count)
    return np.stack([np.asarray(random.kept(key, probability, shape)) for key in keys])


@pytest.mark.parametrize("probability", [0.001, 0.25, 0.5, 0.8, 0.9999])
def test_as_many_stay_as_the_probability_says(probability):
    found = draws_of_many_keys(probability, (101, 67), 30)
    deviation = np.sqrt(probability * (1 - probability) / found.size)
    assert abs(found.mean() - probability) < 4 * deviation
    # And by row, by column and by key: none of them more apart than chance has it.
    for axes in (0, 1), (0, 2), (1, 2):
        means = found.mean(axes)
        expected = np.sqrt(probability * (1 - probability) * len(means.ravel()) / found.size)
        assert means.std() < expected * (1 + 5 / np.sqrt(2 * means.size))


@pytest.mark.parametrize("step", [1, 2, 7, 64, 512, 513])
def test_places_and_keys_know_nothing_of_each_other(step):
    found = draws_of_many_keys(0.5, (40, 512), 12) * 2.0 - 1
    flat = found.reshape(12, -1)
    pairs = (flat[:, step:] * flat[:, :-step]).mean(1)
    assert np.abs(pairs).max() < 4.5 / np.sqrt(flat.shape[1])
    between = [(flat[0] * flat[other]).mean() for other in range(1, 12)]
    assert np.abs(between).max() < 4.5 / np.sqrt(flat.shape[1])


def test_each_bit_of_the_hash_changes_half_of_the_others():
    x = np.random.default_rng(3).integers(0, 2**32, 4000, dtype=np.uint32)
    plain = np.asarray(random._mixed(jnp.asarray(x)))
    for bit in range(32):
        other = np.asarray(random._mixed(jnp.asarray(x ^ np.uint32(1 << bit))))
        changed = np.unpackbits((plain ^ other).view(np.uint8).reshape(-1, 4), axis=1).mean(0)
        assert np.abs(changed - 0.5).max() < 0.07
    assert len(np.unique(plain)) == len(np.unique(x))


def test_more_places_than_32_bits_count_take_the_draws_of_jax(monkeypatch):
    monkeypatch.setattr(random, "MOST_COUNTED", 6)
    np.testing.assert_array_equal(
        random.kept(KEY, 0.3, (2, 3)), jax.random.bernoulli(KEY, 0.3, (2, 3))
    )
    assert (random.kept(KEY, 0.3, (5,)) != jax.random.bernoulli(KEY, 0.3, (5,))).any()


def test_an_export_drops_from_any_number_of_rows():
    rows = jax.ShapeDtypeStruct(jax.export.symbolic_shape("b, 1000"), "float32")
    exported = jax.export.export(jax.jit(lambda x: random.dropout(x, 0.3, KEY)))(rows)
    for count in 1, 2, 5:
        y = np.asarray(exported.call(np.ones((count, 1000), "f")))
        assert abs((y == 0).mean() - 0.3) < 0.06
        np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-6)
