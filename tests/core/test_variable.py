"""`Variable`: works wherever an array works, keeps its shape, obeys the trace."""

import copy
import operator
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.core import pure
from lamina.core.variable import Variable
from lamina.layers import Lambda


def pickled(variable):
    return pickle.loads(pickle.dumps(variable))


VALUE = np.random.default_rng(3).normal(size=(2, 3)).astype("f")


@pytest.fixture
def variable():
    return Variable(VALUE, name="kernel")


@pytest.mark.parametrize(
    "operate",
    [
        operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.floordiv,
        operator.mod, operator.lt, operator.le, operator.gt, operator.ge,
    ],
)  # fmt: skip
def test_operators_are_those_of_arrays(variable, operate):
    other = np.abs(VALUE) + 0.5
    np.testing.assert_allclose(operate(abs(variable), 2.0), operate(abs(VALUE), 2.0), rtol=1e-5)
    np.testing.assert_allclose(operate(2.0, abs(variable)), operate(2.0, abs(VALUE)), rtol=1e-5)
    twin = Variable(other)
    own = abs(variable)
    np.testing.assert_allclose(operate(own, twin), operate(abs(VALUE), other), rtol=1e-5)
    np.testing.assert_allclose(operate(twin, variable), operate(other, VALUE), rtol=1e-5)


def test_matrix_products_on_both_sides(variable):
    left, right = np.ones((5, 2), "f"), np.ones((3, 4), "f")
    np.testing.assert_allclose(variable @ right, VALUE @ right, rtol=1e-5)
    np.testing.assert_allclose(jnp.asarray(left) @ variable, left @ VALUE, rtol=1e-5)
    np.testing.assert_allclose(-variable, -VALUE)


@pytest.mark.parametrize(
    "function", [jnp.sum, jnp.exp, jax.nn.relu, jnp.linalg.norm, jax.jit(jnp.cos), np.mean]
)
def test_functions_take_it(variable, function):
    np.testing.assert_allclose(function(variable), function(VALUE), rtol=1e-5)


def test_products_of_jax_take_it(variable):
    x = jnp.ones((4, 2))
    np.testing.assert_allclose(jnp.dot(x, variable), np.ones((4, 2)) @ VALUE, rtol=1e-5)
    np.testing.assert_allclose(jnp.einsum("ij,jk->ik", x, variable), x @ VALUE, rtol=1e-5)


def test_methods_and_items_are_those_of_arrays(variable):
    assert variable.T.shape == (3, 2)
    assert variable.reshape(6).shape == (6,)
    assert (variable.ndim, variable.size, len(variable)) == (2, 6, 2)
    assert variable.get_shape() == variable._keras_shape == (2, 3)
    np.testing.assert_array_equal(variable[1, :2], VALUE[1, :2])
    np.testing.assert_array_equal(np.asarray(variable), VALUE)
    np.testing.assert_array_equal(variable.read_value(), VALUE)
    assert [row.shape for row in variable] == [(3,), (3,)]
    assert float(Variable(2.5)) == 2.5
    assert int(Variable(np.int32(4))) == 4
    assert bool(Variable(1.0))


def test_assigning_keeps_shape_and_dtype(variable):
    assert variable.assign(np.ones((2, 3), "int64")) is variable
    assert variable.dtype == "float32"
    variable.assign_add(VALUE)
    variable.assign_sub(0.5)
    np.testing.assert_allclose(variable.numpy(), VALUE + 0.5, rtol=1e-6)
    variable.assign(Variable(VALUE))
    np.testing.assert_array_equal(variable.value, VALUE)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (3, 2), (2, 3, 1)])
@pytest.mark.parametrize("method", ["assign", "assign_add", "assign_sub"])
def test_another_shape_is_refused(variable, method, shape):
    with pytest.raises(ValueError, match=r"Variable 'kernel' has shape \(2, 3\)"):
        getattr(variable, method)(np.ones(shape))
    np.testing.assert_array_equal(variable.numpy(), VALUE)


def test_numpy_gives_a_copy(variable):
    variable.numpy()[:] = 7
    np.testing.assert_array_equal(variable.value, VALUE)


def test_a_scalar_shows_its_value_where_it_has_one(variable):
    rate = Variable(0.25, name="rate")
    assert repr(rate) == "<Variable 'rate' shape=() dtype=float32 value=0.25>"
    rate.assign(2)
    assert "value=2.0" in repr(rate)
    assert repr(variable) == "<Variable 'kernel' shape=(2, 3) dtype=float32>"
    seen = []
    pure.trial(lambda: seen.append(repr(rate)), (), {})
    assert seen == ["<Variable 'rate' shape=() dtype=float32>"]


def test_an_initializer_needs_a_shape():
    with pytest.raises(ValueError, match="'bias': an initializer needs a shape"):
        Variable(jnp.zeros, name="bias")


def test_a_run_reads_its_own_values_and_leaves_the_variable_alone(variable):
    def double():
        variable.assign(variable * 2)
        return variable.value.sum()

    outcome = pure.run(double, [variable], [jnp.ones((2, 3))])
    assert float(outcome.result) == 12
    np.testing.assert_array_equal(outcome.values[0], np.full((2, 3), 2))
    np.testing.assert_array_equal(variable.value, VALUE)


def test_gradients_flow_to_the_values_of_a_run(variable):
    def loss(value):
        return pure.run(variable.__pow__, [variable], [value], 2).result.sum()

    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(VALUE)), 2 * VALUE, rtol=1e-6)


def test_a_run_may_not_assign_to_a_variable_it_was_not_given(variable):
    with pytest.raises(ValueError, match="'kernel' was assigned while the model ran"):
        pure.run(lambda: variable.assign_add(1.0), [], [])


def test_assigning_under_a_trace_of_the_user_is_refused(variable):
    with pytest.raises(ValueError, match=r"'kernel' was assigned within jax\.jit"):
        jax.jit(variable.assign)(jnp.ones((2, 3)))
    np.testing.assert_array_equal(variable.value, VALUE)


def test_a_variable_of_no_layer_is_live_in_a_compiled_call():
    factor = Variable(2.0, name="factor")
    layer = Lambda(lambda x: x * factor.value)
    x = jnp.ones((2, 3))
    np.testing.assert_array_equal(layer(x), np.full((2, 3), 2))
    factor.assign(5.0)
    np.testing.assert_array_equal(layer(x), np.full((2, 3), 5))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_copies_are_variables_of_their_own(variable, copied):
    twin = copied(variable)
    twin.assign_add(1.0)
    np.testing.assert_array_equal(variable.numpy(), VALUE)
    assert (twin.name, twin.path, twin.dtype) == ("kernel", "kernel", variable.dtype)
