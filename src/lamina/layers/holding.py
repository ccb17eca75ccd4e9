"""What layers that hold another layer share: configs with layers in them, paths of weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lamina import registry
from lamina.core import sharing
from lamina.core.layer import Layer
from lamina.core.variable import Variable
from lamina.typing import Config


def with_layers(config: Config, custom_objects: Mapping[str, Any] | None, *keys: str) -> Config:
    """A config with layers in the place of their configs.

    Args:
        config: what ``get_config`` gave.
        custom_objects: classes of the caller's by name.
        keys: entries that are the config of a layer, or a list of them.
    """
    found = dict(config)
    with registry.custom_object_scope(custom_objects or {}):
        for key in keys:
            if key in found:
                found[key] = _made(found[key])
    return found


def _made(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_made(part) for part in value]
    return sharing.deserialize(value) if isinstance(value, Mapping) else value


def claim(owner: Any, weights: Sequence[Variable]) -> None:
    """Put the name of a layer in front of the paths of weights that it holds through another.

    Args:
        owner: the layer.
        weights: those that were made just now.
    """
    for weight in weights:
        weight.path = f"{owner.name}/{weight.path}"


class Maker:
    """Makes the cell of a layer; errors name the layer.

    Args:
        cls: class of the cell.
        arguments: of its constructor.
    """

    def __init__(self, cls: type, **arguments: Any) -> None:
        self.cls = cls
        self.arguments = arguments

    def __call__(self, layer: Layer) -> Any:
        """Make the cell of a layer.

        Args:
            layer: the layer.
        """
        try:
            return self.cls(dtype=layer.dtype_policy.name, **self.arguments)
        except (TypeError, ValueError) as error:
            named = re.sub(rf"^{self.cls.__name__}( '[^']*')?", str(layer), str(error))
            raise type(error)(named) from None
