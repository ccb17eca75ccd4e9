"""K.function and K.gradients on graphs with layers and free functions."""

import numpy as np
import pytest

from lamina import backend as K
from lamina.core.layer import Layer
from lamina.layers import Dense, Input

RNG = np.random.default_rng(1)


class Scaled(Layer):
    """Counts its calls in training; else scales by a weight and by somebody else's variable."""

    def __init__(self, outside, **options):
        super().__init__(**options)
        self.function = lambda x: x * outside

    def build(self, input_shape):
        self.factor = self.add_weight(name="factor", shape=(1,), initializer="ones")
        self.calls = self.add_weight(name="calls", shape=(), initializer="zeros", trainable=False)
        self.built = True

    def call(self, inputs, training=None):
        if training:
            self.calls.assign_add(1.0)
            return inputs
        return self.function(inputs) * K.reshape(self.factor, (1, 1)) + self.calls


def noise(*shape):
    return RNG.normal(size=shape).astype("f")


def test_weights_are_read_at_each_call():
    outside, x, data = K.variable(3.0), Input((2,)), noise(4, 2)
    layer = Scaled(outside)
    f = K.function([x, K.learning_phase()], [layer(x)])
    np.testing.assert_allclose(f([data, 1])[0], data)
    np.testing.assert_allclose(f([data, 0])[0], 3 * data, rtol=1e-6)
    K.set_value(outside, 5.0)
    K.set_value(layer.factor, [2.0])
    np.testing.assert_allclose(f([data, 0])[0], 10 * data, rtol=1e-6)
    # What layers assign is not kept: the count stays.
    assert K.get_value(layer.calls) == 0


def test_structures_of_inputs_and_outputs():
    x, y = K.placeholder((None, 2)), K.placeholder((2,), dtype="int32")
    weight = K.variable([1.0, 2.0])
    f = K.function([x, y], [x + 1, weight, y * 2], name="f")
    one, two, three = f([[[1, 2]], [3.0, 4.0]])
    assert [part.dtype.name for part in (one, two, three)] == ["float32", "float32", "int32"]
    np.testing.assert_array_equal(three, [6, 8])
    np.testing.assert_array_equal(K.function(x, x * 2)(np.ones((1, 2))), [[2.0, 2.0]])
    middle = x * 3
    np.testing.assert_array_equal(K.function([middle], [middle + 1])([[[1, 1]]])[0], [[2.0, 2.0]])
    with pytest.raises(ValueError, match="'f': expected 2 inputs, got 1"):
        f([np.ones((1, 2))])
    with pytest.raises(ValueError, match=r"has shape \(None, 2\), got a value of shape \(1, 3\)"):
        f([np.ones((1, 3)), [1, 2]])
    with pytest.raises(ValueError, match="not among the model's inputs"):
        K.function([x], [y + 1])
    with pytest.raises(TypeError, match="inputs must be symbolic tensors"):
        K.function([np.ones(2)], [x])
    with pytest.raises(TypeError, match="an update is a pair"):
        K.function([x], [x], updates=[3])
    with pytest.raises(ValueError, match="unknown arguments options"):
        K.function([x], [x], options=1)


def test_faults_are_raised():
    table, index = K.variable(noise(3, 2)), K.placeholder((None,), dtype="int32")
    f = K.function([index], [K.gather(table, index)])
    np.testing.assert_array_equal(f([[2, 0]])[0], K.get_value(table)[[2, 0]])
    with pytest.raises(ValueError, match="index 4 in row 1"):
        f([[1, 4]])


def numeric(function, x, step=1e-2):
    """Central differences of a function of one array."""
    x = np.asarray(x, "f")
    found = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        shift = np.zeros_like(x)
        shift[place] = step
        found[place] = (function(x + shift) - function(x - shift)) / (2 * step)
    return found


