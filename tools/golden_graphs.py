"""Record in which order Keras lists the layers and the weights of branching models.

Run it in a Python that has the release in question:

    KERAS_BACKEND=tensorflow python3.7 tools/golden_graphs.py keras2   # 2.2.4 on TensorFlow 1.15
    KERAS_BACKEND=jax python tools/golden_graphs.py keras3             # Keras 3.15

A model is a list of ``(layer, [inputs])``: the name of an input begins with ``in``, that of a merge
with ``add`` or ``cat``, that of a nested model with ``net``; anything else is a Dense. A name that
comes twice is a shared layer, and ``name:2`` names the result of its second call. The tests build
the same models. The orders go to ``tests/golden/graphs_<release>.json``.
"""

import json
import os
import sys

FOLDER = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")


def build(steps, inputs, outputs, keras):
    """The model that the steps describe; `keras` is the package."""
    layers, known, calls = {}, {}, {}
    for name, sources in steps:
        if not sources:
            known[name] = keras.layers.Input(shape=(4,), name=name)
            continue
        if name not in layers:
            layers[name] = make(name, keras)
        given = [known[source] for source in sources]
        calls[name] = calls.get(name, 0) + 1
        label = name if calls[name] == 1 else f"{name}:{calls[name]}"
        known[label] = layers[name](given[0] if len(given) == 1 else given)
    ins, outs = [known[name] for name in inputs], [known[name] for name in outputs]
    return keras.models.Model(ins, outs)


def make(name, keras):
    if name.startswith("add"):
        return keras.layers.Add(name=name)
    if name.startswith("cat"):
        return keras.layers.Concatenate(name=name)
    if name.startswith("net"):
        first = keras.layers.Dense(3, name=name + "_first")
        second = keras.layers.Dense(4, name=name + "_second")
        x = keras.layers.Input(shape=(4,), name=name + "_x")
        return keras.models.Model(x, second(first(x)), name=name)
    return keras.layers.Dense(4, name=name)


def main(release):
    import keras

    with open(os.path.join(FOLDER, "graphs.json")) as file:
        cases = json.load(file)
    found = {}
    for name, case in cases.items():
        keras.backend.clear_session()
        model = build(case["steps"], case["inputs"], case["outputs"], keras)
        paths = [getattr(w, "path", w.name).split(":")[0] for w in model.weights]
        found[name] = {
            "layers": [layer.name for layer in model.layers],
            "weights": ["/".join(path.split("/")[-2:]) for path in paths],
        }
    with open(os.path.join(FOLDER, "graphs_" + release + ".json"), "w") as file:
        json.dump(found, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
