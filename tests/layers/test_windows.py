"""Convolutions beside the plain ones, EinsumDense, layers of Keras 1: errors, old names, sizes."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import layers
from lamina.layers import Input

WINDOWS = {"filters": 4, "kernel_size": 3, "name": "w"}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("Conv2DTranspose", {"output_padding": 1}, r"'w': output_padding must be smaller than str"),
        ("Conv2DTranspose", {"output_padding": -1}, r"output_padding must be an int of 0 or more"),
        ("Conv2DTranspose", {"padding": "causal"}, r"padding must be 'valid' or 'same'"),
        ("Conv2DTranspose", {"strides": 2, "dilation_rate": 2}, r"cannot both be larger than 1"),
        ("SeparableConv2D", {"depth_multiplier": 0}, r"depth_multiplier must be a positive int"),
        ("SeparableConv2D", {"padding": "causal"}, r"padding must be 'valid' or 'same'"),
        ("LocallyConnected2D", {"padding": "same"}, r"padding must be 'valid' with implementation"),
        ("LocallyConnected2D", {"implementation": 4}, r"implementation must be 1, 2 or 3, got 4"),
        ("Deconvolution2D", {"output_shape": (5, 5)}, r"output_shape must be a whole shape of cha"),
        ("Deconvolution2D", {"output_shape": (None, 5, 5, 3)}, r"4 channels, got \(None, 5, 5, 3"),
    ],
)
def test_wrong_arguments_of_windows_are_named(kind, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(layers, kind)(**(WINDOWS | options))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.DepthwiseConv2D(0), r"kernel_size must be a positive int or 2 of them"),
        (lambda: layers.AdaptiveMaxPooling2D((2, 0)), r"output_size must be a positive int or 2"),
        (lambda: layers.MaxoutDense(0), r"output_dim must be a positive int, got 0"),
        (lambda: layers.MaxoutDense(2, 1.5), r"nb_feature must be a positive int, got 1\.5"),
        (lambda: layers.Highway(init="glort_uniform"), r"Highway: init: .*glorot_uniform"),
        (lambda: layers.SReLU(shared_axes=0), r"shared_axes must be axes of the input from 1 on"),
        (lambda: layers.ParametricSoftplus("x"), r"alpha_init must be a number, got 'x'"),
        (lambda: layers.EinsumDense("ab-bc", 3), r"equation must have the form"),
        (lambda: layers.EinsumDense("aab,bc->ac", 3), r"each letter once a part"),
        (lambda: layers.EinsumDense("ab,bcx->ac", 3), r"'x' of 'ab,bcx->ac' is in one part alone"),
        (lambda: layers.EinsumDense("ab,bc->ac", (2, 3)), r"output_shape must have a size for eac"),
        (
            lambda: layers.EinsumDense("ab,bc->ac", 3, bias_axes="b"),
            r"bias_axes must be letters of",
        ),
    ],
)
def test_other_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", ["SeparableConv2D", "DepthwiseConv2D"])
def test_an_argument_of_the_base_is_unknown(kind):
    options = {"kernel_size": 3} | ({"filters": 2} if kind == "SeparableConv2D" else {})
    with pytest.raises(TypeError, match=f"{kind}: unknown argument 'kernel_initializer'"):
        getattr(layers, kind)(kernel_initializer="ones", **options)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.SeparableConv2D(4, 3, name="s"), (2, 7, 3), r"'s': the windows do not fit"),
        (layers.DepthwiseConv1D(5, name="d"), (4, 3), r"'d': the windows do not fit an input"),
        (layers.LocallyConnected1D(2, 5, name="l"), (4, 3), r"'l': the windows do not fit"),
        (layers.LocallyConnected1D(2, 3, name="l"), (None, 3), r"'l': the size of axis 1 of the"),
        (layers.Highway(name="h"), (3, 4), r"'h': expected.*rank 2"),
        (
            layers.Deconvolution2D(3, 3, output_shape=(None, 9, 9, 3), strides=2, name="d"),
            (3, 3, 2),
            r"'d': output_shape says size 9, .* take from 7 to 8",
        ),
        (
            layers.EinsumDense("abc,cd->abd", (3, 4), name="e"),
            (5, 2),
            r"'e': output_shape says 3 for the axis 'b'",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_named(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(Input(shape))


def test_names_of_keras_1():
    layer = layers.SeparableConvolution2D(8, 3, 5, init="ones", border_mode="same", bias=False)
    assert (layer.kernel_size, layer.padding, layer.use_bias) == ((3, 5), "same", False)
    pair = layer.depthwise_initializer, layer.pointwise_initializer
    assert [type(one).__name__ for one in pair] == ["Ones", "Ones"]
    atrous = layers.AtrousConvolution2D(8, 3, 3, "ones", atrous_rate=(2, 2), dim_ordering="th")
    assert type(atrous) is layers.Conv2D
    assert (atrous.dilation_rate, atrous.data_format) == ((2, 2), "channels_first")
    assert type(layers.AtrousConvolution1D(8, 3, atrous_rate=2)) is layers.Conv1D
    back = layers.Deconvolution2D(3, 3, 2, (None, 14, 13, 3), "ones", subsample=(2, 2))
    assert (back.kernel_size, back.strides) == ((3, 2), (2, 2))
    assert back(Input((6, 6, 2))).shape == (None, 14, 13, 3)
    local = layers.LocallyConnected2D(4, 3, 3, border_mode="valid")
    assert local.kernel_size == (3, 3)


@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 6),
    window=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["valid", "same"]),
    added=st.integers(0, 2),
)
def test_promised_size_of_transposed_windows_is_the_real_one(size, window, stride, padding, added):
    more = added if added < stride else None
    layer = layers.Conv1DTranspose(2, window, stride, padding, output_padding=more)
    shape = (1, size, 3)
    try:
        promised = layer.compute_output_shape(shape)
    except ValueError:
        return  # nothing is left
    assert jax.eval_shape(layer, jax.ShapeDtypeStruct(shape, jnp.float32)).shape == promised


def test_a_transposed_convolution_is_the_gradient_of_one():
    x, kernel = np.random.default_rng(0).normal(size=(2, 3, 4, 5)), np.ones((3, 2, 6, 5))
    kernel = kernel + np.arange(kernel.size).reshape(kernel.shape) / 50
    layer = layers.Conv2DTranspose(6, (3, 2), strides=2, use_bias=False)
    found = layer(x.astype("f"))
    layer.set_weights([kernel])
    forward = layers.Conv2D(5, (3, 2), strides=2, use_bias=False)
    forward(jnp.zeros(found.shape))
    forward.set_weights([kernel])
    _, pull = jax.vjp(forward, jnp.zeros(found.shape))
    np.testing.assert_allclose(layer(x.astype("f")), pull(jnp.asarray(x, "f"))[0], rtol=1e-4)
