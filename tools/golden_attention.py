"""Record outputs, gradients and one SGD step of the layers in ``tools/attention_cases.py``.

    KERAS_BACKEND=jax python tools/golden_attention.py   # Keras 3.15

The loss is the mean square of the distance of the first output to a target, plus the penalties.
One array a layer goes to ``tests/golden/attention_keras3.npz``: for each case its outputs, the
gradient with respect to each input, and all weights after a step of SGD with rate 0.1, flat and in
this order. Their shapes go to the ``.json``.
"""

import json
import os
import sys

import jax
import keras
import numpy as np
from keras.src.backend.common.masking import set_keras_mask

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import attention_cases as table

FOLDER = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")
RATE = 0.1


def called(layer, kind, inputs, call, training):
    """The outputs of one call, as a list."""
    call = dict(call, training=training)
    if table.listed(kind):
        masks = [call.pop("query_mask", None), call.pop("value_mask", None)]
        mask = masks if any(one is not None for one in masks) else None
        found = layer(list(inputs), mask=mask, **call)
    else:
        inputs = [jax.numpy.array(one) for one in inputs]
        if "query_mask" in call:  # Keras reads it off the query, whatever is passed
            set_keras_mask(inputs[0], call["query_mask"])
        found = layer(*inputs, **call)
    return list(found) if isinstance(found, tuple) else [found]


def recorded(kind, place, arguments, shapes, call):
    rng = table.numbers(kind, place)
    inputs = [rng.normal(size=shape).astype("float32") for shape in shapes]
    call = table.made_masks(call, rng)
    layer = getattr(keras.layers, kind)(**arguments)
    called(layer, kind, inputs, call, False)
    names = [weight.path.split("/", 1)[1] for weight in layer.weights if "seed" not in weight.path]
    weights = [w for w in layer.weights if "seed" not in w.path]
    for weight in weights:
        weight.assign(rng.normal(size=weight.shape).astype("float32"))
    shown = [np.asarray(one) for one in called(layer, kind, inputs, call, False)]
    target = rng.normal(size=shown[0].shape).astype("float32")
    # Dropout is random: its step is one without training.

    def loss(values, given):
        mapping = list(zip(layer.trainable_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            output = called(layer, kind, given, call, False)[0]
        total = jax.numpy.mean(jax.numpy.square(output - target))
        for variable, value in zip(layer.trainable_variables, values, strict=True):
            if variable.regularizer is not None:
                total = total + variable.regularizer(value)
        return total

    values = [variable.value for variable in layer.trainable_variables]
    slopes, gradients = jax.grad(loss, (0, 1))(values, inputs)
    if values:
        keras.optimizers.SGD(RATE).apply(slopes, layer.trainable_variables)
    found = [*shown, *(np.asarray(one) for one in gradients), *(np.asarray(w) for w in weights)]
    return found, names


def record():
    arrays, facts = {}, {}
    for kind, listed in sorted(table.cases().items()):
        flat, facts[kind] = [], []
        for place, case in enumerate(listed):
            try:
                found, names = recorded(kind, place, *case)
            except Exception as error:
                print("FAILED", kind, place, case, type(error).__name__, str(error)[:300])
                raise
            flat += [np.asarray(part, "float32").ravel() for part in found]
            facts[kind].append({"weights": names, "shapes": [list(p.shape) for p in found]})
        arrays[kind] = np.concatenate(flat)
        print(kind, len(listed), arrays[kind].size, flush=True)
    np.savez_compressed(os.path.join(FOLDER, "attention_keras3.npz"), **arrays)
    with open(os.path.join(FOLDER, "attention_keras3.json"), "w") as file:
        lines = [json.dumps(kind) + ": " + json.dumps(facts[kind]) for kind in sorted(facts)]
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    record()
