"""Layers of attention: calls, masks, dtypes, configs, gradients, errors."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

import copy
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from lamina import initializers, layers
from lamina.core import pure
from lamina.layers import (
    AdditiveAttention,
    Attention,
    Embedding,
    GroupQueryAttention,
    Input,
    MultiHeadAttention,
)
from lamina.models import Model

rng = np.random.default_rng(0)
QUERY, VALUE = (rng.normal(size=shape).astype("f") for shape in ((2, 5, 4), (2, 3, 6)))
WORDS = np.array([[1, 2, 0, 3, 0], [4, 0, 0, 0, 0]])
HEADS = [
    (MultiHeadAttention, {"num_heads": 2, "key_dim": 3}),
    (GroupQueryAttention, {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}),
]
FULL = {
    "dropout": 0.25,
    "use_bias": False,
    "sliding_window": 2,
    "kernel_initializer": "ones",
    "kernel_regularizer": "l2",
    "activity_regularizer": "l1",
    "use_gate": True,
    "seed": 7,
}


@pytest.fixture(params=HEADS, ids=["multi", "grouped"])
def heads(request):
    return request.param


def noisy(layer, *args):
    layer(*args)
    draw = np.random.default_rng(1)
    layer.set_weights([draw.normal(size=w.shape).astype(w.dtype) for w in layer.weights])
    return layer


def test_shapes_are_as_promised(heads):
    cls, options = heads
    layer = cls(**options)
    outputs, weights = layer(QUERY, VALUE, return_attention_scores=True)
    count = layer.query_heads
    assert (outputs.shape, weights.shape) == ((2, 5, 4), (2, count, 5, 3))
    assert layer.compute_output_shape((None, 5, 4), (None, 3, 6)) == (None, 5, 4)
    query, value = Input((None, 4)), Input((3, 6))
    outputs, weights = cls(**options)(query, value, return_attention_scores=True)
    assert (outputs.shape, weights.shape) == ((None, None, 4), (None, count, None, 3))
    np.testing.assert_allclose(
        layer(QUERY, VALUE, return_attention_scores=True)[1].sum(-1), 1, 1e-5
    )


def test_config_round_trip(heads):
    cls, options = heads
    layer = noisy(cls(**options, **FULL), QUERY, VALUE)
    config = json.loads(json.dumps(layer.get_config()))
    twin = noisy(cls.from_config(config), QUERY, VALUE)
    assert json.dumps(twin.get_config()) == json.dumps(config)
    np.testing.assert_array_equal(twin(QUERY, VALUE), layer(QUERY, VALUE))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(other(QUERY, VALUE), layer(QUERY, VALUE))


def test_a_model_from_its_config_computes_the_same(heads):
    cls, options = heads
    query, value = Input((5, 4)), Input((3, 6))
    model = Model([query, value], cls(**options)(query, value, use_causal_mask=True))
    twin = Model.from_config(json.loads(json.dumps(model.get_config())))
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin([QUERY, VALUE]), model([QUERY, VALUE]))


def test_masks_travel_with_query_and_value(heads):
    cls, options = heads
    embedding, layer = Embedding(9, 4, mask_zero=True), cls(**options)
    query, value = embedding(WORDS), embedding(WORDS[:, :4])
    noisy(layer, query, value)
    arrays = layer(query, value)
    masks = {"query_mask": WORDS != 0, "value_mask": WORDS[:, :4] != 0}
    stated = layer(np.asarray(query), np.asarray(value), **masks)
    without = layer(np.asarray(query), np.asarray(value))
    np.testing.assert_allclose(arrays, stated, rtol=1e-4, atol=1e-6)
    assert np.abs(np.asarray(arrays) - np.asarray(without)).max() > 1e-3
    words, fewer = Input((5,), dtype="int32"), Input((4,), dtype="int32")
    output = layer(embedding(words), embedding(fewer))
    assert output.mask.shape == (None, 5)
    graph = Model([words, fewer], output)([WORDS, WORDS[:, :4]])
    np.testing.assert_allclose(graph, arrays, rtol=1e-5, atol=1e-6)
    by_name = Model([words, fewer], layer(query=embedding(words), value=embedding(fewer)))
    np.testing.assert_allclose(by_name([WORDS, WORDS[:, :4]]), arrays, rtol=1e-5, atol=1e-6)


def test_a_mask_that_is_passed_goes_before_the_one_that_travels(heads):
    cls, options = heads
    value, layer = Embedding(9, 4, mask_zero=True)(WORDS), cls(**options)
    noisy(layer, QUERY, value)
    every = layer(QUERY, value, value_mask=np.ones((2, 5), bool))
    np.testing.assert_allclose(every, layer(QUERY, np.asarray(value)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cls", [Attention, AdditiveAttention])
def test_single_attention_takes_masks_in_a_list(cls):
    embedding, layer = Embedding(9, 4, mask_zero=True), cls(use_scale=True)
    query, value = embedding(WORDS), embedding(WORDS[:, :4])
    arrays = layer([query, value])
    stated = layer([np.asarray(query), np.asarray(value)], mask=[WORDS != 0, WORDS[:, :4] != 0])
    np.testing.assert_array_equal(arrays, stated)
    np.testing.assert_array_equal(np.asarray(arrays)[WORDS == 0], 0)
    words, fewer = Input((5,), dtype="int32"), Input((4,), dtype="int32")
    output = layer([embedding(words), embedding(fewer)])
    assert output.mask.shape == (None, 5)
    graph = Model([words, fewer], output)([WORDS, WORDS[:, :4]])
    np.testing.assert_allclose(graph, arrays, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cls", [Attention, AdditiveAttention])
def test_weights_of_single_attention(cls):
    outputs, weights = cls()([QUERY, QUERY], return_attention_scores=True, use_causal_mask=True)
    assert (outputs.shape, weights.shape) == ((2, 5, 4), (2, 5, 5))
    np.testing.assert_array_equal(np.triu(weights, 1), 0)
    query, value = Input((5, 4)), Input((3, 4))
    found = cls()([query, value], return_attention_scores=True)
    assert [one.shape for one in found] == [(None, 5, 4), (None, 5, 3)]


@pytest.mark.parametrize("dtype", ["float16", "mixed_bfloat16"])
def test_dtypes(heads, dtype):
    cls, options = heads
    layer = noisy(cls(dtype=dtype, **options), QUERY, VALUE)
    outputs, weights = layer(QUERY, value=VALUE, return_attention_scores=True)
    assert outputs.dtype == weights.dtype == dtype.removeprefix("mixed_")
    assert {weight.dtype for weight in layer.weights} == {jnp.dtype(layer.variable_dtype)}
    plain = noisy(cls(**options), QUERY, VALUE)
    size = np.abs(plain(QUERY, VALUE)).max()
    np.testing.assert_allclose(outputs.astype("f"), plain(QUERY, VALUE), atol=0.03 * size)


def test_dropout_only_in_training(heads):
    cls, options = heads
    layer = noisy(cls(dropout=0.5, **options), QUERY, VALUE)
    np.testing.assert_array_equal(layer(QUERY, VALUE), layer(QUERY, VALUE))
    one, two = (layer(QUERY, VALUE, training=True) for _ in range(2))
    assert np.abs(np.asarray(one) - np.asarray(two)).max() > 0
    single = Attention(dropout=0.5)
    assert np.abs(np.asarray(single([QUERY, QUERY], training=True) - single([QUERY, QUERY]))).max()


def test_each_projection_draws_weights_of_its_own(heads):
    cls, options = heads
    layer = cls(kernel_initializer=initializers.RandomNormal(), **options)
    layer(QUERY, QUERY)
    key, value = layer._key_dense.kernel.numpy(), layer._value_dense.kernel.numpy()
    assert key.shape == value.shape
    assert np.abs(key - value).max() > 0


def test_penalties_are_on_each_projection(heads):
    cls, options = heads
    layer = cls(activity_regularizer="l2", **options)
    layer(QUERY, VALUE)
    assert len(layer.losses) == 4
    assert len(cls(kernel_regularizer="l2", **options).losses) == 0


def test_frozen_layers_have_no_trainable_weights(heads):
    cls, options = heads
    layer = cls(trainable=False, **options)
    layer(QUERY, VALUE)
    assert (layer.trainable_weights, len(layer.weights)) == ([], 8)


def test_paths_and_names_are_those_of_keras(heads):
    cls, options = heads
    layer = cls(use_gate=True, name="heads", **options)
    layer(QUERY, VALUE)
    parts = [("query", "q"), ("key", "k"), ("gate", "g"), ("value", "v"), ("attention_output", "o")]
    paths = [f"heads/{part}/{name}" for part, _ in parts for name in ("kernel", "bias")]
    assert [weight.path for weight in layer.weights] == paths
    assert cls(**options).name.startswith(
        "multi_head_attention" if cls is MultiHeadAttention else "grouped_query_attention"
    )


@pytest.mark.parametrize("options", [{}, {"use_gate": True, "sliding_window": 2}])
def test_gradients_are_finite_differences(heads, options):
    cls, own = heads
    with jax.enable_x64(True):
        draw = np.random.default_rng(3)
        query, value = draw.normal(size=(1, 3, 2)), draw.normal(size=(1, 4, 2))
        layer = noisy(cls(dtype="float64", **own, **options), query, value)
        mask = np.array([[True, False, True, True]])
        factors = draw.normal(size=(1, 3, 2))
        start, unraveled = ravel_pytree(([w.value for w in layer.weights], query, value))

        def total(flat):
            values, one, two = unraveled(flat)
            found = pure.run(
                layer._computed, layer.weights, values, (one, two), {"value_mask": mask}, None
            )
            return jnp.sum(found.result[0] * factors)

        found = jax.grad(total)(start)
        steps = 1e-5 * np.eye(start.size)
        points = np.asarray(start)[None] + np.concatenate([steps, -steps])
        both = jax.jit(jax.vmap(total))(points)
        slopes = (both[: start.size] - both[start.size :]) / 2e-5
        np.testing.assert_allclose(found, slopes, atol=1e-7)


def test_attention_over_given_axes_of_a_plane():
    x = rng.normal(size=(2, 3, 5, 4)).astype("f")
    layer = noisy(MultiHeadAttention(2, 3, attention_axes=2), x, x)
    each = MultiHeadAttention(2, 3)
    noisy(each, x[:, 0], x[:, 0])
    expected = np.stack([each(x[:, row], x[:, row]) for row in range(3)], axis=1)
    np.testing.assert_allclose(layer(x, x), expected, rtol=1e-4, atol=1e-5)
    causal = np.stack(
        [each(x[:, row], x[:, row], use_causal_mask=True) for row in range(3)], axis=1
    )
    np.testing.assert_allclose(layer(x, x, use_causal_mask=True), causal, rtol=1e-4, atol=1e-5)


MULTI, GROUPED = "MultiHeadAttention", "GroupQueryAttention"
ARGUMENTS = [
    (MULTI, {"num_heads": 0, "key_dim": 3}, "num_heads must be a positive int, got 0"),
    (MULTI, {"num_heads": 2, "key_dim": 2.0}, "key_dim must be a positive int, got 2.0"),
    (MULTI, {"num_heads": 2, "key_dim": 3, "value_dim": -1}, "value_dim must be a positive int"),
    (MULTI, {"num_heads": 2, "key_dim": 3, "dropout": 1.0}, "dropout must be a number from 0 to"),
    (MULTI, {"num_heads": 2, "key_dim": 3, "output_shape": (3, 0)}, "output_shape must be a pos"),
    (MULTI, {"num_heads": 2, "key_dim": 3, "attention_axes": "x"}, "attention_axes must be an int"),
    (MULTI, {"num_heads": 2, "key_dim": 3, "sliding_window": 0}, "sliding_window must be a pos"),
    (
        MULTI,
        {"num_heads": 2, "key_dim": 3, "flash_attention": True, "dropout": 0.5},
        "flash_attention=True computes no dropout, got dropout=0.5",
    ),
    (GROUPED, {"head_dim": 0, "num_query_heads": 4, "num_key_value_heads": 2}, "head_dim must be"),
    (
        GROUPED,
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 3},
        "num_key_value_heads must divide num_query_heads, got 3 and 4",
    ),
    ("Attention", {"score_mode": "sum"}, "score_mode must be 'dot' or 'concat', got 'sum'"),
    ("Attention", {"use_scale": "no"}, "use_scale must be True or False, got 'no'"),
    ("AdditiveAttention", {"dropout": -0.5}, "dropout must be a number from 0 to less than 1"),
    ("AdditiveAttention", {"seed": 0.5}, "seed must be an int"),
]


@pytest.mark.parametrize(("name", "options", "message"), ARGUMENTS)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=f"Attention 'a': {message}"):
        getattr(layers, name)(name="a", **options)


def zeros(*shapes):
    return [np.zeros(shape, "f") for shape in shapes]


CALLS = [
    ([(2, 5, 4)], {}, r"it needs a query and a value, each an array: layer\(query, value\)"),
    ([(2, 5, 4), (2, 4)], {}, "must be of one rank, 3 at least"),
    ([(2, 4), (2, 4)], {}, "must be of one rank, 3 at least"),
    ([(2, 5, 4), (3, 5, 4)], {}, "query and value must have the same size on axis 0, got 2 and 3"),
    ([(2, 5, 4), (2, 3, 4), (2, 6, 4)], {}, "value and key must have the same size on axis 1"),
    (
        [(2, 5, 4), (2, 3, 4)],
        {"value_mask": (2, 5)},
        r"value_mask must have shape \(2, 3\), .*2, 5",
    ),
    ([(2, 5, 4), (2, 3, 4)], {"query_mask": (5,)}, r"query_mask must have shape \(2, 5\)"),
    ([(2, 5, 4), (2, 3, 4)], {"attention_mask": (2, 3, 5)}, "must spread to the scores of shape"),
    ([(2, 5, 4), (2, 3, 4)], {"attention_mask": (1, 1, 1, 5, 3)}, "must spread to the scores"),
]


@pytest.mark.parametrize(("shapes", "masks", "message"), CALLS)
def test_bad_calls_are_named(shapes, masks, message):
    layer = MultiHeadAttention(2, 3, name="a")
    masks = {name: np.ones(shape, bool) for name, shape in masks.items()}
    with pytest.raises(ValueError, match=f"MultiHeadAttention 'a': .*{message}"):
        layer(*zeros(*shapes), **masks)


def test_bad_axes_and_ranks_are_named():
    plane, axes = np.zeros((2, 3, 5, 4), "f"), {"num_heads": 2, "key_dim": 3, "name": "a"}
    with pytest.raises(ValueError, match=r"attention_axes must be axes .* 1 to 2 .* got \(3,\)"):
        MultiHeadAttention(attention_axes=3, **axes)(plane, plane)
    with pytest.raises(ValueError, match="use_causal_mask and sliding_window are for one axis"):
        MultiHeadAttention(**axes)(plane, plane, use_causal_mask=True)
    layer = MultiHeadAttention(attention_axes=2, **axes)
    with pytest.raises(ValueError, match="the mask of the value is one of axis 1"):
        layer(plane, plane, value_mask=np.ones((2, 3), bool))
    with pytest.raises(ValueError, match=r"must have the same size on axis 1, got 3 and 2"):
        MultiHeadAttention(attention_axes=2, **axes)(plane, plane[:, :2])
    with pytest.raises(ValueError, match="inputs must be of rank 3"):
        GroupQueryAttention(3, 4, 2)(plane, plane)
    with pytest.raises(ValueError, match="the size of axis -1 of the input must be known"):
        MultiHeadAttention(2, 3)(Input((5, None)), Input((5, 4)))
    with pytest.raises(TypeError, match="takes 10 arguments at most, got 11"):
        MultiHeadAttention(2, 3)(*[plane] * 11)


@pytest.mark.skipif(jax.default_backend() == "gpu", reason="there is a GPU")
def test_a_fused_kernel_needs_a_gpu():
    with pytest.raises(ValueError, match="flash_attention=True needs a GPU, and this is cpu"):
        MultiHeadAttention(2, 3, flash_attention=True)(QUERY, VALUE)


def test_a_fused_kernel_gives_no_weights():
    layer = MultiHeadAttention(2, 3, flash_attention=True)
    with pytest.raises(ValueError, match="flash_attention=True gives no weights"):
        layer(QUERY, VALUE, return_attention_scores=True)


SINGLE = [
    (np.zeros((2, 5, 4), "f"), None, r"call it on a list \[query, value\] .* one of shape"),
    (zeros((2, 5, 4)), None, r"call it on a list \[query, value\] .* got 1 inputs"),
    (zeros(*[(2, 5, 4)] * 4), None, r"call it on a list \[query, value\] .* got 4 inputs"),
    (zeros((2, 4), (2, 4)), None, "must be of one rank, 3 at least"),
    (zeros((2, 5, 4), (2, 5, 6)), None, "query and key must have the same last size, got 4 and 6"),
    (zeros((2, 5, 4), (2, 3, 4), (2, 6, 4)), None, "value and key must have the same number of st"),
    (zeros((2, 5, 4), (3, 5, 4)), None, "query and value must have the same size on axis 0"),
    (zeros((2, 5, 4), (2, 3, 4)), [None, np.ones((2, 5), bool)], "the mask of the value must have"),
    (zeros((2, 5, 4), (2, 3, 4)), [np.ones((2,), bool), None], "the mask of the query must have"),
    (
        zeros((2, 5, 4), (2, 3, 4)),
        np.ones((2, 5), bool),
        r"mask must be a list \[query_mask, value",
    ),
]


@pytest.mark.parametrize(("inputs", "mask", "message"), SINGLE)
def test_bad_calls_of_single_attention_are_named(inputs, mask, message):
    with pytest.raises(ValueError, match=f"Attention 'a': .*{message}"):
        Attention(name="a")(inputs, mask=mask)
