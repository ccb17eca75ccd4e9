"""Predictions for many numbers of rows compile few programs, and change no number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from lamina import backend as K
from lamina import layers
from lamina.core import rows
from lamina.models import Model, Sequential
from lamina.ops import native_rows
from lamina.ops.embedding import take_rows
from lamina.ops.linear import dense
from lamina.ops.pool import max_pool
from lamina.training import lengths


def counting(model):
    """The numbers of rows for which the model ran, as a list that grows."""
    seen = []
    usual = type(model).__call__

    class Counted(type(model)):
        def __call__(self, x, *args, **kwargs):
            leaf = jax.tree.leaves(x)[0]
            if isinstance(leaf, np.ndarray):
                seen.append(len(leaf))
            return usual(self, x, *args, **kwargs)

    model.__class__ = Counted
    return seen


def noise(model, rng):
    model.set_weights([rng.normal(size=w.shape).astype("f") for w in model.get_weights()])
    return model


def small():
    rng = np.random.default_rng(5)
    parts = [layers.Dense(7, "relu", input_shape=(5,)), layers.BatchNormalization()]
    model = Sequential([*parts, layers.Dropout(0.5), layers.Dense(3, "softmax")])
    weights = [np.abs(rng.normal(size=w.shape)).astype("f") for w in model.get_weights()]
    model.set_weights(weights)
    return model


def test_many_lengths_compile_few_programs():
    model, rng = small(), np.random.default_rng(2)
    x = rng.normal(size=(100, 5)).astype("f")
    expected = np.asarray(model(x))
    seen = counting(model)
    for length in [*range(1, 101), *range(100, 0, -1)]:
        found = model.predict(x[:length], verbose=0)
        assert found.shape == (length, 3)
        np.testing.assert_allclose(found, expected[:length], rtol=1e-5)
    # 1; 2, 3 and 4 as they come; then powers of two up to a whole batch.
    assert set(seen) == {1, 2, 3, 4, 8, 16, 32}


def test_a_few_lengths_have_programs_of_their_own():
    model = small()
    x = np.random.default_rng(2).normal(size=(40, 5)).astype("f")
    seen = counting(model)
    for length in (5, 7, 11, 7, 5, 11):
        model.predict(x[:length], verbose=0)
    assert seen == [5, 7, 11, 7, 5, 11]
    model.predict(x[:6], verbose=0)
    model.predict(x[:12], verbose=0)
    assert seen[6:] == [7, 16]


def test_rows_of_whole_batches_are_never_filled_up():
    model = small()
    x = np.random.default_rng(2).normal(size=(40, 5)).astype("f")
    seen = counting(model)
    for size in (5, 6, 7, 9, 10, 11):
        model.predict(x[: 2 * size], batch_size=size, verbose=0)
    assert set(seen) == {5, 6, 7, 9, 10, 11}


def test_several_inputs_and_outputs():
    one, other = layers.Input((4,), name="one"), layers.Input((2, 3), name="other")
    summed = layers.Dense(5)(layers.Concatenate()([one, layers.Flatten()(other)]))
    model = noise(
        Model([one, other], {"a": summed, "b": layers.ReLU()(other)}), np.random.default_rng(1)
    )
    rng = np.random.default_rng(3)
    data = {
        "one": rng.normal(size=(50, 4)).astype("f"),
        "other": rng.normal(size=(50, 2, 3)).astype("f"),
    }
    expected = {name: np.asarray(value) for name, value in model(data).items()}
    for length in (33, 34, 35, 38, 45, 9):
        found = model.predict({name: value[:length] for name, value in data.items()}, verbose=0)
        assert {name: value.shape[0] for name, value in found.items()} == {"a": length, "b": length}
        for name, value in found.items():
            np.testing.assert_allclose(value, expected[name][:length], rtol=2e-5, atol=1e-6)


MIXING = {
    "mean over the batch": lambda x: x - K.mean(x, axis=0, keepdims=True),
    "number of rows": lambda x: x / x.shape[0],
    "softmax over rows": lambda x: K.softmax(x, axis=0),
    "place in the batch": lambda x: x * jnp.linspace(0, 1, x.shape[0])[:, None],
    "sorted rows": lambda x: jnp.sort(x, axis=0),
    "rows turned round": lambda x: x[::-1],
    "other rows": lambda x: jnp.roll(x, 1, axis=0),
    "products of rows": lambda x: x @ (x.T @ x),
    "products of rows by kernels": lambda x: dense(x, dense(x.T, x)),
    "the last row": lambda x: take_rows(x, jnp.full(len(x), len(x) - 1)),
    "the largest rows": lambda x: x - max_pool(x[None], (len(x),), (1,))[0],
    "a loop over rows": lambda x: lax.scan(lambda c, r: (c + r, c + r), jnp.zeros(5), x)[1],
}


@pytest.mark.parametrize("function", MIXING.values(), ids=list(MIXING))
def test_a_model_whose_rows_meet_gets_what_it_was_given(function):
    model = Sequential([layers.Lambda(function, output_shape=(5,), input_shape=(5,))])
    x = np.random.default_rng(2).normal(size=(20, 5)).astype("f")
    seen = counting(model)
    for length in (2, 3, 4, 5, 6, 7, 13):
        expected = np.asarray(function(jnp.asarray(x[:length])))
        found = model.predict(x[:length], verbose=0)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert seen == [2, 3, 4, 5, 6, 7, 13]


def test_stateful_and_eager_models_get_what_they_were_given():
    eager = small()
    eager.compile(loss="mse", run_eagerly=True)
    x = np.random.default_rng(2).normal(size=(20, 5)).astype("f")
    seen = counting(eager)
    for length in (2, 3, 5, 6, 7):
        eager.predict(x[:length], verbose=0)
    assert [length for length in seen if length > 1] == [2, 3, 5, 6, 7]


def test_a_wrong_index_is_reported_with_its_own_row():
    model = Sequential([layers.Embedding(9, 4, input_shape=(3,)), layers.GlobalAveragePooling1D()])
    x = np.random.default_rng(2).integers(0, 9, (20, 3))
    for length in (2, 3, 5):
        model.predict(x[:length], verbose=0)
    x[5, 1] = 11
    with pytest.raises(ValueError, match=r"11.*row 5|row 5.*11"):
        model.predict(x[:6], verbose=0)


ROWWISE = {
    "Dense": (lambda: layers.Dense(3, "softmax"), (5, 6)),
    "Conv1D": (lambda: layers.Conv1D(3, 3, padding="causal", dilation_rate=2), (8, 2)),
    "Conv2D": (lambda: layers.Conv2D(4, 3, groups=2, data_format="channels_first"), (2, 8, 9)),
    "Conv1D by kernels": (lambda: layers.Conv1D(8, 3, activation="relu"), (8, 2)),
    "Conv2D by kernels": (lambda: layers.Conv2D(8, 3, data_format="channels_first"), (2, 8, 9)),
    "MaxPooling2D": (lambda: layers.MaxPooling2D(3, 2, "same"), (9, 8, 2)),
    "AveragePooling2D": (lambda: layers.AveragePooling2D(3, 2, "same"), (9, 8, 2)),
    "Dense by kernels": (lambda: layers.Dense(8, "relu"), (5, 6)),
    "MaxPooling2D by kernels": (lambda: layers.MaxPooling2D(3, 2, "same"), (9, 8, 6)),
    "AveragePooling2D by kernels": (lambda: layers.AveragePooling2D(3), (9, 8, 6)),
    "GlobalMaxPooling2D by kernels": (layers.GlobalMaxPooling2D, (9, 8, 6)),
    "GlobalAveragePooling1D by kernels": (layers.GlobalAveragePooling1D, (9, 6)),
    "Embedding": (lambda: layers.Embedding(7, 5), (9,)),
    "BatchNormalization": (layers.BatchNormalization, (8, 2)),
    "Reshape": (lambda: layers.Reshape((-1, 4)), (8, 2)),
    "Permute": (lambda: layers.Permute((2, 1)), (8, 3)),
    "UpSampling2D": (lambda: layers.UpSampling2D(2, interpolation="bilinear"), (4, 5, 2)),
    "GlobalMaxPooling1D": (layers.GlobalMaxPooling1D, (8, 2)),
    "Lambda": (lambda: layers.Lambda(lambda x: x[:, -1] * 2 + 1), (8, 2)),
    "LSTM": (lambda: layers.LSTM(3), (8, 2)),
    "masked": (lambda: Sequential([layers.Masking(), layers.LSTM(3)]), (8, 2)),
}


@pytest.mark.parametrize(("make", "shape"), ROWWISE.values(), ids=list(ROWWISE))
def test_rows_are_followed_through_layers(make, shape):
    layer = make()
    layer(np.zeros((4, *shape), "f"))

    def trace(count):
        return jax.make_jaxpr(layer)(np.zeros((count, *shape), "f"))

    assert rows.stay_apart(trace, 4, 7)


def test_products_of_few_rows_with_a_bias():
    def beside(count):
        def added(x):
            one = dense(jnp.ones((1, 4)), jnp.ones((4, 5)), jnp.zeros(5))
            return x + jnp.broadcast_to(one, (count, 5))

        return jax.make_jaxpr(added)(np.ones((count, 5), "f"))

    assert rows.stay_apart(beside, 4, 7)


def test_rows_in_the_bias_of_a_product_of_few_rows():
    def of_bias(count):
        def added(x):
            found = native_rows.dot(jnp.ones((1, 4)), jnp.ones((4, count)), x[:, 0])
            return x + jnp.broadcast_to(found[:, :1], x.shape)

        return jax.make_jaxpr(added)(np.ones((count, 4), "f"))

    def of_both(count):
        def added(x):
            return native_rows.dot(x, jnp.ones((4, count)), x[:, 0]).max(1)

        return jax.make_jaxpr(added)(np.ones((count, 4), "f"))

    assert not rows.stay_apart(of_bias, 4, 7)
    assert not rows.stay_apart(of_both, 4, 7)


def test_the_limit_is_what_the_tests_above_say():
    assert lengths.EXACT == 3
