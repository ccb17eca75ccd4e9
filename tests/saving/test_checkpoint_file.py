"""The file of a checkpoint: what goes in comes out, damage is seen, a crash leaves a whole file."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from lamina.saving import checkpoint_file
from lamina.saving.checkpoint_file import DamagedError
from lamina.saving.checkpoint_values import Packer, unpack
from lamina.saving.checkpoint_writer import Writer

rng = np.random.default_rng(0)
ARRAYS = {
    "weights/a:0/kernel #2": rng.normal(size=(2, 3, 5)).astype("f"),
    "empty": np.zeros((0, 4), "int8"),
    "scalar": np.array(7, "uint32"),
    "half": rng.normal(size=(7,)).astype("float16"),
    "brain": rng.normal(size=(11,)).astype(ml_dtypes.bfloat16),
    "flags": np.array([True, False, True]),
    "turned": rng.normal(size=(4, 6)).T,
    "special": np.array([np.nan, np.inf, -0.0]),
}
DOCUMENT = {"place": {"epoch": 3}, "text": "ä"}


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "checkpoint-00000001.h5"
    checkpoint_file.write(path, DOCUMENT, ARRAYS)
    return path


def test_what_goes_in_comes_out(file):
    document, arrays = checkpoint_file.read(file)
    assert {name: document[name] for name in DOCUMENT} == DOCUMENT
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert arrays[name].tobytes() == array.tobytes()


def test_large_arrays_are_written_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_file, "PIECE", 100)
    array = rng.normal(size=(37, 3))
    checkpoint_file.write(tmp_path / "c.h5", {}, {"a": array})
    np.testing.assert_array_equal(checkpoint_file.read(tmp_path / "c.h5")[1]["a"], array)


def test_every_cut_and_many_changed_bytes_are_seen(file):
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        with pytest.raises(DamagedError):
            checkpoint_file.read(file)
    seen = 0
    for place in rng.integers(0, len(whole), 200):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(changed)
        try:
            _, arrays = checkpoint_file.read(file)
        except DamagedError:
            seen += 1
        else:  # a byte that means nothing
            assert all(arrays[name].tobytes() == a.tobytes() for name, a in ARRAYS.items())
    assert seen > 20


def changed(file: Path, change: Any) -> None:
    with h5py.File(file, "r+") as h5:
        change(h5)


def with_text(h5: Any, **entries: Any) -> None:
    import zlib

    text = json.dumps({**json.loads(h5["text"][()].tobytes()), **entries}).encode()
    del h5["text"]
    h5["text"] = np.frombuffer(text, np.uint8)
    h5.attrs["sum"] = zlib.crc32(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h5: with_text(h5, version=2), "version 2; this release of lamina reads version 1"),
        (lambda h5: with_text(h5, format="model"), "is no checkpoint of lamina"),
        (lambda h5: h5.attrs.__setitem__("sum", 1), "text is not as it was written"),
        (lambda h5: h5["data"].__setitem__(0, 77), "'weights/a:0/kernel #2' is not as it was"),
        (lambda h5: h5.__delitem__("data"), "has no array 'data'"),
        (lambda h5: h5.__setitem__("x", h5py.SoftLink("/data")), "link"),
        (
            lambda h5: with_text(h5, arrays=[{"name": "a", "dtype": "O", "shape": [1], "sum": 0}]),
            "unknown dtype 'O'",
        ),
        (
            lambda h5: with_text(
                h5, arrays=[{"name": "a", "dtype": "uint8", "shape": [10**12], "sum": 0}]
            ),
            "'a' is larger than the file",
        ),
    ],
)
def test_files_that_are_not_as_written_are_refused(file, change, message):
    changed(file, change)
    with pytest.raises(DamagedError, match=message):
        checkpoint_file.read(file)


def test_an_array_larger_than_the_file_is_not_read(file):
    def change(h5: Any) -> None:
        del h5["data"]
        h5.create_dataset("data", (10**11,), np.uint8)  # takes no room in the file
        with_text(h5, arrays=[{"name": "a", "dtype": "uint8", "shape": [10**11], "sum": 0}])

    changed(file, change)
    with pytest.raises(DamagedError, match="not all of its values were ever written"):
        checkpoint_file.read(file)


def test_other_files_are_no_checkpoints(tmp_path):
    path = tmp_path / "c.h5"
    for content in (b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n" * 20):
        path.write_bytes(content)
        with pytest.raises(DamagedError, match=r"c\.h5"):
            checkpoint_file.read(path)
    with pytest.raises(FileNotFoundError):
        checkpoint_file.read(tmp_path / "none.h5")


def test_files_of_a_folder_are_ordered_by_number(tmp_path):
    for name in ("checkpoint-00000009.h5", "checkpoint-00000010.h5", "checkpoint-100000000.h5"):
        (tmp_path / name).touch()
    for name in ("checkpoint-x.h5", ".checkpoint-00000011.h5.abc", "checkpoint-00000012.txt"):
        (tmp_path / name).touch()
    numbers = [checkpoint_file.number_of(path) for path in checkpoint_file.listed(tmp_path)]
    assert numbers == [100000000, 10, 9]


KILLS = """
import os, random, signal, sys, time
import numpy as np
from lamina.saving import checkpoint_file
import h5py

