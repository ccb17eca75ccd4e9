"""Callbacks that write numbers down, send them, or stop at one that is none."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib import parse

import numpy as np

from lamina.training.callbacks.base import Callback
from lamina.training.logs import as_logs
from lamina.warning import warn


class TerminateOnNaN(Callback):
    """Stop training at the batch whose loss is not finite.

    It reads the loss of every batch, so the loop waits for every step.

    Args:
        raise_error: raise instead of stopping.

    Raises:
        RuntimeError: the loss is not finite and `raise_error` is set.

    >>> TerminateOnNaN().on_batch_end(0, {"loss": 0.5})
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = as_logs(logs).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"TerminateOnNaN: the loss of batch {batch} is {loss}.")
        print(f"\nBatch {batch}: the loss is {loss}, training stops")
        self.model.stop_training = True


class CSVLogger(Callback):
    """Write a line of numbers into a file after every epoch.

    Columns are ``epoch`` and the names in the logs, sorted. A number that an epoch does not have
    is written as ``NA``; when a name turns up later, the file gets a new column. With `append`
    the columns of a file that is there are kept, so that a run goes on where it ended.

    Args:
        filename: path of the file; its folder is made if need be.
        separator: character between columns.
        append: keep the lines of a file that is there.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "log.csv"
    >>> logger = CSVLogger(path)
    >>> logger.on_train_begin()
    >>> logger.on_epoch_end(0, {"loss": 0.5, "accuracy": 0.75})
    >>> logger.on_train_end()
    >>> print(path.read_text(), end="")
    epoch,accuracy,loss
    0,0.75,0.5
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, got {separator!r}.")
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.columns: list[str] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        path = Path(self.filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.columns = None
        if self.append and path.is_file():
            self.columns = self._stored()[0]
        else:
            self._write([], "w")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        numbers = {"epoch": epoch, **as_logs(logs)}
        if self.columns is None:
            self.columns = ["epoch", *sorted(name for name in numbers if name != "epoch")]
            self._write([self.columns])
        new = sorted(set(numbers) - set(self.columns))
        if new:
            self._widen(new)
        self._write([[_cell(numbers.get(name, "NA")) for name in self.columns]])

    def get_state(self) -> dict[str, Any]:
        """Columns and text of the file, so that lines of epochs that run again are not doubled."""
        return {"columns": self.columns, "text": Path(self.filename).read_text("utf-8")}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.columns = state["columns"]
        with open(self.filename + ".new", "w", encoding="utf-8", newline="") as file:
            file.write(state["text"])
        os.replace(f"{self.filename}.new", self.filename)

    def _write(self, rows: Iterable[list[Any]], mode: str = "a", suffix: str = "") -> None:
        # Opened for each line: nothing stays open when training breaks off.
        with open(self.filename + suffix, mode, encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=self.sep, lineterminator="\n").writerows(rows)

    def _stored(self) -> tuple[list[str] | None, list[list[str]]]:
        with open(self.filename, encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter=self.sep) if row]
        return (rows[0], rows[1:]) if rows else (None, [])

    def _widen(self, new: list[str]) -> None:
        """Write the file anew with further columns; the old one stays until that is done."""
        columns = [*(self.columns or []), *new]
        rows = ([*row, *["NA"] * (len(columns) - len(row))] for row in self._stored()[1])
        self._write([columns, *rows], "w", suffix=".new")
        os.replace(f"{self.filename}.new", self.filename)
        self.columns = columns


def _cell(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


class RemoteMonitor(Callback):
    """Send the numbers of every epoch to a web server.

    A server that does not answer is warned about; training goes on.

    Args:
        root: address of the server, ``http`` or ``https``.
        path: where on the server.
        field: name of the form field that holds the numbers, as JSON.
        headers: further HTTP headers.
        send_as_json: send the JSON as the body instead of a form.

    Raises:
        ValueError: `root` is no address of that kind.

    >>> RemoteMonitor("https://example.org", path="/epochs").root
    'https://example.org'
    """

    timeout = 10.0

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        if parse.urlsplit(root).scheme not in {"http", "https"}:
            raise ValueError(
                f"RemoteMonitor: root must begin with http:// or https://, got {root!r}."
            )
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        from urllib import request  # it loads the modules of HTTP

        numbers = {"epoch": epoch}
        numbers.update((name, _cell(value)) for name, value in as_logs(logs).items())
        text = json.dumps(numbers)
        if self.send_as_json:
            body, kind = text.encode(), "application/json"
        else:
            body = parse.urlencode({self.field: text}).encode()
            kind = "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **(self.headers or {})}
        message = request.Request(self.root + self.path, data=body, headers=headers)
        try:
            with request.urlopen(message, timeout=self.timeout):
                pass
        except (OSError, ValueError) as failure:
            warn(
                f"RemoteMonitor: the numbers of epoch {epoch} did not reach {self.root} "
                f"({failure}).",
            )
