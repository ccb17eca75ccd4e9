"""What Python was asked to do while a file was read: import, run, open, connect."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RUNS = ("exec", "compile", "import", "marshal.", "pickle.", "ctypes.", "code.", "function.__new__")
REACHES = (
    "os.",
    "subprocess.",
    "socket.",
    "urllib.",
    "shutil.",
    "tempfile.",
    "pty.",
    "webbrowser.",
)
READS = ("os.listdir", "os.scandir")  # asked for the name of a file that is not there

_watched: list[list[str]] = []


def _hook(event: str, args: Any) -> None:
    if _watched and (event == "open" or event.startswith((*RUNS, *REACHES))):
        _watched[-1].append(f"{event} {args[:1]!r}")


sys.addaudithook(_hook)


@contextmanager
def watching(*files: Path | str) -> Iterator[list[str]]:
    """What happens in the block, but for the opening of these files.

    Sources of Python that tracebacks read do not count.
    """
    _watched.append([])
    try:
        yield _watched[-1]
    finally:
        events = _watched.pop()
        allowed = {f"open ({os.fspath(file)!r},)" for file in files}
        events[:] = [e for e in events if e not in allowed and not e.endswith(".py',)")]
