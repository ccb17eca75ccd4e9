"""`save_model` and `load_model`: every kind of model comes back, and trains on as it would have."""

import io
import json
import zipfile
from typing import Any

import h5py
import numpy as np
import pytest

from lamina import (
    activations,
    backend,
    layers,
    losses,
    metrics,
    optimizers,
    random,
    registry,
    schedules,
)
from lamina.models import Model, Sequential, load_model, save_model
from lamina.utils import set_random_seed

ENDINGS = ("h5", "keras")
RNG = np.random.default_rng(7)


def noise(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("f")


def halves(x: Any) -> Any:
    return x * 0.5


@registry.register_keras_serializable("saving")
class Scaled(layers.Layer):
    """A registered layer with an argument, a weight and a layer inside."""

    def __init__(self, factor: float = 2.0, inner: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor
        self.inner = inner or layers.Dense(4, name="inside")

    def build(self, input_shape: Any) -> None:
        self.shift = self.add_weight("shift", (1,), initializer="ones")

    def call(self, inputs: Any) -> Any:
        outputs = self.inner(inputs)
        return outputs * self.factor + self.shift.value.reshape((1,) * outputs.ndim)

    def get_config(self) -> dict[str, Any]:
        inner = registry.serialize(self.inner)
        return {**super().get_config(), "factor": self.factor, "inner": inner}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(inner=registry.deserialize("layer", config.pop("inner")), **config)


@registry.register_keras_serializable("saving")
class Own(Model):
    """A subclassed model: its config are its arguments."""

    def __init__(self, units: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.first = layers.Dense(units, activation="tanh")
        self.second = layers.Dense(2)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return self.second(self.first(inputs))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "units": self.units}


def stack() -> Any:
    model = Sequential(
        [
            layers.Dense(5, activation="relu", kernel_regularizer="l2", input_shape=(4,)),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Dropout(0.5, seed=3),
            layers.Dense(3, activation=activations.softmax, kernel_constraint="max_norm"),
        ]
    )
    return model, [noise(6, 4)]


def images() -> Any:
    model = Sequential(
        [
            layers.Conv2D(3, (2, 3), padding="same", dilation_rate=(1, 2), input_shape=(7, 6, 2)),
            layers.ThresholdedReLU(0.1),
            layers.MaxPooling2D((2, 1)),
            layers.ZeroPadding2D(((1, 0), (0, 2))),
            layers.SpatialDropout2D(0.2),
            layers.PReLU(shared_axes=[1, 2]),
            layers.GlobalAveragePooling2D(),
        ]
    )
    return model, [noise(2, 7, 6, 2)]


def words(activation: str = "hard_sigmoid") -> Any:
    model = Sequential(
        [
            layers.Embedding(9, 4, input_length=5),
            layers.Conv1D(3, 2, padding="causal"),
            layers.Activation(activation),
            layers.Flatten(),
        ]
    )
    return model, [RNG.integers(0, 9, (3, 5))]


def graph() -> Any:
    x, y = layers.Input((4,), name="x"), layers.Input((3,), name="y")
    shared = layers.Dense(5, name="shared", activation="elu")
    inner = Sequential([layers.Dense(4, input_shape=(3,), name="in")], name="inner")
    deep_in = layers.Input((5,), name="deep_in")
    deep = Model(deep_in, layers.Dense(5, name="deep_out")(deep_in), name="deep")
    one, two = shared(x), shared(inner(y))
    both = layers.Concatenate(name="both")([deep(one), deep(two)])
    dot = layers.Dot(axes=1, name="dot")([one, two])
    model = Model([x, y], [layers.Dense(2, name="out")(both), dot], name="graph")
    return model, [noise(3, 4), noise(3, 3)]


def frozen() -> Any:
    model = Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(2)])
    model.layers[0].trainable = False
    return model, [noise(3, 4)]


def registered() -> Any:
    model = Sequential([layers.Input((3,)), Scaled(3.0), layers.Dense(2)])
    return model, [noise(2, 3)]


def subclassed() -> Any:
    model = Own(4)
    model(noise(2, 3))
    return model, [noise(2, 3)]


def with_dicts() -> Any:
    x, y = layers.Input((4,), name="x"), layers.Input((4,), name="y")
    total = layers.Add(name="total")([x, layers.Lambda(backend.tanh, name="t")(y)])
    return Model([x, y], {"total": total}), [noise(3, 4), noise(3, 4)]


MODELS = [stack, images, words, graph, frozen, registered, subclassed, with_dicts]


