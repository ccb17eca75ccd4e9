"""Promises of all layers, one short check each."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.layers import Input

# name: (class, arguments, shape of the input, names of the weights)
CASES = {
    "activation": ("Activation", {"activation": "tanh"}, (2, 3), []),
    "conv_1d": ("Conv1D", {"filters": 5, "kernel_size": 3}, (2, 6, 4), ["kernel", "bias"]),
    "conv_2d": ("Conv2D", {"filters": 5, "kernel_size": 3}, (2, 6, 7, 4), ["kernel", "bias"]),
    "conv_3d": ("Conv3D", {"filters": 5, "kernel_size": 2}, (2, 3, 4, 5, 6), ["kernel", "bias"]),
    "dense": ("Dense", {"units": 5}, (2, 3), ["kernel", "bias"]),
    "dense_plain": ("Dense", {"units": 5, "use_bias": False}, (2, 4, 3), ["kernel"]),
    "dropout": ("Dropout", {"rate": 0.5, "noise_shape": [None, 1], "seed": 3}, (2, 3), []),
    "embedding": ("Embedding", {"input_dim": 9, "output_dim": 5}, (2, 3), ["embeddings"]),
    "flatten": ("Flatten", {"data_format": "channels_first"}, (2, 3, 4, 5), []),
    "max_pooling_1d": ("MaxPooling1D", {"pool_size": 3}, (2, 6, 4), []),
    "max_pooling_2d": ("MaxPooling2D", {"strides": 1}, (2, 6, 7, 4), []),
    "max_pooling_3d": ("MaxPooling3D", {"padding": "same"}, (2, 3, 4, 5, 6), []),
    "average_pooling_1d": ("AveragePooling1D", {"pool_size": 3}, (2, 6, 4), []),
    "average_pooling_2d": ("AveragePooling2D", {"strides": 1}, (2, 6, 7, 4), []),
    "average_pooling_3d": ("AveragePooling3D", {"padding": "same"}, (2, 3, 4, 5, 6), []),
    "global_max_1d": ("GlobalMaxPooling1D", {}, (2, 6, 4), []),
    "global_max_2d": ("GlobalMaxPooling2D", {}, (2, 6, 7, 4), []),
    "global_max_3d": ("GlobalMaxPooling3D", {"keepdims": True}, (2, 3, 4, 5, 6), []),
    "global_average_1d": ("GlobalAveragePooling1D", {}, (2, 6, 4), []),
    "global_average_2d": ("GlobalAveragePooling2D", {}, (2, 6, 7, 4), []),
    "global_average_3d": ("GlobalAveragePooling3D", {"keepdims": True}, (2, 3, 4, 5, 6), []),
    "lambda": ("Lambda", {"function": jnp.tanh}, (2, 3), []),
    "relu": ("ReLU", {"max_value": 0.5, "negative_slope": 0.25}, (2, 3), []),
    "reshape": ("Reshape", {"target_shape": (2, -1)}, (2, 3, 4), []),
    "softmax": ("Softmax", {"axis": 1}, (2, 3, 4), []),
}
MASKS_PASS = {"activation", "dense_plain", "relu", "softmax"}
MASKS_END = {"global_average_1d", "lambda"}


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def case(request):
    name, options, shape, weights = request.param
    values = np.random.default_rng(0).uniform(0.0, 8.0, shape).astype("f")
    return getattr(layers, name), options, values, weights


def noisy(layer, values):
    """Build the layer and fill all its weights, the biases too, with noise."""
    jax.eval_shape(layer, values)
    rng = np.random.default_rng(0)
    layer.set_weights([rng.uniform(0.1, 1.0, w.shape).astype(w.dtype) for w in layer.weights])
    return layer


def restored(cls, layer):
    """A layer from the config of another one, after a round through JSON."""
    config = json.loads(json.dumps(layer.get_config()))
    if cls is layers.Lambda:
        return cls.from_config(config, custom_objects={"tanh": jnp.tanh})
    return cls.from_config(config)


def test_shape_is_as_promised(case):
    cls, options, values, _ = case
    layer = cls(**options)
    assert jax.eval_shape(layer, values).shape == layer.compute_output_shape(values.shape)


def test_unknown_batch_stays_unknown(case):
    cls, options, values, _ = case
    layer = cls(**options)
    symbolic = layer(Input(values.shape[1:]))
    assert symbolic.shape == (None, *jax.eval_shape(layer, values).shape[1:])


def test_config_round_trip_keeps_outputs(case):
    cls, options, values, _ = case
    layer = noisy(cls(**options), values)
    copy = noisy(restored(cls, layer), values)
    np.testing.assert_array_equal(copy(values), layer(values))


def test_config_round_trip_keeps_the_config(case):
    cls, options, _, _ = case
    layer = cls(**options)
    config = restored(cls, layer).get_config()
    assert json.dumps(config) == json.dumps(layer.get_config())


def test_weights_have_the_names_of_keras_in_their_order(case):
    cls, options, values, weights = case
    assert [weight.name for weight in noisy(cls(**options), values).weights] == weights


def test_symbolic_dtype_is_the_real_one(case):
    cls, options, values, _ = case
    layer = cls(**options)
    assert layer(Input(values.shape[1:])).dtype == jax.eval_shape(layer, values).dtype


def test_integers_are_welcome(case):
    cls, options, values, _ = case
    layer, whole = cls(**options), values.astype("int32")
    symbolic = layer(Input(values.shape[1:], dtype="int32"))
    real = jax.eval_shape(layer, whole)
    assert (symbolic.dtype, symbolic.shape[1:]) == (real.dtype, real.shape[1:])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16"])
def test_dtype_option_is_that_of_the_output(case, dtype):
    cls, options, values, _ = case
    layer = cls(dtype=dtype, **options)
    assert jax.eval_shape(layer, values).dtype == dtype.removeprefix("mixed_")
    assert {w.dtype for w in layer.weights} <= {jnp.dtype(layer.variable_dtype)}


def test_frozen_layer_has_no_trainable_weights(case):
    cls, options, values, _ = case
    layer = noisy(cls(trainable=False, **options), values)
    assert (layer.trainable_weights, layer.non_trainable_weights) == ([], layer.weights)


def test_unknown_argument_is_named(case):
    cls, options, _, _ = case
    with pytest.raises(TypeError, match=r"unknown argument 'nmae'. Did you mean 'name'"):
        cls(nmae="x", **options)


@pytest.mark.parametrize("name", list(CASES))
def test_masks_pass_end_or_are_refused(name):
    cls, options, shape, _ = CASES[name]
    if len(shape) != 3 and name not in MASKS_END:
        pytest.skip("masks of time steps come with inputs (batch, steps, features)")
    layer = getattr(layers, cls)(**options)
    words = layers.Embedding(9, 4, mask_zero=True, name="words")(Input((6,), dtype="int32"))
    if name in MASKS_PASS:
        assert layer(words).mask.shape == (None, 6)
    elif name in MASKS_END:
        assert layer(words).mask is None
    else:
        with pytest.raises(TypeError, match=r"does not support masking, .* made by words"):
            layer(words)
