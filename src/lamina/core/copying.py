"""Copies of layers, and what ``pickle`` keeps of them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from lamina.core import calls
from lamina.core.weights import WeightOwner

if TYPE_CHECKING:
    from lamina.core.layer import Layer


class Copies(WeightOwner):
    """The methods of `Layer` that ``copy`` and ``pickle`` ask for."""

    _build_shape: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A layer with copies of the weights, that was called on nothing yet."""
        twin = memo[id(self)] = object.__new__(type(self))
        fresh = calls.uncalled()
        rest = {name: value for name, value in vars(self).items() if name not in fresh}
        vars(twin).update(fresh)
        vars(twin).update(copy.deepcopy(rest, memo))
        return twin

    def __reduce__(self) -> Any:
        """Class, config and weights; a layer whose config cannot be written cannot be pickled."""
        layer: Any = self
        known = {type(part).__name__: type(part) for part in self.all_layers()}
        known = {name: cls for name, cls in known.items() if not _own(cls)}
        values = self.get_weights()
        return restored, (type(self), layer.get_config(), known, self._build_shape, values)


def _own(cls: type) -> bool:
    return cls.__module__.split(".")[0] == __name__.split(".")[0]


def restored(cls: Any, config: Any, known: dict[str, Any], shape: Any, values: list[Any]) -> Layer:
    """Make the layer that ``pickle`` kept.

    Args:
        cls: its class.
        config: what ``get_config`` gave.
        known: classes of the user's that the config names.
        shape: shape for which the layer was built, or ``None``.
        values: values of its weights.
    """
    from lamina.registry import custom_object_scope

    with custom_object_scope(known):
        layer = cls.from_config(config)
    if values and not layer.weights:
        layer.build(shape)
    layer.set_weights(values)
    return layer
