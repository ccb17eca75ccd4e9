"""The process keeps what large temporaries took, unless somebody chose otherwise."""

import os
import subprocess
import sys

import pytest

from lamina.core import memory

on_glibc = pytest.mark.skipif(memory._glibc() is None, reason="this is not Linux with glibc")

STEPS = """
import resource
import numpy as np
from lamina.layers import Conv2D, GlobalAveragePooling2D
from lamina.models import Sequential
first = Conv2D(24, 3, activation="relu", input_shape=(50, 51, 3))
model = Sequential([first, GlobalAveragePooling2D()])
model.compile("sgd", "mse")
x, y = np.ones((900, 50, 51, 3), "float32"), np.ones((900, 24), "float32")
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
model.fit(x, y, batch_size=300, epochs=2, verbose=0)
before = faults()
model.fit(x, y, batch_size=300, epochs=3, verbose=0)
print(faults() - before)
"""

BLOCK = """
import re
import numpy as np
import lamina.core.jit
from lamina import backend as K
def held():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
before = held()
block = np.ones(25_000_000, "float32")
filled = held() - before
del block
freed = held() - before
K.clear_session()
print(filled, freed, held() - before)
"""


def printed(program: str, **environment: str) -> list[int]:
    """Whole numbers that a process prints whose allocator nobody set up."""
    theirs = (*memory.THEIRS, "GLIBC_TUNABLES", "LAMINA_MALLOC")
    kept = {name: value for name, value in os.environ.items() if name not in theirs}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


@on_glibc
@pytest.mark.slow
def test_steps_touch_few_fresh_pages():
    (kept,) = printed(STEPS)
    (fresh,) = printed(STEPS, LAMINA_MALLOC="off")
    assert fresh > 20_000
    assert kept < fresh / 4


@on_glibc
def test_memory_goes_back_when_the_session_is_cleared():
    filled, freed, cleared = printed(BLOCK)
    assert filled > 90
    assert freed > 90
    assert cleared < 20
    filled, freed, _ = printed(BLOCK, LAMINA_MALLOC="off")
    assert filled > 90
    assert freed < 20


@pytest.mark.parametrize(
    "environment",
    [
        {"LAMINA_MALLOC": "off"},
        {"LAMINA_MALLOC": "0"},
        {"MALLOC_ARENA_MAX": "4"},
        {"MALLOC_TRIM_THRESHOLD_": "100000"},
        {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=5"},
        {"LD_PRELOAD": "libjemalloc.so"},
    ],
)
def test_settings_of_others_count(environment, monkeypatch):
    assert memory.wanted({"PATH": "/bin", "LAMINA_MALLOC": "on"})
    assert not memory.wanted(environment)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert not memory.keep()


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep()
    memory.release()
