import io
import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lamina.training.callbacks import CallbackList, ProgbarLogger, ProgressBar
from lamina.training.logs import Logs
from lamina.training.progress import Progbar
from lamina.training.surfaces import Line, clock_text, metric_text, pace_text

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "callbacks.json").read_text())


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Scalar:
    """Stands for a number on the device and counts how often it is fetched."""

    shape = ()

    def __init__(self, value, reads):
        self.value = value
        self.reads = reads

    def __array__(self, dtype=None, copy=None):
        self.reads.append(self.value)
        return np.asarray(self.value)


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True

    def lines(self):
        """Each line as the drawings that it saw, without styles."""
        text = re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue())
        return [line.split("\r\x1b[2K") for line in text.split("\n")]


def bar(done, width=20):
    return "━" * done + "─" * (width - done)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Tty()


def fit(
    file, verbose: object = 1, epochs=1, steps=8, known=True, stride=1, step_time=0.1, reads=None
):
    """A loop that takes `step_time` a step and tells of its progress every `stride` steps."""
    clock, reads = Clock(), [] if reads is None else reads
    hooks = CallbackList(ProgressBar(verbose, file=file, clock=clock))
    hooks.set_params({"epochs": epochs, "steps": steps if known else None})
    hooks.on_train_begin()
    for epoch in range(epochs):
        hooks.on_epoch_begin(epoch)
        for step in range(stride, steps + 1, stride):
            clock.now += step_time * stride
            logs = Logs({"loss": Scalar(1.0 / step, reads)})
            hooks.on_progress(step, steps if known else None, logs)
        hooks.on_epoch_end(epoch, Logs({"loss": 0.12345, "val_accuracy": 0.5}))
    hooks.on_train_end()
    return file.getvalue()


@pytest.mark.parametrize("verbose", [1, 2, "auto", True])
def test_where_nobody_watches_there_is_one_line_an_epoch(verbose):
    reads = []
    assert fit(io.StringIO(), verbose, epochs=2, reads=reads).splitlines() == [
        "Epoch 1/2 - 8/8 - 1s - 100ms/step - loss: 0.1235 - val_accuracy: 0.5000",
        "Epoch 2/2 - 8/8 - 1s - 100ms/step - loss: 0.1235 - val_accuracy: 0.5000",
    ]
    assert reads == []


def test_silence():
    assert fit(io.StringIO(), 0) == ""


def test_two_prints_one_line_an_epoch_on_a_terminal(terminal):
    text = fit(terminal, 2)
    assert text == "Epoch 1/1 - 8/8 - 1s - 100ms/step - loss: 0.1235 - val_accuracy: 0.5000\n"


def test_a_terminal_shows_a_bar_that_moves(terminal):
    reads = []
    fit(terminal, 1, epochs=3, reads=reads)
    lines = terminal.lines()
    assert lines[::2] == [["Epoch 1/3"], ["Epoch 2/3"], ["Epoch 3/3"], [""]]
    assert lines[1] == [
        f"3/8 {bar(7)} 0s 100ms/step - loss: 0.3333",
        f"6/8 {bar(15)} 0s 100ms/step - loss: 0.1667",
        f"8/8 {bar(20)} 1s 100ms/step - loss: 0.1235 - val_accuracy: 0.5000",
    ]
    assert len(reads) == 2 * 3  # nothing is read between the drawings


def test_the_time_left_is_shown_until_the_end(terminal):
    fit(terminal, 1, steps=600, stride=100, step_time=0.01)
    drawn = terminal.lines()[1]
    assert [line.split()[2:4] for line in drawn] == [
        [seconds, "10ms/step"] for seconds in ("5s", "4s", "3s", "2s", "1s", "0s", "6s")
    ]


def test_colours_divide_the_bar(terminal):
    first = fit(terminal, 1).split("\n")[1].split("\r")[0]
    assert f"\x1b[32m{'━' * 7}\x1b[0m\x1b[2m{'─' * 13}\x1b[0m" in first


def test_a_terminal_without_unicode(terminal):
    terminal.encoding = "ascii"
    fit(terminal, 1)
    assert terminal.lines()[1][0].startswith(f"3/8 {'=' * 7}{'.' * 13} 0s 100ms/step")


