"""Dropout: rates, shapes of the noise, seeds."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import numpy as np
import pytest

from lamina import seeds
from lamina.layers import Dropout, Input, SpatialDropout2D, SpatialDropout3D

ONES = np.ones((4, 500, 6), "f")


def test_nothing_happens_outside_of_training():
    assert (np.asarray(Dropout(0.5)(ONES)) == 1).all()
    assert (np.asarray(Dropout(0.5)(ONES, training=False)) == 1).all()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_part_of_the_values_is_dropped_and_the_mean_stays(rate):
    output = np.asarray(Dropout(rate)(ONES, training=True))
    values = np.unique(output)
    np.testing.assert_allclose(values, [0, 1 / (1 - rate)], rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / output.size)
    assert abs((output == 0).mean() - rate) < 5 * deviation


@pytest.mark.parametrize(("rate", "left"), [(0, 1.0), (1, 0.0), (1.0, 0.0)])
def test_rates_at_the_ends(rate, left):
    assert (np.asarray(Dropout(rate)(ONES, training=True)) == left).all()


@pytest.mark.parametrize("noise_shape", [(4, 1, 6), (None, 1, None)])
def test_noise_shape_drops_values_together(noise_shape):
    output = np.asarray(Dropout(0.5, noise_shape)(ONES, training=True))
    assert (output == output[:, :1]).all()
    assert len(np.unique(output[:, 0])) == 2


def test_noise_shape_may_come_from_a_subclass():
    class Steps(Dropout):
        def _get_noise_shape(self, inputs):
            return (inputs.shape[0], inputs.shape[1], 1)

    output = np.asarray(Steps(0.5)(ONES, training=True))
    assert (output == output[:, :, :1]).all()


def test_same_seed_gives_the_same_numbers():
    seeds.set_random_seed(3)
    first = np.asarray(Dropout(0.5, seed=1)(ONES, training=True))
    seeds.set_random_seed(3)
    same = np.asarray(Dropout(0.5, seed=1)(ONES, training=True))
    np.testing.assert_array_equal(first, same)
    seeds.set_random_seed(3)
    assert (first != np.asarray(Dropout(0.5, seed=2)(ONES, training=True))).any()


def test_draws_differ_from_call_to_call_and_layer_to_layer():
    layer, other = Dropout(0.5), Dropout(0.5)
    draws = [np.asarray(one(ONES, training=True)) for one in (layer, layer, other)]
    assert (draws[0] != draws[1]).any()
    assert (draws[0] != draws[2]).any()


@pytest.mark.parametrize("rate", [-0.1, 1.5, "0.5", None, True, float("nan")])
def test_rate_is_checked(rate):
    with pytest.raises(ValueError, match="Dropout 'd': rate must be a number from 0 to 1, got"):
        Dropout(rate, name="d")


@pytest.mark.parametrize("seed", [-1, 2.5, "1"])
def test_seed_is_checked(seed):
    with pytest.raises(ValueError, match="Dropout 'd': seed must be an int from 0 to"):
        Dropout(0.5, seed=seed, name="d")


@pytest.mark.parametrize("noise_shape", [(), "x", (1.5,), (0, 1)])
def test_noise_shape_is_checked(noise_shape):
    with pytest.raises(ValueError, match="'d': noise_shape must be a tuple of sizes, 1 or None"):
        Dropout(0.5, noise_shape, name="d")


@pytest.mark.parametrize("noise_shape", [(4, 1), (4, 2, 6), (3, 1, 6), (4, 1, 6, 1)])
def test_noise_shape_must_fit(noise_shape):
    message = r"Dropout 'd': noise_shape .* of shape \(4, 500, 6\), its size, 1 or None"
    with pytest.raises(ValueError, match=message):
        Dropout(0.5, noise_shape, name="d")(ONES, training=True)
    with pytest.raises(ValueError, match=message):
        Dropout(0.5, noise_shape, name="d")(Input(batch_shape=(4, 500, 6)))


def test_noise_shape_may_name_the_batch_of_an_open_input():
    assert Dropout(0.5, (4, 1, 6))(Input((500, 6))).shape == (None, 500, 6)


def test_name_of_keras_1():
    assert Dropout(p=0.25).rate == 0.25


def test_the_noise_shape_in_a_message_is_the_one_that_was_given():
    with pytest.raises(ValueError, match=r"Dropout 'd': noise_shape \(4, 1\) must have"):
        Dropout(0.5, (4, 1), name="d")(Input((500, 6)))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("made", [SpatialDropout2D, SpatialDropout3D])
def test_spatial_dropout_drops_whole_channels_in_both_formats(made, data_format):
    sizes = (2, 3, 4) if made is SpatialDropout3D else (2, 3)
    last = data_format == "channels_last"
    x = np.ones((5, *sizes, 60) if last else (5, 60, *sizes), "f")
    output = np.asarray(made(0.5, data_format)(x, training=True))
    output = output if last else np.moveaxis(output, 1, -1)
    channels = output.reshape(5, -1, 60)
    assert (channels == channels[:, :1]).all()
    # Each sample draws its own channels, about half of them.
    assert (channels[0, 0] != channels[1, 0]).any()
    assert 0.35 < (channels[:, 0] == 0).mean() < 0.65
