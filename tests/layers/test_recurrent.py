"""Recurrent layers: against a slow reading of their definition, and what users do with them."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import backend as K
from lamina import layers
from lamina.layers import (
    GRU,
    LSTM,
    RNN,
    ConvLSTM2D,
    Dense,
    Embedding,
    GRUCell,
    Input,
    LSTMCell,
    Masking,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)
from lamina.models import Model, Sequential

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[0, 0, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 0, 0]], bool)


def noisy(layer, x=X):
    layer(x)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape).astype("f") * 0.6 for w in layer.get_weights()])
    return layer


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def simple(x, states, kernel, inner, bias):
    h = np.tanh(x @ kernel + states[0] @ inner + bias)
    return h, [h]


def lstm(x, states, kernel, inner, bias):
    h, c = states
    i, f, g, o = np.split(x @ kernel + h @ inner + bias, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def gru(x, states, kernel, inner, bias):
    h, units = states[0], len(inner)
    if bias.ndim == 2:
        a, b = x @ kernel + bias[0], h @ inner + bias[1]
        z, r = (sigmoid((a + b)[:, n * units : (n + 1) * units]) for n in range(2))
        new = np.tanh(a[:, 2 * units :] + r * b[:, 2 * units :])
    else:
        a = x @ kernel + bias
        b = h @ inner[:, : 2 * units]
        z, r = (
            sigmoid(a[:, n * units : (n + 1) * units] + b[:, n * units :][:, :units])
            for n in (0, 1)
        )
        new = np.tanh(a[:, 2 * units :] + (r * h) @ inner[:, 2 * units :])
    h = z * h + (1 - z) * new
    return h, [h]


CELLS = {
    "simple": (SimpleRNN, simple, 1, {}),
    "lstm": (LSTM, lstm, 2, {}),
    "gru": (GRU, gru, 1, {}),
    "gru_before": (GRU, gru, 1, {"reset_after": False}),
}


def read_slowly(step, x, states, weights, mask, backwards, zero):
    """All outputs and the last states, step by step."""
    outputs, before = [], states[0]
    order = range(x.shape[1])
    for t in reversed(order) if backwards else order:
        output, new = step(x[:, t], states, *weights)
        keep = mask[:, t, None]
        shown = np.where(keep, output, 0 * output if zero else before)
        states = [np.where(keep, a, b) for a, b in zip(new, states, strict=True)]
        before = np.where(keep, output, before)
        outputs.append(shown)
    return np.stack(outputs, 1), states


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(
    ("options", "masked"),
    [
        ({}, False),
        ({"go_backwards": True}, True),
        ({"unroll": True}, True),
        ({"zero_output_for_mask": True}, True),
    ],
    ids=["plain", "backwards", "unrolled", "zeros"],
)
def test_layer_does_what_its_definition_says(kind, options, masked):
    cls, step, count, more = CELLS[kind]
    layer = noisy(cls(6, return_sequences=True, return_state=True, **more, **options))
    states = [np.full((3, 6), 0.1 * (n + 1), "f") for n in range(count)]
    mask = MASK if masked else np.ones_like(MASK)
    output, *last = layer(X, initial_state=states, mask=mask if masked else None)
    zero = options.get("zero_output_for_mask", False)
    backwards = options.get("go_backwards", False)
    expected, wanted = read_slowly(step, X, states, layer.get_weights(), mask, backwards, zero)
    np.testing.assert_allclose(output, expected, rtol=2e-5, atol=2e-6)
    for found, one in zip(last, wanted, strict=True):
        np.testing.assert_allclose(found, one, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("kind", CELLS)
def test_cell_layer_and_loop_over_the_cell_agree(kind):
    cls, _, count, more = CELLS[kind]
    layer = noisy(cls(6, **more))
    made = {SimpleRNN: SimpleRNNCell, LSTM: LSTMCell, GRU: GRUCell}[cls](6, **more)
    looped = RNN(made)
    looped(X)
    looped.set_weights(layer.get_weights())
    np.testing.assert_array_equal(looped(X), layer(X))
    output, states = None, [jnp.zeros((3, 6))] * count
    for t in range(5):
        output, states = made(X[:, t], states)
    np.testing.assert_allclose(output, layer(X), rtol=1e-5, atol=1e-6)


class Minimal(layers.Layer):
    """The cell of the documents of Keras 2."""

    def __init__(self, units, **kwargs):
        self.units = units
        self.state_size = units
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
        )
        self.built = True

    def call(self, inputs, states):
        output = K.dot(inputs, self.kernel) + K.dot(states[0], self.recurrent_kernel)
        return output, [output]


def test_cells_of_the_documents_run():
    x = Input((None, 4))
    single = Model(x, RNN(Minimal(6))(x))
    single.compile("sgd", "mse")
    single.fit(X, np.zeros((3, 6)), verbose=0)
    kernel, inner = single.get_weights()
    h = np.zeros((3, 6), "f")
    for t in range(5):
        h = X[:, t] @ kernel + h @ inner
    np.testing.assert_allclose(single.predict(X, verbose=0), h, rtol=1e-5, atol=1e-6)
    both = RNN([Minimal(6), Minimal(7)], return_state=True)
    assert [t.shape for t in both(x)] == [(None, 7), (None, 6), (None, 7)]
    assert [w.shape for w in both.get_weights()] == [(4, 6), (6, 6), (6, 7), (7, 7)]
    again = RNN.from_config(both.get_config(), custom_objects={"Minimal": Minimal})
    assert [cell.units for cell in again.cell.cells] == [6, 7]


class WithConstants(Minimal):
    def build(self, input_shape):
        super().build(input_shape[0])
        assert input_shape[1] == (3, 6)

    def call(self, inputs, states, constants=None):
        output, new = super().call(inputs, states)
        assert constants is not None
        return output + constants[0], new


def test_constants_reach_every_step():
    layer = RNN(WithConstants(6))
    plain = RNN(Minimal(6))
    constant = np.full((3, 6), 0.5, "f")
    layer(X, constants=constant)
    plain(X)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(X, constants=[constant]), plain(X) + 0.5, rtol=1e-6)
    assert layer.get_config()["num_constants"] == 1


def test_stack_runs_cell_by_cell():
    stack = noisy(RNN([LSTMCell(6), GRUCell(7)], return_sequences=True, return_state=True))
    first, second = LSTM(6, return_sequences=True), GRU(7, return_sequences=True)
    second(first(X))
    first.set_weights(stack.get_weights()[:3])
    second.set_weights(stack.get_weights()[3:])
    output, (h, c), state = stack(X)
    np.testing.assert_allclose(output, second(first(X)), rtol=1e-5, atol=1e-6)
    assert (h.shape, c.shape, state.shape) == ((3, 6), (3, 6), (3, 7))
    again = stack(X, initial_state=[h, c, state])[0]
    np.testing.assert_array_equal(stack(X, initial_state=[[h, c], state])[0], again)
    assert isinstance(stack.cell, StackedRNNCells)


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("cls", [SimpleRNN, LSTM, GRU])
def test_dropout_is_the_same_at_all_steps(cls, implementation):
    """Outputs of constant inputs and no memory are the same at all steps."""
    layer = cls(6, dropout=0.5, return_sequences=True, implementation=implementation, seed=3)
    x = np.repeat(X[:, :1], 5, axis=1)
    noisy(layer, x)
    kernel, inner, bias = layer.get_weights()
    layer.set_weights([kernel, 0 * inner, bias])
    found = np.asarray(layer(x, training=True))
    assert np.abs(found[:, 0] - np.asarray(layer(x))[:, 0]).max() > 1e-3
    if cls is SimpleRNN:
        np.testing.assert_allclose(found, np.repeat(found[:, :1], 5, axis=1), rtol=1e-6)


def test_recurrent_dropout_acts_in_training_alone():
    layer = noisy(LSTM(6, recurrent_dropout=0.5))
    np.testing.assert_array_equal(layer(X), layer(X))
    assert np.abs(layer(X, training=True) - layer(X)).max() > 1e-3


def test_states_pass_from_batch_to_batch():
    whole = LSTM(6, return_sequences=True)
    parts = LSTM(6, return_sequences=True, stateful=True, batch_input_shape=(3, 2, 4))
    model = Sequential([parts])
    noisy(whole, X[:, :4])
    model.set_weights(whole.get_weights())
    found = [model.predict(X[:, n : n + 2], batch_size=3, verbose=0) for n in (0, 2)]
    expected = whole(X[:, :4])
    np.testing.assert_allclose(np.concatenate(found, 1), expected, rtol=1e-5, atol=1e-6)
    model.reset_states()
    again = model.predict(X[:, :2], batch_size=3, verbose=0)
    np.testing.assert_array_equal(again, found[0])
    parts.reset_states([np.ones((3, 6)), np.zeros((3, 6))])
    np.testing.assert_array_equal(parts.states[0], np.ones((3, 6)))
    assert len(model.get_weights()) == 3
    assert model.count_params() == 4 * 6 * (4 + 6 + 1)


def test_states_pass_in_fit_and_evaluate():
    model = Sequential([GRU(6, stateful=True, batch_input_shape=(3, 5, 4)), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((3, 1)), batch_size=3, epochs=1, verbose=0)
    state = np.asarray(model.layers[0].states[0])
    assert np.abs(state).max() > 0
    expected = model.predict(X, batch_size=3, verbose=0)
    assert not np.array_equal(model.layers[0].states[0], state)
    model.layers[0].reset_states([state])
    np.testing.assert_allclose(
        model.evaluate(X, np.zeros((3, 1)), batch_size=3, verbose=0),
        np.mean(expected**2),
        rtol=1e-5,
    )


def test_translation_of_2017_trains_and_decodes():
    source, target = Input(shape=(None, 7)), Input(shape=(None, 9))
    _, h, c = LSTM(8, return_state=True)(source)
    decoder, words = LSTM(8, return_sequences=True, return_state=True), Dense(9, "softmax")
    decoded, _, _ = decoder(target, initial_state=[h, c])
    model = Model([source, target], words(decoded))
    model.compile("rmsprop", "categorical_crossentropy")
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(4, 5, 7)), np.eye(9)[rng.integers(0, 9, (4, 6))]
    model.fit([x, y], y, batch_size=2, verbose=0)
    expected = model.predict([x, y], verbose=0)
    encoder = Model(source, [h, c])
    given = [Input((8,)), Input((8,))]
    output, *states = decoder(target, initial_state=given)
    step = Model([target, *given], [words(output), *states])
    states, found = encoder.predict(x, verbose=0), []
    for t in range(6):
        output, *states = step.predict([y[:, t : t + 1], *states], verbose=0)
        found.append(output)
    np.testing.assert_allclose(np.concatenate(found, 1), expected, rtol=1e-4, atol=1e-6)
    # As Keras 2 writes it into files: one list of sequence and states.
    again = decoder([target, h, c])[0]
    other = Model([source, target], words(again))
    np.testing.assert_array_equal(other.predict([x, y], verbose=0), expected)


def test_masks_are_taken_and_passed_on():
    words = Embedding(9, 4, mask_zero=True)(Input((6,), dtype="int32"))
    sequences, *states = LSTM(5, return_sequences=True, return_state=True)(words)
    assert sequences.mask.shape == (None, 6)
    assert [state.mask for state in states] == [None, None]
    assert LSTM(5)(words).mask is None
    masked = Sequential([Masking(input_shape=(5, 4)), noisy(LSTM(6))])
    x = np.where(MASK[..., None], X, 0)
    np.testing.assert_array_equal(masked(x), masked.layers[-1](x, mask=MASK))


@pytest.mark.parametrize("kind", CELLS)
def test_gradients_are_those_of_finite_differences(kind):
    cls, step, count, more = CELLS[kind]
    layer = noisy(cls(3, return_sequences=True, **more))
    weights = [w.astype("float64") for w in layer.get_weights()]
    rng = np.random.default_rng(4)
    target = rng.normal(size=(3, 5, 3))

    def slow(weights):
        states = [np.zeros((3, 3))] * count
        found = read_slowly(step, X.astype("float64"), states, weights, MASK, False, False)[0]
        return np.sum(found * target)

    from lamina.core import pure

    def fast(values):
        outcome = pure.run(layer._computed, layer.weights, values, (X,), {}, MASK)
        return jnp.sum(outcome.result[0] * target.astype("f"))

    slopes = jax.grad(fast)([w.value for w in layer.weights])
    way = [rng.normal(size=w.shape) for w in weights]
    up, down = (
        [w + sign * 1e-5 * d for w, d in zip(weights, way, strict=True)] for sign in (1, -1)
    )
    expected = (slow(up) - slow(down)) / 2e-5
    found = sum(float(jnp.sum(s * d)) for s, d in zip(slopes, way, strict=True))
    assert found == pytest.approx(expected, rel=2e-4)


def test_arguments_of_keras_1():
    layer = LSTM(
        output_dim=4,
        init="uniform",
        inner_init="identity",
        forget_bias_init="zero",
        inner_activation="hard_sigmoid",
        W_regularizer="l2",
        U_regularizer="l1",
        dropout_W=0.1,
        dropout_U=0.2,
        consume_less="mem",
        input_dim=3,
        input_length=7,
    )
    config = layer.get_config()
    assert (layer.units, layer.dropout, layer.recurrent_dropout) == (4, 0.1, 0.2)
    assert (layer.unit_forget_bias, layer.implementation) == (False, 1)
    assert config["recurrent_activation"] == "hard_sigmoid"
    assert config["batch_input_shape"] == (None, 7, 3)
    assert config["kernel_initializer"]["class_name"] == "RandomUniform"
    assert config["recurrent_regularizer"]["class_name"] == "L1"
    assert layers.Recurrent is RNN


def test_a_stack_called_by_itself_runs_its_cells_in_their_order():
    stack = StackedRNNCells([LSTMCell(3), GRUCell(4)])
    rng = np.random.default_rng(8)
    x, *states = (rng.normal(size=(2, size)).astype("f") for size in (5, 3, 3, 4))
    given = [states[:2], states[2]]
    stack(x, given)
    for weight in stack.weights:
        weight.assign(rng.normal(size=weight.shape).astype("f"))
    output, (first, second) = stack(x, given)
    between, ours = stack.cells[0](x, states[:2])
    end, last = stack.cells[1](between, [states[2]])
    np.testing.assert_array_equal(output, end)
    np.testing.assert_array_equal(second, last[0])
    for one, other in zip(first, ours, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bias_of_the_forget_gate_begins_open():
    layer = LSTM(2)
    layer(X)
    np.testing.assert_array_equal(layer.bias, [0, 0, 1, 1, 0, 0, 0, 0])
    layer = LSTM(2, bias_initializer="ones", unit_forget_bias=False)
    layer(X)
    np.testing.assert_array_equal(layer.bias, np.ones(8))


@pytest.mark.parametrize(
    "make",
    [
        lambda: RNN(StackedRNNCells([LSTMCell(3), GRUCell(4, reset_after=False)])),
        lambda: RNN(SimpleRNNCell(3, activation="relu"), return_sequences=True),
        lambda: layers.ConvRNN2D(layers.ConvLSTM2DCell(3, 2, padding="same")),
    ],
)
def test_config_round_trip_with_cells(make):
    layer = make()
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert json.dumps(again.get_config()) == json.dumps(layer.get_config())


WRONG = {
    "units": (lambda: LSTM(0, name="a"), r"LSTM 'a': units must be a positive int, got 0"),
    "activation": (lambda: GRU(3, activation="tahn", name="a"), r"GRU 'a': activation: .*'tanh'"),
    "dropout": (lambda: LSTM(3, dropout=1.5, name="a"), r"LSTM 'a': dropout must be a number"),
    "implementation": (lambda: LSTM(3, implementation=3), r"implementation must be 0, 1 or 2"),
    "rank": (lambda: LSTM(3)(X[0]), r"expected an input of rank 3, got rank 2"),
    "unknown": (lambda: LSTM(3)(Input((5, None))), r"size of axis -1 .* must be known"),
    "unroll": (lambda: LSTM(3, unroll=True)(Input((None, 4))), r"unroll=True needs a known"),
    "batch": (lambda: LSTM(3, stateful=True)(Input((5, 4))), r"batch size must be known"),
    "other_batch": (
        lambda: noisy(LSTM(3, stateful=True))(X[:2]),
        r"keeps states for batches of 3 rows, got a batch of 2. Pass that batch_size",
    ),
    "fixed_batch": (
        lambda: Sequential([LSTM(3, stateful=True, batch_input_shape=(3, 5, 4))]).predict(X[:2]),
        r"The batch size is fixed: pass batch_size=3",
    ),
    "features": (lambda: noisy(LSTM(3))(X[..., :2]), r"expected size 4 on axis -1, got 2"),
    "states": (
        lambda: LSTM(3)(X, initial_state=[np.zeros((3, 3))]),
        r"initial_state needs 2 states of shapes \(3, 3\), \(3, 3\), got 1",
    ),
    "state": (
        lambda: GRU(3)(X, initial_state=np.zeros((3, 2))),
        r"state 0 of initial_state must have shape \(3, 3\), got \(3, 2\)",
    ),
    "twice": (lambda: GRU(3)([X, X], initial_state=X), r"inputs are a list"),
    "mask": (lambda: GRU(3)(X, mask=MASK[:, :3]), r"mask .*\(3, 3\)"),
    "reset": (
        lambda: noisy(GRU(3, stateful=True)).reset_states(np.zeros((2, 3))),
        r"state 0 of reset_states must have shape \(3, 3\), got \(2, 3\)",
    ),
    "no_cell": (lambda: RNN(4), r"cell must be an object with the method call"),
    "no_size": (lambda: RNN(Dense(4)), r"the cell must have an attribute state_size"),
    "no_cells": (lambda: RNN([]), r"cells must be a list of at least one cell"),
    "no_constants": (lambda: RNN(GRUCell(4))(X, constants=X), r"has no argument constants"),
    "images": (lambda: ConvLSTM2D(3, 2)(X), r"expected an input of rank 5, got rank 3"),
    "strides": (
        lambda: ConvLSTM2D(3, 2, strides=2, dilation_rate=2),
        r"strides and dilation_rate cannot both be larger than 1",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_calls_are_explained(case):
    call, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_reset_is_for_stateful_layers():
    with pytest.raises(AttributeError, match=r"LSTM 'a': reset_states is for layers with stateful"):
        LSTM(3, name="a").reset_states()


class Grows(Minimal):
    def call(self, inputs, states):
        output, _ = super().call(inputs, states)
        return output, [jnp.concatenate([output, output], -1)]


def test_states_of_a_cell_keep_their_shapes():
    with pytest.raises(
        ValueError, match=r"must have the shapes of the old ones, \[\(3, 6\)\], got"
    ):
        RNN(Grows(6))(X)
