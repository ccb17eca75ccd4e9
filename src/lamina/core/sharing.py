"""Layers that stand in several models within one: one layer in configs, and one after reading.

The config of a model describes each layer where it is called, so one that is called in two models
within a third is described twice. Both descriptions then carry the same number, under the word
that ``tf.keras`` and Keras 3 write too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lamina import registry
from lamina.core import context
from lamina.typing import Config

if TYPE_CHECKING:
    from lamina.core.layer import Layer

NUMBER = "shared_object_id"
"""The word in the description of a layer that stands in several places."""


def shared(owner: Layer) -> dict[int, int]:
    """Numbers for the layers that are held by several layers in a model, by identity.

    Args:
        owner: the model.
    """
    layers = list(owner.all_layers())
    holders = Counter(id(part) for layer in layers for part in layer.sublayers())
    several = [layer for layer in layers if holders[id(layer)] > 1]
    return {id(layer): number for number, layer in enumerate(several, 1)}


@contextmanager
def numbered(owner: Layer) -> Iterator[None]:
    """Let the configs that are written in the block say which layers of a model are the same.

    Args:
        owner: the model; the outermost one counts.
    """
    if context.shared_numbers.get() is not None:
        yield
        return
    token = context.shared_numbers.set(shared(owner))
    try:
        yield
    finally:
        context.shared_numbers.reset(token)


def number(layer: Any, word: str = NUMBER) -> Config:
    """What is added to the description of a layer: nothing, or its number.

    Args:
        layer: the layer.
        word: the key.
    """
    found = (context.shared_numbers.get() or {}).get(id(layer))
    return {} if found is None else {word: found}


def serialize(value: Any) -> Any:
    """`registry.serialize`, with the number of a layer that stands in several places."""
    found = registry.serialize(value)
    return found | number(value) if isinstance(found, dict) else found


@contextmanager
def kept() -> Iterator[None]:
    """Let descriptions with the same number, read in the block, make one layer."""
    if context.shared_made.get() is not None:
        yield
        return
    token = context.shared_made.set({})
    try:
        yield
    finally:
        context.shared_made.reset(token)


def deserialize(entry: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer of a description: the one that was made before, if the numbers say so.

    ``tf.keras`` and Keras 3 forget the number where a layer in a model comes first. So a number
    that is new also finds an earlier layer of the same class, name and arguments.

    Args:
        entry: class, config, and the number if there is one.
        custom_objects: names of the caller's.

    Raises:
        ValueError: two descriptions have the same number and differ.
    """
    made = context.shared_made.get()
    if made is None:
        return registry.deserialize("layer", entry, custom_objects)
    sign = entry.get(NUMBER)
    about = {key: entry.get(key) for key in ("class_name", "config")}
    name = ("name", _name(about))
    if sign is not None:
        known, layer = made.get(sign) or made.get(name) or (None, None)
        if known == about:
            made[sign] = about, layer
            return layer
        if sign in made:
            raise ValueError(
                f"The config says that two layers are one ({NUMBER} {sign}), but describes them in "
                f"two ways: {made[sign][0]['class_name']} {_name(made[sign][0])!r} and "
                f"{about['class_name']} {_name(about)!r}."
            )
    layer = registry.deserialize("layer", entry, custom_objects)
    made[name if sign is None else sign] = about, layer
    return layer


def _name(about: Config) -> Any:
    config = about["config"]
    return config.get("name") if isinstance(config, Mapping) else None
