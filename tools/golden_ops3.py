"""Record names, signatures and values of ``keras.ops`` of Keras 3.15.1 on JAX.

    KERAS_BACKEND=jax python tools/golden_ops3.py

writes ``tests/golden/ops_keras3.json`` (name to arguments and defaults, by module) and
``tests/golden/ops_keras3.npz`` (calls with their arguments and results).
"""

import inspect
import json
from pathlib import Path

import numpy as np
from golden_ops3_cases import CASES
from keras import ops

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
MODULES = ("image", "linalg", "nn", "numpy")


def arguments(function):
    """Kind, name and default of each argument."""
    found = []
    for one in inspect.signature(function).parameters.values():
        default = None if one.default is one.empty else repr(one.default)
        found.append([one.kind.name, one.name, default])
    return found


def public(module):
    names = [name for name in dir(module) if not name.startswith("_")]
    return {name: getattr(module, name) for name in names}


def signatures():
    functions = {n: f for n, f in public(ops).items() if not inspect.ismodule(f)}
    parts = {"": {name: arguments(f) for name, f in functions.items()}}
    for module in MODULES:
        found = public(getattr(ops, module))
        parts[module] = {
            name: "the same" if functions.get(name) is f else arguments(f)
            for name, f in found.items()
        }
    return parts


class Store:
    """Arrays by number, and structures that name them."""

    def __init__(self):
        self.arrays = {}

    def put(self, value):
        if isinstance(value, list | tuple):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [*map(self.put, value)]}
        if value is None or isinstance(value, bool | int | float | str):
            return {"plain": value}
        key = f"a{len(self.arrays)}"
        self.arrays[key] = np.asarray(value)
        return {"array": key}


def main():
    lines = json.dumps(signatures(), indent=None, separators=(",", ":")).replace("]],", "]],\n")
    (GOLDEN / "ops_keras3.json").write_text(lines + "\n", "utf-8")
    store, index = Store(), []
    for path, args, kwargs in CASES:
        function = ops
        for part in path.split("."):
            function = getattr(function, part)
        result = function(*args, **kwargs)
        keywords = {name: store.put(value) for name, value in kwargs.items()}
        index.append([path, [store.put(a) for a in args], keywords, store.put(result)])
    np.savez_compressed(GOLDEN / "ops_keras3.npz", index=json.dumps(index), **store.arrays)


if __name__ == "__main__":
    main()
