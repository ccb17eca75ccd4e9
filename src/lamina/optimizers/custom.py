"""Rules written in the manner of Keras 3: `build` makes slots, `update_step` assigns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax

from lamina import initializers
from lamina.core import pure
from lamina.core.variable import Variable
from lamina.optimizers import weights

if TYPE_CHECKING:
    import optax

    from lamina.optimizers.base import Optimizer


class Slotted:
    """What `build` and `update_step` of a subclass may call."""

    _variables: list[Variable]
    _made: list[Variable]

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Make a slot, in `build`.

        Args:
            shape: its shape.
            initializer: its first content.
            dtype: its dtype, by default `floatx`.
            aggregation: accepted, of no effect.
            layout: accepted, of no effect.
            name: its name.
        """
        del aggregation, layout
        made = Variable(
            initializers.get(initializer),
            tuple(shape),
            dtype,
            trainable=False,
            name=name or "variable",
        )
        self._made.append(made)
        return made

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Make a slot of the shape and dtype of a variable."""
        return self.add_variable(
            reference_variable.shape,
            initializer,
            reference_variable.dtype,
            name=weights.label(reference_variable, name or "var"),
        )

    def add_optimizer_variables(
        self,
        trainable_variables: Sequence[Variable],
        name: str | Sequence[str],
        initializer: Any = "zeros",
    ) -> Any:
        """Make a slot for each variable; for several names a list of slots for each name."""
        names = [name] if isinstance(name, str) else list(name)
        firsts = (
            initializer if isinstance(initializer, list | tuple) else [initializer] * len(names)
        )
        columns: list[list[Variable]] = [[] for _ in names]
        for variable in trainable_variables:
            for column, slot, first in zip(columns, names, firsts, strict=True):
                column.append(self.add_variable_from_reference(variable, slot, first))
        return columns[0] if isinstance(name, str) else tuple(columns)

    def assign(self, variable: Variable, value: Any) -> None:
        """Replace the value of a variable or a slot."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Add to the value of a variable or a slot."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtract from the value of a variable or a slot."""
        variable.assign_sub(value)

    def _get_variable_index(self, variable: Variable) -> int:
        return next(i for i, known in enumerate(self._variables) if known is variable)


def transformation(optimizer: Optimizer) -> optax.GradientTransformationExtraArgs:
    """The rule of a subclass that overrides `update_step`."""
    import optax

    def init(params: Any) -> tuple[jax.Array, ...]:
        del params
        optimizer._made = []
        optimizer.build(optimizer._variables)
        return tuple(slot.value for slot in optimizer._made)

    def update(updates: Any, state: Any, params: Any = None, **extra: Any) -> tuple[Any, Any]:
        chosen = [optimizer._variables[i] for i in extra["indices"]]
        count = len(chosen)

        def run() -> None:
            for gradient, variable in zip(updates, chosen, strict=True):
                optimizer.update_step(gradient, variable, extra["learning_rate"])

        held = [*chosen, *optimizer._made, optimizer.iterations]
        values = pure.run(run, held, [*params, *state, extra["time"] - 1]).values
        pairs = zip(values[:count], params, strict=True)
        return [new - value for new, value in pairs], tuple(values[count:-1])

    return optax.GradientTransformationExtraArgs(init, update)
