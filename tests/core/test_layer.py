"""What every layer knows: its calls, weights, losses, shapes and masks."""

import inspect
import threading
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import backend as K
from lamina.core import calls
from lamina.layers import Add, Dense, Dropout, Input, InputSpec, Layer
from lamina.models import Model, Sequential


def wrong(**options: Any) -> Any:
    """Keywords that type checkers would refuse."""
    return options


X = np.random.default_rng(9).normal(size=(4, 3)).astype("f")


def test_what_a_layer_knows_of_its_one_call():
    x = Input(shape=(3,), name="x")
    layer = Dense(2, name="d")
    y = layer(x)
    assert layer.input is layer.get_input_at(0) is x
    assert layer.output is layer.get_output_at(0) is y
    assert (layer.input_shape, layer.output_shape) == ((None, 3), (None, 2))
    assert layer.get_input_shape_at(0) == (None, 3)
    assert layer.get_output_shape_at(-1) == (None, 2)
    assert layer.input_mask is layer.output_mask is None
    node = layer.inbound_nodes[0]
    assert node.outbound_layer is layer
    assert node.inbound_layers == [x.op]
    assert (node.node_indices, node.tensor_indices) == ([0], [0])
    assert (node.input_shapes, node.output_shapes) == ([(None, 3)], [(None, 2)])
    assert x.op.outbound_nodes == [node]


def test_what_it_knows_of_several_calls():
    layer = Dense(2, name="d")
    layer(Input(shape=(3,)))
    layer(Input(shape=(3,)))
    assert layer.input_shape == (None, 3)
    with pytest.raises(AttributeError, match=r"called 2 times, so input is ambiguous"):
        _ = layer.input
    layer(Input(shape=(7, 3)))
    assert layer.get_output_shape_at(2) == (None, 7, 2)
    with pytest.raises(AttributeError, match=r"differ in output_shape: \(None, 2\), \(None, 2\), "):
        _ = layer.output_shape
    with pytest.raises(ValueError, match=r"output of call 3 was asked for.* called 3 times"):
        layer.get_output_at(3)


@pytest.mark.parametrize("name", ["input", "output", "input_shape", "output_shape", "input_mask"])
def test_before_any_symbolic_call(name):
    layer = Dense(2)
    layer(X)
    with pytest.raises(AttributeError, match=f"{name} is known only after"):
        getattr(layer, name)


def test_several_inputs():
    a, b = Input(shape=(3,)), Input(shape=(3,))
    layer = Add()
    layer([a, b])
    assert layer.input == [a, b]
    assert layer.input_shape == [(None, 3), (None, 3)]


def test_weights_are_read_written_and_counted():
    layer = Dense(2, name="d")
    with pytest.raises(ValueError, match=r"count_params needs weights.*input_shape"):
        layer.count_params()
    with pytest.raises(ValueError, match="not built yet: call it on data first"):
        layer.set_weights([np.ones((3, 2))])
    layer(X)
    assert layer.count_params() == 8
    assert [w.name for w in layer.weights] == ["kernel", "bias"]
    kernel = np.arange(6.0).reshape(3, 2)
    layer.set_weights([kernel, np.ones(2)])
    np.testing.assert_allclose(layer(X), X @ kernel + 1, rtol=1e-5)
    with pytest.raises(ValueError, match=r"set_weights: 'd/bias' has shape \(2,\), got .*\(3,\)"):
        layer.set_weights([kernel + 1, np.ones(3)])
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)
    with pytest.raises(ValueError, match=r"got 1 arrays, but the layer has 2 weights: d/kernel"):
        layer.set_weights([kernel])


def test_frozen_layers_keep_their_weights_apart():
    layer = Dense(2)
    layer(X)
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (2, 0)
    layer.trainable = False
    assert (len(layer.trainable_variables), len(layer.non_trainable_variables)) == (0, 2)
    assert len(layer.weights) == len(layer.variables) == 2
    assert not Dense(2, trainable=False).trainable


