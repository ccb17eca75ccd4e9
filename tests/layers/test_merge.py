"""Layers that join inputs: broadcasting, masks and errors; values are in test_golden."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.layers import Add, Average, Concatenate, Dot, Embedding, Input, Subtract

ELEMENTS = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]


def noise(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("f")


@pytest.mark.parametrize("name", ELEMENTS)
def test_functions_are_the_layers(name):
    pair = [noise(2, 3), noise(2, 1)]
    layer, function = getattr(layers, name)(), getattr(layers, name.lower())
    np.testing.assert_array_equal(function(pair, name="x"), layer(pair))


def test_functions_with_arguments():
    pair = [noise(2, 3, 4), noise(2, 5, 4)]
    np.testing.assert_array_equal(layers.concatenate(pair, 1), np.concatenate(pair, 1))
    expected = np.einsum("bif,bjf->bij", *pair)
    np.testing.assert_allclose(layers.dot(pair, axes=2), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ELEMENTS)
def test_shapes_must_fit(name):
    message = rf"{name} 'm': inputs of shapes \(None, 3, 4\), \(None, 2, 4\) do not fit .* axis 1"
    with pytest.raises(ValueError, match=message):
        getattr(layers, name)(name="m")([Input((3, 4)), Input((2, 4))])


@pytest.mark.parametrize("sizes", [(2, 3), (1, 3)])
def test_batches_are_not_repeated(sizes):
    with pytest.raises(ValueError, match=r"do not fit together: axis 0 has sizes"):
        Add()([np.ones((size, 4), "f") for size in sizes])


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(None, 4), (3, 4)], (None, 3, 4)),
        ([(None, 4), (1, 4)], (None, None, 4)),
        ([(1, 4), (1, 1)], (None, 1, 4)),
        ([(4,), (3, 4)], (None, 3, 4)),
    ],
)
def test_broadcast_shapes(shapes, expected):
    assert Add()([Input(shape) for shape in shapes]).shape == expected


@pytest.mark.parametrize("inputs", [Input((3,)), []])
def test_inputs_are_a_list(inputs):
    with pytest.raises(ValueError, match=r"Add 'm': expected a list of inputs, got"):
        Add(name="m")(inputs)


@pytest.mark.parametrize("number", [1, 3])
def test_differences_have_two_sides(number):
    with pytest.raises(ValueError, match=rf"'m': expected a list of 2 inputs, got {number}"):
        Subtract(name="m")([Input((3,))] * number)


def test_integers_stay_integers_except_in_a_mean():
    pair = [np.array([[1, 2]], "int32"), np.array([[2, 4]], "int32")]
    assert Add()(pair).dtype == jnp.int32
    assert Average()(pair).tolist() == [[1.5, 3.0]]


def test_mixed_dtypes_are_computed_in_floats():
    assert Add()([np.array([[1]], "int32"), np.array([[0.5]], "f")]).tolist() == [[1.5]]


@pytest.mark.parametrize(
    ("axis", "shapes", "message"),
    [
        (1, [(3, 4), (3, 5)], r"must agree on all axes but 1; axis 2 has sizes \[4, 5\]"),
        (-1, [(3, 4), (4,)], r"cannot join shapes \(None, 3, 4\), \(None, 4\) along axis -1"),
        (3, [(3, 4), (3, 4)], r"cannot join shapes .* along axis 3"),
    ],
)
def test_bad_concatenations_are_named(axis, shapes, message):
    with pytest.raises(ValueError, match=message):
        Concatenate(axis)([Input(shape) for shape in shapes])


def test_unknown_sizes_of_a_concatenation():
    assert Concatenate(1)([Input((None, 4)), Input((3, None))]).shape == (None, None, 4)
    assert Concatenate()([Input((None, 4)), Input((3, 5))]).shape == (None, 3, 9)


@pytest.mark.parametrize("axes", [0, (1, 0), (1,), "1", 1.5, (1, 2, 3)])
def test_axes_of_a_dot_are_checked(axes):
    with pytest.raises(ValueError, match="Dot 'd': axes must be an int or two of them, none of"):
        Dot(axes, name="d")


def test_sizes_of_a_dot_are_checked():
    message = r"'d': axis 1 of shape \(None, 3\) and axis 1 of shape \(None, 4\) must have the same"
    with pytest.raises(ValueError, match=message):
        Dot(1, name="d")([Input((3,)), Input((4,))])
    with pytest.raises(ValueError, match=r"an input of shape \(None, 3\) has no axis 2"):
        Dot(2)([Input((3,)), Input((3,))])


def test_dot_over_many_axes():
    left, right = noise(2, 3, 4, 5), noise(2, 6, 4, 7)
    output = Dot((2, 2))([left, right])
    np.testing.assert_allclose(output, np.einsum("bijk,bljm->biklm", left, right), rtol=1e-4)
    assert Dot((2, 2))([Input((3, 4, 5)), Input((6, 4, 7))]).shape == (None, 3, 5, 6, 7)


def masked(indices):
    return Embedding(9, 3, mask_zero=True)(np.array(indices))


def steps(layer, inputs, masks):
    return layer.compute_mask(inputs, masks).tolist()


def test_mask_of_a_sum_is_true_where_all_are():
    x, mask = noise(1, 3, 4), jnp.array([[True, True, False]])
    other = jnp.array([[True, False, True]])
    assert steps(Add(), [x, x], [mask, other]) == [[True, False, False]]
    assert steps(Add(), [x, x], [mask, None]) == [[True, True, False]]
    assert Add().compute_mask([x, x], None) is None


def test_mask_of_a_concatenation():
    x, mask = noise(1, 3, 4), jnp.array([[True, True, False]])
    other = jnp.array([[True, False, True]])
    assert steps(Concatenate(), [x, x], [mask, other]) == [[True, False, False]]
    assert steps(Concatenate(), [x, x], [None, mask]) == [[True, True, False]]
    expected = [[True, True, False, True, True, True]]
    assert steps(Concatenate(1), [x, x], [mask, None]) == expected


def test_masks_travel_through_graphs():
    words = Embedding(9, 3, mask_zero=True)(Input((4,), dtype="int32"))
    plain = Input((4, 3))
    assert Add()([words, plain]).mask.shape == (None, 4)
    assert Concatenate(1)([words, plain]).mask.shape == (None, 8)
    assert Dot(1)([words, plain]).mask is None
