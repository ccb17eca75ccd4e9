"""`Sequential`: built or deferred, longer and shorter."""

from typing import Any

import numpy as np
import pytest

from lamina.layers import Conv2D, Dense, Embedding, Flatten, Input, InputLayer
from lamina.models import Model, Sequential


def test_built_by_the_first_layer(x):
    model = Sequential()
    model.add(Dense(4, input_shape=(3,)))
    assert (model.input_shape, model.output_shape) == ((None, 3), (None, 4))
    model.add(Dense(2))
    assert model.output_shape == (None, 2)
    assert model.built
    assert model(x).shape == (4, 2)
    assert [layer.output_shape for layer in model.layers] == [(None, 4), (None, 2)]


@pytest.mark.parametrize(
    "first",
    [
        {"input_shape": (3,)},
        {"batch_input_shape": (None, 3)},
        {"batch_shape": (4, 3)},
        {"input_dim": 3},
        {"input_shape": (3,), "batch_size": 4},
    ],
)
def test_what_a_first_layer_may_say(first, x):
    model = Sequential([Dense(2, **first)])
    assert model.input_shape[1:] == (3,)
    assert model(x).shape == (4, 2)


@pytest.mark.parametrize("entry", [Input(shape=(3,)), InputLayer((3,)), InputLayer(shape=(3,))])
def test_built_by_an_input(entry, x):
    model = Sequential([entry, Dense(2)])
    assert model.output_shape == (None, 2)
    assert len(model.layers) == 1
    assert model(x).shape == (4, 2)


@pytest.mark.parametrize("how", ["call", "build", "fit", "predict"])
def test_deferred_until_the_shape_is_known(how, x):
    model = Sequential([Flatten(), Dense(2)])
    assert not model.built
    assert model.weights == []
    with pytest.raises(AttributeError, match="output_shape is not known before the model saw data"):
        _ = model.output_shape
    with pytest.raises(ValueError, match="count_params needs weights"):
        model.count_params()
    if how == "call":
        model(x)
    elif how == "build":
        model.build((None, 3))
    elif how == "predict":
        model.predict(x)
    else:
        model.compile("sgd", "mse")
        model.fit(x, np.ones((4, 2)), verbose=0)
    assert model.output_shape == (None, 2)
    assert model.count_params() == 8


def test_longer_and_shorter(x):
    model = Sequential([Dense(4, input_shape=(3,)), Dense(2)])
    whole = model(x)
    last = model.pop()
    assert model.output_shape == (None, 4)
    assert model(x).shape == (4, 4)
    model.add(last)
    np.testing.assert_array_equal(model(x), whole)
    model.pop()
    model.pop()
    assert model.layers == []
    with pytest.raises(TypeError, match="no layer to take away"):
        model.pop()
    model.add(Dense(7, input_shape=(5,)))
    assert model.output_shape == (None, 7)


def test_the_input_stays_when_all_layers_are_gone():
    model = Sequential([Input(shape=(3,)), Dense(2)])
    model.pop()
    model.add(Dense(6))
    assert model.output_shape == (None, 6)


def test_a_layer_that_does_not_fit_changes_nothing(x):
    model = Sequential([Dense(4, input_shape=(3,))])
    with pytest.raises(ValueError, match="expected an input of rank 4"):
        model.add(Conv2D(2, 3))
    assert len(model.layers) == 1
    assert model(x).shape == (4, 4)
    model = Sequential()
    with pytest.raises(ValueError, match="expected an input of rank 4"):
        model.add(Conv2D(2, 3, input_shape=(3,)))
    model.add(Dense(4, input_shape=(3,)))
    assert model(x).shape == (4, 4)


