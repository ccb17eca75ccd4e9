"""`StackedRNNCells`: several cells as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import jax

from lamina import registry
from lamina.core.layer import Layer
from lamina.layers import recurrent_steps as steps
from lamina.layers.holding import with_layers
from lamina.typing import Config


@registry.register("layer")
class StackedRNNCells(Layer):
    """Several cells as one: each takes the output of the one before.

    States are a list with an entry for each cell, from the first to the last.

    Args:
        cells: the cells.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: there are no cells, or one has no ``call`` or no ``state_size``.

    >>> from lamina.layers import GRUCell, LSTMCell
    >>> StackedRNNCells([LSTMCell(4), GRUCell(5)]).state_size
    [[4, 4], 5]
    """

    runs_its_cells = True

    def __init__(self, cells: Sequence[Any], **options: Any) -> None:
        super().__init__(**options)
        if not isinstance(cells, list | tuple) or not cells:
            raise ValueError(f"{self}: cells must be a list of at least one cell, got {cells!r}.")
        for cell in cells:
            missing = [word for word in ("call", "state_size") if not hasattr(cell, word)]
            if missing:
                raise ValueError(
                    f"{self}: every cell must have call and state_size; {cell!r} has no "
                    f"{missing[0]}."
                )
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """For each cell the size of its state, or a list of several."""
        found = [steps.sizes_of(cell) for cell in self.cells]
        sizes = [cell.state_size for cell in self.cells]
        pairs = zip(found, sizes, strict=True)
        return [many if isinstance(size, list | tuple) else many[0] for many, size in pairs]

    @property
    def output_size(self) -> Any:
        """Size of the output of the last cell."""
        return steps.output_size(self.cells[-1])

    def get_initial_state(
        self, inputs: Any = None, batch_size: int | None = None, dtype: Any = None
    ) -> list[Any]:
        """The states before the first step, for each cell."""
        batch = inputs.shape[0] if batch_size is None else batch_size
        dtype = dtype or self.compute_dtype
        made = [steps.zeros(cell, batch, inputs, dtype) for cell in self.cells]
        return steps.as_states(self, made)

    def build(self, input_shape: Any) -> None:
        constants: list[Any] = []
        if isinstance(input_shape, list) and isinstance(input_shape[0], list | tuple):
            input_shape, constants = input_shape[0], input_shape[1:]
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                takes = constants and steps.accepts(cell.call, "constants")
                cell.build([input_shape, *constants] if takes else input_shape)
            input_shape = (input_shape[0], steps.output_size(cell))

    def call(
        self, inputs: Any, states: Any, constants: Any = None, training: Any = None
    ) -> tuple[Any, list[Any]]:
        states = steps.as_states(self, states)
        new = []
        for cell, own in zip(self.cells, states, strict=True):
            way = steps.stepping(cell, self, list(constants or []), training)
            listed = own if isinstance(own, list) else [own]
            way.prepare(inputs.shape, listed)
            inputs, found = way.step(way.one(inputs), listed)
            new.append(found if isinstance(own, list) else jax.tree.leaves(found)[0])
        return inputs, new

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Make the stack that ``get_config`` described, with its cells.

        Args:
            config: what ``get_config`` gave.
            custom_objects: classes of the caller's by name.
        """
        return cls(**with_layers(config, custom_objects, "cells"))
