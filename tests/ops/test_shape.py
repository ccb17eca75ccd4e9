"""Changes of shape against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops import shape

x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("f")


def test_flatten():
    np.testing.assert_array_equal(shape.flatten(x), x.reshape(2, 60))
    first = np.moveaxis(x, -1, 1)
    np.testing.assert_array_equal(shape.flatten(first, "channels_first"), x.reshape(2, 60))
    assert shape.flatten(np.ones(3)).shape == (3, 1)
    assert shape.flatten(np.ones((0, 2, 3))).shape == (0, 6)


@pytest.mark.parametrize("target", [(60,), (-1,), (5, -1, 3), (4, 15)])
def test_reshape(target):
    np.testing.assert_array_equal(shape.reshape(x, target), x.reshape(2, *target))


def test_reshape_of_nothing():
    assert shape.reshape(np.ones((0, 6)), (-1, 2)).shape == (0, 3, 2)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ((7, -1), r"60 values of shape \(3, 4, 5\) do not fit the target \(7, -1\)"),
        ((61,), r"60 values of shape"),
        ((-1, -1), "only one size may be -1"),
        ((0, -1), r"60 values of shape"),
    ],
)
def test_reshape_refuses(target, message):
    with pytest.raises(ValueError, match=message):
        shape.reshape(x, target)


def test_permute():
    np.testing.assert_array_equal(shape.permute(x, (3, 1, 2)), x.transpose(0, 3, 1, 2))
    for dims in (0, 1, 2), (1, 2), (1, 1, 2):
        with pytest.raises(ValueError, match="dims must hold each of 1 to 3 once"):
            shape.permute(x, dims)


def test_moving_channels():
    np.testing.assert_array_equal(shape.channels_to_first(x), np.moveaxis(x, -1, 1))
    np.testing.assert_array_equal(shape.channels_to_last(x), np.moveaxis(x, 1, -1))


def test_repeat():
    flat = x[:, 0, 0]
    np.testing.assert_array_equal(shape.repeat_vector(flat, 3), np.repeat(flat[:, None], 3, axis=1))
    for axis in 0, 2, -1:
        np.testing.assert_array_equal(shape.repeat_elements(x, 3, axis), np.repeat(x, 3, axis=axis))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_spatial(data_format):
    first = data_format == "channels_first"
    given = np.moveaxis(x, -1, 1) if first else x

    def last(y):
        return np.moveaxis(y, 1, -1) if first else y

    y = shape.upsample(given, (2, 3), data_format)
    np.testing.assert_array_equal(last(y), x.repeat(2, 1).repeat(3, 2))
    y = shape.zero_pad(given, ((1, 2), (0, 3)), data_format)
    np.testing.assert_array_equal(last(y), np.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0))))
    y = shape.crop(given, ((1, 0), (0, 2)), data_format)
    np.testing.assert_array_equal(last(y), x[:, 1:, :2])


def test_gradient_of_upsampling():
    weights = np.random.default_rng(1).normal(size=(2, 6, 12, 5)).astype("f")
    gradient = jax.grad(lambda x: jnp.vdot(shape.upsample(x, (2, 3)), weights))(x)
    expected = weights.reshape(2, 3, 2, 4, 3, 5).sum((2, 4))
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_bad_paddings_are_named():
    with pytest.raises(ValueError, match="padding must not be negative"):
        shape.zero_pad(x, ((1, -1), (0, 0)))
    for cropping in ((1, 2), (0, 0)), ((-1, 0), (0, 0)):
        with pytest.raises(ValueError, match="must leave something of axis 1"):
            shape.crop(x, cropping)


def test_joining():
    np.testing.assert_array_equal(shape.concatenate([x, x + 1], 1), np.concatenate([x, x + 1], 1))
    np.testing.assert_array_equal(shape.stack([x, x + 1], 2), np.stack([x, x + 1], 2))
