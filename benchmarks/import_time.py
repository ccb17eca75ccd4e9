"""What ``import lamina`` costs beside ``import jax``, in alternating fresh processes."""

from __future__ import annotations

import subprocess
import sys

from timing import Row, compare, rounds

PROGRAM = """
import time
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""

STATEMENTS = {
    "jax": "import jax",
    "lamina": "import lamina, jax",
    "first use": "from lamina import layers, models; import jax",
}


def fresh(statement: str) -> float:
    """Seconds that a statement takes in a new process."""
    command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure() -> list[Row]:
    contenders = {name: lambda s=s: fresh(s) * 1e3 for name, s in STATEMENTS.items()}
    taken = rounds(contenders, count=12, warm=1)
    return [
        compare("import lamina / import jax", "ms", taken["lamina"], taken["jax"], 1.15),
        compare("with layers and models / import jax", "ms", taken["first use"], taken["jax"]),
    ]
