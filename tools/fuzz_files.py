"""Damage model files of all formats, and see that each ends in a clean error or a correct load.

    PYTHONPATH=. python tools/fuzz_files.py --count 5000 --first 0

Each format runs in a process of its own, so that also a crash of a library is found; it is said
with the number of the file, which ``--write FOLDER`` writes for a look at it.
"""

import argparse
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from tests.saving import fuzzing

MEMORY = 8 * 2**30


def run(name: str, first: int, count: int, show: bool) -> int:
    """Read files of one format; the number of those that led to something else."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            print(f"{seed}", end="\r", flush=True)
            try:
                found[fuzzing.attempt(name, seed, Path(folder))] += 1
            except fuzzing.Leak as leak:
                found["LEAK"] += 1
                print(f"LEAK {leak}", flush=True)
                if show:
                    traceback.print_exception(leak)
    print(f"{name}: {fuzzing.summary(found)}", flush=True)
    return found["LEAK"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="files of each format")
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--only", choices=fuzzing.NAMES, help="this format alone, in this process")
    parser.add_argument("--show", action="store_true", help="print tracebacks")
    parser.add_argument("--write", type=Path, help="write the files into this folder, read none")
    chosen = parser.parse_args()
    if chosen.write:
        for name in [chosen.only] if chosen.only else fuzzing.NAMES:
            for seed in range(chosen.first, chosen.first + chosen.count):
                ending = fuzzing.kind(name).ending
                target = chosen.write / f"{name.replace('/', '-')}-{seed}{ending}"
                target.write_bytes(fuzzing.damaged(name, seed))
        return 0
    if chosen.only:
        return int(run(chosen.only, chosen.first, chosen.count, chosen.show) > 0)
    status = 0
    for name in fuzzing.NAMES:
        words = ["--only", name, "--first", str(chosen.first), "--count", str(chosen.count)]
        ended = subprocess.run([sys.executable, __file__, *words], check=False)
        if ended.returncode not in (0, 1):
            print(f"{name}: the process ended with {ended.returncode}")
        status |= ended.returncode != 0
    return status


if __name__ == "__main__":
    sys.exit(main())
