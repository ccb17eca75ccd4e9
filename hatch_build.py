"""Compile the kernels for CPUs into the wheel, unless ``LAMINA_NATIVE=0`` leaves them out."""

import atexit
import os
import platform
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LIBRARY = {"darwin": "kernels.dylib", "win32": "kernels.dll"}.get(sys.platform, "kernels.so")

FLAGS = [
    "-std=c11",
    "-O3",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wall",
    *(["-pthread"] if os.name == "posix" else []),
]
AVX2 = ["-mavx2", "-mfma"]
AVX512 = ["-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mprefer-vector-width=512"]
X86 = platform.machine().lower() in {"x86_64", "amd64"}
# These are compiled once for each width of vectors; the library chooses where it runs.
VECTORS = ("rows", "tiles", "sums", "windows", "moments", "each")
WIDTHS: dict[int, list[str]] = {16: [*AVX512, *AVX2], 8: AVX2, 4: AVX2} if X86 else {4: []}

# All else must run on every machine of the architecture, also where a compiler means a newer one.
PORTABLE = ["-march=x86-64"] if X86 else []
ZIG = [sys.executable, "-m", "ziglang", "cc", "-mcpu=baseline", "-g0", "-fno-sanitize=undefined"]

TRIAL = """
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
int trial(void) { return 0; }
"""


def run(command: list[str], folder: str) -> None:
    """Run a compiler; its warnings are shown by ``pip --verbose``, zig's cache is in `folder`."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = {"ZIG_GLOBAL_CACHE_DIR": folder, **os.environ}
    try:
        done = subprocess.run(command, **pipes, env=environment, errors="replace", check=False)
        failed, output = done.returncode != 0, done.stdout
    except OSError as error:
        failed, output = True, f"{error}\n"
    if failed:
        raise RuntimeError(
            f"lamina's kernels for CPUs could not be compiled.\n\n{shlex.join(command)}\n{output}\n"
            "Name another C compiler (CC=clang), or install without the kernels (LAMINA_NATIVE=0)."
        )
    print(output, end="")


def works(command: list[str]) -> bool:
    """Whether a compiler is there, knows the widest vectors, and finds headers and a linker."""
    with TemporaryDirectory() as folder:
        source = Path(folder, "trial.c")
        source.write_text(TRIAL, encoding="utf-8")
        options = [*FLAGS, *WIDTHS[max(WIDTHS)], "-shared", "-o", f"{folder}/{LIBRARY}"]
        try:
            run([*command, str(source), *options], folder)
        except RuntimeError:
            return False
    return True


def compiler() -> list[str]:
    """The compiler that `CC` names, else the first that works, else the one that pip installs."""
    if named := os.environ.get("CC"):
        return [*shlex.split(named, posix=os.name == "posix"), *PORTABLE]
    installed = ([name, *PORTABLE] for name in ("cc", "gcc", "clang"))
    return next(filter(works, installed), ZIG)


def compile_library(sources: Path, library: Path) -> None:
    """Compile the files of a folder into a library, which appears whole or not at all."""
    command = [*compiler(), *FLAGS]
    with TemporaryDirectory(prefix="kernels-", dir=library.parent) as folder:
        objects = {
            f"{folder}/{name}-{width}.o": [f"-DWIDTH={width}", *flags, str(sources / f"{name}.c")]
            for width, flags in WIDTHS.items()
            for name in VECTORS
        }
        for source in sources.glob("*.c"):
            if source.stem not in VECTORS:
                objects[f"{folder}/{source.stem}.o"] = [str(source)]
        with ThreadPoolExecutor() as pool:
            each = ([*command, *options, "-c", "-o", name] for name, options in objects.items())
            list(pool.map(partial(run, folder=folder), each))
        linked = Path(folder, library.name)
        run([*command, "-shared", *objects, "-o", str(linked)], folder)
        linked.replace(library)


def is_wanted() -> bool:
    """Whether there is to be a library."""
    return os.environ.get("LAMINA_NATIVE") != "0"


class NativeBuildHook(BuildHookInterface):
    """A library for the wheel, or in the tree where the installation is editable."""

    def dependencies(self) -> list[str]:
        return ["ziglang"] if is_wanted() and compiler() == ZIG else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sources = Path(self.root, "src/lamina/native")
        if version == "editable":
            if is_wanted():
                compile_library(sources, sources / LIBRARY)
            else:
                (sources / LIBRARY).unlink(missing_ok=True)
        elif is_wanted():
            folder = TemporaryDirectory()
            atexit.register(folder.cleanup)  # the wheel is written later
            library = Path(folder.name, LIBRARY)
            compile_library(sources, library)
            system = self.build_config.builder.get_best_matching_tag().rpartition("-")[2]
            build_data["force_include"][str(library)] = f"lamina/native/{LIBRARY}"
            build_data.update(pure_python=False, tag=f"py3-none-{system}")
