"""The steps of a model whose batches are split over devices."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import TYPE_CHECKING, Any

import jax

from lamina.core.readers import readers
from lamina.training.step import Steps

if TYPE_CHECKING:
    from lamina.distribution.placement import Placement
    from lamina.training.state import Batch, Results, State


class SplitSteps(Steps):
    """Steps that put batches and state on devices, and leave it to XLA to share the work out.

    Args:
        placement: where arrays are put.
        args: as `Steps` takes them.
    """

    def __init__(self, placement: Placement, *args: Any) -> None:
        super().__init__(*args)
        self.placement = placement
        self._settings: tuple[list[Any], Any, Any] | None = None
        spread = placement.spread
        self._train_one = self._placing(self._train_one, self._placed)
        self._train_many = self._placing(self._train_many, self._placed, 1)
        self._eval_one = self._placing(self._eval_one, spread)
        self._eval_many = self._placing(self._eval_many, spread, 1)

    def _placing(
        self, compiled: Callable[..., Any], place: Callable[[Any], Any], axis: int = 0
    ) -> Callable[..., Any]:
        """A compiled step that first puts its arguments on the devices."""
        placement = self.placement

        def run(state: Any, settings: Any, batch: Any, *rest: Any) -> Any:
            placed = placement.spread(state), place(settings), placement.split(batch, axis)
            return placement.settled(compiled(*placed, *rest))

        return run

    def _placed(self, settings: Any) -> Any:
        """Settings on all devices; as long as they are the same arrays, they are put there once."""
        leaves, structure = jax.tree.flatten(settings)
        if self._settings is not None:
            known, known_structure, placed = self._settings
            if structure == known_structure and all(map(is_, leaves, known)):
                return placed
        placed = self.placement.spread(settings)
        self._settings = leaves, structure, placed
        return placed

    def _train(self, state: State, settings: Any, batch: Batch) -> State:
        batch = self.placement.kept_split(batch)
        return self.placement.kept_everywhere(super()._train(state, settings, batch))

    def _test(self, results: Results, values: Any, batch: Batch) -> Results:
        batch = self.placement.kept_split(batch)
        return self.placement.kept_everywhere(super()._test(results, values, batch))

    def _advance(self, run: Callable[..., Any], *args: Any) -> dict[str, Any]:
        self.placement.enter(self)
        return super()._advance(run, *args)

    def _tested(self, run: Callable[..., Any], step: int, *args: Any) -> dict[str, Any]:
        self.placement.enter(self)
        # Evaluating gives no new values, so what is not kept there would go there each time.
        self.placement.spread_variables([*self.variables, *self.further])
        return super()._tested(run, step, *args)

    def bring_home(self) -> None:
        """Put the state where it would be without a distribution."""
        with readers.lock:
            self.publish(self.placement.at_home(self.collect()))
            self.placement.bring_home(self.further)
            self._noted["test"] = self.placement.at_home(self._noted["test"])
            self._settings = None