def test_gradients_of_weights_inputs_and_results():
    x = Input((3,))
    first, second = Dense(4, activation="tanh"), Dense(2)
    hidden = first(x)
    loss = K.sum(K.square(second(hidden)) * 0.5, axis=-1)
    data = noise(5, 3)
    wanted = [x, hidden, first.kernel, second.bias]
    of_x, of_hidden, of_kernel, of_bias = K.function([x], K.gradients(loss, wanted))([data])
    value = K.function([x], [K.sum(loss)])
    np.testing.assert_allclose(of_x, numeric(lambda v: value([v])[0], data), atol=3e-3)

    def with_kernel(kernel):
        old = K.get_value(first.kernel)
        K.set_value(first.kernel, kernel)
        total = value([data])[0]
        K.set_value(first.kernel, old)
        return total

    numbers = numeric(with_kernel, K.get_value(first.kernel))
    np.testing.assert_allclose(of_kernel, numbers, atol=5e-3)
    outputs, inner = K.function([x], [second(hidden), hidden])([data])
    np.testing.assert_allclose(of_hidden, outputs @ K.get_value(second.kernel).T, rtol=1e-4)
    np.testing.assert_allclose(of_bias, outputs.sum(0), rtol=1e-4)
    assert inner.shape == of_hidden.shape


def test_gradients_of_a_result_include_all_that_follows():
    x = K.placeholder((2,))
    one = x * 2
    two = one * one
    found = K.function([x], K.gradients(K.sum(one * two), [one, two]))([[1.0, 2.0]])
    np.testing.assert_allclose(found[0], [12.0, 48.0])
    np.testing.assert_allclose(found[1], [2.0, 4.0])


def test_gradients_of_gradients():
    x = K.placeholder((3,))
    (once,) = K.gradients(K.sum(x**3), x)
    (twice,) = K.gradients(K.sum(once), [x])
    data = np.array([1.0, -2.0, 3.0], "f")
    np.testing.assert_allclose(K.function([x], [twice])([data])[0], 6 * data)


def test_gradients_keep_the_draws_of_the_run():
    x = K.placeholder((40,))
    dropped = K.dropout(x, 0.5)
    (of_x,) = K.gradients(K.sum(dropped), [x])
    kept, slope = K.function([x], [dropped, of_x])([np.ones(40)])
    np.testing.assert_array_equal(kept, slope)


def test_gradients_that_are_not_there():
    x, y, unused = K.placeholder((2,)), K.placeholder((2,)), K.variable([1.0])
    loss = K.sum(K.stop_gradient(x) * x)
    of_x, of_y, of_variable = K.gradients(loss, [x, y, unused])
    assert of_y is None
    assert of_variable is None
    np.testing.assert_array_equal(K.function([x], [of_x])([[3.0, 4.0]])[0], [3.0, 4.0])
    with pytest.raises(TypeError, match="the loss must be computed from"):
        K.gradients(np.float32(1), [x])
    with pytest.raises(TypeError, match="of a float dtype"):
        K.gradients(loss, [K.placeholder((2,), dtype="int32")])


def test_eval():
    np.testing.assert_array_equal(K.eval(K.variable([1.0, 2.0])), [1.0, 2.0])
    np.testing.assert_array_equal(K.eval(K.learning_phase()), False)


def test_loops_read_variables_and_draw_at_each_step():
    factor, x = K.variable(2.0), K.placeholder((4, 3))
    f = K.function([x], [K.map_fn(lambda row: row * factor + K.random_uniform((3,)), x)])
    first = f([np.zeros((4, 3))])[0]
    assert len(np.unique(first)) == 12
    K.set_value(factor, 10.0)
    assert (f([np.ones((4, 3))])[0] >= 10).all()
    with pytest.raises(TypeError, match="used a symbolic tensor from outside"):
        K.map_fn(lambda row: row * K.placeholder((3,)), np.ones((2, 3), "f"))
    with pytest.raises(ValueError, match="which a loop cannot do"):
        K.map_fn(lambda row: K.update(factor, row[0]), np.ones((2, 3), "f"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": np.ones((2, 3))}, "at least 3 axes"),
        ({"inputs": K.placeholder((2, None, 3)), "unroll": True}, "known number of steps"),
        ({"mask": np.ones((2, 4)), "initial_states": []}, "a mask needs initial states"),
        ({"mask": np.ones((4, 2))}, r"mask must have shape \(batch, steps\) = \(2, 4\)"),
        ({"initial_states": [np.ones((2, 5), "f")]}, "must keep number, shapes and dtypes"),
    ],
)
def test_rnn_errors(change, message):
    options = {"inputs": np.ones((2, 4, 3), "f"), "initial_states": [np.ones((2, 3), "f")]}
    with pytest.raises(ValueError, match=message):
        K.rnn(lambda x, states: (x, [x]), **(options | change))
