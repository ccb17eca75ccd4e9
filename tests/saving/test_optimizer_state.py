"""The state of optimizers: in files of real releases, in ours, and on to further steps."""

import io
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.saving import golden

from lamina import optimizers
from lamina.layers import Dense
from lamina.models import Sequential
from lamina.saving import (
    archive,
    h5_file,
    h5_writing,
    keras3_weights,
    legacy_weights,
    optimizer_reading,
    optimizer_state,
    reading,
    weights,
)

# For each way of writing a state some models: all optimizers, nested and converted weights.
CASES = [
    ("keras1.2.2", "h5", ["mlp", "cnn_first", "optimizer_nadam", "text"]),
    ("keras1.2.2-theano", "h5", ["conv1d"]),
    ("keras2.2.4", "h5", ["plain", "cnn_last", "nested", "optimizer_amsgrad", "optimizer_nadam"]),
    ("keras2.2.4", "h5", ["optimizer_adagrad"]),
    ("tf2.15", "h5", ["mlp", "legacy_adam"]),
    ("keras3.15", "h5", ["mlp"]),
    ("keras3.15", "keras", ["cnn_last", "nested", "plain", "optimizer_amsgrad", "optimizer_nadam"]),
    ("keras3.0", "keras", ["mlp"]),
]
EACH = [(release, name, kind) for release, kind, names in CASES for name in names]


def compiled(model: Any, training: dict[str, Any], loss: str) -> Any:
    found = training.get("optimizer_config") or training["optimizer"]
    name = found["class_name"].rpartition(">")[2]
    model.compile(optimizers.get({"class_name": name, "config": found["config"]}), loss)
    model.optimizer.build(model.trainable_weights)
    return model


def restored(model: Any, file: Path) -> bool:
    """Give a model the weights and the state of a file."""
    source: Any = file
    if file.suffix == ".keras":
        with archive.opened(file) as members:
            source = archive.member(members, archive.WEIGHTS, file.name)
    with h5_file.opened(source) as root:
        found = reading.in_h5(root, model)
        weights.assign(model, found)
        return optimizer_reading.load(model.optimizer, root, found)


@pytest.mark.filterwarnings("ignore:Embedding. dropout of Keras 1")
@pytest.mark.parametrize(("release", "name", "kind"), EACH)
def test_training_goes_on_as_in_the_release(
    tmp_path: Path, release: str, name: str, kind: str
) -> None:
    entry = golden.find(release, name)
    model, training = golden.model_of(golden.path(entry, kind, tmp_path))
    compiled(model, training, entry["loss"])
    assert restored(model, golden.path(entry, kind, tmp_path))
    x, y = golden.one(golden.arrays(entry, "input")), golden.one(golden.arrays(entry, "target"))
    losses = [model.train_on_batch(x, y) for _ in range(2)]
    # Keras 1 and 2 add epsilon to the root, lamina and Keras 3 under it.
    outside = entry["optimizer"] in ("RMSprop", "Adagrad", "Adadelta") and kind == "h5"
    atol = 1e-3 if outside else 1e-6
    with np.load(golden.FOLDER / entry["arrays"]) as recorded:
        np.testing.assert_allclose(losses[0], recorded["loss_1"], rtol=1e-5)
        np.testing.assert_allclose(losses[1], recorded["loss_2"], rtol=1e-3 if outside else 1e-5)
    after = golden.arrays(entry, "weight", "_after_2")
    ours = model.get_weights()
    # Not so for kernels of Keras 1; and the moving variance of Keras 2.2.4 is another one.
    alike = [a.shape for a in ours] == [a.shape for a in after]
    if alike and not ("batch_statistics" in entry["facts"] and release == "keras2.2.4"):
        for mine, theirs in zip(ours, after, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=atol)


