"""A contender in a process of its own: commands come in as lines of JSON, answers go out so.

python worker.py NAME
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import workloads

MODULES = {
    "lamina": "keras_api",
    "keras-jax": "keras_api",
    "keras-tensorflow": "keras_api",
    "keras-torch": "keras_api",
    "torch": "plain_torch",
    "floor": "plain_jax",
}


class Worker:
    """What the commands do: each method is one.

    Args:
        name: name of the contender.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._contender: Any = None
        self._work: Any = None
        self._watch: Watch | None = None

    def load(self, distributed: bool = False) -> dict[str, Any]:
        """Import what is needed, and say whether batches are split over all devices."""
        start = time.perf_counter()
        module = importlib.import_module(MODULES[self._name])
        self._contender = module.Contender(self._name)
        if distributed:
            self._contender.distribute()
        return {"seconds": time.perf_counter() - start, "versions": self._contender.versions()}

    def build(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make the data and the model, with the first weights."""
        self._work = workloads.from_json(work)
        (x, y), weights = workloads.data(self._work), workloads.weights(self._work)
        start = time.perf_counter()
        self._contender.build(self._work, x, y, weights)
        seconds = time.perf_counter() - start
        del weights
        gc.collect()
        return {"seconds": seconds}

    def fit(self, batches: int, epochs: int = 1, shuffle: bool = True) -> dict[str, Any]:
        """Train on the first rows of the data."""
        rows = batches * self._work.batch
        start = time.perf_counter()
        logs = self._contender.fit(rows, epochs, shuffle)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "loss": float(logs[0]), "accuracy": float(logs[1])}

    def fit_some(self, batches: int) -> dict[str, Any]:
        """Train on some batches from anywhere in the data."""
        start = time.perf_counter()
        self._contender.fit_some(batches)
        return {"seconds": time.perf_counter() - start}

    def predict(self, batches: int) -> dict[str, Any]:
        """Predict the first rows of the data, in batches."""
        rows = batches * self._work.batch
        start = time.perf_counter()
        self._contender.predict(rows)
        return {"seconds": time.perf_counter() - start}

    def outputs(self) -> dict[str, Any]:
        """Predictions for one batch."""
        return {"values": self._contender.predict(self._work.batch).tolist()}

    def one(self, seconds: float) -> dict[str, Any]:
        """Predict one sample, again and again; seconds for each."""
        return {"seconds": repeated(lambda: self._contender.predict(1), seconds)}

    def call(self, seconds: float) -> dict[str, Any]:
        """Call the model on one sample that is on the device, again and again."""
        return {"seconds": repeated(self._contender.call, seconds)}

    def memory(self) -> dict[str, Any]:
        """The most memory that the process has had."""
        return {"bytes": peak_memory()}

    def watch(self) -> dict[str, Any]:
        """Begin to follow the memory that is not pages of files."""
        self._watch = Watch()
        return {}

    def watched(self) -> dict[str, Any]:
        """By how much that memory grew, at most."""
        assert self._watch is not None
        return {"bytes": self._watch.end()}


class Watch:
    """Follows the memory of this process that is not pages of files (Linux)."""

    def __init__(self) -> None:
        self._first = self._most = status("RssAnon")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, status("RssAnon"))

    def end(self) -> int:
        self._over.set()
        self._thread.join()
        return self._most - self._first


def repeated(work: Any, seconds: float) -> float:
    """Mean time of a call, from as many as fit into some seconds, at least two."""
    start = time.perf_counter()
    count = 0
    while count < 2 or time.perf_counter() - start < seconds:
        work()
        count += 1
    return (time.perf_counter() - start) / count


def status(field: str) -> int:
    """Bytes that Linux states for this process under a name."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {field}.")


def peak_memory() -> int:
    """Most resident memory so far, in bytes."""
    if Path("/proc/self/status").exists():
        # What getrusage tells on Linux begins with the size of the parent process.
        return status("VmHWM")
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main(name: str) -> None:
    # Packages print to standard output: the answers go another way.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(name)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
