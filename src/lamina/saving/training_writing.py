"""What a model was compiled with, as the training config of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lamina import losses, metrics, registry
from lamina.core.variable import Variable
from lamina.saving import writing
from lamina.typing import Config
from lamina.warning import warn

_UNSAID = {"use_ema": False, "ema_momentum": 0.99}
"""Arguments of optimizers that say nothing with these values, as all do with ``None``."""


def section_3(model: Any, write: writing.Keras3) -> Config | None:
    """``compile_config`` as Keras 3 writes it, or ``None`` where there is nothing to write.

    Args:
        model: the model.
        write: writes the configs.
    """
    kept = model._compilation
    optimizer = _optimizer(model)
    if kept is None or optimizer is None:
        return None

    def written(kind: str, entry: Any) -> Any:
        if isinstance(entry, Mapping):
            return write.object(kind, entry)
        return entry if registry.find("loss", entry) is not None or _is_known(entry) else _3(entry)

    return {
        "optimizer": write.object("optimizer", _said(optimizer)),
        "loss": _structure(kept.loss, lambda entry: written("loss", _described(entry))),
        "loss_weights": _numbers(kept.loss_weights),
        "metrics": _structure(kept.user_metrics, lambda e: written("metric", _described(e))),
        "weighted_metrics": _structure(
            kept.weighted_metrics, lambda e: written("metric", _described(e))
        ),
        "run_eagerly": kept.run_eagerly,
        "steps_per_execution": kept.steps_per_execution,
    }


def section_2(model: Any) -> Config | None:
    """``training_config`` as ``tf.keras`` writes it, or ``None`` where there is nothing to write.

    Args:
        model: the model.
    """
    kept = model._compilation
    optimizer = _optimizer(model)
    if kept is None or optimizer is None:
        return None
    write = writing.Keras2()

    def written(entry: Any) -> Any:
        return write.value("", _described(entry))

    return {
        "optimizer_config": write.value("optimizer", _said(optimizer)),
        "loss": _structure(kept.loss, lambda entry: _whole_name(written(entry))),
        "metrics": _structure(kept.user_metrics, written),
        "weighted_metrics": _structure(kept.weighted_metrics, written),
        "sample_weight_mode": kept.sample_weight_mode,
        "loss_weights": _numbers(kept.loss_weights),
    }


def _said(optimizer: Config) -> Config:
    """An optimizer without arguments that say nothing: releases refuse what they do not know."""
    said = writing.without(optimizer["config"], _UNSAID)
    return {**optimizer, "config": {key: said[key] for key in said if said[key] is not None}}


def _whole_name(entry: Any) -> Any:
    """The name of a loss in full: Keras 3 reads no ``mse`` in an ``.h5`` file."""
    found = registry.find("loss", entry) if isinstance(entry, str) else None
    return entry if found is None or isinstance(found, type) else registry.registered_name(found)


def _3(name: str) -> Config:
    return writing.function_3("function", name)


def _is_known(name: str) -> bool:
    return name in ("acc", "accuracy", "ce", "crossentropy") or bool(registry.find("metric", name))


def _optimizer(model: Any) -> Config | None:
    """The config of the optimizer; one that cannot be written down is a warning."""
    if model._compilation is None:
        return None
    optimizer = model.optimizer
    try:
        return registry.serialize(optimizer)
    except (NotImplementedError, TypeError, ValueError) as error:
        warn(
            f"{model}: the optimizer {optimizer!r} cannot be written into a file ({error}) The "
            "model is saved without its training config."
        )
        return None


def _described(entry: Any) -> Any:
    """A loss or a metric as its name or its config."""
    if isinstance(entry, str) or entry is None:
        return entry
    if isinstance(entry, type):
        entry = entry()
    if isinstance(entry, losses.Loss | metrics.Metric):
        return _with_names(registry.serialize(entry))
    return registry.serialize(entry)


def _with_names(config: Config) -> Config:
    """A config with the names of functions in it."""
    arguments = {
        key: registry.registered_name(value) if callable(value) else writing.plain(value)
        for key, value in config["config"].items()
    }
    return {**config, "config": arguments}


def _structure(value: Any, write: Callable[[Any], Any]) -> Any:
    if isinstance(value, Mapping) and "class_name" not in value:
        return {key: _structure(part, write) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_structure(part, write) for part in value]
    return None if value is None else write(value)


def _numbers(value: Any) -> Any:
    """Weights of losses as plain numbers."""
    if isinstance(value, Mapping):
        return {key: _numbers(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers(part) for part in value]
    return float(value.numpy()) if isinstance(value, Variable) else writing.plain(value)
