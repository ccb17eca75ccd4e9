"""Damaged files of all formats, the same ones each time: a clean error or a correct load.

More of them: ``tools/fuzz_files.py``.
"""

from __future__ import annotations

import faulthandler
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.saving import fuzzing

BLOCK, BLOCKS = 36, 4
HANG = 300


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """A library that never comes back ends the process, and says where it was."""
    faulthandler.dump_traceback_later(HANG, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def test_there_are_enough() -> None:
    assert len(fuzzing.NAMES) * BLOCK * BLOCKS >= 2000


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("name", fuzzing.NAMES)
def test_damaged_files(name: str, block: int, tmp_path: Path) -> None:
    found = Counter(
        fuzzing.attempt(name, seed, tmp_path) for seed in range(block * BLOCK, (block + 1) * BLOCK)
    )
    assert found.total() == BLOCK
    assert found["loaded"] < BLOCK, "nothing was damaged"


@pytest.mark.parametrize("name", fuzzing.NAMES)
def test_the_sound_file_loads(name: str, tmp_path: Path) -> None:
    one = fuzzing.kind(name)
    path = tmp_path / f"model{one.ending}"
    path.write_bytes(one.data)
    assert one.read(path) == "loaded"


def test_the_same_number_gives_the_same_file() -> None:
    for name in ("keras2.2.4/mlp.h5", "safetensors", "keras3.15/text.json"):
        assert fuzzing.damaged(name, 3) == fuzzing.damaged(name, 3)
        assert fuzzing.damaged(name, 3) != fuzzing.damaged(name, 4)


class TestTheJudge:
    """What the fuzzer would say of a reader that is not sound."""

    def test_errors_of_libraries_are_leaks(self) -> None:
        with pytest.raises(fuzzing.Leak, match="KeyError from"):
            fuzzing.checked(self.error(lambda: {}["a"]))
        with pytest.raises(fuzzing.Leak, match="ValueError from"):
            fuzzing.checked(self.error(lambda: np.zeros(3).reshape(2)))

    def test_errors_that_lamina_raises_are_clean(self, tmp_path: Path) -> None:
        error = self.error(lambda: fuzzing.load_model(tmp_path / "nothing.h5"))
        assert fuzzing.checked(error) == "FileNotFoundError"

    def test_weights_that_are_not_in_the_file_are_leaks(self) -> None:
        data = fuzzing.kind("keras2.2.4/mlp.weights.h5").data
        with pytest.raises(fuzzing.Leak, match=r"shape \(2,\)"):
            fuzzing.check_weights([np.full(2, 9, "f")], data)

    @staticmethod
    def error(call) -> BaseException:
        with pytest.raises(Exception, match=r".") as found:
            call()
        return found.value
