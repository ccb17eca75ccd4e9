"""Record outputs, gradients and one SGD step of the layers in ``tools/layer_cases.py``.

Run it in a Python that has the release in question:

    KERAS_BACKEND=tensorflow python3.7 tools/golden_steps.py keras2   # 2.2.4 on TensorFlow 1.15
    KERAS_BACKEND=jax python tools/golden_steps.py keras3             # Keras 3.15
    KERAS_BACKEND=tensorflow python3.6 tools/golden_steps.py keras1   # 1.2.2, what it alone has

With names of layers behind the release only those are recorded anew.

The loss is the mean square of the distance to a target, plus the penalties of the layer. One
array a layer goes to ``tests/golden/steps_<release>.npz``: for each case its output, the gradient
with respect to each input of floats, and all weights after a step of SGD with rate 0.1, flat and
in this order. Their shapes go to the ``.json``.
"""

# ruff: noqa: B905 - Python 3.7 knows no strict zip

import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import layer_cases as table
from golden_files import update_last

FOLDER = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")
RATE = 0.1


def one(values):
    return values[0] if len(values) == 1 else values


def short_name(weight):
    name = getattr(weight, "path", None) or weight.name
    name = name.split(":")[0].split("/")[-1]
    _head, _, rest = name.partition("_")  # Keras 1: srelu_1_t_left
    return rest.partition("_")[2] if rest[:1].isdigit() else name


def is_float(value):
    return str(value.dtype).startswith("float")


def made_layer(keras, kind, arguments):
    arguments = dict(arguments)
    kind = kind.split("/")[0]
    if kind == "Lambda":
        arguments["function"] = getattr(keras.backend, arguments["function"])
    return getattr(keras.layers, kind)(**arguments)


def fill(layer, rng, dtype):
    named = [(short_name(weight), weight.shape) for weight in layer.weights]
    layer.set_weights([table.made_weight(name, shape, rng, dtype) for name, shape in named])


class Keras2:
    def __init__(self, dtype="float32"):
        import keras

        self.dtype = dtype
        self.keras, self.K = keras, keras.backend
        update_last(self.K)

    def step(self, kind, arguments, inputs, rng):
        keras, K = self.keras, self.K
        tensors = [keras.layers.Input(batch_shape=v.shape, dtype=str(v.dtype)) for v in inputs]
        layer = made_layer(keras, kind, arguments)
        output = layer(one(tensors))
        weights = [K.get_value(w) for w in layer.weights]
        weights = [
            table.made_weight(short_name(w), v.shape, rng, self.dtype)
            for w, v in zip(layer.weights, weights)
        ]
        layer.set_weights(weights)
        phase = 1 if table.trains(kind) else 0
        flags = [] if isinstance(K.learning_phase(), int) else [phase]
        run = K.function(tensors + ([K.learning_phase()] if flags else []), [output])
        shown = run(inputs + ([0] if flags else []))[0]
        target = rng.normal(size=shown.shape).astype(self.dtype)
        loss = K.mean(K.square(output - K.constant(target)))
        for penalty in layer.losses:
            loss = loss + penalty
        wanted = [t for t, v in zip(tensors, inputs) if is_float(v) and kind != "Embedding"]
        gradients = K.gradients(loss, wanted) if wanted else []
        # No gradient flows where the output does not depend on the input.
        gradients = [K.zeros_like(w) if g is None else g for w, g in zip(wanted, gradients)]
        updates = list(layer.updates) if phase else []
        if layer.trainable_weights:
            optimizer = keras.optimizers.SGD(RATE)
            updates += optimizer.get_updates(loss, layer.trainable_weights)
        given = tensors + ([K.learning_phase()] if flags else [])
        # Apart, because a gradient may else be computed after the step has changed the weights.
        found = K.function(given, [loss, *gradients])(inputs + flags)[1:]
        K.function(given, [loss], updates=updates)(inputs + flags)
        return layer, [shown, *found, *layer.get_weights()]


