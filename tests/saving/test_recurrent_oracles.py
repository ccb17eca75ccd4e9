"""What lamina writes with recurrent layers, Keras 3.15 and ``tf_keras`` open: same predictions."""

from typing import Any

import numpy as np
import pytest
from tests.saving.oracle import run_oracle

from lamina import layers
from lamina.models import Model, Sequential


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("f")


def three() -> Any:
    """One of each kind behind the other, in all forms that their arguments give them."""
    x = layers.Input((5, 3), name="x")
    y = layers.LSTM(6, return_sequences=True, unit_forget_bias=False)(layers.Masking()(x))
    y = layers.GRU(5, return_sequences=True, go_backwards=True, use_bias=False)(y)
    y = layers.GRU(4, return_sequences=True, reset_after=False)(y)
    y = layers.SimpleRNN(4, activation="relu", dropout=0.2, return_sequences=True)(y)
    y, h, c = layers.LSTM(3, return_state=True, recurrent_activation="tanh")(y)
    value = noise(4, 5, 3)
    value[1, 3:] = 0
    return Model(x, [y, h, c]), [value]


def wrapped() -> Any:
    """Both directions, cells on one another, and a stack for each step."""
    x = layers.Input((5, 3), name="x")
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="ave")(x)
    y = layers.Bidirectional(layers.GRU(2, return_sequences=True))(y)
    cells = [layers.LSTMCell(4), layers.GRUCell(3), layers.SimpleRNNCell(2)]
    y = layers.RNN(cells, return_sequences=True)(y)
    step = Sequential([layers.Input((2,)), layers.Dense(3, activation="tanh"), layers.Dense(2)])
    return Model(x, layers.TimeDistributed(step)(y)), [noise(4, 5, 3)]


def graph_for_each_step() -> Any:
    """A graph with another one in it, and a layer whose directions are of two kinds."""
    a, b, x = layers.Input((3,)), layers.Input((3,)), layers.Input((5, 3))
    inner = Model(b, layers.Dense(3, activation="tanh")(b))
    graph = Model(a, layers.Add()([inner(layers.Dense(3)(a)), a]))
    back = layers.GRU(2, return_sequences=True, go_backwards=True)
    x_2 = layers.Bidirectional(layers.LSTM(3, return_sequences=True), backward_layer=back)(x)
    y = layers.Concatenate()([layers.TimeDistributed(graph)(x), x_2])
    return Model(x, y), [noise(4, 5, 3)]


def images() -> Any:
    x = layers.Input((3, 5, 6, 2), name="x")
    y = layers.ConvLSTM2D(3, (2, 3), padding="same", return_sequences=True)(x)
    y = layers.TimeDistributed(layers.Conv2D(2, 2))(y)
    y = layers.ConvLSTM2D(2, 2, strides=(1, 2), recurrent_activation="sigmoid")(y)
    return Model(x, y), [noise(2, 3, 5, 6, 2)]


def stateful() -> Any:
    model = Sequential([layers.Input(batch_shape=(4, 5, 3))])
    model.add(layers.LSTM(3, stateful=True, return_sequences=True))
    model.add(layers.GRU(2, stateful=True))
    return model, [noise(4, 5, 3)]


ROADS = [
    (make, ending, which)
    for make in (three, wrapped, graph_for_each_step, images, stateful)
    for ending in ("keras", "h5")
    for which in ("keras3", "tf_keras")
]


@pytest.mark.parametrize(("make", "ending", "which"), ROADS)
def test_they_predict_the_same(tmp_path, make, ending, which):
    model, inputs = make()
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(scale=0.5, size=w.shape) for w in model.get_weights()])
    model.save(tmp_path / f"model.{ending}")
    script = """
        model = keras.models.load_model(file, compile=False)
        for turn in range(2):
            found = several(model(inputs[0]))
            result.update(numbered(f"turn_{turn}", [np.asarray(one) for one in found]))
    """
    found = run_oracle(which, script, file=tmp_path / f"model.{ending}", inputs=inputs)
    for turn in range(2):  # the second begins with the states of the first
        outputs = model.predict_on_batch(inputs[0])
        outputs = outputs if isinstance(outputs, list) else [outputs]
        for place, ours in enumerate(outputs):
            theirs = found[f"turn_{turn}_{place}"]
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5, err_msg=str(turn))
