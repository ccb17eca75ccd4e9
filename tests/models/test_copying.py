"""Configs, JSON, clones, copies and pickles give the same model again."""

import copy
import json
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from lamina import backend
from lamina.layers import (
    GRU,
    RNN,
    Add,
    Bidirectional,
    Dense,
    Embedding,
    Input,
    Lambda,
    Layer,
    LSTMCell,
    TimeDistributed,
)
from lamina.models import Model, Sequential, clone_model, model_from_config, model_from_json
from lamina.optimizers import Adam


def branching():
    """Shared layers, a nested model called twice, two inputs and outputs."""
    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    inner_in = Input(shape=(4,), name="inner_in")
    inner = Model(inner_in, Dense(4, name="deep")(inner_in), name="inner")
    shared = Dense(4, name="shared", activation="tanh")
    left, right = shared(a), shared(b)
    again = inner(inner(left))
    total = Add(name="total")([again, right])
    stack = Sequential([Dense(2, input_shape=(4,), name="s1"), Dense(4, name="s2")], name="stack")
    return Model([a, b], [stack(total), right], name="branching")


def data():
    rng = np.random.default_rng(3)
    return [rng.normal(size=(5, 3)).astype("f") for _ in range(2)]


WAYS = {
    "json": lambda m: model_from_json(m.to_json()),
    "config": lambda m: model_from_config(json.loads(m.to_json())),
    "from_config": lambda m: type(m).from_config(m.get_config()),
    "clone": clone_model,
    "deepcopy": copy.deepcopy,
    "copy": lambda m: pickle.loads(pickle.dumps(m)),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_a_branching_model_comes_back(way):
    model = branching()
    again = WAYS[way](model)
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    assert [w.path for w in again.weights] == [w.path for w in model.weights]
    assert (again.input_names, again.name) == (["a", "b"], "branching")
    assert len(again.get_layer("inner").inbound_nodes) == 2
    again.set_weights(model.get_weights())
    for one, other in zip(again(data()), model(data()), strict=True):
        np.testing.assert_array_equal(one, other)
    again.get_layer("shared").kernel.assign_add(1.0)
    assert np.abs(again(data())[1] - model(data())[1]).max() > 0
    assert again.to_json() == model.to_json()


@pytest.mark.parametrize("way", list(WAYS))
def test_a_sequential_comes_back(way, x):
    model = Sequential([Dense(4, input_shape=(3,)), Dense(2, use_bias=False)], name="m")
    again = WAYS[way](model)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(x), model(x))
    assert (again.name, again.input_shape) == ("m", (None, 3))
    again.pop()
    again.add(Dense(7))
    assert again(x).shape == (4, 7)
    assert model(x).shape == (4, 2)


@pytest.mark.parametrize("way", list(WAYS))
def test_a_model_without_a_shape_comes_back(way):
    again = WAYS[way](Sequential([Dense(4), Dense(2)]))
    assert not again.built
    assert len(again.layers) == 2


def test_structures_of_inputs_and_outputs_come_back(x):
    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    model = Model({"p": a, "q": b}, {"sum": Add()([a, b]), "same": a})
    again = model_from_json(model.to_json())
    outputs = again({"p": x, "q": 2 * x})
    np.testing.assert_allclose(outputs["sum"], 3 * x, rtol=1e-6)
    np.testing.assert_array_equal(outputs["same"], x)


def test_symbolic_arguments_by_keyword_come_back(x):
    class Weighted(Layer):
        def call(self, inputs, scale=None, power=1):
            return inputs**power * scale

    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    model = Model([a, b], Weighted()(a, scale=b, power=2))
    again = model_from_json(model.to_json(), custom_objects={"Weighted": Weighted})
    np.testing.assert_allclose(again([x, 2 * x]), x**2 * 2 * x, rtol=1e-5)


def test_clones_on_other_inputs_and_of_other_layers(x):
    model = branching()
    p, q = Input(shape=(3,), name="p"), Input(shape=(3,), name="q")
    assert clone_model(model, [p, q]).input_names == ["p", "q"]

    def wider(layer):
        config = layer.get_config()
        if isinstance(layer, Dense):
            config["use_bias"] = False
        return type(layer).from_config(config)

    assert len(clone_model(model, clone_function=wider).get_layer("shared").weights) == 1
    with pytest.raises(ValueError, match="got 1 input tensor for 2 inputs"):
        clone_model(model, p)


