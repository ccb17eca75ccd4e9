"""The snippets of the notes as data, and the names that they take for granted."""

import types
from pathlib import Path

import numpy as np
import pytest

import lamina
from lamina import backend as K
from lamina import config, layers, models

FOLDER = Path(__file__).parent


def text_of(key):
    """The snippet as it was written, without the marks of a quotation around it."""
    lines = (FOLDER / f"{key}.py.txt").read_text(encoding="utf8").splitlines()
    return "\n".join(line.removeprefix("> ") for line in lines) + "\n"


def execute(key, **names):
    """Run a snippet where the names of the notes mean what they mean there."""
    table = {name: getattr(layers, name) for name in layers.__all__}
    table |= {"keras": lamina, "K": K, "np": np, "Sequential": models.Sequential}
    table |= {"Model": models.Model} | names
    exec(compile(text_of(key), key, "exec"), table)
    return types.SimpleNamespace(**table)


@pytest.fixture(name="execute")
def execute_fixture():
    return execute


@pytest.fixture(name="text_of")
def text_of_fixture():
    return text_of


@pytest.fixture
def channels_first():
    """The image data format for which the notes promise their shapes."""
    before = config.image_data_format()
    config.set_image_data_format("channels_first")
    yield
    config.set_image_data_format(before)
