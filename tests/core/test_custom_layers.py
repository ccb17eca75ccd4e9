"""Layers written for Keras 1, 2 and 3 work as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import backend as K
from lamina import constraints, initializers, regularizers
from lamina.core.variable import Variable
from lamina.layers import Dense, Input, Layer
from lamina.models import Model, Sequential, model_from_json


@pytest.fixture(autouse=True)
def settings_of_users():
    """The layers here are written as users write them: ``dot(x, kernel) + bias``."""
    with jax.numpy_rank_promotion("allow"):
        yield


X = np.random.default_rng(7).normal(size=(4, 3)).astype("f")


class Keras1(Layer):
    """As in the documents of Keras 1.0: weights from the initializer itself."""

    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        self.init = initializers.get("glorot_uniform")
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.W = self.init((input_shape[1], self.output_dim), name=f"{self.name}_W")
        self.b = K.zeros((self.output_dim,))
        self.trainable_weights = [self.W, self.b]

    def call(self, x, mask=None):
        return K.dot(x, self.W) + self.b

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], self.output_dim)


class Keras12(Keras1):
    """As in the documents of Keras 1.2."""

    def build(self, input_shape):
        shape = (input_shape[1], self.output_dim)
        self.W = self.add_weight(shape, "uniform", name=f"{self.name}_W", trainable=True)
        self.b = self.add_weight((self.output_dim,), initializer="zero", name=f"{self.name}_b")
        super().build(input_shape)


class Keras2(Layer):
    """As in the documents of Keras 2."""

    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.W = self.add_weight(
            name="kernel",
            shape=(input_shape[1], self.output_dim),
            initializer="uniform",
            trainable=True,
        )
        self.b = self.add_weight("bias", (self.output_dim,), None, "zeros")
        super().build(input_shape)

    def call(self, x):
        return K.dot(x, self.W) + self.b

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.output_dim)

    def get_config(self):
        return {"output_dim": self.output_dim, **super().get_config()}


class Keras3(Layer):
    """As in the documents of Keras 3: weights in the constructor, `jnp` in the call."""

    def __init__(self, output_dim, input_dim=3, **kwargs):
        super().__init__(**kwargs)
        self.W = self.add_weight(shape=(input_dim, output_dim), initializer="random_normal")
        self.b = self.add_weight(shape=(output_dim,), initializer="zeros", trainable=True)
        self.output_dim, self.input_dim = output_dim, input_dim

    def call(self, inputs):
        return jnp.matmul(inputs, self.W) + self.b  # type: ignore[arg-type]


class Keras3Build(Keras3):
    """Sublayers that are built by hand."""

    def __init__(self, output_dim, **kwargs):
        Layer.__init__(self, **kwargs)
        self.output_dim = output_dim
        self.dense = Dense(output_dim)

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.built = True

    @property
    def W(self):
        return self.dense.kernel

    @W.setter
    def W(self, value):
        raise AttributeError

    b = property(lambda self: self.dense.bias)

    def call(self, inputs):
        return self.dense(inputs)


ALL = [Keras1, Keras12, Keras2, Keras3, Keras3Build]
KNOWN = {cls.__name__: cls for cls in ALL}


@pytest.fixture(params=ALL)
def cls(request):
    return request.param


def noisy(layer):
    rng = np.random.default_rng(11)
    layer.set_weights([rng.normal(size=w.shape).astype("f") for w in layer.get_weights()])
    return layer


def test_it_computes_on_arrays(cls):
    layer = cls(5)
    layer(X)
    noisy(layer)
    kernel, bias = layer.get_weights()
    assert (kernel.shape, bias.shape) == ((3, 5), (5,))
    np.testing.assert_allclose(layer(X), X @ kernel + bias, rtol=1e-5)
    assert layer.count_params() == 20


def test_it_says_its_shape(cls):
    layer = cls(5)
    assert layer(Input(shape=(3,))).shape == (None, 5)
    assert layer.output_shape == (None, 5)
    assert cls(5).compute_output_shape((None, 3)) == (None, 5)
    assert layer.built


def test_it_learns(cls):
    model = Sequential([cls(5, input_shape=(3,)), Dense(1)])
    before = model.get_weights()
    model.compile("sgd", "mse")
    model.fit(X, np.ones((4, 1)), epochs=1, verbose=0)
    assert len(model.trainable_weights) == 4
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.abs(old - new).max() > 0


def test_it_goes_through_json(cls):
    model = Sequential([Dense(3, input_shape=(3,)), cls(5, name="mine")])
    noisy(model)
    copy = model_from_json(model.to_json(), custom_objects=KNOWN)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(X), model(X))
    assert copy.layers[1].name == "mine"


def test_weights_of_keras_1_become_variables():
    layer = Keras1(5, name="old")
    layer.build((None, 3))
    assert isinstance(layer.W, Variable)
    assert [w.path for w in layer.trainable_weights] == ["old/W", layer.b.path]
    assert layer.b.path == f"old/{layer.b.name}"
    with pytest.raises(TypeError, match="weights must be variables or arrays, got str 'W'"):
        layer.trainable_weights = ["W"]


def test_building_by_hand_builds_once():
    layer = Keras3Build(5)
    layer.build((None, 3))
    assert layer.dense.built
    layer(X)
    assert len(layer.weights) == 2


ORDERS = {
    "name first": (("kernel", (3, 5), "float32", "ones"), {}),
    "keras 1": (((3, 5), "one", "kernel"), {}),
    "keras 3": (((3, 5), "ones", "float32"), {"name": "kernel"}),
    "words": ((), {"name": "kernel", "shape": [3, 5], "initializer": "ones"}),
}


@pytest.mark.parametrize(("args", "options"), ORDERS.values(), ids=list(ORDERS))
def test_orders_of_add_weight(args, options):
    layer = Layer(name="mine")
    weight = layer.add_weight(*args, **options, trainable=False, regularizer="l2")
    np.testing.assert_array_equal(weight.value, np.ones((3, 5)))
    assert (weight.name, weight.path, weight.trainable) == ("kernel", "mine/kernel", False)
    assert isinstance(weight.regularizer, regularizers.L2)
    assert layer.non_trainable_weights == [weight]


@pytest.mark.parametrize("name", ["kernel", "b", "d", None])
def test_all_arguments_of_keras_1_in_their_order(name):
    """A name of one letter is no dtype."""
    weight = Layer().add_weight((3, 5), "one", name, False, "l2", "nonneg")
    assert (weight.name, weight.dtype, weight.trainable) == (name or "weight", "float32", False)
    assert isinstance(weight.regularizer, regularizers.L2)
    assert isinstance(weight.constraint, constraints.NonNeg)


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        (("k", (None, 3)), {}, ValueError, r"weight 'k' needs known sizes, got shape \(None, 3\)"),
        (("k", (2, -3)), {}, ValueError, r"'k' needs known sizes, got shape \(2, -3\)"),
        (("k", (2, 3)), {"initialiser": "ones"}, TypeError, "Did you mean 'initializer'"),
        (("k", (2, 3), None, "onse"), {}, ValueError, "Unknown initializer 'onse'"),
        (("k", "abc"), {}, ValueError, "'k' needs known sizes"),
        (("k", 2, None, "ones", None, True, None, 8), {}, TypeError, "takes at most 7"),
        (("k", (2, 3)), {"name": "j"}, TypeError, "'name' is given twice"),
    ],
)
def test_wrong_arguments_of_add_weight(args, options, error, message):
    with pytest.raises(error, match=message):
        Layer(name="mine").add_weight(*args, **options)


def test_a_failed_build_leaves_nothing_behind():
    class Fails(Layer):
        fail = True

        def build(self, input_shape):
            self.kernel = self.add_weight("kernel", (input_shape[-1], 2))
            if self.fail:
                raise ValueError("no luck")

        def call(self, x):
            return x @ self.kernel

    layer = Fails()
    with pytest.raises(ValueError, match="no luck"):
        layer(X)
    assert not layer.built
    assert layer.weights == []
    Fails.fail = False
    assert layer(X).shape == (4, 2)
    assert len(layer.weights) == 1


def test_layers_in_lists_and_dicts_are_found():
    class Several(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first = [Dense(5, name="a"), (Dense(2, name="b"),)]
            self.last = {"x": {"y": Dense(7, name="c")}}
            self.scale = [Variable(2.0, name="scale")]

        def call(self, x):
            return self.last["x"]["y"](self.first[1][0](self.first[0](x))) * self.scale[0].value

    layer = Several()
    assert layer(X).shape == (4, 7)
    assert [part.name for part in layer.sublayers()] == ["a", "b", "c"]
    assert [w.path for w in layer.weights] == [
        "scale", "a/kernel", "a/bias", "b/kernel", "b/bias", "c/kernel", "c/bias",
    ]  # fmt: skip
    layer.first.append(Dense(2, name="late"))
    assert len(layer.sublayers()) == 4
    layer.trainable = False
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == 7


def test_variables_in_dicts_and_nested_lists_are_weights_and_train():
    class Holds(Layer):
        def __init__(self):
            super().__init__()
            self.pairs = {"w": K.variable(np.float32(2.0)), "deep": {"v": [K.variable(3.0)]}}
            self.rows = [[K.variable(4.0)], (K.variable(5.0),)]

        def call(self, x):
            first = self.pairs["w"].value * self.pairs["deep"]["v"][0].value
            return x * first * self.rows[0][0].value * self.rows[1][0].value

    layer = Holds()
    values = [float(w) for w in layer.get_weights()]
    assert values == [2.0, 3.0, 4.0, 5.0]
    assert len(layer.trainable_weights) == 4
    model = Sequential([layer])
    model.compile("sgd", "mse")
    model.train_on_batch(X, X)
    after = [float(w) for w in layer.get_weights()]
    assert all(a != b for a, b in zip(after, values, strict=True))


def test_a_subclass_of_a_layer_keeps_what_it_passes_on():
    class Scaled(Dense):
        def __init__(self, units, factor=2.0, **kwargs):
            super().__init__(units, **kwargs)
            self.factor = factor

        def call(self, inputs):
            return super().call(inputs) * self.factor

    layer = Scaled(4, factor=3.0, activation="relu", use_bias=False)
    config = layer.get_config()
    copy = Scaled.from_config(config)
    assert (copy.units, copy.factor, copy.use_bias) == (4, 3.0, False)
    assert copy.activation is layer.activation


def test_build_config_of_keras_3():
    layer = Dense(4)
    layer(X)
    config = layer.get_build_config()
    copy = Dense(4)
    copy.build_from_config({"input_shape": list(config["input_shape"])})
    assert [w.shape for w in copy.weights] == [(3, 4), (4,)]
    assert copy.built


def test_output_spec_of_keras_3():
    from lamina import KerasTensor

    class Doubled(Layer):
        def call(self, x):
            return jnp.concatenate([x, x], axis=1).astype("int32")

        def compute_output_spec(self, inputs):
            return KerasTensor((inputs.shape[0], 2 * inputs.shape[1]), dtype="int32")

    output = Doubled()(Input(shape=(3,)))
    assert (output.shape, output.dtype.name) == ((None, 6), "int32")
    assert Model(output._keras_history.layer.input, output)(X).shape == (4, 6)


def test_a_constructor_must_call_its_base():
    class Forgets(Layer):
        def __init__(self):
            pass

    with pytest.raises(TypeError, match=r"Forgets\.__init__ must call super\(\)\.__init__\(\)"):
        Forgets()


def test_layers_made_in_call_are_refused():
    class Remakes(Layer):
        def call(self, x):
            return Dense(2)(x)

    with pytest.raises(ValueError, match=r"is made anew each time that call runs.*__init__"):
        Remakes()(X)


def test_errors_in_call_name_the_layer():
    class Wrong(Layer):
        def call(self, x):
            return x @ jnp.ones((7, 2))

    with pytest.raises((TypeError, ValueError)) as caught:
        Wrong(name="mine")(X)
    assert "in the call of Wrong 'mine' on inputs of shapes (4, 3)" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    "call",
    [
        np.sin,
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x[0, 0]),
        lambda x: x[x > 0],
    ],
    ids=["numpy", "if", "float", "mask"],
)
def test_values_that_are_not_known_yet(call):
    layer = type("Asks", (Layer,), {"call": lambda self, x: call(x)})(name="mine")
    with pytest.raises(TypeError, match="Asks 'mine': call needs values that are not known"):
        layer(X)


def test_call_is_needed():
    with pytest.raises(NotImplementedError, match="defines no method call"):
        Layer()(X)
    with pytest.raises(TypeError, match="'mine' was called without inputs"):
        Dense(2, name="mine")()
