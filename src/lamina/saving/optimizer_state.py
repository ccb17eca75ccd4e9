"""The state of an optimizer in the files of all releases, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.optimizers import weights
from lamina.saving.h5_writing import put_array, put_texts
from lamina.saving.legacy_weights import unique_names
from lamina.saving.stored import Stored

if TYPE_CHECKING:
    from lamina.optimizers.base import Optimizer


SHARED = "shared"
"""Name of the row that belongs to all variables: the product of `Nadam`."""


@dataclass(frozen=True)
class Row:
    """One array of the state of an optimizer.

    Args:
        name: as in Keras 3.
        place: number of the leaf, or the variable that holds it.
        slot: number of the variable and name of the slot, where it is one.
    """

    name: str
    place: Any
    slot: tuple[int, str] | None


def rows(optimizer: Optimizer) -> list[Row]:
    """The arrays of the state in the order of Keras 3's files.

    Args:
        optimizer: one that has a state.
    """
    leaves, structure, entries, _ = weights.entries(optimizer, optimizer.state)
    slots = _slots(optimizer, jax.tree.unflatten(structure, list(range(len(leaves)))))
    return [
        Row(name, place, slots.get(place) if isinstance(place, int) else None)
        for name, place in entries
    ]


def _slots(optimizer: Any, places: Any) -> dict[int, tuple[int, str]]:
    """Number of the variable and name of the slot for the leaves of a state."""
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        return _slots(inner, places["inner"])
    names = optimizer.columns() or ()
    parts = jax.tree.leaves(places.get("slots"), is_leaf=lambda node: isinstance(node, list))
    columns = [part for part in parts if isinstance(part, list)]
    if len(columns) != len(names):
        return {}
    return {
        place: (number, name)
        for name, column in zip(names, columns, strict=True)
        for number, place in enumerate(column)
        if place is not None
    }


def shape(optimizer: Optimizer, row: Row) -> tuple[int, ...]:
    """Shape of an array of the state.

    Args:
        optimizer: the optimizer.
        row: from `rows`.
    """
    if isinstance(row.place, int):
        return tuple(np.shape(jax.tree.leaves(optimizer.state)[row.place]))
    return row.place.shape


def arrays(optimizer: Optimizer) -> list[np.ndarray]:
    """The state in the order of Keras 3: steps, learning rate, then the slots.

    Args:
        optimizer: one that has a state.
    """
    leaves = jax.tree.leaves(optimizer.state)
    return [
        np.array(leaves[row.place] if isinstance(row.place, int) else row.place.numpy())
        for row in rows(optimizer)
    ]


def write_legacy(root: Any, optimizer: Optimizer) -> None:
    """Write the state into the group ``optimizer_weights`` of an ``.h5`` file.

    The order is that of ``tf.keras`` 2.11 and later: that of Keras 3 without the learning rate,
    which is in the config, and without the product that `Nadam` keeps, which follows from the
    steps; `SGD` has a momentum there even where it is not used.

    Args:
        root: root group of ``h5py``.
        optimizer: one that has a state.
    """
    values = arrays(optimizer)
    named = [
        (_legacy_name(optimizer, row), value)
        for row, value in zip(rows(optimizer), values, strict=True)
        if row.name not in ("learning_rate", SHARED)
    ]
    if type(optimizer).__name__ == "SGD" and len(named) == 1:
        named += [(f"SGD/m/{v.path}:0", np.zeros(v.shape, v.dtype)) for v in optimizer._variables]
    group = root.create_group("optimizer_weights")
    names = unique_names([name for name, _ in named])
    put_texts(group, "weight_names", names)
    for name, (_, value) in zip(names, named, strict=True):
        put_array(group, name, value)


def _legacy_name(optimizer: Any, row: Row) -> str:
    if row.name == "iteration":
        return "iteration:0"
    kind = type(optimizer).__name__
    if row.slot is None:
        return f"{kind}/{row.name}:0"
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return f"{kind}/{row.slot[1]}/{inner._variables[row.slot[0]].path}:0"


def fill(optimizer: Optimizer, values: Mapping[int, Stored]) -> None:
    """Read arrays, then change the state of an optimizer; the others stay as they are.

    Args:
        optimizer: one that has a state.
        values: arrays by the numbers of the rows that they are for; their shapes were compared.
    """
    leaves, structure, _, counters = weights.entries(optimizer, optimizer.state)
    own = rows(optimizer)
    read = [(own[number].place, array.read()) for number, array in values.items()]
    for place, new in read:
        if isinstance(place, int):
            leaves[place] = jnp.array(new.astype(leaves[place].dtype), copy=True)
    steps = int(leaves[own[0].place]) // (optimizer.gradient_accumulation_steps or 1)
    for place in counters:
        leaves[place] = jnp.asarray(steps, leaves[place].dtype)
    for number, row in enumerate(own):
        if row.name == SHARED and number not in values and hasattr(optimizer, "_momentum_at"):
            leaves[row.place] = _product(optimizer, steps).astype(leaves[row.place].dtype)
    optimizer.state = jax.tree.unflatten(structure, leaves)
    for place, new in read:
        if not isinstance(place, int):
            place.assign(new)


def _product(optimizer: Any, steps: int) -> Any:
    """The product that `Nadam` keeps: of its momentum at each step so far."""
    product = np.float32(1.0)
    for step in range(1, steps + 1):
        product *= np.float32(optimizer._momentum_at(jnp.float32(step)))
        if product == 0.0:
            break
    return jnp.asarray(product)
