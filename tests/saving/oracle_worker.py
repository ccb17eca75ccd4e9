"""What runs inside an oracle's environment: see ``oracle.py``. Imports nothing of lamina."""

import importlib
import json
import os
import sys
import textwrap
import threading
import time
import traceback

import numpy as np


def one(values):
    return values[0] if len(values) == 1 else values


def several(values):
    return list(values) if isinstance(values, list | tuple) else [values]


def numbered(name, values):
    return {f"{name}_{i}": np.asarray(value) for i, value in enumerate(values)}


def scale_class(keras):
    """The user's own layer of the golden files."""

    class Scale(keras.layers.Layer):
        def __init__(self, factor=1.0, **options):
            super().__init__(**options)
            self.factor = factor

        def build(self, input_shape):
            self.scale = self.add_weight(
                name="scale", shape=(input_shape[-1],), initializer="ones", trainable=True
            )
            super().build(input_shape)

        def call(self, inputs):
            return inputs * self.scale * self.factor

        def get_config(self):
            return super().get_config() | {"factor": self.factor}

    return Scale


def known(keras):
    """The user's own objects of the golden files."""
    return {"Scale": scale_class(keras), "halve": lambda x: x * 0.5}


def gathered(path):
    """Arrays by name; ``inputs/0``, ``inputs/1`` ... are one list."""
    arrays = {}
    with np.load(path) as found:
        for path_of_one in found.files:
            name, *place = path_of_one.split("/")
            if place:
                arrays.setdefault(name, []).append(found[path_of_one])
            else:
                arrays[name] = found[path_of_one]
    return arrays


def answer(keras, order):
    """Run one script; arrays go to the file that the order names."""
    keras.backend.clear_session()
    result = {}
    names = {
        "keras": keras,
        "np": np,
        "one": one,
        "several": several,
        "numbered": numbered,
        "custom_objects": known(keras),
        "unsafe": {"safe_mode": False},
        "result": result,
        **order["plain"],
        **gathered(order["arrays"]),
    }
    exec(compile(textwrap.dedent(order["script"]), "<script>", "exec"), names)
    arrays = {name: value for name, value in result.items() if hasattr(value, "__array__")}
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    np.savez(order["result"], **arrays)  # pyright: ignore[reportArgumentType]
    return {"plain": {name: value for name, value in result.items() if name not in arrays}}


def end_with(parent):
    """End this process when the tests are gone, even in the middle of a script."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main(module):
    threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Keras prints is no reply
    keras = importlib.import_module(module)
    for line in sys.stdin:
        try:
            reply = answer(keras, json.loads(line))
        except Exception:
            reply = {"error": traceback.format_exc()}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(sys.argv[1])