def test_looking_for_trainable_weights_takes_a_walk_however_many_are_frozen(monkeypatch):
    outer = Layer()
    for _ in range(30):
        inner = Layer()
        inner.part, inner.dense = outer, Dense(2)  # type: ignore[attr-defined]
        outer = inner
    outer.trainable = False
    count: list[int] = []
    walk = Layer.sublayers
    monkeypatch.setattr(Layer, "sublayers", lambda self: count.append(0) or walk(self))
    assert outer.trainable_weights == []
    assert len(count) <= 2 * 61 + 1


def test_methods_that_need_a_run_say_so():
    with pytest.raises(RuntimeError, match=r"Call the layer itself, layer\(x\)"):
        Dense(2).random_key(0)


def test_dtypes_and_defaults():
    layer = Dense(2, dtype="float16")
    assert (layer.dtype, layer.compute_dtype) == ("float16", "float16")
    assert layer(X).dtype == "float16"
    mixed = Dense(2, dtype="mixed_bfloat16")
    assert mixed(X).dtype == "bfloat16"
    assert mixed.weights[0].dtype == mixed.dtype == "float32"
    plain = Layer()
    assert (plain.dtype, plain.stateful, plain.supports_masking) == ("float32", False, False)
    with pytest.raises(ValueError, match=r"dtype must be a dtype such as 'float32'.*got 'flaot32'"):
        Dense(2, dtype="flaot32")


def test_losses_of_weights_and_activities():
    layer = Dense(2, kernel_regularizer="l2", activity_regularizer="l1", use_bias=False)
    output = layer(X)
    kernel = layer.get_weights()[0]
    expected = [0.01 * np.abs(output).sum() / 4, 0.01 * (kernel**2).sum()]
    np.testing.assert_allclose(layer.losses, expected, rtol=1e-5)
    np.testing.assert_allclose(layer.get_losses_for(None), expected[1:], rtol=1e-5)
    assert layer.updates == layer.get_updates_for(None) == []
    model = Sequential([layer])
    model.compile("sgd", "mse")
    value = model.evaluate(X, np.asarray(output), verbose=0)
    np.testing.assert_allclose(value, sum(expected), rtol=1e-4)


def test_a_loss_that_is_a_function_is_computed_at_each_step():
    layer = Dense(2, use_bias=False, input_shape=(3,))
    model = Sequential([layer])
    layer.add_loss(lambda: jnp.sum(layer.kernel.value**2))
    model.compile("sgd", "mse")
    target = np.asarray(model(X))
    kernel = layer.get_weights()[0]
    np.testing.assert_allclose(model.evaluate(X, target, verbose=0), (kernel**2).sum(), rtol=1e-4)
    model.fit(X, target, batch_size=4, verbose=0)
    np.testing.assert_allclose(layer.get_weights()[0], kernel * (1 - 2 * 0.01), rtol=1e-3)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda d: d.add_loss(1.0), "add_loss got a value outside of call"),
        (lambda d: d.add_loss(Input(shape=(3,))), r"got a symbolic tensor.*model\.add_loss"),
        (lambda d: d.add_metric(1.0, name="m"), "add_metric is called with an array"),
        (lambda d: d.add_metric(1.0, aggregation="max"), "aggregation is 'mean', got 'max'"),
    ],
)
def test_losses_and_metrics_that_cannot_be(act, message):
    with pytest.raises(ValueError, match=message):
        act(Dense(2))


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (InputSpec(ndim=2), (4, 3, 2), "expected an input of rank 2, got rank 3"),
        (InputSpec(min_ndim=3), (4, 3), "expected an input of rank 3 at least, got rank 2"),
        (InputSpec(max_ndim=1), (4, 3), "expected an input of rank 1 at most, got rank 2"),
        (InputSpec(axes={-1: 5}), (4, 3), "expected size 5 on axis -1, got 3"),
        (InputSpec(shape=(None, 5)), (4, 3), r"expected shape \(None, 5\), which has 5 on axis 1"),
        ([InputSpec(ndim=2)] * 2, (4, 3), r"expected 2 inputs, got 1 of shapes \(4, 3\)"),
    ],
)
def test_input_specs(spec, shape, message):
    layer = Layer(name="picky")
    layer.input_spec = spec
    with pytest.raises(ValueError, match=f"'picky': {message}"):
        layer(np.ones(shape))