WRONG: list[Any] = [
    (lambda m: m.add(Dense), TypeError, "Did you forget the parentheses"),
    (
        lambda m: m.add(Dense(3)(np.ones((2, 3), "float32"))),
        TypeError,
        r"got array of shape \(2, 3\) and dtype float32\. Put layers in, not what they return",
    ),
    (lambda m: m.add("relu"), TypeError, "add takes a layer, got str 'relu'"),
    (lambda m: m.add(Dense(2, name="a")), ValueError, "a layer named 'a' is in the model already"),
    (lambda m: m.add(Input(shape=(3,))), ValueError, "an input can only be the first layer"),
    (lambda m: m.add(_two_outputs()), ValueError, "several outputs"),
    (lambda _: Sequential(_as_any(Dense(2))), TypeError, "layers must be a list of layers"),
    (lambda _: Sequential().build((None, 3)), ValueError, "without layers cannot be built"),
    (lambda _: Sequential([Dense(2)]).build(), ValueError, "build needs the shape of the input"),
    (lambda _: Sequential([Dense(2)]).build(5), ValueError, "build needs the shape .* got 5"),
    (
        lambda _: Dense(2, input_shape=_as_any("abc")),
        ValueError,
        "input_shape must be a tuple of sizes",
    ),
    (lambda _: Dense(2, input_shape=(-3,)), ValueError, "input_shape must be a tuple of sizes"),
]


def _as_any(value: Any) -> Any:
    """A wrong value, that type checkers would refuse."""
    return value


def _two_outputs():
    a = Input(shape=(4,))
    return Model(a, [Dense(2)(a), Dense(3)(a)])


@pytest.mark.parametrize(("act", "error", "message"), WRONG)
def test_mistakes(act, error, message, x):
    model = Sequential([Dense(4, input_shape=(3,), name="a")])
    with pytest.raises(error, match=message):
        act(model)
    assert model(x).shape == (4, 4)


def test_a_first_model_gives_its_shape(x):
    inner = Sequential([Dense(4, input_shape=(3,))])
    model = Sequential([inner, Dense(2)])
    assert model.input_shape == (None, 3)
    np.testing.assert_allclose(model(x), model.layers[1](inner(x)), rtol=1e-5)


def test_initial_weights(x):
    kernel, bias = np.ones((3, 2), "f"), np.full(2, 0.5, "f")
    model = Sequential([Dense(2, input_shape=(3,), weights=[kernel, bias])])
    np.testing.assert_allclose(model(x), x @ kernel + bias, rtol=1e-5)
    with pytest.raises(ValueError, match=r"'wrong/bias' has shape \(2,\), got .* \(3,\)"):
        Dense(2, weights=[kernel, np.ones(3)], name="wrong")(x)


def test_an_embedding_of_sequences_of_any_length_waits_where_lengths_are_needed():
    ids = np.random.default_rng(5).integers(0, 5, (6, 4))
    model = Sequential([Embedding(5, 3)])
    assert model.output_shape == (None, None, 3)
    model.add(Flatten())
    model.add(Dense(2))
    assert not model.built
    assert len(model.layers) == 3
    copy = Sequential.from_config(model.get_config())
    assert not copy.built
    out = model(ids)
    assert model.output_shape == (None, 2)
    assert model.layers[0].output_shape == (None, 4, 3)
    table, kernel, bias = model.get_weights()
    assert kernel.shape == (12, 2)
    np.testing.assert_allclose(out, table[ids].reshape(6, 12) @ kernel + bias, rtol=1e-5, atol=1e-7)
    copy.build((None, 4))
    copy.set_weights(model.get_weights())
    np.testing.assert_allclose(copy(ids), out, rtol=1e-6)
    again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(ids), out, rtol=1e-6)


def test_embeddings_that_wait_are_fitted():
    ids = np.random.default_rng(5).integers(0, 5, (10, 4))
    for layers in (
        [Embedding(5, 3), Flatten(), Dense(1)],
        [Sequential([Embedding(5, 3)]), Flatten(), Dense(1)],
        [Embedding(5, 3, input_shape=(None,)), Dense(2), Flatten(), Dense(1)],
    ):
        model = Sequential(layers)
        model.compile("sgd", "mse")
        model.fit(ids, np.ones((10, 1)), batch_size=4, verbose=0)
        assert model.output_shape == (None, 1)
    with pytest.raises(ValueError, match="sizes but the batch must be known"):
        Sequential([Input((None,)), Embedding(5, 3), Flatten()])
    with pytest.raises(ValueError, match="sizes but the batch must be known"):
        Flatten()(Embedding(5, 3)(Input((None,))))
