"""Configs in the words that Keras 3 and ``tf.keras`` 2 have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina import registry
from lamina.saving import operations, writing
from lamina.saving.calls_writing import odd_places, plain, shifted
from lamina.typing import Config


class OnlyKeras3Error(ValueError):
    """A model has a part that ``tf.keras`` does not read, or does not compute alike."""


class Shared(writing.Keras3):
    """Write configs in the form of Keras 3, and in the words that ``tf.keras`` 2 has too.

    Layers and arguments that ``tf.keras`` does not have stay as they are: it refuses them by name.

    Raises:
        OnlyKeras3Error: a graph calls functions, or layers in a way that Keras 2 has no form for,
            or an activation is Keras 3's ``hard_sigmoid``, which has another slope in Keras 2.
    """

    def model(self, model: Any) -> Config:
        """The entry of a model or a layer."""
        found = super().model(model)
        if found["class_name"] == "Functional":
            found |= {"module": "keras", "class_name": "Model", "registered_name": None}
        return found

    def arguments(self, name: str, config: Mapping[str, Any]) -> Config:
        """The arguments of an object of a class."""
        unknown = writing.AXES | writing.UNKNOWN_TO_2.get(name, {})
        if name == "ZeroPadding1D":  # tf.keras has no other one; left there, it refuses it
            unknown["data_format"] = "channels_last"
        found = super().arguments(name, writing.without(config, unknown))
        if registry.exact("layer", name) is None:
            return found
        if isinstance(config.get("dtype"), str):
            found["dtype"] = config["dtype"]
        if name == "InputLayer":
            found["batch_input_shape"] = found.pop("batch_shape")
            return writing.without(found, {"ragged": False})
        if name == "LeakyReLU":
            found["alpha"] = found.pop("negative_slope")
        return writing.without(found, {"activity_regularizer": None})

    def value(self, key: str, value: Any) -> Any:
        """The value of an argument."""
        found = super().value(key, value)
        if found == "hard_sigmoid" and key.endswith("activation"):
            raise OnlyKeras3Error(found)
        return found

    def object(self, key: str, entry: Mapping[str, Any]) -> Config:
        """The config of an object that is an argument."""
        found = super().object(key, entry)
        if found.get("class_name") == "function" and found["config"] == "hard_sigmoid":
            raise OnlyKeras3Error("hard_sigmoid")
        return found

    def graph(self, model: Any, config: Config) -> Config:
        """The config of a model with a graph.

        Of models with inputs of their own in it ``tf.keras`` counts the calls from 1, Keras 3 from
        0. So each call of theirs stands there twice, and the odd numbers mean the same call to
        both.
        """
        layers = {layer.name: layer for layer in model.graph.layers_only()}
        place = odd_places({name for name in layers if _has_inputs(layers[name])})
        entries = []
        for entry in config["layers"]:
            if entry["class_name"] == operations.OPERATION:
                raise OnlyKeras3Error(entry["name"])
            layer = layers[entry["name"]]
            calls = [_call(call, place) for call in entry["inbound_nodes"]]
            if _has_inputs(layer):
                calls = [call for call in calls for _ in range(2)]
            entries.append(self.model(layer) | {"name": entry["name"], "inbound_nodes": calls})
        ends = {key: shifted(config[key], place) for key in ("input_layers", "output_layers")}
        return {**config, "trainable": model.trainable, "layers": entries} | ends


def _has_inputs(layer: Any) -> bool:
    return getattr(layer, "graph", None) is not None


def _call(call: Any, place: Callable[[Any], Any]) -> Any:
    """One call in the form of Keras 2, which Keras 3 reads where only the inputs are tensors."""
    if isinstance(call, Mapping):
        raise OnlyKeras3Error("several arguments")
    kwargs = plain(call[0][3])
    if _has_tensors(kwargs):
        raise OnlyKeras3Error("tensors among the keywords")
    return [[*place(one), kwargs] for one in call]


def _has_tensors(value: Any) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"tensor"} or any(map(_has_tensors, value.values()))
    return isinstance(value, list) and any(map(_has_tensors, value))
