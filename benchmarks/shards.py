"""How cost grows with the number of devices that share a batch: 1, 2, 4 and 8 parts of a CPU.

All of them compute on the same cores, so nothing gets faster. What is measured is the price of
splitting: smaller pieces of work, sums over all devices, more calls. Every contender and number
of devices has a process of its own, and they take turns.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import environments
import peers
import report
from environments import Contender, Worker
from timing import Options, Row, compare
from workloads import WORKLOADS, Workload

COUNTS = (1, 2, 4, 8)
USUAL = ("lamina", "keras-jax", "floor")
MODELS = ("mlp_128", "text")
"""Models that are measured by default: one of products, one of a table."""

Figures = dict[str, dict[str, Any]]


def measure(options: Options) -> tuple[list[Row], dict[str, Any]]:
    """Steps of training of some models, each on all numbers of devices."""
    chosen = environments.chosen(options.contenders or USUAL)
    rows, found = [], {}
    for name in options.models or MODELS:
        figures = found[name] = of_model(WORKLOADS[name], chosen, options)
        print(report.line(name, figures), flush=True)
        rows += comparisons(name, figures)
    return rows, found


def of_model(work: Workload, chosen: list[Contender], options: Options) -> Figures:
    """What a step took of each contender on each number of devices, in rounds."""
    found: Figures = {}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for contender in chosen:
            for count in COUNTS:
                name = title(contender.name, count)
                try:
                    workers[name] = begin(contender, count, work, stack)
                    found[name] = {}
                except Exception as error:  # whatever it is: the others go on
                    found[name] = peers.failed(error)
        plan = {"batches": work.batches, "epochs": work.epochs}
        runs = peers.turns(workers, 1e-3 * work.batches * work.epochs, "fit", **plan)
        for name, taken in peers.rounds(runs, options.rounds, 1, options.seconds * 2).items():
            found[name]["train"] = taken
        if options.check:
            peers.compare_numbers(work, workers, found)
    return found


def title(contender: str, count: int) -> str:
    return f"{contender} on {count}"


def begin(contender: Contender, count: int, work: Workload, stack: ExitStack) -> Worker:
    """Start a contender on some devices, and train once; on one device nothing is distributed."""
    worker = stack.enter_context(Worker(contender, devices=count))
    worker.tell("load", distributed=count > 1)
    worker.tell("build", work=work.as_json())
    worker.tell("fit", batches=work.batches)
    return worker


def comparisons(model: str, figures: Figures) -> list[Row]:
    """Each contender beside itself on one device, and lamina beside the others."""
    there = {name: ones["train"] for name, ones in figures.items() if "train" in ones}
    pairs = [
        (title(name, count), title(name, 1)) for name in USUAL for count in COUNTS if count > 1
    ]
    pairs += [
        (title("lamina", count), title(other, count)) for other in USUAL[1:] for count in COUNTS
    ]
    return [
        compare(f"{model}: {ours} / {theirs}", "ms", there[ours], there[theirs])
        for ours, theirs in pairs
        if ours in there and theirs in there
    ]
