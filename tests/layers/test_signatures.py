"""Signatures of the layers against those of Keras 2.2.4 (tools/golden_layers.py)."""

import ast
import inspect
import json
from pathlib import Path

import pytest

from lamina import layers

RECORDED = json.loads((Path(__file__).parents[1] / "golden" / "layers_signatures.json").read_text())


def plain(default):
    """A default as it counts: a tuple that has one value for all axes is that value."""
    while isinstance(default, tuple) and len(set(default)) == 1:
        default = default[0]
    return default


@pytest.mark.parametrize("name", list(RECORDED))
def test_arguments_have_names_order_and_defaults_of_keras(name):
    parameters = list(inspect.signature(getattr(layers, name)).parameters.values())
    own = [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    found = [(one.name, None if one.default is one.empty else plain(one.default)) for one in own]
    expected = [
        (argument, None if default is None else plain(ast.literal_eval(default)))
        for argument, default in RECORDED[name]
    ]
    assert found == expected


@pytest.mark.parametrize("name", list(RECORDED))
def test_what_has_no_default_has_none_here(name):
    parameters = inspect.signature(getattr(layers, name)).parameters
    required = [one for one, default in RECORDED[name] if default is None]
    assert required == [
        one.name
        for one in parameters.values()
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    ]
