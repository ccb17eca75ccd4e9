"""lamina beside what its users would pick instead: training, predicting, starting, memory.

Every contender has a process of its own; only one computes at a time.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from typing import Any

import environments
import limits
import numpy as np
import report
from environments import Contender, ContenderError, Worker
from timing import Options, Row, Run, rounds
from workloads import WORKLOADS, Workload

FIRST = 4
"""Batches of the first fit, which is there for what compiling costs."""

SLOW = 2.0
"""Seconds from which on a contender trains one epoch a round, where others train several."""

CALLS = 0.05
"""Seconds of single calls in a round."""

CALL_ROUNDS = 9
"""Rounds of single calls: they take little time, and differ more than whole epochs."""

TOLERANCE = 1e-5
"""How far predictions and first losses may be apart."""

LATER_TOLERANCE = 1e-3
"""The same for the losses of the next two steps: updates amplify what rounding leaves."""

ADAM_TOLERANCE = 5e-2
"""The same for PyTorch's Adam, whose epsilon stands elsewhere: it matters for small gradients."""

Figures = dict[str, Any]


def measure(options: Options) -> tuple[list[Row], dict[str, Any]]:
    """All models, one after the other."""
    chosen = environments.chosen(options.contenders)
    unknown = [name for name in options.models if name not in WORKLOADS]
    if unknown:
        raise ValueError(f"Unknown models {unknown}; there are {', '.join(WORKLOADS)}.")
    found = {}
    for name in options.models or tuple(WORKLOADS):
        found[name] = of_model(WORKLOADS[name], chosen, options)
        print(report.line(name, found[name]), flush=True)
    return limits.rows(found), found


def of_model(
    work: Workload,
    chosen: list[Contender],
    options: Options,
    measures: tuple[str, ...] = ("train", "predict", "one", "call"),
) -> dict[str, Figures]:
    """What each contender took; one that fails has an ``error`` only."""
    found: dict[str, Figures] = {}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for contender in chosen:
            try:
                found[contender.name], worker = begin(contender, work, stack)
            except Exception as error:  # whatever it is: the others go on
                found[contender.name] = failed(error)
                continue
            workers[contender.name] = worker
        slow = {name for name in workers if found[name]["epoch"] * work.epochs > SLOW}
        for measure, figures in in_turns(work, workers, slow, options, measures).items():
            for name, taken in figures.items():
                found[name][measure] = taken
        if options.check:
            compare_numbers(work, workers, found)
    return found


def failed(error: Exception) -> Figures:
    print(error, file=sys.stderr, flush=True)
    return {"error": str(error)}


def begin(contender: Contender, work: Workload, stack: ExitStack) -> tuple[Figures, Worker]:
    """Start a contender: its first fit, that of lamina in a second process, too, and its memory."""
    if contender.name != "lamina":
        worker = stack.enter_context(Worker(contender))
        return started(worker, work), worker
    caches = stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-"))
    with Worker(contender, caches) as worker:
        figures = started(worker, work)
    worker = stack.enter_context(Worker(contender, caches))
    again = started(worker, work)
    figures["second"] = again["first"]
    figures["memory"] = max(figures["memory"], again["memory"])
    return figures, worker


def started(worker: Worker, work: Workload) -> Figures:
    """The first fit in a process, and its memory after a whole fit and a whole prediction."""
    loaded = worker.tell("load")
    built = worker.tell("build", work=work.as_json())
    first = worker.tell("fit", batches=FIRST)
    usual = worker.tell("fit", batches=work.batches)
    worker.tell("predict", batches=work.batches)
    return {
        "versions": loaded["versions"],
        "epoch": usual["seconds"],
        "build": built["seconds"],
        "first": built["seconds"] + first["seconds"],
        "memory": worker.tell("memory")["bytes"] / 2**20,
    }


