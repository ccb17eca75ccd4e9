"""Mixed precision: policies, the loss scale, and models that train in 16 bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers, mixed_precision, optimizers, regularizers
from lamina.layers import Dense, Input
from lamina.mixed_precision import experimental
from lamina.models import Model, Sequential

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _policy_of_floatx():
    yield
    mixed_precision.set_global_policy(None)


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16"])
def policy(request):
    mixed_precision.set_global_policy(request.param)
    return request.param


def data(rows=64):
    x = rng.normal(size=(rows, 6, 5, 2)).astype("float32")
    return x, (x.sum(axis=(1, 2, 3)) > 0).astype("float32")[:, None]


def network(**options):
    return Sequential(
        [
            layers.Conv2D(4, 3, input_shape=(6, 5, 2), activation="relu", **options),
            layers.BatchNormalization(momentum=0.5, **options),
            layers.MaxPooling2D(2, **options),
            layers.Dropout(0.1, seed=1, **options),
            layers.Flatten(**options),
            Dense(8, activation="tanh", kernel_regularizer=regularizers.l2(1e-4), **options),
            Dense(1, activation="sigmoid", dtype="float32"),
        ]
    )


def test_policy_is_that_of_new_layers(policy):
    layer = Dense(3)
    half = policy.removeprefix("mixed_")
    assert (layer.compute_dtype, layer.variable_dtype, layer.dtype) == (half, "float32", "float32")
    assert layer(np.ones((2, 4), "float32")).dtype == half
    assert {weight.dtype for weight in layer.weights} == {np.dtype("float32")}
    assert layer.get_config()["dtype"] == policy
    mixed_precision.set_global_policy("float32")
    assert (Dense(3).compute_dtype, layer.compute_dtype) == ("float32", half)
    assert Dense.from_config(layer.get_config()).compute_dtype == half


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64", None])
def test_policy_by_object_and_name(policy):
    if policy is not None:
        policy = mixed_precision.Policy(policy)
    mixed_precision.set_global_policy(policy)
    assert mixed_precision.global_policy() == (policy or mixed_precision.Policy("float32"))


def test_names_of_all_dialects():
    assert lamina.mixed_precision is mixed_precision
    assert mixed_precision.Policy is mixed_precision.DTypePolicy
    assert mixed_precision.LossScaleOptimizer is optimizers.LossScaleOptimizer
    experimental.set_policy(experimental.Policy("mixed_float16", loss_scale="dynamic"))
    assert isinstance(experimental.global_policy(), mixed_precision.Policy)
    assert Dense(2).compute_dtype == "float16"
    mixed_precision.set_dtype_policy("mixed_bfloat16")
    assert mixed_precision.dtype_policy().compute_dtype == "bfloat16"


def test_wrong_policies_are_named():
    with pytest.raises(ValueError, match="one of mixed_float16, mixed_bfloat16, got 'mixed_16'"):
        mixed_precision.set_global_policy("mixed_16")
    with pytest.raises(ValueError, match=r"loss_scale must be 'auto' or 'dynamic', got 128"):
        experimental.Policy("mixed_float16", loss_scale=128)
    with pytest.raises(ValueError, match=r"loss_scale must be 'auto' or None, got 'dynamic'"):
        experimental.Policy("mixed_bfloat16", loss_scale="dynamic")
    with pytest.raises(ValueError, match="must be 'dynamic' or a number, got 'static'"):
        experimental.LossScaleOptimizer("sgd", "static")


def test_mixed_model_learns(policy):
    x, y = data()
    model = network()
    model.compile(optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    scaled = isinstance(model.optimizer, mixed_precision.LossScaleOptimizer)
    assert scaled is (policy == "mixed_float16")
    history = model.fit(x, y, batch_size=16, epochs=8, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert {weight.dtype for weight in model.weights} == {np.dtype("float32")}
    assert model.predict(x, verbose=0).dtype == np.float32


def test_step_is_near_that_of_float32(policy):
    x, y = data(16)
    plain = network(dtype="float32")
    plain.compile(optimizers.SGD(0.1), "mse")
    mixed = network(dtype=policy)
    mixed.compile(optimizers.SGD(0.1), "mse")
    for model in plain, mixed:
        model.layers[3].rate = 0.0
    mixed.set_weights(plain.get_weights())
    losses = [model.train_on_batch(x, y) for model in (plain, mixed)]
    assert losses[1] == pytest.approx(losses[0], rel=0.03)
    changed = [
        np.concatenate([np.ravel(w) for w in model.get_weights()]) for model in (plain, mixed)
    ]
    assert 0 < np.abs(changed[1] - changed[0]).max() < 0.02


def test_overflow_skips_the_step():
    model = Sequential([Dense(1, use_bias=False, dtype="mixed_float16", input_shape=(3,))])
    model.compile(optimizers.SGD(0.1, momentum=0.9), "mse")
    before = model.get_weights()
    x, y = np.full((4, 3), 200.0, "float32"), np.full((4, 1), -30000.0, "float32")
    model.train_on_batch(x, y)
    scaled = model.optimizer
    assert [int(scaled.iterations), float(scaled.dynamic_scale)] == [0, 2.0**14]
    np.testing.assert_array_equal(model.get_weights(), before)
    small = [x / 1000, np.ones((4, 1), "float32")]
    model.train_on_batch(*small)
    assert [int(scaled.iterations), float(scaled.dynamic_scale)] == [1, 2.0**14]
    assert np.abs(model.get_weights()[0] - before[0]).max() > 1e-3


def test_small_gradients_are_kept_by_the_scale():
    """A gradient of 1e-9 is 0 in float16; the factor carries it through the backward pass."""

    def trained(**options):
        model = Sequential(
            [
                Dense(1, use_bias=False, kernel_initializer="ones", dtype="mixed_float16"),
                layers.Lambda(lambda x: x * 1e-4, dtype="float16"),
            ]
        )
        model.build((None, 2))
        model.compile(optimizers.SGD(1e7), lambda y, p: 1e-5 * jnp.mean(p), **options)
        model.train_on_batch(np.ones((4, 2), "float32"), np.ones((4, 1), "float32"))
        return model.get_weights()[0]

    np.testing.assert_array_equal(trained(auto_scale_loss=False), np.ones((2, 1)))
    np.testing.assert_allclose(trained(), np.full((2, 1), 1 - 1e-2), rtol=1e-3)


def test_compile_scales_where_a_layer_computes_in_float16():
    x = Input((3,))
    model = Model(x, Dense(1, dtype="mixed_float16")(Dense(2)(x)))
    model.compile("sgd", "mse")
    assert isinstance(model.optimizer, optimizers.LossScaleOptimizer)
    assert model.optimizer.learning_rate == model.optimizer.inner_optimizer.learning_rate
    model.compile("sgd", "mse", auto_scale_loss=False)
    assert isinstance(model.optimizer, optimizers.SGD)
    own = optimizers.LossScaleOptimizer("sgd", initial_scale=4.0)
    model.compile(own, "mse")
    assert model.optimizer is own


def test_fixed_scale_stays():
    optimizer = experimental.LossScaleOptimizer(optimizers.SGD(0.5), 128.0)
    copy = optimizers.deserialize(optimizers.serialize(optimizer))
    for one in optimizer, copy:
        weight = lamina.Variable(np.array([1.0]), dtype="float32")
        one.build([weight])
        assert float(one.scale_loss(2.0)) == 256.0
        one.apply([jnp.array([128.0])], [weight])
        assert weight.numpy() == [0.5]
        one.apply([jnp.array([np.inf])], [weight])
        assert weight.numpy() == [-np.inf]
        assert [float(one.dynamic_scale), int(one.iterations)] == [128.0, 2]


def test_float_inputs_are_cast_and_whole_numbers_are_not(policy):
    half = policy.removeprefix("mixed_")
    embedded = layers.Embedding(70000, 2)
    wide = np.array([[65537, 2049]])
    rows = embedded(wide)
    assert rows.dtype == half
    np.testing.assert_array_equal(rows[0], embedded.embeddings.value[wide[0]].astype(half))
    assert Dense(2)(np.ones((2, 3), "int32")).dtype == half
    assert layers.Flatten()(np.ones((2, 3), "int32")).dtype == np.int32


def test_gradients_of_mixed_layers_are_float32(policy):
    layer = Dense(3)
    x = rng.normal(size=(2, 4)).astype("float32")
    layer(x)
    kernel = layer.kernel.value

    def loss(kernel):
        return jnp.sum(x.astype(layer.compute_dtype) @ kernel.astype(layer.compute_dtype))

    del policy
    assert jax.grad(loss)(kernel).dtype == jnp.float32
