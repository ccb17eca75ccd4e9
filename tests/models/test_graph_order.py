"""Order of layers and weights of branching models, against orders recorded from Keras.

``tools/golden_graphs.py`` says how a model is written down, and records the orders.
"""

import json
from pathlib import Path

import pytest

from lamina.layers import Dense, Input, Layer
from lamina.models import Model

FOLDER = Path(__file__).parents[1] / "golden"
CASES = json.loads((FOLDER / "graphs.json").read_text())


class Merge(Layer):
    """Any layer of several inputs would do here."""

    def call(self, inputs):
        return sum(inputs)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def make(name):
    if name.startswith(("add", "cat")):
        return Merge(name=name)
    if name.startswith("net"):
        x = Input(shape=(4,), name=f"{name}_x")
        inner = Dense(4, name=f"{name}_second")(Dense(3, name=f"{name}_first")(x))
        return Model(x, inner, name=name)
    return Dense(4, name=name)


def build(steps, inputs, outputs):
    layers, known, calls = {}, {}, {}
    for name, sources in steps:
        if not sources:
            known[name] = Input(shape=(4,), name=name)
            continue
        if name not in layers:
            layers[name] = make(name)
        given = [known[source] for source in sources]
        calls[name] = calls.get(name, 0) + 1
        label = name if calls[name] == 1 else f"{name}:{calls[name]}"
        known[label] = layers[name](given[0] if len(given) == 1 else given)
    return Model([known[name] for name in inputs], [known[name] for name in outputs])


@pytest.mark.parametrize("release", ["keras2", "keras3"])
@pytest.mark.parametrize("name", list(CASES))
def test_order_is_that_of_keras(name, release):
    recorded = json.loads((FOLDER / f"graphs_{release}.json").read_text())[name]
    model = build(**CASES[name])
    assert [layer.name for layer in model.layers] == recorded["layers"]
    assert [weight.path for weight in model.weights] == recorded["weights"]
    assert [weight.path for weight in model.trainable_weights] == recorded["weights"]