def test_clones_of_graphs_with_functions_and_masks():
    words = Input(shape=(4,), dtype="int32")
    hidden = Embedding(6, 3, mask_zero=True)(words)
    model = Model(words, Dense(2)(hidden * 2.0 + 1.0))
    again = copy.deepcopy(model)
    rows = np.array([[1, 2, 0, 0]])
    np.testing.assert_array_equal(again(rows), model(rows))


def test_copies_of_a_compiled_model_are_compiled_alike(x):
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(Adam(0.01), "mse", metrics=["mae"], loss_weights=[2.0])
    y = np.ones((4, 1), "f")
    model.fit(x, y, verbose=0)
    again = copy.deepcopy(model)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    before = model.get_weights()
    again.optimizer.learning_rate = 0.5
    again.fit(x, y, verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    assert (int(model.optimizer.iterations), int(again.optimizer.iterations)) == (1, 1)
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert np.abs(again.get_weights()[0] - before[0]).max() > 0.4


def test_copies_of_subclasses(x):
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.parts = [Dense(4), Dense(2)]

        def call(self, inputs):  # type: ignore[override]
            return self.parts[1](self.parts[0](inputs))

    model = Net()
    model(x)
    again = copy.deepcopy(model)
    np.testing.assert_array_equal(again(x), model(x))
    again.parts[0].kernel.assign_add(1.0)
    assert np.abs(again(x) - model(x)).max() > 0
    with pytest.raises(ValueError, match="clone_model needs a graph"):
        clone_model(model)


def test_copies_of_a_layer_were_called_on_nothing(x):
    layer = Dense(2, name="d")
    layer(Input(shape=(3,)))
    again = copy.deepcopy(layer)
    assert again.inbound_nodes == []
    np.testing.assert_array_equal(again(x), layer(x))
    again.weights[1].assign_add(1.0)
    assert np.abs(again(x) - layer(x)).max() > 0


WRONG = [
    ("{", "the text is not JSON"),
    ('{"class_name": "Densee", "config": {"units": 2}}', "Did you mean 'Dense'"),
    ('{"config": {}}', "needs a 'class_name'"),
    (
        '{"class_name": "Model", "config": {"layers": [], "input_layers": [["a", 0, 0]],'
        ' "output_layers": [["a", 0, 0]]}}',
        "names a layer 'a' that it does not describe",
    ),
    (
        '{"class_name": "Model", "config": {"layers": [{"class_name": "Dense", "name": "d",'
        ' "config": {"units": 2, "name": "d"}, "inbound_nodes": [[["d", 0, 0, {}]]]}],'
        ' "input_layers": [["d", 0, 0]], "output_layers": [["d", 0, 0]]}}',
        "wait for each other in a circle: d",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_wrong_configs(text, message):
    with pytest.raises(ValueError, match=message):
        model_from_json(text)


class Ones:
    """An initializer without a config."""

    def __call__(self, shape, dtype=None):
        return jnp.ones(shape, dtype)


class Own(Layer):
    def __init__(self, inner, factor=2.0, **options):
        super().__init__(**options)
        self.inner, self.factor = inner, factor

    def call(self, inputs):
        return self.inner(inputs) * self.factor


def nameless():
    """Functions, objects and classes that no config could name, several of one name."""
    a = Input((4, 3), name="a")
    b = Dense(3, activation=lambda v: v * v, kernel_initializer=Ones(), name="b")(a)
    b = Dense(
        3,
        activation=lambda v: v + 1,
        kernel_regularizer=lambda w: jnp.sum(jnp.abs(w)),
        bias_constraint=lambda w: w - jnp.mean(w),
        name="c",
    )(b)
    table = np.arange(3, dtype="f")
    b = Lambda(lambda v, t: v * t[None, None], arguments={"t": table}, name="d")(b)
    b = TimeDistributed(Own(Dense(3, activation=lambda v: 3 * v)), name="e")(b)
    i = Input((4, 3), name="i")
    inner = Model(i, Lambda(lambda v: v - 1, name="f")(Own(Dense(2), name="g")(i)), name="inner")
    return Model(a, Sequential([Lambda(lambda v: -v)], name="stack")(inner(b)), name="nameless")


def test_clones_share_what_has_no_name():
    model = nameless()
    clone = clone_model(model)
    for name, argument in (("b", "activation"), ("c", "activation"), ("c", "kernel_regularizer")):
        old, new = (getattr(one.get_layer(name), argument) for one in (model, clone))
        assert old is new
    own = [id(layer) for layer in model.all_layers()]
    assert not any(id(layer) in own for layer in clone.all_layers())
    assert not {id(weight) for weight in clone.weights} & {id(weight) for weight in model.weights}
    np.testing.assert_array_equal(clone.get_layer("b").get_weights()[0], np.ones((3, 3)))
    x = np.random.default_rng(5).normal(size=(2, 4, 3)).astype("f")
    assert not np.allclose(clone.predict(x, verbose=0), model.predict(x, verbose=0))
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone.predict(x, verbose=0), model.predict(x, verbose=0))
    assert float(sum(clone.losses)) == float(sum(model.losses))
    with pytest.raises(ValueError, match="does not hold"):  # nothing of this stays
        Lambda.from_config(Lambda(lambda v: v).get_config())


def test_clones_on_other_tensors():
    model = branching()
    p, x = Input(shape=(3,), name="p"), data()
    clone = clone_model(model, {"b": p, "a": x[0]})
    clone.set_weights(model.get_weights())
    wanted = model.predict(x, verbose=0)
    clone = clone_model(model, [Input(shape=(3,), name="q"), p])
    clone.set_weights(model.get_weights())
    for old, new in zip(wanted, clone.predict(x, verbose=0), strict=True):
        np.testing.assert_array_equal(old, new)
    held = clone_model(Sequential([Dense(2, input_shape=(3,))]), x[0])
    assert held.input_shape == (5, 3)
    with pytest.raises(ValueError, match=r"has the keys \['c'\], but the inputs are \['a', 'b'\]"):
        clone_model(model, {"c": p})


def test_what_makes_and_calls_the_layers_of_a_clone():
    seen, called = [], []

    def made(layer):
        seen.append(layer.name)
        return type(layer).from_config(layer.get_config())

    def call(layer, *args, **kwargs):
        called.append(layer.name)
        return layer(*args, **kwargs)

    clone_model(branching(), clone_function=made, call_function=call)
    assert sorted(seen) == ["inner", "shared", "stack", "total"]
    assert sorted(called) == ["inner", "inner", "shared", "shared", "stack", "total"]
    seen.clear()
    clone_model(branching(), clone_function=made, recursive=True)
    assert sorted(seen) == ["deep", "s1", "s2", "shared", "total"]
    with pytest.raises(ValueError, match="call_function is for graphs"):
        clone_model(Sequential([Dense(2)]), call_function=call)


def test_what_has_no_config_says_so():
    a = Input(shape=(3,))
    with pytest.raises(NotImplementedError, match="'_sqrt' was applied to a symbolic tensor"):
        Model(a, backend.sqrt(a)).to_json()
    with pytest.raises((TypeError, ValueError, NotImplementedError)):
        pickle.dumps(Sequential([Lambda(lambda v: v, input_shape=(3,)), _Odd(object())]))


class _Odd(Layer):
    def __init__(self, thing, **kwargs):
        super().__init__(**kwargs)
        self.thing = thing


def test_keras_2_counts_the_calls_of_models_in_models_from_one():
    config = json.loads(branching().to_json())

    def shifted(value):
        if isinstance(value, list) and len(value) in (3, 4) and value[0] in ("inner", "stack"):
            return [value[0], value[1] + 1, *value[2:]]
        if isinstance(value, list):
            return [shifted(part) for part in value]
        return {k: shifted(v) for k, v in value.items()} if isinstance(value, dict) else value

    model, again = branching(), model_from_json(json.dumps(shifted(config)))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(data())[0], model(data())[0])


def test_layers_that_run_both_ways_are_cloned():
    x = Input(shape=(4, 3))
    both = [
        Bidirectional(GRU(2, return_sequences=True)),
        Bidirectional(RNN(LSTMCell(2)), backward_layer=RNN(LSTMCell(3), go_backwards=True)),
    ]
    model = Model(x, both[1](both[0](x)))
    clone = clone_model(model)
    assert clone.get_config() == model.get_config()
    assert not {id(w) for w in clone.weights} & {id(w) for w in model.weights}
    noise = np.random.default_rng(1)
    model.set_weights([noise.normal(size=w.shape) for w in model.weights])
    clone.set_weights(model.get_weights())
    values = noise.normal(size=(5, 4, 3)).astype("f")
    np.testing.assert_array_equal(clone(values), model(values))
