"""`BatchNormalization`: statistics of a batch, moving ones, frozen layers, errors."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.initializers import Constant
from lamina.layers import BatchNormalization, Input

X = np.random.default_rng(0).normal(3.0, 2.0, (6, 5, 4)).astype("f")


def noisy(**options):
    layer = BatchNormalization(**options)
    layer(X)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.uniform(0.5, 2.0, w.shape).astype("f") for w in layer.weights])
    return layer


@pytest.mark.parametrize("axis", [-1, 1, [1, 2]])
def test_training_uses_and_follows_the_batch(axis):
    layer = noisy(axis=axis, momentum=0.75, epsilon=0.01)
    over = tuple(i for i in range(3) if i not in {a % 3 for a in np.atleast_1d(axis)})
    mean, variance = X.mean(over, keepdims=True), X.var(over, keepdims=True)
    gamma, beta, old_mean, old_variance = (w.reshape(mean.shape) for w in layer.get_weights())
    expected = (X - mean) / np.sqrt(variance + 0.01) * gamma + beta
    np.testing.assert_allclose(layer(X, training=True), expected, rtol=1e-4, atol=1e-5)
    moved = [w.reshape(mean.shape) for w in layer.get_weights()[2:]]
    np.testing.assert_allclose(moved[0], 0.75 * old_mean + 0.25 * mean, rtol=1e-5)
    np.testing.assert_allclose(moved[1], 0.75 * old_variance + 0.25 * variance, rtol=1e-5)


def test_use_changes_nothing():
    layer = noisy()
    before = layer.get_weights()
    layer(X)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_frozen_layer_uses_the_moving_ones_in_training_too():
    layer = noisy()
    expected, before = layer(X), layer.get_weights()
    layer.trainable = False
    np.testing.assert_array_equal(layer(X, training=True), expected)
    np.testing.assert_array_equal(layer.get_weights()[2], before[2])


def test_masked_steps_do_not_count():
    mask = np.random.default_rng(2).uniform(size=(6, 5)) < 0.6
    layer = noisy(momentum=0.0)
    layer(X, mask=mask, training=True)
    np.testing.assert_allclose(layer.get_weights()[2], X[mask].mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[3], X[mask].var(0), rtol=1e-4)


def test_statistics_of_halves_are_kept_in_full():
    layer = BatchNormalization(dtype="mixed_bfloat16", momentum=0.0)
    output = layer(X, training=True)
    assert output.dtype == jnp.bfloat16
    rounded = X.astype(jnp.bfloat16).astype("f")
    np.testing.assert_allclose(layer.get_weights()[2], rounded.mean((0, 1)), rtol=1e-5)


def test_moments_are_not_trainable():
    layer = noisy()
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    assert [w.name for w in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]


def test_gradient_flows_through_the_statistics():
    layer = noisy()

    def total(x):
        return layer(x, training=True)[..., 0].sum()

    # The sum over a normalized channel is a constant.
    np.testing.assert_allclose(jax.grad(total)(jnp.asarray(X)), np.zeros_like(X), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": 1.5}, "BatchNormalization 'b': axis must be an int or several of them, got 1.5"),
        ({"axis": []}, r"axis must be an int or several of them, got \[\]"),
        ({"momentum": 1.5}, "'b': momentum must be a number from 0 to 1, got 1.5"),
        ({"epsilon": -1}, "'b': epsilon must be a number of 0 or more, got -1"),
        ({"renorm_momentum": 2}, "'b': renorm_momentum must be a number from 0 to 1, got 2"),
        ({"renorm_clipping": {"max": 2}}, r"a dict of 'rmin', .* got \{'max': 2\}"),
        ({"renorm_clipping": 2}, "'b': renorm_clipping must be a dict of .* or None, got 2"),
        ({"renorm_clipping": {"dmax": -1}}, r"renorm_clipping\['dmax'\] must be .* got -1"),
        ({"renorm_clipping": {"rmin": 3, "rmax": 2}}, "rmin must not be larger than rmax, got"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BatchNormalization(name="b", **options)


@pytest.mark.parametrize(
    ("axis", "shape", "message"),
    [
        (3, (4, 5), "'b': axis 3 is none of an input of rank 3, or its batch"),
        (0, (4, 5), "'b': axis 0 is none of an input of rank 3, or its batch"),
        (1, (None, 5), "'b': the size of axis 1 of the input must be known"),
    ],
)
def test_bad_inputs_are_named(axis, shape, message):
    with pytest.raises(ValueError, match=message):
        BatchNormalization(axis, name="b")(Input(shape))


def test_changed_channels_are_an_error():
    with pytest.raises(ValueError, match=r"expected size 4 on axis 2, got 3"):
        noisy()(X[..., :3])


def test_names_of_keras_1():
    config = BatchNormalization(beta_init="ones", gamma_init="zeros").get_config()
    assert config["beta_initializer"]["class_name"] == "Ones"
    assert config["gamma_initializer"]["class_name"] == "Zeros"


def test_mode_of_keras_1_may_be_the_one_that_is_left():
    assert BatchNormalization(mode=0, axis=1).axis == 1
    with pytest.raises(TypeError, match="unknown argument 'mode'"):
        BatchNormalization(mode=1)


def test_renorm_is_the_correction_of_the_paper():
    layer = noisy(renorm=True, momentum=0.75, renorm_momentum=0.5, epsilon=0.01)
    gamma, beta, *old = layer.get_weights()
    mean, deviation = X.mean((0, 1)), np.sqrt(X.var((0, 1)) + 0.01)
    # Without limits the correction is whole: what comes out are the long-running statistics.
    expected = (X - old[3]) / old[4] * gamma + beta
    np.testing.assert_allclose(layer(X, training=True), expected, rtol=1e-4, atol=1e-5)
    new = layer.get_weights()[2:]
    np.testing.assert_allclose(new[0], 0.75 * old[0] + 0.25 * mean, rtol=1e-5)
    np.testing.assert_allclose(new[2], 0.75 * old[2] + 0.25 * deviation, rtol=1e-5)
    np.testing.assert_allclose(new[1], new[2] ** 2 - 0.01, rtol=1e-5)
    np.testing.assert_allclose(new[3], 0.5 * old[3] + 0.5 * mean, rtol=1e-5)
    np.testing.assert_allclose(new[4], 0.5 * old[4] + 0.5 * deviation, rtol=1e-5)


def test_renorm_within_limits_of_nothing_is_plain_normalization():
    limits = {"rmin": 1.0, "rmax": 1.0, "dmax": 0.0}
    layer = noisy(renorm=True, renorm_clipping=limits)
    plain = noisy()
    plain.set_weights(layer.get_weights()[:4])
    np.testing.assert_allclose(layer(X, training=True), plain(X, training=True), rtol=1e-5)


def test_weights_of_renorm_begin_at_the_root_of_the_variance():
    layer = BatchNormalization(renorm=True, moving_variance_initializer=Constant(4.0))
    layer.build((None, 3))
    names = ["moving_mean", "moving_variance", "moving_stddev", "renorm_mean", "renorm_stddev"]
    assert [w.name for w in layer.non_trainable_weights] == names
    assert [w[0] for w in layer.get_weights()[2:]] == [0.0, 4.0, 2.0, 0.0, 2.0]


def test_statistics_of_all_devices_may_be_asked_for():
    np.testing.assert_array_equal(noisy(synchronized=True)(X), noisy()(X))
