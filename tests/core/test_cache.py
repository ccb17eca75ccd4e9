"""Compiled programs that outlive the process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from lamina import config
from lamina.core import cache
from lamina.ops import library

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


def process(before="", after="", script=FIT, **environment):
    """The words that such a process prints."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LAMINA", "JAX", "XDG"))}
    done = subprocess.run(
        [sys.executable, "-c", script.format(before=before, after=after)],
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


CONVOLUTIONS = FIT.replace("import Dense", "import Conv1D, Flatten, Reshape, Dense").replace(
    "Dense(7, input_shape=(5,))",
    "Reshape((5, 1), input_shape=(5,)), Conv1D(9, 3, activation='relu'), Flatten()",
)


@pytest.mark.skipif(not library.fewest(), reason="lamina was built without kernels")
def test_steps_that_call_kernels_are_found_but_not_without_the_kernels(tmp_path):
    told = "print(*lowered, float(logs['loss'][0]).hex())"
    options = {"script": CONVOLUTIONS, "XDG_CACHE_HOME": str(tmp_path)}
    name, loss, *_ = process(SEEDED, told, **options)
    assert "_one" in name
    assert len(stored(tmp_path)) == 1
    assert process(SEEDED, told, **options)[0] == loss  # nothing was lowered
    name, other, *_ = process(SEEDED, told, LAMINA_NATIVE="0", **options)
    assert "_one" in name
    assert abs(float.fromhex(other) - float.fromhex(loss)) < 1e-6
    assert len(stored(tmp_path)) == 2


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


def test_flags_in_a_file_may_change(tmp_path):
    flags = tmp_path / "flags"
    flags.write_text("--xla_cpu_enable_fast_math=false")
    process(EVERYTHING, XDG_CACHE_HOME=str(tmp_path), XLA_FLAGS=str(flags))
    assert not stored(tmp_path)


REGULARIZED = """
import jax, jax.numpy as jnp, numpy as np
from lamina.layers import Dense
from lamina.models import Sequential
def gram(kernel):
    return jnp.linalg.cholesky(kernel.T @ kernel + jnp.eye(3)).sum()
first = Dense(3, input_shape=(5,), kernel_initializer="ones", kernel_regularizer=gram)
model = Sequential([first])
model.compile("sgd", "mse")
print(model.fit(np.ones((8, 5)), np.ones((8, 3)), verbose=0).history["loss"][0])
"""


def test_programs_that_call_lapack_run_in_a_second_process(tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-c", REGULARIZED]
    runs = [subprocess.run(command, env=environment, capture_output=True) for _ in range(2)]  # noqa: PLW1510
    assert [run.returncode for run in runs] == [0, 0], runs[-1].stderr
    assert runs[0].stdout == runs[1].stdout
    assert not stored(tmp_path)


MIXED = f"{SEEDED}; lamina.mixed_precision.set_global_policy('mixed_bfloat16')"


def test_mixed_precision_is_found_too(tmp_path):
    name, loss, *_ = process(MIXED, TOLD, XDG_CACHE_HOME=str(tmp_path))
    assert "_many" in name
    assert process(MIXED, TOLD, XDG_CACHE_HOME=str(tmp_path))[0] == loss


def test_donation_and_options_are_part_of_what_a_program_is(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    traced = jax.jit(lambda x: x + 1).trace(1.0)
    options = [((), None), ((0,), None), ((), {"a": 1}), ((), {"a": True})]
    assert len({cache._place(traced, (1.0,), one) for one in options}) == 4
    committed = jax.device_put(1.0, jax.devices()[0])
    assert cache._place(traced, (committed,), ()) != cache._place(traced, (jnp.ones(()),), ())


def test_so_are_versions_and_cores(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    traced = jax.jit(lambda x: x + 1).trace(1.0)
    places = {cache._place(traced, (1.0,), ())}
    monkeypatch.setattr(jax, "__version__", "0.0.1")
    places.add(cache._place(traced, (1.0,), ()))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(77), raising=False)
    places.add(cache._place(traced, (1.0,), ()))
    monkeypatch.setattr(library, "fewest", lambda: 0)
    places.add(cache._place(traced, (1.0,), ()))
    assert len(places) == 4


def test_without_a_list_of_settings_nothing_has_a_place(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    traced = jax.jit(lambda x: x + 1).trace(1.0)
    assert cache._place(traced, (1.0,), ()) is not None
    monkeypatch.delattr(type(jax.config), "values")
    assert cache._place(traced, (1.0,), ()) is None


def test_a_full_disk_leaves_no_pieces(monkeypatch, tmp_path):
    def full(*_):
        raise OSError("no space left on device")

    compiled = jax.jit(lambda x: x + 1).lower(1.0).compile()
    cache._save(tmp_path / "traced" / "a-cache", compiled)
    monkeypatch.setattr(os, "replace", full)
    cache._save(tmp_path / "traced" / "b-cache", compiled)
    assert [path.name for path in stored(tmp_path)] == ["a-cache"]


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


def test_a_file_is_no_folder(tmp_path):
    before = config.compile_cache()
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"must be a folder, or not exist; .*file is a file"):
        config.set_compile_cache(folder=tmp_path / "file")
    assert config.compile_cache() == before


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, None])
def test_limits_are_checked(limit):
    with pytest.raises(ValueError, match="set_compile_cache: limit must be a positive int"):
        config.set_compile_cache(limit=limit)
