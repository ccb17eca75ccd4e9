"""A `Deconvolution2D` of a stated shape is written as the `Conv2DTranspose` that does the same."""

import numpy as np
import pytest

from lamina import layers
from lamina.models import Sequential
from lamina.saving.loading import load_model


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_a_deconvolution_is_written_as_later_releases_know_it(tmp_path, ending):
    stated = layers.Deconvolution2D(
        3, 3, output_shape=(None, 5, 7, 3), strides=2, padding="same", name="stated"
    )
    model = Sequential([layers.Input((3, 4, 2)), stated, layers.Conv2DTranspose(2, 2, strides=2)])
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 2)).astype("f")
    expected = model.predict(x, verbose=0)
    model.save(tmp_path / f"model.{ending}")
    again = load_model(tmp_path / f"model.{ending}")
    assert type(again.layers[0]) is layers.Conv2DTranspose
    assert again.layers[0].output_padding == (0, 0)
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
