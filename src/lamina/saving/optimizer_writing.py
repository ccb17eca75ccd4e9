"""The state of an optimizer for ``.h5`` files, as the optimizers that ``tf.keras`` makes of them.

The config of an optimizer in a file that Keras 3 reads too has no word for the new optimizers of
``tf.keras`` 2.11: it makes those of before, whose state is listed slot by slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.saving import optimizer_state
from lamina.saving.h5_writing import put_array, put_texts
from lamina.saving.legacy_weights import unique_names
from lamina.saving.optimizer_names import WORDS

if TYPE_CHECKING:
    from lamina.optimizers.base import Optimizer


def write(root: Any, optimizer: Optimizer) -> None:
    """Write the state into the group ``optimizer_weights``.

    Optimizers that only newer releases have are written in the order of these.

    Args:
        root: root group of ``h5py``.
        optimizer: one that has a state.
    """
    kind = type(optimizer).__name__
    rows = optimizer_state.rows(optimizer)
    plain = ("iteration", "learning_rate", optimizer_state.SHARED)
    table = WORDS.get(kind, {})
    known = all(row.name in plain or (row.slot and row.slot[1] in table) for row in rows)
    if kind not in WORDS or not known:
        optimizer_state.write_legacy(root, optimizer)
        return
    values = dict(zip(rows, optimizer_state.arrays(optimizer), strict=True))
    named = [(f"{kind}/iter:0", value) for row, value in values.items() if row.name == plain[0]]
    if kind == "Nadam":
        named += [(f"{kind}/momentum_cache:0", v) for r, v in values.items() if r.name == plain[2]]
    for slot, word in table.items():
        for row, value in values.items():
            if row.slot and row.slot[1] == slot:
                path = optimizer._variables[row.slot[0]].path
                named.append((f"{kind}/{path}/{word}:0", value))
    group = root.create_group("optimizer_weights")
    names = unique_names([name for name, _ in named])
    put_texts(group, "weight_names", names)
    for name, (_, value) in zip(names, named, strict=True):
        put_array(group, name, value)
