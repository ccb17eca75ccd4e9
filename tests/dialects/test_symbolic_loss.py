"""A loss function that closes over tensors of the model is told what to do instead."""

import numpy as np
import pytest

from lamina import backend as K
from lamina.layers import Dense, Input
from lamina.models import Model


def test_loss_over_a_tensor_of_the_model():
    x = Input(shape=(3,))
    hidden = Dense(2)(x)
    model = Model(x, Dense(3)(hidden))

    def with_penalty(y_true, y_pred):
        return K.mean(K.square(y_true - y_pred), axis=-1) + K.mean(K.square(hidden), axis=-1)

    model.compile("sgd", with_penalty)
    data = np.ones((4, 3), "f")
    with pytest.raises(TypeError, match=r"'with_penalty' uses a symbolic tensor.*add_loss"):
        model.fit(data, data, verbose=0)


def test_the_way_out_counts_both():
    x = Input(shape=(3,))
    hidden = Dense(2)(x)
    model = Model(x, Dense(3)(hidden))
    model.add_loss(K.mean(K.square(hidden)))
    model.compile("sgd", "mse")
    data = np.random.default_rng(0).normal(size=(4, 3)).astype("f")
    first, bias_1, second, bias_2 = model.get_weights()
    inner = data @ first + bias_1
    outer = inner @ second + bias_2
    expected = ((data - outer) ** 2).mean() + (inner**2).mean()
    assert model.evaluate(data, data, verbose=0) == pytest.approx(expected, rel=1e-4)
