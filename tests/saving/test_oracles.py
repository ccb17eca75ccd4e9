"""What lamina writes, Keras 3.15 and ``tf_keras`` open: same predictions, same training."""

from typing import Any

import numpy as np
import pytest
from tests.saving.oracle import run_oracle
from tests.saving.test_save_model import (
    Scaled,
    frozen,
    graph,
    images,
    noise,
    predicted,
    randomised,
    registered,
    stack,
    subclassed,
    words,
)

from lamina import activations, layers, losses, metrics, optimizers, schedules
from lamina.models import Model, Sequential, load_model
from lamina.utils import set_random_seed

ROADS: list[Any] = [
    (ending, which) for ending in ("keras", "h5") for which in ("keras3", "tf_keras")
]


def sigmoid_words() -> Any:
    return words("sigmoid")


def several_axes() -> Any:
    x = layers.Input((4, 6), name="x")
    y = layers.Permute((2, 1))(x)
    y = layers.Reshape((3, 8))(y)
    y = layers.GaussianNoise(0.1)(layers.UpSampling1D(2)(layers.Cropping1D((1, 0))(y)))
    y = layers.ZeroPadding1D(1)(y)
    y = layers.Softmax(axis=1)(layers.ReLU(6.0, 0.1, 0.2)(y))
    z = layers.RepeatVector(3)(layers.GlobalMaxPooling1D()(x))
    total = layers.Average()([layers.ELU(0.5)(y), y])
    return Model(x, {"total": total, "z": layers.SpatialDropout1D(0.1)(z)}), [noise(2, 4, 6)]


def nests() -> Any:
    """Graphs in graphs, called twice, whose outputs are the model's, too."""
    a = layers.Input((3,), name="a")
    low = Model(a, [layers.Dense(3, name="low_1")(a), layers.Dense(3, name="low_2")(a)], name="low")
    b = layers.Input((3,), name="b")
    first, second = low(b)
    mid = Model(b, layers.Add(name="mid_add")([first, *low(second)]), name="mid")
    c = layers.Input((3,), name="c")
    d = mid(c)
    e = mid(layers.Dense(3, name="between")(d))
    return Model(c, [layers.Dense(2, name="top")(e), d, e], name="nests"), [noise(4, 3)]


def stacks() -> Any:
    """Stacks that are called twice: with an input of their own, and without."""
    x = layers.Input((4,), name="x")
    stated = Sequential([layers.Input((4,)), layers.Dense(4, name="s1"), layers.Dense(4)])
    deferred = Sequential([layers.Dense(4, name="d1"), layers.LeakyReLU(0.2)])
    y = deferred(stated(deferred(stated(x))))
    return Model(x, [layers.Dense(2)(y), y]), [noise(3, 4)]


def causal() -> Any:
    """A call with keywords on several inputs; recurrent layers with their cells."""
    x, y = layers.Input((6, 4), name="x"), layers.Input((5, 4), name="y")
    z = layers.Attention(use_scale=True)([x, y], use_causal_mask=True)
    z = layers.Bidirectional(layers.GRU(3, return_sequences=True))(z)
    z, h, c = layers.RNN(layers.LSTMCell(3), return_state=True)(z)
    return Model([x, y], [z, h, c]), [noise(2, 6, 4), noise(2, 5, 4)]


def masked() -> Any:
    x = layers.Input((4, 3), name="x")
    y = layers.Dense(5)(layers.Masking(0.0)(x))
    inputs = noise(2, 4, 3)
    inputs[:, 2:] = 0
    return Model(x, layers.GlobalAveragePooling1D()(y)), [inputs]


