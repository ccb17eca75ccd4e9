"""`TimeDistributed` and `Bidirectional`: outputs, masks, configs, errors."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

import json

import numpy as np
import pytest

from lamina.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    Input,
    Masking,
    SimpleRNN,
    TimeDistributed,
    TimeDistributedDense,
    Wrapper,
)
from lamina.models import Model, Sequential

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[0, 0, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 0, 0]], bool)
MERGED = {
    "concat": lambda a, b: np.concatenate([a, b], -1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
}


@pytest.mark.parametrize("mode", MERGED)
def test_both_directions_are_two_layers(mode):
    layer = Bidirectional(GRU(6, return_sequences=True, return_state=True), merge_mode=mode)
    output, *states = layer(X, mask=MASK)
    ahead = GRU(6, return_sequences=True, return_state=True, zero_output_for_mask=True)
    ahead(X)
    ahead.set_weights(layer.get_weights()[:3])
    first, one = ahead(X, mask=MASK)
    ahead.set_weights(layer.get_weights()[3:])
    second, other = ahead(X[:, ::-1], mask=MASK[:, ::-1])
    expected = MERGED[mode](np.asarray(first), np.asarray(second)[:, ::-1])
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states[0], one, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states[1], other, rtol=1e-5, atol=1e-6)


def test_weights_and_names_of_both_directions():
    layer = Bidirectional(LSTM(2, name="words"), name="both")
    layer(X)
    stem, weights = "both/{}_words/", ["kernel", "recurrent_kernel", "bias"]
    paths = [w.path.split("/") for w in layer.weights]
    assert ["/".join(p[:2]) + "/" for p in paths] == [
        stem.format(way) for way in ("forward", "backward") for _ in weights
    ]
    assert [w.name for w in layer.weights] == weights * 2
    values = [np.full(w.shape, n, "f") for n, w in enumerate(layer.get_weights())]
    again = Bidirectional(LSTM(2), weights=values)
    again(X)
    np.testing.assert_array_equal(again.backward_layer.get_weights()[2], values[5])


def test_backward_layer_of_ones_own():
    other = LSTM(3, activation="relu", go_backwards=True)
    layer = Bidirectional(LSTM(2), backward_layer=other)
    assert layer(X).shape == (3, 5)
    config = json.loads(json.dumps(layer.get_config()))
    again = Bidirectional.from_config(config)
    assert again.backward_layer.activation.__name__ == "relu"
    assert json.dumps(again.get_config()) == json.dumps(layer.get_config())


def test_states_of_both_directions():
    states = [np.full((3, 6), 0.1 * n, "f") for n in range(4)]
    layer = Bidirectional(LSTM(6))
    found = np.asarray(layer(X, initial_state=states))
    np.testing.assert_array_equal(found, layer([X, *states]))
    np.testing.assert_array_equal(found[:, :6], layer.forward_layer(X, initial_state=states[:2]))
    np.testing.assert_array_equal(found[:, 6:], layer.backward_layer(X, initial_state=states[2:]))


def test_none_gives_both_and_their_masks():
    words = Embedding(9, 4, mask_zero=True)(Input((6,), dtype="int32"))
    outputs = Bidirectional(GRU(3, return_sequences=True), merge_mode=None)(words)
    assert [(one.shape, one.mask.shape) for one in outputs] == [((None, 6, 3), (None, 6))] * 2
    assert Bidirectional(GRU(3))(words).mask is None


def test_each_step_is_a_row():
    frames = np.random.default_rng(1).normal(size=(2, 3, 6, 5, 4)).astype("float32")
    inner = Sequential([Conv2D(3, 2, input_shape=(6, 5, 4)), Flatten(), Dense(2)])
    layer = TimeDistributed(inner)
    steps = [inner(frames[:, t]) for t in range(3)]
    np.testing.assert_allclose(layer(frames), np.stack(steps, 1), rtol=1e-5, atol=1e-6)
    assert layer(Input((None, 6, 5, 4))).shape == (None, None, 2)
    assert layer.weights == inner.weights


def test_masks_of_steps_pass_and_those_within_are_handed_over():
    ids = np.array([[[1, 2, 0], [3, 0, 0]], [[4, 0, 0], [5, 6, 7]]])
    words = Embedding(9, 4, mask_zero=True)
    rows = LSTM(5)
    document = Input((2, 3), dtype="int32")
    sentences = TimeDistributed(rows)(words(document))
    model = Model(document, sentences)
    expected = [rows(words(ids[:, t]), mask=ids[:, t] != 0) for t in range(2)]
    np.testing.assert_allclose(
        model.predict(ids, verbose=0), np.stack(expected, 1), rtol=1e-5, atol=1e-6
    )
    assert sentences.mask.shape == (None, 2)
    masked = Masking()(Input((5, 4)))
    assert TimeDistributed(Dense(3))(masked).mask.shape == (None, 5)
    inner = Sequential([Embedding(9, 4, mask_zero=True, input_length=3)])
    assert TimeDistributed(inner)(document).mask.shape == (None, 2, 3)


def test_penalties_and_training_reach_the_layer_within():
    model = Sequential([TimeDistributed(Dense(2, kernel_regularizer="l2"), input_shape=(5, 4))])
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    model.fit(X, np.zeros((3, 5, 2)), verbose=0)
    assert len(model.losses) == 1
    assert not np.array_equal(model.get_weights()[0], before)


def test_dense_of_keras_1():
    layer = TimeDistributedDense(2, "uniform", "tanh", input_dim=4, input_length=5)
    assert Sequential([layer]).output_shape == (None, 5, 2)
    assert isinstance(layer, TimeDistributedDense)


@pytest.mark.parametrize("cls", [TimeDistributed, Wrapper])
def test_config_of_a_wrapper(cls):
    config = json.loads(json.dumps(cls(Dense(3, name="inner"), name="outer").get_config()))
    again = cls.from_config(config)
    assert (again.layer.name, again.layer.units, again.name) == ("inner", 3, "outer")


WRONG = {
    "class": (lambda: TimeDistributed(Dense), TypeError, r"layer must be a layer.*put \(\) behind"),
    "rank": (
        lambda: TimeDistributed(Dense(3))(Input((4,))),
        ValueError,
        r"expected an input \(batch, steps, ...\) of at least rank 3, got shape \(None, 4\)",
    ),
    "dense": (lambda: Bidirectional(Dense(3)), TypeError, r"layer must be a recurrent layer"),
    "mode": (
        lambda: Bidirectional(LSTM(3), merge_mode="cat"),
        ValueError,
        r"merge_mode must be 'concat' or .* got 'cat'. Did you mean 'concat'",
    ),
    "states": (
        lambda: Bidirectional(GRU(3))(X, initial_state=[np.zeros((3, 3))]),
        ValueError,
        r"initial_state needs the states of the forward layer and then those of the backward",
    ),
    "direction": (
        lambda: Bidirectional(GRU(3), backward_layer=GRU(3)),
        ValueError,
        r"backward_layer must have go_backwards=True",
    ),
    "sequences": (
        lambda: Bidirectional(
            GRU(3), backward_layer=SimpleRNN(3, go_backwards=True, return_sequences=True)
        ),
        ValueError,
        r"must have the same return_sequences, got False and True",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_calls_are_explained(case):
    call, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        call()
