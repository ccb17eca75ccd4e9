"""Record what the layers of categories and texts give in real releases, and files that hold them.

Run it in a Python that has Keras 3.15 and TensorFlow, and in one that has ``tf.keras`` 2.15:

    KERAS_BACKEND=tensorflow python tools/golden_lookups.py keras3.15
    python tools/golden_lookups.py tf2.15

``tests/golden/lookups/<release>.json`` gets the cases: the class, its arguments, the data of
``adapt``, the inputs, and what came out: outputs, vocabulary, boundaries. The folder
``tests/golden/lookups/<release>`` gets models, and ``files.json`` in it their inputs and
predictions.
"""

import importlib
import json
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")

WORDS = [["the", "cat"], ["sat", "the"], ["cat", "cat"], ["dog", ""]]
NUMBERS = [[5, 9, 5], [7, 5, -2], [9, 0, 11]]
ASKED = [[5, 1, 0], [9, -2, 123456]]
TEXTS = ["The cat sat.", "the CAT, the dog!", "A bird\tand\na  dog", "Größe ÄRGER", ""]
VOCABULARY = [12, 36, 1138, 42]
WEIGHTS = [0.25, 0.75, 0.6, 0.4]
LONG = ["x" * length for length in (1, 3, 4, 7, 8, 16, 17, 32, 33, 64, 65, 127, 128, 129, 300)]
MODES = ["int", "one_hot", "multi_hot", "count"]
NEW = {"oov_method": "farmhash"}

# Class, arguments, data of adapt, inputs.
CASES = [
    *(
        ("CategoryEncoding", {"num_tokens": 4, "output_mode": m}, None, [[0, 3, 3]])
        for m in MODES[1:]
    ),
    ("CategoryEncoding", {"num_tokens": 4, "output_mode": "one_hot"}, None, [[0], [3]]),
    ("CategoryEncoding", {"num_tokens": 4}, None, [0, 3, 3]),
    *(
        ("Discretization", {"bin_boundaries": [-1.0, 0.5, 2.0], "output_mode": m}, None, x)
        for m in MODES
        for x in ([[-1.0, 0.0, 2.0], [7.0, -9.0, 0.5]],)
    ),
    ("Discretization", {"num_bins": 4}, np.arange(11.0)[:, None].tolist(), [[0.0], [5.0], [20.0]]),
    (
        "Discretization",
        {"num_bins": 5, "epsilon": 0.02},
        np.sin(np.arange(300.0)).tolist(),
        [[0.0], [-0.6], [1.0]],
    ),
    *(("IntegerLookup", {"output_mode": m}, NUMBERS, ASKED) for m in [*MODES, "tf_idf"]),
    *(("IntegerLookup", {"output_mode": m, "mask_token": 0}, NUMBERS, ASKED) for m in MODES),
    ("IntegerLookup", {"mask_token": 0, "output_mode": "tf_idf"}, NUMBERS, ASKED),
    ("IntegerLookup", {"num_oov_indices": 3}, NUMBERS, ASKED),
    ("IntegerLookup", {"num_oov_indices": 3, "mask_token": 5}, NUMBERS, ASKED),
    ("IntegerLookup", {"num_oov_indices": 3, **NEW}, NUMBERS, ASKED),
    ("IntegerLookup", {"num_oov_indices": 3, **NEW, "salt": [5, 77]}, NUMBERS, ASKED),
    ("IntegerLookup", {"max_tokens": 3}, NUMBERS, ASKED),
    (
        "IntegerLookup",
        {"max_tokens": 9, "pad_to_max_tokens": True, "output_mode": "tf_idf"},
        NUMBERS,
        ASKED,
    ),
    ("IntegerLookup", {"vocabulary": VOCABULARY, "invert": True}, None, [[1, 0], [4, 9]]),
    ("IntegerLookup", {"vocabulary": VOCABULARY, "num_oov_indices": 0}, None, [[12, 42]]),
    (
        "IntegerLookup",
        {"vocabulary": VOCABULARY, "idf_weights": WEIGHTS, "output_mode": "tf_idf"},
        None,
        [[12, 12, 7]],
    ),
    (
        "IntegerLookup",
        {"vocabulary": [-1, *VOCABULARY], "idf_weights": [0.9, *WEIGHTS], "output_mode": "tf_idf"},
        None,
        [[12, 12, 7]],
    ),
    *(("StringLookup", {"output_mode": m}, WORDS, [["cat", "owl"]]) for m in [*MODES, "tf_idf"]),
    *(
        ("StringLookup", {"output_mode": m, "mask_token": ""}, WORDS, [["cat", ""]])
        for m in ("int", "multi_hot")
    ),
    ("StringLookup", {"num_oov_indices": 5}, WORDS, [["cat", "owl", "Größe", "x", ""]]),
    ("StringLookup", {"num_oov_indices": 5, "salt": 7}, WORDS, [["cat", "owl", "Größe"]]),
    ("StringLookup", {"vocabulary": ["a", "b"], "invert": True}, None, [[1, 2, 0, 7]]),
    *(
        ("TextVectorization", {"output_mode": m}, TEXTS, TEXTS)
        for m in ("int", *MODES[2:], "tf_idf")
    ),
    ("TextVectorization", {"output_sequence_length": 2}, TEXTS, TEXTS),
    ("TextVectorization", {"output_sequence_length": 6, "max_tokens": 5}, TEXTS, TEXTS),
    *(
        ("TextVectorization", {"standardize": s}, TEXTS, TEXTS)
        for s in ("lower", "strip_punctuation", None)
    ),
    ("TextVectorization", {"split": "character"}, TEXTS, TEXTS),
    ("TextVectorization", {"split": None}, TEXTS, TEXTS),
    ("TextVectorization", {"ngrams": 2}, TEXTS, TEXTS),
    ("TextVectorization", {"ngrams": [1, 3], "output_mode": "count"}, TEXTS, TEXTS),
    (
        "TextVectorization",
        {"max_tokens": 20, "pad_to_max_tokens": True, "output_mode": "tf_idf"},
        TEXTS,
        TEXTS,
    ),
    ("Hashing", {"num_bins": 1000}, None, [*LONG, "Größe", ""]),
    ("Hashing", {"num_bins": 1000, "salt": [5, 77]}, None, [*LONG, "Größe", ""]),
    ("Hashing", {"num_bins": 1000, "salt": 3}, None, [[0, -7, 123456, 2**31 - 1, -(2**40)]]),
    ("Hashing", {"num_bins": 1000}, None, [[0, -7, 123456, 2**31 - 1, -(2**40)]]),
    ("Hashing", {"num_bins": 7, "mask_value": 5}, None, ASKED),
    ("Hashing", {"num_bins": 7, "mask_value": ""}, None, [["", "a"], ["b", "c"]]),
    *(("Hashing", {"num_bins": 5, "output_mode": m}, None, [[4, 8, 8]]) for m in MODES[1:]),
    ("HashedCrossing", {"num_bins": 100}, None, {"a": [["A"], ["Größe"]], "b": [[101], [-2]]}),
    ("HashedCrossing", {"num_bins": 100}, None, {"a": [3, 2**40], "b": [101, 101], "c": ["x", ""]}),
    ("HashedCrossing", {"num_bins": 5, "output_mode": "one_hot"}, None, {"a": [3, 4], "b": [1, 1]}),
]


