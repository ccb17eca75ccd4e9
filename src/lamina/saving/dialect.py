"""Configs of all releases in lamina's own words: what is written otherwise is translated.

The translation is made on plain data, before any object is made. It resolves names in nothing but
the closed registry and what the caller handed over, and changes no number.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from lamina import registry
from lamina.core import dialects, sharing
from lamina.core.layer import Layer
from lamina.saving import keras1, operations, recurrent_configs, values
from lamina.typing import Config, LayerOptions

POLICIES = frozenset({"DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"})
OWN_PACKAGES = frozenset({"keras", "tf_keras", "tensorflow", "lamina", "builtins"})
"""Packages whose classes a file means by lamina's names; others are the caller's."""

RENAMED_IN_3 = {"hard_sigmoid": "hard_sigmoid_keras3", "hard_sigmoid_keras2": "hard_sigmoid"}
"""Names of activations in files of Keras 3, which computes something else under one of Keras 2.

The second one is lamina's for files of that form: Keras 3 does not know it, and does not compute
something else in silence.
"""

HARMLESS = frozenset(
    {
        *("build_input_shape", "implementation", "use_cudnn", "renorm_momentum", "time_major"),
        *("synchronized", "is_graph_network", "is_legacy_optimizer", "jit_compile", "experimental"),
        *("query_shape", "key_shape", "value_shape", "rng_type"),
        *("has_input_vocabulary", "oov_method"),
    }
)
"""Arguments that say how a release computes, not what."""

SAME = "lamina_shared_object_id"
"""As `sharing.NUMBER`, in ``.keras`` files: Keras cannot read its own number there in graphs."""

_KERNEL = frozenset({"kernel_initializer", "kernel_regularizer", "kernel_constraint"})

UNUSED: dict[str, frozenset[str]] = dict.fromkeys(
    ("DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"), _KERNEL
)
"""By layer, arguments that `tf.keras` writes because its base has them, and does not use."""

_KINDS = ("initializer", "regularizer", "constraint", "activation", "loss", "metric", "optimizer")


class Translated(dict[str, Any]):
    """The config of a model that was translated already."""


class Translation:
    """Translate configs of one dialect.

    Args:
        dialect: 1, 2 or 3.
        ordering: the ``dim_ordering`` of layers of Keras 1 that state none.
        summed: whether penalties on outputs are not divided by the number of rows.

    Attributes:
        unknown: layers whose class is not known: the class, and the layer's name.
    """

    def __init__(self, dialect: int, ordering: str | None = None, *, summed: bool = False) -> None:
        self.dialect = dialect
        self.ordering = ordering
        self.summed = summed
        self.unknown: dict[str, str] = {}

    def layer(self, entry: Any) -> Config:
        """The entry of a layer or a model: its class, its config, its calls.

        Raises:
            ValueError: it is malformed.
        """
        if not isinstance(entry, Mapping) or not isinstance(entry.get("class_name"), str):
            raise ValueError(f"The config of a layer needs a 'class_name', got {_short(entry)}.")
        operation = operations.described(entry, bare=self.dialect == 3 and "inbound_nodes" in entry)
        if operation is not None:
            translated = {"class_name": operations.OPERATION, "config": operation}
            return translated | self._calls(entry)
        if entry["class_name"] == "Merge":
            entry = keras1.merge_layer(entry)
        name = self._class_name(entry)
        config = entry.get("config")
        if find_layer(name) is None:
            where = config.get("name") if isinstance(config, Mapping) else None
            self.unknown.setdefault(name, str(entry.get("name") or where or "without a name"))
            return {"class_name": name, "config": {}} | self._calls(entry)
        return {"class_name": name, "config": self._layer_config(name, config)} | self._calls(entry)

    def _calls(self, entry: Mapping[str, Any]) -> Config:
        found: Config = {}
        if isinstance(entry.get("name"), str):
            found["name"] = entry["name"]
        for word in (sharing.NUMBER, SAME):
            if isinstance(entry.get(word), int | str):
                found[sharing.NUMBER] = entry[word]
        nodes = entry.get("inbound_nodes")
        if nodes is not None:
            if not isinstance(nodes, list | tuple):
                raise ValueError(f"inbound_nodes must be a list, got {_short(nodes)}.")
            tensorflow = entry["class_name"] in ("TFOpLambda", "SlicingOpLambda")
            found["inbound_nodes"] = [self._call(node, tensorflow) for node in nodes]
        if isinstance(entry.get("build_config"), Mapping):
            found["build_config"] = values.restored(entry["build_config"])
        return found

    def _call(self, node: Any, tensorflow: bool) -> Any:
        """One call: ``{"args", "kwargs"}``, or a list of places, the first with keywords."""
        if isinstance(node, Mapping):
            if set(node) != {"args", "kwargs"} or not isinstance(node["kwargs"], Mapping):
                node = {"args": [{key: {"tensor": at} for key, at in node.items()}], "kwargs": {}}
            return {"args": self._given(node["args"]), "kwargs": self._given(node["kwargs"])}
        if not isinstance(node, list | tuple) or not node:
            raise ValueError(f"The config of a call must be a list of inputs, got {_short(node)}.")
        places = [node] if isinstance(node[0], str) else list(node)
        for place in places:
            if not values.is_input(place):
                raise ValueError(
                    f"The config of a call must name its inputs as [layer, call, output], got "
                    f"{_short(place)}."
                )
        if len(places[0]) > 3 and isinstance(places[0][3], Mapping):
            kwargs = self._given(places[0][3])
            if tensorflow:
                kwargs = operations.arguments_of_tensorflow(kwargs)
            places[0] = [*places[0][:3], kwargs]
        return places

    def _given(self, value: Any) -> Any:
        """Arguments of a call; places of tensors stay as they are."""
        if isinstance(value, Mapping):
            if value.get("class_name") == "__keras_tensor__":
                return {"tensor": values.place(value)}
            if "class_name" in value:
                return values.restored(value)
            return {key: self._given(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._given(part) for part in value]
        return value

    def _class_name(self, entry: Mapping[str, Any]) -> str:
        """The name under which the class of an entry is looked up."""
        name, registered = str(entry["class_name"]), entry.get("registered_name")
        for full in (registered, name):
            if isinstance(full, str) and registry.find_custom(full) is not None:
                return full
        for full in (registered, name):
            if isinstance(full, str) and ">" in full:
                short = full.rpartition(">")[2]
                return short if registry.find_custom(short) is not None else full
        package = str(entry.get("module") or "keras").split(".", maxsplit=1)[0]
        if package not in OWN_PACKAGES and registry.find("layer", name) is not None:
            return f"{entry['module']}.{name}"  # somebody's class, which shares a name with ours
        return (keras1.RENAMED | recurrent_configs.RENAMED).get(name, name)

    def _layer_config(self, name: str, config: Any) -> Any:
        custom = registry.find_custom(name)
        if _is_graph(config):
            return self._graph(config)
        if "Sequential" in [cls.__name__ for cls in getattr(find_layer(name), "__mro__", ())]:
            return self._sequence(config)
        if not isinstance(config, Mapping):
            raise ValueError(f"The config of a {name!r} must be a dict, got {_short(config)}.")
        if self.summed:
            config = keras1.summed(name, config)
        if custom is not None:
            return self._custom(config)
        if self.dialect == 1:
            config = keras1.completed(name, config, self.ordering)
        config = recurrent_configs.completed(name, config, self.dialect, self.summed)
        return self._arguments(find_layer(name), config)

    def _graph(self, config: Mapping[str, Any]) -> Config:
        if not isinstance(config["layers"], list | tuple) or "output_layers" not in config:
            raise ValueError("The config of a graph needs 'layers' and 'output_layers'.")
        rest = {key: value for key, value in config.items() if key not in ("layers", "dtype")}
        if self.dialect == 3:
            rest["output_layers"] = self._ends(config)
        return Translated(rest, layers=[self.layer(entry) for entry in config["layers"]])

    def _ends(self, config: Mapping[str, Any]) -> Any:
        """The places of the outputs; Keras 3 counts calls of graphs from 1 here, else from 0."""
        graphs = {
            entry.get("name")
            for entry in config["layers"]
            if isinstance(entry, Mapping) and _is_graph(entry.get("config"))
        }

        def counted(places: Any) -> Any:
            if isinstance(places, Mapping):
                return {key: counted(part) for key, part in places.items()}
            if not isinstance(places, list | tuple):
                return places
            if values.is_input(places) and places[0] in graphs and places[1] > 0:
                return [places[0], places[1] - 1, *places[2:]]
            return [counted(part) for part in places]

        return counted(config["output_layers"])

    def _sequence(self, config: Any) -> Config:
        found = {"layers": config} if isinstance(config, list | tuple) else config
        if isinstance(found, Mapping) and keras1.begins_with_merge(found.get("layers")):
            return self._graph(keras1.graph(found["layers"]) | {"name": found.get("name")})
        if not isinstance(found, Mapping) or not isinstance(found.get("layers"), list | tuple):
            raise ValueError(f"The config of a Sequential needs 'layers', got {_short(config)}.")
        kept = ("name", "trainable", "build_input_shape")
        rest = {key: found[key] for key in kept if key in found}
        return Translated(rest, layers=[self.layer(entry) for entry in found["layers"]])

    def _custom(self, config: Mapping[str, Any]) -> Config:
        """The arguments of a caller's class: its own matter, but for what `Layer` reads."""
        found = {key: self._activation(key, value) for key, value in config.items()}
        if "dtype" in found:
            found["dtype"] = policy_name(found["dtype"])
        return found

    def _arguments(self, cls: Any, config: Mapping[str, Any]) -> Config:
        found: Config = {}
        unused = UNUSED.get(getattr(cls, "__name__", ""), ())
        for word, value in config.items():
            key = str(word)
            if key in unused:
                continue
            if key == "dtype":
                found[key] = policy_name(value)
            elif accepts(cls, key):
                found[key] = self.value(key, value)
            elif value is not None and value is not False and key not in HARMLESS:
                found[key] = value  # the constructor says that it does not know it
        return found

    def _activation(self, key: str, value: Any) -> Any:
        if self.dialect == 3 and key.endswith("activation"):
            name = value.get("config") if is_function(value) else value
            if isinstance(name, str) and registry.find_custom(name) is None:
                renamed = RENAMED_IN_3.get(name)
                return renamed or value
        return value

    def value(self, key: str, value: Any) -> Any:
        """The value of an argument: a config of another object, a list, a marker, plain data."""
        value = self._activation(key, value)
        if isinstance(value, Mapping):
            if "class_name" not in value:
                return {name: self.value(str(name), part) for name, part in value.items()}
            if values.is_marker(value):
                return values.restored(value)
            return self.object(key, value)
        if isinstance(value, list | tuple):
            return [self.value(key, part) for part in value]
        return value

    def object(self, key: str, entry: Mapping[str, Any]) -> Any:
        """The config of an object that is an argument: an initializer, a layer, a policy."""
        word = str(entry["class_name"])
        if word in POLICIES:
            return policy_name(entry)
        if is_function(entry) or word in ("lamina", "__lambda__"):
            return dict(entry)
        kind = next((kind for kind in _KINDS if key.endswith((kind, f"{kind}s"))), None)
        if key in ("layer", "layers", "cell", "cells") or (
            kind in (None, "activation") and registry.find("layer", word) is not None
        ):
            return self.layer(entry)
        name = self._class_name(entry)
        if kind == "optimizer" and name.startswith("Custom>"):
            name = name.removeprefix("Custom>")  # how TensorFlow 2.11 and later name their own
        config = entry.get("config")
        config = config if isinstance(config, Mapping) else {}
        if registry.find_custom(name) is not None:
            return {"class_name": name, "config": self._custom(config)}
        cls = registry.find(kind, name) if kind else None
        return {"class_name": name, "config": self._arguments(cls, config)}


