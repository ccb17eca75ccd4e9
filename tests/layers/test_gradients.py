"""Gradients of every layer against finite differences, in float64.

Each input and each weight is moved by a little to both sides, one value after the other.
"""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from lamina import layers
from lamina.core import pure
from lamina.core.weights import regularization

# One case for each public layer; another test sees to it that none is missing.
CASES = dict(runpy.run_path(str(Path(__file__).with_name("test_contract.py")))["CASES"])
L1L2 = {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}}
KERNEL = {"kernel_regularizer": L1L2, "bias_regularizer": L1L2, "activity_regularizer": L1L2}
FIRST = {"data_format": "channels_first"}
MORE = {
    "dense_penalties": ("Dense", {"units": 4, "activation": "tanh", **KERNEL}, (3, 2)),
    "dense_softmax": ("Dense", {"units": 4, "activation": "softmax"}, (2, 3, 2)),
    "dense_selu": ("Dense", {"units": 4, "activation": "selu"}, (2, 3)),
    "conv_1d_causal": (
        "Conv1D",
        {"filters": 3, "kernel_size": 2, "padding": "causal", "dilation_rate": 2, **KERNEL},
        (2, 5, 4),
    ),
    "conv_1d_first": ("Conv1D", {"filters": 3, "kernel_size": 2, **FIRST}, (2, 4, 5)),
    "conv_2d_strides": (
        "Conv2D",
        {"filters": 3, "kernel_size": (2, 3), "strides": (2, 1), "padding": "same"},
        (2, 5, 4, 2),
    ),
    "conv_2d_dilated": (
        "Conv2D",
        {"filters": 3, "kernel_size": 2, "dilation_rate": (1, 2), "activation": "elu", **FIRST},
        (2, 4, 3, 5),
    ),
    "conv_2d_groups": ("Conv2D", {"filters": 6, "kernel_size": 2, "groups": 2}, (2, 3, 4, 4)),
    "conv_2d_depthwise": ("Conv2D", {"filters": 6, "kernel_size": 2, "groups": 3}, (2, 3, 4, 3)),
    "conv_3d_groups": ("Conv3D", {"filters": 4, "kernel_size": 2, "groups": 2}, (1, 2, 3, 4, 4)),
    "conv_3d_same": (
        "Conv3D",
        {"filters": 2, "kernel_size": 2, "padding": "same"},
        (1, 2, 3, 4, 2),
    ),
    "max_pooling_overlap": ("MaxPooling2D", {"pool_size": 3, "strides": 1, **FIRST}, (2, 3, 5, 4)),
    "max_pooling_gaps": ("MaxPooling1D", {"pool_size": 2, "strides": 3}, (2, 8, 3)),
    "max_pooling_same": ("MaxPooling2D", {"pool_size": 3, "padding": "same"}, (2, 5, 4, 3)),
    "average_pooling_same": (
        "AveragePooling2D",
        {"pool_size": 3, "strides": 2, "padding": "same"},
        (2, 4, 5, 3),
    ),
    "average_pooling_gaps": ("AveragePooling1D", {"pool_size": 2, "strides": 3}, (2, 8, 3)),
    "max_pooling_long": ("MaxPooling1D", {"pool_size": 17}, (2, 35, 3)),
    "average_pooling_long": ("AveragePooling1D", {"pool_size": 17}, (2, 35, 3)),
    "batch_norm_first": (
        "BatchNormalization",
        {"axis": 1, "gamma_regularizer": L1L2, "beta_regularizer": L1L2},
        (4, 3, 2),
    ),
    "batch_norm_frozen": ("BatchNormalization", {"trainable": False}, (4, 3)),
    "embedding_penalties": (
        "Embedding",
        {
            "input_dim": 9,
            "output_dim": 2,
            "embeddings_regularizer": L1L2,
            "activity_regularizer": L1L2,
        },
        (2, 3),
    ),
    "relu_all": ("ReLU", {"max_value": 1.0, "negative_slope": 0.25, "threshold": 0.5}, (3, 17)),
    "softmax_axes": ("Softmax", {"axis": (1, 2)}, (2, 3, 4)),
    "dot_plain": ("Dot", {"axes": 1}, [(2, 3, 4), (2, 3, 5)]),
    "lambda_normalized": ("Lambda", {"function": lambda x: x / jnp.linalg.norm(x)}, (2, 3)),
}
CASES |= {name: (*case, None) for name, case in MORE.items()}