# Ours, both ways.

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "rmsprop": lambda: optimizers.RMSprop(0.01),
    "centered": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adam": lambda: optimizers.Adam(0.01),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "ftrl": lambda: optimizers.Ftrl(0.1),
    "lion": lambda: optimizers.Lion(0.01),
    "adafactor": lambda: optimizers.Adafactor(0.01),
    "average": lambda: optimizers.Adam(0.01, use_ema=True),
    "gathered": lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "scaled": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01)),
    "schedule": lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
}
X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")


def trained(make: Any, steps: int) -> Sequential:
    rng = np.random.default_rng(2)
    model = Sequential([Dense(4, input_shape=(3,), name="a"), Dense(2, name="b")], name="m")
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    model.compile(make(), "mse")
    model.optimizer.build(model.trainable_weights)
    for _ in range(steps):
        model.train_on_batch(X, Y)
    return model


def written(model: Any, layout: str) -> io.BytesIO:
    buffer = io.BytesIO()
    with h5_writing.written(buffer) as root:
        if layout == "keras":
            state = optimizer_state.arrays(model.optimizer)
            keras3_weights.write(root, model, (model.optimizer.name, state))
        else:
            legacy_weights.write(root.create_group("model_weights"), model)
            optimizer_state.write_legacy(root, model.optimizer)
    return buffer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_number_of_the_state_comes_back(name: str) -> None:
    model = trained(OPTIMIZERS[name], 3)
    state, values = jax.tree.map(np.array, model.optimizer.state), model.get_weights()
    for layout in ("keras", "legacy"):
        file = written(model, layout)
        model.optimizer.state = jax.tree.map(jnp.zeros_like, state)
        model.set_weights([np.zeros_like(value) for value in values])
        with h5_file.opened(file, "f") as root:
            found = reading.in_h5(root, model)
            weights.assign(model, found)
            assert optimizer_reading.load(model.optimizer, root, found)
        for a, b in zip(
            jax.tree.leaves(model.optimizer.state), jax.tree.leaves(state), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-6 if name == "nadam" else 0)
        for a, b in zip(model.get_weights(), values, strict=True):
            np.testing.assert_array_equal(a, b)


def test_training_goes_on_bit_for_bit() -> None:
    model, other = trained(OPTIMIZERS["adam"], 3), trained(OPTIMIZERS["adam"], 1)
    with h5_file.opened(written(model, "keras"), "f") as root:
        found = reading.in_h5(root, other)
        weights.assign(other, found)
        assert optimizer_reading.load(other.optimizer, root, found)
    for _ in range(2):
        assert model.train_on_batch(X, Y) == other.train_on_batch(X, Y)
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def keras_2(model: Any, arrays: list[np.ndarray], names: list[str]) -> io.BytesIO:
    """A file with the state as a list in Keras 2's order."""
    buffer = io.BytesIO()
    with h5_writing.written(buffer) as root:
        legacy_weights.write(root.create_group("model_weights"), model)
        group = root.create_group("optimizer_weights")
        h5_writing.put_texts(group, "weight_names", names)
        for name, array in zip(names, arrays, strict=True):
            h5_writing.put_array(group, name, array)
    return buffer


SHAPES = [(3, 4), (4,), (4, 2), (2,)]


