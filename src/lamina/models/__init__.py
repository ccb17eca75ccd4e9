"""Models: `Model`, `Sequential`, and models from configs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.layers.input import Input
from lamina.models.config import model_from_config, model_from_json, model_from_yaml
from lamina.models.copying import clone_model
from lamina.models.model import Model
from lamina.models.sequential import Sequential

if TYPE_CHECKING:
    from lamina.saving import load_model, save_model

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_config",
    "model_from_json",
    "model_from_yaml",
    "save_model",
]


def __getattr__(name: str) -> Any:
    """The functions of `lamina.saving` that are found here too."""
    if name in ("load_model", "save_model"):
        from lamina import saving

        return getattr(saving, name)
    raise AttributeError(f"module 'lamina.models' has no attribute {name!r}")
