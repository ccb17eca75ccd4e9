"""The Keras layer API as one small, fast, trustworthy package on JAX.

>>> import lamina as keras
>>> model = keras.models.Sequential([keras.layers.Dense(32, input_shape=(16,))])
>>> model.output_shape
(None, 32)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lamina import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        distribution,
        initializers,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        random,
        regularizers,
        saving,
        utils,
    )
    from lamina.core.symbolic import KerasTensor
    from lamina.core.variable import Variable
    from lamina.layers import Input, Layer
    from lamina.models import Model, Sequential

__all__ = [
    "Input",
    "KerasTensor",
    "Layer",
    "Model",
    "Sequential",
    "Variable",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distribution",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "random",
    "regularizers",
    "saving",
    "utils",
]

_MODULES = {name: f"lamina.{name}" for name in __all__ if name.islower()} | {
    "model": "lamina.models",
    "objectives": "lamina.losses",
    "initializations": "lamina.initializers",
}

_NAMES = {
    "Input": "lamina.layers.input",
    "KerasTensor": "lamina.core.symbolic",
    "Layer": "lamina.core.layer",
    "Model": "lamina.models",
    "Sequential": "lamina.models",
    "Variable": "lamina.core.variable",
}


def __getattr__(name: str) -> Any:
    """Import a module when it is first used, so that ``import lamina`` costs little."""
    if name == "keras":  # from lamina import keras
        return importlib.import_module("lamina")
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_NAMES})