def test_a_dumb_terminal_gets_lines(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert fit(terminal, 1).startswith("Epoch 1/1 - 8/8 - 1s")


def test_a_long_line_is_cut_while_it_moves_and_whole_at_the_end(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    fit(terminal, 1)
    drawn = terminal.lines()[1]
    assert drawn[0] == f"3/8 {bar(7)} 0s 100ms/step…"
    assert drawn[-1].endswith("val_accuracy: 0.5000")


def test_unknown_number_of_steps(terminal):
    fit(terminal, 1, known=False)
    drawn = terminal.lines()[1]
    assert drawn[0] == "3 steps 0s 100ms/step - loss: 0.3333"
    assert drawn[-1].startswith(f"8/8 {bar(20)} 1s")
    assert fit(io.StringIO(), 1, known=False).startswith("Epoch 1/1 - 8/8 - 1s - 100ms/step")


def test_a_notebook_is_updated_once_a_second(monkeypatch, capsys):
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    clock = Clock()
    shown = ProgressBar(clock=clock)
    shown.set_params({"epochs": 1, "steps": 40})
    shown.on_epoch_begin(0)
    for step in range(1, 41):
        clock.now += 0.125
        shown.on_progress(step, 40, {"loss": 1.0})
    shown.on_epoch_end(0, {})
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == "Epoch 1/1"
    drawn = lines[1].split("\r")[1:]
    assert len(drawn) == 6  # after 1, 2, 3, 4 and 5 s, and the end
    assert drawn[0] == f" 8/40 {bar(4)} 4s 125ms/step - loss: 1.0000"
    assert drawn[-1].rstrip() == f"40/40 {bar(20)} 5s 125ms/step"
    assert len(drawn[-1]) == len(drawn[-2])  # the rest of the longer line is painted over


def test_the_first_call_does_not_count_for_the_pace():
    clock = Clock()
    file = io.StringIO()
    shown = ProgressBar(2, file=file, clock=clock)
    shown.set_params({"steps": 30})
    shown.on_epoch_begin(0)
    for step, seconds in ((10, 7.0), (20, 0.5), (30, 0.5)):
        clock.now += seconds
        shown.on_progress(step, 30)
    clock.now += 2.0  # an evaluation
    shown.on_epoch_end(0, {})
    assert file.getvalue() == "Epoch 1 - 30/30 - 10s - 50ms/step\n"


def test_an_evaluation_within_fit_is_a_note_on_its_line(terminal):
    clock = Clock()
    hooks = CallbackList(ProgressBar(1, file=terminal, clock=clock), epochs=1, steps=2)
    hooks.on_train_begin()
    hooks.on_epoch_begin(0)
    clock.now += 0.1
    hooks.on_progress(2, 2, {"loss": 0.5})
    hooks.on_test_begin()
    for step in (1, 2, 3):
        clock.now += 0.2
        hooks.on_progress(step, 5, {"loss": 9.0})
    hooks.on_test_end({"loss": 9.0})
    hooks.on_epoch_end(0, {"loss": 0.5, "val_loss": 9.0})
    hooks.on_train_end()
    assert terminal.lines() == [
        ["Epoch 1/1"],
        [
            f"2/2 {bar(20)} 0s 50ms/step - loss: 0.5000 - validation 1/5",
            f"2/2 {bar(20)} 0s 50ms/step - loss: 0.5000 - validation 3/5",
            f"2/2 {bar(20)} 1s 50ms/step - loss: 0.5000 - val_loss: 9.0000",
        ],
        [""],
    ]


def test_evaluate_and_predict_have_their_own_lines():
    file, clock = io.StringIO(), Clock()
    for kind in ("test", "predict"):
        hooks = CallbackList(ProgressBar(file=file, clock=clock), steps=4)
        getattr(hooks, f"on_{kind}_begin")()
        for batch in range(4):
            clock.now += 0.5
            getattr(hooks, f"on_{kind}_batch_end")(batch, {"loss": 1.0, "outputs": np.ones((2, 3))})
        getattr(hooks, f"on_{kind}_end")({"loss": 1.0})
    assert file.getvalue() == "4/4 - 2s - 500ms/step - loss: 1.0000\n4/4 - 2s - 500ms/step\n"


def test_a_run_that_breaks_off_ends_its_line(terminal):
    clock = Clock()
    shown = ProgressBar(1, file=terminal, clock=clock)
    shown.set_params({"epochs": 2, "steps": 9})
    shown.on_epoch_begin(0)
    clock.now += 1
    shown.on_progress(3, 9, {"loss": 0.5})
    assert not terminal.getvalue().endswith("\n")
    shown.on_train_end()
    assert terminal.getvalue().endswith("loss: 0.5000\n")
    shown.on_progress(4, 9, {"loss": 0.5})
    shown.close()
    assert terminal.getvalue().endswith("loss: 0.5000\n")


def test_progbar_logger_follows_batches_and_params(capsys):
    hooks = CallbackList(ProgbarLogger("steps"), params={"epochs": 1, "steps": 3, "verbose": 1})
    assert not hooks.needs_batches
    hooks.on_epoch_begin(0)
    for batch in range(3):
        hooks.on_train_batch_end(batch, {"loss": 0.5, "batch": batch, "size": 7})
    hooks.on_epoch_end(0, {"loss": 0.5})
    line = capsys.readouterr().out
    assert line.startswith("Epoch 1/1 - 3/3 - 0s - ")
    assert line.endswith("us/step - loss: 0.5000\n")
    silent = CallbackList(ProgbarLogger(), params={"verbose": 0})
    silent.on_epoch_begin(0)
    silent.on_epoch_end(0, {})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ProgressBar(3), r"ProgressBar: verbose must be 0 .* got 3\."),
        (lambda: ProgressBar("loud"), "got 'loud'"),
        (lambda: Progbar(3, verbose=-1), "Progbar: verbose must be"),
        (
            lambda: ProgbarLogger("batches"),
            "count_mode must be 'samples' or 'steps', got 'batches'",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", GOLDEN["keras3"]["progbar"])
def test_progbar_averages_as_keras_does(name):
    case = GOLDEN["keras3"]["progbar"][name]
    shown = Progbar(verbose=0, **case["options"])
    for method, number, values in case["calls"]:
        getattr(shown, method)(number, [(key, np.float32(value)) for key, value in values])
    assert shown.means() == pytest.approx(case["means"])


def test_progbar_on_a_terminal(terminal):
    clock = Clock()
    shown = Progbar(20, width=10, file=terminal, clock=clock, unit_name="file")
    reads = []
    for _ in range(10):
        clock.now += 0.1
        shown.add(2, [("loss", Scalar(1.0, reads))])
    drawn, end = terminal.lines()
    assert drawn[0] == f" 2/20 {bar(1, 10)} 1s 50ms/file - loss: 1.0000"
    assert drawn[-1] == f"20/20 {bar(10, 10)} 1s 50ms/file - loss: 1.0000"
    assert (len(drawn), end) == (4, [""])  # at 0.1, 0.4, 0.7 and 1.0 s, which is the end


def test_progbar_shows_the_average_at_the_end_too():
    # Keras 3 shows the last value there, against its documentation.
    file = io.StringIO()
    shown = Progbar(4, file=file, clock=Clock())
    shown.update(3, [("a", 1.0)])
    shown.update(4, [("a", 5.0)])
    assert file.getvalue() == "4/4 - 0s - 0us/step - a: 2.0000\n"


def test_progbar_ends_when_it_is_told_to():
    file = io.StringIO()
    shown = Progbar(None, file=file, verbose=2, clock=Clock())
    shown.update(3, [("a", 2.0)])
    assert file.getvalue() == ""
    shown.update(4, [("a", 6.0)], finalize=True)
    assert file.getvalue() == "4 steps - 0s - 0us/step - a: 3.0000\n"


def test_progbar_waits_for_numbers_only_when_it_draws():
    reads = []
    shown = Progbar(1000, file=io.StringIO(), verbose=1)
    for step in range(1, 1000):
        shown.update(step, [("loss", Scalar(float(step), reads))])
    assert len(reads) < 1000 - 100
    assert shown.means()["loss"] == pytest.approx(np.mean(np.arange(1, 1000)))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (Line(9, 8, 5.0, 0.5, {}).timing(final=False)[0], "0s"),
        (clock_text(59.4), "59s"),
        (clock_text(60), "1:00"),
        (clock_text(3600), "1:00:00"),
        (pace_text(1.0), "1s/step"),
        (pace_text(0.001), "1ms/step"),
        (metric_text("a", 0.0), "a: 0.0000"),
        (metric_text("a", 0.001), "a: 1.0000e-03"),
        (metric_text("a", -2), "a: -2.0000"),
        (metric_text("a", float("nan")), "a: nan"),
    ],
)
def test_texts(text, wanted):
    assert text == wanted


