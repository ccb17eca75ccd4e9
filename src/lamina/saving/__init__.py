"""Model files: reading what all releases of Keras wrote, and writing what they can read."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lamina.registry import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)

if TYPE_CHECKING:
    from lamina.saving.checkpoint import load_checkpoint, save_checkpoint, wait_for_checkpoints
    from lamina.saving.config import deserialize_keras_object, serialize_keras_object
    from lamina.saving.loading import load_model
    from lamina.saving.saving import save_model
    from lamina.saving.weights import Loaded, load_weights, save_weights

__all__ = [
    "CustomObjectScope",
    "Loaded",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_checkpoint",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_checkpoint",
    "save_model",
    "save_weights",
    "serialize_keras_object",
    "wait_for_checkpoints",
]

_PLACES = {
    "Loaded": "weights",
    "deserialize_keras_object": "config",
    "load_checkpoint": "checkpoint",
    "load_model": "loading",
    "load_weights": "weights",
    "save_checkpoint": "checkpoint",
    "save_model": "saving",
    "save_weights": "weights",
    "serialize_keras_object": "config",
    "wait_for_checkpoints": "checkpoint",
}


def __getattr__(name: str) -> Any:
    """Import what is used when it is first used: most models are never saved."""
    if name not in _PLACES:
        raise AttributeError(f"module 'lamina.saving' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lamina.saving.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