@pytest.fixture(autouse=True)
def _wide():
    with jax.enable_x64(True):
        yield


def filled(name):
    """A layer of float64 with weights of noise, and its inputs."""
    kind, options, shape, _ = CASES[name]
    rng = np.random.default_rng(len(name))
    sizes = shape if isinstance(shape, list) else [shape]
    inputs = [rng.normal(size=size) for size in sizes]
    if kind == "Embedding":
        inputs = [rng.integers(0, 9, shape)]
    layer = getattr(layers, kind)(dtype="float64", **options)
    values = inputs if isinstance(shape, list) else inputs[0]
    jax.eval_shape(layer, values)
    layer.set_weights([rng.uniform(0.2, 1.0, w.shape) for w in layer.weights])
    return layer, values


def objective(layer, values):
    """The sum of outputs times noise, and the penalties; of inputs and weights in one vector."""
    whole = not isinstance(values, list) and values.dtype.kind == "i"
    start, unraveled = ravel_pytree(([w.value for w in layer.weights], None if whole else values))
    shape = jax.eval_shape(layer, values).shape
    factors = np.random.default_rng(7).normal(size=shape)

    def total(inputs):
        outputs, _ = layer._computed((inputs,), {}, None)
        call = pure.context.current()
        assert call is not None
        found = [p for _, p in call.losses] + regularization(layer.trainable_weights)
        return jnp.sum(outputs * factors) + sum(found, jnp.float64(0.0))

    def function(vector):
        weights, inputs = unraveled(vector)
        inputs = values if whole else inputs
        key = jax.random.key(3)
        return pure.run(total, layer.weights, weights, inputs, training=True, key=key).result

    return function, start


def compared(function, start, step=1e-6):
    """The gradient, and the slope along each axis from values on both sides."""
    program = jax.jit(jax.value_and_grad(function))
    _, found = program(start)
    assert found.dtype == jnp.float64
    slopes, moved = [], np.array(start)
    for place, value in enumerate(np.array(start)):
        sides = []
        for side in (value + step, value - step):
            moved[place] = side
            sides.append(float(program(moved)[0]))
        moved[place] = value
        slopes.append((sides[0] - sides[1]) / (2 * step))
    return np.asarray(found), np.array(slopes)


# They rank, cut off or compare values, or compute with 32 bits, so that slopes lose digits.
UNEVEN = {"mel", "Solarization", "Equalization", "ContrastLimitedAdaptiveHistogramEqualization"}
UNEVEN |= {"RandomBrightness", "RandomHue", "AutoContrast"}


@pytest.mark.parametrize("name", [name for name in CASES if name not in UNEVEN])
def test_gradient_is_the_slope(name):
    found, slopes = compared(*objective(*filled(name)))
    np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["conv_2d", "max_pooling_overlap", "average_pooling_same", "dot"])
def test_gradients_have_gradients(name):
    """A penalty on the gradient, as in WGAN-GP, is differentiated once more."""
    layer, values = filled(name)
    plain, start = objective(layer, values)

    def function(vector):
        return jnp.sum(jnp.square(jax.grad(lambda v: jnp.square(plain(v)))(vector)))

    found, slopes = compared(function, start)
    np.testing.assert_allclose(found, slopes, rtol=1e-4, atol=1e-5 * np.abs(slopes).max())


@pytest.mark.parametrize("name", ["dense", "conv_2d", "batch_norm", "softmax", "average"])
def test_public_call_has_the_same_gradient(name):
    layer, values = filled(name)

    def function(inputs):
        return jnp.sum(jnp.square(layer(inputs)))

    start, unraveled = ravel_pytree(values)
    found, slopes = compared(lambda vector: function(unraveled(vector)), start)
    np.testing.assert_allclose(found, slopes, rtol=1e-6, atol=1e-6)
