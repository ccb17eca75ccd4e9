"""Configs in the words of other releases: what `get_config` gives, as Keras 2 and 3 read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina import registry
from lamina.core import sharing
from lamina.core.layer import Layer
from lamina.saving import operations
from lamina.saving.calls_writing import (
    call_3,
    function_call_3,
    odd_places,
    plain,
    shifted,
    tensors_3,
)
from lamina.saving.dialect import RENAMED_IN_3, SAME
from lamina.saving.held_writing import held_2, held_3, with_models
from lamina.typing import Config

_IN_3 = {new: old for old, new in RENAMED_IN_3.items()}

# Arguments that other releases do not know, and the value with which they say nothing.
_UNKNOWN_TO_3: dict[str, dict[str, Any]] = {
    "Embedding": {"activity_regularizer": None, "input_length": Ellipsis},
    "Nadam": {"schedule_decay": None},
    "LossScaleOptimizer": {"dynamic": True},
    "GroupQueryAttention": {"flash_attention": None},
    "MultiHeadAttention": {"flash_attention": None},
    "ReversibleEmbedding": {"activity_regularizer": None},
}
UNKNOWN_TO_2: dict[str, dict[str, Any]] = {
    "AdditiveAttention": {"seed": None},
    "Attention": {"seed": None},
    "BatchNormalization": {"renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99},
    "GlobalAveragePooling1D": {"keepdims": False},
    "InputLayer": {"optional": False},
    "CenterCrop": {"data_format": "channels_last"},
    "IntegerLookup": {"oov_method": "floormod", "salt": None},
    "LayerNormalization": {"rms_scaling": False},
    "MultiHeadAttention": {
        "flash_attention": None,
        "seed": None,
        "sliding_window": None,
        "use_gate": False,
    },
    "Nadam": {"schedule_decay": None},
    "RandomBrightness": {"data_format": "channels_last"},
    "RandomContrast": {"data_format": "channels_last", "value_range": (0, 255)},
    "Resizing": {
        "antialias": False,
        "data_format": "channels_last",
        "fill_mode": "constant",
        "fill_value": 0.0,
        "pad_to_aspect_ratio": False,
    },
    "SparseCategoricalCrossentropy": {"axis": -1},
    "SparseTopKCategoricalAccuracy": {"from_sorted_ids": False},
    "SpatialDropout1D": {"seed": None, "noise_shape": None},
    "SpatialDropout2D": {"seed": None, "noise_shape": None},
    "SpatialDropout3D": {"seed": None, "noise_shape": None},
    "StringLookup": {"salt": None},
    "ZeroPadding1D": {"data_format": Ellipsis},
}
# What Keras 3 writes not, and does not read either.
_SILENT: dict[str, dict[str, Any]] = {
    f"SpatialDropout{rank}D": {"trainable": True} for rank in (1, 2, 3)
}
UNKNOWN_TO_2 |= {
    name: {"seed": None}
    for name in (
        *("SimpleRNN", "LSTM", "GRU", "SimpleRNNCell", "LSTMCell", "GRUCell"),
        *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "ConvLSTM2DCell"),
    )
}
_MOVED = ("Crop", "Flip", "Height", "Rotation", "Translation", "Width", "Zoom")
UNKNOWN_TO_2 |= {f"Random{word}": {"data_format": "channels_last"} for word in _MOVED}
AXES = {"input_axes": None, "output_axes": None}

_MODULES = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
    "loss": "keras.losses",
    "metric": "keras.metrics",
    "optimizer": "keras.optimizers",
    "schedule": "keras.optimizers.schedules",
    "layer": "keras.layers",
}
_GROUPED = "GroupedQueryAttention"
_MODELS = {"Sequential": "keras", "Functional": "keras.src.models.functional"}


def kind_of(key: str) -> str | None:
    """The kind of the object that an argument of this name holds, if the name says so."""
    if key in ("learning_rate", "lr"):
        return "schedule"
    if key in ("layer", "backward_layer", "layers", "cell", "cells", "activation"):
        return "layer"
    endings = ("initializer", "regularizer", "constraint", "activation", "optimizer", "loss")
    found = next((kind for kind in endings if key.endswith(kind)), None)
    return "layer" if found == "activation" else found


def class_name(thing: Any) -> str:
    """The class under which an object is written down."""
    if type(thing) is registry.exact("layer", "Model") and thing.graph is not None:
        return "Functional"
    if getattr(thing, "branched", False):
        return "Functional"
    return registry.registered_name(type(thing))


def renamed(name: str, config: Config) -> tuple[str, Config]:
    """A class that other releases do not have any more, as the one that does the same."""
    if name == "Discretization" and config["bin_boundaries"] is not None:  # not both
        return name, {k: v for k, v in config.items() if k != "num_bins"}
    if name == "Deconvolution2D":
        return "Conv2DTranspose", {k: v for k, v in config.items() if k != "output_shape"}
    if name != "ThresholdedReLU":
        return name, config
    rest = {key: value for key, value in config.items() if key != "theta"}
    threshold = {"max_value": None, "negative_slope": 0.0, "threshold": config["theta"]}
    return "ReLU", rest | threshold


def without(config: Mapping[str, Any], idle: Mapping[str, Any]) -> Config:
    """A config without the arguments that another release does not know and that say nothing."""
    return {
        key: value
        for key, value in config.items()
        if key not in idle or (idle[key] is not Ellipsis and value != idle[key])
    }


class Keras3:
    """Write configs as Keras 3 does."""

    def model(self, model: Any) -> Config:
        """The entry of a model or a layer.

        Args:
            model: the layer.
        """
        name, config = renamed(class_name(model), with_models(model))
        name = "GroupQueryAttention" if name == _GROUPED else name  # but not in HDF5
        short = name.rpartition(">")[2]
        known = registry.exact("layer", name) is not None
        module = _MODELS.get(name, "keras.layers") if known else type(model).__module__
        if name == "Functional":
            config = self.graph(model, config)
        elif name == "Sequential":
            config = self.sequence(model, config)
        else:
            config = self.arguments(name, config)
        found: Config = {
            "module": module,
            "class_name": short,
            "config": config,
            "registered_name": None if known and name != "Functional" else name,
        } | sharing.number(model, SAME)
        shape = build_shape(model)
        if shape is not None:
            several = isinstance(shape, Mapping) and "query_shape" in shape
            found["build_config"] = {"shapes_dict" if several else "input_shape": shape}
        return found

    def arguments(self, name: str, config: Mapping[str, Any]) -> Config:
        """The arguments of an object of a class."""
        found = without(config, _SILENT.get(name, {}) | _UNKNOWN_TO_3.get(name, {}))
        if registry.exact("layer", name) is not None:
            self._layer_options(name, found)
        return {key: self.value(key, value) for key, value in found.items()}

    def _layer_options(self, name: str, found: Config) -> None:
        if name == "InputLayer":
            found["batch_shape"] = found.pop("batch_input_shape")
            return
        found.pop("batch_input_shape", None)
        if name == "LeakyReLU" and "alpha" in found:
            found["negative_slope"] = found.pop("alpha")
        if isinstance(found.get("dtype"), str):
            found["dtype"] = policy_3(found["dtype"])

    def value(self, key: str, value: Any) -> Any:
        """The value of an argument."""
        if isinstance(value, Layer):
            return held_3(self.model(value))
        if isinstance(value, Mapping):
            if isinstance(value.get("class_name"), str) and "module" not in value:
                return self.object(key, value)
            return {name: self.value(str(name), part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(key, part) for part in value]
        if isinstance(value, str) and key.endswith("activation"):
            return _IN_3.get(value, value)
        return plain(value)

    def object(self, key: str, entry: Mapping[str, Any]) -> Config:
        """The config of an object that is an argument."""
        name, config = str(entry["class_name"]), entry.get("config")
        if name == "function" or not isinstance(config, Mapping):
            return function_3(name, config) if name in ("function", "lamina") else dict(entry)
        kind = kind_of(key)
        kinds = [kind, *_MODULES] if kind else list(_MODULES)
        found = next((one for one in kinds if registry.exact(one, name) is not None), None)
        return {
            "module": _MODULES[found] if found else None,
            "class_name": name.rpartition(">")[2],
            "config": self.arguments(name, config),
            "registered_name": None if found else name,
        }

    def sequence(self, model: Any, config: Config) -> Config:
        """The config of a `Sequential`."""
        first = [] if model._entry is None else [model._entry]
        found = {
            "name": config["name"],
            "trainable": model.trainable,
            "layers": [self.model(layer) for layer in (*first, *model.layers)],
        }
        shape = build_shape(model)
        return found | ({} if shape is None else {"build_input_shape": shape})

    def graph(self, model: Any, config: Config) -> Config:
        """The config of a model with a graph."""
        tensor = tensors_3(model)
        layers = {layer.name: layer for layer in model.graph.layers_only()}
        entries = []
        for entry in config["layers"]:
            calls = [call_3(call, tensor) for call in entry["inbound_nodes"]]
            if entry["class_name"] == operations.OPERATION:
                entries.append(function_call_3(entry, calls))
                continue
            written = self.model(layers[entry["name"]])
            entries.append(written | {"name": entry["name"], "inbound_nodes": calls})

        def end(place: Any) -> list[Any]:  # of models in it, Keras 3 counts from 1 only here
            return [place[0], place[1] + _counts_from_1(layers.get(place[0])), place[2]]

        ends = {key: shifted(config[key], end) for key in ("input_layers", "output_layers")}
        return {**config, "trainable": model.trainable, "layers": entries} | ends


def policy_3(name: str) -> Config:
    """A dtype policy as Keras 3 writes it."""
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": name},
        "registered_name": None,
    }


def function_3(name: str, config: Any) -> Config:
    """A function as Keras 3 writes it; one of lamina's that Keras does not have, as lamina does."""
    place, _, function = str(config).rpartition(".")
    if name == "lamina" and place != "activations":
        return {"class_name": name, "config": config}
    word = function if name == "lamina" else str(config)
    return {
        "module": "builtins",
        "class_name": "function",
        "config": _IN_3.get(word, word),
        "registered_name": "function",
    }


