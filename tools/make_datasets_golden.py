"""Record what Keras makes of small imdb and reuters files: ``tests/golden/datasets_<n>.json``.

    KERAS_BACKEND=jax python tools/make_datasets_golden.py    # with Keras 3
    python tools/make_datasets_golden.py                      # with Keras 2.2.4, Python 3.7

Each case holds the rows, the labels and the options, and what ``load_data`` returned.
"""

import importlib
import json
import os
import tempfile

import keras
import numpy as np

MAJOR = keras.__version__.split(".")[0]
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests/golden")
OPTIONS = [
    {},
    {"num_words": 12},
    {"num_words": 20, "skip_top": 5, "oov_char": None},
    {"maxlen": 6},
    {"maxlen": 6, "start_char": None, "index_from": 0, "seed": 7},
    {"start_char": None, "index_from": 2, "num_words": 9, "oov_char": 0},
    {"start_char": 50, "index_from": 0, "skip_top": 3},
]


def ragged(rows):
    values = np.empty(len(rows), dtype=object)
    values[:] = rows
    return values


def random_rows(rng, count):
    sizes = [3, *rng.randint(1, 9, count - 1)]
    return [[int(word) for word in rng.randint(1, 25, size)] for size in sizes]


def load(name, arrays, options):
    """Keras' result for a file with these arrays."""
    prefix = "keras.src.datasets." if MAJOR == "3" else "keras.datasets."
    module = importlib.import_module(prefix + name)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.npz")
        np.savez(path, **arrays)
        module.get_file = lambda *names, **others: path
        plain = np.load
        np.load = lambda file, **others: plain(file, allow_pickle=True)
        try:
            parts = module.load_data(**options)
        finally:
            np.load = plain
    return [[[list(map(int, row)) for row in x], [int(label) for label in y]] for x, y in parts]


def main():
    rng = np.random.RandomState(0)
    cases = []
    for options in OPTIONS:
        train, test = random_rows(rng, 7), random_rows(rng, 5)
        arrays = {"x_train": train, "y_train": list(range(7)), "x_test": test}
        arrays["y_test"] = list(range(5))
        cases.append({"name": "imdb", "arrays": arrays, "options": options})
        split = {} if "seed" in options else {"test_split": 0.35}
        arrays = {"x": train + test, "y": list(range(12))}
        cases.append({"name": "reuters", "arrays": arrays, "options": {**options, **split}})
    for case in cases:
        arrays = {
            name: ragged(values) if name.startswith("x") else np.array(values)
            for name, values in case["arrays"].items()
        }
        case["result"] = load(case["name"], arrays, case["options"])
    path = os.path.join(FOLDER, f"datasets_{MAJOR}.json")
    with open(path, "w") as file:
        json.dump({"version": keras.__version__, "cases": cases}, file)
    print(path, len(cases))


if __name__ == "__main__":
    main()
