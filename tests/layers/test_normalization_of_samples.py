"""Layer, group, RMS and unit normalization: dtypes, masks, config, errors."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.layers import (
    GroupNormalization,
    Input,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)

X = np.random.default_rng(0).normal(3.0, 2.0, (6, 5, 4)).astype("f")


def test_samples_are_independent_and_training_is_use():
    for layer in (LayerNormalization(), GroupNormalization(2), RMSNormalization()):
        np.testing.assert_allclose(layer(X)[2:3], layer(X[2:3]), rtol=1e-5)
        np.testing.assert_array_equal(layer(X, training=True), layer(X))


def test_one_group_is_layer_normalization_over_all_axes():
    one = GroupNormalization(1, center=False, scale=False, epsilon=0.1)
    whole = LayerNormalization([1, 2], center=False, scale=False, epsilon=0.1)
    np.testing.assert_allclose(one(X), whole(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("groups", [-1, 4])
def test_a_group_for_each_channel_is_instance_normalization(groups):
    expected = (X - X.mean(1, keepdims=True)) / np.sqrt(X.var(1, keepdims=True) + 1e-3)
    layer = GroupNormalization(groups)
    np.testing.assert_allclose(layer(X), expected, rtol=1e-4, atol=1e-5)
    assert layer.get_config()["groups"] == groups


@pytest.mark.parametrize("cls", [LayerNormalization, RMSNormalization])
@pytest.mark.parametrize(("axis", "shape"), [(1, (5,)), ([2, 1], (5, 4)), ([-1, -2], (5, 4))])
def test_weights_have_the_sizes_of_the_axes_in_their_order(cls, axis, shape):
    layer = cls(axis)
    layer(X)
    assert {weight.shape for weight in layer.weights} == {shape}


@pytest.mark.parametrize("cls", [LayerNormalization, GroupNormalization])
def test_what_comes_in_wide_is_computed_wide(cls):
    options = {"groups": 2} if cls is GroupNormalization else {}
    far = X + np.float32(500.0)
    half, whole = cls(dtype="float16", **options), cls(**options)
    assert half(far).dtype == jnp.float16
    assert half.gamma.dtype == jnp.float16
    np.testing.assert_allclose(np.asarray(half(far), "f"), whole(far), atol=2e-3)


@pytest.mark.parametrize("cls", [LayerNormalization, RMSNormalization, UnitNormalization])
def test_mixed_precision_keeps_weights_in_32_bits(cls):
    layer = cls(dtype="mixed_float16")
    output = layer(X)
    assert output.dtype == jnp.float16
    assert {weight.dtype for weight in layer.weights} <= {jnp.dtype("float32")}
    np.testing.assert_allclose(np.asarray(output, "f"), cls()(X), atol=5e-3)


def test_zeros_have_no_direction_and_a_finite_gradient():
    zeros = jnp.zeros((2, 3))
    layer = UnitNormalization()
    np.testing.assert_array_equal(layer(zeros), zeros)
    assert np.isfinite(jax.grad(lambda x: layer(x).sum())(zeros)).all()
    tiny = jnp.full((1, 4), 1e-8)
    np.testing.assert_allclose(layer(tiny), np.full((1, 4), 0.5), rtol=1e-5)


def test_masks_pass_but_where_keras_drops_them():
    words = layers.Embedding(9, 4, mask_zero=True, name="words")(Input((6,), dtype="int32"))
    assert LayerNormalization()(words).mask.shape == (None, 6)
    with pytest.raises(TypeError, match="RMSNormalization 'r' does not support masking"):
        RMSNormalization(name="r")(words)


ARGUMENTS = [
    ("LayerNormalization", {"axis": 1.5}, "axis must be an int or several of them, got 1.5"),
    ("LayerNormalization", {"axis": []}, r"axis must be an int or several of them, got \[\]"),
    ("LayerNormalization", {"axis": True}, "axis must be an int or several of them, got True"),
    ("LayerNormalization", {"epsilon": -1}, "epsilon must be a number of 0 or more, got -1"),
    ("LayerNormalization", {"center": "no"}, "center must be True or False, got 'no'"),
    ("LayerNormalization", {"rms_scaling": 2}, "rms_scaling must be True or False, got 2"),
    ("GroupNormalization", {"groups": 0}, "groups must be a positive int, or -1 .*, got 0"),
    ("GroupNormalization", {"groups": -2}, "groups must be a positive int, or -1 .*, got -2"),
    ("GroupNormalization", {"groups": 2.0}, "groups must be a positive int, or -1 .*, got 2.0"),
    ("GroupNormalization", {"axis": [1, 2]}, r"axis must be one int, got \[1, 2\]"),
    ("RMSNormalization", {"epsilon": "x"}, "epsilon must be a number of 0 or more, got 'x'"),
    ("UnitNormalization", {"axis": "last"}, "axis must be an int or several of them, got 'last'"),
]


@pytest.mark.parametrize(("name", "options", "message"), ARGUMENTS)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=f"{name} 'n': {message}"):
        getattr(layers, name)(name="n", **options)


INPUTS = [
    ("LayerNormalization", {"axis": 3}, (5, 4), "axis 3 is none of an input of shape .*-3 to 2"),
    ("RMSNormalization", {"axis": -4}, (5, 4), "axis -4 is none of an input of shape"),
    ("UnitNormalization", {"axis": [1, 5]}, (5, 4), r"axis \[1, 5\] is none of an input"),
    ("LayerNormalization", {"axis": [1, -2]}, (5, 4), "holds an axis of an input .* twice"),
    ("LayerNormalization", {"axis": 1}, (None, 4), "the size of axis 1 of the input must be known"),
    ("LayerNormalization", {"axis": 0}, (5, 4), "the size of axis 0 of the input must be known"),
    ("GroupNormalization", {"groups": 1}, (5, None), "the size of axis 2 of the input must be kno"),
    ("GroupNormalization", {"groups": 1, "axis": -3}, (5, 4), "axis -3 is the batch of an input"),
    ("GroupNormalization", {}, (5, 4), "must divide the number of channels, got 32 .* 4 channels"),
    ("GroupNormalization", {"groups": 3}, (5, 4), "got 3 groups and 4 channels. Set groups to"),
]


@pytest.mark.parametrize(("name", "options", "shape", "message"), INPUTS)
def test_bad_inputs_are_named(name, options, shape, message):
    with pytest.raises(ValueError, match=f"{name} 'n': .*{message}"):
        getattr(layers, name)(name="n", **options)(Input(shape))


def test_another_size_after_building_is_refused():
    layer = LayerNormalization(name="n")
    layer(X)
    with pytest.raises(ValueError, match=r"LayerNormalization 'n': expected size 4 on axis 2"):
        layer(X[..., :3])
