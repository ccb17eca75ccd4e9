"""The command line, and the demo with a network that is not trained here."""

import re
import sys

import numpy as np
import pytest

from lamina import cli, demo
from lamina.datasets import digits


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"lamina \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


def test_without_a_command_it_says_what_there_is(capsys):
    assert cli.main([]) == 0
    assert "demo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["demo", "--epochs", "0"], "needs a whole number from 1, got '0'"),
        (["demo", "--seed", "x"], "needs a whole number from 0, got 'x'"),
        (["dmeo"], "invalid choice"),
    ],
)
def test_wrong_words_are_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        cli.main(words)
    assert message in capsys.readouterr().err


@pytest.fixture
def calls(monkeypatch):
    """What the command line asks of the demo."""
    found = {}
    monkeypatch.setattr(demo, "run", lambda **options: found.update(options))
    return found


def test_demo_defaults(calls):
    assert cli.main(["demo"]) == 0
    assert (calls["seed"], calls["epochs"]) == (0, demo.EPOCHS)
    assert str(calls["picture"]) == "demo-output/digits.png"


def test_demo_options(calls, tmp_path):
    assert cli.main(["demo", "--seed", "3", "--epochs", "2", "--output", str(tmp_path)]) == 0
    assert calls == {"seed": 3, "epochs": 2, "picture": tmp_path / "digits.png"}


def test_without_matplotlib_it_says_what_to_do(calls, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(demo, "can_draw", lambda: False)
    assert cli.main(["demo"]) == 1
    assert "pip install 'lamina[plot]'" in capsys.readouterr().err
    assert not calls
    assert cli.main(["demo", "--no-picture"]) == 0
    assert calls["picture"] is None


def test_picture_is_drawn(tmp_path):
    _, (images, labels) = digits.load_data()
    predicted = np.eye(10)[np.where(np.arange(len(labels)) % 9, labels, 3)]
    curve = [0.5, 0.25]
    history: dict[str, list[float]] = dict.fromkeys(
        ("loss", "val_loss", "accuracy", "val_accuracy"), curve
    )
    path = tmp_path / "new" / "digits.png"
    demo.draw(history, demo.scaled(images), labels, predicted, path)
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_demo_learns(tmp_path, capsys):
    accuracy = demo.run(picture=tmp_path / "digits.png")
    assert accuracy >= 0.98
    assert (tmp_path / "digits.png").is_file()
    output = capsys.readouterr().out
    assert f"Epoch {demo.EPOCHS}/{demo.EPOCHS}" in output
    assert f"Test accuracy {accuracy:.2%}" in output
