"""What the names of stored arrays say about the optimizer whose state they are.

Files of Keras 1 have names that say nothing. Those of Keras 2 begin with the class
(``training/Adam/Variable:0``), those of ``tf.keras`` and Keras 3 with the optimizer's own name
(``Adam/dense/kernel/m:0``, ``Adam/m/dense/kernel:0``, ``adam/dense_kernel_momentum``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lamina import registry
from lamina.saving.optimizer_state import Row

if TYPE_CHECKING:
    from lamina.optimizers.base import Optimizer

# Optimizers of TensorFlow slot by slot: the slots, and the last parts of the names of their arrays.
WORDS = {
    "SGD": {"momentum": "momentum"},
    "RMSprop": {"velocity": "rms", "momentum": "momentum", "average_gradient": "mg"},
    "Adagrad": {"accumulator": "accumulator"},
    "Adadelta": {"accumulated_grad": "accum_grad", "accumulated_delta_var": "accum_var"},
    "Adam": {"momentum": "m", "velocity": "v", "velocity_hat": "vhat"},
    "Adamax": {"momentum": "m", "norm": "v"},
    "Nadam": {"momentum": "m", "velocity": "v"},
}
ALL_WORDS = frozenset(word for words in WORDS.values() for word in words.values())


def end(name: str) -> str:
    """Last part of a name.

    >>> end("Adam/iterations:0")
    'iterations'
    """
    return name.rpartition("/")[2].partition(":")[0]


def path_of(name: str) -> str:
    """The weight that a slot of TensorFlow's belongs to.

    >>> path_of("Adam/dense/kernel/m:0")
    'dense/kernel'
    """
    return "/".join(name.split("/")[1:-1])


def another(optimizer: Optimizer, names: Sequence[str]) -> str | None:
    """The class of another optimizer of which names say that it wrote them, if they do.

    Args:
        optimizer: the one that the config describes.
        names: names of arrays, or the name of an optimizer.

    >>> from lamina.optimizers import SGD
    >>> another(SGD(), ["Adam/dense/kernel/m:0"]), another(SGD(), ["SGD/iter:0", "other/m:0"])
    ('Adam', None)
    """
    known = {_folded(name): name for name in registry.names("optimizer")}
    own = {_folded(word) for one in _with_inner(optimizer) for word in _words(one, known)}
    for name in names:
        word = _folded(_owner(name))
        if word in known and word not in own:
            return known[word]
    return None


def _with_inner(optimizer: Optimizer) -> list[Optimizer]:
    inner = getattr(optimizer, "inner_optimizer", None)
    return [optimizer, *(() if inner is None else _with_inner(inner))]


def _words(optimizer: Optimizer, known: Mapping[str, str]) -> list[str]:
    """Its name and its class; of a class of the user's, the one of ours that it is made from."""
    names = [cls.__name__ for cls in type(optimizer).__mro__]
    ours = next((name for name in names if _folded(name) in known), names[0])
    return [optimizer.name, names[0], ours]


def _owner(name: str) -> str:
    parts = [part for part in name.split("/") if not re.fullmatch(r"training(_\d+)?", part)]
    return parts[0] if parts else ""


def _folded(word: str) -> str:
    """``rm_sprop_1`` and ``RMSprop`` as one word."""
    return re.sub(r"(_\d+)?(:0)?$", "", word).replace("_", "").lower()


def misplaced(rows: Sequence[Row], names: Sequence[str]) -> tuple[str, str] | None:
    """A name that says another slot than that of its row, with that of the row.

    Args:
        rows: from `optimizer_state.rows`, in the order of the names.
        names: names of arrays of Keras 3, ``tf.keras`` from 2.11 on, or lamina.
    """
    slots = {row.slot[1] for row in rows if row.slot is not None}
    for row, name in zip(rows, names, strict=True):
        said = _slot(name, slots)
        if row.slot is not None and said is not None and said != row.slot[1]:
            return name, row.slot[1]
    return None


def _slot(name: str, slots: set[str]) -> str | None:
    """The slot that a name says: in its second part, or at its end after the weight's."""
    parts = name.split("/")
    if len(parts) > 2:
        return parts[1] if parts[1] in slots else None
    found = [slot for slot in slots if end(name).endswith(f"_{slot}")]
    return max(found, key=len) if found else None
