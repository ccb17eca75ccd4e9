"""What random draws and the order of rows go by, in files of whole models.

It is a text in the root of the HDF5 file, which no other reader looks at: the seed and the number
of steps of the training, its epochs so far, and the generators of seeds that layers hold.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lamina.saving import checkpoint_state, limits
from lamina.saving.h5_file import Group
from lamina.saving.h5_writing import put_text

NAME = "lamina_randomness"


def write(root: Any, model: Any) -> None:
    """Write the text.

    Args:
        root: root group of ``h5py``.
        model: a compiled model.
    """
    found = {
        "seed": int(np.asarray(model._seed)),
        "step": int(np.asarray(model._step)),
        "epochs": model._epochs_trained,
        "generators": checkpoint_state.seeds(model),
    }
    put_text(root, NAME, json.dumps(found))


def restore(model: Any, root: Group, label: str) -> None:
    """Give a model that was compiled what its file says, if it says it.

    Args:
        model: the model.
        root: root group of the file.
        label: the file, for messages.

    Raises:
        ValueError: the text is damaged, or the layers hold other generators.
    """
    text = root.text(NAME)
    if text is None:
        return
    found = limits.parse(text, f"{label}: {NAME}")
    seed, step, epochs = (_count(found, name) for name in ("seed", "step", "epochs"))
    generators = found.get("generators", [])
    for entry in generators if isinstance(generators, list) else [generators]:
        if not isinstance(entry, list) or [type(part) for part in entry] != [str, int, int]:
            raise ValueError(f"it says {entry!r} of a generator of seeds.")
    checkpoint_state.set_seeds(model, generators)
    vars(model).update(_seed=np.uint32(seed), _step=np.uint32(step), _epochs_trained=epochs)


def _count(found: Any, name: str) -> int:
    value = found.get(name) if isinstance(found, dict) else None
    if type(value) is not int or not 0 <= value < 2**32:
        raise ValueError(f"it has no {name!r}, but {value!r}.")
    return value