class Keras2:
    """Write configs as ``tf.keras`` 2 does, so that Keras 3 reads them too."""

    def model(self, model: Any, called: bool = False) -> Config:
        """The entry of a model or a layer.

        Args:
            model: the layer.
            called: whether it is called in a graph; a `Sequential` is then written without its
                input, since `tf.keras` and Keras 3 count its calls alike only so.
        """
        name, config = renamed(class_name(model), with_models(model))
        if name == "Functional":
            config = self.graph(model, config)
        elif name == "Sequential":
            first = [] if model._entry is None or called else [model._entry]
            layers = [self.model(layer) for layer in (*first, *model.layers)]
            config = {"name": config["name"], "layers": layers}
        else:
            config = self.arguments(name, config)
        if name == "MultiHeadAttention":  # tf.keras builds it while it reads; Keras 3 reads none
            stated = dict(build_shape(model) or {})
            shapes = {f"{word}_shape": None for word in ("query", "key", "value")} | stated
            config |= shapes | {"key_shape": shapes["key_shape"] or shapes["value_shape"]}
        found = {"class_name": name, "config": config} | sharing.number(model)
        shape = build_shape(model) if registry.exact("layer", name) is None else None
        return found if shape is None else found | {"build_config": {"input_shape": shape}}

    def arguments(self, name: str, config: Mapping[str, Any]) -> Config:
        """The arguments of an object of a class."""
        found = without(config, AXES | _SILENT.get(name, {}) | UNKNOWN_TO_2.get(name, {}))
        if name != "InputLayer" and registry.exact("layer", name) is not None:
            found.pop("batch_input_shape", None)
            found = {k: v for k, v in found.items() if k != "activity_regularizer" or v is not None}
        return {key: self.value(key, value) for key, value in found.items()}

    def value(self, key: str, value: Any) -> Any:
        """The value of an argument."""
        if isinstance(value, Layer):
            return held_2(self.model(value))
        if isinstance(value, Mapping):
            config = value.get("config")
            if isinstance(value.get("class_name"), str) and isinstance(config, Mapping):
                name = value["class_name"]
                found = {**value, "config": self.arguments(name, config)}
                if kind_of(key) != "layer" or registry.exact("layer", name) is None:
                    return found
                # Keras 3 finds a layer within another one by its module.
                module = _MODELS.get(name, "keras.layers")
                return {"module": module, **found, "registered_name": None}
            return {name: self.value(str(name), part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(key, part) for part in value]
        return plain(value)

    def graph(self, model: Any, config: Config) -> Config:
        """The config of a model with a graph.

        Of models in it ``tf.keras`` counts the calls from 1, Keras 3 from 0. So each call of theirs
        stands there twice, and the odd numbers mean the same call to both.
        """
        layers = {layer.name: layer for layer in model.graph.layers_only()}
        twice = {name for name, layer in layers.items() if _counts_from_1(layer)}
        place = odd_places(twice)
        tensor = tensors_3(model, place)
        entries = []
        for entry in config["layers"]:
            if entry["class_name"] == operations.OPERATION:  # tf.keras reads none, Keras 3 its own
                calls = [call_3(call, tensor) for call in entry["inbound_nodes"]]
                entries.append(function_call_3(entry, calls))
                continue
            only_3 = class_name(layers[entry["name"]]) == _GROUPED
            calls = entry["inbound_nodes"]
            calls = [call_3(c, tensor) if only_3 else _call_2(c, place) for c in calls]
            if entry["name"] in twice:
                calls = [call for call in calls for _ in range(2)]
            written = self.model(layers[entry["name"]], called=True)
            entries.append(written | {"name": entry["name"], "inbound_nodes": calls})
        ends = {key: shifted(config[key], place) for key in ("input_layers", "output_layers")}
        return {**config, "layers": entries} | ends


def _counts_from_1(layer: Any) -> bool:
    """Whether other releases count the making of a layer as its first call: so with graphs."""
    stacked = hasattr(layer, "_entry") and not layer.branched
    return getattr(layer, "graph", None) is not None and not stacked


def _call_2(call: Any, place: Any) -> Any:
    """One call in the form of Keras 2."""
    if not isinstance(call, Mapping):
        # Other releases take the keywords of the last input, older lamina those of the first.
        return [[*place(one), plain(_places_2(call[0][3], place))] for one in call]
    args, kwargs = call["args"], _places_2(call["kwargs"], place)
    inputs = args[0] if len(args) == 1 else None
    if isinstance(inputs, Mapping) and set(inputs) != {"tensor"}:
        return {key: [*place(one["tensor"]), kwargs] for key, one in inputs.items()}
    raise ValueError(
        "A layer is called with several positional arguments, which HDF5 files cannot hold. Pass "
        "all but the first by name, or save as .keras."
    )


def _places_2(value: Any, place: Any) -> Any:
    """Arguments of a call with the places of tensors as Keras 2 writes them."""
    if isinstance(value, Mapping):
        if set(value) == {"tensor"}:
            return place(value["tensor"])
        return {key: _places_2(part, place) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_places_2(part, place) for part in value]
    return plain(value)


def build_shape(model: Any) -> Any:
    """The input shape that a model or layer was built for, as lists, if it is known."""
    shape = getattr(model, "_build_shape", None)
    if shape is None and getattr(model, "graph", None) is not None and len(model.inputs) == 1:
        shape = model.inputs[0].shape
    return _listed(shape)


def _listed(shape: Any) -> Any:
    if isinstance(shape, list | tuple):
        return [_listed(part) for part in shape]
    if isinstance(shape, Mapping):
        return {key: _listed(part) for key, part in shape.items()}
    return shape
