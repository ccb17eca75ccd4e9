"""`Dense`: ranks, sparse inputs, old names and errors; values are in test_golden."""

# Many calls here are wrong on purpose, or of another dialect.
# pyright: reportArgumentType=false, reportCallIssue=false, reportFunctionMemberAccess=false

import numpy as np
import pytest
from jax.experimental.sparse import BCOO

from lamina.layers import Dense, Input


@pytest.mark.parametrize("units", [0, -3, 2.5, "4", None, True])
def test_units_are_checked(units):
    with pytest.raises(ValueError, match=r"Dense 'd': units must be a positive int, got"):
        Dense(units, name="d")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((), r"Dense 'd': expected an input of rank 2 at least, got rank 1"),
        ((3, None), r"Dense 'd': the size of axis -1 of the input must be known"),
    ],
)
def test_bad_inputs_are_named(shape, message):
    with pytest.raises(ValueError, match=message):
        Dense(4, name="d")(Input(shape))


def test_changed_channels_are_an_error():
    layer = Dense(4, name="d")
    layer(np.ones((1, 3), "f"))
    with pytest.raises(ValueError, match=r"Dense 'd': expected size 3 on axis -1, got 2"):
        layer(np.ones((1, 2), "f"))


def test_leading_axes_stay():
    layer = Dense(5)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f")
    output = layer(x)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(
        output, np.einsum("bti,io->bto", x, kernel) + bias, rtol=1e-5, atol=1e-6
    )
    assert layer(Input((None, 4))).shape == (None, None, 5)


class Negated(Dense):
    def product(self, inputs, kernel):
        return -super().product(inputs, kernel)


class Lowered(Dense):
    def biased(self, outputs, bias):
        return outputs - bias[None]


@pytest.mark.parametrize("rows", [2, 3])
@pytest.mark.parametrize("activation", ["relu", "tanh", None])
def test_subclasses_say_what_product_and_bias_are(rows, activation):
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype("f")
    for kind, signs in (Negated, (-1, 1)), (Lowered, (1, -1)):
        layer = kind(20, activation=activation, bias_initializer="random_normal")
        y, (kernel, bias) = layer(x), layer.get_weights()
        expected = signs[0] * x @ kernel + signs[1] * bias
        expected = {"relu": lambda v: np.maximum(v, 0), "tanh": np.tanh}.get(activation, np.array)(
            expected
        )
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_sparse_matrix_gives_what_a_dense_one_gives(dtype):
    layer = Dense(5, activation="tanh")
    x = np.random.default_rng(0).integers(0, 2, (6, 4)).astype(dtype)
    expected = layer(x)
    np.testing.assert_allclose(layer(BCOO.fromdense(x)), expected, rtol=1e-6)
    assert layer(Input((4,), sparse=True)).shape == (None, 5)


def test_names_of_keras_1():
    layer = Dense(output_dim=4, init="zeros", W_regularizer="l2", bias=False, input_dim=3)
    assert (layer.units, layer.use_bias) == (4, False)
    assert layer.batch_input_shape == (None, 3)
    assert layer.get_config()["kernel_initializer"]["class_name"] == "Zeros"


def test_initial_weights():
    kernel, bias = np.ones((3, 4), "f"), np.full(4, 2.0, "f")
    assert Dense(4, weights=[kernel, bias])(np.ones((1, 3), "f")).tolist() == [[5.0] * 4]
