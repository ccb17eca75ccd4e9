"""Layers that give samples another shape."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import numpy as np
import pytest

from lamina import config
from lamina.layers import Flatten, Input, Permute, Reshape


def test_flatten_moves_the_channels_to_the_end():
    x = np.arange(24).reshape(1, 2, 3, 4)
    expected = np.moveaxis(x, 1, -1).reshape(1, 24)
    np.testing.assert_array_equal(Flatten("channels_first")(x), expected)


def test_flatten_follows_keras_json():
    before = config.image_data_format()
    config.set_image_data_format("channels_first")
    try:
        assert Flatten().data_format == "channels_first"
    finally:
        config.set_image_data_format(before)


@pytest.mark.parametrize(("shape", "size"), [((), 1), ((5,), 5), ((2, 3), 6), ((2, 0, 3), 0)])
def test_flatten_takes_any_rank(shape, size):
    assert Flatten()(np.ones((4, *shape), "f")).shape == (4, size)
    assert Flatten()(Input(shape)).shape == (None, size)


def test_flatten_needs_known_sizes():
    message = r"Flatten 'f': all sizes but the batch must be known, got shape \(None, None, 3\)"
    with pytest.raises(ValueError, match=message):
        Flatten(name="f")(Input((None, 3)))


def test_flatten_data_format_is_checked():
    with pytest.raises(ValueError, match="Flatten 'f': data_format must be 'channels_last' or"):
        Flatten("last", name="f")


@pytest.mark.parametrize(
    ("target", "shape", "expected"),
    [
        ((3, 4), (12,), (None, 3, 4)),
        ((-1, 4), (2, 6), (None, 3, 4)),
        ((-1, 4), (None, 6), (None, None, 4)),
        ((3, 4), (None, 6), (None, 3, 4)),
        (12, (3, 4), (None, 12)),
        ((), (1, 1), (None,)),
    ],
)
def test_reshape_promises(target, shape, expected):
    assert Reshape(target)(Input(shape)).shape == expected


def test_reshape_fills_in_what_was_unknown():
    assert Reshape((-1, 4))(np.ones((2, 2, 6), "f")).shape == (2, 3, 4)


@pytest.mark.parametrize("target", [(3, -2), (3, 0), (2.5,), "34", (None, 3), None])
def test_reshape_target_is_checked(target):
    with pytest.raises(ValueError, match="Reshape 'r': target_shape must be a tuple of positive"):
        Reshape(target, name="r")


def test_reshape_takes_one_open_size():
    with pytest.raises(ValueError, match=r"only one size may be -1, got \(-1, -1\)"):
        Reshape((-1, -1))


@pytest.mark.parametrize("target", [(5, 2), (-1, 5)])
def test_reshape_that_does_not_fit_names_both(target):
    message = r"Reshape 'r': samples of shape \(3, 4\) cannot take the shape"
    with pytest.raises(ValueError, match=message):
        Reshape(target, name="r")(Input((3, 4)))
    with pytest.raises(ValueError, match=message):
        Reshape(target, name="r")(np.ones((2, 3, 4), "f"))


def test_permute_says_where_each_axis_comes_from():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("f")
    np.testing.assert_array_equal(Permute((2, 3, 1))(x), x.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(Permute((3, 1, 2))(x), x.transpose(0, 3, 1, 2))
