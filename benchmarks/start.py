"""What it takes to have each contender: the time of its import, and what is installed for it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import Any

import environments
from environments import Contender, python, quiet
from timing import Options, Row, Run, compare, rounds

IMPORT = """
import time
start = time.perf_counter()
{imports}
print(time.perf_counter() - start)
"""

SIZE = """
import importlib.metadata as metadata, json, pathlib, re, sys
seen, queue, size = set(), sys.argv[1:], 0
while queue:
    name = re.sub("[-_.]+", "-", queue.pop()).lower()
    if name in seen:
        continue
    seen.add(name)
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        continue
    size += sum(p.stat().st_size for f in found.files or () if (p := f.locate()).is_file())
    needs = [need for need in found.requires or () if "extra ==" not in need]
    queue += [re.match("[A-Za-z0-9._-]+", need).group() for need in needs]
print(json.dumps(size))
"""


def measure(options: Options) -> tuple[list[Row], dict[str, Any]]:
    chosen = environments.chosen(options.contenders)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as caches:
        runs = {contender.name: fresh(contender, caches) for contender in chosen}
        taken = rounds(runs, options.rounds, 1, options.seconds * 3)
    figures = {
        contender.name: {"import": taken[contender.name], "installed": installed(contender)}
        for contender in chosen
    }
    ours = figures["lamina"]
    rows = []
    for name in [name for name in figures if name != "lamina"]:
        theirs = figures[name]
        rows.append(compare(f"import / {name}", "s", ours["import"], theirs["import"]))
        ratio = ours["installed"] / theirs["installed"]
        sizes = ours["installed"], theirs["installed"]
        rows.append(Row(f"installed / {name}", "MB", *sizes, ratio, ratio))
    return rows, figures


def fresh(contender: Contender, caches: str) -> Run:
    """Seconds of its import in a new process."""
    command = [python(contender), "-c", IMPORT.format(imports=contender.imports)]
    backend = {"KERAS_BACKEND": contender.backend} if contender.backend else {}
    environment = os.environ | quiet(caches) | backend

    def run() -> float:
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        return float(done.stdout.split()[-1])

    return run


def installed(contender: Contender) -> float:
    """Megabytes of a contender's packages and of all that they need."""
    command = [python(contender), "-c", SIZE, *contender.roots]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    size = json.loads(done.stdout)
    if "lamina" in contender.roots:
        # It is installed in place: its files are not listed.
        package = environments.HERE.parent / "src" / "lamina"
        size += sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    return size / 2**20