def plain(value):
    """What JSON holds: bytes as texts."""
    array = value.numpy() if hasattr(value, "numpy") else np.asarray(value)
    if array.dtype.kind in "OS":
        return np.char.decode(array.astype(bytes), "utf-8").tolist()
    return array.tolist()


def tensor(value):
    array = np.array(value)
    return tf.constant(array.astype("int64") if array.dtype.kind == "i" else array)


def run(layers, name, arguments, data, inputs):
    arguments = dict(arguments)
    if isinstance(arguments.get("ngrams"), list):
        arguments["ngrams"] = tuple(arguments["ngrams"])
    layer = getattr(layers, name)(**arguments)
    if data is not None:
        layer.adapt(np.array(data))
    several = isinstance(inputs, dict)
    found = {
        "output": plain(layer([tensor(v) for v in inputs.values()] if several else tensor(inputs)))
    }
    if hasattr(layer, "get_vocabulary"):
        found["vocabulary"] = [
            getattr(one, "item", lambda one=one: one)() for one in layer.get_vocabulary()
        ]
    if name == "Discretization":
        found["boundaries"] = np.asarray(layer.bin_boundaries, float).tolist()
    return found


def numbers(keras):
    """Three ways to encode integers, and one for floats."""
    layers = keras.layers
    x = keras.Input((3,), dtype="int64", name="x")
    y = keras.Input((2,), name="y")
    counted = layers.IntegerLookup(output_mode="tf_idf", num_oov_indices=2, name="counted")
    counted.adapt(np.array([[5, 9, 2], [7, 5, -2], [9, 0, 11]]))
    given = layers.IntegerLookup(vocabulary=VOCABULARY, mask_token=0, name="given")
    both = [counted(x), layers.CategoryEncoding(6, output_mode="count", name="c")(given(x))]
    edges = layers.Discretization([-0.5, 0.5], output_mode="multi_hot", name="edges")
    z = layers.Dense(2, name="d")(layers.Concatenate(name="all")([*both, edges(y)]))
    return keras.Model([x, y], z), [
        np.array([[5, 12, 0], [42, 9, 8]]),
        np.array([[0.0, 1.0]] * 2, "f"),
    ]


