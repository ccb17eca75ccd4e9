"""A write ends with the old file or the new one, whatever happens on the way."""

import contextlib
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lamina import saving
from lamina.layers import Dense
from lamina.models import Sequential
from lamina.saving.atomic import checked_target, replacing


def others(folder: Path, *names: str) -> list[str]:
    return [name for name in os.listdir(folder) if name not in names]


def failing(target: Path, error: BaseException) -> None:
    with replacing(target) as file:
        file.write(b"new")
        raise error


def outrun(target: Path) -> None:
    with replacing(target, overwrite=False) as file:
        file.write(b"mine")
        target.write_bytes(b"theirs")


def test_the_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with replacing(target) as file:
        file.write(b"new")
        file.flush()
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert others(tmp_path, "file") == []


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(KeyError):
        failing(target, KeyError())
    assert target.read_bytes() == b"old"
    assert others(tmp_path, "file") == []


def test_an_interrupt_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        failing(target, KeyboardInterrupt())
    assert target.read_bytes() == b"old"
    assert others(tmp_path, "file") == []


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        (tmp_path / "plain").write_bytes(b"")
        with replacing(tmp_path / "file"):
            pass
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "file")]
    assert modes[0] == modes[1]


def test_permissions_of_a_replaced_file_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(0o640)
    with replacing(target) as file:
        file.write(b"new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_link_stays_and_the_file_behind_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_overwrite_false_refuses_a_file_that_is_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with (
        pytest.raises(FileExistsError, match=r"file is there already and overwrite=False"),
        replacing(target, overwrite=False),
    ):
        pass
    assert target.read_bytes() == b"old"


def test_overwrite_false_sees_a_file_that_appears_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with pytest.raises(FileExistsError):
        outrun(target)
    assert target.read_bytes() == b"theirs"
    assert others(tmp_path, "file") == []


def test_overwrite_false_writes_where_nothing_is(tmp_path: Path) -> None:
    with replacing(tmp_path / "file", overwrite=False) as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert others(tmp_path, "file") == []


def test_wrong_targets_are_named(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="is a folder; name a file in it"):
        checked_target(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing. Make it first"):
        checked_target(tmp_path / "missing" / "file")


FORMATS = ("model.h5", "model.weights.h5", "model.safetensors")


def model(value: float, units: int = 30_000) -> Sequential:
    result = Sequential([Dense(units, input_shape=(3,), name="d")], name="m")
    result.set_weights([np.full(w.shape, value, "float32") for w in result.get_weights()])
    return result


@contextlib.contextmanager
def only(size: int) -> Iterator[None]:
    """A disk on which no file grows beyond a number of bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write(path: Path, value: float) -> None:
    """Write weights, a whole model or a checkpoint, as the name says."""
    made = model(value, 9000)
    if path.name.startswith("weights"):
        made.save_weights(path)
        return
    made.compile("adam", "mse")
    made.optimizer.build(made.trainable_weights)
    if path.name.startswith("state"):
        saving.save_checkpoint(made, path, keep=None)
    else:
        made.save(path)


WRITTEN = ("weights.h5", "weights.weights.h5", "weights.safetensors", "whole.keras", "whole.h5")


@pytest.mark.parametrize("size", [0, 3000, 100_000])  # nothing, the head, a part of the arrays
@pytest.mark.parametrize("name", [*WRITTEN, "state.h5"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, name: str, size: int) -> None:
    target = tmp_path / name
    write(target, 1.0)
    old = target.read_bytes()
    assert len(old) > 100_000
    with only(size), pytest.raises(OSError, match=r"large|space"):
        write(target, 2.0)
    assert target.read_bytes() == old
    assert others(tmp_path, name) == []
    write(target, 2.0)  # the next one works
    assert target.read_bytes() != old


@pytest.mark.parametrize("background", [False, True])
def test_a_full_disk_leaves_the_checkpoints_of_a_folder(tmp_path: Path, background: bool) -> None:
    folder = tmp_path / "states"
    write(folder, 1.0)
    there = {path.name: path.read_bytes() for path in folder.iterdir()}
    made = model(2.0, 9000)
    made.compile("adam", "mse")
    made.train_on_batch(np.ones((1, 3), "f"), np.ones((1, 9000), "f"))

    def save() -> None:
        saving.save_checkpoint(made, folder, keep=1, background=background)
        saving.wait_for_checkpoints(folder)

    with only(50_000), pytest.raises(OSError, match=r"large|space"):
        save()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == there
    other = model(0.0, 9000)
    other.compile("adam", "mse")
    saving.load_checkpoint(other, folder)
    assert other.get_weights()[0].min() == 1.0


# Forks after the imports; each child saves one of two models over and over until it is killed.
KILLED = """
import os, random, signal, sys, time
import numpy as np
from lamina.core.variable import Variable
from lamina.layers import Dense
from lamina.models import Sequential
from lamina.saving import weights, legacy_weights, keras3_weights, tensors, h5_writing  # noqa
from lamina.saving import load_model, save_model  # noqa

path, times, whole = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "whole"
model = Sequential([Dense(3000, input_shape=(3,), name="d")], name="m")
values = {}
for value in (1.0, 2.0):
    arrays = [np.full(w.shape, value, "float32") for w in model.get_weights()]
    values[value] = arrays

def save(arrays):  # a child runs nothing of JAX, whose threads do not live on after a fork
    table = {id(v): a for v, a in zip(model.weights, arrays)}
    Variable.numpy = lambda self: table[id(self)]
    model.save(path) if whole else model.save_weights(path)

save(values[1.0])
random.seed(0)
for turn in range(times):
    child = os.fork()
    if child == 0:
        try:
            while True:
                save(values[2.0])
                save(values[1.0])
        finally:
            os._exit(1)
    time.sleep(random.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(turn, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "part"),
    [*((name, "weights") for name in FORMATS), ("model.keras", "whole"), ("model.h5", "whole")],
)
def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path, name: str, part: str) -> None:
    target, kills = tmp_path / name, 100
    program = [sys.executable, "-W", "ignore", "-c", KILLED, str(target), str(kills), part]
    reader = Sequential([Dense(3000, input_shape=(3,), name="d")], name="m")
    met, left = set(), 0
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in child.stdout:
            if part == "whole":
                reader = saving.load_model(target)
            else:
                saving.load_weights(reader, target)
            found = {float(v) for w in reader.get_weights() for v in (w.min(), w.max())}
            assert found in ({1.0}, {2.0})
            met |= found
            left += len(others(tmp_path, name))
            for one in others(tmp_path, name):
                os.unlink(tmp_path / one)
            child.stdin.write("\n")
            child.stdin.flush()
    assert child.returncode == 0
    assert met == {1.0, 2.0}
    assert left > 0  # some were killed in the middle of a write
