"""`Input` around a tensor that a graph computes: the way of ``VGG16(input_tensor=x)``."""

import numpy as np

from lamina import backend as K
from lamina.layers import Dense, Input
from lamina.models import Model

X = np.random.default_rng(0).normal(size=(5, 3)).astype("f")


def test_the_graph_goes_on_behind_the_wrapped_tensor():
    placeholder = K.placeholder((None, 3))
    doubled = 2 * placeholder
    wrapped = Input(tensor=doubled, name="wrapped")
    assert wrapped.shape == (None, 3)
    assert wrapped.dtype == np.float32
    dense = Dense(4, activation="tanh")
    model = Model(wrapped, dense(wrapped))
    kernel, bias = dense.get_weights()
    whole = K.function([placeholder], [model.output, K.gradients(model.output, placeholder)[0]])
    output, gradient = whole([X])
    expected = np.tanh(2 * X @ kernel + bias)
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(gradient, 2 * (1 - expected**2) @ kernel.T, rtol=1e-4, atol=1e-5)


def test_a_model_on_it_is_fed_in_its_place():
    wrapped = Input(tensor=Dense(3)(Input((7,))))
    model = Model(wrapped, Dense(4)(wrapped))
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(X, verbose=0), X @ kernel + bias, rtol=1e-4, atol=1e-6)
    assert model.layers[0].name == wrapped.name
