"""Noise in training: its distribution, seeds and errors."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import numpy as np
import pytest

from lamina.layers import (
    AlphaDropout,
    GaussianDropout,
    GaussianNoise,
    Input,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)

X = np.full((60, 500), 2.0, "f")
NOISY = [GaussianNoise(0.5), GaussianDropout(0.2), AlphaDropout(0.3), SpatialDropout1D(0.5)]


@pytest.mark.parametrize("layer", NOISY, ids=lambda layer: type(layer).__name__)
def test_nothing_happens_outside_of_training(layer):
    x = X[..., None]
    np.testing.assert_array_equal(layer(x), x)
    assert (np.asarray(layer(x, training=True)) != x).any()


@pytest.mark.parametrize(
    ("layer", "deviation"), [(GaussianNoise(0.5), 0.5), (GaussianDropout(0.2), 1.0)]
)
def test_normal_noise_has_its_deviation(layer, deviation):
    output = np.asarray(layer(X, training=True))
    assert abs(output.mean() - 2.0) < 0.02
    assert abs(output.std() - deviation) < 0.02


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).normal(size=(60, 500)).astype("f")
    output = np.asarray(AlphaDropout(0.3)(x, training=True))
    assert abs(output.mean()) < 0.03
    assert abs(output.std() - 1) < 0.03


def test_alpha_dropout_gives_dropped_values_one_value():
    rate, lowest = 0.3, -1.7580993408473766
    scale = ((1 - rate) * (1 + rate * lowest**2)) ** -0.5
    ends = sorted(scale * np.array([lowest, 2.0]) - scale * lowest * rate)
    output = np.asarray(AlphaDropout(rate)(X, training=True))
    np.testing.assert_allclose(np.unique(output), ends, rtol=1e-5)
    assert abs((output < 0).mean() - rate) < 0.02


def test_alpha_dropout_takes_a_noise_shape():
    output = np.asarray(AlphaDropout(0.3, (None, 1))(X, training=True))
    assert (output == output[:, :1]).all()


@pytest.mark.parametrize(
    ("layer", "shape", "together"),
    [
        (SpatialDropout1D(0.5), (4, 9, 30), (1,)),
        (SpatialDropout2D(0.5), (4, 5, 6, 30), (1, 2)),
        (SpatialDropout2D(0.5, "channels_first"), (4, 30, 5, 6), (2, 3)),
        (SpatialDropout3D(0.5), (4, 3, 5, 6, 30), (1, 2, 3)),
        (SpatialDropout3D(0.5, data_format="channels_first"), (4, 30, 3, 5, 6), (2, 3, 4)),
    ],
)
def test_channels_are_dropped_as_a_whole(layer, shape, together):
    output = np.asarray(layer(np.ones(shape, "f"), training=True))
    sums = output.mean(together)
    assert set(np.unique(sums)) == {0.0, 2.0}


@pytest.mark.parametrize("cls", [GaussianDropout, AlphaDropout])
@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, "0.5", None])
def test_rates_are_checked(cls, rate):
    with pytest.raises(ValueError, match=r"'n': rate must be a number from 0 to"):
        cls(rate, name="n")


def test_deviation_is_checked():
    with pytest.raises(ValueError, match="GaussianNoise 'n': stddev must be a number of 0 or more"):
        GaussianNoise(-1, name="n")


def test_rank_is_checked():
    with pytest.raises(ValueError, match="SpatialDropout2D 's': expected an input of rank 4, got"):
        SpatialDropout2D(0.5, name="s")(Input((3, 4)))


def test_names_of_keras_1():
    assert GaussianNoise(sigma=0.5).stddev == 0.5
    assert GaussianDropout(p=0.5).rate == 0.5
    assert SpatialDropout2D(p=0.5, dim_ordering="th").data_format == "channels_first"
