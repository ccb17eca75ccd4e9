"""Run benchmarks, each in a fresh process, and print their ratios.

python benchmarks/run.py [NAME ...]
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
NAMES = ("import_time", "dispatch", "eager_call", "small_mlp", "progress")


def describe() -> dict[str, Any]:
    """The machine and the versions."""
    import jax
    import numpy

    import lamina

    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "device": jax.devices()[0].device_kind,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "numpy": numpy.__version__,
        "lamina": lamina.__version__,
    }


def one(name: str) -> None:
    """Measure in this process, and write the result."""
    rows = [row.as_json() for row in importlib.import_module(name).measure()]
    RESULTS.mkdir(exist_ok=True)
    found = {"benchmark": name, "setting": describe(), "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")


def table(names: list[str]) -> str:
    """The results of benchmarks as lines of text."""
    form = "{:<40}{:>12}{:>12}{:>9}{:>9}{:>9}"
    lines = [form.format("", "lamina", "other", "ratio", "median", "limit")]
    for name in names:
        for row in json.loads((RESULTS / f"{name}.json").read_text())["rows"]:
            figures = [f"{row[key]:.4g} {row['unit']}" for key in ("ours", "theirs")]
            ratios = [f"{row[key]:.3f}" for key in ("ratio", "median_ratio")]
            limit = "-" if row["limit"] is None else f"{row['limit']:g}"
            lines.append(form.format(row["name"], *figures, *ratios, limit))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--one"]:
        one(arguments[1])
        return 0
    names = [Path(argument).stem for argument in arguments] or list(NAMES)
    for name in names:
        if name not in NAMES:
            print(f"Unknown benchmark {name!r}; there are {', '.join(NAMES)}.", file=sys.stderr)
            return 2
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, __file__, "--one", name], check=False)
        if done.returncode:
            return done.returncode
        print(table([name]), flush=True)
    if len(names) > 1:
        print(f"\n{table(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
