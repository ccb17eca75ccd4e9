"""The state of an optimizer as a list of named arrays, in the order of Keras 3's files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import context
from lamina.core.readers import readers
from lamina.core.variable import Variable

if TYPE_CHECKING:
    from lamina.optimizers.base import Optimizer


class Steps(Variable):
    """The number of updates of an optimizer; reading and assigning goes to its state."""

    __slots__ = ("optimizer",)

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(0, dtype="int32", trainable=False, name="iteration")
        self.optimizer = optimizer

    @property
    def value(self) -> jax.Array:
        call = context.current()
        if call is not None and self in call.values:
            return call.values[self]
        state = self.optimizer.state
        if state is None:
            return self._value
        every = self.optimizer.gradient_accumulation_steps or 1
        # A copy: the step donates its state.
        return jnp.array(state["step"] // every, copy=True)

    def numpy(self) -> np.ndarray:
        with readers:  # no step of another thread takes the state meanwhile
            return np.array(self.value)

    def assign(self, value: Any) -> Steps:
        state = self.optimizer.state
        if state is None:
            raise ValueError(
                f"{self.optimizer!r} has no state yet, so its iterations cannot be set; "
                "call build(variables) first."
            )
        every = self.optimizer.gradient_accumulation_steps or 1
        step = jnp.asarray(value).astype(jnp.int32).reshape(()) * every
        self.optimizer.state = {**state, "step": step}
        return self


def _bare(_: None, children: Any) -> Any:
    return children[0]


jax.tree_util.register_pytree_node(Steps, lambda variable: ((variable.value,), None), _bare)

Entry = tuple[str, "int | Variable"]
"""Name of a weight, and the number of its leaf in the state or the variable that holds it."""


def label(variable: Variable, slot: str) -> str:
    """Name of the slot of a variable."""
    return f"{variable.path.replace('/', '_')}_{slot}"


def order(optimizer: Optimizer, places: Any) -> list[Entry]:
    """Names and leaves of a state of which `places` has the numbers of the leaves."""
    entries: list[Entry] = [("iteration", places["step"])]
    if isinstance(optimizer._learning_rate, Variable):
        entries.append(("learning_rate", optimizer._learning_rate))
    known = optimizer._variables
    for key, name in (("average", "average"), ("accumulated", "gradient_accumulator")):
        for variable, place in zip(known, places.get(key, []), strict=False):
            entries.append((label(variable, name), place))
    return entries + _slots(optimizer, places["slots"])


def _slots(optimizer: Optimizer, places: Any) -> list[Entry]:
    """Slots, group by group, within a group variable by variable."""
    names = optimizer.columns()
    parts = jax.tree.leaves(places, is_leaf=lambda node: isinstance(node, list))
    columns = [part for part in parts if isinstance(part, list)]
    if names is None or len(columns) != len(names):
        leaves = jax.tree.leaves(places)
        return [(f"slot_{number}", place) for number, place in enumerate(leaves)]
    table = dict(zip(names, columns, strict=True))
    entries: list[Entry] = []
    for group in optimizer.slots:
        for row, variable in enumerate(optimizer._variables):
            for name in group:
                if name in table and table[name][row] is not None:
                    entries.append((label(variable, name), table[name][row]))
    scalars = [part for part in parts if not isinstance(part, list)]
    return entries + [("shared", place) for place in scalars]


def _numbered(state: Any) -> tuple[list[Any], Any, Any]:
    leaves, structure = jax.tree.flatten(state)
    return leaves, structure, jax.tree.unflatten(structure, list(range(len(leaves))))


def _is_count(leaf: Any, name: str) -> bool:
    # Counters inside of a rule of optax; they follow from the number of steps.
    return name == "shared" and jnp.issubdtype(leaf.dtype, jnp.integer)


def entries(optimizer: Optimizer, state: Any) -> tuple[list[Any], Any, list[Entry], list[int]]:
    """Leaves and structure of a state, its weights, and the leaves that are counters."""
    leaves, structure, places = _numbered(state)
    rows = optimizer._order(places)
    counters = [p for n, p in rows if isinstance(p, int) and _is_count(leaves[p], n)]
    return leaves, structure, [row for row in rows if row[1] not in counters], counters


def named(optimizer: Optimizer) -> list[tuple[str, Any]]:
    """Names and values of the weights of an optimizer."""
    if optimizer.state is None:
        rate = optimizer._learning_rate
        rates = [("learning_rate", rate.value)] if isinstance(rate, Variable) else []
        return [("iteration", jnp.zeros((), jnp.int32)), *rates]
    leaves, _, rows, _ = entries(optimizer, optimizer.state)
    return [
        (name, place.value if isinstance(place, Variable) else leaves[place])
        for name, place in rows
    ]


def filled(
    optimizer: Optimizer, state: Any, values: Sequence[Any]
) -> tuple[Any, list[tuple[Variable, Any]]]:
    """A state with these weights, and the learning rates among them.

    Raises:
        ValueError: their number or a shape is wrong.
    """
    leaves, structure, rows, counters = entries(optimizer, state)
    if len(values) != len(rows):
        raise ValueError(
            f"{optimizer!r} has {len(rows)} weights ({', '.join(name for name, _ in rows[:6])}"
            f"{', ...' if len(rows) > 6 else ''}), got {len(values)}."
        )
    rates: list[tuple[Variable, Any]] = []
    for (name, place), value in zip(rows, values, strict=True):
        old = place.value if isinstance(place, Variable) else leaves[place]
        if np.shape(value) != np.shape(old):
            raise ValueError(
                f"{optimizer!r}: weight {name!r} has shape {np.shape(old)}, got {np.shape(value)}."
            )
        new = jnp.asarray(value).astype(old.dtype)
        if isinstance(place, Variable):
            rates.append((place, new))
        else:
            leaves[place] = new
    every = optimizer.gradient_accumulation_steps or 1
    for place in counters:
        leaves[place] = jnp.asarray(values[0]).astype(leaves[place].dtype) // every
    return jax.tree.unflatten(structure, leaves), rates


def set_all(optimizer: Optimizer, values: Sequence[Any]) -> None:
    """Give an optimizer these weights, in the order of `named`."""
    if optimizer.state is None:
        raise ValueError(
            f"{optimizer!r} has no weights yet; call build(variables) before set_weights."
        )
    state, rates = filled(optimizer, optimizer.state, values)
    for variable, value in rates:
        variable.assign(value)
    optimizer.state = state
