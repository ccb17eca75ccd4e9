"""What the progress bar costs on a terminal: CPU time of ``verbose=1`` and ``verbose=0``."""

from __future__ import annotations

import os
import pty
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import nets
import plain
from timing import Row, compare, rounds

SIZES = (784, 512, 512, 10)
ROWS, BATCH = 60_000, 128


@contextmanager
def terminal() -> Iterator[None]:
    """Let standard output be a terminal whose other end is read and thrown away."""
    ours, theirs = pty.openpty()

    def read() -> None:
        try:
            while os.read(ours, 65536):
                pass
        except OSError:
            pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    usual, sys.stdout = sys.stdout, os.fdopen(theirs, "w")
    try:
        yield
    finally:
        sys.stdout.close()
        sys.stdout = usual
        reader.join(1)
        os.close(ours)


def measure() -> list[Row]:
    x, y = plain.data(ROWS, SIZES[0], SIZES[-1])
    model = nets.mlp(SIZES)

    def fit(verbose: int) -> float:
        # The work of the main thread and of all others; waiting for the machine does not count.
        start = time.process_time()
        model.fit(x, y, BATCH, epochs=1, verbose=verbose)
        return (time.process_time() - start) * 1e3

    with terminal():
        taken = rounds({"bar": lambda: fit(1), "silent": lambda: fit(0)}, count=9, warm=1)
    return [compare("verbose=1 / verbose=0", "ms", taken["bar"], taken["silent"], 1.02)]
