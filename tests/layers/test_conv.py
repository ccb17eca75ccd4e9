"""Convolutions: sizes, data formats, old names and errors; values are in test_golden."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import config
from lamina.layers import Conv1D, Conv2D, Conv3D, Convolution1D, Convolution2D, Convolution3D, Input


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 20),
    window=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same", "causal"]),
)
def test_promised_size_is_the_real_one(size, window, stride, dilation, padding):
    if stride > 1 and dilation > 1:
        return
    layer = Conv1D(1, window, stride, padding, dilation_rate=dilation)
    x = jax.ShapeDtypeStruct((1, size, 1), jnp.float32)
    if padding == "valid" and (window - 1) * dilation >= size:
        with pytest.raises(ValueError, match="windows do not fit"):
            jax.eval_shape(layer, x)
    else:
        assert jax.eval_shape(layer, x).shape == layer.compute_output_shape(x.shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": 0}, r"Conv2D 'c': filters must be a positive int, got 0\."),
        ({"filters": 2.5}, r"Conv2D 'c': filters must be a positive int, got 2\.5\."),
        ({"kernel_size": (3, 0)}, r"'c': kernel_size must be a positive int or 2 of them, got"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size must be a positive int or 2 of them"),
        ({"strides": -1}, r"strides must be a positive int or 2 of them, got -1"),
        ({"dilation_rate": "2"}, r"dilation_rate must be a positive int or 2 of them, got '2'"),
        ({"padding": "causal"}, r"padding must be 'valid' or 'same', got 'causal'"),
        ({"padding": "smae"}, r"got 'smae'\. Did you mean 'same'"),
        ({"data_format": "last"}, r"data_format must be 'channels_last' or 'channels_first'"),
        ({"groups": 3}, r"groups must divide filters, got 3 and 4"),
        (
            {"strides": 2, "dilation_rate": (1, 2)},
            r"'c': strides and dilation_rate cannot both be larger than 1, got \(2, 2\)",
        ),
        ({"activation": "rleu"}, r"Unknown activation 'rleu'\. Did you mean 'relu'"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Conv2D(**({"filters": 4, "kernel_size": 3, "name": "c"} | options))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((6, 7), r"rank 4, got rank 3 \(.*an axis of channels, add one: x\[\.\.\., None\]"),
        ((6, 7, None), r"'c': the size of axis -1 of the input must be known"),
        ((2, 7, 3), r"'c': the windows do not fit an input of shape \(None, 2, 7, 3\)"),
        ((6, 2, 3), r"spatial sizes \(4, 0\)"),
    ],
)
def test_bad_inputs_are_named_in_symbolic_calls(shape, message):
    with pytest.raises(ValueError, match=message):
        Conv2D(4, 3, name="c")(Input(shape))


def test_too_small_array_is_named():
    with pytest.raises(ValueError, match=r"'c': the windows do not fit an input of shape \(1, 2"):
        Conv2D(4, 3, name="c")(np.ones((1, 2, 5, 3), "f"))


def test_changed_channels_are_an_error():
    layer = Conv2D(4, 3, name="c")
    layer(np.ones((1, 5, 5, 3), "f"))
    message = r"'c': expected size 3 on axis -1, got 2 .* built on inputs of shape \(1, 5, 5, 3\)"
    with pytest.raises(ValueError, match=message):
        layer(np.ones((1, 5, 5, 2), "f"))


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="groups must divide the channels of the input, got 2 and"):
        Conv2D(4, 3, groups=2)(Input((6, 7, 3)))


def test_unknown_sizes_stay_unknown():
    assert Conv2D(4, 3)(Input((None, 7, 3))).shape == (None, None, 5, 4)


def test_data_format_of_keras_json_holds_for_images_only():
    before = config.image_data_format()
    config.set_image_data_format("channels_first")
    try:
        formats = [Conv1D(4, 3).data_format, Conv2D(4, 3).data_format, Conv3D(4, 3).data_format]
        image = Conv2D(64, (3, 3), input_shape=(3, 32, 32), padding="same")
        assert image.compute_output_shape((None, 3, 32, 32)) == (None, 64, 32, 32)
    finally:
        config.set_image_data_format(before)
    assert formats == ["channels_last", "channels_first", "channels_first"]
    assert Conv1D(4, 3, data_format=None).data_format == "channels_last"


def test_sides_of_the_window_in_keras_1():
    layer = Convolution2D(64, 3, 5, border_mode="same", subsample=(1, 2), dim_ordering="th")
    assert type(layer) is Conv2D
    assert (layer.kernel_size, layer.strides) == ((3, 5), (1, 2))
    assert (layer.padding, layer.data_format) == ("same", "channels_first")
    assert layer.name.startswith("conv2d")


def test_old_names_follow_keras_2_where_the_call_is_of_keras_2():
    assert Conv2D(64, 3, 3).strides == (3, 3)
    assert Convolution2D(64, (3, 5), (2, 1)).strides == (2, 1)
    assert Convolution2D(64, 3).kernel_size == (3, 3)
    assert Convolution3D(8, 2, 3, 4).kernel_size == (2, 3, 4)
    assert Convolution1D(8, 3, 2).strides == (2,)


def test_positions_of_keras_1_reach_their_arguments():
    layer = Convolution2D(64, 3, 5, "zeros", "relu", None, "same", (2, 2))
    assert layer.get_config()["kernel_initializer"]["class_name"] == "Zeros"
    assert (layer.get_config()["activation"], layer.padding) == ("relu", "same")
    assert layer.strides == (2, 2)


def test_old_name_knows_its_layers_and_can_be_derived_from():
    class Mine(Convolution2D):
        pass

    assert isinstance(Conv2D(4, 3), Convolution2D)
    assert not isinstance(Conv1D(4, 3), Convolution2D)
    assert type(Mine(4, 3)) is Mine
    assert not isinstance(Conv2D(4, 3), Mine)


def test_first_layer_of_a_sequence_takes_dim_and_length():
    assert Conv1D(4, 3, input_dim=8, input_length=10).batch_input_shape == (None, 10, 8)
    assert Conv1D(4, 3, input_dim=8).batch_input_shape == (None, None, 8)


def test_causal_output_sees_no_later_step():
    layer = Conv1D(4, 3, padding="causal", dilation_rate=2)
    x = np.random.default_rng(0).normal(size=(1, 9, 3)).astype("f")
    changed = x.copy()
    changed[:, 5:] += 1
    same = np.asarray(layer(x) == layer(changed)).all((0, 2))
    assert same.tolist() == [True] * 5 + [False] * 4


class Negated(Conv2D):
    def product(self, inputs, kernel):
        return -super().product(inputs, kernel)


class Lowered(Conv2D):
    def biased(self, outputs, bias):
        return outputs - bias[None, None, None]


@pytest.mark.parametrize("filters", [3, 20])
@pytest.mark.parametrize("activation", ["relu", "tanh", None])
def test_subclasses_say_what_product_and_bias_are(filters, activation):
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 4)).astype("f")
    rectify = {"relu": lambda y: np.maximum(y, 0), "tanh": np.tanh, None: np.array}[activation]
    for kind, of_product, of_bias in (Negated, -1, 1), (Lowered, 1, -1):
        layer = kind(filters, 1, activation=activation, bias_initializer="random_normal")
        y, (kernel, bias) = layer(x), layer.get_weights()
        expected = rectify(of_product * (x @ kernel[0, 0]) + of_bias * bias)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_a_window_that_does_not_fit_is_named_by_subclasses():
    layer = Negated(3, 4, name="n")
    layer.build((None, None, None, 2))
    with pytest.raises(ValueError, match=r"Negated 'n'"):
        layer(np.ones((1, 3, 9, 2), "f"))


def test_penalties_are_counted():
    layer = Conv2D(4, 3, kernel_regularizer="l2", activity_regularizer="l2")
    output = layer(np.ones((2, 5, 5, 3), "f"))
    expected = [
        0.01 * np.square(np.asarray(output)).sum() / 2,
        0.01 * np.square(layer.get_weights()[0]).sum(),
    ]
    np.testing.assert_allclose(layer.losses, expected, rtol=1e-5)