@pytest.mark.parametrize(
    ("name", "slots", "ends"),
    [
        ("adam", ["momentum", "velocity"], 4),
        ("amsgrad", ["momentum", "velocity", "velocity_hat"], 0),
        ("adamax", ["momentum", "norm"], 0),
        ("nadam", ["momentum", "velocity"], 0),
        ("momentum", ["momentum"], 0),
        ("adadelta", ["accumulated_grad", "accumulated_delta_var"], 0),
    ],
)
def test_lists_of_keras_2_have_one_slot_after_the_other(
    name: str, slots: list[str], ends: int
) -> None:
    model = trained(OPTIMIZERS[name], 0)
    rng = np.random.default_rng(3)
    lists = [[rng.normal(size=s).astype("float32") for s in SHAPES] for _ in slots]
    arrays = [np.int64(7), *(a for one in lists for a in one)]
    arrays += [np.zeros(1, "float32")] * ends  # Adam keeps a place for amsgrad
    kind = type(model.optimizer).__name__
    names = [
        f"{kind}/iterations:0",
        *(f"training/{kind}/Variable_{number}:0" for number in range(len(arrays) - 1)),
    ]
    with h5_file.opened(keras_2(model, arrays, names), "f") as root:
        found = reading.in_h5(root, model)
        assert optimizer_reading.load(model.optimizer, root, found)
    assert int(model.optimizer.iterations.value) == 7
    named = {v.name: v.numpy() for v in model.optimizer.variables}
    for slot, one in zip(slots, lists, strict=True):
        labels = [f"a_kernel_{slot}", f"a_bias_{slot}", f"b_kernel_{slot}", f"b_bias_{slot}"]
        for label, array in zip(labels, one, strict=True):
            np.testing.assert_array_equal(named[label], array)


