"""The state of an optimizer from the files of all releases.

Keras 3 and ``tf.keras`` from 2.11 on list the state variable by variable; Keras 1 and 2 and the
optimizers of TensorFlow slot by slot. Keras 1 has the weights in the order of their names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lamina.saving import keras3_weights, legacy_weights
from lamina.saving.h5_file import Group
from lamina.saving.optimizer_names import ALL_WORDS, WORDS, another, end, misplaced, path_of
from lamina.saving.optimizer_state import SHARED, Row, fill, rows, shape
from lamina.saving.stored import Found, Stored, held, replaced, sources
from lamina.warning import warn

if TYPE_CHECKING:
    from lamina.optimizers.base import Optimizer

_COUNTS = ("iterations", "iteration", "iter")
_OTHERS = ("learning_rate", "momentum_cache")

# The slots of Keras 1 and 2, one after another, each for all variables.
_SLOTS = {
    "SGD": ("momentum",),
    "RMSprop": ("velocity",),
    "Adagrad": ("accumulator",),
    "Adadelta": ("accumulated_grad", "accumulated_delta_var"),
    "Adam": ("momentum", "velocity", "velocity_hat"),
    "Adamax": ("momentum", "norm"),
    "Nadam": ("momentum", "velocity"),
    "Ftrl": ("accumulator", "linear"),
}
# Those of them that keep the number of steps in all releases; the others do from Keras 2.3 on.
_COUNTING = frozenset({"SGD", "Adam", "Adamax", "Nadam"})

Values = dict[int, Stored]
"""Arrays by the numbers of the rows that they are for."""

Slots = dict[str, list[Stored]]
"""For each slot its arrays, one for each weight."""


def load(optimizer: Optimizer, root: Group, found: Found | None = None) -> bool:
    """Give an optimizer the state that a file has for it, all of it or nothing.

    Args:
        optimizer: one that was built for the model's trainable weights.
        root: root group of the file.
        found: what the file has for the model's weights (see `reading.in_h5`); files of Keras 1
            and 2 need it, as the order of the state follows that of the weights.

    Returns:
        Whether the file has a state.

    Raises:
        ValueError: it is that of another optimizer, or shapes differ.
    """
    if optimizer.state is None:
        raise ValueError(f"{optimizer!r} has no state yet; call build(variables) first.")
    group = root.find("optimizer_weights")
    if isinstance(group, Group):
        names = group.texts("weight_names")
        arrays: list[Stored] = [group.dataset(name) for name in names]
        _check_writer(optimizer, names, group.place)
        if "iteration" in map(end, names) or type(optimizer).__name__ not in _SLOTS:
            values = _in_order(optimizer, arrays, group.place, names)
        else:
            values = _slot_by_slot(optimizer, names, arrays, _order(optimizer, root, found))
    else:
        numbered = keras3_weights.optimizer_arrays(root)
        if numbered is None:
            return False
        _check_writer(optimizer, keras3_weights.optimizer_name(root), f"{root.place}optimizer")
        values = _in_order(optimizer, numbered, f"{root.place}optimizer")
    fill(optimizer, values)
    return True


def read_in_order(optimizer: Optimizer, arrays: Sequence[Stored], place: str) -> Values:
    """The arrays of a state in Keras 3's order, read; for `optimizer_state.fill`.

    Args:
        optimizer: one that has a state.
        arrays: what the file has.
        place: names the file in messages.

    Raises:
        ValueError: the state is that of another optimizer, or damaged.
    """
    found = _in_order(optimizer, arrays, place)
    return {number: held(array.read(), array.place) for number, array in found.items()}


def _check_writer(optimizer: Optimizer, names: Sequence[str], place: str) -> None:
    writer = another(optimizer, names)
    if writer is not None:
        raise ValueError(
            f"the arrays in {place} are those of the optimizer {writer}, as their names say, but "
            f"the config has {optimizer!r}."
        )


def _in_order(
    optimizer: Optimizer, arrays: Sequence[Stored], place: str, names: Sequence[str] = ()
) -> Values:
    """Arrays in the order of the rows; those of ``tf.keras`` are without the learning rate."""
    own = rows(optimizer)
    for without in ((), (SHARED,), ("learning_rate",), ("learning_rate", SHARED)):
        wanted = [row for row in own if row.name not in without]
        if _fits(optimizer, wanted, arrays):
            wrong = misplaced(wanted, names) if names else None
            if wrong is not None:
                raise ValueError(f"{place}: {wrong[0]!r} stands where {wrong[1]!r} is expected.")
            return {own.index(row): array for row, array in zip(wanted, arrays, strict=True)}
    shapes = [tuple(array.shape) for array in arrays[1:]]
    if not any(row.slot for row in own) and shapes == [v.shape for v in optimizer._variables]:
        return {0: arrays[0]}  # tf.keras keeps the last step, and multiplies it by 0
    raise _another(optimizer, arrays, place)


def _fits(optimizer: Optimizer, wanted: Sequence[Row], arrays: Sequence[Stored]) -> bool:
    return [shape(optimizer, row) for row in wanted] == [tuple(array.shape) for array in arrays]


def _another(optimizer: Optimizer, arrays: Sequence[Stored], place: str) -> ValueError:
    own = [f"{row.name} {shape(optimizer, row)}" for row in rows(optimizer)]
    there = [str(tuple(array.shape)) for array in arrays]
    return ValueError(
        f"{optimizer!r} has {len(own)} arrays ({_some(own)}), but the state in {place} has "
        f"{len(there)} ({_some(there)}): it is that of another optimizer or of other weights."
    )


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:4]) + (", ..." if len(texts) > 4 else "")


@dataclass(frozen=True)
class Order:
    """How a file has the trainable weights of a model.

    Args:
        place: where the state is, for messages.
        weights: for each variable of the optimizer the array of the weight itself.
        raw: the arrays in the file that these are made of, in the order of the slots.
        names: names of these, without the number of their output.
    """

    place: str
    weights: list[Stored]
    raw: list[Stored]
    names: list[str]

    def alike(self, slot: Sequence[Stored]) -> list[Stored] | None:
        """The arrays of a slot for each variable, changed on reading like the weights.

        Args:
            slot: the arrays in the file, one for each of `raw`.
        """
        if [tuple(one.shape) for one in slot] != [tuple(one.shape) for one in self.raw]:
            return None
        others = {id(one): array for one, array in zip(self.raw, slot, strict=True)}
        return [replaced(array, others) for array in self.weights]


def _order(optimizer: Optimizer, root: Group, found: Found | None) -> Order:
    place = f"{root.place}optimizer_weights"
    stored = {id(v): array for part in (found.parts if found else []) for v, array in part.pairs}
    if any(id(variable) not in stored for variable in optimizer._variables):
        raise ValueError(
            f"{place}: the state of an optimizer can only be read together with the weights that "
            "it belongs to."
        )
    weights = [stored[id(variable)] for variable in optimizer._variables]
    raw = [one for array in weights for one in sources(array)]
    group = legacy_weights.weights_group(root)
    names: dict[int, str] = {}
    if group is not None:
        names = {
            id(array): name
            for entry in legacy_weights.stored_layers(group)
            for name, array in zip(entry.names, entry.arrays, strict=True)
        }
        if legacy_weights.writer_of(group, root).old:
            raw.sort(key=lambda one: names[id(one)])
    return Order(place, weights, raw, [names.get(id(one), "").partition(":")[0] for one in raw])


def _slot_by_slot(
    optimizer: Optimizer, names: list[str], arrays: list[Stored], order: Order
) -> Values:
    """Arrays of Keras 1 and 2 and of TensorFlow: a slot for all variables, then the next."""
    own = rows(optimizer)
    values: Values = {}
    rest = [pair for pair in zip(names, arrays, strict=True) if end(pair[0]) not in _OTHERS]
    if rest and (end(rest[0][0]) in _COUNTS or rest[0][1].shape == ()):  # Keras 1 does not name it
        values[0] = rest.pop(0)[1]
    slots = _slots(type(optimizer).__name__, rest, order, counted=bool(values))
    wanted = {row.slot: number for number, row in enumerate(own) if row.slot is not None}
    for name, slot in (slots or {}).items():
        for variable, array in enumerate(order.alike(slot) or ()):
            if (variable, name) in wanted:
                values[wanted[variable, name]] = array
    missing = any(number not in values for number in wanted.values())
    shapes = [(tuple(array.shape), shape(optimizer, own[n])) for n, array in values.items()]
    if slots is None or missing or any(there != here for there, here in shapes):
        raise _another(optimizer, arrays, order.place)
    # Keras 1 and 2 keep the last step of SGD, and multiply it by a momentum of 0.
    in_vain = type(optimizer).__name__ == "SGD" and {end(name) for name, _ in rest} - ALL_WORDS
    used = {name for _, name in wanted} | ({"momentum"} if in_vain else set())
    for name in sorted(slots.keys() - used):
        _warn_of_slot(optimizer, name, slots[name], order)
    return values


def _warn_of_slot(optimizer: Optimizer, name: str, slot: Sequence[Stored], order: Order) -> None:
    """Say that a slot is left out, if it has more than the zeros that releases keep in vain."""
    alike = order.alike(slot)
    if alike is None:  # Keras 2 has one number for each weight
        lost = any(math.prod(array.shape) != 1 for array in slot)
    else:
        lost = any(np.any(array.read()) for array in alike)
    if lost:
        warn(
            f"{order.place} has a {name!r} for each weight, which {optimizer!r}, as the file "
            "describes it, does not use. It is left out; training goes on with the rest of the "
            "state."
        )


def _slots(
    kind: str, rest: list[tuple[str, Stored]], order: Order, *, counted: bool
) -> Slots | None:
    """The slots; ``None`` if the arrays are not those of this optimizer."""
    said = {end(name) for name, _ in rest}
    if said and said <= ALL_WORDS:
        return _slots_by_word(kind, rest, order)
    of_keras_1 = not any("/" in name for name, _ in rest)
    if (kind in _COUNTING and not counted) or (of_keras_1 and counted and kind not in _COUNTING):
        return None
    return _slots_by_number(kind, rest, order)


def _slots_by_word(kind: str, rest: list[tuple[str, Stored]], order: Order) -> Slots | None:
    """The slots by what their names say; ``None`` if they are not those of this optimizer."""
    found: Slots = {}
    for slot, word in WORDS.get(kind, {}).items():
        part = [(path_of(name), array) for name, array in rest if end(name) == word]
        paths = [path for path, _ in part]
        if paths != order.names and sorted(paths) == sorted(order.names):
            part.sort(key=lambda pair: order.names.index(pair[0]))
        if part:
            found[slot] = [array for _, array in part]
    return found if sum(map(len, found.values())) == len(rest) else None


def _slots_by_number(kind: str, rest: list[tuple[str, Stored]], order: Order) -> Slots | None:
    """The slots by their order; ``None`` if there are more than this optimizer has."""
    names, width = _SLOTS[kind], len(order.raw)
    if len(rest) > len(names) * width or (width and len(rest) % width):
        return None
    arrays = [array for _, array in rest]
    parts = [arrays[start : start + width] for start in range(0, len(rest), width or 1)]
    return dict(zip(names, parts, strict=False))
