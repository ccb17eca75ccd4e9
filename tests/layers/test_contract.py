"""Promises of all layers, one short check each."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.layers import Input
from lamina.layers.augmentation import Augmentation

SCALES, MOMENTS = ("gamma", "beta"), ("moving_mean", "moving_variance")
KERNEL, DEPTHWISE = ["kernel", "bias"], ["depthwise_kernel", "bias"]
WINDOWS = {"filters": 5, "kernel_size": 3}

RECURRENT = ["kernel", "recurrent_kernel", "bias"]

# name: (class, arguments, shape of the input or inputs, names of the weights)
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
    "simple_rnn": ("SimpleRNN", {"units": 5, "dropout": 0.5}, (2, 6, 4), RECURRENT),
    "lstm": ("LSTM", {"units": 5, "return_sequences": True}, (2, 6, 4), RECURRENT),
    "gru": ("GRU", {"units": 5, "go_backwards": True}, (2, 6, 4), RECURRENT),
    "conv_lstm_1d": ("ConvLSTM1D", {"filters": 3, "kernel_size": 2}, (2, 3, 6, 4), RECURRENT),
    "conv_lstm_2d": (
        "ConvLSTM2D",
        {"filters": 3, "kernel_size": 2, "padding": "same", "return_sequences": True},
        (2, 3, 5, 6, 4),
        RECURRENT,
    ),
    "conv_lstm_3d": ("ConvLSTM3D", {"filters": 3, "kernel_size": 2}, (2, 2, 3, 4, 5, 2), RECURRENT),
    "lambda": ("Lambda", {"function": jnp.tanh}, (2, 3), []),
    "relu": ("ReLU", {"max_value": 0.5, "negative_slope": 0.25}, (2, 3), []),
    "reshape": ("Reshape", {"target_shape": (2, -1)}, (2, 3, 4), []),
    "softmax": ("Softmax", {"axis": 1}, (2, 3, 4), []),
    "activity": ("ActivityRegularization", {"l1": 0.5, "l2": 0.25}, (2, 3, 4), []),
    "alpha_dropout": ("AlphaDropout", {"rate": 0.5, "seed": 3}, (2, 3, 4), []),
    "batch_norm": ("BatchNormalization", {}, (2, 3, 4), [*SCALES, *MOMENTS]),
    "batch_norm_axes": (
        "BatchNormalization",
        {"axis": [1, 2], "momentum": 0.5, "epsilon": 0.01, "scale": False},
        (2, 3, 4, 5),
        ["beta", *MOMENTS],
    ),
    "layer_norm": ("LayerNormalization", {}, (2, 3, 4), [*SCALES]),
    "layer_norm_axes": (
        "LayerNormalization",
        {"axis": [-1, 1], "epsilon": 0.01, "scale": False},
        (2, 3, 4, 5),
        ["beta"],
    ),
    "layer_norm_rms": ("LayerNormalization", {"rms_scaling": True}, (2, 3), ["gamma"]),
    "group_norm": ("GroupNormalization", {"groups": 2}, (2, 3, 4), [*SCALES]),
    "group_norm_first": ("GroupNormalization", {"groups": -1, "axis": 1}, (2, 3, 4, 5), [*SCALES]),
    "rms_norm": ("RMSNormalization", {"axis": [1, 3], "epsilon": 0.01}, (2, 3, 4, 5), ["scale"]),
    "unit_norm": ("UnitNormalization", {"axis": (1, 2)}, (2, 3, 4), []),
    "cropping_1d": ("Cropping1D", {"cropping": (1, 2)}, (2, 6, 4), []),
    "cropping_2d": ("Cropping2D", {"cropping": ((1, 0), (2, 1))}, (2, 6, 7, 4), []),
    "cropping_3d": ("Cropping3D", {}, (2, 3, 4, 5, 6), []),
    "elu": ("ELU", {"alpha": 0.5}, (2, 3, 4), []),
    "gaussian_dropout": ("GaussianDropout", {"rate": 0.5, "seed": 3}, (2, 3, 4), []),
    "gaussian_noise": ("GaussianNoise", {"stddev": 0.5}, (2, 3, 4), []),
    "identity": ("Identity", {}, (2, 3, 4), []),
    "leaky_relu": ("LeakyReLU", {"alpha": 0.5}, (2, 3, 4), []),
    "masking": ("Masking", {"mask_value": 1.0}, (2, 3, 4), []),
    "permute": ("Permute", {"dims": (2, 3, 1)}, (2, 3, 4, 5), []),
    "permute_steps": ("Permute", {"dims": (2, 1)}, (2, 3, 4), []),
    "prelu": ("PReLU", {"shared_axes": [1]}, (2, 6, 4), ["alpha"]),
    "repeat_vector": ("RepeatVector", {"n": 5}, (2, 3), []),
    "spatial_dropout_1d": ("SpatialDropout1D", {"rate": 0.5}, (2, 3, 4), []),
    "spatial_dropout_2d": ("SpatialDropout2D", {"rate": 0.5}, (2, 3, 4, 5), []),
    "spatial_dropout_3d": ("SpatialDropout3D", {"rate": 0.5}, (2, 3, 4, 5, 6), []),
    "thresholded_relu": ("ThresholdedReLU", {"theta": 0.5}, (2, 3, 4), []),
    "up_sampling_1d": ("UpSampling1D", {"size": 3}, (2, 6, 4), []),
    "up_sampling_2d": ("UpSampling2D", {"size": (1, 3)}, (2, 6, 7, 4), []),
    "up_sampling_bilinear": ("UpSampling2D", {"interpolation": "bilinear"}, (2, 6, 7, 4), []),
    "up_sampling_3d": ("UpSampling3D", {}, (2, 3, 4, 5, 6), []),
    "adaptive_average_1d": ("AdaptiveAveragePooling1D", {"output_size": 4}, (2, 6, 4), []),
    "adaptive_average_2d": ("AdaptiveAveragePooling2D", {"output_size": (2, 3)}, (2, 6, 7, 4), []),
    "adaptive_average_3d": ("AdaptiveAveragePooling3D", {"output_size": 2}, (2, 3, 4, 5, 6), []),
    "adaptive_max_1d": ("AdaptiveMaxPooling1D", {"output_size": 4}, (2, 6, 4), []),
    "adaptive_max_2d": ("AdaptiveMaxPooling2D", {"output_size": (2, 3)}, (2, 6, 7, 4), []),
    "adaptive_max_3d": ("AdaptiveMaxPooling3D", {"output_size": 2}, (2, 3, 4, 5, 6), []),
    "conv_transpose_1d": ("Conv1DTranspose", {**WINDOWS, "strides": 2}, (2, 6, 4), KERNEL),
    "conv_transpose_2d": (
        "Conv2DTranspose",
        {**WINDOWS, "strides": 2, "output_padding": (1, 0), "padding": "same"},
        (2, 6, 7, 4),
        KERNEL,
    ),
    "conv_transpose_3d": ("Conv3DTranspose", WINDOWS, (2, 2, 3, 4, 5), KERNEL),
    "deconvolution": (
        "Deconvolution2D",
        {**WINDOWS, "output_shape": (None, 13, 14, 5), "strides": 2, "padding": "same"},
        (2, 7, 7, 4),
        KERNEL,
    ),
    "depthwise_1d": ("DepthwiseConv1D", {"kernel_size": 3}, (2, 6, 4), DEPTHWISE),
    "depthwise_2d": (
        "DepthwiseConv2D",
        {"kernel_size": (2, 3), "depth_multiplier": 2},
        (2, 6, 7, 4),
        DEPTHWISE,
    ),
    "einsum_dense": (
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": (None, 5), "bias_axes": "d"},
        (2, 6, 4),
        KERNEL,
    ),
    "highway": ("Highway", {"activation": "tanh"}, (2, 3), ["W", "W_carry", "b", "b_carry"]),
    "local_1d": ("LocallyConnected1D", WINDOWS, (2, 6, 4), KERNEL),
    "local_2d": ("LocallyConnected2D", WINDOWS, (2, 6, 7, 4), KERNEL),
    "local_matrix": ("LocallyConnected2D", {**WINDOWS, "implementation": 2}, (2, 6, 7, 4), KERNEL),
    "local_sparse": (
        "LocallyConnected1D",
        {**WINDOWS, "implementation": 3, "padding": "same"},
        (2, 6, 4),
        KERNEL,
    ),
    "maxout": ("MaxoutDense", {"output_dim": 5}, (2, 3), ["W", "b"]),
    "parametric_softplus": (
        "ParametricSoftplus",
        {"alpha_init": 0.5, "shared_axes": [1]},
        (2, 6, 4),
        ["alphas", "betas"],
    ),
    "separable_1d": (
        "SeparableConv1D",
        {**WINDOWS, "padding": "causal"},
        (2, 6, 4),
        ["depthwise_kernel", "pointwise_kernel", "bias"],
    ),
    "separable_2d": (
        "SeparableConv2D",
        {**WINDOWS, "depth_multiplier": 2},
        (2, 6, 7, 4),
        ["depthwise_kernel", "pointwise_kernel", "bias"],
    ),
    "srelu": ("SReLU", {}, (2, 6, 4), ["t_left", "a_left", "t_right", "a_right"]),
    "zero_padding_1d": ("ZeroPadding1D", {"padding": (1, 2)}, (2, 6, 4), []),
    "zero_padding_2d": ("ZeroPadding2D", {"padding": (1, 2)}, (2, 6, 7, 4), []),
    "zero_padding_3d": ("ZeroPadding3D", {}, (2, 3, 4, 5, 6), []),
    "add": ("Add", {}, [(2, 3, 4), (2, 1, 4), (2, 4)], []),
    "average": ("Average", {}, [(2, 3), (2, 3)], []),
    "concatenate": ("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 5, 4)], []),
    "dot": ("Dot", {"axes": (2, 1), "normalize": True}, [(2, 3, 4), (2, 4, 5)], []),
    "maximum": ("Maximum", {}, [(2, 3), (2, 3)], []),
    "minimum": ("Minimum", {}, [(2, 3), (2, 3)], []),
    "multiply": ("Multiply", {}, [(2, 3), (2, 1)], []),
    "subtract": ("Subtract", {}, [(2, 3), (2, 3)], []),
    "attention": ("Attention", {"use_scale": True}, [(2, 3, 4), (2, 5, 4)], ["scale"]),
    "attention_concat": (
        "Attention",
        {"use_scale": True, "score_mode": "concat", "dropout": 0.5, "seed": 3},
        [(2, 3, 4), (2, 5, 6), (2, 5, 4)],
        ["scale", "concat_score_weight"],
    ),
    "rescaling": ("Rescaling", {"scale": [0.5, 2.0, 1.0, 3.0], "offset": 1}, (2, 3, 4), []),
    "resizing": ("Resizing", {"height": 3, "width": 9, "antialias": True}, (2, 6, 7, 4), []),
    "center_crop": ("CenterCrop", {"height": 3, "width": 5}, (2, 6, 7, 4), []),
    "normalization_given": ("Normalization", {"mean": 1.0, "variance": 2.0}, (2, 3, 4), []),
    "reversible": (
        "ReversibleEmbedding",
        {"input_dim": 9, "output_dim": 5},
        (2, 3),
        ["embeddings"],
    ),
    "additive_attention": ("AdditiveAttention", {}, [(2, 3, 4), (2, 5, 4)], ["scale"]),
    "stft": ("STFTSpectrogram", {"frame_length": 4}, (2, 9, 3), ["real_kernel", "imag_kernel"]),
    "mel": ("MelSpectrogram", {"fft_length": 8, "sequence_stride": 3}, (2, 5, 17), []),
    "random_flip": ("RandomFlip", {"seed": 3}, (2, 6, 7, 4), []),
    "random_zoom": ("RandomZoom", {"height_factor": 0.2, "seed": 3}, (2, 6, 7, 4), []),
    "boxes": ("MaxNumBoundingBoxes", {"max_number": 5}, (2, 6, 7, 4), []),
}
CASES |= {
    kind: (kind, options | {"seed": 3}, (2, 6, 7, 3), [])
    for kind, options in {
        "RandomBrightness": {"factor": 0.5},
        "RandomHue": {"factor": 0.5},
        "Solarization": {},
    }.items()
}
CASES |= {
    kind: (kind, {}, (2, 6, 7, 3), [])
    for kind in (
        "AutoContrast",
        "ContrastLimitedAdaptiveHistogramEqualization",
        "Equalization",
    )
}
MASKS_PASS = {
    "lstm",
    "activation",
    "dense_plain",
    "relu",
    "softmax",
    "activity",
    "alpha_dropout",
    "batch_norm",
    "layer_norm",
    "group_norm",
    "rescaling",
    "normalization_given",
    "unit_norm",
    "elu",
    "gaussian_dropout",
    "gaussian_noise",
    "identity",
    "leaky_relu",
    "masking",
    "parametric_softplus",
    "prelu",
    "spatial_dropout_1d",
    "srelu",
    "thresholded_relu",
}
MASKS_END = {"simple_rnn", "gru", "global_average_1d", "lambda"}


OLD_NAMES = {
    *(layers.AtrousConvolution1D, layers.AtrousConvolution2D),
    *(layers.Convolution2D, layers.Convolution3D, layers.SeparableConvolution2D),
    *(layers.CuDNNGRU, layers.CuDNNLSTM, layers.TimeDistributedDense, layers.Merge),
}


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def case(request):
    name, options, shape, weights = request.param
    rng = np.random.default_rng(0)
    values = each(lambda one: rng.uniform(0.0, 8.0, one).astype("f"), shape)
    return getattr(layers, name), options, values, weights


def each(function, one_or_several):
    """A function of the shape or array of one input, or of each of several."""
    if isinstance(one_or_several, list):
        return [function(one) for one in one_or_several]
    return function(one_or_several)


def symbolic(values, dtype="float32"):
    return each(lambda value: Input(value.shape[1:], dtype=dtype), values)


def shapes(values):
    return each(lambda value: value.shape, values)


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
    assert jax.eval_shape(layer, values).shape == layer.compute_output_shape(shapes(values))


def test_unknown_batch_stays_unknown(case):
    cls, options, values, _ = case
    layer = cls(**options)
    output = layer(symbolic(values))
    assert output.shape == (None, *jax.eval_shape(layer, values).shape[1:])


def calm(layer, values):
    """Outputs as in prediction: layers that change images at random act where nobody says so."""
    return layer(values, training=False) if isinstance(layer, Augmentation) else layer(values)


def test_config_round_trip_keeps_outputs(case):
    cls, options, values, _ = case
    layer = noisy(cls(**options), values)
    copy = noisy(restored(cls, layer), values)
    np.testing.assert_array_equal(calm(copy, values), calm(layer, values))


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
    assert layer(symbolic(values)).dtype == jax.eval_shape(layer, values).dtype


def test_integers_are_welcome(case):
    cls, options, values, _ = case
    layer, whole = cls(**options), each(lambda value: value.astype("int32"), values)
    output = layer(symbolic(values, "int32"))
    real = jax.eval_shape(layer, whole)
    assert (output.dtype, output.shape[1:]) == (real.dtype, real.shape[1:])


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


def test_first_layer_states_its_input(case):
    cls, options, values, _ = case
    if isinstance(values, list):
        return
    stated = cls(input_shape=values.shape[1:], **options)
    assert restored(cls, stated).batch_input_shape == (None, *values.shape[1:])


def test_every_public_layer_is_here():
    classes = {getattr(layers, name) for name in layers.__all__ if name[0].isupper()}
    tested = {getattr(layers, name) for name, _, _, _ in CASES.values()}
    bases = {layers.Layer, layers.Input, layers.InputLayer, layers.InputSpec}
    # Called with several arguments: in test_attention.py.
    bases |= {layers.GroupQueryAttention, layers.MultiHeadAttention}
    # They hold layers, or take states: in test_recurrent.py and test_wrappers.py.
    bases |= {layers.Bidirectional, layers.TimeDistributed, layers.Wrapper, layers.ConvRNN2D}
    bases |= {layers.SpectralNormalization}  # in test_spectra.py
    # In test_colour.py.
    bases |= {layers.AugMix, layers.RandAugment, layers.RandomContrast, layers.RandomSaturation}
    bases |= {layers.RandomColorJitter, layers.RandomColorDegeneration, layers.RandomGrayscale}
    bases |= {layers.RandomInvert, layers.RandomPosterization, layers.RandomSharpness}
    bases |= {layers.RandomGaussianBlur}
    # They read texts, or integers alone: in test_lookups.py.
    bases |= {layers.CategoryEncoding, layers.Discretization, layers.Hashing, layers.HashedCrossing}
    bases |= {layers.IntegerLookup, layers.StringLookup, layers.TextVectorization}
    # In test_augmentation.py.
    bases |= {layers.Pipeline, layers.RandomHeight, layers.RandomWidth, layers.RandomErasing}
    bases |= {layers.RandomCrop}
    bases |= {layers.RandomRotation, layers.RandomTranslation, layers.RandomShear, layers.MixUp}
    bases |= {layers.RandomPerspective, layers.RandomElasticTransform, layers.CutMix}
    bases |= {layers.RNN, layers.StackedRNNCells, layers.ConvLSTM2DCell}
    bases |= {layers.SimpleRNNCell, layers.LSTMCell, layers.GRUCell}
    assert classes - tested - bases == OLD_NAMES


def test_unknown_argument_is_named(case):
    cls, options, _, _ = case
    with pytest.raises(TypeError, match=r"unknown argument 'nmae'. Did you mean 'name'"):
        cls(nmae="x", **options)


@pytest.mark.parametrize("name", list(CASES))
def test_masks_pass_end_or_are_refused(name):
    cls, options, shape, _ = CASES[name]
    if isinstance(shape, list) or (len(shape) != 3 and name not in MASKS_END):
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
