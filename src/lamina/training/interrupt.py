"""Ctrl-C between two steps instead of within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interrupt:
    """Ctrl-C between two steps instead of within one; a second one acts at once."""

    def __init__(self) -> None:
        self.asked = False

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` if Ctrl-C was pressed."""
        if self.asked:
            self.asked = False
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[Interrupt]:
        """Note Ctrl-C instead of raising, in the main thread and while the block lasts."""
        usual = signal.default_int_handler
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not usual
        ):
            yield self
            return

        def note(number: int, frame: Any) -> None:
            if self.asked:
                usual(number, frame)
            self.asked = True

        signal.signal(signal.SIGINT, note)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, usual)
