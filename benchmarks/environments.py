"""The contenders' environments, and their processes.

Each peer gets a virtual environment of its own in ``build/benchmarks``, made at its first use
and kept until what it should hold changes. ``BENCH_ENVIRONMENTS`` names another folder;
environments that are there are used as they are.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
FOLDER = HERE.parent / "build" / "benchmarks"
KERAS = "keras==3.15.*"
TORCH = "torch==2.13.*"
TORCH_FOR_CPUS = "https://download.pytorch.org/whl/cpu"
TENSORFLOW = "tensorflow-cpu==2.21.*" if sys.platform != "darwin" else "tensorflow==2.21.*"


@dataclass(frozen=True)
class Contender:
    """Somebody who trains the models.

    Attributes:
        name: short name.
        title: name for tables.
        backend: value of ``KERAS_BACKEND``.
        packages: what its environment holds; none for that of lamina.
        imports: statements that make ready for use, for the time of an import.
        roots: distributions whose size counts, with all that they need.
    """

    name: str
    title: str
    backend: str | None
    packages: tuple[str, ...]
    imports: str
    roots: tuple[str, ...]


def _keras(backend: str, title: str, package: str) -> Contender:
    roots = "keras", package.split("=", maxsplit=1)[0]
    imports = "import keras; keras.Sequential, keras.layers.Dense"
    return Contender(f"keras-{backend}", title, backend, (KERAS, package), imports, roots)


def _jax() -> str:
    import jax

    return f"jax=={jax.__version__}"


def contenders() -> dict[str, Contender]:
    """All contenders by name, lamina first and the floor last."""
    made = [
        Contender(
            "lamina",
            "lamina",
            None,
            (),
            "import lamina; lamina.Sequential, lamina.layers.Dense",
            ("lamina",),
        ),
        _keras("jax", "Keras on JAX", _jax()),
        _keras("tensorflow", "Keras on TensorFlow", TENSORFLOW),
        _keras("torch", "Keras on PyTorch", TORCH),
        Contender("torch", "PyTorch", None, (TORCH, "numpy"), "import torch", ("torch",)),
        Contender("floor", "JAX by hand", None, (), "import jax, optax", ("jax", "optax")),
    ]
    return {contender.name: contender for contender in made}


def chosen(names: Sequence[str]) -> list[Contender]:
    """The contenders of some names, or all: those whose environment is there or can be made.

    Raises:
        ValueError: a name is unknown.
    """
    everybody = contenders()
    unknown = [name for name in names if name not in everybody]
    if unknown:
        raise ValueError(f"Unknown contenders {unknown}; there are {', '.join(everybody)}.")
    found = []
    for name in names or everybody:
        try:
            python(everybody[name])
        except subprocess.CalledProcessError as error:
            print(f"Without {everybody[name].title}: {error}", file=sys.stderr, flush=True)
            continue
        found.append(everybody[name])
    return found


def python(contender: Contender) -> str:
    """The Python of a contender; its environment is made if it is not there.

    Raises:
        subprocess.CalledProcessError: a package could not be installed.
    """
    if not contender.packages:
        return sys.executable
    stated = os.environ.get("BENCH_ENVIRONMENTS")
    folder = Path(stated or FOLDER) / contender.name
    program, stamp = folder / "bin" / "python", folder / "packages"
    wanted = "\n".join(contender.packages)
    if stated and program.exists():
        return str(program)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"Making {folder}: {', '.join(contender.packages)}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        for package in contender.packages:
            _install(program, package)
        stamp.write_text(wanted)
    return str(program)


def _install(program: Path, package: str) -> None:
    command = [program, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
    if package == TORCH and sys.platform == "linux":
        # The index of all packages has PyTorch for GPUs only: several gigabytes.
        alone = [*command, "--retries", "1", "--index-url", TORCH_FOR_CPUS]
        if subprocess.run(alone, check=False).returncode == 0:
            return
        print("No PyTorch for CPUs; taking the large one.", file=sys.stderr, flush=True)
    subprocess.run(command, check=True)


class ContenderError(Exception):
    """A contender failed or took too long."""


class Worker:
    """A contender in a process of its own, which does what it is told.

    Args:
        contender: who it is.
        caches: folder for what it keeps between processes; by default one that is thrown away.
        limit: seconds that it may take for an answer.
        devices: into how many devices JAX divides the CPU; by default it is one.
    """

    def __init__(
        self,
        contender: Contender,
        caches: str | None = None,
        limit: float = 120,
        devices: int | None = None,
    ) -> None:
        self.contender, self._limit = contender, limit
        self._own = None if caches else tempfile.mkdtemp(prefix="benchmarks-")
        environment = os.environ | quiet(caches or str(self._own))
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        if contender.backend:
            environment["KERAS_BACKEND"] = contender.backend
        if devices is not None:
            flag = f"--xla_force_host_platform_device_count={devices}"
            environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {flag}".strip()
        self._process = subprocess.Popen(
            [python(contender), str(HERE / "contenders" / "worker.py"), contender.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def tell(self, command: str, **details: Any) -> dict[str, Any]:
        """Have something done, and get what it found.

        Raises:
            ContenderError: it failed, ended, or took too long.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        name = self.contender.name
        try:
            self._process.stdin.write(json.dumps({"do": command} | details).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderError(f"{name} has ended.") from None
        ready, _, _ = select.select([self._process.stdout], [], [], self._limit)
        if not ready:
            self._process.kill()
            raise ContenderError(f"{name}: {command} took over {self._limit:g} s.")
        line = self._process.stdout.readline()
        if not line:
            raise ContenderError(f"{name} ended during {command}.")
        answer = json.loads(line)
        if "error" in answer:
            raise ContenderError(f"{name}: {command}: {answer['error']}")
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)


def quiet(caches: str) -> dict[str, str]:
    """Variables for a process that begins with nothing kept, and says little."""
    return {
        "XDG_CACHE_HOME": caches,
        "LAMINA_CACHE": f"{caches}/lamina",
        "KERAS_HOME": caches,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONWARNINGS": "ignore",
    }
