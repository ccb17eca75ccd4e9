"""Weights go into a file of each format and come back, or nothing changes."""

import os
import threading
from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import saving
from lamina.core.readers import readers
from lamina.layers import BatchNormalization, Dense, Dropout, Input
from lamina.models import Model, Sequential
from lamina.saving import h5_file, keras3_weights, legacy_weights, tensors

FORMATS = ("w.h5", "w.hdf5", "w", "w.weights.h5", "w.safetensors")


def noisy(model: Any, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def mlp(name: str = "m", units: int = 4, last: str = "two") -> Sequential:
    return Sequential(
        [
            Dense(units, input_shape=(3,), name="one"),
            BatchNormalization(name="norm"),
            Dropout(0.5, name="drop"),
            Dense(2, name=last),
        ],
        name=name,
    )


def nested(trainable: bool = True) -> Model:
    x = Input((3,), name="x")
    inner = mlp("inner", last="middle")
    inner.layers[0].trainable = trainable
    deeper = Model(x, Dense(2, name="two")(inner(x)), name="deeper")
    outer = Input((3,), name="y")
    return Model(outer, Dense(5, name="last")(deeper(outer)), name="outer")


class Scaled(Model):
    """A subclass with weights of its own, layers in lists and dicts, and layers in layers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.zeta = Dense(4, name="zeta")
        self.alpha = Dense(3, name="alpha")
        self.blocks = [Dense(3, name="b0"), [Dense(2, name="b1")]]
        self.table = {"a": BatchNormalization(name="norm")}
        self.scale = self.add_weight("scale", (2,))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        hidden = self.table["a"](self.blocks[0](self.alpha(self.zeta(inputs))))
        return self.blocks[1][0](hidden) * self.scale.value[None]


def scaled() -> Scaled:
    model = Scaled(name="own")
    model(np.zeros((1, 3), "float32"))
    return model


MODELS = {"mlp": mlp, "nested": nested, "frozen": lambda: nested(False), "subclass": scaled}


def same(one: Any, other: Any) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("make", MODELS.values(), ids=list(MODELS))
def test_every_weight_comes_back(tmp_path: Path, name: str, make: Any) -> None:
    model, other = noisy(make()), noisy(make(), 1)
    model.save_weights(tmp_path / name)
    loaded = other.load_weights(tmp_path / name)
    same(model, other)
    assert (loaded.skipped, loaded.unused) == ({}, [])
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5", "w.safetensors"])
def test_no_step_of_another_thread_falls_into_a_file(tmp_path: Path, name: str) -> None:
    model = Sequential([Dense(50, input_shape=(50,)), Dense(50), Dense(50)])
    other = Sequential.from_config(model.get_config())
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    done = threading.Event()

    def step() -> None:
        number = 0.0
        while not done.is_set():
            number += 1.0
            values = [np.full(w.shape, number, "float32") for w in model.weights]
            with readers.lock:  # as a step publishes
                for variable, value in zip(model.weights, values, strict=True):
                    variable.assign(value)

    thread = threading.Thread(target=step)
    thread.start()
    try:
        for _ in range(10):
            model.save_weights(tmp_path / name)
            other.load_weights(tmp_path / name)
            assert len({float(v) for w in other.get_weights() for v in (w.min(), w.max())}) == 1
    finally:
        done.set()
        thread.join()


def test_the_ending_says_the_layout_and_save_format_overrules_it(tmp_path: Path) -> None:
    model = noisy(mlp())
    for name, option, layout in [
        ("a.h5", None, "legacy"),
        ("a.weights.h5", None, "keras"),
        ("b.weights.h5", "h5", "legacy"),
        ("b.h5", "keras", "keras"),
        ("c", None, "legacy"),
        ("c.h5", "safetensors", "safetensors"),
        ("d.safetensors", None, "safetensors"),
    ]:
        model.save_weights(tmp_path / name, save_format=option)
        start = (tmp_path / name).read_bytes()[:16]
        if layout == "safetensors":
            assert tensors.is_format(start)
        else:
            with h5_file.opened(tmp_path / name) as root:
                assert keras3_weights.is_layout(root) is (layout == "keras")
                assert (legacy_weights.weights_group(root) is None) is (layout == "keras")
        noisy(other := mlp(), 1).load_weights(tmp_path / name)  # what is in it decides
        same(model, other)


def test_the_layout_of_keras_2_in_the_file(tmp_path: Path) -> None:
    noisy(mlp()).save_weights(tmp_path / "w.h5")
    root: Any
    with h5py.File(tmp_path / "w.h5", "r") as root:
        assert [n.decode() for n in root.attrs["layer_names"]] == ["one", "norm", "drop", "two"]
        assert root["one"]["one/kernel:0"].shape == (3, 4)
        names = [n.decode() for n in root["norm"].attrs["weight_names"]]
        assert names == [
            f"norm/{part}:0" for part in ("gamma", "beta", "moving_mean", "moving_variance")
        ]
        assert len(root["drop"].attrs["weight_names"]) == 0


def test_the_layout_of_keras_3_in_the_file(tmp_path: Path) -> None:
    # The groups are those that Keras 3.15 writes for a subclass of the same attributes.
    noisy(scaled()).save_weights(tmp_path / "w.weights.h5")
    with h5_file.opened(tmp_path / "w.weights.h5") as root:
        assert {path for path, _ in root.datasets()} >= {
            "alpha/vars/0",
            "blocks/dense/vars/0",
            "blocks/container/dense/vars/1",
            "layers/dense/vars/0",  # zeta, the first of the layers
            "layers/batch_normalization/vars/3",
            "vars/0",
        }
        assert root.group("alpha/vars").text("name") == "alpha"


def test_bfloat16_and_wider_numbers(tmp_path: Path) -> None:
    model = noisy(Sequential([Dense(3, input_shape=(2,), dtype="bfloat16")]))
    assert model.weights[0].dtype == jnp.bfloat16
    for name in FORMATS:
        model.save_weights(tmp_path / name)
        other = Sequential([Dense(3, input_shape=(2,), dtype="bfloat16", name="dense")])
        noisy(other, 1).load_weights(tmp_path / name)
        assert other.weights[0].dtype == jnp.bfloat16
        same(model, other)
        wide = Sequential([Dense(3, input_shape=(2,), name="dense")])
        wide.load_weights(tmp_path / name)
        assert wide.weights[0].dtype == jnp.float32
        np.testing.assert_array_equal(wide.get_weights()[0], model.get_weights()[0].astype("f"))


def test_two_layers_of_one_name_in_nested_models(tmp_path: Path) -> None:
    def make() -> Model:
        x = Input((3,), name="x")
        parts = [
            Sequential([Dense(3, input_shape=(3,), name="d")], name=name) for name in ("a", "b")
        ]
        whole = Model(x, parts[1](parts[0](x)), name="inner")
        y = Input((3,), name="y")
        return Model(y, whole(y), name="outer")

    for name in FORMATS:
        model, other = noisy(make()), noisy(make(), 1)
        model.save_weights(tmp_path / name)
        other.load_weights(tmp_path / name)
        same(model, other)


def test_no_layer_is_lost_among_many_models() -> None:
    x = Input((3,), name="x")
    parts = []
    for number in range(20):
        y = Input((3,), name="y")
        parts.append(Model(y, Dense(3, name="d")(y), name=f"m{number}"))
    h = x
    for part in parts:
        h = part(h)
    model = Model(x, h)
    for _ in range(20):
        found = keras3_weights.places(model)
        own = [v for layer in found.values() for v in keras3_weights.own_variables(layer)]
        assert list(map(id, own)) == list(map(id, model.weights))


# By name.


@pytest.mark.parametrize("name", FORMATS)
def test_by_name_loads_what_is_there_and_says_so(tmp_path: Path, name: str) -> None:
    source = noisy(mlp())
    source.save_weights(tmp_path / name)
    target = Sequential(
        [Dense(4, input_shape=(3,), name="one"), Dense(9, name="new"), Dense(2, name="fresh")]
    )
    noisy(target, 1)
    before = target.get_weights()
    loaded = target.load_weights(tmp_path / name, by_name=True)
    assert loaded.loaded == ["layer 'one'"]
    assert loaded.skipped == {}
    assert any("norm" in name or "batch_normalization" in name for name in loaded.unused)
    np.testing.assert_array_equal(target.get_weights()[0], source.get_weights()[0])
    for a, b in zip(target.get_weights()[2:], before[2:], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FORMATS)
def test_by_name_with_another_shape(tmp_path: Path, name: str) -> None:
    noisy(mlp(units=7)).save_weights(tmp_path / name)
    target = noisy(mlp(units=4), 1)
    before = target.get_weights()
    with pytest.raises(ValueError, match=r"'m': layer 'one' cannot be loaded: weight 'one/kernel'"):
        target.load_weights(tmp_path / name, by_name=True)
    for a, b in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_of_any_name_is_a_warning(tmp_path: Path, name: str) -> None:
    noisy(mlp()).save_weights(tmp_path / name)
    target = Sequential([Dense(4, input_shape=(3,), name="other")], name="t")
    with pytest.warns(UserWarning, match="'t': load_weights found nothing for any layer"):
        loaded = target.load_weights(tmp_path / name, by_name=True)
    assert loaded.loaded == []


# What does not fit.


@pytest.mark.parametrize("name", FORMATS)
def test_shapes_that_differ_are_named_and_nothing_changes(tmp_path: Path, name: str) -> None:
    noisy(mlp(units=7)).save_weights(tmp_path / name)
    target = noisy(mlp(units=4), 1)
    before = target.get_weights()
    message = (
        r"'m': layer 'one' cannot be loaded: weight 'one/kernel' has shape \(3, 4\), but .*w.* "
        r"has shape \(3, 7\)\. The model is as it was\."
    )
    with pytest.raises(ValueError, match=message):
        target.load_weights(tmp_path / name)
    for a, b in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FORMATS)
def test_skip_mismatch_leaves_out_whole_layers(tmp_path: Path, name: str) -> None:
    source = noisy(mlp(units=4))
    source.save_weights(tmp_path / name)
    target = noisy(
        Sequential(
            [
                Dense(4, input_shape=(3,), name="one"),
                BatchNormalization(name="norm"),
                Dense(5, name="two"),
            ],
            name="t",
        ),
        1,
    )
    before = target.get_weights()
    with pytest.warns(UserWarning, match=r"'t': load_weights left out 1 layers: layer 'two'"):
        loaded = target.load_weights(tmp_path / name, skip_mismatch=True)
    assert list(loaded.skipped) == ["layer 'two'"]
    assert "(4, 5)" in loaded.skipped["layer 'two'"]
    for place in range(6):
        np.testing.assert_array_equal(target.get_weights()[place], source.get_weights()[place])
    for place in (6, 7):
        np.testing.assert_array_equal(target.get_weights()[place], before[place])


@pytest.mark.parametrize("name", FORMATS)
def test_another_number_of_layers(tmp_path: Path, name: str) -> None:
    noisy(mlp()).save_weights(tmp_path / name)
    target = Sequential([*mlp().layers, Dense(1, name="extra")], name="t")
    with pytest.raises(ValueError, match=r"'t'.*extra"):
        target.load_weights(tmp_path / name)


def test_weights_that_a_file_says_nothing_of_are_an_error(tmp_path: Path) -> None:
    noisy(scaled()).save_weights(tmp_path / "w.h5")
    root: Any
    with h5py.File(tmp_path / "w.h5", "r+") as root:  # as Keras 2.2.4 writes a subclass
        del root["top_level_model_weights"]
    target = scaled()
    with pytest.raises(ValueError, match=r"weight 'own/scale' cannot be loaded: the file has none"):
        target.load_weights(tmp_path / "w.h5")
    with pytest.warns(UserWarning, match="left out 1 layers: weight 'own/scale'"):
        loaded = target.load_weights(tmp_path / "w.h5", skip_mismatch=True)
    assert list(loaded.skipped) == ["weight 'own/scale'"]


def test_a_failure_while_reading_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    noisy(mlp()).save_weights(path)
    root: Any
    with h5py.File(path, "r+") as root:  # the last array is there, but its bytes are not
        del root["two/two/bias:0"]
        made = root["two/two"].create_dataset("bias:0", (2,), "f4", chunks=(2,), compression="gzip")
        made.id.write_direct_chunk((0,), b"\xff" * 9)
    target = noisy(mlp(), 1)
    before = target.get_weights()
    with pytest.raises(ValueError, match=r"/two/two/bias:0 cannot be unpacked"):
        target.load_weights(path)
    for a, b in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_interrupt_while_setting_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = noisy(mlp()), noisy(mlp(), 1)
    source.save_weights(tmp_path / "w.h5")
    before = target.get_weights()
    variable = type(target.weights[0])
    plain, calls = variable.assign, []

    def assign(self: Any, value: Any) -> Any:
        calls.append(self)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return plain(self, value)

    monkeypatch.setattr(variable, "assign", assign)
    with pytest.raises(KeyboardInterrupt):
        target.load_weights(tmp_path / "w.h5")
    assert len(calls) > 5
    for a, b in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_models_without_weights_are_refused(tmp_path: Path) -> None:
    model = Sequential([Dense(2)], name="m")
    with pytest.raises(ValueError, match="'m': save_weights needs weights"):
        model.save_weights(tmp_path / "w.h5")
    assert os.listdir(tmp_path) == []
    mlp().save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="'m': load_weights needs weights"):
        model.load_weights(tmp_path / "w.h5")


@pytest.mark.parametrize("name", FORMATS)
def test_overwrite_false(tmp_path: Path, name: str) -> None:
    model = noisy(mlp())
    model.save_weights(tmp_path / name, overwrite=False)
    old = (tmp_path / name).read_bytes()
    with pytest.raises(FileExistsError, match="is there already and overwrite=False"):
        model.save_weights(tmp_path / name, overwrite=False)
    assert (tmp_path / name).read_bytes() == old


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"text", "is neither HDF5 nor safetensors nor a .keras archive; it begins with"),
        (b"\x80\x04\x95" + bytes(20), "the bytes of a pickle, which lamina never reads"),
        (b"PK\x03\x04" + bytes(30), "is an archive that is damaged or cut off"),
        ((99).to_bytes(8, "little") + b"{" + bytes(20), "safetensors that is damaged"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "damaged or cut off"),
    ],
)
def test_files_of_other_kinds(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        mlp().load_weights(tmp_path / "w.h5")


def test_hdf5_without_weights(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as root:
        root["data"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"holds no weights of Keras: .* In it are data"):
        mlp().load_weights(tmp_path / "w.h5")


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match=r"no file .*weight\.h5\. Did you mean"):
        mlp().load_weights(tmp_path / "weight.h5")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        mlp().load_weights(tmp_path)
    (tmp_path / "cp.ckpt.index").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match="is a checkpoint of TensorFlow"):
        mlp().load_weights(tmp_path / "cp.ckpt")


def test_arguments_of_old_code(tmp_path: Path) -> None:
    model = noisy(mlp())
    model.save_weights(str(tmp_path / "w.h5"), True, "h5", options=None)
    model.load_weights(str(tmp_path / "w.h5"), options=None)
    with pytest.raises(ValueError, match="checkpoints of TensorFlow are not written"):
        model.save_weights(tmp_path / "w", save_format="tf")
    with pytest.raises(ValueError, match="save_format must be one of"):
        model.save_weights(tmp_path / "w", save_format="hdf")
    with pytest.raises(ValueError, match=r"ends in \.keras, which holds whole models"):
        model.save_weights(tmp_path / "w.keras")
    with pytest.raises(TypeError, match="load_weights has no argument 'byname'"):
        model.load_weights(tmp_path / "w.h5", byname=True)


def test_safetensors_of_others_are_read_by_name(tmp_path: Path) -> None:
    import safetensors.numpy

    model = noisy(mlp())
    arrays = {v.path: v.numpy() for v in model.weights}
    safetensors.numpy.save_file(dict(reversed(arrays.items())), tmp_path / "w.safetensors")
    other = noisy(mlp(), 1)
    other.load_weights(tmp_path / "w.safetensors")
    same(model, other)
    model.save_weights(tmp_path / "ours.safetensors")
    found = safetensors.numpy.load_file(tmp_path / "ours.safetensors")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_safetensors_of_layers_that_got_other_names(tmp_path: Path) -> None:
    model = noisy(Sequential([Dense(3, input_shape=(3,)), Dense(3)]))
    model.save_weights(tmp_path / "w.safetensors")
    other = noisy(Sequential([Dense(3, input_shape=(3,)), Dense(3)]), 1)
    assert {v.path for v in other.weights}.isdisjoint({v.path for v in model.weights})
    other.load_weights(tmp_path / "w.safetensors")
    same(model, other)


def test_without_the_package_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"pip install 'lamina\[safetensors\]'"):
        mlp().save_weights(tmp_path / "w.safetensors")
    assert os.listdir(tmp_path) == []


def test_a_single_layer_can_be_saved(tmp_path: Path) -> None:
    for name in ("w.h5", "w.weights.h5", "w.safetensors"):
        layer, other = Dense(3, name="d"), Dense(3, name="d")
        for one in (layer, other):
            one.build((None, 2))
        noisy(layer)
        saving.save_weights(layer, tmp_path / name)
        saving.load_weights(other, tmp_path / name)
        same(layer, other)


def test_stateless_models_make_files_too(tmp_path: Path) -> None:
    model = Sequential([Dropout(0.5, input_shape=(3,))])
    for name in FORMATS:
        model.save_weights(tmp_path / name)
        assert model.load_weights(tmp_path / name).loaded == []


def test_old_layer_order_of_a_frozen_layer_inside(tmp_path: Path) -> None:
    source = noisy(nested(trainable=False))
    source.save_weights(tmp_path / "w.h5")
    target = noisy(nested(trainable=True), 1)
    target.load_weights(tmp_path / "w.h5")
    same(source, target)
