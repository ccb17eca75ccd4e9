"""`Embedding`: indices, masks, lengths and errors."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.layers import Dense, Embedding, Flatten, GlobalAveragePooling1D, Input

TABLE = np.random.default_rng(0).normal(size=(7, 3)).astype("f")


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "int8", "float32", "float16"])
def test_rows_of_the_table(dtype):
    layer = Embedding(7, 3, weights=[TABLE])
    index = np.array([[4, 0], [6, 1]])
    np.testing.assert_array_equal(layer(index.astype(dtype)), TABLE[index])


def test_floats_lose_their_fraction():
    layer = Embedding(7, 3, weights=[TABLE])
    np.testing.assert_array_equal(layer(np.array([[4.9, 0.2]])), TABLE[[[4, 0]]])


def test_large_indices_stay_exact():
    layer = Embedding(2**24 + 4, 1, dtype="float16", embeddings_initializer="zeros")
    layer.build((1, 1))
    layer.built = True
    table = layer.embeddings.value.at[2**24 + 1].set(1.0)
    layer.embeddings.assign(table)
    assert layer.input_dtype_of_first == "int32"
    assert layer(np.array([[2**24 + 1]])).tolist() == [[[1.0]]]


@pytest.mark.parametrize("value", [7, -1, 7.0, 2**31 - 1, float("nan"), float("inf")])
def test_index_outside_of_the_table_is_an_error(value):
    layer = Embedding(7, 3, name="e")
    index = np.array([[0, 1], [2, value]])
    shown = r"-?\d+" if np.isfinite(value) else value
    message = f"Embedding 'e': index {shown} in row 1 of the input is not in the table of 7 rows"
    with pytest.raises(ValueError, match=message):
        layer(index)


def test_index_is_checked_in_training_too():
    with pytest.raises(ValueError, match="index 9 in row 0"):
        Embedding(7, 3)(np.array([[9]]), training=True)


def test_mask_says_what_is_no_padding():
    layer = Embedding(7, 3, mask_zero=True)
    mask = layer.compute_mask(np.array([[4, 0], [0, 1]]))
    assert mask.tolist() == [[True, False], [False, True]]
    assert Embedding(7, 3).compute_mask(np.array([[4, 0]])) is None


def test_mask_reaches_the_layer_behind():
    embed, mean = Embedding(7, 3, mask_zero=True, weights=[TABLE]), GlobalAveragePooling1D()
    output = mean(embed(np.array([[4, 5, 0, 0]])))
    np.testing.assert_allclose(output, TABLE[[4, 5]].mean(0)[None], rtol=1e-6)


def test_mask_of_an_array_reaches_no_layer_without_support():
    words = Embedding(7, 3, mask_zero=True, name="e")(np.array([[1, 0, 0, 2]]))
    with pytest.raises(TypeError, match=r"Flatten 'f' does not support masking"):
        Flatten(name="f")(words)


def test_mask_reaches_no_layer_without_support():
    with pytest.raises(TypeError, match=r"Flatten 'f' does not support masking, .* made by e"):
        Flatten(name="f")(Embedding(7, 3, mask_zero=True, name="e")(Input((4,))))


@pytest.mark.parametrize(
    ("length", "shape", "stated"),
    [
        (None, (None, None, 3), (None, None)),
        (10, (None, 10, 3), (None, 10)),
        ((4, 5), (None, 4, 5, 3), (None, 4, 5)),
        ((None, 5), (None, None, 5, 3), (None, None, 5)),
    ],
)
def test_length_makes_the_shape_known(length, shape, stated):
    layer = Embedding(7, 3, input_length=length)
    assert layer.batch_input_shape == stated
    assert layer(Input(batch_shape=stated)).shape == shape
    assert layer(Input((None,) * (len(stated) - 1))).shape == shape


@pytest.mark.parametrize(("length", "shape"), [(10, (9,)), ((4, 5), (4, 6)), ((4, 5), (4,))])
def test_other_length_is_an_error(length, shape):
    layer = Embedding(7, 3, input_length=length, name="e")
    with pytest.raises(ValueError, match=r"Embedding 'e': input_length is .* input has shape"):
        layer(Input(shape))
    with pytest.raises(ValueError, match=r"Embedding 'e': input_length is .* input has shape"):
        layer(np.zeros((2, *shape), "int32"))


def test_stated_input_shape_wins():
    assert Embedding(7, 3, input_shape=(4,)).batch_input_shape == (None, 4)
    assert Embedding(7, 3, input_length=4, batch_size=2).batch_input_shape == (2, 4)


def test_dense_behind_flatten_needs_the_length():
    with pytest.raises(ValueError, match="give it input_length"):
        Dense(2)(Flatten()(Embedding(7, 3)(Input((None,)))))
    assert Dense(2)(Flatten()(Embedding(7, 3, input_length=4)(Input((None,))))).shape == (None, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_dim": 0}, r"Embedding 'e': input_dim must be a positive int, got 0"),
        ({"output_dim": 2.5}, r"'e': output_dim must be a positive int, got 2\.5"),
        ({"input_length": 0}, r"'e': input_length must be a positive int, got 0"),
        ({"input_length": "ten"}, r"'e': input_length must be a positive int, a tuple of them or"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Embedding(**({"input_dim": 7, "output_dim": 3, "name": "e"} | options))


def test_names_of_keras_1():
    layer = Embedding(7, 3, init="zeros", W_regularizer="l2", W_constraint="non_neg")
    config = layer.get_config()
    assert config["embeddings_initializer"]["class_name"] == "Zeros"
    assert config["embeddings_regularizer"]["class_name"].lower() == "l2"


def test_gradient_is_that_of_the_rows_that_were_used():
    layer = Embedding(7, 3, weights=[TABLE])
    layer(np.array([[1]]))
    table = layer.embeddings

    def loss(value):
        from lamina.core import pure

        run = pure.run(layer, [table], [value], jnp.array([[4, 4, 1]]))
        return jnp.sum(run.result)

    expected = np.zeros((7, 3))
    expected[4], expected[1] = 2, 1
    np.testing.assert_array_equal(jax.grad(loss)(jnp.asarray(TABLE)), expected)


@pytest.mark.parametrize("index", [2**32 + 1, -(2**32) + 1, np.uint64(2**63)])
def test_an_index_of_64_bits_is_not_cut_to_32(index):
    with pytest.raises(ValueError, match=r"Embedding 'e': the input holds -?\d+ in row 1, beyond"):
        Embedding(7, 3, name="e")(np.stack([np.zeros(1, np.asarray(index).dtype), [index]]))


def test_truth_values_are_rows_0_and_1():
    layer = Embedding(7, 3, weights=[TABLE])
    found = layer(np.array([[True, False, True]]))
    np.testing.assert_array_equal(found, TABLE[[[1, 0, 1]]])


def test_only_what_is_0_is_masked():
    layer = Embedding(7, 3, mask_zero=True)
    found = layer.compute_mask(np.array([[0.0, 0.5, 3.0]], "f"))
    np.testing.assert_array_equal(found, [[False, True, True]])
