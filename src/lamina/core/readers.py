"""Who reads weights right now: a training step that would overwrite them copies instead."""

from __future__ import annotations

import threading
from types import TracebackType


class Readers:
    """Count of the readers; a context manager that adds one for its block.

    A step holds `lock` while it takes the values and publishes the new ones, and donates their
    memory only when nobody reads.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.count = 0

    def __enter__(self) -> None:
        with self.lock:
            self.count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self.lock:
            self.count -= 1


readers = Readers()
