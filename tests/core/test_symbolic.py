"""`SymbolicTensor`: operators are recorded, values are not pretended."""

import operator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.layers import Dense, Input
from lamina.models import Model

RNG = np.random.default_rng(5)
LEFT: Any = RNG.normal(size=(4, 3)).astype("f")
RIGHT: Any = np.abs(RNG.normal(size=(4, 3))).astype("f") + 0.5


def computed(build, *arrays: Any) -> Any:
    """What a model computes whose outputs are built from inputs of the arrays' shapes."""
    tensors = [Input(shape=a.shape[1:], dtype=a.dtype) for a in arrays]
    data: Any = list(arrays)
    return Model(tensors, build(*tensors))(data if len(data) > 1 else data[0])


ARITHMETIC = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip


@pytest.mark.parametrize("operate", ARITHMETIC)
def test_operators_compute_what_numpy_computes(operate):
    def build(x, y):
        return [operate(x, y), operate(x, 0.25), operate(0.25, y), operate(x, RIGHT[0])]

    quarter = np.float32(0.25)
    expected = [operate(LEFT, RIGHT), operate(LEFT, quarter), operate(quarter, RIGHT)]
    expected.append(operate(LEFT, RIGHT[0]))
    for output, wanted in zip(computed(build, LEFT, RIGHT), expected, strict=True):
        np.testing.assert_allclose(output, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("array", [LEFT[0], jnp.asarray(LEFT[0])], ids=["numpy", "jax"])
def test_arrays_on_the_left_leave_the_work_to_the_tensor(array):
    np.testing.assert_allclose(computed(lambda x: array - x, RIGHT), LEFT[0] - RIGHT, rtol=1e-5)


EXPRESSIONS: dict[str, Any] = {
    "negative": (lambda x: -x, -LEFT),
    "absolute": (abs, abs(LEFT)),
    "power": (lambda x: x**2, LEFT**2),
    "power of a number": (lambda x: 2.0**x, 2**LEFT),
    "column": (lambda x: x[:, 1], LEFT[:, 1]),
    "slices": (lambda x: x[..., None, ::2], LEFT[..., None, ::2]),
    "product": (lambda x: x @ np.ones((3, 5), "f"), LEFT @ np.ones((3, 5))),
    "product from the left": (lambda x: np.ones((2, 4), "f") @ x, np.ones((2, 4)) @ LEFT),
    "sum": (lambda x: x.sum(axis=1), LEFT.sum(axis=1)),
    "reshape": (lambda x: x.reshape(-1, 1, 3), LEFT.reshape((-1, 1, 3))),
    "mean": (lambda x: x.mean(axis=-1, keepdims=True), LEFT.mean(-1, keepdims=True)),
    "and": (lambda x: (x > 0) & (x < 1), (LEFT > 0) & (LEFT < 1)),
    "or, not": (lambda x: ~(x > 0) | (x > 1), ~(LEFT > 0) | (LEFT > 1)),
    "transposed": (lambda x: x.T, LEFT.T),
}


def test_expressions():
    x = Input(batch_shape=LEFT.shape)
    outputs: Any = Model(x, {name: f(x) for name, (f, _) in EXPRESSIONS.items()})(LEFT)
    for name, (_, expected) in EXPRESSIONS.items():
        np.testing.assert_allclose(outputs[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_unknown_sizes_stay_unknown():
    x = Input(shape=(None, 6))
    assert (x + 1).shape == (None, None, 6)
    assert x[:, 0].shape == (None, 6)
    assert x.sum(axis=2).shape == (None, None)
    assert x.reshape(-1, 3).shape == (None, 3)
    assert Dense(4)(x).shape == (None, None, 4)
    assert x[:, 1:].shape == (None, None, 6)


def test_where_a_tensor_came_from():
    x = Input(shape=(3,), name="in")
    layer = Dense(4)
    y, z = layer(x), layer(x)
    assert x._keras_shape == (None, 3)
    assert tuple(z._keras_history) == (layer, 1, 0)
    assert y._keras_history[1] == 0
    assert x.op.name == "in"
    assert (x.ndim, x.dtype.name, x.get_shape()) == (2, "float32", (None, 3))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (bool, r"'in' shape=\(None, 3\).* is symbolic: whether it is true"),
        (lambda x: 1 if x > 0 else 2, "whether it is true is not known"),
        (len, "has no length: its first size is not known"),
        (list, "cannot be iterated over"),
        (float, "has no value that could become a number"),
        (int, "has no value that could become a number"),
        (np.asarray, "NumPy and jax.numpy cannot compute"),
        (jnp.sin, "is symbolic: it has no values yet"),
        (lambda x: range(3)[x], "has no value"),
    ],
)
def test_values_are_not_pretended(use, message):
    with pytest.raises(TypeError, match=message):
        use(Input(shape=(3,), name="in"))


def test_numpy_functions_say_what_to_use():
    with pytest.raises(TypeError):
        np.sin(Input(shape=(3,)))


def test_a_known_first_size_can_be_iterated_over():
    x = Input(batch_shape=(2, 3))
    assert len(x) == 2
    assert [row.shape for row in x] == [(3,), (3,)]


def test_shapes_that_cannot_be_are_refused_at_once():
    with pytest.raises((ValueError, TypeError), match=r"incompatible|broadcast"):
        operator.add(Input(shape=(3,)), Input(shape=(4,)))


def test_a_known_size_can_be_stated():
    x = Input(shape=(None, 3))
    x.set_shape((None, 5, 3))
    assert x.shape == (None, 5, 3)
    with pytest.raises(ValueError, match="of another rank"):
        x.set_shape((5, 3))
    with pytest.raises(ValueError, match="axis 2"):
        x.set_shape((None, 5, 4))


def test_no_other_attributes():
    with pytest.raises(AttributeError, match="no attribute 'sinus'"):
        Input(shape=(3,)).sinus()