def _is_graph(config: Any) -> bool:
    return isinstance(config, Mapping) and "layers" in config and "input_layers" in config


def find_layer(name: str) -> Any:
    """The class of a layer: the caller's, or lamina's by its exact name."""
    custom = registry.find_custom(name)
    return custom if custom is not None else registry.exact("layer", name)


def is_function(value: Any) -> bool:
    """Whether a value is what Keras 3 writes for a named function."""
    return isinstance(value, Mapping) and value.get("class_name") == "function"


def policy_name(value: Any) -> Any:
    """The name of the dtype policy that a file describes.

    Raises:
        ValueError: it is a policy that lamina does not have.
    """
    if not isinstance(value, Mapping):
        return value
    config = value.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    if value.get("class_name") not in POLICIES or not isinstance(name, str):
        raise ValueError(
            f"The dtype policy {_short(value)} is none of lamina's; it reads policies such as "
            "'float32' and 'mixed_bfloat16', and no quantised ones."
        )
    return name


def accepts(cls: Any, key: str) -> bool:
    """Whether a class of lamina's takes an argument, under today's or an old name."""
    if cls is None or not inspect.isclass(cls):
        return True
    if issubclass(cls, Layer):
        known = {*dialects.parameters(cls), *LayerOptions.__annotations__, "activity_regularizer"}
        old = {*dialects.RENAMED, *(name for names in dialects.JOINED for name in names)}
        return key in known | old | dialects.ONLY_KERAS_1 or cls.__name__ == "Lambda"
    try:
        parameters = inspect.signature(cls.__init__).parameters
    except (TypeError, ValueError):
        return True
    free = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return free or key in parameters


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]}..."
