"""Compiled programs that outlive the process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina import config
from lamina.core import cache

FIT = """
import os, sys, jax, numpy as np
found, lowered = [], []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event))
jax.monitoring.register_event_duration_secs_listener(
    lambda event, _, **more: lowered.append(more.get("fun_name")) if "to_mlir" in event else None
)
{before}
from lamina.layers import Dense, Dropout
from lamina.models import Sequential
model = Sequential([Dense(7, input_shape=(5,)), Dropout(0.5), Dense(3, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
rng = np.random.default_rng(0)
logs = model.fit(rng.normal(size=(64, 5)), rng.integers(0, 3, 64), verbose=0).history
{after}
print(found.count("/jax/compilation_cache/cache_hits"),
      found.count("/jax/compilation_cache/cache_misses"),
      jax.config.jax_compilation_cache_dir)
"""


def fit(before="", after="", **environment):
    """Hits, misses and the folder of a process that trains a small net."""
    return int((found := process(before, after, **environment))[0]), int(found[1]), found[2]


def process(before="", after="", **environment):
    """The words that such a process prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LAMINA", "JAX", "XDG"))}
    done = subprocess.run(
        [sys.executable, "-c", FIT.format(before=before, after=after)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


EVERYTHING = "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)"
SEEDED = EVERYTHING + "; import lamina; lamina.utils.set_random_seed(3)"
TOLD = "print(*[name for name in lowered if '_many' in str(name)], float(logs['loss'][0]).hex())"


def stored(folder):
    """The files of executables that are found by what was traced."""
    return list(Path(folder).rglob("traced/*"))


def test_a_second_process_compiles_nothing_of_the_step(tmp_path):
    hits, misses, folder = fit(EVERYTHING, XDG_CACHE_HOME=str(tmp_path))
    assert misses >= 1
    assert folder.startswith(str(tmp_path / "lamina"))
    names = os.listdir(folder)
    assert any("_many" in name for name in names), names
    assert len(stored(tmp_path)) == 1
    again, missed, _ = fit(EVERYTHING, XDG_CACHE_HOME=str(tmp_path))
    # Not even the seeds that were drawn for the weights are part of a program; and JAX is not even
    # asked for that of the step.
    assert (again, missed) == (hits + misses - 1, 0)


def test_nor_does_it_lower_the_step_and_the_results_are_the_same(tmp_path):
    name, loss, *_ = process(SEEDED, TOLD, XDG_CACHE_HOME=str(tmp_path))
    assert "_many" in name
    assert process(SEEDED, TOLD, XDG_CACHE_HOME=str(tmp_path))[0] == loss


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "not a program"])
def test_files_that_are_damaged_are_left_alone(damage, tmp_path):
    _, loss, *_ = process(SEEDED, TOLD, XDG_CACHE_HOME=str(tmp_path))
    (place,) = stored(tmp_path)
    data = bytearray(place.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "changed":
        data[len(data) // 2] ^= 1
    elif damage == "empty":
        data.clear()
    else:
        data = bytearray(hashlib.sha256(b"other").digest() + b"other")
    place.write_bytes(data)
    assert process(SEEDED, TOLD, XDG_CACHE_HOME=str(tmp_path))[1] == loss


def test_what_jax_had_on_disk_is_not_written_once_more(tmp_path):
    """An executable that was read lacks what it takes to write it: it would fail when it runs."""
    _, loss, *_ = process(SEEDED, TOLD, XDG_CACHE_HOME=str(tmp_path))
    stored(tmp_path)[0].unlink()
    for _ in range(2):
        assert process(SEEDED, TOLD, XDG_CACHE_HOME=str(tmp_path))[1] == loss
        assert not stored(tmp_path)


@pytest.mark.parametrize(
    ("before", "environment"),
    [
        ("jax.config.update('jax_default_matmul_precision', 'highest')", {}),
        ("jax.config.update('jax_threefry_partitionable', False)", {}),
        ("", {"XLA_FLAGS": "--xla_cpu_enable_fast_math=false"}),
    ],
)
def test_settings_are_part_of_what_a_program_is(before, environment, tmp_path):
    process(SEEDED, XDG_CACHE_HOME=str(tmp_path))
    process(f"{SEEDED}; {before}", XDG_CACHE_HOME=str(tmp_path), **environment)
    assert len(stored(tmp_path)) == 2


def test_a_folder_of_the_users_own_gets_none(tmp_path):
    process(EVERYTHING, JAX_COMPILATION_CACHE_DIR=str(tmp_path))
    assert os.listdir(tmp_path)
    assert not stored(tmp_path)


@pytest.mark.parametrize(
    ("before", "environment", "expected"),
    [
        ("", {"LAMINA_CACHE": "off"}, "None"),
        ("import lamina; lamina.config.set_compile_cache(False)", {}, "None"),
        ("jax.config.update('jax_enable_compilation_cache', False)", {}, "None"),
        ("jax.config.update('jax_compilation_cache_dir', '{tmp}/own')", {}, "{tmp}/own"),
        ("", {"JAX_COMPILATION_CACHE_DIR": "{tmp}/own"}, "{tmp}/own"),
        ("", {"LAMINA_CACHE": "{tmp}/named"}, "{tmp}/named/"),
        ("import lamina; lamina.config.set_compile_cache(True, '{tmp}/b')", {}, "{tmp}/b/"),
        ("", {"XDG_CACHE_HOME": "/dev/null/no"}, "None"),
    ],
)
def test_switches(before, environment, expected, tmp_path):
    def filled(text):
        return text.replace("{tmp}", str(tmp_path))

    environment = {"XDG_CACHE_HOME": str(tmp_path / "usual")} | environment
    environment = {name: filled(value) for name, value in environment.items()}
    _, _, folder = fit(filled(before), **environment)
    assert folder == filled(expected) or (
        expected.endswith("/") and folder.startswith(filled(expected))
    )


def test_a_setting_may_come_back(tmp_path):
    """Each compilation uses the folder that is set then, also one that was set before."""
    changes = """
import lamina, lamina.core.jit as jit
folders = []
for name in ("a", "b", "a"):
    lamina.config.set_compile_cache(True, r"{tmp}/" + name)
    jit.compile(lambda x: x)
    folders.append(jax.config.jax_compilation_cache_dir.split("/")[-2])
assert folders == ["a", "b", "a"], folders
lamina.config.set_compile_cache(False)
"""
    _, _, folder = fit(changes.replace("{tmp}", str(tmp_path)))
    assert folder == "None"


def test_the_least_recently_used_files_go(tmp_path):
    sizes = {"a": 300, "b": 500, "c": 400, "d": 100}
    for age, (name, size) in enumerate(sizes.items()):
        path = tmp_path / "cpu" / f"{name}-cache"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
        when = 1_000_000 - age * 1000
        os.utime(path, (when, when))
    (tmp_path / "other").write_bytes(bytes(5000))
    cache.trim(tmp_path, 1300)
    assert len(os.listdir(tmp_path / "cpu")) == 4
    cache.trim(tmp_path, 1200)
    # d and c, the oldest, go: 800 bytes of 960 are left.
    assert sorted(os.listdir(tmp_path / "cpu")) == ["a-cache", "b-cache"]
    assert (tmp_path / "other").exists()


def test_arguments_of_other_types_are_named():
    with pytest.raises(TypeError, match=r"on must be True or False, got 'off'; a folder is"):
        config.set_compile_cache("off")  # pyright: ignore
    with pytest.raises(TypeError, match="folder must be a path or None, got 3"):
        config.set_compile_cache(folder=3)  # pyright: ignore


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, None])
def test_limits_are_checked(limit):
    with pytest.raises(ValueError, match="set_compile_cache: limit must be a positive int"):
        config.set_compile_cache(limit=limit)
