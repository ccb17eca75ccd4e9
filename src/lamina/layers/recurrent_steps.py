"""How a recurrent layer goes through time with a cell: lamina's own, a stack, or the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.shapes import is_shape
from lamina.layers.elementwise import as_float
from lamina.layers.recurrent_cell import Cell

if TYPE_CHECKING:
    from lamina.typing import Array, Shape


def plain_states(value: Any) -> list[Any]:
    """States as a list, whether they come as one tensor, a list or a tuple."""
    return list(value) if isinstance(value, list | tuple) else [value]


def first_shape(shape: Any) -> Shape:
    """The shape of the sequence, where those of states stand beside it."""
    return shape if is_shape(shape) else shape[0]


def are_tensors(inputs: Any) -> bool:
    """Whether inputs are a list of tensors, as Keras 2 has sequence, states and constants."""
    together = isinstance(inputs, list | tuple) and len(inputs) > 0
    return together and all(hasattr(one, "shape") for one in inputs)


def sizes_of(cell: Any) -> list[Any]:
    """The sizes of a cell's states as a list, with lists in it where they are nested."""
    found = _listed(cell.state_size)
    return found if isinstance(found, list) else [found]


def _listed(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_listed(part) for part in value]
    return int(value)


def as_states(cell: Any, states: Any) -> list[Any]:
    """States in the structure that a cell says, whatever structure they come in."""
    structure = jax.tree.structure(sizes_of(cell))
    return jax.tree.unflatten(structure, jax.tree.leaves(states))


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Whether a function takes an argument by a name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def zeros(cell: Any, batch: int, inputs: Any, dtype: Any) -> list[Any]:
    """The states before the first step: the cell's own, or zeros."""
    make = getattr(cell, "get_initial_state", None)
    if make is None:
        made = jax.tree.map(lambda size: jnp.zeros((batch, size), dtype), sizes_of(cell))
        return as_states(cell, made)
    options = {"inputs": inputs, "batch_size": batch, "dtype": dtype}
    return as_states(cell, make(**{k: v for k, v in options.items() if accepts(make, k)}))


def stepping(cell: Any, owner: Layer, constants: list[Any], training: Any) -> Stepping:
    """The way to go through time with a cell."""
    cells = getattr(cell, "cells", None)
    if isinstance(cell, Cell) and type(cell).call is Cell.call:
        return Own(cell, training)
    if cells is not None and getattr(type(cell), "runs_its_cells", False) and not constants:
        return Stack([stepping(one, owner, constants, training) for one in cells])
    return Foreign(cell, owner, constants, training)


class Stepping:
    """What `ops.recurrent.over_time` needs to know of a cell.

    Attributes:
        cell: the cell.
    """

    cell: Any

    def prepare(self, shape: tuple[int, ...], states: Any) -> None:
        """Draw what stays the same at all steps, for inputs of one step of a shape."""

    def given(self, inputs: Array) -> Any:
        """What all steps take, from inputs ``(steps, batch, ...)``."""
        return inputs

    def one(self, inputs: Any) -> Any:
        """What one step takes, from its inputs."""
        return inputs

    def step(self, given: Any, states: Any) -> tuple[Any, Any]:
        """Output and new states."""
        raise NotImplementedError

    def shown(self) -> Callable[[Any], Any] | None:
        """A function of the states to the output that led to them, if they hold it."""
        return None


class Own(Stepping):
    """A cell of lamina's: all inputs meet the kernel at once, before the loop."""

    def __init__(self, cell: Cell, training: Any) -> None:
        self.cell = cell
        self.training = training
        self.drops: tuple[Any, Any] = (None, None)

    def prepare(self, shape: tuple[int, ...], states: Any) -> None:
        self.drops = self.cell.factors(shape, states[0].shape, self.training)

    def given(self, inputs: Array) -> Array:
        return self.cell.given(as_float(inputs, self.cell), self.drops[0])

    one = given

    def step(self, given: Array, states: Any) -> tuple[Any, Any]:
        return self.cell.step(given, states, self.drops[1])

    def shown(self) -> Callable[[Any], Any]:
        return lambda states: states[0]


class Stack(Stepping):
    """Several cells: each takes the output of the one before."""

    def __init__(self, parts: list[Stepping]) -> None:
        self.parts = parts

    def _pairs(self, states: Any) -> Iterator[tuple[Stepping, Any]]:
        for part, own in zip(self.parts, states, strict=True):
            yield part, own if isinstance(own, list) else [own]

    def prepare(self, shape: tuple[int, ...], states: Any) -> None:
        for part, own in self._pairs(states):
            part.prepare(shape, own)
            shape = (shape[0], output_size(part.cell))

    def given(self, inputs: Array) -> Any:
        return self.parts[0].given(inputs)

    def step(self, given: Any, states: Any) -> tuple[Any, Any]:
        new, output = [], None
        for place, (part, own) in enumerate(self._pairs(states)):
            output, found = part.step(part.one(output) if place else given, own)
            new.append(found if isinstance(states[place], list) else found[0])
        return output, new

    def shown(self) -> Callable[[Any], Any] | None:
        last = self.parts[-1].shown()
        if last is None:
            return None
        return lambda states: last(states[-1] if isinstance(states[-1], list) else [states[-1]])


class Foreign(Stepping):
    """A cell of the user's: its ``call`` runs at each step."""

    def __init__(self, cell: Any, owner: Layer, constants: list[Any], training: Any) -> None:
        from lamina.backend.control import isolated

        self.cell = cell
        self.run = isolated(str(owner))
        self.options: dict[str, Any] = {}
        if constants and accepts(cell.call, "constants"):
            self.options["constants"] = constants
        if not isinstance(cell, Layer) and accepts(cell.call, "training"):
            self.options["training"] = training

    def given(self, inputs: Array) -> Any:
        return jnp.arange(inputs.shape[0]), inputs

    def one(self, inputs: Any) -> Any:
        return jnp.int32(0), inputs

    def step(self, given: Any, states: Any) -> tuple[Any, Any]:
        place, inputs = given
        output, new = self.run(self._called, place, inputs, states)
        return output, self._checked(states, new)

    def _called(self, inputs: Any, states: Any) -> Any:
        call = self.cell if callable(self.cell) else self.cell.call
        found = call(inputs, states, **self.options)
        if not isinstance(found, list | tuple) or len(found) != 2:
            raise ValueError(
                f"{self.cell}: a cell must return its output and the list of its new states, "
                f"got {type(found).__name__}."
            )
        return found

    def _checked(self, old: Any, new: Any) -> Any:
        """New states in the structure, and of the shapes and dtypes, of the old ones."""
        before, after = jax.tree.leaves(old), jax.tree.leaves(new)
        wanted = [one.shape for one in before]
        if [one.shape for one in after] != wanted:
            raise ValueError(
                f"{self.cell}: the new states that the cell returns must have the shapes of the "
                f"old ones, {wanted}, got {[one.shape for one in after]}."
            )
        pairs = zip(after, before, strict=True)
        cast = [one.astype(like.dtype) for one, like in pairs]
        return jax.tree.unflatten(jax.tree.structure(old), cast)


def output_size(cell: Any) -> Any:
    """The size of a cell's output: what it says, or the size of its first state."""
    size = getattr(cell, "output_size", None)
    if size is None:
        return jax.tree.leaves(sizes_of(cell))[0]
    return size
