"""Functions in graphs, ``x + 1``, are written and read again: by lamina, and by Keras 3."""

import inspect
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from tests.saving.oracle import run_oracle

from lamina import backend, layers, ops
from lamina.models import Model, load_model, model_from_json
from lamina.saving import operation_table, operations

RNG = np.random.default_rng(11)


def noise(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("f")


def of_keras_3() -> Any:
    x, y = layers.Input((4, 3), name="x"), layers.Input((3,), name="y")
    mean = ops.mean(2 - (x + 1), axis=1)
    first = ops.expand_dims(x[:, 0], 1)
    outputs = [
        layers.Dense(3, name="add")(ops.concatenate([mean, y], axis=-1)),
        ops.matmul(first, ops.transpose(x, (0, 2, 1))),
        ops.einsum("bij,bkj->bik", x, x),
        ops.where(mean > 0, mean, ops.zeros_like(mean)),
        ops.split(x[..., ::2], 2, axis=1)[1],
        ops.clip(ops.reshape(x, (-1, 12)), -0.5, 1),
        ops.add(ops.softmax(y), np.array([1, 2, 3], "float32")),
        ops.cast(ops.max(y, axis=-1, keepdims=True), "float16"),
        ops.one_hot(ops.argmax(y, axis=-1), 3) / 2,
        ops.take(x, np.array([0, 2], "int32"), axis=1),
        ops.average(x, 1, np.array([1, 2, 3, 4], "float32")),
        ops.image.resize(ops.max_pool(x, 2)[:, :, None], (4, 4)),
    ]
    return Model([x, y], outputs, name="functions")


def of_operators_and_k() -> Any:
    x, y = layers.Input((4, 3), name="x"), layers.Input((3,), name="y")
    outputs = [
        -(y**2) + abs(y),
        (y > 0) & (y < 1),
        x @ backend.permute_dimensions(x, (0, 2, 1)),
        x.sum(axis=1),  # type: ignore[attr-defined]
        backend.sum(x, axis=1) - backend.mean(x, axis=1),
        backend.concatenate([x, x[:, 1:]], axis=1),
        backend.exp(backend.square(y)),
        backend.relu(backend.clip(y, -0.5, 0.5)),
        backend.maximum(backend.max(x, axis=1), 0.1),
        backend.stack([y, y], axis=1),
    ]
    return Model([x, y], outputs, name="functions")


def in_a_graph() -> Any:
    """A graph with functions in a graph with functions."""
    a = layers.Input((3,), name="a")
    inner = Model(a, [ops.tanh(layers.Dense(3, name="d")(a)) + a, 2 * a], name="inner")
    x, y = layers.Input((4, 3), name="x"), layers.Input((3,), name="y")
    one, two = inner(y)
    three, four = inner(one * two)
    return Model([x, y], [three - four, one, layers.Flatten()(x + 1)], name="outer")


MODELS = [of_keras_3, of_operators_and_k, in_a_graph]


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("make", MODELS)
def test_they_come_back(tmp_path, make, ending):
    model, inputs = make(), [noise(2, 4, 3), noise(2, 3)]
    path = tmp_path / f"model.{ending}"
    model.save(path)
    again = load_model(path)
    wanted = model.predict(inputs, verbose=0)
    for old, new in zip(wanted, again.predict(inputs, verbose=0), strict=True):
        np.testing.assert_array_equal(old, new)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert again.get_config() == model.get_config()
    for copy in (Model.from_config(model.get_config()), model_from_json(model.to_json())):
        copy.set_weights(model.get_weights())
        for old, new in zip(wanted, copy.predict(inputs, verbose=0), strict=True):
            np.testing.assert_array_equal(old, new)
    found = run_oracle("keras3", "predict", file=path, inputs=inputs)
    for place, ours in enumerate(wanted):
        theirs = found[f"prediction_{place}"].astype("f")
        np.testing.assert_allclose(theirs, ours.astype("f"), rtol=2e-5, atol=2e-6)


def test_what_has_no_name_cannot_be_written(tmp_path):
    x = layers.Input((3,), name="x")
    strange = backend.sqrt(x)  # zero for negative numbers: no function of lamina.ops
    with pytest.raises(NotImplementedError, match=r"_sqrt' was applied.*Wrap it in a Lambda"):
        Model(x, strange).save(tmp_path / "model.keras")
    for argument in (jnp.zeros((300, 300)), backend.variable(np.ones(3))):
        model = Model(x, ops.add(ops.sum(x), argument))
        with pytest.raises(NotImplementedError, match=r"(?s)'add' has the argument .*cannot stand"):
            model.save(tmp_path / "model.keras")
    with pytest.raises(NotImplementedError, match=r"'relu' is called with negative_slope=0\.3"):
        Model(x, backend.relu(x, alpha=0.3)).save(tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


def test_functions_that_keras_3_does_not_write_load_in_lamina_alone(tmp_path):
    x = layers.Input((4, 3), name="x")
    model = Model(x, ops.layer_normalization(x, axis=1))
    model.save(tmp_path / "model.keras")
    inputs = noise(2, 4, 3)
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        model.predict(inputs, verbose=0), again.predict(inputs, verbose=0)
    )
    with pytest.raises(AssertionError, match="layer_normalization"):
        run_oracle("keras3", "predict", file=tmp_path / "model.keras", inputs=[inputs])


def test_tf_keras_refuses_them(tmp_path):
    x = layers.Input((3,), name="x")
    Model(x, x + 1).save(tmp_path / "model.h5")
    with pytest.raises(AssertionError, match="tf_keras could not"):
        run_oracle("tf_keras", "keras.models.load_model(file)", file=tmp_path / "model.h5")


@pytest.mark.parametrize("function", ["map", "eval", "os.system", "", None, ["add"]])
def test_no_other_function_is_read(function):
    entry = {"class_name": "lamina.ops", "config": {"name": "f", "function": function}}
    with pytest.raises(ValueError, match=r"none of lamina\.ops"):
        operations.described(entry)


def test_functions_take_what_the_table_says():
    for name, function in operations.table().items():
        known = operation_table.classes().get(name.replace("_", ""))
        if known is not None and name != "einsum":
            own = inspect.signature(function).parameters
            assert {word.lstrip("*") for word in known.given} <= set(own), name
