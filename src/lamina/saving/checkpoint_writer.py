"""One thread that writes files while the training goes on."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Hashable

from lamina.warning import warn


class Writer:
    """Run jobs one after another in a thread of its own.

    Jobs have keys. At most one job of a key waits; its error is raised when the next one of that
    key is handed in, or by `wait`.

    >>> writer, done = Writer(), []
    >>> writer.submit("folder", lambda: done.append(1))
    >>> writer.wait("folder")
    >>> done
    [1]
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[Hashable, Callable[[], object]] = {}
        self._running: Hashable | None = None
        self._errors: dict[Hashable, BaseException] = {}
        self._thread: threading.Thread | None = None

    def submit(self, key: Hashable, job: Callable[[], object], newest: bool = False) -> None:
        """Hand in a job.

        Args:
            key: jobs of one key run in order.
            job: what to do.
            newest: take the place of a job of this key that has not begun, instead of waiting
                until it has.

        Raises:
            Exception: that of an earlier job of this key.
        """
        with self._changed:
            if not newest:
                self._changed.wait_for(lambda: key not in self._waiting)
            self._raise(key)
            self._waiting[key] = job
            if self._thread is None or not self._thread.is_alive():
                self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        if self._thread is None:
            atexit.register(self._finish)
        self._thread = threading.Thread(target=self._run, name="lamina-checkpoint", daemon=True)
        self._thread.start()

    def wait(self, key: Hashable) -> None:
        """Return when all jobs of a key are done.

        Raises:
            Exception: that of the last job that failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: key not in self._waiting and self._running != key)
            self._raise(key)

    def _raise(self, key: Hashable) -> None:
        error = self._errors.pop(key, None)
        if error is not None:
            raise error

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                key = next(iter(self._waiting))
                job = self._waiting.pop(key)
                self._running = key
                self._changed.notify_all()
            error = None
            try:
                job()
            except BaseException as caught:
                error = caught
            del job  # it holds copies of the weights
            with self._changed:
                self._running = None
                if error is not None:
                    self._errors[key] = error
                self._changed.notify_all()

    def _finish(self) -> None:
        """At the end of the process: let all jobs end, and say which failed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and self._running is None)
            for key, error in self._errors.items():
                warn(f"{key}: the last checkpoint could not be written: {error}", RuntimeWarning)


writer = Writer()
"""The thread of this process."""
