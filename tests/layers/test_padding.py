"""Zero padding, cropping, upsampling: arguments and errors; values are in test_golden."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import numpy as np
import pytest

from lamina.layers import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Input,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)


@pytest.mark.parametrize(
    ("cls", "value", "expected"),
    [
        (ZeroPadding1D, 2, (2, 2)),
        (ZeroPadding1D, [1, 2], (1, 2)),
        (ZeroPadding2D, 2, ((2, 2), (2, 2))),
        (ZeroPadding2D, (1, 2), ((1, 1), (2, 2))),
        (ZeroPadding2D, [[1, 2], [0, 3]], ((1, 2), (0, 3))),
        (ZeroPadding3D, (1, 0, 2), ((1, 1), (0, 0), (2, 2))),
    ],
)
def test_forms_of_padding(cls, value, expected):
    assert cls(value).padding == expected


@pytest.mark.parametrize("value", [-1, 1.5, "1", (1,), (1, 2, 3), ((1, 2), (3,)), ((1, -2), 3)])
def test_padding_is_checked(value):
    message = r"ZeroPadding2D 'z': padding must be an int of 0 or more or 2 ints or 2 pairs of them"
    with pytest.raises(ValueError, match=message):
        ZeroPadding2D(value, name="z")


@pytest.mark.parametrize("value", [-1, (1, 2, 3), "1"])
def test_cropping_is_checked(value):
    message = r"Cropping1D 'c': cropping must be an int of 0 or more or a pair of them, got"
    with pytest.raises(ValueError, match=message):
        Cropping1D(value, name="c")


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(Cropping1D((2, 3), name="c"), (5, 4)), (Cropping2D(3, name="c"), (7, 6, 4))],
)
def test_cropping_leaves_something(layer, shape):
    with pytest.raises(ValueError, match=r"'c': cropping .* leaves nothing of a spatial axis of"):
        layer(Input(shape))
    with pytest.raises(ValueError, match=r"'c': cropping .* leaves nothing of a spatial axis of"):
        layer(np.ones((2, *shape), "f"))


@pytest.mark.parametrize("layer", [UpSampling2D(name="u"), Cropping2D(name="u")])
def test_rank_is_checked(layer):
    with pytest.raises(ValueError, match=r"'u': expected an input of rank 4, got rank 3"):
        layer(Input((3, 4)))


def test_unknown_sizes_stay_unknown():
    assert UpSampling2D()(Input((None, 3, 4))).shape == (None, None, 6, 4)
    assert ZeroPadding2D()(Input((None, 3, 4))).shape == (None, None, 5, 4)
    assert Cropping3D()(Input((None, 3, 4, 2))).shape == (None, None, 1, 2, 2)


def test_upsampling_arguments_are_checked():
    with pytest.raises(ValueError, match=r"'u': size must be a positive int or 3 of them, got 0"):
        UpSampling3D(0, name="u")
    with pytest.raises(ValueError, match=r"'u': interpolation must be 'nearest' or 'bilinear'"):
        UpSampling2D(interpolation="cubic", name="u")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_bilinear_takes_the_centres_of_cells(data_format):
    x = np.array([[0.0, 1.0], [2.0, 3.0]], "f").reshape(1, 2, 2, 1)
    first = data_format == "channels_first"
    layer = UpSampling2D(2, data_format, "bilinear")
    output = np.asarray(layer(x.transpose(0, 3, 1, 2) if first else x)).reshape(4, 4)
    np.testing.assert_allclose(output[0], [0.0, 0.25, 0.75, 1.0], atol=1e-6)
    np.testing.assert_allclose(output[:, 0], [0.0, 0.5, 1.5, 2.0], atol=1e-6)


def keys(t):
    """Keys' cubic with a = -0.5."""
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def lanczos(radius):
    return lambda t: np.sinc(t) * np.sinc(t / radius) if abs(t) < radius else 0.0


KERNELS = {"bicubic": keys, "lanczos3": lanczos(3), "lanczos5": lanczos(5)}


def interpolation(kernel, size, factor):
    """Each output as weights of the inputs; what lies beyond the ends does not count."""
    weights = np.zeros((size * factor, size))
    for place in range(size * factor):
        centre = (place + 0.5) / factor - 0.5
        row = [kernel(centre - other) for other in range(size)]
        weights[place] = np.array(row) / sum(row)
    return weights


@pytest.mark.parametrize("word", list(KERNELS))
def test_smooth_interpolation_weighs_the_neighbours(word):
    x = np.random.default_rng(0).normal(size=(2, 7, 4, 3)).astype("f")
    rows, columns = interpolation(KERNELS[word], 7, 2), interpolation(KERNELS[word], 4, 3)
    expected = np.einsum("yh,xw,bhwc->byxc", rows, columns, x)
    layer = UpSampling2D((2, 3), interpolation=word)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    first = UpSampling2D((2, 3), "channels_first", word)
    np.testing.assert_allclose(
        first(x.transpose(0, 3, 1, 2)), expected.transpose(0, 3, 1, 2), atol=1e-5
    )


@pytest.mark.parametrize("word", list(KERNELS))
def test_smooth_interpolation_of_integers_is_of_floats(word):
    layer = UpSampling2D(2, interpolation=word)
    assert layer(Input((3, 4, 1), dtype="int32")).dtype == "float32"
    assert layer(np.ones((1, 3, 4, 1), "int32")).dtype == np.float32


def test_names_of_keras_1():
    assert UpSampling1D(length=3).size == 3
    assert ZeroPadding2D((1, 1), dim_ordering="th").data_format == "channels_first"


def test_sides_may_be_named_as_in_keras_1():
    layer = ZeroPadding2D({"top_pad": 1, "bottom_pad": 2, "left_pad": 3, "right_pad": 4})
    assert layer.padding == ((1, 2), (3, 4))
    assert ZeroPadding2D({"left_pad": 3}).padding == ((0, 0), (3, 0))
    assert ZeroPadding1D({"left_pad": 3, "right_pad": 1}).padding == (3, 1)
    for layer, sides in ((ZeroPadding2D, {"top": 1}), (ZeroPadding1D, {"top_pad": 1})):
        with pytest.raises(ValueError, match="'z': padding must be an int of 0 or more"):
            layer(sides, name="z")
