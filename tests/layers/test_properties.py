"""Layers that move values, and merging, against slow readings of their definitions in NumPy."""

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import layers
from lamina.layers import Input

FORMATS = ("channels_last", "channels_first")
quick = settings(max_examples=20, deadline=None)
sizes = st.integers(1, 4)
pairs = st.tuples(st.integers(0, 2), st.integers(0, 3))


def noise(shape):
    return np.random.default_rng(math.prod(shape)).normal(size=shape).astype("float32")


def samples(draw, rank, smallest=1):
    """A data format, an input of it, and the axes of its `rank` spatial sizes."""
    data_format = draw(st.sampled_from(FORMATS))
    spatial = [draw(st.integers(smallest, smallest + 3)) for _ in range(rank)]
    batch, channels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    last = data_format == "channels_last"
    shape = (batch, *spatial, channels) if last else (batch, channels, *spatial)
    return data_format, noise(shape), range(1, rank + 1) if last else range(2, rank + 2)


def check(layer, x, expected):
    """The output, the shape that is promised, and that of a symbolic call."""
    several = isinstance(x, list)
    shape = [one.shape for one in x] if several else x.shape
    assert layer.compute_output_shape(shape) == expected.shape
    symbols = [Input(one.shape[1:]) for one in x] if several else Input(x.shape[1:])
    assert layer(symbols).shape == (None, *expected.shape[1:])
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6, atol=1e-7)


def taken(x, places, fill=0.0):
    """Values of `x` at lists of places along each axis; `None` is none."""
    output = np.full([len(axis) for axis in places], fill, x.dtype)
    for index in np.ndindex(*output.shape):
        source = tuple(axis[i] for axis, i in zip(places, index, strict=True))
        if None not in source:
            output[index] = x[source]
    return output


def moved(x, axes, places):
    """`taken` along some axes; the others as they are."""
    own = dict(zip(axes, places, strict=True))
    return taken(x, [own.get(axis, range(size)) for axis, size in enumerate(x.shape)])


@quick
@given(st.data(), st.integers(1, 3))
def test_zero_padding(data, rank):
    data_format, x, axes = samples(data.draw, rank)
    padding = [data.draw(pairs) for _ in range(rank)]
    layer = getattr(layers, f"ZeroPadding{rank}D")(
        padding[0] if rank == 1 else padding, data_format=data_format
    )
    places = [
        [None] * before + list(range(x.shape[axis])) + [None] * after
        for axis, (before, after) in zip(axes, padding, strict=True)
    ]
    check(layer, x, moved(x, axes, places))


@quick
@given(st.data(), st.integers(1, 3))
def test_cropping(data, rank):
    data_format, x, axes = samples(data.draw, rank, smallest=6)
    cropping = [data.draw(pairs) for _ in range(rank)]
    if rank == 1:
        x, axes, options = np.moveaxis(x, axes[0], 1), [1], {}
    else:
        options = {"data_format": data_format}
    layer = getattr(layers, f"Cropping{rank}D")(cropping[0] if rank == 1 else cropping, **options)
    places = [
        [place for place in range(x.shape[axis]) if before <= place < x.shape[axis] - after]
        for axis, (before, after) in zip(axes, cropping, strict=True)
    ]
    check(layer, x, moved(x, axes, places))


