"""Record what models that begin with a ``Merge`` of branches compute in Keras 1.2.2.

    KERAS_BACKEND=tensorflow python3.6 tools/golden_merge.py  # 1.2.2

``tests/golden/merge_keras1.npz`` gets, for each case of `CASES`, what `run` gives; the test runs
the same. ``merge_keras1.h5`` is a model whose branches differ in depth, with its ``input_0`` ...
and ``prediction``. There is no ``"cos"``, whose numbers are wrong in 1.2.2.
"""

import os
import sys

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")


def vectors(L, S, one=3, two=3):
    return [chain(S, L.Dense(one, input_dim=4)), chain(S, L.Dense(two, input_dim=6))]


def steps(L, S):
    left = chain(S, L.Dense(5, input_shape=(3, 4)), L.Activation("tanh"))
    return [left, chain(S, L.Dense(5, input_shape=(2, 6)))]


def products(L, S):
    return [chain(S, L.Dense(5, input_shape=(3, 4))), chain(S, L.Dense(3, input_shape=(2, 6)))]


def chain(S, *layers):
    model = S()
    for layer in layers:
        model.add(layer)
    return model


def weighted(pair):
    return 2 * pair[0] - pair[1]


def first(pair):
    return pair[0] * pair[1][:, :1]


CASES = {
    "sum": lambda L, S: L.Merge(vectors(L, S), mode="sum"),
    "mul": lambda L, S: L.Merge(vectors(L, S), mode="mul"),
    "ave": lambda L, S: L.Merge(vectors(L, S), mode="ave"),
    "max": lambda L, S: L.Merge(vectors(L, S), mode="max"),
    "concat": lambda L, S: L.Merge(vectors(L, S, 3, 5), mode="concat"),
    "concat_axis": lambda L, S: L.Merge(steps(L, S), "concat", 1),
    "dot": lambda L, S: L.Merge(vectors(L, S), mode="dot", dot_axes=1),
    "dot_default": lambda L, S: L.Merge(vectors(L, S), mode="dot"),
    "dot_axis": lambda L, S: L.Merge(steps(L, S), mode="dot", dot_axes=2),
    "dot_axes": lambda L, S: L.Merge(products(L, S), mode="dot", dot_axes=[1, 2]),
    "function": lambda L, S: L.Merge(
        vectors(L, S), mode=weighted, output_shape=lambda shapes: shapes[0]
    ),
    "shape": lambda L, S: L.Merge(vectors(L, S, 3, 5), mode=first, output_shape=(3,)),
    "three": lambda L, S: L.Merge(
        [*vectors(L, S, 3, 5), chain(S, L.Embedding(7, 2, input_length=4))],
        mode=lambda three: three[0] * three[1][:, :3] + three[2][:, 1, :1],
        output_shape=(3,),
    ),
    "nested": lambda L, S: L.Merge(
        [
            chain(S, L.Merge(vectors(L, S), mode="max"), L.Dense(2)),
            chain(S, L.Dense(2, input_dim=5)),
        ],
        mode="mul",
    ),
}


def branches_of_other_depths(L, S):
    """Branches of one, three and two layers with weights of the same shapes, and inputs."""
    rng = np.random.RandomState(7)
    merged = L.Merge(
        [
            chain(S, L.Dense(3, input_dim=3)),
            chain(S, L.Dense(3, input_dim=3), L.Dense(3, activation="tanh"), L.Dense(3)),
            chain(S, L.Dense(3, input_dim=3), L.Dense(3)),
        ],
        mode="mul",
    )
    model = chain(S, merged, L.Dense(2))
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model, [rng.normal(size=(4, 3)).astype("float32") for _ in range(3)]


def run(name, layers, models):
    """Outputs, the loss of two steps of training, and all weights after them."""
    merged = CASES[name](layers, models.Sequential)
    model = chain(models.Sequential, merged, layers.Dense(2))
    rng = np.random.RandomState(len(name))
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    shapes = [tuple(tensor.shape)[1:] for tensor in model.inputs]
    shapes = [tuple(int(size) for size in shape) for shape in shapes]
    x = [rng.normal(size=(4, *shape)).astype("float32") for shape in shapes]
    if name == "three":
        x[2] = rng.randint(0, 7, size=(4, 4))
    found = [model.predict(x)]
    y = rng.normal(size=found[0].shape).astype("float32")
    model.compile("sgd", "mse")
    for _ in range(2):
        found.append(model.train_on_batch(x, y))
    found += model.get_weights()
    return [np.asarray(one, "float32") for one in found]


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import golden_files
    import keras  # pyright: ignore[reportMissingImports]

    golden_files.update_last(keras.backend)  # TensorFlow 1 promises no order
    deep, x = branches_of_other_depths(keras.layers, keras.models.Sequential)
    deep.save(os.path.join(FOLDER, "merge_keras1.h5"))
    arrays = {f"input_{place}": one for place, one in enumerate(x)}
    arrays["prediction"] = deep.predict(x)
    for name in sorted(CASES):
        results = run(name, keras.layers, keras.models)
        arrays.update({f"{name}_{place}": one for place, one in enumerate(results)})
    np.savez_compressed(os.path.join(FOLDER, "merge_keras1.npz"), **arrays)  # type: ignore[arg-type]
