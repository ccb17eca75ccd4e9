"""Models: `Model`, `Sequential`, and models from configs."""

from lamina.layers.input import Input
from lamina.models.config import model_from_config, model_from_json, model_from_yaml
from lamina.models.copying import clone_model
from lamina.models.model import Model
from lamina.models.sequential import Sequential
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
