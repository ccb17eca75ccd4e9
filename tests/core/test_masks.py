# pyright: reportIncompatibleMethodOverride=false
"""Masks travel with values, and are never lost in silence."""

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.layers import Conv1D, Dense, Dropout, Embedding, Input, Lambda, Layer, Masking
from lamina.models import Model, Sequential

WORDS = np.array([[1, 2, 0, 3, 0], [4, 0, 0, 0, 0]])
MASK = WORDS != 0


class MaskedMean(Layer):
    """Consumes the mask."""

    supports_masking = True

    def call(self, x, mask=None):
        keep = jnp.ones(x.shape[:2], x.dtype) if mask is None else mask.astype(x.dtype)
        return (x * keep[:, :, None]).sum(axis=1) / keep.sum(axis=1)[:, None]

    def compute_mask(self, inputs, mask=None):
        return None


def mean_by_hand(values):
    kept = np.where(MASK[:, :, None], values, 0)
    return kept.sum(1) / MASK.sum(1)[:, None]


def test_from_the_embedding_through_dense_to_the_mean():
    embedding, dense = Embedding(6, 3, mask_zero=True), Dense(4)
    model = Sequential([embedding, dense, MaskedMean()])
    table = np.random.default_rng(2).normal(size=(6, 3)).astype("f")
    model(WORDS)
    embedding.set_weights([table])
    kernel, bias = dense.get_weights()
    expected = mean_by_hand(table[WORDS] @ kernel + bias)
    np.testing.assert_allclose(model(WORDS), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(WORDS), expected, rtol=1e-4, atol=1e-5)


def test_layer_by_layer_on_arrays():
    embedding, dense, mean = Embedding(6, 3, mask_zero=True), Dense(4), MaskedMean()
    hidden = dense(embedding(WORDS))
    np.testing.assert_allclose(mean(hidden), mean_by_hand(np.asarray(hidden)), rtol=1e-4, atol=1e-5)
    everything = mean(hidden, mask=jnp.ones((2, 5), bool))
    np.testing.assert_allclose(everything, np.asarray(hidden).mean(1), rtol=1e-4, atol=1e-5)


def test_the_loss_counts_only_what_the_mask_keeps():
    dense = Dense(1)
    model = Sequential([Embedding(6, 3, mask_zero=True), dense])
    model(WORDS)
    targets = np.random.default_rng(4).normal(size=(2, 5, 1)).astype("f")
    model.compile("sgd", "mse")
    errors = (np.asarray(model(WORDS)) - targets)[..., 0] ** 2
    value = model.evaluate(WORDS, targets, verbose=0)
    np.testing.assert_allclose(value, errors[MASK].mean(), rtol=1e-4)


def test_through_models_in_models():
    words = Input(shape=(5,), dtype="int32")
    inner = Model(words, Embedding(6, 3, mask_zero=True)(words), name="inner")
    model = Model(words, MaskedMean()(Dense(4)(inner(words))))
    values = np.asarray(model.layers[2](inner(WORDS)))
    np.testing.assert_allclose(model(WORDS), mean_by_hand(values), rtol=1e-4, atol=1e-5)
    stacked = Sequential([inner, model.layers[2], MaskedMean()])
    np.testing.assert_allclose(stacked(WORDS), mean_by_hand(values), rtol=1e-4, atol=1e-5)


class Deaf(Layer):
    """Knows nothing of masks."""

    def call(self, x):
        return x * 2


@pytest.mark.parametrize("way", ["symbolic", "arrays", "sequential", "subclass"])
def test_a_layer_that_does_not_support_masks_says_so(way):
    embedding, deaf = Embedding(6, 3, mask_zero=True, name="words"), Deaf(name="deaf")
    message = (
        "Deaf 'deaf' does not support masking, but its input carries a mask made by words.*"
        "mask=None.*mask_zero=False"
    )

    class Both(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = embedding, Dense(3), deaf

        def call(self, x):
            return self.c(self.b(self.a(x)))

    acts = {
        "symbolic": lambda: deaf(Dense(3)(embedding(Input(shape=(5,))))),
        "arrays": lambda: deaf(Dense(3)(embedding(WORDS))),
        "sequential": lambda: Sequential([embedding, Dense(3), deaf])(WORDS),
        "subclass": lambda: Both()(WORDS),
    }
    with pytest.raises(TypeError, match=message):
        acts[way]()


def test_the_ways_out():
    embedding = Embedding(6, 3, mask_zero=True)
    deaf = Deaf()
    assert Sequential([embedding, Lambda(lambda x: x, mask=None), deaf])(WORDS).shape == (2, 5, 3)
    deaf.supports_masking = True
    assert Sequential([embedding, deaf])(WORDS).shape == (2, 5, 3)
    assert Sequential([Embedding(6, 3), Deaf()])(WORDS).shape == (2, 5, 3)


def test_symbolic_masks_can_be_looked_at():
    words = Input(shape=(5,), dtype="int32")
    embedding, dense = Embedding(6, 3, mask_zero=True), Dense(4)
    hidden = dense(embedding(words))
    assert embedding.input_mask is None
    assert embedding.output_mask.shape == dense.output_mask.shape == (None, 5)
    assert dense.get_input_mask_at(0) is embedding.get_output_mask_at(0)
    assert hidden._keras_mask is dense.output_mask
    np.testing.assert_array_equal(Model(words, dense.output_mask)(WORDS), MASK)


def test_a_mask_of_one_of_several_inputs():
    class Pair(Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            assert mask is not None
            assert [one is None for one in mask] == [False, True]
            return inputs[0] + inputs[1]

        def compute_mask(self, inputs, mask=None):
            return mask[0]

    words, other = Input(shape=(5,), dtype="int32"), Input(shape=(5, 3))
    total = Pair()([Embedding(6, 3, mask_zero=True)(words), other])
    model = Model([words, other], MaskedMean()(total))
    values = np.random.default_rng(1).normal(size=(2, 5, 3)).astype("f")
    table = model.get_weights()[0]
    expected = mean_by_hand(table[WORDS] + values)
    np.testing.assert_allclose(model([WORDS, values]), expected, rtol=1e-4, atol=1e-5)


def test_compute_mask_of_a_model():
    model = Sequential([Embedding(6, 3, mask_zero=True), Dense(2)])
    model(WORDS)
    np.testing.assert_array_equal(model.compute_mask(WORDS)[0], MASK)


def test_the_origin_of_a_mask_is_known_within_a_nested_model():
    inner = Sequential([Dropout(0.5, input_shape=(3, 2)), Conv1D(3, 2, name="c")], name="inner")
    x = np.ones((4, 3, 2), "f")
    for given in (Input((3, 2)), x):
        with pytest.raises(TypeError, match=r"'c' does not support masking.* made by first"):
            inner(Masking(name="first")(given))
