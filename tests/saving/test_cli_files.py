"""`lamina summary`, `inspect`, `convert`: what they print and write, and how they fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.saving import golden

from lamina import cli
from lamina.layers import Dense
from lamina.models import Sequential, load_model
from lamina.saving import inspection, save_checkpoint

FILES = golden.FOLDER


def made() -> Any:
    model = Sequential(
        [
            Dense(3, input_shape=(5, 2), name="first"),
            Dense(4, name="last"),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


@pytest.fixture
def model() -> Any:
    found = made()
    found.fit(np.ones((4, 5, 2), "f"), np.ones((4, 5, 4), "f"), verbose=0)
    return found


def run(capsys: Any, *words: object) -> tuple[int, str, str]:
    status = cli.main([str(word) for word in words])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_inspect_tells_of_a_whole_model(capsys: Any) -> None:
    status, text, _ = run(capsys, "inspect", FILES / "keras1.2.2" / "plain.h5")
    assert status == 0
    lines = text.splitlines()
    assert lines[0].endswith("plain.h5: a whole model (HDF5)")
    assert lines[1:5] == [
        "release: Keras 1.2.2",
        "model: Sequential, 2 layers",
        "  hidden  (Dense)",
        "  classes  (Dense)",
    ]
    assert "optimizer: SGD" in lines
    assert "loss: categorical_crossentropy" in lines
    assert "metrics: accuracy" in lines
    assert "weights: 3 arrays, 48 numbers, 192 bytes" in lines
    assert "  model_weights/hidden/hidden_W:0    (4, 6)  float32 96" in lines
    assert "optimizer state: 4 arrays, 49 numbers, 196 bytes" in lines


@pytest.mark.parametrize(
    ("release", "name", "kind", "numbers"),
    [
        ("keras2.2.4", "nested.h5", "a whole model (HDF5)", 95),
        ("keras3.15", "nested.keras", "a whole model (.keras archive)", 95),
        ("keras3.15", "mlp.weights.h5", "weights (HDF5)", 87),
        ("keras2.2.4", "mlp.weights.h5", "weights (HDF5)", 87),
        ("keras3.15", "custom_layer.keras", "a whole model (.keras archive)", None),
        ("keras2.2.4", "lambda_python.h5", "a whole model (HDF5)", None),
    ],
)
def test_inspect_counts_what_is_there(release: str, name: str, kind: str, numbers: Any) -> None:
    found = inspection.inspect(FILES / release / name)
    assert found.format == kind
    if release == "keras2.2.4":
        assert found.release == "Keras 2.2.4"
    if numbers is not None:
        assert sum(int(np.prod(one.shape)) for one in found.weights) == numbers


def test_models_in_models_are_listed_below_them() -> None:
    found = inspection.inspect(FILES / "keras3.15" / "nested.keras")
    depths = {name: depth for depth, name, _ in found.layers}
    assert (depths["inner"], depths["inner_norm"], depths["end"]) == (0, 1, 0)


def test_arrays_are_in_the_order_of_their_numbers() -> None:
    found = inspection.inspect(FILES / "keras3.15" / "nested.keras")
    names = [one.name for one in found.optimizer]
    assert names == [f"optimizer/vars/{number}" for number in range(len(names))]


def test_inspect_tells_of_all_that_lamina_writes(model: Any, tmp_path: Path, capsys: Any) -> None:
    for name in ("a.keras", "a.h5", "a.weights.h5", "a.safetensors"):
        (model.save_weights if "weights" in name or "safe" in name else model.save)(tmp_path / name)
        found = inspection.inspect(tmp_path / name)
        assert sum(one.bytes for one in found.weights) == 4 * model.count_params()
        assert sum(int(np.prod(one.shape)) for one in found.weights) == model.count_params()
    (tmp_path / "a.json").write_text(model.to_json())
    found = inspection.inspect(tmp_path / "a.json")
    assert found.model == f"Sequential {model.name!r}"
    assert found.weights == []
    save_checkpoint(model, tmp_path / "kept")
    status, text, _ = run(capsys, "inspect", tmp_path / "kept")
    assert status == 0
    assert "checkpoint-00000001.h5: a checkpoint of a training, version 1" in text
    assert "epochs trained: 1" in text
    assert "weights: 4 arrays, 25 numbers, 100 bytes" in text
    assert "optimizer state: " in text


def test_a_wrapper_says_what_it_wraps(tmp_path: Path) -> None:
    inner = {"class_name": "Dense", "config": {"name": "inside"}}
    outer = {"class_name": "TimeDistributed", "config": {"name": "each", "layer": inner}}
    config = {"class_name": "Sequential", "config": {"layers": [outer]}}
    (tmp_path / "a.json").write_text(json.dumps(config))
    found = inspection.inspect(tmp_path / "a.json")
    assert found.layers == [(0, "each", "TimeDistributed of Dense")]


def test_what_a_file_says_cannot_steer_the_terminal(tmp_path: Path, capsys: Any) -> None:
    config = {"class_name": "Sequential\x1b]0;x\x07", "config": [{"class_name": "A\nB", "name": 7}]}
    (tmp_path / "a.json").write_text(json.dumps(config))
    status, text, _ = run(capsys, "inspect", tmp_path / "a.json")
    assert status == 0
    assert "\x1b" not in text
    assert "  7  (A\\nB)" in text.splitlines()


def test_inspect_builds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.saving.config.read_model", None)
    assert inspection.inspect(FILES / "keras3.15" / "custom_layer.keras").weights


def test_summary(capsys: Any) -> None:
    status, text, _ = run(capsys, "summary", FILES / "keras3.15" / "nested.keras")
    assert status == 0
    assert 'Model: "outer"' in text
    assert "Total params: 95" in text
    status, text, _ = run(capsys, "summary", FILES / "keras2.2.4" / "mlp.json")
    assert status == 0
    assert "Total params: 87" in text


@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5"])
def test_convert_whole_models(ending: str, tmp_path: Path, capsys: Any) -> None:
    source, target = FILES / "keras1.2.2" / "plain.h5", tmp_path / f"new{ending}"
    assert run(capsys, "convert", source, target)[0] == 0
    old, new = load_model(source), load_model(target)
    for before, after in zip(old.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert type(new.optimizer).__name__ == "SGD"
    assert run(capsys, "convert", source, target, "--no-optimizer", "--force")[0] == 0
    assert load_model(target).optimizer is None


@pytest.mark.parametrize("ending", [".weights.h5", ".safetensors"])
def test_convert_to_weights_and_back(ending: str, tmp_path: Path, capsys: Any) -> None:
    source, target = FILES / "keras1.2.2" / "plain.h5", tmp_path / f"new{ending}"
    assert run(capsys, "convert", source, target)[0] == 0
    assert run(capsys, "convert", source, tmp_path / "new.json")[0] == 0
    back = ["convert", target, tmp_path / "back.keras", "--model", tmp_path / "new.json"]
    assert run(capsys, *back)[0] == 0
    old, new = load_model(source), load_model(tmp_path / "back.keras")
    for before, after in zip(old.get_weights(), new.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_convert_replaces_nothing_unasked(tmp_path: Path, capsys: Any) -> None:
    target = tmp_path / "there.keras"
    target.write_bytes(b"mine")
    status, text, error = run(capsys, "convert", FILES / "keras1.2.2" / "plain.h5", target)
    assert (status, text) == (2, "")
    assert "--force" in error
    assert target.read_bytes() == b"mine"


def wrong_files(folder: Path) -> dict[str, tuple[Path, str]]:
    (folder / "empty.h5").write_bytes(b"")
    (folder / "text.keras").write_text("hello")
    (folder / "cut.h5").write_bytes((FILES / "keras1.2.2" / "plain.h5").read_bytes()[:5000])
    (folder / "list.json").write_text("[1, 2]")
    (folder / "bytes.json").write_bytes(b'{"a": "\xff"}')
    (folder / "folder").mkdir()
    (folder / "new.json").write_text("{}")
    with h5py.File(folder / "other.h5", "w") as file:
        file["x"] = np.ones(3)
    return {
        "nothing.h5": (folder / "nothing.h5", "There is no file"),
        "empty.h5": (folder / "empty.h5", "is empty"),
        "text.keras": (folder / "text.keras", "begins with"),
        "cut.h5": (folder / "cut.h5", "damaged or cut off"),
        "list.json": (folder / "list.json", "class_name"),
        "bytes.json": (folder / "bytes.json", "not JSON"),
        "folder": (folder / "folder", "is a folder"),
    }


@pytest.mark.parametrize("command", ["inspect", "summary", "convert"])
def test_errors_are_one_line_and_status_2(command: str, tmp_path: Path, capsys: Any) -> None:
    for path, message in wrong_files(tmp_path).values():
        words = [command, path, *([tmp_path / "out.keras"] if command == "convert" else [])]
        status, text, error = run(capsys, *words)
        assert (status, text) == (2, ""), path
        assert error.startswith("lamina: error: ")
        assert error.count("\n") == 1
        assert message in error
        assert not (tmp_path / "out.keras").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["keras2.2.4/lambda_python.h5", "o.keras"], "custom_objects"),
        (["keras2.2.4/mlp.weights.h5", "o.keras"], "weights and no model"),
        (["keras1.2.2/plain.h5", "o.onnx"], "must end in"),
        (["keras1.2.2/plain.h5", "no/folder/o.keras"], "no/folder"),
    ],
)
def test_what_cannot_be_converted(
    words: list[str], message: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, error = run(capsys, "convert", FILES / words[0], words[1])
    assert status == 2
    assert message in error
    assert os.listdir(tmp_path) == []


def test_as_a_command() -> None:
    words = [sys.executable, "-m", "lamina", "inspect", "nothing.h5"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == "lamina: error: There is no file nothing.h5.\n"
