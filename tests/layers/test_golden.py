"""Layers against outputs recorded from Keras 2.2.4 and 3.15 (tools/golden_layers.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamina import layers

FOLDER = Path(__file__).parents[1] / "golden"


def recorded():
    for release in ("keras2", "keras3"):
        facts = json.loads((FOLDER / f"layers_{release}.json").read_text())
        with np.load(FOLDER / f"layers_{release}.npz") as arrays:
            stored = dict(arrays)
        for name, fact in facts.items():
            yield pytest.param(name, fact, stored, id=f"{release}-{name}")


def rebuilt(name, fact, stored):
    """The layer with the recorded weights, and its inputs."""
    inputs = [stored[f"{name}/input_{place}"] for place in range(fact["inputs"])]
    values = inputs[0] if len(inputs) == 1 else inputs
    layer = getattr(layers, fact["class"])(**fact["arguments"])
    layer(values)
    layer.set_weights([stored[f"{name}/weight_{n}"] for n in range(len(fact["weights"]))])
    return layer, values


@pytest.mark.parametrize(("name", "fact", "stored"), list(recorded()))
def test_layer_gives_what_keras_gives(name, fact, stored):
    layer, values = rebuilt(name, fact, stored)
    np.testing.assert_allclose(layer(values), stored[f"{name}/output"], rtol=1e-5, atol=1e-5)
    assert [weight.name for weight in layer.weights] == fact["weights"]


@pytest.mark.parametrize(("name", "fact", "stored"), list(recorded()))
def test_shape_is_the_one_that_keras_promises(name, fact, stored):
    layer = getattr(layers, fact["class"])(**fact["arguments"])
    shapes = [stored[f"{name}/input_{place}"].shape for place in range(fact["inputs"])]
    promised = layer.compute_output_shape(shapes[0] if len(shapes) == 1 else shapes)
    assert list(promised) == fact["output_shape"]
