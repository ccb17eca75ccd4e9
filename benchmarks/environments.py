"""An environment of its own for Keras, which lamina does not depend on."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
FOLDER = HERE.parent / "build" / "keras-environment"


def keras_python() -> str | None:
    """A Python that has Keras 3 and JAX: ``KERAS_PYTHON``, or an environment made here."""
    stated = os.environ.get("KERAS_PYTHON")
    if stated:
        return stated
    python = FOLDER / "bin" / "python"
    if not (FOLDER / "complete").exists():
        import jax

        print(f"Making {FOLDER} for Keras 3", file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
            packages = ["keras>=3", f"jax=={jax.__version__}"]
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        except subprocess.CalledProcessError as error:
            print(f"No comparison with Keras: {error}", file=sys.stderr)
            return None
        (FOLDER / "complete").touch()
    return str(python)


class Worker:
    """A contender in a process of its own: one figure for each line it is sent."""

    def __init__(self, python: str, script: str) -> None:
        self._process = subprocess.Popen(
            [python, str(HERE / "contenders" / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self) -> float:
        """What it took once more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Here:
    """A contender in this very process."""

    def __init__(self, script: str) -> None:
        spec: Any = importlib.util.spec_from_file_location(
            "contender", HERE / "contenders" / script
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.run = module.contender()

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *details: object) -> None:
        pass


def keras_worker(script: str) -> Worker | Here | None:
    """A contender that needs Keras: in this process with ``SAME_PROCESS=1``, else in its own."""
    if os.environ.get("SAME_PROCESS"):
        return Here(script)
    python = keras_python()
    return None if python is None else Worker(python, script)