@pytest.mark.parametrize(("ending", "which"), ROADS)
@pytest.mark.parametrize(
    "make", [stack, images, sigmoid_words, graph, nests, stacks, frozen, several_axes, masked]
)
def test_models_predict_the_same(tmp_path, make, ending, which):
    model, inputs = make()
    randomised(model)
    path = tmp_path / f"model.{ending}"
    model.save(path)
    script = """
        model = keras.models.load_model(file)
        found = model.predict(one(inputs), verbose=0)
        found = list(found.values()) if isinstance(found, dict) else several(found)
        result.update(numbered("prediction", found))
        result["trainable"] = [layer.trainable for layer in model.layers]
    """
    found = run_oracle(which, script, file=path, inputs=inputs)
    for place, ours in enumerate(predicted(model, inputs)):
        np.testing.assert_allclose(found[f"prediction_{place}"], ours, rtol=2e-5, atol=2e-6)
    assert found["trainable"] == [layer.trainable for layer in model.layers]


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.5, nesterov=True),
    "schedule": lambda: optimizers.Adam(schedules.ExponentialDecay(0.1, 10, 0.5)),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True, clipnorm=0.5),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adadelta": lambda: optimizers.Adadelta(0.5),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "ftrl": lambda: optimizers.Ftrl(0.1),
}


# Keras 3 itself cannot train on with an `.h5` file, its own neither: it builds the optimizer for no
# weights. tf_keras makes the optimizers of before 2.11 of such files: without AdamW, and with
# another schedule of Nadam's momentum.
THERE = [(name, "keras", "keras3") for name in OPTIMIZERS]
THERE += [(name, "h5", "tf_keras") for name in OPTIMIZERS if name not in ("adamw", "nadam")]


