"""Variables, phases, names and settings of K."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import backend as K
from lamina import config
from lamina.core import pure
from lamina.layers import Input


@pytest.fixture(autouse=True)
def _fresh():
    yield
    K.clear_session()
    config.set_image_data_format("channels_last")


def test_values_are_read_and_set():
    x = K.variable([1, 2], name="x")
    assert (x.name, K.dtype(x), K.count_params(x)) == ("x", "float32", 2)
    K.set_value(x, [3.0, 4.0])
    K.batch_set_value([(x, [5.0, 6.0])])
    np.testing.assert_array_equal(K.batch_get_value([x])[0], [5.0, 6.0])
    with pytest.raises(ValueError, match=r"batch_set_value: variable 'x' has shape \(2,\)"):
        K.batch_set_value([(x, [0.0, 0.0]), (x, [1.0])])
    np.testing.assert_array_equal(K.get_value(x), [5.0, 6.0])
    with pytest.raises(TypeError, match=r"K\.set_value: expected a variable"):
        K.set_value(np.ones(2), 1)


def test_updates_of_arrays_and_symbols():
    x, step = K.variable([1.0, 2.0]), K.placeholder((2,))
    K.update_add(x, 1.0)
    K.update_sub(x, [0.0, 2.0])
    np.testing.assert_array_equal(K.get_value(x), [2.0, 1.0])
    K.moving_average_update(x, np.array([4.0, 3.0], "f"), 0.75)
    np.testing.assert_array_equal(K.get_value(x), [2.5, 1.5])
    both = K.function([step], [K.sum(x * step)], updates=[K.update_add(x, step)])
    assert both([[1.0, 2.0]])[0] == 5.5
    np.testing.assert_array_equal(K.get_value(x), [3.5, 3.5])
    other = K.function([step], [], updates=[(x, step * 2)])
    assert other([[1.0, 2.0]]) == []
    np.testing.assert_array_equal(K.get_value(x), [2.0, 4.0])


def test_new_variables_and_constants():
    np.testing.assert_array_equal(K.zeros((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(K.ones(2, dtype="int32"), np.ones(2))
    np.testing.assert_array_equal(K.eye(3), np.eye(3))
    assert K.is_variable(K.zeros(3))
    assert K.is_variable(K.random_uniform_variable((2,), 0, 1))
    np.testing.assert_array_equal(K.arange(2, 8, 3), [2, 5])
    np.testing.assert_array_equal(K.constant([1, 2], shape=(2, 1)), [[1.0], [2.0]])
    with pytest.raises(TypeError, match=r"K\.zeros: shape must be made of ints"):
        K.zeros((None, 2))
    assert float(jax.jit(lambda x: K.sum(K.ones((2, 3)) * x))(2.0)) == 12.0


def test_draws():
    one, two = K.random_normal((3, 500), 2.0, 3.0, seed=1), K.random_normal((3, 500), 2.0, 3.0)
    np.testing.assert_array_equal(one, K.random_normal((3, 500), mean=2.0, std=3.0, seed=1))
    assert not np.array_equal(one, two)
    assert abs(np.mean(one) - 2) < 0.4
    assert abs(np.std(one) - 3) < 0.4
    drawn = np.asarray(K.random_uniform((1000,), low=-1.0, high=3.0, seed=2))
    assert -1 <= drawn.min() < -0.9 < 2.9 < drawn.max() < 3
    assert abs(np.mean(K.random_binomial((1000,), p=0.3, seed=3)) - 0.3) < 0.06
    assert np.abs(K.truncated_normal((1000,), seed=4)).max() <= 2


def test_dropout_draws_anew_in_each_run():
    x = K.placeholder((None, 50))
    f = K.function([x], [K.dropout(x, 0.4)])
    first, second = f([np.ones((4, 50))])[0], f([np.ones((4, 50))])[0]
    assert set(np.round(np.unique(first), 4)) == {0.0, np.float32(1.6667)}
    assert not np.array_equal(first, second)
    whole = K.dropout(np.ones((4, 50), "f"), 0.5, noise_shape=(4, 1), seed=3)
    assert all(len(set(row)) == 1 for row in np.asarray(whole).tolist())


def test_phase():
    x = K.placeholder((2,))
    phase = K.learning_phase()
    assert K.is_tensor(phase)
    chosen = K.in_train_phase(lambda: x * 2, x)
    f = K.function([x, phase], [chosen, K.in_test_phase(x, 0.0), K.switch(phase, x, -x)])
    for value, wanted in ((1, [2, 0, 1]), (0, [1, 1, -1])):
        found = f([np.ones(2), value])
        np.testing.assert_array_equal([part[0] for part in found], wanted)
    np.testing.assert_array_equal(K.function([x], [chosen])([np.ones(2)])[0], 1)
    in_run = pure.run(K.learning_phase, [], [], training=True).result
    assert in_run == 1
    K.set_learning_phase(1)
    assert K.learning_phase() == 1
    np.testing.assert_array_equal(K.in_train_phase(np.ones(1), np.zeros(1)), 1)
    with pytest.raises(ValueError, match="expected 0 or 1, got 2"):
        K.set_learning_phase(2)


def test_what_is_known_of_tensors():
    x: Any = Input((3,), name="x")
    assert K.is_keras_tensor(x)
    assert K.is_placeholder(x)
    assert not K.is_placeholder(x * 2)
    with pytest.raises(ValueError, match="expected a tensor, got ndarray"):
        K.is_keras_tensor(np.ones(2))
    assert (K.int_shape(x), K.ndim(x), K.dtype(x)) == ((None, 3), 2, "float32")
    assert K.int_shape(K.variable(np.ones((2, 3)))) == (2, 3)
    assert K.shape(np.ones((2, 3))) == (2, 3)
    sizes, kept = K.function([x], [K.shape(x), K.reshape(x, (K.shape(x)[0], 3, 1))])(
        [np.ones((5, 3))]
    )
    np.testing.assert_array_equal(sizes, [5, 3])
    assert kept.shape == (5, 3, 1)
    assert not K.is_sparse(x)
    assert K.is_sparse(K.placeholder((2,), sparse=True))


def test_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_matrix(np.array([[0, 1], [2, 0]], "f"))
    assert K.is_sparse(matrix)
    np.testing.assert_array_equal(K.to_dense(matrix), [[0, 1], [2, 0]])
    np.testing.assert_array_equal(K.get_value(K.variable(matrix)), [[0, 1], [2, 0]])


def test_names_and_settings():
    K.reset_uids()
    assert [K.get_uid("a"), K.get_uid("a"), K.get_uid("b")] == [1, 2, 1]
    K.set_image_dim_ordering("th")
    assert K.image_data_format() == "channels_first"
    assert K.image_dim_ordering() == "th"
    with pytest.raises(ValueError, match="'tf' or 'th', got 'x'"):
        K.set_image_dim_ordering("x")
    assert K.backend() == "jax"
    assert K.get_session() is None
    K.set_session(None)
    with pytest.raises(ValueError, match="no sessions"):
        K.set_session(object())
    with pytest.raises(ValueError, match="always have a value"):
        K.manual_variable_initialization(True)
    with K.name_scope("part") as name:
        assert name == "part"
    assert K.result_type("int32", "float32") == "float32"
    assert K.standardize_dtype(None) == "float32"
    assert K.is_float_dtype("bfloat16")
    assert not K.is_int_dtype("bool")


def test_print_tensor(capfd):
    x = K.placeholder((2,))
    K.function([x], [K.print_tensor(x, "x: ")])([[1.0, 2.0]])
    jax.effects_barrier()
    assert "x: [1. 2.]" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: K.gather(np.ones((3, 2), "f"), [[0, 1], [3, 0]]), ValueError,
         r"K\.gather: index 3 in row 1 is not in the range from 0 to 2"),
        (lambda: K.repeat(np.ones((2, 3, 4)), 2), ValueError, r"rank 2"),
        (lambda: K.slice(np.ones((2, 3)), (0, 2), (1, 2)), ValueError, "does not fit shape"),
        (lambda: K.switch(np.ones((2, 2)), np.ones(2), np.ones(2)), ValueError, "has rank 2"),
        (lambda: K.categorical_crossentropy(np.ones((2, 3), "f"), np.ones((2, 4), "f")),
         ValueError, r"one shape, got \(2, 3\) and \(2, 4\)"),
        (lambda: K.sparse_categorical_crossentropy([5], np.ones((1, 3), "f")), ValueError,
         "index 5 in row 0"),
        (lambda: K.categorical_crossentropy(np.ones((2, 3)), np.ones((2, 3)), axis=4), ValueError,
         "axis 4 does not exist"),
        (lambda: K.conv2d(np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1)), padding="full"),
         ValueError, r"K\.conv2d: padding must be one of 'valid', 'same', got 'full'"),
        (lambda: K.conv2d(np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1)), (0, 1)), ValueError,
         r"strides must be 2 positive ints"),
        (lambda: K.pool2d(np.ones((1, 4, 4, 1)), 2, pool_mode="min"), ValueError, "'max' or 'avg'"),
        (lambda: K.resize_images(np.ones((1, 4, 4, 1)), 2, 2, interpolation="x"), ValueError,
         "'nearest' or 'bilinear'"),
        (lambda: K.conv2d(np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1)), padding="same",
                          border_mode="same"), TypeError, "are the same argument"),
        (K.placeholder, ValueError, "give a shape, or ndim"),
        (lambda: K.eval(K.placeholder((2,), name="p") * 2), ValueError, "depends on 'p'"),
        (lambda: K.normalize_data_format("x"), ValueError, "data_format must be"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_updates_of_arrays_are_done_at_each_call_of_a_function():
    x, steps, total, slow = Input((3,)), K.variable(0.0), K.variable(5.0), K.variable(8.0)
    updates = [
        K.update_add(steps, 1.0),
        K.update_sub(total, steps),
        K.moving_average_update(slow, 0.0, 0.5),
    ]
    count = K.function([x], [K.sum(x)], updates=updates)
    assert K.batch_get_value([steps, total, slow]) == [0.0, 5.0, 8.0]
    for _ in range(3):
        count([np.ones((2, 3))])
    # Each is computed from what the variables held before the call: 5 - 0 - 1 - 2.
    assert K.batch_get_value([steps, total, slow]) == [3.0, 2.0, 1.0]
    reset = K.function([x], [], updates=[K.update(steps, 7.0)])
    assert K.get_value(steps) == 3.0
    reset([np.ones((2, 3))])
    assert K.get_value(steps) == 7.0


def test_a_variable_is_no_update():
    x, steps = Input((3,)), K.variable(0.0)
    K.update_add(steps, 1.0)
    K.set_value(steps, 5.0)
    with pytest.raises(TypeError, match="an update is a pair"):
        K.function([x], [], updates=[steps])
    assert K.get_value(steps) == 5.0


def test_a_new_value_that_is_the_same_at_each_call_must_say_so():
    x, steps = Input((3,)), K.variable(4.0)
    with pytest.raises(TypeError, match=r"K\.function: the new value of .* is an array"):
        K.function([x], [], updates=[(steps, jnp.add(steps, 1.0))])
    K.function([x], [], updates=[(steps, np.float32(9.0))])([np.ones((2, 3))])
    assert K.get_value(steps) == 9.0
