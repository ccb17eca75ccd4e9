"""The one reader of configs: models, layers and other objects, as all releases wrote them.

A config is data. Names in it resolve in the caller's ``custom_objects``, in what was registered
with `register_keras_serializable`, and in lamina's closed registry; nothing is imported, evaluated
or unpickled because a config says so. ``safe_mode`` is accepted wherever Keras has it and changes
nothing: there is no unsafe mode to leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lamina import registry
from lamina.core import allowance, policy, sharing
from lamina.core.layer import Layer
from lamina.saving import dialect, keras1, limits, releases, values, writing
from lamina.typing import Config


def read_model(
    config: Any,
    custom_objects: Mapping[str, Any] | None = None,
    version: Any = None,
    *,
    what: str = "model_from_config",
    numbers: int | None = None,
) -> Any:
    """Make a model or a layer, with new weights, from a config of any release.

    Args:
        config: ``{"class_name": ..., "config": ...}``.
        custom_objects: classes and functions of the caller's by name; the function of a `Lambda`
            by the name of the layer.
        version: ``keras_version`` as the file states it, where the config does not.
        what: begins the messages.
        numbers: how many numbers the file holds for the weights, if there is one.

    Raises:
        ValueError: the config is malformed, beyond the bounds, or names classes that are unknown.
    """
    limits.check(config, what)
    with registry.custom_object_scope(custom_objects or {}), _explained(what), _bounded(numbers):
        entry = translated(config, version)
        with sharing.kept():
            made = sharing.deserialize(entry)
        build(made, entry)
    return made


def translated(config: Any, version: Any = None) -> Config:
    """The entry of a model or a layer in lamina's own words.

    Raises:
        ValueError: it names layers that are unknown: which, and what to pass.
    """
    number = releases.dialect_of(config, version)
    ordering = keras1.ordering(config) if number == 1 else None
    translation = dialect.Translation(number, ordering, summed=_sums(config, version, number))
    entry = translation.layer(config)
    _check_known(translation)
    return entry


def _sums(config: Any, version: Any, number: int) -> bool:
    """Whether the release that wrote a config sums the penalties on outputs over the batch."""
    if isinstance(config, Mapping) and "lamina_version" in config:
        return False
    stated = config.get("keras_version") if isinstance(config, Mapping) else None
    version = version if version is not None else stated
    return number == 1 if version is None else releases.is_old_keras(version)


def translated_body(class_name: str, config: Any) -> Any:
    """The inner part of `translated`: what ``from_config`` of a model gets."""
    if isinstance(config, dialect.Translated):
        return config
    return translated({"class_name": class_name, "config": config})["config"]


_FOREIGN = {
    "FlaxLayer": "a module of Flax",
    "JaxLayer": "a function of JAX, which the file does not hold",
    "TFSMLayer": "a SavedModel of TensorFlow",
    "TorchModuleWrapper": "a module of PyTorch",
}
"""Layers of Keras 3 around something that no file of a model holds as layers."""


def _check_known(translation: dialect.Translation) -> None:
    unknown = translation.unknown
    if not unknown:
        return
    kinds = ", ".join(f"{name!r} (layer {layer!r})" for name, layer in sorted(unknown.items()))
    first = min(unknown)
    guess = registry.did_you_mean(first, registry.names("layer"))
    objects = ", ".join(f"{name!r}: ..." for name in sorted(unknown))
    foreign = [f"{name} runs {what}" for name, what in _FOREIGN.items() if name in unknown]
    if foreign:
        raise ValueError(
            f"The config has layers that lamina does not have: {kinds}. {'; '.join(foreign)}. "
            "Build that part anew of layers, or write a Layer class that does the same and pass "
            f"it: custom_objects={{{objects}}}."
        )
    raise ValueError(
        f"The config has layers of unknown classes: {kinds}.{guess} If they are classes of your "
        f"own, pass them: custom_objects={{{objects}}}."
    )


def build(made: Any, entry: Mapping[str, Any]) -> None:
    """Make the weights of a model without a graph where its config says for which input."""
    if getattr(made, "built", True):
        return
    stated = entry.get("build_config") or {}
    if hasattr(made, "build_from_config") and stated:
        made.build_from_config(stated)
        return
    shape = stated.get("input_shape") or stated.get("shapes_dict")
    if shape is not None and hasattr(made, "_start_training_state"):
        made.build(_shape(shape))


def _shape(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _shape(part) for key, part in value.items()}
    if any(isinstance(part, list | tuple) for part in value):
        return [_shape(part) for part in value]
    return tuple(value)


SPARE = 2**20
"""Numbers that a config may ask for beyond twice those that its file holds."""


@contextmanager
def _bounded(numbers: int | None) -> Iterator[None]:
    if numbers is None:
        reason = f"a model made from a config alone holds at most {limits.WEIGHTS}; make it in code"
        numbers = limits.WEIGHTS
    else:
        reason = f"the file holds {numbers} for all weights together"
        # A little more, so that a shape that differs is told by layer, weight and both shapes.
        numbers = 2 * numbers + SPARE
    with allowance.allowing(numbers, reason):
        yield


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Errors of values of a wrong kind, wherever they show, as the `ValueError` of a config."""
    try:
        yield
    except (TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{what}: the config cannot be read. {_said(error)}") from error


def _said(error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, TypeError) and text else f"{type(error).__name__}: {text}"


def read_json(
    text: str | bytes,
    custom_objects: Mapping[str, Any] | None = None,
    version: Any = None,
    *,
    what: str = "model_from_json",
    numbers: int | None = None,
) -> Any:
    """`read_model` for a config as JSON text.

    Raises:
        ValueError: the text is no JSON, or as for `read_model`.
        TypeError: it is no text.
    """
    if not isinstance(text, str | bytes):
        raise TypeError(f"{what}: the config must be JSON text, got {type(text).__name__}.")
    found = limits.parse(text, what)
    return read_model(found, custom_objects, version, what=what, numbers=numbers)


_KIND_OF_MODULE = {
    "layers": "layer",
    "models": "layer",
    "initializers": "initializer",
    "regularizers": "regularizer",
    "constraints": "constraint",
    "activations": "activation",
    "losses": "loss",
    "metrics": "metric",
    "optimizers": "optimizer",
    "schedules": "schedule",
}
"""What the last word of a module says about the kind of its classes; it is only compared."""


def deserialize_keras_object(
    config: Any,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    **options: Any,
) -> Any:
    """Make the object, the list or the value that `serialize_keras_object` described.

    Args:
        config: as any release of Keras or lamina wrote it.
        custom_objects: classes and functions of the caller's by name.
        safe_mode: accepted; whatever it is, nothing of a config is run.
        options: `module_objects`, further names as in Keras 2; `printable_module_name`, which
            says nothing here.

    Raises:
        ValueError: the config is malformed, beyond the bounds, or names something unknown.
        TypeError: an unknown keyword.

    >>> deserialize_keras_object({"class_name": "L2", "config": {"l2": 0.5}})
    L2(l2=0.5)
    """
    what = "deserialize_keras_object"
    for name in options:
        if name not in ("module_objects", "printable_module_name"):
            raise TypeError(f"{what} has no argument {name!r}.")
    limits.check(config, what)
    names = dict(options.get("module_objects") or {}) | dict(custom_objects or {})
    with registry.custom_object_scope(names), _explained(what), _bounded(None):
        if isinstance(config, str):
            found = registry.find_custom(config)
            return config if found is None else found
        return _object(config)


def serialize_keras_object(obj: Any) -> Any:
    """Plain data that `deserialize_keras_object` of lamina and of Keras 3 makes the object of.

    Args:
        obj: a layer, model, initializer or other object with ``get_config``, a function, an array,
            a plain value, or lists and dicts of these.

    Raises:
        TypeError: something that has neither a config nor a name.

    >>> serialize_keras_object([slice(1, 2), 3])[0]["config"]
    {'start': 1, 'stop': 2, 'step': None}
    """
    if obj is None or isinstance(obj, str | int | float | bool):
        return obj
    if isinstance(obj, list | tuple):
        return [serialize_keras_object(part) for part in obj]
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(part) for key, part in obj.items()}
    if isinstance(obj, slice) or obj is ... or hasattr(obj, "__array__"):
        return values.written(obj)
    write = writing.Keras3()
    if isinstance(obj, Layer):
        with sharing.numbered(obj):
            return write.model(obj)
    if isinstance(obj, policy.DTypePolicy):
        return writing.policy_3(obj.name)
    if hasattr(obj, "get_config"):
        return write.object("", registry.serialize(obj))
    return writing.function_3("function", registry.serialize(obj))


