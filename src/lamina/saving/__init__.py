"""Model files: reading what all releases of Keras wrote, and writing what they can read."""

from __future__ import annotations

from lamina.saving import weights
from lamina.saving.weights import Loaded, load_weights, save_weights

__all__ = ["Loaded", "load_weights", "save_weights", "weights"]