SCRIPT = """
import time
from lamina.training.callbacks import ProgressBar
bar = ProgressBar()
bar.set_params({"epochs": 1, "steps": 4})
bar.on_epoch_begin(0)
for step in range(1, 5):
    time.sleep(0.15)
    bar.on_progress(step, 4, {"loss": 0.5})
bar.on_epoch_end(0, {"loss": 0.25})
"""


def test_a_real_terminal_gets_a_bar():
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", SCRIPT], stdout=slave, env=environment, check=True)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(master)
    text = shown.decode()
    assert text.startswith("Epoch 1/1\r\n")
    assert text.count("\r\x1b[2K") == 2
    assert text.endswith("loss: 0.2500\r\n")


def test_progress_costs_little(terminal):
    """The bar's own time in an epoch of 1000 steps of 1 ms is below 2% of it."""
    clock, spent = Clock(), 0.0
    shown = ProgressBar(1, file=terminal, clock=clock)
    shown.set_params({"epochs": 1, "steps": 1000})
    shown.on_epoch_begin(0)
    for step in range(1, 1001):
        clock.now += 1e-3
        logs = Logs({"loss": 0.5, "accuracy": 0.25})
        start = time.thread_time()
        shown.on_progress(step, 1000, logs)
        spent += time.thread_time() - start
    start = time.thread_time()
    shown.on_epoch_end(0, {"loss": 0.5, "accuracy": 0.25})
    spent += time.thread_time() - start
    assert spent < 0.02
