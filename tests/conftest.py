"""Settings before any test: several devices, and nothing silent."""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_HOME", os.path.join(os.path.dirname(__file__), "no-keras-home"))
os.environ.setdefault("MPLBACKEND", "agg")
# Programs that several tests compile are compiled once, by either process.
CACHE = tempfile.TemporaryDirectory(prefix="lamina-tests-")
os.environ.setdefault("LAMINA_CACHE", CACHE.name)

import jax  # noqa: E402

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

import pytest  # noqa: E402

from lamina import config, seeds  # noqa: E402
from lamina.core import cache, policy  # noqa: E402

cache.apply(config.compile_cache())


def _reset() -> None:
    """Settings as a new process without a ``keras.json`` has them."""
    vars(config.settings).update(vars(config.Settings()))
    policy.set_dtype_policy(None)
    if jax.config.read("jax_enable_x64"):
        jax.config.update("jax_enable_x64", False)


@pytest.fixture(autouse=True)
def _settings_of_a_new_process():
    """No test leaves settings behind: ``keras.json``'s, the dtype policy, 64-bit types."""
    _reset()
    yield
    _reset()


MAPS = Path("/proc/self/maps")
MOST_MAPS = 20_000
"""Linux gives a process 65,530 maps of memory (``vm.max_map_count``)."""


@pytest.fixture(autouse=True, scope="module")
def _room_for_programs():
    """Each program that is kept takes maps; XLA crashes, not the test, when there are no more."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()


@pytest.fixture
def unset():
    """As in a process in which nobody set the global seed."""
    kept = dict(seeds._state)
    seeds._state.update(seed=None, drawn=0)
    yield
    seeds._state.update(kept)