class Keras1(Keras2):
    """Of layers without penalties and without a phase of learning."""

    def step(self, kind, arguments, inputs, rng):
        keras, K = self.keras, self.K
        tensors = [keras.layers.Input(batch_shape=v.shape, dtype=str(v.dtype)) for v in inputs]
        layer = made_layer(keras, kind, arguments)
        output = layer(one(tensors))
        old = layer.get_weights()
        layer.set_weights(
            [
                table.made_weight(short_name(w), v.shape, rng, self.dtype)
                for w, v in zip(layer.weights, old)
            ]
        )
        shown = K.function(tensors, [output])(inputs)[0]
        target = rng.normal(size=shown.shape).astype(self.dtype)
        loss = K.mean(K.square(output - K.variable(target)))
        found = K.function(tensors, [loss, *K.gradients(loss, tensors)])(inputs)[1:]
        updates = keras.optimizers.SGD(RATE).get_updates(layer.trainable_weights, {}, loss)
        K.function(tensors, [loss], updates=updates)(inputs)
        return layer, [shown, *found, *layer.get_weights()]


class Keras3:
    def __init__(self, dtype="float32"):
        import keras

        self.dtype = dtype
        self.keras = keras

    def step(self, kind, arguments, inputs, rng):
        import jax

        keras = self.keras
        layer = made_layer(keras, kind, arguments)
        layer(one(inputs))
        fill(layer, rng, self.dtype)
        shown = np.asarray(layer(one(inputs)))
        target = rng.normal(size=shown.shape).astype(self.dtype)
        tensors = [keras.Input(batch_shape=v.shape, dtype=str(v.dtype)) for v in inputs]
        # Penalties of activities are those of models: layers leave them out of stateless calls.
        model = keras.Model(tensors, layer(one(tensors)))
        training = table.trains(kind)
        floats = [n for n, v in enumerate(inputs) if is_float(v)]

        def loss(trainable, given):
            filled = list(inputs)
            for place, value in zip(floats, given):
                filled[place] = value
            others = [w.value for w in model.non_trainable_variables]
            output, others, losses = model.stateless_call(
                trainable, others, one(filled), training=training, return_losses=True
            )
            total = jax.numpy.mean(jax.numpy.square(output - target))
            for penalty in losses:
                total = total + penalty
            return total, others

        trainable = [w.value for w in layer.trainable_variables]
        given = [inputs[n] for n in floats]
        gradients, others = jax.grad(loss, (0, 1), has_aux=True)(trainable, given)
        if trainable:
            keras.optimizers.SGD(RATE).apply(gradients[0], layer.trainable_variables)
        for variable, value in zip(model.non_trainable_variables, others):
            variable.assign(value)
        return layer, [shown] + [np.asarray(g) for g in gradients[1]] + layer.get_weights()


def known(release):
    """What is recorded already."""
    with np.load(os.path.join(FOLDER, f"steps_{release}.npz")) as arrays:
        stored = dict(arrays)
    with open(os.path.join(FOLDER, f"steps_{release}.json")) as file:
        return stored, json.load(file)


def record(release, only):
    import keras

    runner = {"keras1": Keras1, "keras2": Keras2, "keras3": Keras3}[release]()
    cases = getattr(table, release)()
    arrays, facts = {}, {}
    for kind, listed in sorted(cases.items()):
        if only and kind not in only:
            continue
        flat, facts[kind] = [], []
        for place, (arguments, specs) in enumerate(listed):
            rng = table.generator(kind, place)
            inputs = [table.made_input(spec, rng) for spec in specs]
            try:
                layer, found = runner.step(kind, arguments, inputs, rng)
            except Exception as error:
                print("FAILED", kind, place, arguments, specs, type(error), str(error)[:300])
                facts[kind].append(None)
                continue
            flat += [np.asarray(part, "float32").ravel() for part in found]
            names = [short_name(weight) for weight in layer.weights]
            facts[kind].append({"weights": names, "shapes": [list(p.shape) for p in found]})
        arrays[kind.replace("/", "_")] = np.concatenate(flat) if flat else np.zeros(0, "float32")
        keras.backend.clear_session()
        print(kind, len(listed), sum(v.size for v in flat), flush=True)
    if only:
        stored, told = known(release)
        arrays, facts = {**stored, **arrays}, {**told, **facts}
    np.savez_compressed(os.path.join(FOLDER, f"steps_{release}.npz"), **arrays)
    with open(os.path.join(FOLDER, f"steps_{release}.json"), "w") as file:
        file.write("{\n")
        lines = [f'"{kind}": {json.dumps(facts[kind])}' for kind in sorted(facts)]
        file.write(",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    record(sys.argv[1], sys.argv[2:])
