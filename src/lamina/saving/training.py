"""The training config of a file: optimizer, losses, metrics; what cannot be read is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina import losses, metrics, optimizers, registry
from lamina.core import allowance
from lamina.optimizers.missing import MissingOptimizer
from lamina.saving import dialect, releases
from lamina.saving.releases import is_old_keras
from lamina.training import measures, outputs
from lamina.typing import Config
from lamina.warning import warn

UNREADABLE = (ValueError, TypeError, AttributeError, LookupError)
"""Errors of parts that cannot be read."""

NUMBERS = 2**26
"""Numbers that the variables of all metrics of a file may hold."""


def compile_from(model: Any, section: Any, version: Any, label: str) -> None:
    """Compile a model as a file says, without what is unknown; each such thing is a warning.

    Args:
        model: the model, with its weights.
        section: ``training_config`` of an ``.h5`` file, or ``compile_config`` of an archive.
        version: ``keras_version`` of the file.
        label: the file, for messages.
    """
    if not section:
        return
    reader = _Reader(releases.dialect_of({}, version), version, model, label)
    try:
        with allowance.allowing(NUMBERS, "the metrics of a file hold fewer"):
            _compile(model, reader, section)
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"it does not say {reason}."
        warn(
            f"{label}: the training config cannot be read ({reason}) The model has its weights "
            "and is not compiled: call compile(optimizer, loss) to train it."
        )


def _compile(model: Any, reader: _Reader, section: Any) -> None:
    if not isinstance(section, Mapping):
        raise ValueError(f"it must be a dict, got {section!r}.")
    loss = reader.structure("loss", section.get("loss"), reader.loss)
    if reader.missing_losses:
        names = ", ".join(repr(name) for name in reader.missing_losses)
        warn(
            f"{reader.label}: unknown loss {names}. The model has its weights, its optimizer and "
            "its metrics, and no loss: pass custom_objects={name: function} when loading, or call "
            "compile(model.optimizer, loss) to train on."
        )
        loss = None
    more: dict[str, Any] = {
        name: section[name]
        for name in ("loss_weights", "sample_weight_mode", "run_eagerly")
        if section.get(name) is not None
    }
    if isinstance(section.get("steps_per_execution"), int):
        more["steps_per_execution"] = section["steps_per_execution"]
    for name in ("metrics", "weighted_metrics"):
        found = reader.structure("metric", section.get(name), reader.metric)
        more[name] = _without_holes(found)
    given = section.get("optimizer", section.get("optimizer_config"))
    try:
        optimizer = reader.optimizer(given)
    except UNREADABLE as error:
        if not outputs.leaves([loss, more["metrics"], more["weighted_metrics"]]):
            raise
        optimizer = _missing(reader.label, given, error)
    model.compile(optimizer, loss, **more)


def _missing(label: str, given: Any, error: Exception) -> MissingOptimizer:
    """What stands in the place of an optimizer that cannot be read."""
    name = _name(given)
    warn(
        f"{label}: the optimizer {name!r} cannot be read ({error}) The model has its weights, and "
        "evaluates with the losses and metrics of the file. To train it, pass "
        f"custom_objects={{{name!r}: ...}} when loading, or call compile(optimizer, model.loss)."
    )
    return MissingOptimizer(name)


def _without_holes(structure: Any) -> Any:
    if isinstance(structure, list):
        return [_without_holes(part) for part in structure if part is not _UNKNOWN]
    if isinstance(structure, dict):
        return {key: _without_holes(part) for key, part in structure.items()}
    return None if structure is _UNKNOWN else structure


_UNKNOWN = object()


class _Reader:
    """Objects of a training config.

    Args:
        number: the dialect.
        version: ``keras_version`` of the file.
        model: the model that is compiled.
        label: the file, for messages.
    """

    def __init__(self, number: int, version: Any, model: Any, label: str) -> None:
        self.translation = dialect.Translation(number)
        self.of_old_keras = number < 3 and is_old_keras(version)
        self.outputs = list(getattr(model, "output_names", []))
        self.label = label
        self.missing_losses: list[str] = []

    def optimizer(self, config: Any) -> Any:
        """The optimizer; where the config leaves something open, as its release had it."""
        if isinstance(config, str):
            return optimizers.get(config)
        if not isinstance(config, Mapping):
            raise ValueError(f"it has no optimizer, but {config!r}.")
        entry = self.translation.object("optimizer", config)
        arguments = entry["config"]
        if self.of_old_keras and registry.find_custom(entry["class_name"]) is None:
            if "clipnorm" in arguments:
                arguments["global_clipnorm"] = arguments.pop("clipnorm")
            if entry["class_name"] == "Adagrad":
                arguments.setdefault("initial_accumulator_value", 0.0)
        return optimizers.deserialize(entry)

    def structure(self, what: str, value: Any, read: Callable[[Any], Any]) -> Any:
        """Lists and dicts of losses or metrics with objects in the place of configs."""
        if isinstance(value, Mapping) and "class_name" not in value:
            return {key: self.structure(what, part, read) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.structure(what, part, read) for part in value]
        if value is None:
            return None
        try:
            return read(value)
        except UNREADABLE as error:
            name = _name(value)
            if what == "loss":
                self.missing_losses.append(name)
            else:
                warn(
                    f"{self.label}: the metric {name!r} is left out ({error}) If it is your own, "
                    f"pass custom_objects={{{name!r}: ...}}."
                )
            return _UNKNOWN

    def loss(self, value: Any) -> Any:
        """A loss: a name that is known, a function, or an object."""
        if isinstance(value, str):
            measures.check_loss(value)
            return registry.find_custom(value) or value
        if dialect.is_function(value):
            return registry.lookup("loss", str(value["config"]))
        return losses.deserialize(self._object("loss", value))

    def metric(self, value: Any) -> Any:
        """A metric: a name that is known, a function, or an object."""
        if isinstance(value, str):
            measures.check_metric(value)
            return registry.find_custom(value) or value
        if dialect.is_function(value):
            measures.check_metric(value["config"])
            return registry.find_custom(value["config"]) or value["config"]
        entry = self._object("metric", value)
        arguments = entry["config"]
        function = arguments.get("fn")
        if isinstance(function, str):
            arguments["fn"] = registry.find("metric", function) or registry.lookup("loss", function)
        arguments = self._unprefixed(arguments)
        return metrics.deserialize({**entry, "config": arguments})

    def _object(self, kind: str, value: Any) -> Config:
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r} is no name and no config.")
        entry = self.translation.object(kind, value)
        arguments = dict(entry["config"])
        cls = registry.find(kind, entry["class_name"])
        if "fn" in arguments and "fn" not in _parameters(cls):
            del arguments["fn"]  # tf.keras writes it also where the class says it
        if arguments.get("reduction") == "auto":
            arguments["reduction"] = "sum_over_batch_size"
        return {"class_name": entry["class_name"], "config": arguments}

    def _unprefixed(self, arguments: Config) -> Config:
        """The name of a metric without that of its output, which ``tf.keras`` puts before it."""
        name = arguments.get("name")
        for output in self.outputs if len(self.outputs) > 1 else ():
            if isinstance(name, str) and name.startswith(f"{output}_"):
                return arguments | {"name": name.removeprefix(f"{output}_")}
        return arguments


def _parameters(cls: Any) -> frozenset[str]:
    import inspect

    try:
        return frozenset(inspect.signature(cls).parameters)
    except (TypeError, ValueError):
        return frozenset()


def _name(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return str(value.get("config") if dialect.is_function(value) else value.get("class_name"))
