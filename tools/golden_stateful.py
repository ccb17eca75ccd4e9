"""Record what Keras 2.2.4 does with the states of stateful layers, method by method.

    KERAS_BACKEND=tensorflow python3.7 tools/golden_stateful.py  # 2.2.4 on TensorFlow 1.15

``tests/golden/stateful_keras2.npz`` gets, for each model of `MODELS`, what the methods of `run`
return, one after another, and the states after each of them. `run` is also what the test runs.
There is no `Bidirectional`: that of 2.2.4 forgets by mistake that its layers are stateful.
"""

import os
import sys

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
X = np.random.RandomState(1).normal(size=(8, 5, 3)).astype("float32")
Y = np.random.RandomState(2).normal(size=(8, 1)).astype("float32")
OPTIONS = {"stateful": True, "batch_input_shape": (2, 5, 3)}
GATES = {"recurrent_activation": "sigmoid"}

MODELS = {
    "simple": lambda L: [L.SimpleRNN(4, **OPTIONS)],
    "lstm": lambda L: [
        L.LSTM(4, return_sequences=True, **dict(OPTIONS, **GATES)),
        L.LSTM(2, stateful=True, **GATES),
    ],
    "gru": lambda L: [L.GRU(4, reset_after=False, **dict(OPTIONS, **GATES))],
}


def states(model, value):
    found = []
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            found += [np.ravel(value(state)) for state in layer.states]
    return np.concatenate(found)


def run(name, layers, models, value):
    """Each method in turn: what it gives, and the states after it.

    Args:
        name: of a model.
        layers: the release's module of layers.
        models: its module of models.
        value: gives the values of a variable.
    """
    model = models.Sequential([*MODELS[name](layers), layers.Dense(1)])
    rng = np.random.RandomState(3)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile("sgd", "mse")
    methods = [
        lambda: model.predict(X, batch_size=2),
        lambda: model.predict(X, batch_size=2),
        lambda: model.evaluate(X, Y, batch_size=2, verbose=0),
        lambda: model.reset_states() or 0.0,
        lambda: model.evaluate(X, Y, batch_size=2, verbose=0),
        lambda: model.test_on_batch(X[:2], Y[:2]),
        lambda: model.predict_on_batch(X[2:4]),
        lambda: model.layers[0].reset_states() or 0.0,
        lambda: model.train_on_batch(X[:2], Y[:2]),
        lambda: model.train_on_batch(X[4:6], Y[4:6]),
        lambda: model.fit(X, Y, 2, 2, shuffle=False, verbose=0).history["loss"],
        lambda: model.fit(
            X, Y, 2, 3, shuffle=False, verbose=0, validation_data=(X[2:6], Y[2:6])
        ).history["val_loss"],
        lambda: model.fit_generator(batches(), 3, 2, verbose=0).history["loss"],
        lambda: model.predict(X[:4], batch_size=2),
    ]
    found = []
    for method in methods:
        found += [np.ravel(method()), states(model, value)]
    return [np.asarray(one, "float32") for one in found]


def batches():
    while True:
        for start in (0, 4):
            yield X[start : start + 2], Y[start : start + 2]


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import golden_files
    import keras  # pyright: ignore[reportMissingImports]

    golden_files.update_last(keras.backend)  # TensorFlow 1 promises no order
    arrays = {}
    for name in sorted(MODELS):
        results = run(name, keras.layers, keras.models, keras.backend.get_value)
        arrays.update({f"{name}_{place}": one for place, one in enumerate(results)})
    np.savez_compressed(os.path.join(FOLDER, "stateful_keras2.npz"), **arrays)
