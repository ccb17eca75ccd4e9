"""How cost grows: with depth, width, the size of a batch, and data that memory cannot hold."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import environments
import limits
import peers
import report
from environments import Worker
from timing import Options, Row, compare
from workloads import FLATTEN, Workload, dense, mlp

USUAL = ("lamina", "keras-jax", "torch", "floor")
ROWS = 8192
SIDE = 64
"""Pixels on a side of the images in the large file."""

SHARE = 1.25
"""Size of that file as a share of all memory. It is sparse: no disk is needed."""

GROWTH = 0.1
"""Memory that training may take, as a share of the data's size."""

Result = tuple[list[Row], dict[str, Any]]


def depth(options: Options) -> Result:
    """1 to 100 layers of 64 units."""
    works = (
        Workload(f"depth_{count}", "", (64,), [dense(64)] * count + [dense(10, "softmax")], 64, 50)
        for count in (1, 3, 10, 30, 100)
    )
    return grown(works, options)


def width(options: Options) -> Result:
    """Two layers of 16 to 1024 units."""
    works = (
        Workload(f"width_{units}", "", (64,), [dense(units)] * 2 + [dense(10, "softmax")], 64, 50)
        for units in (16, 64, 256, 1024)
    )
    return grown(works, options)


def batch(options: Options) -> Result:
    """Batches of 1 to 4096 rows, for the net 784-512-512-10."""
    works = (
        replace(mlp(size, max(4, min(200, ROWS // size))), name=f"batch_{size}")
        for size in (1, 8, 64, 512, 4096)
    )
    return grown(works, options)


def grown(works: Iterator[Workload], options: Options) -> Result:
    """Steps and first fits of some models."""
    chosen = environments.chosen(options.contenders or USUAL)
    quick = replace(options, seconds=options.seconds / 4, check=False)
    rows, found = [], {}
    for work in works:
        figures = found[work.name] = peers.of_model(work, chosen, quick, ("train",))
        print(report.line(work.name, figures), flush=True)
        rows += limits.of_model(work.name, figures, bounded=False)
    return rows, found


def memmap(options: Options) -> Result:
    """A file larger than all memory beside an array that memory holds."""
    chosen = environments.chosen(options.contenders or ("lamina", "keras-jax"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    layers = [FLATTEN, dense(64), dense(10, "softmax")]
    inside = Workload("memmap", "", (SIDE, SIDE, 3), layers, 64, 8)
    size = 4 * SIDE * SIDE * 3 * inside.batch
    batches = int(SHARE * memory) // size
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples"
        with path.open("wb") as file:
            file.truncate(batches * size)
        outside = replace(inside, file=str(path), batches=batches)
        for contender in chosen:
            figures = of_both(contender, inside, outside, options)
            found[contender.name] = figures
            rows += of_file(contender.name, figures, batches * size / 2**20)
    return rows, found


def of_both(
    contender: environments.Contender, inside: Workload, outside: Workload, options: Options
) -> dict[str, Any]:
    """Steps from memory and from the file in turn, and the memory that the latter take."""
    steps = inside.batches
    with Worker(contender) as near, Worker(contender) as far:
        for worker, work in ((near, inside), (far, outside)):
            worker.tell("load")
            worker.tell("build", work=work.as_json())
            worker.tell("watch")
            worker.tell("fit_some", batches=steps)
        grown_by = far.tell("watched")["bytes"] / 2**20
        workers = {"array": near, "file": far}
        runs = peers.turns(workers, 1e-3 * steps, "fit_some", batches=steps)
        taken = peers.rounds(runs, options.rounds, 0, options.seconds / 4)
    return taken | {"memory": grown_by}


def of_file(name: str, figures: dict[str, Any], size: float) -> Iterator[Row]:
    yield compare(f"{name}: file / array", "ms", figures["file"], figures["array"])
    share = figures["memory"] / size
    limit = GROWTH if name == "lamina" else None
    yield Row(f"{name}: memory / file", "MB", figures["memory"], size, share, share, limit)
