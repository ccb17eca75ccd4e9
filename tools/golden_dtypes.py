"""Record outputs, gradients and one SGD step of layers in other dtypes than float32.

Run it in a Python that has the release in question:

    KERAS_BACKEND=tensorflow python3.7 tools/golden_dtypes.py keras2   # 2.2.4 on TensorFlow 1.15
    KERAS_BACKEND=jax python tools/golden_dtypes.py keras3             # Keras 3.15

The cases are those of `dtypes` in ``tools/layer_cases.py``, what is recorded is what
``tools/golden_steps.py`` records. Goes to ``tests/golden/dtypes_<release>.npz`` and ``.json``.
Numbers that were computed in 16 bits are kept in 32.
"""

import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import golden_steps as steps
import layer_cases as table


def runner(release, dtype):
    """What runs a case, and the argument that sets the dtype of the layer."""
    import keras

    numbers = "float64" if dtype == "float64" else "float32"
    if release == "keras2":
        keras.backend.set_floatx(dtype)
        return steps.Keras2(numbers), {}
    import jax

    jax.config.update("jax_enable_x64", dtype == "float64")
    return steps.Keras3(numbers), {"dtype": dtype}


def recorded(release, kind, place, case):
    dtype, arguments, specs = case
    runs, options = runner(release, dtype)
    rng = table.generator(kind + " " + dtype, place)
    inputs = [table.made_input(spec, rng, runs.dtype) for spec in specs]
    layer, found = runs.step(kind, dict(arguments, **options), inputs, rng)
    output = str(getattr(found[0], "dtype", runs.dtype))
    names = [steps.short_name(weight) for weight in layer.weights]
    shapes = [list(np.shape(part)) for part in found]
    flat = np.concatenate([np.asarray(part).astype(runs.dtype).ravel() for part in found])
    return flat, {"weights": names, "shapes": shapes, "output": output}


def record(release):
    import keras

    arrays, facts = [], {}
    for kind, listed in sorted(table.dtypes(release).items()):
        facts[kind] = []
        for place, case in enumerate(listed):
            try:
                values, fact = recorded(release, kind, place, case)
            except Exception as error:
                print("FAILED", kind, case, type(error).__name__, str(error)[:300])
                facts[kind].append(None)
                continue
            arrays.append(values)
            facts[kind].append(fact)
        keras.backend.clear_session()
    # One array for each dtype: each array of a file has a head of its own.
    kept = {
        dtype: np.concatenate([np.zeros(0, dtype), *(v for v in arrays if v.dtype == dtype)])
        for dtype in ("float32", "float64")
    }
    np.savez_compressed(os.path.join(steps.FOLDER, f"dtypes_{release}.npz"), **kept)
    with open(os.path.join(steps.FOLDER, f"dtypes_{release}.json"), "w") as file:
        lines = [json.dumps(kind) + ": " + json.dumps(facts[kind]) for kind in sorted(facts)]
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    record(sys.argv[1])
