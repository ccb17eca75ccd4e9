"""Models within a layer, as `TimeDistributed` holds one, in configs for other releases."""

from __future__ import annotations

from typing import Any

from lamina.typing import Config


def with_models(layer: Any) -> Config:
    """The config of a layer, in which the model that it holds stands itself.

    Args:
        layer: any layer.
    """
    config = layer.get_config()
    held = getattr(layer, "layer", None)
    if "layer" in config and hasattr(type(held), "get_layer") and not hasattr(layer, "merge_mode"):
        config["layer"] = held
    return config


def held_3(entry: Config) -> Config:
    """The entry of a layer within another one, as Keras 3 reads it.

    Keras 3 asks a graph there for its output shape, which it only finds where a single input or
    output does not stand in a list.

    Args:
        entry: as for a layer that stands for itself.
    """
    config = entry["config"]
    if not isinstance(config, dict) or "input_layers" not in config:
        return entry
    ends = {key: _single(config[key]) for key in ("input_layers", "output_layers")}
    return entry | {"config": config | ends}


def held_2(entry: Config) -> Config:
    """The entry of a model within a layer, in HDF5, by words that ``tf.keras`` and Keras 3 find.

    Args:
        entry: as for a model that stands for itself.
    """
    if entry["class_name"] not in ("Functional", "Sequential"):
        return entry
    name = "Model" if entry["class_name"] == "Functional" else "Sequential"
    return held_3(entry) | {"module": "keras", "class_name": name, "registered_name": None}


def _single(places: Any) -> Any:
    return places[0] if isinstance(places, list) and len(places) == 1 else places
