"""Layers that compute, against slow readings of their definitions in NumPy."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import layers
from lamina.layers import Input

quick = settings(max_examples=20, deadline=None)
shapes = st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple)


def noise(shape, seed=0):
    numbers = np.random.default_rng(math.prod(shape) + seed).normal(size=shape)
    return numbers.astype("float32")


def check(layer, x, expected):
    """The output, the shape that is promised, and that of a symbolic call."""
    np.testing.assert_allclose(layer(x), expected, rtol=2e-5, atol=2e-6)
    assert layer.compute_output_shape(x.shape) == expected.shape
    symbol = Input(x.shape[1:], dtype=x.dtype.name)
    assert layer(symbol).shape == (None, *expected.shape[1:])


@quick
@given(shapes, st.integers(1, 4), st.booleans())
def test_dense_is_a_product_over_the_last_axis(shape, units, use_bias):
    x, layer = noise(shape), layers.Dense(units, use_bias=use_bias)
    layer.build(shape)
    weights = [noise(w.shape, 5) for w in layer.get_weights()]
    layer.set_weights(weights)
    expected = np.zeros((*shape[:-1], units), "float32")
    for place in np.ndindex(*expected.shape):
        row, column = x[place[:-1]], weights[0][:, place[-1]]
        expected[place] = sum(a * b for a, b in zip(row, column, strict=True))
        if use_bias:
            expected[place] += weights[1][place[-1]]
    check(layer, x, expected)


@quick
@given(st.data(), st.integers(1, 5), st.integers(1, 4))
def test_embedding_takes_rows(data, rows, size):
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple))
    index = np.random.default_rng(rows).integers(0, rows, shape).astype("int32")
    layer = layers.Embedding(rows, size)
    layer.build(shape)
    table = noise((rows, size), 3)
    layer.set_weights([table])
    expected = np.zeros((*shape, size), "float32")
    for place in np.ndindex(*shape):
        expected[place] = table[index[place]]
    check(layer, index, expected)


@quick
@given(st.data(), shapes)
def test_softmax_over_some_axes(data, shape):
    chosen = st.lists(st.integers(1, len(shape) - 1), min_size=1, unique=True)
    axes = tuple(sorted(data.draw(chosen)))
    given_axes = [axis - len(shape) if data.draw(st.booleans()) else axis for axis in axes]
    x = 3 * noise(shape)
    expected = np.zeros_like(x)
    for place in np.ndindex(*shape):
        total = 0.0
        for other in np.ndindex(*shape):
            if all(
                a == b for i, (a, b) in enumerate(zip(place, other, strict=True)) if i not in axes
            ):
                total += math.exp(x[other] - x[place])
        expected[place] = 1 / total
    axis = given_axes[0] if len(axes) == 1 else given_axes
    check(layers.Softmax(axis), x, expected)


@quick
@given(
    shapes,
    st.sampled_from([None, 0.5, 2.0]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([0.0, 0.25, 0.375]),
)
def test_relu(shape, max_value, negative_slope, threshold):
    x = noise(shape)
    flat = x.reshape(-1)
    flat[: flat.size // 3] = threshold
    expected = np.zeros_like(x)
    for place in np.ndindex(*shape):
        value = float(x[place])
        if max_value is not None and value >= max_value:
            expected[place] = max_value
        elif value > threshold:  # at the threshold itself it is 0, as in all releases
            expected[place] = value
        else:
            expected[place] = negative_slope * (value - threshold)
    check(layers.ReLU(max_value, negative_slope, threshold), x, expected)


@quick
@given(st.data(), shapes, st.sampled_from([0.25, 0.5, 0.8]))
def test_dropout_shares_its_mask_along_the_axes_of_size_1(data, shape, rate):
    alone = [data.draw(st.booleans()) for _ in shape]
    noise_shape = tuple(
        1 if one else data.draw(st.sampled_from([None, size]))
        for one, size in zip(alone, shape, strict=True)
    )
    x = noise(shape) + 10  # never 0
    layer = layers.Dropout(rate, noise_shape)
    out = np.asarray(layer(x, training=True))
    kept = out != 0
    np.testing.assert_allclose(out, np.where(kept, x / np.float32(1 - rate), 0), rtol=1e-6)
    for axis, one in enumerate(alone):
        if one:
            first = np.take(kept, [0], axis)
            np.testing.assert_array_equal(kept, np.broadcast_to(first, shape))
    np.testing.assert_array_equal(layer(x), x)


@quick
@given(st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 2, 3]), st.booleans())
def test_spatial_dropout_drops_whole_channels(batch, channels, rank, first):
    sizes = (2, 3, 4)[:rank]
    data_format = "channels_first" if first and rank > 1 else "channels_last"
    last = data_format == "channels_last"
    shape = (batch, *sizes, channels) if last else (batch, channels, *sizes)
    x = noise(shape) + 10
    options = {"data_format": data_format} if rank > 1 else {}
    layer = getattr(layers, f"SpatialDropout{rank}D")(0.5, **options)
    kept = np.asarray(layer(x, training=True)) != 0
    axes = tuple(range(1, rank + 1)) if last else tuple(range(2, rank + 2))
    share = kept.mean(axes)
    assert set(np.unique(share)) <= {0.0, 1.0}
    assert share.shape == (batch, channels)


@quick
@given(shapes, st.sampled_from([0.5, 1.0, 2.0]))
def test_elu_and_leaky_relu(shape, alpha):
    x = noise(shape)
    elu, leaky = np.zeros_like(x), np.zeros_like(x)
    for place in np.ndindex(*shape):
        value = float(x[place])
        elu[place] = value if value > 0 else alpha * math.expm1(value)
        leaky[place] = value if value >= 0 else alpha * value
    check(layers.ELU(alpha), x, elu)
    check(layers.LeakyReLU(alpha), x, leaky)
