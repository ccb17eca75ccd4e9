"""Compiled programs that outlive the process."""

import os
import subprocess
import sys

import pytest

from lamina import config
from lamina.core import cache

FIT = """
import os, sys, jax, numpy as np
found = []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event))
{before}
from lamina.layers import Dense, Dropout
from lamina.models import Sequential
model = Sequential([Dense(7, input_shape=(5,)), Dropout(0.5), Dense(3, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
rng = np.random.default_rng(0)
model.fit(rng.normal(size=(64, 5)), rng.integers(0, 3, 64), verbose=0)
print(found.count("/jax/compilation_cache/cache_hits"),
      found.count("/jax/compilation_cache/cache_misses"),
      jax.config.jax_compilation_cache_dir)
"""


def fit(before="", **environment):
    """Hits, misses and the folder of a process that trains a small net."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LAMINA", "JAX", "XDG"))}
    done = subprocess.run(
        [sys.executable, "-c", FIT.format(before=before)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    hits, misses, folder = done.stdout.split()
    return int(hits), int(misses), folder


def test_a_second_process_compiles_nothing_of_the_step(tmp_path):
    everything = "jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)"
    hits, misses, folder = fit(everything, XDG_CACHE_HOME=str(tmp_path))
    assert misses >= 1
    assert folder.startswith(str(tmp_path / "lamina"))
    names = os.listdir(folder)
    assert any("_many" in name for name in names), names
    again, missed, _ = fit(everything, XDG_CACHE_HOME=str(tmp_path))
    # Not even the seeds that were drawn for the weights are part of a program.
    assert (again, missed) == (hits + misses, 0)


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
