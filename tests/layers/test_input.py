"""`Input` and `InputLayer`: shapes, names, dtypes, wrapped arrays, errors."""

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.layers import Dense, Input, InputLayer


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"shape": (32,)}, (None, 32)),
        ({"shape": 32}, (None, 32)),
        ({"shape": ()}, (None,)),
        ({"shape": (None, 3)}, (None, None, 3)),
        ({"shape": [4, 3]}, (None, 4, 3)),
        ({"batch_shape": (10, 32)}, (10, 32)),
        ({"batch_shape": (None, 32)}, (None, 32)),
        ({"shape": (32,), "batch_size": 7}, (7, 32)),
        ({"tensor": np.ones((2, 3))}, (2, 3)),
    ],
)
def test_shapes(options, shape):
    tensor = Input(**options)
    assert tensor.shape == shape
    assert tensor._keras_shape == shape


def test_second_place_may_be_the_batch_size_as_in_keras_3():
    assert Input((3,), 5).shape == (5, 3)


def test_history_leads_back_to_the_layer():
    tensor = Input((3,), name="words")
    history = tensor._keras_history
    assert history is not None
    assert (history.layer.name, history.node_index, history.tensor_index) == ("words", 0, 0)
    assert isinstance(history.layer, InputLayer)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "bool"])
def test_dtype(dtype):
    assert Input((3,), dtype=dtype).dtype == dtype


def test_dtype_of_a_wrapped_array_is_its_own():
    assert Input(tensor=jnp.ones((2, 3), "int32")).dtype == "int32"


def test_sparse():
    assert Input((3,), sparse=True).sparse
    assert Dense(2)(Input((3,), sparse=True)).shape == (None, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"Input needs a shape, such as Input\(shape=\(32,\)\)"),
        ({"shape": (-1, 3)}, r"shape must be a tuple of sizes or None, .* got \(-1, 3\)"),
        ({"shape": ("3",)}, r"shape must be a tuple of sizes or None"),
        ({"shape": (2.5,)}, r"shape must be a tuple of sizes or None"),
        ({"batch_shape": "x"}, r"batch_shape must be a tuple of sizes or None"),
        ({"shape": (3,), "ragged": True}, r"ragged=True is not supported"),
        ({"shape": (3,), "optional": True}, r"optional=True is not supported"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Input(**options)


def test_config_makes_the_same_input():
    layer = InputLayer((4, None), batch_size=2, dtype="int32", sparse=True, name="words")
    copy = InputLayer.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.output.shape == (2, 4, None)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"shape": (3,), "batch_shape": (None, 4)}, "shape"),
        ({"shape": 3, "batch_shape": (None, 4, 5)}, "shape"),
        ({"batch_shape": (5, 4), "batch_size": 6}, "batch_size"),
        ({"tensor": np.ones((2, 3)), "shape": (4,)}, "shape"),
        ({"tensor": np.ones((2, 3)), "batch_shape": (3, 3)}, "batch_shape"),
    ],
)
def test_arguments_that_contradict_each_other_are_an_error(options, argument):
    with pytest.raises(ValueError, match=rf"InputLayer 'i': {argument} is .* but the other"):
        Input(name="i", **options)


def test_arguments_may_say_the_same_twice():
    assert Input(shape=(4,), batch_shape=(5, 4), batch_size=5).shape == (5, 4)
    assert Input(tensor=np.ones((2, 3)), batch_shape=(None, 3)).shape == (2, 3)