# Keras 3 reads "dot" in `.h5` files, its own too, as the name of a function, and fails.
@pytest.mark.parametrize(("ending", "which"), [road for road in ROADS if road != ("h5", "keras3")])
def test_calls_with_keywords_predict_the_same(tmp_path, ending, which):
    model, inputs = causal()
    randomised(model)
    path = tmp_path / f"model.{ending}"
    model.save(path)
    found = run_oracle(which, "predict", file=path, inputs=inputs)
    for place, ours in enumerate(predicted(model, inputs)):
        np.testing.assert_allclose(found[f"prediction_{place}"], ours, rtol=2e-5, atol=2e-6)
    again = load_model(path)
    for old, new in zip(predicted(model, inputs), predicted(again, inputs), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(("name", "ending", "which"), THERE)
def test_training_goes_on_there(tmp_path, name, ending, which):
    set_random_seed(1)
    model = Sequential([layers.Dense(4, activation="tanh", input_shape=(3,)), layers.Dense(2)])
    model.compile(OPTIMIZERS[name](), "mse")
    x, y = noise(8, 3), noise(8, 2)
    for _ in range(3):
        model.train_on_batch(x, y)
    path = tmp_path / f"model.{ending}"
    model.save(path)
    found = run_oracle(which, "train", file=path, inputs=[x], targets=[y], steps=2)
    ours = [float(model.train_on_batch(x, y)) for _ in range(2)]
    assert [found["loss_1"], found["loss_2"]] == pytest.approx(ours, rel=1e-5)
    # The epsilon of RMSprop stands within the root in tf_keras.
    near = 5e-4 if (name, which) == ("rmsprop", "tf_keras") else 3e-5
    for place, weight in enumerate(model.get_weights()):
        np.testing.assert_allclose(found[f"weight_{place}"], weight, rtol=1e-4, atol=near)


@pytest.mark.parametrize(("ending", "which"), ROADS)
def test_losses_and_metrics_are_there(tmp_path, ending, which):
    x = layers.Input((4,), name="x")
    outs = [layers.Dense(1, name="one")(x), layers.Dense(3, activation="softmax", name="two")(x)]
    model = Model(x, outs)
    model.compile(
        "adam",
        {"one": losses.Huber(delta=2.0), "two": "categorical_crossentropy"},
        metrics={"one": ["mae", metrics.RootMeanSquaredError(name="rms")], "two": ["accuracy"]},
        loss_weights={"one": 0.5, "two": 2.0},
    )
    values = noise(4, 4)
    targets = [noise(4, 1), np.eye(3, dtype="f")[[0, 2, 1, 0]]]
    model.train_on_batch(values, targets)
    path = tmp_path / f"model.{ending}"
    model.save(path)
    script = """
        model = keras.models.load_model(file)
        result["loss"] = model.evaluate(one(inputs), targets, verbose=0, return_dict=True)
    """
    found = run_oracle(which, script, file=path, inputs=[values], targets=targets)["loss"]
    ours = model.evaluate(values, targets, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(ours["loss"], rel=1e-5)
    for name in ("one_mae", "one_rms", "two_accuracy"):  # other releases may name them in full
        assert any(value == pytest.approx(float(ours[name]), rel=1e-5) for value in found.values())


def test_both_slopes_of_hard_sigmoid(tmp_path):
    for function, which, ending in (
        (activations.hard_sigmoid_keras3, "keras3", "keras"),
        (activations.hard_sigmoid, "tf_keras", "h5"),
    ):
        model = Sequential([layers.Dense(3, activation=function, input_shape=(2,))])
        randomised(model)
        model.save(tmp_path / f"model.{ending}")
        inputs = [noise(3, 2)]
        found = run_oracle(
            which,  # type: ignore[arg-type]
            "predict",
            file=tmp_path / f"model.{ending}",
            inputs=inputs,
        )
        ours = predicted(model, inputs)[0]
        np.testing.assert_allclose(found["prediction_0"], ours, rtol=1e-5, atol=1e-6)
    model = Sequential([layers.Dense(3, activation="hard_sigmoid", input_shape=(2,))])
    model.save(tmp_path / "model.keras")
    for which in ("keras3", "tf_keras"):
        with pytest.raises(AssertionError, match="hard_sigmoid_keras2"):
            run_oracle(which, "keras.models.load_model(file)", file=tmp_path / "model.keras")


def on_two_arguments() -> Any:
    x, y = layers.Input((4, 3)), layers.Input((5, 3))
    return Model([x, y], layers.MultiHeadAttention(2, 3)(x, y))


def from_a_state() -> Any:
    x, y = layers.Input((4, 3)), layers.Input((5,))
    return Model([x, y], layers.GRU(5)(x, initial_state=y))


def with_a_function() -> Any:
    x = layers.Input((3,))
    return Model(x, layers.Dense(2)(x + 1))


def bare_slope() -> Any:  # no weights that could be missing
    x = layers.Input((3,))
    return Model(x, layers.Activation(activations.hard_sigmoid_keras3)(x))


def slope_of_a_cell() -> Any:
    cell = layers.GRUCell(3, recurrent_activation=activations.hard_sigmoid_keras3)
    return Sequential([layers.Input((4, 3)), layers.RNN(cell)])


@pytest.mark.parametrize(
    "make", [on_two_arguments, from_a_state, with_a_function, bare_slope, slope_of_a_cell]
)
def test_what_tf_keras_cannot_read_alike_it_refuses(tmp_path, make):
    model = make()
    model.save(tmp_path / "model.keras")
    run_oracle("keras3", "keras.models.load_model(file)", file=tmp_path / "model.keras")
    with pytest.raises(AssertionError, match="Error"):
        run_oracle("tf_keras", "keras.models.load_model(file)", file=tmp_path / "model.keras")


def heads_on_several() -> Any:
    """Attention on two and three tensors, the layer within a stack, and another one twice."""
    x, y, z = (layers.Input(shape, name=name) for name, shape in zip("xyz", HEADS, strict=True))
    one = layers.MultiHeadAttention(2, 3, value_dim=4, name="one")
    two = layers.MultiHeadAttention(3, 2, use_bias=False, output_shape=5, name="two")
    total = layers.Concatenate()([one(x, y), one(x, y), two(x, value=y, key=z)])
    return Model([x, y, z], layers.Dense(2)(total)), [noise(2, *shape) for shape in HEADS]


HEADS = [(4, 3), (6, 5), (6, 7)]


def test_attention_with_heads_opens_in_tf_keras_from_h5(tmp_path):
    model, inputs = heads_on_several()
    randomised(model)
    model.save(tmp_path / "model.h5")
    found = run_oracle("tf_keras", "predict", file=tmp_path / "model.h5", inputs=inputs)
    ours = predicted(model, inputs)[0]
    np.testing.assert_allclose(found["prediction_0"], ours, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_grouped_heads_open_in_keras_3(tmp_path, ending):
    """``tf_keras`` has no such layer, so that HDF5 holds its calls as Keras 3 writes them."""
    x, y = layers.Input((4, 3)), layers.Input((6, 3))
    heads = layers.GroupedQueryAttention(4, 4, 2, use_bias=False)
    model, inputs = Model([x, y], heads(heads(x, value=y), y)), [noise(2, 4, 3), noise(2, 6, 3)]
    randomised(model)
    model.save(tmp_path / f"model.{ending}")
    found = run_oracle("keras3", "predict", file=tmp_path / f"model.{ending}", inputs=inputs)
    ours = predicted(model, inputs)[0]
    np.testing.assert_allclose(found["prediction_0"], ours, rtol=2e-5, atol=2e-6)
    again = load_model(tmp_path / f"model.{ending}")
    np.testing.assert_array_equal(predicted(again, inputs)[0], ours)


def test_no_config_of_attention_with_heads_suits_both(tmp_path):
    """What `save_model` says: ``tf_keras`` wants shapes among the arguments, Keras 3 refuses them.

    If this fails, write ``.keras`` files that both read.
    """
    model, _ = heads_on_several()
    model.save(tmp_path / "model.keras")
    run_oracle("keras3", "keras.models.load_model(file)", file=tmp_path / "model.keras")
    script = """
        config = dict(num_heads=2, key_dim=3)
        shapes = {f"{word}_shape": [None, 4, 3] for word in ("query", "key", "value")}
        for name, found in (("with", config | shapes), ("without", config)):
            try:
                keras.layers.MultiHeadAttention.from_config(found)
                result[name] = "read"
            except Exception as error:
                result[name] = str(error)
    """
    assert "query_shape" in run_oracle("keras3", script)["with"]
    found = run_oracle("tf_keras", script)
    assert (found["with"], found["without"]) == ("read", "'query_shape'")


CLASSES = """
    @keras.saving.register_keras_serializable("saving")
    class Scaled(keras.layers.Layer):
        def __init__(self, factor=2.0, inner=None, **options):
            super().__init__(**options)
            self.factor, self.inner = factor, inner
        def build(self, input_shape):
            self.shift = self.add_weight(name="shift", shape=(1,))
            self.inner.build(input_shape)
            self.built = True
        def call(self, inputs):
            return self.inner(inputs) * self.factor + self.shift
        @classmethod
        def from_config(cls, config):
            inner = keras.saving.deserialize_keras_object(config.pop("inner"))
            return cls(inner=inner, **config)

    @keras.saving.register_keras_serializable("saving")
    class Own(keras.Model):
        def __init__(self, units=3, **options):
            super().__init__(**options)
            self.first = keras.layers.Dense(units, activation="tanh")
            self.second = keras.layers.Dense(2)
        def call(self, inputs):
            return self.second(self.first(inputs))

    model = keras.models.load_model(file)
    result["prediction"] = model.predict(one(inputs), verbose=0)
"""


@pytest.mark.parametrize("make", [registered, subclassed])
def test_registered_classes(tmp_path, make):
    model, inputs = make()
    randomised(model)
    model.save(tmp_path / "model.keras")
    found = run_oracle("keras3", CLASSES, file=tmp_path / "model.keras", inputs=inputs)
    ours = predicted(model, inputs)[0]
    np.testing.assert_allclose(found["prediction"], ours, rtol=1e-5, atol=1e-6)
    assert Scaled.__name__ in CLASSES


@pytest.mark.parametrize(("ending", "which"), [("keras", "keras3"), ("h5", "tf_keras")])
def test_files_go_there_and_back(tmp_path, ending, which):
    model, inputs = graph()
    randomised(model)
    model.save(tmp_path / f"there.{ending}")
    script = "keras.models.load_model(file).save(target)"
    target = tmp_path / f"back.{ending}"
    run_oracle(which, script, file=tmp_path / f"there.{ending}", target=target)
    again = load_model(target)
    for old, new in zip(predicted(model, inputs), predicted(again, inputs), strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-6, atol=1e-6)