def test_states_that_do_not_fit_change_nothing() -> None:
    model = trained(OPTIMIZERS["adam"], 2)
    before = model.optimizer.get_weights()
    for other in ("momentum", "amsgrad"):
        for layout in ("keras", "legacy"):
            with (
                h5_file.opened(written(trained(OPTIMIZERS[other], 1), layout), "f") as root,
                pytest.raises(ValueError, match=r"<Adam 'adam'> has 10 arr.*another|optimizer SGD"),
            ):
                optimizer_reading.load(model.optimizer, root, reading.in_h5(root, model))
    for a, b in zip(model.optimizer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_files_without_a_state_and_optimizers_without_one() -> None:
    model = trained(OPTIMIZERS["adam"], 1)
    buffer = io.BytesIO()
    with h5_writing.written(buffer) as root:
        keras3_weights.write(root, model)
    with h5_file.opened(buffer) as found:
        assert optimizer_reading.load(model.optimizer, found) is False
        with pytest.raises(ValueError, match="has no state yet"):
            optimizer_reading.load(optimizers.Adam(), found)


def test_names_in_our_legacy_files_are_those_of_tf_keras(tmp_path: Path) -> None:
    model = trained(OPTIMIZERS["adam"], 1)
    (tmp_path / "f.h5").write_bytes(written(model, "legacy").getvalue())
    root: Any
    with h5py.File(tmp_path / "f.h5", "r") as root:
        group = root["optimizer_weights"]
        names = [name.decode() for name in group.attrs["weight_names"]]
        assert names[:3] == ["iteration:0", "Adam/momentum/a/kernel:0", "Adam/velocity/a/kernel:0"]
        assert group["iteration:0"][()] == 1


def test_files_of_weights_bring_the_state_along_as_in_keras_3(tmp_path: Path) -> None:
    model, other = trained(OPTIMIZERS["adam"], 3), trained(OPTIMIZERS["adam"], 1)
    model.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    for a, b in zip(model.optimizer.get_weights(), other.optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    another = trained(OPTIMIZERS["momentum"], 1)
    before = another.optimizer.get_weights()
    with pytest.warns(UserWarning, match="'m': load_weights leaves the optimizer as it is: <SGD"):
        another.load_weights(tmp_path / "w.weights.h5")
    for a, b in zip(another.optimizer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(another.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def named_like(kind: str, words: list[str]) -> list[str]:
    paths = ["a/kernel", "a/bias", "b/kernel", "b/bias"]
    return [f"{kind}/iter:0", *(f"{kind}/{path}/{word}:0" for word in words for path in paths)]


STATES = {
    "another_class": (named_like("Adam", ["m"]), "those of the optimizer Adam"),
    "another_class_of_keras_2": (
        ["training/RMSprop/Variable:0", *(f"training/RMSprop/Variable_{n}:0" for n in range(4))],
        "those of the optimizer RMSprop",
    ),
    "words_of_another": (named_like("own", ["m"]), "another optimizer"),
    "more_slots": (["V:0", *(f"V_{n}:0" for n in range(8))], "another optimizer"),
    "a_part_too_much": (["V:0", *(f"V_{n}:0" for n in range(5))], "another optimizer"),
}


@pytest.mark.parametrize("case", STATES)
def test_slots_of_other_optimizers_are_not_taken_for_a_momentum(case: str) -> None:
    names, message = STATES[case]
    model = trained(OPTIMIZERS["momentum"], 2)
    before = model.optimizer.get_weights()
    shapes = [SHAPES[number % 4] for number in range(len(names) - 1)]
    arrays = [np.zeros((), "int64"), *(np.ones(shape, "float32") for shape in shapes)]
    with (
        h5_file.opened(keras_2(model, arrays, names), "f") as root,
        pytest.raises(ValueError, match=message),
    ):
        optimizer_reading.load(model.optimizer, root, reading.in_h5(root, model))
    for a, b in zip(model.optimizer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["momentum", "rmsprop"])
def test_keras_1_tells_optimizers_apart_by_the_steps(kind: str) -> None:
    model = trained(OPTIMIZERS[kind], 1)
    arrays: list[Any] = [np.ones(shape, "float32") for shape in SHAPES]
    if kind == "rmsprop":  # a list of SGD
        arrays.insert(0, np.zeros((), "float32"))
    names = [f"param_{number}" for number in range(len(arrays))]
    with (
        h5_file.opened(keras_2(model, arrays, names), "f") as root,
        pytest.raises(ValueError, match="another optimizer"),
    ):
        optimizer_reading.load(model.optimizer, root, reading.in_h5(root, model))


def test_slots_of_tensorflow_go_by_their_names() -> None:
    """In another order than that of the weights, and one weight after the other."""
    model = trained(OPTIMIZERS["adam"], 0)
    paths = ["b/bias", "a/bias", "a/kernel", "b/kernel"]
    shapes = dict(zip(["a/kernel", "a/bias", "b/kernel", "b/bias"], SHAPES, strict=True))
    names = ["Adam/iter:0", *(f"Adam/{path}/{word}:0" for path in paths for word in ("v", "m"))]
    rng = np.random.default_rng(4)
    arrays: list[Any] = [np.int64(3)]
    arrays += [rng.normal(size=shapes[name[5:-4]]).astype("float32") for name in names[1:]]
    with h5_file.opened(keras_2(model, arrays, names), "f") as root:
        assert optimizer_reading.load(model.optimizer, root, reading.in_h5(root, model))
    found = {v.name: v.numpy() for v in model.optimizer.variables}
    for name, array in zip(names[1:], arrays[1:], strict=True):
        slot = {"m": "momentum", "v": "velocity"}[name[-3]]
        np.testing.assert_array_equal(found[f"{name[5:-4].replace('/', '_')}_{slot}"], array)


def test_slots_that_are_exchanged_are_refused() -> None:
    model = trained(OPTIMIZERS["adam"], 1)
    names = [f"adam/{v.name}" for v in model.optimizer.variables]
    arrays = model.optimizer.get_weights()
    names[2], names[3] = names[3], names[2]
    with (
        h5_file.opened(keras_2(model, arrays, names), "f") as root,
        pytest.raises(ValueError, match=r"velocity' stands where 'momentum' is expected"),
    ):
        optimizer_reading.load(model.optimizer, root, reading.in_h5(root, model))


def test_a_state_in_an_archive_is_that_of_the_optimizer_of_its_name() -> None:
    model = trained(OPTIMIZERS["adam"], 1)
    other = trained(OPTIMIZERS["adadelta"], 1)
    with (
        h5_file.opened(written(other, "keras"), "f") as root,
        pytest.raises(ValueError, match="those of the optimizer Adadelta"),
    ):
        optimizer_reading.load(model.optimizer, root, reading.in_h5(root, model))
