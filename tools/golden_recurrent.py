"""Record outputs, gradients and one SGD step of the layers in ``tools/recurrent_cases.py``.

Run it in a Python that has the release in question:

    KERAS_BACKEND=tensorflow python3.7 tools/golden_recurrent.py keras2   # 2.2.4, TensorFlow 1.15
    KERAS_BACKEND=jax python tools/golden_recurrent.py keras3             # Keras 3.15

The loss is the mean square of the distance of each output to a target, plus the penalties. One
array a layer goes to ``tests/golden/recurrent_<release>.npz``: for each case its outputs, the
gradient with respect to the sequence and to each initial state, and all weights after a step of
SGD with rate 0.1, flat and in this order. Names of weights and all shapes go to the ``.json``.
"""

# ruff: noqa: B905 - Python 3.7 knows no strict zip

import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import recurrent_cases as table

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
RATE = 0.1


def listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def model_of(keras, kind, arguments, x, states, more):
    """The layer, its inputs and its outputs."""
    arguments = {key: table.built(keras.layers, value) for key, value in arguments.items()}
    layer = getattr(keras.layers, kind)(**arguments)
    rows = None if kind == "TimeDistributed" else len(x)  # 2.2.4 takes it apart by another way
    inputs = [keras.layers.Input(batch_shape=(rows, *one.shape[1:])) for one in [x, *states]]
    tensor = keras.layers.Masking()(inputs[0]) if more.get("masked") else inputs[0]
    options = {"initial_state": inputs[1:]} if states else {}
    return layer, inputs, listed(layer(tensor, **options))


def short_name(weight):
    name = getattr(weight, "path", None) or weight.name
    return name.split(":")[0].split("/")[-1]


def with_keras2(keras, kind, arguments, x, states, rng, more):
    K = keras.backend
    K.set_learning_phase(0)
    layer, inputs, outputs = model_of(keras, kind, arguments, x, states, more)
    layer.set_weights(table.made_weights([w.shape for w in layer.get_weights()], rng))
    values = [x, *states]
    shown = K.function(inputs, outputs)(values)
    targets = [rng.normal(size=one.shape).astype("float32") for one in shown]
    loss = sum(K.mean(K.square(o - K.constant(t))) for o, t in zip(outputs, targets))
    for penalty in layer.losses:
        loss = loss + penalty
    gradients = K.function(inputs, K.gradients(loss, inputs))(values)
    if layer.trainable_weights:
        updates = keras.optimizers.SGD(RATE).get_updates(loss, layer.trainable_weights)
        K.function(inputs, [loss], updates=updates)(values)
    return layer, [*shown, *gradients, *layer.get_weights()]


def with_keras3(keras, kind, arguments, x, states, rng, more):
    import jax

    layer, inputs, outputs = model_of(keras, kind, arguments, x, states, more)
    layer.set_weights(table.made_weights([w.shape for w in layer.get_weights()], rng))
    model = keras.Model(inputs, outputs)
    values = [x, *states]
    shapes = [(len(x), *one.shape[1:]) for one in outputs]
    targets = [rng.normal(size=shape).astype("float32") for shape in shapes]
    others = [w.value for w in model.non_trainable_variables]

    def loss(trainable, given):
        found, _, losses = model.stateless_call(trainable, others, given, return_losses=True)
        pairs = zip(listed(found), targets)
        total = sum(jax.numpy.mean(jax.numpy.square(o - t)) for o, t in pairs) + sum(losses)
        return total, listed(found)

    trainable = [w.value for w in layer.trainable_variables]
    slopes = jax.jit(jax.grad(loss, (0, 1), has_aux=True))
    (weights, gradients), shown = slopes(trainable, values)
    if trainable:
        keras.optimizers.SGD(RATE).apply(weights, layer.trainable_variables)
    return layer, [*map(np.asarray, shown), *map(np.asarray, gradients), *layer.get_weights()]


def record(release):
    import keras

    run, cases = {
        "keras2": (with_keras2, table.keras2()),
        "keras3": (with_keras3, table.keras3()),
    }[release]
    arrays, facts = {}, {}
    for kind, several in sorted(cases.items()):
        flat, facts[kind] = [], []
        for place, (arguments, shape, more) in enumerate(several):
            x, states, rng = table.made_inputs(kind, place, shape, more)
            try:
                layer, found = run(keras, kind, arguments, x, states, rng, more)
            except Exception as error:
                print("FAILED", kind, place, arguments, more, type(error), str(error)[:300])
                facts[kind].append(None)
                continue
            flat += [np.asarray(part, "float32").ravel() for part in found]
            names = [short_name(weight) for weight in layer.weights]
            facts[kind].append({"weights": names, "shapes": [list(part.shape) for part in found]})
            keras.backend.clear_session()
        arrays[kind] = np.concatenate(flat)
        print(kind, len(several), arrays[kind].size, flush=True)
    np.savez_compressed(os.path.join(FOLDER, f"recurrent_{release}.npz"), **arrays)
    with open(os.path.join(FOLDER, f"recurrent_{release}.json"), "w") as file:
        lines = [f'"{kind}": {json.dumps(facts[kind])}' for kind in sorted(facts)]
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    record(sys.argv[1])
