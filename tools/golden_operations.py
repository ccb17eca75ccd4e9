"""Print the table of functions of Keras 3 for `lamina.saving.operation_table`.

Run in an environment with Keras 3 (``KERAS_BACKEND=jax``), and put what it prints in the place of
``TABLE``. Classes that take functions are left out, as a config cannot hold them, and so are those
whose function is not public.

    python tools/golden_operations.py
"""

import importlib
import inspect
import os
import textwrap
from collections import defaultdict

os.environ.setdefault("KERAS_BACKEND", "jax")

from keras import ops

MODULES = ("core", "image", "linalg", "math", "nn", "numpy")
TAKING_FUNCTIONS = {"AssociativeScan", "Cond", "ForiLoop", "JVP", "Map", "Scan", "Switch"}
TAKING_FUNCTIONS |= {"VectorizedMap", "WhileLoop"}


def arguments(function):
    """Names of the arguments but the first; those that take all that follow with a star."""
    found = list(inspect.signature(function).parameters.values())[1:]
    stars = {inspect.Parameter.VAR_POSITIONAL: "*"}
    kept = [p for p in found if p.kind is not p.VAR_KEYWORD and p.name != "name"]
    return " ".join(stars.get(p.kind, "") + p.name for p in kept)


def main():
    public = {name.replace("_", "") for name in (*dir(ops), *dir(ops.image))}
    for module in MODULES:
        groups = defaultdict(list)
        found = importlib.import_module(f"keras.src.ops.{module}")
        for name, cls in vars(found).items():
            own = inspect.isclass(cls) and cls.__module__ == found.__name__
            if own and name.lower() in public and name not in TAKING_FUNCTIONS:
                head = f"{arguments(cls.call)} | {arguments(cls.__init__)}:".replace(" | :", ":")
                groups[head].append(name)
        print(f"[{module}]")
        for head, names in sorted(groups.items()):
            line = " ".join([head, *sorted(names)])
            print(textwrap.fill(line, 98, subsequent_indent="  ", break_long_words=False))


main()