@quick
@given(st.data(), st.integers(1, 3))
def test_up_sampling(data, rank):
    data_format, x, axes = samples(data.draw, rank)
    factors = [data.draw(st.integers(1, 3)) for _ in range(rank)]
    if rank == 1:
        x, axes, options = np.moveaxis(x, axes[0], 1), [1], {}
    else:
        options = {"data_format": data_format}
    layer = getattr(layers, f"UpSampling{rank}D")(factors[0] if rank == 1 else factors, **options)
    places = [
        [place // factor for place in range(factor * x.shape[axis])]
        for axis, factor in zip(axes, factors, strict=True)
    ]
    check(layer, x, moved(x, axes, places))


@quick
@given(st.data(), st.integers(1, 4))
def test_permute(data, rank):
    dims = data.draw(st.permutations(range(1, rank + 1)))
    x = noise([data.draw(sizes) for _ in range(rank + 1)])
    expected = np.zeros([x.shape[0], *(x.shape[axis] for axis in dims)], "float32")
    for index in np.ndindex(*x.shape):
        expected[(index[0], *(index[axis] for axis in dims))] = x[index]
    check(layers.Permute(dims), x, expected)


@quick
@given(st.data(), st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 3))
def test_reshape(data, target, batch):
    total = math.prod(target)
    first = data.draw(st.sampled_from([n for n in range(1, total + 1) if total % n == 0]))
    x = noise((batch, first, total // first))
    asked = list(target)
    if data.draw(st.booleans()):
        asked[data.draw(st.integers(0, len(target) - 1))] = -1
    expected = np.zeros((batch, *target), "float32")
    for row in range(batch):
        places = itertools.product(*map(range, target))
        for place, value in zip(places, x[row].ravel(), strict=True):
            expected[(row, *place)] = value
    check(layers.Reshape(asked), x, expected)


@quick
@given(st.data(), st.integers(0, 3), st.sampled_from(FORMATS))
def test_flatten(data, rank, data_format):
    """Of either format, samples that hold the same give the same."""
    last = noise([data.draw(sizes) for _ in range(rank + 1)] + [3])
    expected = np.array([list(sample.flat) for sample in last])
    x = last if data_format == "channels_last" or rank == 0 else np.moveaxis(last, -1, 1)
    check(layers.Flatten(data_format), x, expected)


@quick
@given(sizes, sizes, st.integers(1, 6))
def test_repeat_vector(batch, features, n):
    x = noise((batch, features))
    check(layers.RepeatVector(n), x, np.array([[row] * n for row in x]))


COMBINED = {
    "Add": sum,
    "Subtract": lambda values: values[0] - values[1],
    "Multiply": math.prod,
    "Average": lambda values: sum(values) / len(values),
    "Maximum": max,
    "Minimum": min,
}


def widened(shape, rank):
    """A shape with axes of size 1 behind the batch."""
    return (shape[0], *(1,) * (rank - len(shape)), *shape[1:])


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(list(COMBINED)), st.integers(2, 4))
def test_merging_repeats_axes_of_size_1(data, name, rank):
    whole = [data.draw(sizes) for _ in range(rank)]
    shapes = []
    for _ in range(2 if name == "Subtract" else data.draw(st.integers(1, 3))):
        least = data.draw(st.integers(2, rank))
        tail = [n if data.draw(st.booleans()) else 1 for n in whole[rank - least + 1 :]]
        shapes.append((whole[0], *tail))
    inputs = [noise(shape) + place for place, shape in enumerate(shapes)]
    wide = [x.reshape(widened(x.shape, max(x.ndim for x in inputs))) for x in inputs]
    expected = np.zeros([max(column) for column in zip(*(x.shape for x in wide), strict=True)])
    for index in np.ndindex(*expected.shape):
        values = [
            float(x[tuple(0 if size == 1 else i for i, size in zip(index, x.shape, strict=True))])
            for x in wide
        ]
        expected[index] = COMBINED[name](values)
    check(getattr(layers, name)(), inputs, expected)


@quick
@given(st.data(), st.integers(2, 4))
def test_concatenate(data, rank):
    axis = data.draw(st.integers(1, rank - 1))
    whole = [data.draw(sizes) for _ in range(rank)]
    inputs = []
    for _ in range(data.draw(st.integers(1, 3))):
        shape = list(whole)
        shape[axis] = data.draw(sizes)
        inputs.append(noise(shape))
    origin = [(place, i) for place, x in enumerate(inputs) for i in range(x.shape[axis])]
    whole[axis] = len(origin)
    expected = np.zeros(whole, "float32")
    for index in np.ndindex(*whole):
        place, inside = origin[index[axis]]
        expected[index] = inputs[place][(*index[:axis], inside, *index[axis + 1 :])]
    stated = axis if data.draw(st.booleans()) else axis - rank
    check(layers.Concatenate(stated), inputs, expected)


@st.composite
def masked(draw, same_steps=True):
    """Inputs ``(batch, steps, features)`` with a mask each, or none."""
    batch, steps, features = draw(sizes), draw(sizes), draw(sizes)
    inputs, masks = [], []
    for _ in range(draw(st.integers(2, 3))):
        length = steps if same_steps else draw(sizes)
        inputs.append(noise((batch, length, features)))
        seed = draw(st.integers(0, 99))
        mask = np.random.default_rng(seed).random((batch, length)) < 0.6
        masks.append(mask if draw(st.booleans()) else None)
    return inputs, masks


@quick
@given(masked(), st.sampled_from(["Add", "Multiply", "Average", "Maximum", "Minimum"]))
def test_merged_steps_count_where_they_count_in_all_inputs(case, name):
    inputs, masks = case
    found = getattr(layers, name)().compute_mask(inputs, masks)
    given_ = [mask for mask in masks if mask is not None]
    if not given_:
        assert found is None
        return
    expected = np.ones(inputs[0].shape[:2], bool)
    for index in np.ndindex(*expected.shape):
        expected[index] = all(mask[index] for mask in given_)
    np.testing.assert_array_equal(found, expected)


@quick
@given(masked(same_steps=False))
def test_masks_are_joined_along_the_steps(case):
    inputs, masks = case
    found = layers.Concatenate(axis=1).compute_mask(inputs, masks)
    if all(mask is None for mask in masks):
        assert found is None
        return
    expected = []
    for row in range(len(inputs[0])):
        steps = []
        for x, mask in zip(inputs, masks, strict=True):
            steps += [True] * x.shape[1] if mask is None else list(mask[row])
        expected.append(steps)
    np.testing.assert_array_equal(found, expected)


@quick
@given(masked())
def test_features_side_by_side_count_where_all_do(case):
    inputs, masks = case
    found = layers.Concatenate(axis=-1).compute_mask(inputs, masks)
    given_ = [mask for mask in masks if mask is not None]
    if not given_:
        assert found is None
        return
    expected = [
        [all(m[b, t] for m in given_) for t in range(inputs[0].shape[1])]
        for b in range(len(inputs[0]))
    ]
    np.testing.assert_array_equal(found, expected)


@quick
@given(st.data(), st.sampled_from([0.0, 1.0, -2.5]))
def test_masking(data, value):
    x = noise((data.draw(sizes), data.draw(sizes), data.draw(sizes)))
    seed = data.draw(st.integers(0, 99))
    x[np.random.default_rng(seed).random(x.shape) < 0.6] = value
    kept = np.array([[any(v != value for v in step) for step in row] for row in x])
    layer = layers.Masking(value)
    np.testing.assert_array_equal(layer.compute_mask(x), kept)
    expected = np.array(
        [[s if k else 0 * s for s, k in zip(*r, strict=True)] for r in zip(x, kept, strict=True)]
    )
    check(layer, x, expected)


@quick
@given(st.data())
def test_masks_through_layers_and_merges(data):
    """Two sequences with paddings of their own, embedded, and then added or joined."""
    batch, steps = data.draw(sizes), data.draw(sizes)
    seed = data.draw(st.integers(0, 99))
    words = np.random.default_rng(seed).integers(0, 3, (2, batch, steps))
    table = layers.Embedding(3, 2, mask_zero=True)
    dense = layers.Dense(2)
    one, two = dense(table(words[0])), table(words[1])
    added, joined = layers.Add()([one, two]), layers.Concatenate(1)([one, two])
    final = layers.Lambda(lambda x, mask: mask)
    np.testing.assert_array_equal(final(added), (words[0] > 0) & (words[1] > 0))
    np.testing.assert_array_equal(final(joined), np.concatenate(words > 0, axis=1))