def test_a_built_layer_tells_for_what():
    layer = Dense(2, name="d")
    layer(X)
    with pytest.raises(ValueError, match=r"'d': .*7.*built on inputs of shape \(4, 3\)"):
        layer(np.ones((4, 7), "f"))
    with pytest.raises(ValueError, match="'d': expected an input of rank 2 at least"):
        layer(np.ones(3, "f"))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Dense(2, **wrong(activaton="relu")), TypeError, "Did you mean 'activation'"),
        (lambda: Dense(2, **wrong(name=3)), TypeError, "name must be a string, got 3"),
        (
            lambda: Dense(units=2, **wrong(output_dim=3)),
            TypeError,
            "output_dim and units are the same",
        ),
        (lambda: Layer(units=2), TypeError, "unknown argument 'units'"),
        (lambda: Dense(2)("text"), TypeError, "the input of a call is an array.*got str 'text'"),
        (lambda: Dense(2)({1, 2}), TypeError, "got set {1, 2}"),
    ],
)
def test_wrong_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_signature_is_that_of_the_constructor():
    names = list(inspect.signature(Dense).parameters)
    assert names[:3] == ["units", "activation", "use_bias"]
    assert "self" not in names


def test_names_count_up_and_start_anew():
    K.clear_session()
    assert [Dense(2).name for _ in range(3)] == ["dense", "dense_1", "dense_2"]
    assert Sequential().name == "sequential"
    K.clear_session()
    assert Dense(2).name == "dense"
    assert [Input(shape=(3,)).name for _ in range(2)] == ["input_1", "input_2"]


def compilations(monkeypatch):
    """The names of what is traced for compiling."""
    seen = []
    plain = calls.Program.function

    def counted(self, *args):
        seen.append(self._layer.name)
        return plain(self, *args)

    monkeypatch.setattr(calls.Program, "function", counted)
    return seen


def test_a_second_call_compiles_nothing(monkeypatch):
    seen = compilations(monkeypatch)
    model = Sequential([Dense(4, input_shape=(3,)), Dropout(0.5), Dense(2)], name="m")
    first = model(X)
    assert seen == ["m"]
    np.testing.assert_array_equal(model(X), first)
    model(jnp.asarray(2 * X))
    model(X.tolist())
    assert seen[1:] in ([], ["m"])  # lists of Python numbers are float64 before they are cast
    count = len(seen)
    model(X[:2])
    assert len(seen) == count + 1
    model(X, training=True)
    model(X, training=True)
    assert len(seen) == count + 2
    model.weights[0].assign_add(1.0)
    assert np.abs(model(X) - first).max() > 0
    assert len(seen) == count + 2


def test_under_a_trace_of_the_user():
    layer = Dense(2)
    expected = layer(X)
    np.testing.assert_allclose(jax.jit(layer)(X), expected, rtol=1e-5)
    gradient = jax.grad(lambda x: layer(x).sum())(jnp.asarray(X))
    np.testing.assert_allclose(gradient, np.tile(layer.get_weights()[0].sum(1), (4, 1)), rtol=1e-5)
    assert jax.eval_shape(layer, jax.ShapeDtypeStruct((7, 3), jnp.float32)).shape == (7, 2)


def test_threads_may_call_one_model():
    a = Input(shape=(3,))
    model = Model(a, Dense(2)(Dense(8, activation="tanh")(a)))
    expected = {rows: np.asarray(model(np.tile(X, (rows, 1)))) for rows in (1, 2)}
    fresh = Model(a, model.outputs[0])
    wrong = []

    def work(rows):
        for _ in range(10):
            if not np.allclose(fresh(np.tile(X, (rows, 1))), expected[rows], atol=1e-5):
                wrong.append(rows)

    threads = [threading.Thread(target=work, args=(1 + place % 2,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