def in_turns(
    work: Workload,
    workers: dict[str, Worker],
    slow: set[str],
    options: Options,
    measures: tuple[str, ...],
) -> dict[str, dict[str, list[float]]]:
    """Rounds of each measurement; nothing of a contender that failed in one of them."""
    epochs = {name: 1 if name in slow else work.epochs for name in workers}
    fits = {
        name: turn(
            worker,
            1e-3 * work.batches * epochs[name],
            "fit",
            batches=work.batches,
            epochs=epochs[name],
        )
        for name, worker in workers.items()
    }
    batches = {"batches": work.batches}
    plan = {
        "train": (fits, options.rounds, 0.75 * options.seconds),
        "predict": (
            turns(workers, 1e-3 * work.batches, "predict", **batches),
            options.rounds,
            0.25 * options.seconds,
        ),
        "one": (turns(workers, 1e-6, "one", seconds=CALLS), CALL_ROUNDS, None),
        "call": (turns(workers, 1e-6, "call", seconds=CALLS), CALL_ROUNDS, None),
    }
    found = {}
    for measure in measures:
        runs, count, seconds = plan[measure]
        # Whole fits and predictions were run before.
        warm = 0 if measure in {"train", "predict"} else 1
        taken = rounds(runs, count, warm, seconds)
        found[measure] = {name: one for name, one in taken.items() if np.isfinite(one).all()}
    return found


def turns(workers: dict[str, Worker], unit: float, command: str, **details: Any) -> dict[str, Run]:
    """The same part of a round for each contender."""
    return {name: turn(worker, unit, command, **details) for name, worker in workers.items()}


def turn(worker: Worker, unit: float, command: str, **details: Any) -> Run:
    """A contender's part of a round, in some unit; infinite once it has failed."""
    broken = []

    def run() -> float:
        if broken:
            return np.inf
        try:
            return worker.tell(command, **details)["seconds"] / unit
        except ContenderError as error:
            broken.append(failed(error))
            return np.inf

    return run


def compare_numbers(work: Workload, workers: dict[str, Worker], found: dict[str, Figures]) -> None:
    """Note how far each is from the first: predictions, and losses of three steps, no dropout."""
    expected = None
    for name, worker in workers.items():
        try:
            numbers = of_three_steps(worker, work)
        except ContenderError as error:
            found[name]["differs"] = failed(error)["error"]
            continue
        expected = expected or numbers
        found[name]["losses"] = numbers["losses"]
        later = ADAM_TOLERANCE if name == "torch" else LATER_TOLERANCE
        found[name]["differs"] = difference(numbers, expected, later)


def of_three_steps(worker: Worker, work: Workload) -> dict[str, Any]:
    worker.tell("build", work=work.without_dropout().as_json())
    outputs = np.array(worker.tell("outputs")["values"])
    logs = [worker.tell("fit", batches=1, shuffle=False) for _ in range(3)]
    return {
        "outputs": outputs,
        "losses": [log["loss"] for log in logs],
        "accuracy": logs[0]["accuracy"],
    }


def difference(numbers: dict[str, Any], expected: dict[str, Any], later: float) -> str | None:
    """What differs from the numbers that were expected; ``None`` for nothing."""
    if numbers["outputs"].shape != expected["outputs"].shape:
        return f"outputs of shape {numbers['outputs'].shape}"
    apart = float(np.abs(numbers["outputs"] - expected["outputs"]).max())
    if apart > TOLERANCE:
        return f"outputs by {apart:.1e}"
    if abs(numbers["accuracy"] - expected["accuracy"]) > TOLERANCE:
        return f"accuracy {numbers['accuracy']:.4f}, not {expected['accuracy']:.4f}"
    pairs = zip(numbers["losses"], expected["losses"], strict=True)
    for step, (one, other) in enumerate(pairs):
        allowed = later if step else TOLERANCE
        if not abs(one - other) <= allowed * max(1.0, abs(other)):
            return f"loss of step {step + 1}: {one:.7f}, not {other:.7f}"
    return None
