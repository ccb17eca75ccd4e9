"""Pooling: sizes, defaults, masks and errors; values are in test_golden."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import config, layers
from lamina.layers import (
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalMaxPooling2D,
    Input,
    MaxPooling1D,
    MaxPooling2D,
)


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 12),
    window=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
)
def test_promised_size_is_the_real_one(size, window, stride, padding):
    layer = MaxPooling1D(window, stride, padding)
    x = jax.ShapeDtypeStruct((1, size, 2), jnp.float32)
    if padding == "valid" and window > size:
        with pytest.raises(ValueError, match="windows do not fit"):
            jax.eval_shape(layer, x)
    else:
        assert jax.eval_shape(layer, x).shape == layer.compute_output_shape(x.shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool_size": 0}, r"MaxPooling2D 'p': pool_size must be a positive int or 2 of them"),
        ({"strides": (1, 2, 3)}, r"'p': strides must be a positive int or 2 of them"),
        ({"padding": "full"}, r"'p': padding must be 'valid' or 'same', got 'full'"),
        ({"data_format": "first"}, r"'p': data_format must be 'channels_last' or"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        MaxPooling2D(name="p", **options)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((6, 7), r"MaxPooling2D 'p': expected an input of rank 4, got rank 3"),
        ((6, 1, 3), r"'p': the windows do not fit an input of shape \(None, 6, 1, 3\)"),
    ],
)
def test_bad_inputs_are_named(shape, message):
    with pytest.raises(ValueError, match=message):
        MaxPooling2D(name="p")(Input(shape))


def test_strides_are_the_window_by_default():
    assert MaxPooling2D((3, 2)).strides == (3, 2)


def test_unknown_sizes_stay_unknown():
    assert AveragePooling2D(3)(Input((None, 7, 4))).shape == (None, None, 2, 4)
    assert GlobalMaxPooling2D()(Input((None, 7, 4))).shape == (None, 4)


def test_data_format_of_keras_json_holds_for_images_only():
    before = config.image_data_format()
    config.set_image_data_format("channels_first")
    try:
        made = [MaxPooling1D(), MaxPooling2D(), GlobalAveragePooling1D(), GlobalMaxPooling2D()]
    finally:
        config.set_image_data_format(before)
    last, first = "channels_last", "channels_first"
    assert [layer.data_format for layer in made] == [last, first, last, first]


def test_largest_of_integers_stays_an_integer():
    x = np.arange(8).reshape(1, 4, 2).astype("int32")
    assert MaxPooling1D()(x).tolist() == [[[2, 3], [6, 7]]]


def test_masked_steps_do_not_count_in_the_mean():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f")
    mask = np.array([[True, False, True], [False, False, True]])
    expected = np.stack([x[0, [0, 2]].mean(0), x[1, 2]])
    np.testing.assert_allclose(GlobalAveragePooling1D()(x, mask=mask), expected, rtol=1e-6)
    turned = GlobalAveragePooling1D("channels_first")(x.transpose(0, 2, 1), mask=mask)
    np.testing.assert_allclose(turned, expected, rtol=1e-6)


def test_mean_of_a_fully_masked_sample_is_nan():
    x = np.ones((1, 3, 4), "f")
    assert np.isnan(GlobalAveragePooling1D()(x, mask=np.zeros((1, 3), bool))).all()


def test_old_names():
    assert layers.MaxPool2D is MaxPooling2D
    assert MaxPooling1D(pool_length=3, stride=2).strides == (2,)
    assert MaxPooling2D(border_mode="same", dim_ordering="th").data_format == "channels_first"
