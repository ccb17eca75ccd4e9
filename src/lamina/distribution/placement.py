"""Where a distribution puts arrays: rows of batches apart, everything else on all devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lamina.core.readers import readers
from lamina.core.variable import Variable

if TYPE_CHECKING:
    from lamina.distribution.steps import SplitSteps
    from lamina.training.data.source import Source


class Placement:
    """Puts arrays on the devices of a mesh.

    Args:
        mesh: the mesh.
        axis: the axis along which batches are split.

    Attributes:
        count: number of parts of a batch.
        everywhere: layout of what every device has as a whole.
    """

    def __init__(self, mesh: Mesh, axis: str) -> None:
        self.count = mesh.shape[axis]
        self.everywhere = NamedSharding(mesh, PartitionSpec())
        self._apart = (
            NamedSharding(mesh, PartitionSpec(axis)),
            NamedSharding(mesh, PartitionSpec(None, axis)),
        )
        self._waits = jax.default_backend() == "cpu"
        self._steps: WeakSet[SplitSteps] = WeakSet()
        self._models: WeakSet[Any] = WeakSet()

    # ---- batches --------------------------------------------------------------------------

    def layout(self, shape: tuple[int, ...], axis: int = 0) -> NamedSharding:
        """The layout of an array whose rows are on an axis; whole if they do not divide evenly."""
        divides = len(shape) > axis and shape[axis] % self.count == 0
        return self._apart[axis] if divides else self.everywhere

    def split(self, batch: Any, axis: int = 0) -> Any:
        """A batch with its rows on the devices.

        Args:
            batch: arrays in any structure.
            axis: where the rows are: 0, or 1 in a block of batches.
        """

        def put(part: Any) -> Any:
            layout = self._layout_of(part, axis)
            return part if _lies(part, layout) else jax.device_put(part, layout)

        return jax.tree.map(put, batch, is_leaf=_is_sparse)

    def kept_split(self, batch: Any) -> Any:
        """Say within compiled code that the rows of a batch are on the devices."""

        def keep(part: Any) -> Any:
            return lax.with_sharding_constraint(part, self._layout_of(part, 0))

        return jax.tree.map(keep, batch, is_leaf=_is_sparse)

    def _layout_of(self, part: Any, axis: int) -> NamedSharding:
        # Entries of a sparse array are no rows.
        return self.everywhere if _is_sparse(part) else self.layout(part.shape, axis)

    def check(self, source: Source, where: str) -> None:
        """Refuse a size of batches that cannot be shared out.

        Raises:
            ValueError: whole batches do not divide by the number of devices.
        """
        size, samples = source.batch_size, source.samples
        if size is None or samples is None or samples < size or size % self.count == 0:
            return
        below = size - size % self.count
        near = f"{below} or {below + self.count}" if below else str(self.count)
        raise ValueError(
            f"{where}: batches of {size} rows cannot be split evenly over the {self.count} devices "
            f"of the distribution. Take batch_size={near}, or other devices."
        )

    # ---- state ----------------------------------------------------------------------------

    def spread(self, tree: Any) -> Any:
        """A tree whose arrays are on all devices.

        Numbers of NumPy are put there, too: JAX compiles anew where one becomes an array. What is
        given shares its memory with the result, and is gone if that is donated.
        """

        def put(leaf: Any) -> Any:
            if _lies(leaf, self.everywhere):
                return leaf
            return jax.device_put(leaf, self.everywhere)

        return jax.tree.map(put, tree)

    def kept_everywhere(self, tree: Any) -> Any:
        """Say within compiled code that all devices have the arrays of a tree."""
        return lax.with_sharding_constraint(tree, self.everywhere)

    def spread_variables(self, variables: Iterable[Variable]) -> None:
        """Put the values of variables on all devices, for as long as this is set."""
        with readers.lock:
            for variable in variables:
                value = variable._value
                if not _lies(value, self.everywhere):
                    variable._value = jax.device_put(value, self.everywhere)

    def at_home(self, tree: Any) -> Any:
        """A tree whose arrays are where they would be without a distribution."""

        def put(leaf: Any) -> Any:
            if not _lies(leaf, self.everywhere):
                return leaf
            return jax.device_put(np.array(leaf))

        return jax.tree.map(put, tree)

    def bring_home(self, variables: Iterable[Variable]) -> None:
        """Put the values of variables where they would be without a distribution."""
        with readers.lock:
            for variable in variables:
                variable._value = self.at_home(variable._value)

    def leave(self) -> None:
        """Bring everything home that was put on the devices."""
        for steps in list(self._steps):
            steps.bring_home()
        for model in list(self._models):
            self.bring_home(model.weights)
        self._steps.clear()
        self._models.clear()

    # ---- what runs ------------------------------------------------------------------------

    def steps(self, *args: Any) -> SplitSteps:
        """The steps of a model, on batches that are split.

        Args:
            args: as `Steps` takes them.
        """
        from lamina.distribution.steps import SplitSteps

        return SplitSteps(self, *args)

    def enter(self, steps: SplitSteps) -> None:
        """Remember steps whose state lies on the devices."""
        self._steps.add(steps)

    def predicting(self, model: Any) -> Callable[..., Any]:
        """A model as a function that splits the batch it is given."""
        self.ready(model)

        def call(batch: Any, **options: Any) -> Any:
            return self.settled(model(self.split(batch), **options))

        return call

    def settled(self, found: Any) -> Any:
        """Results, once they are there if the devices are parts of a CPU.

        Such devices share the CPU's threads, and two runs under way can wait for each other for
        ever.
        """
        return jax.block_until_ready(found) if self._waits else found

    def ready(self, model: Any) -> None:
        """Put the weights of a model that is about to predict on all devices."""
        self._models.add(model)
        self.spread_variables(model.weights)


def _is_sparse(part: Any) -> bool:
    return hasattr(part, "nse")


def _lies(value: Any, layout: NamedSharding) -> bool:
    """Whether an array has a layout already."""
    return getattr(value, "sharding", None) == layout
