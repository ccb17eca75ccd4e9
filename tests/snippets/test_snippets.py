"""Every snippet of the notes, run as it was written, keeps its promise."""

import types
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.layers import Input
from lamina.models import Model, Sequential

NOISE = np.random.default_rng(0)
ALL = [f"a_{n:02}" for n in range(1, 32)] + [f"b_{n:02}" for n in range(1, 20)]

# One sample of an antirectified row: the mean of 1, 2, 3 is 2, and (-1, 0, 1) has length 2 ** 0.5.
HALF = 0.5**0.5
ANTIRECTIFIED = [[0, 0, HALF, HALF, 0, 0]]


def test_all_snippets_are_here():
    found = sorted(path.name for path in Path(__file__).parent.glob("*.py.txt"))
    assert found == [f"{key}.py.txt" for key in ALL]


# TensorFlow itself is not there; both forms that take its place give the same module.


def test_a_01_asks_for_a_module_with_layers(text_of):
    assert text_of("a_01").splitlines()[1] == "from tensorflow import keras"
    table = {}
    exec(text_of("a_01").splitlines()[1].replace("tensorflow", "lamina"), table)
    assert table["keras"] is lamina
    assert table["keras"].layers is layers


def test_a_01_by_another_name():
    table = {}
    exec("import lamina as keras\nfrom lamina import keras as again", table)
    assert table["keras"].layers is layers
    assert table["again"] is lamina


# A-03 and the other examples of the notes on layers


def noted_shapes(execute, key, monkeypatch):
    """The output shape after each ``add``, and the model."""
    found = []
    add = Sequential.add

    def noted(self, layer):
        add(self, layer)
        found.append(self.output_shape)

    monkeypatch.setattr(Sequential, "add", noted)
    return found, execute(key).model


def test_a_03_dense_first_and_second(execute, monkeypatch):
    found, model = noted_shapes(execute, "a_03", monkeypatch)
    assert model.input_shape == (None, 16)
    assert found == [(None, 32), (None, 32)]
    assert [w.shape for w in model.weights] == [(16, 32), (32,), (32, 32), (32,)]
    assert model.predict(np.ones((5, 16), "f"), verbose=0).shape == (5, 32)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("key", ["a_05", "a_06"])
def test_a_05_a_06_softmax(key, text_of):
    layer = eval(text_of(key).strip(), {"keras": lamina})
    x = NOISE.normal(size=(2, 3, 5)).astype("f")
    np.testing.assert_allclose(layer(x), softmax(x), rtol=1e-5)


@pytest.mark.parametrize("key", ["a_09", "b_05"])
@pytest.mark.usefixtures("channels_first")
def test_a_09_b_05_flatten_with_channels_first(key, execute, monkeypatch):
    found, model = noted_shapes(execute, key, monkeypatch)
    assert found == [(None, 64, 32, 32), (None, 65536)]
    assert model.layers[0].kernel.shape == (3, 3, 3, 64)
    assert model.predict(np.ones((1, 3, 32, 32), "f"), verbose=0).shape == (1, 65536)


@pytest.mark.parametrize("key", ["a_09", "b_05"])
def test_a_09_b_05_with_channels_last(key, execute, monkeypatch):
    found, model = noted_shapes(execute, key, monkeypatch)
    assert found == [(None, 3, 32, 64), (None, 6144)]
    assert model.layers[0].kernel.shape == (3, 3, 32, 64)


def test_a_10_input_needs_a_shape(execute):
    with pytest.raises((TypeError, ValueError), match="shape"):
        execute("a_10")


def test_a_11_softmax_of_sixteen(execute):
    model = execute("a_11").model
    assert model.output_shape == (None, 16)
    assert model.count_params() == 528
    rows = model.predict(NOISE.normal(size=(7, 32)), verbose=0)
    np.testing.assert_allclose(rows.sum(-1), np.ones(7), rtol=1e-5)


