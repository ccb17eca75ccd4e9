"""Constants of one size where a size is not known, and errors that show no made-up one."""

import re

import numpy as np
import pytest

from lamina import backend as K
from lamina import losses
from lamina.layers import Conv1D, Dense, Input, Lambda, Layer
from lamina.models import Model, Sequential

RNG = np.random.default_rng(11)
PAIR = RNG.normal(size=(2, 3)).astype("f")
X = RNG.normal(size=(2, 3)).astype("f")


def steps():
    return Input((None, 5))


def ones(*shape):
    return K.constant(np.ones(shape))


# The shapes are those that Keras 2.2.4 gives, recorded by hand.
GRAPHS = {
    "constant first": (lambda x: K.constant(PAIR) + x, (2, 3)),
    "constant second": (lambda x: x * K.constant(PAIR), (2, 3)),
    "array": (lambda x: x - PAIR, (2, 3)),
    "variable": (lambda x: x + K.variable(PAIR), (2, 3)),
    "function": (lambda x: K.maximum(x, K.constant(PAIR)), (2, 3)),
    "joined": (lambda x: K.concatenate([x, K.constant(PAIR)], axis=1), (2, 6)),
    "joined along the batch": (
        lambda x: K.concatenate([x, K.constant(PAIR)], axis=0),
        (None, 3),
    ),
    "stacked": (lambda x: K.stack([x, K.constant(PAIR)]), (2, 2, 3)),
    "products": (lambda x: K.batch_dot(x, K.constant(PAIR), axes=1), (2, 1)),
    "chosen": (lambda x: K.switch(K.constant(PAIR) > 0, x, K.constant(PAIR)), (2, 3)),
    "product from the left": (lambda x: np.ones((2, 4), "f") @ x, (2, 3)),
    "loss": (lambda x: losses.mean_squared_error(K.constant(PAIR), x), (2,)),
    "closure": (Lambda(lambda t: t + PAIR), (2, 3)),
    "default": (Lambda(lambda t, c=PAIR: t + c), (2, 3)),
    "argument": (Lambda(lambda t, c: t + c, arguments={"c": PAIR}), (2, 3)),
    "other input": (lambda x: x + Input(batch_shape=(2, 3)), (2, 3)),
    "constant of one row": (lambda x: x + PAIR[:1], (None, 3)),
    "steps": (lambda x: steps() + ones(1, 7, 5), (None, 7, 5)),
    "steps of two": (lambda x: steps() + ones(2, 7, 5), (2, 7, 5)),
    "steps without a batch": (lambda x: steps() + ones(7, 5), (None, 7, 5)),
}


@pytest.mark.parametrize("build", GRAPHS)
def test_shapes_are_those_of_keras(build):
    make, shape = GRAPHS[build]
    assert make(Input((3,))).shape == shape


def test_a_custom_layer_may_hold_a_constant():
    class Shifted(Layer):
        def __init__(self, shift, **options):
            super().__init__(**options)
            self.shift = shift

        def call(self, inputs):
            return inputs + self.shift

    x = Input((3,))
    model = Model(x, Shifted(PAIR)(x))
    assert model.output_shape == (2, 3)
    np.testing.assert_allclose(model.predict(X, verbose=0), X + PAIR, rtol=1e-6)


def test_the_graph_computes_at_the_size_of_the_constant():
    x = Input((3,))
    run = K.function([x], [K.constant(PAIR) + x])
    np.testing.assert_allclose(run([X])[0], PAIR + X, rtol=1e-6)
    np.testing.assert_allclose(run([X[:1]])[0], PAIR + X[:1], rtol=1e-6)


@pytest.mark.parametrize("kind", ["function", "layer", "model in a model"])
def test_another_size_is_named_when_it_comes(kind):
    x = Input((3,))
    y = x + PAIR if kind == "function" else Lambda(lambda t: t + PAIR)(x)
    model = Model(x, y)
    if kind == "model in a model":
        again = Input((3,))
        model = Model(again, model(again))
    assert model.output_shape == (2, 3)
    message = r"computes with a constant for which axis 0 must have size 2, .*\(4, 3\).* 2 rows"
    with pytest.raises(ValueError, match=message):
        model.predict(np.ones((4, 3), "f"), verbose=0)
    np.testing.assert_allclose(model.predict(X, verbose=0), X + PAIR, rtol=1e-6)


def test_such_a_model_is_trained_in_batches_of_that_size():
    x = Input((3,))
    model = Model(x, Lambda(lambda t: t + PAIR)(Dense(3)(x)))
    model.compile("sgd", "mse")
    four = np.concatenate([X, X])
    history = model.fit(four, four, batch_size=2, epochs=5, shuffle=False, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_gradients_through_a_constant():
    x = Input((3,))
    (slope,) = K.gradients(K.sum(K.square(x + PAIR)), [x])
    np.testing.assert_allclose(K.function([x], [slope])([X])[0], 2 * (X + PAIR), rtol=1e-5)


WRONG = {
    "two constants": lambda x: x + PAIR + ones(4, 3),
    "no broadcast": lambda x: K.constant((2, 3)) + x,
    "product of itself": lambda x: K.dot(x, x),
    "reshape": lambda x: K.reshape(x, (4, 3)),
    "of a Lambda": Lambda(lambda t: K.reshape(t, (4, 3))),
    "slice": Lambda(lambda t: t[2:] + t),
    "loss": lambda x: losses.mean_squared_error(ones(2, 4), x),
    "in a model": Sequential([Lambda(lambda t: K.dot(t, t))]),
}


@pytest.mark.parametrize("build", WRONG)
def test_errors_show_no_size_that_nobody_gave(build):
    with pytest.raises((TypeError, ValueError)) as found:
        WRONG[build](Input((3,)))
    notes = " ".join(getattr(found.value, "__notes__", ()))
    assert not re.search(r"\d{3}", f"{found.value} {notes}")
    assert build == "two constants" or "None" in str(found.value)


def test_sizes_that_follow_from_the_unknown_one_are_said_so():
    with pytest.raises(TypeError, match=r"\(None, 3\) \(size 3\*None\) into shape \(4, 3\)"):
        K.reshape(Input((3,)), (4, 3))
    with pytest.raises(TypeError, match=r"\(None-2, 3\), \(None, 3\)"):
        Lambda(lambda t: t[2:] + t)(Input((3,)))


def test_a_size_that_the_user_gave_stays_in_the_message():
    with pytest.raises(TypeError, match=r"\(None, 1680\), \(1, 7\)"):
        _ = Input((1680,)) + np.ones((1, 7), "f")


def test_layers_say_none():
    with pytest.raises(ValueError, match=r"Conv1D 'short'.*\(None, 5, 2\)"):
        Conv1D(3, 9, name="short")(Input((5, 2)))
