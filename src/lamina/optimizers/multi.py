"""`MultiOptimizer`: each variable has an optimizer of its own choice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

import jax.numpy as jnp

from lamina import registry
from lamina.core.variable import Variable
from lamina.optimizers.base import Optimizer
from lamina.optimizers.loss_scale import LossScaleOptimizer

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.optimizers import weights
    from lamina.typing import Config


@registry.register("optimizer")
class OptimizerMap(MutableMapping[str, Optimizer]):
    """Paths of variables to optimizers.

    Keys are paths or patterns that match a whole path, such as ``"encoder/.*"``.

    Args:
        default_optimizer: optimizer of the variables that no key matches.
        optimizer_map: keys and their optimizers.

    >>> from lamina.optimizers import SGD, Adam
    >>> table = OptimizerMap(Adam(), {"encoder/.*": SGD()})
    >>> table["encoder/dense/kernel"].name, table["decoder/kernel"].name
    ('sgd', 'adam')
    """

    def __init__(
        self,
        default_optimizer: Optimizer,
        optimizer_map: Mapping[str, Optimizer] | None = None,
    ) -> None:
        self.default_optimizer = _single(default_optimizer, "default_optimizer")
        self._table: dict[str, Optimizer] = {}
        for key, optimizer in (optimizer_map or {}).items():
            self[key] = optimizer

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._table:
            return self._table[key]
        matches = [pattern for pattern in self._table if re.fullmatch(pattern, key)]
        if len(matches) > 1:
            raise ValueError(
                f"OptimizerMap: variable {key!r} matches {len(matches)} keys, "
                f"{', '.join(map(repr, matches))}; it must match one."
            )
        return self._table[matches[0]] if matches else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if not isinstance(key, str):
            raise TypeError(f"OptimizerMap: keys must be strings, got {key!r}.")
        if key in self._table:
            raise ValueError(f"OptimizerMap: the key {key!r} has an optimizer already.")
        self._table[key] = _single(optimizer, repr(key))

    def __delitem__(self, key: str) -> None:
        del self._table[key]

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __call__(self, variable: Variable) -> Optimizer:
        return self[variable.path]

    def get_config(self) -> Config:
        """Configs of the optimizers."""
        table = {key: registry.serialize(value) for key, value in self._table.items()}
        return {
            "default_optimizer": registry.serialize(self.default_optimizer),
            "optimizer_map": table,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Make the map that `get_config` described."""

        def read(described: Any) -> Any:
            return registry.deserialize("optimizer", described, custom_objects)

        table = {key: read(value) for key, value in config["optimizer_map"].items()}
        return cls(read(config["default_optimizer"]), table)


def _single(optimizer: Any, place: str) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"OptimizerMap: {place} must have an optimizer, got {optimizer!r}.")
    if isinstance(optimizer, LossScaleOptimizer | MultiOptimizer):
        raise ValueError(
            f"OptimizerMap: {place} must have an optimizer that wraps no other, got {optimizer!r}."
        )
    return optimizer


@registry.register("optimizer")
class MultiOptimizer(Optimizer):
    """Update variables by several optimizers.

    Args:
        optimizer_map: an `OptimizerMap`, or a function from variable to optimizer.
        loss_scale_factor: see `Optimizer`; it holds for all of them.
        name: name, by default that of the class.

    >>> from lamina.optimizers import SGD, Adam
    >>> both = MultiOptimizer(OptimizerMap(Adam(), {"encoder/.*": SGD()}))
    >>> [optimizer.name for optimizer in both.optimizers]
    ['sgd', 'adam']
    """

    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Variable], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        if not callable(optimizer_map):
            raise TypeError(
                "MultiOptimizer: optimizer_map must be an OptimizerMap or a function from "
                f"variable to optimizer, got {optimizer_map!r}."
            )
        self.optimizer_map = optimizer_map
        self.optimizers: list[Optimizer] = []
        self._members: list[list[int]] = []
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._place(optimizer)

    def _place(self, optimizer: Optimizer) -> int:
        for place, known in enumerate(self.optimizers):
            if known is optimizer:
                return place
        # The gradients are divided once, here.
        optimizer.loss_scale_factor = None
        self.optimizers.append(optimizer)
        return len(self.optimizers) - 1

    def init(self, variables: Sequence[Variable]) -> dict[str, Any]:
        self._variables = list(variables)
        places = [
            self._place(_single(self.optimizer_map(variable), repr(variable.path)))
            for variable in self._variables
        ]
        self._members = [
            [i for i, chosen in enumerate(places) if chosen == place]
            for place in range(len(self.optimizers))
        ]
        inner = [
            optimizer.init([self._variables[i] for i in members])
            for optimizer, members in zip(self.optimizers, self._members, strict=True)
        ]
        return {"step": jnp.zeros((), jnp.int32), "inner": inner}

    def hyperparameters(self) -> dict[str, Any]:
        return {
            str(place): optimizer.hyperparameters()
            for place, optimizer in enumerate(self.optimizers)
        }

    def update(
        self, gradients: Sequence[Any], state: Any, values: Sequence[Any], hyperparameters: Any
    ) -> tuple[list[Any], Any]:
        new, inner = list(values), []
        for place, (optimizer, members) in enumerate(
            zip(self.optimizers, self._members, strict=True)
        ):
            given = [gradients[i] for i in members]
            part, part_state = optimizer.update(
                [None if one is None else self._unscaled(one) for one in given],
                state["inner"][place],
                [values[i] for i in members],
                hyperparameters[str(place)],
            )
            inner.append(part_state)
            for i, value in zip(members, part, strict=True):
                new[i] = value
        return new, {"step": state["step"] + 1, "inner": inner}

    def finalize(self, values: Sequence[Any], state: Any) -> list[Any]:
        final = list(values)
        for optimizer, members, part in zip(
            self.optimizers, self._members, state["inner"], strict=True
        ):
            for i, value in zip(
                members, optimizer.finalize([values[i] for i in members], part), strict=True
            ):
                final[i] = value
        return final

    @property
    def state(self) -> Any:
        """The newest state; those of the optimizers are parts of it."""
        return self._state

    @state.setter
    def state(self, state: Any) -> None:
        self._state = state
        if state is not None:
            for optimizer, part in zip(self.optimizers, state["inner"], strict=True):
                optimizer.state = part

    @property
    def learning_rate(self) -> Any:
        """There is none; each optimizer has its own."""
        self._no_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        del value
        self._no_rate()

    def _no_rate(self) -> NoReturn:
        raise AttributeError(
            "MultiOptimizer has no learning rate of its own; read and set those of its optimizers, "
            "such as optimizer.optimizers[0].learning_rate."
        )

    def _order(self, places: Any) -> list[weights.Entry]:
        entries: list[weights.Entry] = [("iteration", places["step"])]
        for optimizer, part in zip(self.optimizers, places["inner"], strict=True):
            entries += optimizer._order(part)
        return entries

    def get_config(self) -> Config:
        if not isinstance(self.optimizer_map, OptimizerMap):
            raise ValueError(
                "MultiOptimizer: a function from variable to optimizer cannot be written into a "
                "config; use an OptimizerMap."
            )
        return {
            "optimizer_map": {
                "class_name": "OptimizerMap",
                "config": self.optimizer_map.get_config(),
            },
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        arguments = dict(config)
        table = arguments.pop("optimizer_map")
        return cls(registry.deserialize("optimizer", table, custom_objects), **arguments)