path, seen = sys.argv[1], set()
random.seed(3)
for _ in range(4):
    start = time.perf_counter()
    checkpoint_file.write(path, {"n": 0}, {"a": np.zeros(30_000)})
    duration = time.perf_counter() - start
for kill in range(100):
    begun, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(begin, b".")
        for n in range(kill * 1000 + 1, kill * 1000 + 1000):
            checkpoint_file.write(path, {"n": n}, {"a": np.full(30_000, n, float)})
        os._exit(1)
    os.read(begun, 1)
    time.sleep(random.uniform(0.0, 4 * duration))
    os.close(begun), os.close(begin)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    document, arrays = checkpoint_file.read(path)
    assert (arrays["a"] == document["n"]).all()
    seen.add(document["n"])
print(len(seen), len(os.listdir(os.path.dirname(path))))
"""


def test_a_hundred_killed_writes_leave_a_whole_file(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path / "c.h5")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    different, left = map(int, done.stdout.split())
    assert different > 10
    assert left > 10  # parts of files: many of the kills came while one was written


def test_plain_data_goes_through_json():
    state = {
        "numbers": [1, 2.5, float("nan"), float("inf"), -float("inf"), 2**70, -(2**70), True, None],
        "pair": (1, ("a", [])),
        "arrays": {"x": np.arange(6).reshape(2, 3), "y": jnp.ones(2), "z": np.float32(0.1)},
    }
    packer = Packer("state")
    text = json.dumps(packer.pack(state), allow_nan=False)
    found = unpack(json.loads(text), packer.arrays)
    np.testing.assert_equal({**found, "arrays": 0}, {**state, "arrays": 0})
    for name, array in state["arrays"].items():
        np.testing.assert_array_equal(found["arrays"][name], array, strict=name == "x")
    assert isinstance(found["pair"][1], tuple)
    assert found["arrays"]["z"].dtype == np.float32
    state["arrays"]["x"][0, 0] = 9
    assert found["arrays"]["x"][0, 0] == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [{1: 2}]}, "state/a/0: keys of what is stored must be names, got 1"),
        ({"a": {"$array": "x"}}, "keys of what is stored must be names"),
        ({"a": object()}, "state/a: object cannot be stored"),
        ({"a": np.array(["x"])}, "state/a: ndarray cannot be stored"),
        ({"a": {1, 2}}, "state/a: set cannot be stored"),
    ],
)
def test_what_cannot_be_stored_is_named(value, message):
    with pytest.raises(TypeError, match=message.replace("$", r"\$")):
        Packer("state").pack(value)


def test_a_newer_job_takes_the_place_of_one_that_waits():
    writer, done, go = Writer(), [], threading.Event()
    writer.submit("a", go.wait)
    for number in range(4):
        writer.submit("b", lambda number=number: done.append(number), newest=True)
    go.set()
    writer.wait("b")
    assert done == [3]


def test_errors_come_out_at_the_next_job_or_at_the_end():
    writer = Writer()

    def fail() -> None:
        raise OSError("full")

    writer.submit("a", fail)
    with pytest.raises(OSError, match="full"):
        writer.wait("a")
    writer.wait("a")
    writer.submit("a", fail)
    writer.submit("b", lambda: None)  # of another key
    writer.wait("b")
    with pytest.raises(OSError, match="full"):
        writer.submit("a", fail)
    writer.wait("a")
