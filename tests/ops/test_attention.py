"""Attention against slow readings of its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops import attention

rng = np.random.default_rng(0)


def noise(*shape):
    return rng.normal(size=shape).astype("f")


def softmax(values):
    powers = np.exp(values - values.max())
    return powers / powers.sum()


def test_masks_of_places():
    for queries, keys in ((3, 5), (4, 2)):
        causal = attention.causal_mask(queries, keys)
        window = attention.window_mask(queries, keys, 2)
        for query in range(queries):
            for key in range(keys):
                assert causal[query, key] == (key <= query)
                assert window[query, key] == (abs(key - query) < 2)


def test_joined_masks():
    assert attention.joined_mask(None, None) is None
    one, two = rng.uniform(size=(2, 1, 5)) < 0.5, rng.uniform(size=(3, 5)) < 0.5
    np.testing.assert_array_equal(attention.joined_mask(one, None, two), one & two[None])


@pytest.mark.parametrize("scale", [None, 0.5])
def test_scores_of_single_attention(scale):
    query, key, weights = noise(2, 3, 4), noise(2, 5, 4), noise(4)
    dots = attention.dot_scores(query, key, scale)
    sums = attention.additive_scores(query, key, weights, scale)
    factor = 1.0 if scale is None else scale
    for batch, i, j in np.ndindex(2, 3, 5):
        dot = (query[batch, i] * key[batch, j]).sum() * factor
        both = (weights * np.tanh(factor * (query[batch, i] + key[batch, j]))).sum()
        np.testing.assert_allclose(dots[batch, i, j], dot, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(sums[batch, i, j], both, rtol=1e-4, atol=1e-5)


def test_attend_looks_only_where_the_mask_is_true():
    scores, value, mask = noise(2, 3, 5), noise(2, 5, 4), rng.uniform(size=(2, 3, 5)) < 0.5
    mask[..., 0] = True
    outputs, weights = attention.attend(scores, value, mask)
    for batch, i in np.ndindex(2, 3):
        seen = mask[batch, i]
        expected = softmax(scores[batch, i][seen])
        np.testing.assert_allclose(weights[batch, i][seen], expected, rtol=1e-5)
        np.testing.assert_array_equal(weights[batch, i][~seen], 0)
        np.testing.assert_allclose(outputs[batch, i], expected @ value[batch][seen], rtol=1e-4)


@pytest.mark.parametrize("empty", [False, True])
def test_heads_over_one_axis(empty):
    query, key, value = noise(2, 3, 5, 4), noise(2, 7, 5, 4), noise(2, 7, 5, 6)
    mask = rng.uniform(size=(2, 1, 3, 7)) < 0.5
    mask[1, 0, 2] = False
    scores = attention.heads_scores(query, key)
    outputs, weights = attention.heads_attend(scores, value, mask, empty=empty)
    assert weights.shape == (2, 5, 3, 7)
    for batch, head, i in np.ndindex(2, 5, 3):
        seen = mask[batch, 0, i]
        products = key[batch, :, head] @ query[batch, i, head] / 2.0
        expected = np.zeros(7)
        if seen.any():
            expected[seen] = softmax(products[seen])
        elif not empty:
            expected[:] = 1 / 7
        np.testing.assert_allclose(weights[batch, head, i], expected, rtol=1e-4, atol=1e-6)
        mean = expected @ value[batch, :, head]
        np.testing.assert_allclose(outputs[batch, i, head], mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2), (2, 1)])
def test_heads_over_other_axes_are_those_of_flat_places(axes):
    query = noise(2, 3, 4, 5, 6)
    key, value = (
        noise(*(n + 1 if a in axes else n for a, n in enumerate(query.shape))) for _ in "kv"
    )
    outputs, weights = attention.heads_attend(
        attention.heads_scores(query, key, axes), value, axes=axes
    )
    rest = [axis for axis in (1, 2) if axis not in axes]

    def flat(x):
        """Batch and what is shared, places, heads and sizes."""
        moved = np.transpose(x, (0, *rest, *axes, 3, 4))
        places = int(np.prod([x.shape[axis] for axis in axes]))
        return moved.reshape(-1, places, *x.shape[3:])

    plain, shares = attention.heads_attend(
        attention.heads_scores(flat(query), flat(key)), flat(value)
    )
    np.testing.assert_allclose(flat(outputs), plain, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.asarray(weights).reshape(shares.shape), shares, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_softmax_of_halves_is_in_32_bits(dtype):
    query, key, value = (jnp.asarray(noise(2, 40, 3, 8)).astype(dtype) for _ in "qkv")
    scores = attention.heads_scores(query, key)
    assert scores.dtype == jnp.float32
    outputs, weights = attention.heads_attend(scores, value)
    assert outputs.dtype == weights.dtype == dtype
    wide = attention.heads_scores(query.astype("f"), key.astype("f"))
    expected, _ = attention.heads_attend(wide, value.astype("f"))
    np.testing.assert_allclose(outputs.astype("f"), expected, atol=0.02)
    far = jnp.array([[300.0, 290.0]]).astype(dtype)
    assert np.isfinite(attention.attend(far * 100, jnp.ones((2, 1), dtype))[0]).all()


def test_dropped_weights_are_scaled_and_the_shown_ones_whole():
    scores, value = jnp.zeros((1, 1, 4, 500)), jnp.ones((1, 500, 1, 1))
    key = jax.random.key(0)
    outputs, weights = attention.heads_attend(scores, value, rate=0.5, random_key=key)
    np.testing.assert_allclose(weights, 1 / 500, rtol=1e-5)
    assert (np.asarray(outputs) != 1).all()
    np.testing.assert_allclose(outputs, 1, atol=0.2)
    used = attention.attend(scores[0], value[0, :, 0], None, 0.5, key)[1]
    assert set(np.unique(used).round(6)) == {0, np.float32(0.004)}


@pytest.mark.parametrize(("inner", "outer"), [((4,), (5,)), ((4,), (5, 6)), ((4, 3), (5, 2))])
def test_projections(inner, outer):
    x, kernel, bias = noise(2, 7, *inner), noise(*inner, *outer), noise(*outer)
    expected = np.tensordot(x, kernel, len(inner)) + bias
    found = attention.project(x, kernel, bias, len(inner))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    plain = attention.project(x, kernel, None, len(inner))
    np.testing.assert_allclose(plain, expected - bias, rtol=1e-4, atol=1e-5)
