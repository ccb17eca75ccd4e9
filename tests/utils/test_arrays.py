"""`to_categorical` and `normalize`."""

import numpy as np
import pytest

from lamina.utils import normalize, np_utils, to_categorical


def test_rows_are_one_at_the_label():
    labels = np.array([[2, 0, 1], [3, 3, 0]])
    found = to_categorical(labels, 5)
    assert found.shape == (2, 3, 5)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.eye(5)[labels])
    assert np_utils.to_categorical is to_categorical


@pytest.mark.parametrize("y", [[[2], [0]], np.array([2.0, 0.0]), (2, 0)])
def test_column_of_labels_and_number_of_classes(y):
    np.testing.assert_array_equal(to_categorical(y), [[0, 0, 1], [1, 0, 0]])


def test_no_labels():
    assert to_categorical([], 4).shape == (0, 4)
    assert to_categorical([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 4, 1], r"label 4 at place 1 is not between 0 and 2; num_classes is 3"),
        ([0, 1, -1], r"label -1 at place 2 is not"),
        ([0, 1.5], r"whole numbers, got .*1\.5"),
    ],
)
def test_labels_that_cannot_be_meant(labels, message):
    with pytest.raises(ValueError, match=message):
        to_categorical(labels, 3)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("axis", [0, -1])
def test_rows_of_length_one(order, axis):
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[1] = 0
    found = normalize(x, axis=axis, order=order)
    length = (np.abs(found) ** order).sum(axis)
    expected = np.ones_like(length) if axis == 0 else [1, 0, 1]
    np.testing.assert_allclose(length, expected)
    assert np.sign(found).tolist() == np.sign(x).tolist()
