# pyright: reportIncompatibleMethodOverride=false
"""Models with a ``call`` of their own."""

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.layers import Dense, Dropout, Input, Layer
from lamina.models import Model


class Net(Model):
    def __init__(self, units=4, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first = Dense(units, activation="relu", name="first")
        self.drop = Dropout(0.5)
        self.rest = [Dense(5, name="second")]

    def call(self, inputs, training=None):
        hidden = self.first(inputs)
        if training:
            hidden = self.drop(hidden, training=training)
        return self.rest[0](hidden)


def by_hand(model, x):
    k1, b1, k2, b2 = model.get_weights()
    return np.maximum(x @ k1 + b1, 0) @ k2 + b2


@pytest.mark.parametrize("how", ["call", "build", "fit", "symbolic"])
def test_built_on_first_use(how, x):
    model = Net()
    assert not model.built
    assert model.weights == []
    if how == "call":
        model(x)
    elif how == "build":
        model.build((None, 3))
    elif how == "symbolic":
        assert model(Input(shape=(3,))).shape == (None, 5)
    else:
        model.compile("sgd", "mse")
        model.fit(x, np.ones((4, 5)), verbose=0)
    assert [w.path for w in model.weights] == [
        "first/kernel", "first/bias", "second/kernel", "second/bias",
    ]  # fmt: skip
    np.testing.assert_allclose(model(x), by_hand(model, x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(x), by_hand(model, x), rtol=1e-4, atol=1e-5)


def test_the_training_flag_reaches_call(x):
    model = Net(units=64)
    still = model(x)
    np.testing.assert_array_equal(model(x, training=False), still)
    assert np.abs(np.asarray(model(x, training=True)) - still).max() > 0


def test_training_changes_all_weights(x):
    model = Net(units=16)
    model.compile("sgd", "mse")
    model(x)
    before = model.get_weights()
    model.fit(x, np.ones((4, 5)), epochs=3, verbose=0)
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, model.get_weights(), strict=True))


def test_nested_and_within_a_graph(x):
    class Outer(Model):
        def __init__(self):
            super().__init__()
            self.inner = Net(name="inner")
            self.last = Dense(2, name="last")

        def call(self, inputs):
            return self.last(self.inner(inputs))

    outer = Outer()
    assert outer(x).shape == (4, 2)
    assert len(outer.weights) == 6
    assert [layer.name for layer in outer.layers] == ["inner", "last"]
    a = Input(shape=(3,))
    model = Model(a, Dense(1)(outer(a)))
    assert model(x).shape == (4, 1)
    assert len(model.weights) == 8


def test_several_inputs_by_name_and_outputs_in_a_dict(x):
    class Two(Model):
        def __init__(self):
            super().__init__()
            self.left, self.right = Dense(2), Dense(2)

        def call(self, inputs):
            a, b = self.left(inputs["a"]), self.right(inputs["b"])
            return {"sum": a + b, "left": a}

    outputs = Two()({"a": x, "b": 2 * x})
    assert sorted(outputs) == ["left", "sum"]
    assert outputs["sum"].shape == (4, 2)


def test_configs_of_subclasses(x):
    model = Net(units=6)
    assert model.get_config()["units"] == 6
    copy = Net.from_config(model.get_config())
    copy(x)
    assert copy.first.units == 6


def test_sizes_that_are_not_known_are_asked_for():
    with pytest.raises(ValueError, match=r"last|size"):
        Net().build((None, None))
    model = Net()
    with pytest.raises(ValueError, match="build needs the shape of the input"):
        model.build()
    model.build((None, 7, 3))
    assert model.compute_output_shape((None, 7, 3)) == (None, 7, 5)


def test_a_model_without_call_or_graph(x):
    with pytest.raises(NotImplementedError, match="neither inputs and outputs nor a method call"):
        Model()(x)


def test_losses_and_metrics_added_in_call(x):
    class Adds(Layer):
        def call(self, inputs):
            self.add_loss(0.25 * jnp.sum(inputs**2))
            self.add_metric(jnp.max(inputs), name="largest")
            return inputs

    class Host(Model):
        def __init__(self):
            super().__init__()
            self.part = Adds()

        def call(self, inputs):
            return self.part(inputs)

    model = Host()
    model(x)
    np.testing.assert_allclose(model.losses, [0.25 * (x**2).sum()], rtol=1e-5)
    model(2 * x)
    np.testing.assert_allclose(model.losses, [(x**2).sum()], rtol=1e-5)
    model.compile("sgd", "mse")
    logs = model.evaluate(x, x, verbose=0, return_dict=True)
    np.testing.assert_allclose(logs["loss"], 0.25 * (x**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(logs["largest"], x.max(), rtol=1e-5)


def test_a_graph_with_attributes_beside_it(x):
    class Graph(Model):
        def __init__(self):
            a = Input(shape=(3,))
            hidden = Dense(4, name="hidden")(a)
            super().__init__(inputs=a, outputs=Dense(2)(hidden))
            self.encoder = Model(a, hidden)

    model = Graph()
    assert model(x).shape == (4, 2)
    assert model.encoder(x).shape == (4, 4)
    assert len(model.weights) == 4


@pytest.mark.parametrize("name", ["train_step", "test_step", "predict_step"])
def test_whole_steps_of_a_subclass_are_refused(name, x):
    model = type("Own", (Net,), {name: lambda self, data: {}})()
    with pytest.raises(NotImplementedError, match=f"{name} is overridden.*[Oo]verride"):
        model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=name):
        model.predict(x)
    assert model(x).shape == (len(x), 5)
