"""`Lambda`: functions as layers."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import json

import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.sparse import BCOO

from lamina import activations, backend, ops
from lamina.layers import Dense, Embedding, Input, Lambda

X = np.array([[1.0, 2.0, -3.0]], "f")


def antirectifier(x):
    x -= jnp.mean(x, axis=1, keepdims=True)
    x = x / jnp.sqrt(jnp.sum(x**2, axis=1, keepdims=True))
    return jnp.concatenate([jnp.maximum(x, 0), jnp.maximum(-x, 0)], axis=1)


def doubled_shape(shape):
    return (shape[0], shape[1] * 2)


def product_and_sum(tensors):
    product = tensors[0] * tensors[1]
    return [product, jnp.sum(product, axis=-1)]


def product_and_sum_shape(shapes):
    return [tuple(shapes[0]), tuple(shapes[1][:-1])]


def test_square():
    assert Lambda(lambda x: x**2)(X).tolist() == [[1.0, 4.0, 9.0]]


def test_function_of_its_own_shape():
    layer = Lambda(antirectifier, output_shape=doubled_shape)
    x = np.array([[1.0, 2.0, 3.0]], "f")
    half = 0.70710678
    np.testing.assert_allclose(layer(x), [[0, 0, half, half, 0, 0]], atol=1e-6)
    assert layer(Input((3,))).shape == (None, 6)
    assert x.tolist() == [[1.0, 2.0, 3.0]]


def test_arrays_of_the_caller_stay_in_eager_runs_too():
    def raised(x):
        x += 1
        return x

    whole = np.array([[1, 2, 3]], "int32")
    layer = Lambda(raised, autocast=False)
    layer.run_eagerly = True
    assert layer(whole).tolist() == [[2, 3, 4]]
    assert whole.tolist() == [[1, 2, 3]]


def test_several_inputs_and_outputs():
    layer = Lambda(product_and_sum, product_and_sum_shape)
    product, total = layer([X, X + 1])
    np.testing.assert_allclose(product, X * (X + 1))
    np.testing.assert_allclose(total, (X * (X + 1)).sum(-1))
    symbolic = layer([Dense(5)(Input((4,))), Dense(5)(Input((4,)))])
    assert [one.shape for one in symbolic] == [(None, 5), (None,)]


def test_arguments_reach_the_function():
    layer = Lambda(lambda x, factor, shift=0.0: x * factor + shift, arguments={"factor": 3.0})
    assert layer(X).tolist() == [[3.0, 6.0, -9.0]]


def test_shape_and_dtype_are_found_by_tracing():
    layer = Lambda(lambda x: jnp.argmax(x, axis=-1))
    output = layer(Input((None, 4)))
    assert (output.shape, output.dtype.name) == ((None, None), "int32")
    assert layer.compute_output_shape((None, 5, 4)) == (None, 5)


def test_stated_shape_fills_in_unknown_sizes():
    layer = Lambda(lambda x: x[:, ::2], output_shape=(3, 4))
    assert layer(Input((None, 4))).shape == (None, 3, 4)


@pytest.mark.parametrize("stated", [(4,), (3, 1), lambda shape: (*shape, 2)])
def test_wrong_shape_is_an_error(stated):
    layer = Lambda(lambda x: x * 2, output_shape=stated, name="l")
    for inputs in (Input((3,)), X):
        message = r"Lambda 'l': output_shape says .*returns \(None, 3\)"
        with pytest.raises(ValueError, match=message):
            layer(inputs)


def test_wrong_number_of_outputs_is_an_error():
    layer = Lambda(product_and_sum, output_shape=(3,), name="l")
    for inputs in ([Input((3,)), Input((3,))], [X, X]):
        message = r"Lambda 'l': output_shape tells of 1 outputs, .* 2\."
        with pytest.raises(ValueError, match=message):
            layer(inputs)


@pytest.mark.parametrize("stated", [None, "x", 3, [(3,), "x"]])
def test_a_shape_function_returns_a_shape(stated):
    layer = Lambda(lambda x: x * 2, output_shape=lambda _: stated, name="l")
    message = r"Lambda 'l': the function output_shape must return a shape .* for \(None, 3\)"
    for inputs in (Input((3,)), X):
        with pytest.raises(TypeError, match=message):
            layer(inputs)


def test_the_batch_of_a_stated_shape_is_not_compared():
    layer = Lambda(lambda x: x * 2, output_shape=lambda shape: (7, shape[1]))
    assert layer(Input((3,))).shape == (7, 3)
    assert layer(X).tolist() == [[2.0, 4.0, -6.0]]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (None, "call returned None; it must return the output"),
        ("word", "call returned str 'word'; it must return an array"),
        ({1}, r"call returned set \{1\}"),
        ([X, "word"], "call returned str 'word'"),
        ({"a": backend.sum}, "call returned function"),
        (np.array(["a"]), "call returned ndarray"),
        (Input((3,), name="other"), "call returned .*'other'.*, a tensor of a graph"),
    ],
)
def test_what_is_no_array_is_refused(result, message):
    layer = Lambda(lambda _: result, name="l")
    for inputs in (X, Input((3,))):
        with pytest.raises(TypeError, match=f"Lambda 'l': {message}"):
            layer(inputs)


def test_names_with_numbers_stay_in_errors():
    with pytest.raises(TypeError, match=r"call returned Dense <Dense 'dense(_\d+)?'>; it must"):
        Lambda(lambda _: Dense(3))(Input((3,)))


@pytest.mark.parametrize(
    "function",
    [lambda x: np.square(x) + 1, lambda x: x if x.sum() > 0 else -x, lambda x: x * int(x[0, 0])],
)
def test_functions_of_numpy_are_explained(function):
    with pytest.raises(TypeError, match=r"Lambda 'l': the function '<lambda>' needs values"):
        Lambda(function, name="l")(X)
    with pytest.raises(TypeError, match=r"Lambda 'l': the function '<lambda>' needs values"):
        Lambda(function, name="l")(Input((3,)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"function": 3}, "Lambda 'l': function must be a function, got 3"),
        ({"arguments": [1]}, "arguments must be a dict of keywords, got"),
        ({"output_shape": "x"}, "output_shape must be a tuple without the batch axis, a function"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(TypeError, match=message):
        Lambda(**({"function": jnp.tanh, "name": "l"} | options))


def test_mask_and_training_reach_functions_that_ask():
    def kept(x, mask=None, training=None):
        kept.seen = (mask is not None, training)
        return x

    words = Embedding(9, 3, mask_zero=True)(np.array([[1, 0]]))
    Lambda(kept)(words, training=True)
    assert kept.seen == (True, True)
    Lambda(kept)(X)
    assert kept.seen == (False, False)


def words(layer):
    return layer(Embedding(9, 3, mask_zero=True)(Input((4,), dtype="int32")))


def test_mask_of_the_output_is_what_mask_says():
    assert words(Lambda(lambda x: x)).mask is None
    assert words(Lambda(lambda x: x, mask=lambda x, mask: mask)).mask.shape == (None, 4)
    assert words(Lambda(lambda x: x, mask=np.ones((2, 4), bool))).mask.shape == (2, 4)


def test_sparse_matrix_comes_as_it_is():
    layer = Lambda(lambda x: x @ jnp.ones((3, 2)))
    assert layer(BCOO.fromdense(X)).tolist() == [[0.0, 0.0]]
    assert layer(Input((3,), sparse=True)).shape == (None, 2)


def reloaded(layer, custom_objects=None):
    config = json.loads(json.dumps(layer.get_config()))
    return Lambda.from_config(config, custom_objects)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (activations.relu, "activations.relu"),
        (backend.relu, "backend.relu"),
        (ops.square, "ops.square"),
    ],
)
def test_own_functions_load_by_name(function, name):
    layer = Lambda(function)
    assert layer.get_config()["function"] == {"class_name": "lamina", "config": name}
    assert reloaded(layer).function is function


@pytest.mark.parametrize(
    "name",
    ["os.system", "ops._Callable", "ops.sys", "backend.Function", "config.floatx", "relu", 3],
)
def test_other_names_in_a_config_find_nothing(name):
    config = {"name": "l", "function": {"class_name": "lamina", "config": name}}
    with pytest.raises(ValueError, match="Lambda 'l': its function is the function"):
        Lambda.from_config(config)


def test_other_functions_are_handed_over():
    layer = Lambda(antirectifier, doubled_shape, arguments={}, name="l")
    handed = {"antirectifier": antirectifier, "doubled_shape": doubled_shape}
    np.testing.assert_array_equal(reloaded(layer, handed)(X), layer(X))
    by_layer = {"l": antirectifier, "doubled_shape": doubled_shape}
    np.testing.assert_array_equal(reloaded(layer, by_layer)(X), layer(X))
    message = r"Lambda 'l': its function is the function 'antirectifier'.*custom_objects="
    with pytest.raises(ValueError, match=message):
        reloaded(layer)


def test_a_function_with_a_name_of_ours_is_not_ours():
    def relu(x):
        return x

    with pytest.raises(ValueError, match="its function is the function 'relu'"):
        reloaded(Lambda(relu))


CODE = ["4wQAAAAAAAAABAAAAAYAAABD", None, None]


@pytest.mark.parametrize(
    "config",
    [
        {"function": CODE, "function_type": "lambda", "output_shape_type": "raw"},
        {
            "function": CODE,
            "function_type": "lambda",
            "module": "__main__",
            "output_shape": CODE,
            "output_shape_type": "lambda",
            "output_shape_module": "__main__",
        },
        {"function": {"class_name": "__lambda__", "config": {"code": CODE[0]}}},
    ],
    ids=["keras2", "tf.keras", "keras3"],
)
def test_code_of_keras_is_never_run(config):
    config = {"name": "l", "arguments": {}} | config
    layer = Lambda.from_config(config, {"l": doubled_shape})
    assert layer.function is doubled_shape
    assert layer.get_config()["output_shape"] is None
    message = (
        r"Lambda 'l': its function is written as Python code, which is never run.*\{'l': \.\.\.\}"
    )
    with pytest.raises(ValueError, match=message):
        Lambda.from_config(config)


def test_mask_function_of_keras_3_is_handed_over():
    code = {"class_name": "__lambda__", "config": {"code": CODE[0]}}
    config = {
        "name": "l",
        "function": {"class_name": "lamina", "config": "ops.square"},
        "mask": code,
    }
    assert Lambda.from_config(config, {"l.mask": doubled_shape}).mask is doubled_shape
    with pytest.raises(ValueError, match=r"its mask is written as Python code.*\{'l.mask': "):
        Lambda.from_config(config)


@pytest.mark.parametrize(
    "function",
    [
        {"class_name": "function", "config": "relu", "module": "builtins"},
        {"function": "relu", "function_type": "function"},
    ],
)
def test_names_of_activations_of_keras_are_ours(function):
    config = function if "function_type" in function else {"function": function}
    assert Lambda.from_config({"name": "l"} | config).function is activations.relu


def test_data_in_the_config_stays():
    layer = Lambda(activations.relu, (3,), np.array([[True, False]]), {"negative_slope": 0.5})
    copy = reloaded(layer)
    assert copy(X).tolist() == [[1.0, 2.0, -1.5]]
    assert copy.compute_output_shape((None, 3)) == (None, 3)
    assert copy.compute_mask(X).tolist() == [[True, False]]


def test_arguments_must_be_parameters_of_the_function():
    with pytest.raises(
        TypeError, match="'l': arguments holds 'fctor', which the function 'scaled'"
    ):
        Lambda(scaled, arguments={"fctor": 2.0}, name="l")
    layer = Lambda(lambda x, **further: x * further["factor"], arguments={"factor": 2.0})
    np.testing.assert_array_equal(layer(np.ones((1, 2))), [[2.0, 2.0]])


def scaled(x, factor):
    return x * factor


def test_a_stated_shape_follows_the_batch():
    layer = Lambda(lambda x: x[:, :2], output_shape=(2,))
    assert layer.compute_output_shape((7, 3)) == (7, 2)
    assert layer.compute_output_shape([(6, 3), (6, 4)]) == (6, 2)
    assert layer.compute_output_shape((None, 3)) == (None, 2)


def test_a_mask_or_phase_among_the_arguments_goes_first():
    seen = []

    def function(x, mask=None, training=None):
        seen.append((mask, training))
        return x

    layer = Lambda(function, arguments={"mask": 3, "training": 4})
    layer(np.ones((1, 2)), training=True)
    assert set(seen) == {(3, 4)}


def test_arguments_of_the_caller_and_the_layer_are_two():
    given = {"factor": 2.0}
    layer = Lambda(scaled, arguments=given)
    given["factor"] = 5.0
    np.testing.assert_array_equal(layer(np.ones((1, 2))), [[2.0, 2.0]])
    assert given == {"factor": 5.0}


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (lambda x, y: x + y, None, "needs 'y', which arguments does not hold"),
        (lambda x, *, y: x + y, None, "needs 'y'"),
        (lambda x, y, z: x + y, {"y": 1.0}, "needs 'z'"),
        (lambda *, mask: mask, None, "has no parameter for the input"),
        (lambda y, x: x * y, {"y": 2.0}, "has no parameter for the input"),
    ],
)
def test_what_a_function_needs_is_checked_at_once(function, arguments, message):
    with pytest.raises(TypeError, match=f"Lambda 'l': the function .* {message}"):
        Lambda(function, arguments=arguments, name="l")


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda x, y: x * y, {"y": 2.0}),
        (lambda *tensors: tensors[0] * 2, None),
        (lambda x, y=2.0, **further: x * y, None),
        (lambda x, mask, training: x * 2, None),
        (np.float32(2).__mul__, None),
    ],
)
def test_functions_that_can_be_called(function, arguments):
    assert Lambda(function, arguments=arguments).name