def words(keras):
    layers = keras.layers
    x = keras.Input((1,), dtype="string", name="x")
    text = layers.TextVectorization(output_sequence_length=4, name="text")
    text.adapt(np.array(TEXTS))
    weighted = layers.TextVectorization(output_mode="tf_idf", name="weighted")
    weighted.adapt(np.array(TEXTS))
    y = layers.Flatten(name="flat")(layers.Embedding(20, 3, name="e")(text(x)))
    both = [layers.Dense(2, name="d")(y), layers.Dense(2, name="w")(weighted(x))]
    return keras.Model(x, both), [np.array([[text] for text in TEXTS])]


def names(keras):
    layers = keras.layers
    x = keras.Input((1,), dtype="string", name="x")
    given = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot", name="given")
    counted = layers.StringLookup(num_oov_indices=2, output_mode="one_hot", name="counted")
    counted.adapt(np.array(WORDS))
    hashed = layers.Hashing(7, salt=[1, 2], output_mode="one_hot", name="hashed")
    crossed = layers.HashedCrossing(5, output_mode="one_hot", name="crossed")
    parts = [given(x), counted(x), hashed(x), crossed([x, x])]
    y = layers.Dense(2, name="d")(layers.Concatenate(name="all")(parts))
    return keras.Model(x, y), [np.array([["a"], ["cat"], ["owl"]])]


def stated(keras):
    """What HDF5 files of ``tf.keras`` hold: layers whose vocabulary was given."""
    layers = keras.layers
    x = keras.Input((1,), dtype="string", name="x")
    given = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot", name="given")
    hashed = layers.Hashing(7, salt=[1, 2], output_mode="one_hot", name="hashed")
    y = layers.Dense(2, name="d")(layers.Concatenate(name="all")([given(x), hashed(x)]))
    return keras.Model(x, y), [np.array([["a"], ["cat"], ["owl"]])]


def bins(keras):
    layers = keras.layers
    x = keras.Input((1,), name="x")
    edges = layers.Discretization(num_bins=4, output_mode="one_hot", name="edges")
    edges.adapt(np.sin(np.arange(40.0))[:, None])
    return keras.Model(x, layers.Dense(2, name="d")(edges(x))), [
        np.array([[-2.0], [0.1], [0.9]], "f")
    ]


def main(release):
    if release == "keras3.15":
        keras = importlib.import_module("keras")
    else:
        keras = importlib.import_module("tensorflow.keras")
    cases = []
    for case in CASES:
        if release == "tf2.15" and ({"oov_method", "epsilon"} & set(case[1]) or "salt" in case[1]):
            continue  # later arguments; and bins that depend on the size of batches
        try:
            found = run(keras.layers, *case)
        except Exception as error:
            print("left out:", case[:2], str(error).splitlines()[-1][:150])
            continue
        cases.append(
            dict(zip(("class", "arguments", "adapt", "inputs"), case, strict=True)) | found
        )
    folder = os.path.join(FOLDER, "lookups", release)
    os.makedirs(folder, exist_ok=True)
    with open(folder + ".json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    index = {}
    # tf.keras writes no boundaries that adapt made, and opens no such file itself.
    for build in (numbers, words, names, stated, *([bins] if release == "keras3.15" else [])):
        keras.utils.set_random_seed(5)
        keras.backend.clear_session()
        model, inputs = build(keras)
        for ending in ("keras", "h5") if build is stated else ("keras",):
            model.save(os.path.join(folder, f"{build.__name__}.{ending}"))
        fed = [tensor(one) for one in inputs]
        predicted = model(fed if len(fed) > 1 else fed[0])
        index[build.__name__] = {
            "inputs": [one.tolist() for one in inputs],
            "predicted": [
                plain(one) for one in (predicted if isinstance(predicted, list) else [predicted])
            ],
        }
    with open(os.path.join(folder, "files.json"), "w") as file:
        json.dump(index, file)


if __name__ == "__main__":
    main(sys.argv[1])
