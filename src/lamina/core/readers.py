"""Who reads weights right now: a training step that would overwrite them copies instead."""

from __future__ import annotations

import threading
from types import TracebackType


class Readers:
    """The readers, an entry for each; a context manager that adds one for its block.

    A step holds `lock` while it takes the values and publishes the new ones, and donates their
    memory only when nobody reads.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.active: list[None] = []

    def __enter__(self) -> None:
        with self.lock:  # no step is on its way then
            self.active.append(None)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.active.pop()  # needs no lock: it is one operation, and a step at work copied


readers = Readers()