def _object(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return type(config)(_object(part) for part in config)
    if not isinstance(config, Mapping):
        return config
    if "class_name" not in config:
        return {key: _object(part) for key, part in config.items()}
    if values.is_marker(config):
        return values.restored(config)
    word = config["class_name"]
    if word in dialect.POLICIES:
        return policy.get(dialect.policy_name(config))
    kind = _kind_of(config)
    if kind == "layer":
        entry = translated(config)
        with sharing.kept():
            made = sharing.deserialize(entry)
        build(made, entry)
        return made
    return _of_kind(kind, config)


def _of_kind(kind: str, config: Mapping[str, Any]) -> Any:
    """The object, no layer, that a config describes."""
    translation = dialect.Translation(releases.dialect_of(config))
    entry = translation.object(kind, config)
    if isinstance(entry, Mapping) and entry.get("class_name") == "function":
        name = str(entry.get("config"))
        if kind == "activation" and translation.dialect == 3:
            name = dialect.RENAMED_IN_3.get(name, name)
        return registry.lookup(kind, name)
    return registry.deserialize(kind, entry)


def _kind_of(config: Mapping[str, Any]) -> str:
    """The kind of registry in which the class of a config is looked up."""
    words = str(config.get("module")).split(".")
    stated = [_KIND_OF_MODULE[word] for word in words if word in _KIND_OF_MODULE]
    name = config["config"] if dialect.is_function(config) else config["class_name"]
    if not isinstance(name, str):
        raise ValueError(f"A config needs a name as its class_name, got {config['class_name']!r}.")
    kinds = [*reversed(stated), *dict.fromkeys(_KIND_OF_MODULE.values())]
    found = [kind for kind in kinds if registry.exact(kind, name) is not None]
    return (found or stated or ["layer"])[0]