def predicted(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    if isinstance(found, dict):
        found = list(found.values())
    return found if isinstance(found, list) else [found]


def randomised(model: Any) -> Any:
    model.set_weights([np.abs(noise(*weight.shape)) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("make", MODELS)
def test_models_come_back(tmp_path, make, ending):
    model, inputs = make()
    randomised(model)
    path = tmp_path / f"model.{ending}"
    model.save(path)
    again = load_model(path)
    assert again.optimizer is None
    assert type(again) is type(model)
    for old, new in zip(predicted(model, inputs), predicted(again, inputs), strict=True):
        np.testing.assert_array_equal(old, new)
    flags = [layer.trainable for layer in model.layers]
    assert [layer.trainable for layer in again.layers] == flags
    twice = tmp_path / f"twice.{ending}"
    again.save(twice)
    assert config_of(twice) == config_of(path)


def config_of(path: Any) -> Any:
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return json.loads(str(file.attrs["model_config"]))
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.1, momentum=0.5, nesterov=True),
        optimizers.Adam(schedules.ExponentialDecay(0.1, 10, 0.5), clipnorm=0.5),
        optimizers.RMSprop(0.01, decay=0.1),
        optimizers.Nadam(0.01),
        optimizers.Adagrad(0.1, weight_decay=0.01),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_training_goes_on_as_without_a_file(tmp_path, optimizer, ending):
    model = Sequential([layers.Dense(4, activation="tanh", input_shape=(3,)), layers.Dense(2)])
    model.compile(type(optimizer).from_config(optimizer.get_config()), "mse", metrics=["mae"])
    x, y = noise(8, 3), noise(8, 2)
    for _ in range(3):
        model.train_on_batch(x, y)
    model.save(tmp_path / f"model.{ending}")
    again = load_model(tmp_path / f"model.{ending}")
    for _ in range(3):
        model.train_on_batch(x, y)
        again.train_on_batch(x, y)
    for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-6, atol=1e-7)


class Shaken(layers.Layer):
    """Noise from a generator of seeds of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.numbers = random.SeedGenerator()

    def call(self, inputs: Any, training: Any = None) -> Any:
        if not training:
            return inputs
        return inputs + random.normal(inputs.shape, stddev=0.1, seed=self.numbers)


def shaken(optimizer: Any) -> Any:
    model = Sequential(
        [
            layers.Dense(6, activation="tanh", input_shape=(3,)),
            layers.Dropout(0.3),
            Shaken(),
            layers.GaussianNoise(0.2, seed=5),
            layers.BatchNormalization(),
            layers.Dense(2),
        ]
    )
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: optimizers.Adam(0.05),
        lambda: optimizers.SGD(schedules.ExponentialDecay(0.1, 3, 0.5), momentum=0.9),
        lambda: optimizers.RMSprop(0.01, centered=True, momentum=0.3),
    ],
)
def test_random_training_goes_on_bit_for_bit(tmp_path, optimizer, ending):
    """Dropout, noise and the order of rows are those of a training that never stopped."""
    set_random_seed(3)
    model = shaken(optimizer())
    x, y = noise(19, 3), noise(19, 2)
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    model.save(tmp_path / f"model.{ending}")
    set_random_seed(8)
    again = load_model(tmp_path / f"model.{ending}", {"Shaken": Shaken})
    old = model.fit(x, y, batch_size=4, epochs=3, verbose=0).history
    new = again.fit(x, y, batch_size=4, epochs=3, verbose=0).history
    assert old == new
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    again.compile("adam", "mse")  # a training of its own
    assert int(again._step) == 0


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not JSON"),
        ("{}", "no 'seed', but None"),
        ('{"seed": -1, "step": 0, "epochs": 0}', "no 'seed', but -1"),
        ('{"seed": 1, "step": 0, "epochs": 0, "generators": [[1]]}', r"says \[1\] of a generator"),
        ('{"seed": 1, "step": 0, "epochs": 0}', "generators of seeds are"),
    ],
)
def test_damaged_randomness_is_a_warning(tmp_path, ending, text, message):
    model = shaken("sgd")
    path = tmp_path / f"model.{ending}"
    model.save(path)
    if ending == "h5":
        with h5py.File(path, "r+") as file:
            file.attrs["lamina_randomness"] = np.bytes_(text)
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        held = io.BytesIO(members["model.weights.h5"])
        with h5py.File(held, "r+") as file:
            file.attrs["lamina_randomness"] = np.bytes_(text)
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in (members | {"model.weights.h5": held.getvalue()}).items():
                archive.writestr(name, data)
    with pytest.warns(UserWarning, match=message):
        again = load_model(path, {"Shaken": Shaken})
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_compiled_comes_back(tmp_path, ending):
    x = layers.Input((4,), name="x")
    model = Model(x, [layers.Dense(1, name="one")(x), layers.Dense(3, name="two")(x)])
    model.compile(
        "adam",
        {"one": losses.Huber(delta=2.0), "two": losses.mean_squared_error},
        metrics={"one": ["mae", metrics.RootMeanSquaredError(name="rms")], "two": "mse"},
        loss_weights={"one": 0.5, "two": 2.0},
        steps_per_execution=2,
    )
    model.save(tmp_path / f"model.{ending}")
    again = load_model(tmp_path / f"model.{ending}")
    values, targets = noise(4, 4), [noise(4, 1), noise(4, 3)]
    old = model.evaluate(values, targets, verbose=0, return_dict=True)
    new = again.evaluate(values, targets, verbose=0, return_dict=True)
    assert list(old) == list(new)
    assert list(old.values()) == pytest.approx(list(new.values()), rel=1e-6)
    model.save(tmp_path / f"bare.{ending}", include_optimizer=False)
    assert load_model(tmp_path / f"bare.{ending}").optimizer is None


@pytest.mark.parametrize("ending", ENDINGS)
def test_hard_sigmoid_of_both_slopes_comes_back(tmp_path, ending):
    for function in (activations.hard_sigmoid, activations.hard_sigmoid_keras3):
        model = Sequential([layers.Dense(3, activation=function, input_shape=(2,))])
        model.save(tmp_path / f"model.{ending}")
        assert load_model(tmp_path / f"model.{ending}").layers[0].activation is function


@pytest.mark.parametrize("ending", ENDINGS)
def test_functions_of_the_user(tmp_path, ending):
    model = Sequential([layers.Lambda(halves, name="half", input_shape=(2,)), layers.Dense(3)])
    path = tmp_path / f"model.{ending}"
    model.save(path)
    with pytest.raises(ValueError, match=r"'half'.*custom_objects"):
        load_model(path)
    for given in ({"half": halves}, {"halves": halves}):
        x = noise(2, 2)
        again = load_model(path, given)
        np.testing.assert_array_equal(predicted(model, [x])[0], predicted(again, [x])[0])


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path, ending):
    class Forgetful(Model):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.out = layers.Dense(size)

        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return self.out(inputs)

    path = tmp_path / f"model.{ending}"
    good = Sequential([layers.Dense(3, input_shape=(2,))])
    good.save(path)
    before = path.read_bytes()
    bad = Forgetful(2)
    bad(noise(1, 2))
    with pytest.raises(NotImplementedError, match=r"'size'.*get_config"):
        bad.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_wrong_calls(tmp_path):
    model = Sequential([layers.Dense(3, input_shape=(2,))])
    with pytest.raises(ValueError, match=r"must end in \.keras, \.h5 or \.hdf5"):
        model.save(tmp_path / "model.bin")
    model.save(tmp_path / "model.bin", save_format="h5")
    assert load_model(tmp_path / "model.bin").count_params() == 9
    with pytest.raises(FileExistsError, match=r"model\.bin"):
        model.save(tmp_path / "model.bin", overwrite=False, save_format="h5")
    with pytest.raises(ValueError, match="SavedModel"):
        model.save(tmp_path / "model", save_format="tf")
    with pytest.raises(ValueError, match=r"'keras' or 'h5', got 'kears'\. Did you mean 'keras'"):
        model.save(tmp_path / "model", save_format="kears")
    with pytest.raises(ValueError, match="input shape"):
        Sequential([layers.Dense(3)]).save(tmp_path / "model.keras")
    with pytest.raises(TypeError, match="takes a model, got Dense"):
        save_model(layers.Dense(3), tmp_path / "model.keras")
    with pytest.raises(TypeError, match="no argument 'format'"):
        model.save(tmp_path / "model.keras", format="h5")


def test_an_optimizer_that_cannot_be_written_is_a_warning(tmp_path):
    import optax

    model = Sequential([layers.Dense(3, input_shape=(2,))])
    model.compile(optax.adam(0.1), "mse")
    with pytest.warns(UserWarning, match="cannot be written into a file"):
        model.save(tmp_path / "model.keras")
    assert load_model(tmp_path / "model.keras").optimizer is None
