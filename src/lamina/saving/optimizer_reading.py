"""The state of an optimizer from the files of all releases.

Keras 3 and ``tf.keras`` from 2.11 on list the state variable by variable; Keras 1 and 2 and the
optimizers of TensorFlow slot by slot. Keras 1 has the weights in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.saving import keras3_weights, legacy_weights
from lamina.saving.h5_file import Group
from lamina.saving.optimizer_state import SHARED, Row, fill, rows, shape
from lamina.saving.stored import Found, Stored, held, replaced, sources

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
# Ends of the names of arrays that say which slot of TensorFlow's RMSprop they are.
_ENDS = {"rms": "velocity", "mg": "average_gradient", "momentum": "momentum"}

Values = dict[int, Stored]
"""Arrays by the numbers of the rows that they are for."""


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
        ends = [_end(name) for name in names]
        if "iteration" in ends or type(optimizer).__name__ not in _SLOTS:
            values = _in_order(optimizer, arrays, group.place)
        else:
            values = _slot_by_slot(optimizer, ends, arrays, _order(optimizer, root, found))
    else:
        numbered = keras3_weights.optimizer_arrays(root)
        if numbered is None:
            return False
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


def _end(name: str) -> str:
    """Last part of a name: ``iterations`` of ``Adam/iterations:0``."""
    return name.rpartition("/")[2].partition(":")[0]


def _in_order(optimizer: Optimizer, arrays: Sequence[Stored], place: str) -> Values:
    """Arrays in the order of the rows; those of ``tf.keras`` are without the learning rate."""
    own = rows(optimizer)
    for without in ((), (SHARED,), ("learning_rate",), ("learning_rate", SHARED)):
        wanted = [row for row in own if row.name not in without]
        if _fits(optimizer, wanted, arrays):
            return {own.index(row): array for row, array in zip(wanted, arrays, strict=True)}
    shapes = [tuple(array.shape) for array in arrays[1:]]
    if not any(row.slot for row in own) and shapes == [v.shape for v in optimizer._variables]:
        return {0: arrays[0]}  # tf.keras keeps a momentum even where it is not used
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
    """

    place: str
    weights: list[Stored]
    raw: list[Stored]

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
    if group is not None and legacy_weights.writer_of(group, root).old:
        names = {
            id(array): name
            for entry in legacy_weights.stored_layers(group)
            for name, array in zip(entry.names, entry.arrays, strict=True)
        }
        raw.sort(key=lambda one: names[id(one)])
    return Order(place, weights, raw)


def _slot_by_slot(
    optimizer: Optimizer, ends: list[str], arrays: list[Stored], order: Order
) -> Values:
    """Arrays of Keras 1 and 2 and of TensorFlow: a slot for all variables, then the next."""
    own = rows(optimizer)
    values: Values = {}
    rest = [pair for pair in zip(ends, arrays, strict=True) if pair[0] not in _OTHERS]
    if rest and (rest[0][0] in _COUNTS or rest[0][1].shape == ()):  # Keras 1 has no name for it
        values[0] = rest.pop(0)[1]
    wanted = {row.slot: number for number, row in enumerate(own) if row.slot is not None}
    for name, slot in _slots(_SLOTS[type(optimizer).__name__], rest, len(order.raw)):
        for variable, array in enumerate(order.alike(slot) or ()):
            if (variable, name) in wanted:
                values[wanted[variable, name]] = array
    for number, row in enumerate(own):
        missing = row.slot is not None and number not in values
        if missing or (number in values and tuple(values[number].shape) != shape(optimizer, row)):
            raise _another(optimizer, arrays, order.place)
    return values


def _slots(
    names: Sequence[str], rest: list[tuple[str, Stored]], width: int
) -> Iterator[tuple[str, list[Stored]]]:
    """Names of slots, each with its arrays."""
    for number in range(len(rest) // width if width else 0):
        part = rest[number * width : (number + 1) * width]
        known = names[number] if number < len(names) else None
        name = _ENDS.get(part[0][0], known)
        if name is not None:
            yield name, [array for _, array in part]
