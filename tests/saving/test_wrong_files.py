"""Files that are not what they should be: the error says why, and the model stays as it was."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.saving import golden

from lamina import layers
from lamina.models import Sequential, load_model
from lamina.saving import load_checkpoint, save_checkpoint, weights

X, Y = np.ones((6, 4), "f"), np.ones((6, 2), "f")


def made(hidden: int = 5, last: str = "last") -> Any:
    """A compiled model whose weights are noise."""
    model = Sequential(
        [
            layers.Dense(hidden, input_shape=(4,), name="hidden"),
            layers.BatchNormalization(name="norm"),
            layers.Dense(2, name=last),
        ]
    )
    model.compile("adam", "mse")
    noise = np.random.default_rng(hidden)
    model.set_weights([abs(noise.normal(size=w.shape)).astype("f") for w in model.get_weights()])
    return model


WRITE: dict[str, Callable[[Any, Path], Any]] = {
    "m.keras": lambda model, path: model.save(path),
    "m.h5": lambda model, path: model.save(path),
    "w.weights.h5": lambda model, path: model.save_weights(path),
    "w.h5": lambda model, path: model.save_weights(path),
    "w.safetensors": lambda model, path: model.save_weights(path),
    "c.h5": save_checkpoint,
}
MODELS = ("m.keras", "m.h5")


def read(name: str, model: Any, path: Path) -> None:
    """Read a file in all ways that are meant for its kind."""
    if name == "c.h5":
        load_checkpoint(model, path)
        return
    model.load_weights(path)


def written(name: str, folder: Path) -> bytes:
    path = folder / name
    WRITE[name](made(), path)
    data = path.read_bytes()
    path.unlink()
    return data


class Unchanged:
    """A model that must be, after a failed load, what it was before, bit for bit."""

    def __init__(self, model: Any) -> None:
        self.model = model
        model.fit(X, Y, verbose=0)
        self.weights = [value.tobytes() for value in model.get_weights()]
        self.optimizer = int(np.asarray(model.optimizer.iterations))
        self.predicted = model.predict(X, verbose=0).tobytes()

    def check(self) -> None:
        assert [value.tobytes() for value in self.model.get_weights()] == self.weights
        assert int(np.asarray(self.model.optimizer.iterations)) == self.optimizer
        assert self.model.predict(X, verbose=0).tobytes() == self.predicted
        self.model.fit(X, Y, verbose=0)
        changed = [value.tobytes() for value in self.model.get_weights()] != self.weights
        assert changed, "it no longer trains"


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def holed(data: bytes) -> bytes:
    """A piece in the middle is gone."""
    return data[: len(data) // 2] + data[len(data) // 2 + 100 :]


WRONG: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "empty|no checkpoint"),
    "truncated": (cut, "damaged|cut off"),
    "with a hole": (holed, "damaged|cut off|not as it was written|no HDF5 group|has no"),
    "a text": (lambda data: b"epoch,loss\n1,0.5\n", "begins with|no checkpoint"),
    "a web page": (lambda data: b"<!DOCTYPE html><html>", "web page"),
    "a pickle": (lambda data: b"\x80\x04\x95rest of it", "a pickle"),
    "packed by gzip": (lambda data: b"\x1f\x8b\x08" + data, "gzip"),
    "zeros": (lambda data: bytes(len(data)), "begins with|no checkpoint"),
    "the first bytes alone": (lambda data: data[:12], "damaged|cut off|begins with"),
}


@pytest.mark.parametrize("name", WRITE)
@pytest.mark.parametrize("case", WRONG)
def test_damaged_files(case: str, name: str, tmp_path: Path) -> None:
    change, message = WRONG[case]
    path = tmp_path / name
    path.write_bytes(change(written(name, tmp_path)))
    kept = Unchanged(made(5))
    with pytest.raises(ValueError, match=message) as found:
        read(name, kept.model, path)
    assert name in str(found.value)
    kept.check()
    if name in MODELS:
        with pytest.raises(ValueError, match=message):
            load_model(path)


@pytest.mark.parametrize("reader", [load_model, "weights", "checkpoint"])
def test_files_that_cannot_be_opened(reader: Any, tmp_path: Path) -> None:
    model = made()
    ways = {"weights": model.load_weights, "checkpoint": lambda path: load_checkpoint(model, path)}
    call = ways.get(reader, reader)
    (tmp_path / "model.weights.h5").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match=r"mdoel.weights.h5"):
        call(tmp_path / "mdoel.weights.h5")
    with pytest.raises((IsADirectoryError, FileNotFoundError), match=tmp_path.name):
        call(tmp_path)
    if os.getuid() != 0:
        (tmp_path / "model.weights.h5").chmod(0)
        with pytest.raises(PermissionError, match=r"model.weights.h5"):
            call(tmp_path / "model.weights.h5")


def test_a_name_that_is_nearly_right_is_suggested(tmp_path: Path) -> None:
    made().save(tmp_path / "model.keras")
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'model\.keras'"):
        load_model(tmp_path / "modle.keras")


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the system says it, also where the tests run as a user who may read everything."""
    path = tmp_path / "model.keras"
    made().save(path)

    def refuse(file: Any, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", file)

    kept = Unchanged(made())
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", refuse)
        for call in (load_model, kept.model.load_weights):
            with pytest.raises(PermissionError, match=r"Permission denied.*model.keras"):
                call(path)
    kept.check()


@pytest.mark.parametrize("name", [n for n in WRITE if n != "c.h5"])
@pytest.mark.parametrize("other", ["x.keras", "x.h5", "x.safetensors", "x", "x.txt", "x.h5.bak"])
def test_a_wrong_extension_says_nothing(name: str, other: str, tmp_path: Path) -> None:
    """What is in the file decides."""
    path = tmp_path / other
    path.write_bytes(written(name, tmp_path))
    model, wanted = made(), made().get_weights()
    model.set_weights([value + 1 for value in wanted])
    model.load_weights(path)
    for own, value in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(own, value)


def test_an_encrypted_archive_says_so(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    made().save(path)
    data = bytearray(path.read_bytes())
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        data[place + 8] |= 1
        place = data.find(b"PK\x01\x02", place + 4)
    path.write_bytes(data)
    kept = Unchanged(made())
    for call in (load_model, kept.model.load_weights):
        with pytest.raises(ValueError, match=r"m\.keras.*encrypted"):
            call(path)
    kept.check()


def test_a_newer_release_is_a_warning(tmp_path: Path) -> None:
    made().save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as root:
        root.attrs["keras_version"] = "9.1.0"
    with pytest.warns(UserWarning, match=r"m\.h5 was written by Keras 9\.1\.0.*newer"):
        load_model(tmp_path / "m.h5")


def test_a_release_that_is_none_is_an_error(tmp_path: Path) -> None:
    made().save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as root:
        root.attrs["keras_version"] = "latest"
    with pytest.raises(ValueError, match=r"keras_version must be a release.*'latest'"):
        load_model(tmp_path / "m.h5")


def test_a_checkpoint_of_a_newer_version_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("lamina.saving.checkpoint_file.VERSION", 7)
        save_checkpoint(made(), tmp_path / "c.h5")
    kept = Unchanged(made())
    with pytest.raises(ValueError, match="version 7; this release of lamina reads version 1"):
        load_checkpoint(kept.model, tmp_path / "c.h5")
    kept.check()


def test_a_checkpoint_in_the_place_of_a_model_says_what_reads_it(tmp_path: Path) -> None:
    save_checkpoint(made(), tmp_path / "c.h5")
    kept = Unchanged(made())
    for call in (load_model, kept.model.load_weights):
        with pytest.raises(ValueError, match=r"c\.h5.* It is a checkpoint .*load_checkpoint"):
            call(tmp_path / "c.h5")
    kept.check()


@pytest.mark.parametrize("name", WRITE)
def test_shapes_that_differ(name: str, tmp_path: Path) -> None:
    """The error names the layer, the weight and both shapes."""
    WRITE[name](made(), tmp_path / name)
    kept = Unchanged(made(7))
    with pytest.raises(ValueError, match=r"hidden/kernel") as found:
        read(name, kept.model, tmp_path / name)
    shapes = ("[4, 7]", "[4, 5]") if name == "c.h5" else ("(4, 7)", "(4, 5)")
    for text in ("hidden", *shapes):
        assert text in str(found.value)
    kept.check()


@pytest.mark.parametrize("name", [n for n in WRITE if n != "c.h5"])
def test_a_failure_at_the_last_array(name: str, tmp_path: Path) -> None:
    """The error comes when all others are read already; no weight changed."""
    WRITE[name](made(), tmp_path / name)
    kept = Unchanged(made())
    count, calls = len(kept.model.weights), []
    fitting = weights._fitting

    def late(variable: Any, values: Any) -> Any:
        calls.append(variable)
        if len(calls) == count:
            raise ValueError("the last one")
        return fitting(variable, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "_fitting", late)
        with pytest.raises(ValueError, match="the last one"):
            kept.model.load_weights(tmp_path / name)
    assert len(calls) == count
    kept.check()


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "w.weights.h5", "w.h5", "w.safetensors"])
def test_partial_loads_say_what_was_loaded_and_what_was_not(name: str, tmp_path: Path) -> None:
    WRITE[name](made(5, last="old"), tmp_path / name)
    model = made(5, last="new")
    before = [value.copy() for value in model.get_weights()]
    model.set_weights([value + 1 for value in before])
    result = model.load_weights(tmp_path / name, by_name=True)
    told = [name.replace("layer ", "").strip("'") for name in result.loaded]
    assert ("new" in told) is False
    assert {"hidden", "norm"} <= set(told)
    assert result.unused
    assert result.missing == ["new"]
    for old, new in zip(before[:2], model.get_weights()[:2], strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(model.layers[-1].get_weights()[0], before[-2] + 1)


def test_an_archive_without_a_part_names_it(tmp_path: Path) -> None:
    made().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    for missing in members:
        path = tmp_path / f"without-{missing}.keras"
        with zipfile.ZipFile(path, "w") as opened:
            for name in set(members) - {missing}:
                opened.writestr(name, members[name])
        with pytest.raises(ValueError, match=f"archive without '{missing}'"):
            load_model(path)


def test_weights_of_another_model_of_a_release(tmp_path: Path) -> None:
    kept = Unchanged(made())
    with pytest.raises(ValueError, match=r"layers|weights"):
        kept.model.load_weights(golden.FOLDER / "keras2.2.4" / "cnn_last.h5")
    kept.check()
