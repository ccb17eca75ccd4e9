"""Run benchmarks, each in a fresh process, and print their ratios.

python benchmarks/run.py [NAME ...] [--models a,b] [--contenders a,b] [--rounds N] [--seconds S]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import limits
import report
from timing import Options

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SMALL = ("import_time", "dispatch", "eager_call", "small_mlp", "progress")
SUITE = {
    "start": ("start", "measure"),
    "peers": ("peers", "measure"),
    "depth": ("growth", "depth"),
    "width": ("growth", "width"),
    "batch": ("growth", "batch"),
    "memmap": ("growth", "memmap"),
    "shards": ("shards", "measure"),
}
"""Module and function of those that take the options."""
NAMES = (*SMALL, *SUITE)


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


def one(name: str, options: Options) -> None:
    """Measure in this process, and write the result."""
    if name in SUITE:
        place, function = SUITE[name]
        rows, figures = getattr(importlib.import_module(place), function)(options)
    else:
        rows, figures = importlib.import_module(name).measure(), None
    RESULTS.mkdir(exist_ok=True)
    found = {"benchmark": name, "setting": describe(), "rows": [row.as_json() for row in rows]}
    if figures is not None:
        found["figures"] = figures
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
    if name == "peers" and figures is not None:
        (RESULTS / "peers.md").write_text(report.markdown(figures, found["rows"]))
        report.chart(figures, RESULTS / "peers.svg")


def results(name: str) -> list[dict[str, Any]]:
    """The rows that a benchmark has written."""
    return json.loads((RESULTS / f"{name}.json").read_text())["rows"]


def table(names: list[str]) -> str:
    """The results of benchmarks as lines of text."""
    form = "{:<40} {:>12} {:>12}{:>9}{:>9}{:>9} {}"
    lines = [form.format("", "lamina", "other", "ratio", "median", "limit", "")]
    for row in (row for name in names for row in results(name)):
        figures = [f"{row[key]:.4g} {row['unit']}" for key in ("ours", "theirs")]
        ratios = [f"{row[key]:.3f}" for key in ("ratio", "median_ratio")]
        limit = "-" if row["limit"] is None else f"{row['limit']:g}"
        notes = [row["details"].get("other", "")] + ["missed"] * bool(limits.missed([row]))
        lines.append(form.format(row["name"], *figures, *ratios, limit, " ".join(notes)).rstrip())
    return "\n".join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run benchmarks and print their ratios.")
    usual = Options()

    def names(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--models", type=names, default=(), help="models of the peers: a,b,c")
    parser.add_argument("--contenders", type=names, default=(), help="contenders: a,b,c")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="most rounds")
    parser.add_argument(
        "--seconds", type=float, default=usual.seconds, help="for the rounds of a model, about"
    )
    parser.add_argument("--no-check", action="store_true", help="do not compare the numbers")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    stated = parser.parse_args(arguments)
    stated.names = [Path(name).stem for name in stated.names] or list(NAMES)
    for name in stated.names:
        if name not in NAMES:
            parser.error(f"Unknown benchmark {name!r}; there are {', '.join(NAMES)}.")
    return stated


def main(arguments: list[str]) -> int:
    stated = parse(arguments)
    if stated.one:
        options = Options(
            stated.models, stated.contenders, stated.rounds, stated.seconds, not stated.no_check
        )
        one(stated.names[0], options)
        return 0
    names = stated.names
    rest = [argument for argument in arguments if Path(argument).stem not in names]
    for name in names:
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, __file__, name, "--one", *rest], check=False)
        if done.returncode:
            return done.returncode
        print(table([name]), flush=True)
    if len(names) > 1:
        print(f"\n{table(names)}")
    missed = limits.missed([row for name in names for row in results(name)])
    print("\nMissed limits:" if missed else "\nAll limits are reached.", *missed, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
