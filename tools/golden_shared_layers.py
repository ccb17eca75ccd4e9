"""Save models in which one layer stands in two models, by real releases, with their predictions.

Run it in a Python that has the release in question:

    python tools/golden_shared_layers.py tf2.15
    KERAS_BACKEND=jax python tools/golden_shared_layers.py keras3.15

``tests/golden/shared_layers/`` gets ``<release>_<model>.<ending>``, and an npz with ``input``,
``prediction`` and ``parameters``, their number. The releases read hardly any of these files
themselves; what they wrote is all there.
"""

import os
import sys

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")


def siblings(keras):
    layers, shared = keras.layers, keras.layers.Dense(3, name="shared")
    a, b, c = layers.Input((3,)), layers.Input((3,)), layers.Input((3,))
    one = keras.models.Model(a, layers.Dense(3, activation="tanh", name="one")(shared(a)))
    two = keras.models.Model(b, layers.Dense(2, name="two")(shared(b)))
    return keras.models.Model(c, two(one(c)))


def inner_first(keras):
    layers, shared = keras.layers, keras.layers.Dense(3, name="shared")
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    inner = keras.models.Model(a, layers.Dense(2, activation="tanh", name="own")(shared(a)))
    return keras.models.Model(b, inner(shared(b)))


def in_a_stack(keras):
    layers, shared = keras.layers, keras.layers.Dense(3, activation="tanh", name="shared")
    inner = keras.models.Sequential([layers.Input((3,)), shared, layers.Dense(2, name="own")])
    b = layers.Input((3,), name="b")
    return keras.models.Model(b, inner(shared(b)))


def main(release):
    if release == "tf2.15":
        from tensorflow import keras
    else:
        import keras  # pyright: ignore[reportMissingImports]
    folder = os.path.join(FOLDER, "shared_layers")
    os.makedirs(folder, exist_ok=True)
    for make in (siblings, inner_first, in_a_stack):
        rng = np.random.RandomState(5)
        model = make(keras)
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
        x = rng.normal(size=(4, 3)).astype("float32")
        stem = os.path.join(folder, release + "_" + make.__name__)
        for ending in ["keras"] + (["h5"] if release == "tf2.15" else []):
            model.save(stem + "." + ending)
        np.savez_compressed(
            stem + ".npz",
            input=x,
            prediction=model.predict(x, verbose=0),
            parameters=model.count_params(),
        )


if __name__ == "__main__":
    main(sys.argv[1])