def test_a_13_three_lambdas(execute):
    model = Sequential([Input((3,))])
    one, two = Input((4,)), Input((4,))
    keras = types.SimpleNamespace(layers=layers, model=model)
    names = execute("a_13", keras=keras, model=model, input_1=one, input_2=two)
    square, antirectifier = model.layers
    np.testing.assert_array_equal(square(np.array([[1, 2, -3]], "f")), [[1, 4, 9]])
    x = np.array([[1, 2, 3]], "f")
    np.testing.assert_allclose(antirectifier(x), ANTIRECTIFIED, atol=1e-6)
    assert x.tolist() == [[1, 2, 3]]
    assert model.output_shape == (None, 6)
    np.testing.assert_allclose(model.predict(np.sqrt(x), verbose=0), ANTIRECTIFIED, atol=1e-6)
    check_product_and_sum(names, one, two)


def check_product_and_sum(names, one, two):
    assert names.x_hadamard.shape == (None, 32)
    assert names.x_sum.shape == (None,)
    model = Model([one, two], [names.x1, names.x2, names.x_hadamard, names.x_sum])
    data = [NOISE.normal(size=(5, 4)).astype("f") for _ in range(2)]
    first, second, product, total = model.predict(data, verbose=0)
    np.testing.assert_allclose(product, first * second, rtol=1e-6)
    np.testing.assert_allclose(total, (first * second).sum(-1), rtol=1e-4, atol=1e-5)


def test_a_29_embedding(execute):
    names = execute("a_29")
    assert names.model.output_shape == (None, 10, 64)
    assert names.output_array.shape == (32, 10, 64)
    table = names.model.get_weights()[0]
    np.testing.assert_array_equal(names.output_array, table[names.input_array])


# The examples of the notes on core layers


def test_b_08_permute(execute):
    model = execute("b_08").model
    assert model.output_shape == (None, 64, 10)
    x = NOISE.normal(size=(3, 10, 64)).astype("f")
    np.testing.assert_array_equal(model.predict(x, verbose=0), x.transpose(0, 2, 1))


def test_b_10_repeat(execute, monkeypatch):
    found, model = noted_shapes(execute, "b_10", monkeypatch)
    assert found == [(None, 32), (None, 3, 32)]
    rows = model.predict(NOISE.normal(size=(2, 32)), verbose=0)
    np.testing.assert_array_equal(rows[:, 0], rows[:, 2])


def test_b_12_square(execute):
    model = Sequential([Input((3,))])
    execute("b_12", model=model)
    x = np.array([[1, 2, -3]], "f")
    np.testing.assert_array_equal(model.predict(x, verbose=0), [[1, 4, 9]])


def test_b_13_antirectifier(execute):
    model = Sequential([Input((3,))])
    execute("b_13", model=model)
    assert model.output_shape == (None, 6)
    x = np.array([[1, 2, 3]], "f")
    np.testing.assert_allclose(model.predict(x, verbose=0), ANTIRECTIFIED, atol=1e-6)


def test_b_14_product_and_sum(execute):
    one, two = Input((4,)), Input((4,))
    check_product_and_sum(execute("b_14", input_1=one, input_2=two), one, two)


# Lines whose arguments all have values make layers as they stand.


def test_lines_that_are_complete_make_layers(text_of):
    made = {}
    for key in ("a_22", "a_23", "a_24", "a_25", "a_26", "a_27", "a_30", "a_31", "b_15", "b_16"):
        made[key] = eval(text_of(key).strip(), {"keras": lamina})
    x = {rank: NOISE.normal(size=(2, 3, 4, 5, 6)[:rank]).astype("f") for rank in (3, 4, 5)}
    for keys, reduced in ((("a_22", "a_23", "a_24"), np.max), (("a_25", "a_26", "a_27"), np.mean)):
        for key, rank in zip(keys, (3, 4, 5), strict=True):
            expected = reduced(x[rank], axis=tuple(range(1, rank - 1)))
            np.testing.assert_allclose(made[key](x[rank]), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made["a_30"](x[3]), softmax(x[3]), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(made["a_31"](x[3]), np.maximum(x[3], 0))
    np.testing.assert_array_equal(made["b_15"](x[3]), x[3])
    np.testing.assert_array_equal(made["b_16"](x[3]), x[3])
