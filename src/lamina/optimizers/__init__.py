"""Optimizers: `SGD`, `Adam` and their relatives, and any transformation of optax.

>>> get("adam").name
'adam'
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from lamina import registry
from lamina.optimizers import schedules
from lamina.optimizers.adafactor import Adafactor
from lamina.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam
from lamina.optimizers.adaptive import Adadelta, Adagrad, Ftrl, RMSprop
from lamina.optimizers.base import Optimizer
from lamina.optimizers.loss_scale import LossScaleOptimizer
from lamina.optimizers.momentum import SGD, Lion
from lamina.optimizers.multi import MultiOptimizer, OptimizerMap
from lamina.optimizers.muon import Muon
from lamina.optimizers.schedule_free import ScheduleFreeAdamW
from lamina.optimizers.wrapped import OptaxOptimizer, is_transformation, unwrapped
from lamina.typing import Config

sgd, rmsprop, adagrad, adadelta = SGD, RMSprop, Adagrad, Adadelta
adam, adamax, nadam = Adam, Adamax, Nadam


class TFOptimizer:
    """An optimizer of TensorFlow 1; it cannot run here.

    Args:
        optimizer: the TensorFlow object.

    Raises:
        TypeError: always; the message says what to use.

    >>> TFOptimizer("an object of TensorFlow")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    TypeError: TFOptimizer wraps an optimizer of TensorFlow ...
    """

    def __init__(self, optimizer: Any = None) -> None:
        raise TypeError(
            f"TFOptimizer wraps an optimizer of TensorFlow ({optimizer!r}), which is not used "
            "here. Use the optimizer of the same name in lamina.optimizers, or a "
            "transformation of optax."
        )


def get(identifier: Any) -> Any:
    """The optimizer that a name, config, class, object or optax transformation stands for.

    Raises:
        ValueError: an unknown name.
        TypeError: something that is none of these.

    >>> get({"class_name": "SGD", "config": {"lr": 0.1}}).name
    'sgd'
    """
    if identifier is None or isinstance(identifier, Optimizer):
        return identifier
    identifier = unwrapped(identifier)
    if is_transformation(identifier):
        return OptaxOptimizer(identifier)
    if isinstance(identifier, str):
        if identifier.lower() == "tfoptimizer":
            TFOptimizer()
        found = registry.lookup("optimizer", identifier)
        identifier = found() if inspect.isclass(found) else found
    elif isinstance(identifier, Mapping):
        identifier = deserialize(identifier)
    elif inspect.isclass(identifier) and issubclass(identifier, Optimizer):
        identifier = identifier()
    if not isinstance(identifier, Optimizer):
        raise TypeError(
            "An optimizer is given as a name, a config, an Optimizer or a transformation of optax, "
            f"got {identifier!r}."
        )
    return identifier


def serialize(optimizer: Optimizer) -> Config:
    """The config of an optimizer: its class and arguments.

    >>> serialize(SGD(0.1))["config"]["learning_rate"]
    0.1
    """
    return registry.serialize(optimizer)


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Make the optimizer that `serialize` of any release of Keras described.

    Raises:
        ValueError: the config is malformed or names something unknown.

    >>> type(deserialize({"class_name": "Adam", "config": {"lr": 0.01}})).__name__
    'Adam'
    """
    return registry.deserialize("optimizer", config, custom_objects)


def optimizer_from_config(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """`deserialize`, as Keras 1 called it.

    >>> type(optimizer_from_config({"class_name": "SGD", "config": {"lr": 0.1}})).__name__
    'SGD'
    """
    return deserialize(config, custom_objects)


def clip_norm(g: Any, c: float, n: Any) -> Any:
    """Scale an array of norm `n` so that its norm is `c` at most; not at all if `c` is 0.

    Args:
        g: the array.
        c: the largest norm.
        n: the norm of `g`, or of all arrays that are scaled alike.

    >>> clip_norm(jnp.asarray([3.0, 4.0]), 1.0, 5.0).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    if c <= 0:
        return g
    array = jnp.asarray(g)
    factor = c / jnp.maximum(jnp.asarray(n), c)
    return array * factor.astype(array.dtype)


__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "OptaxOptimizer",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "TFOptimizer",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "clip_norm",
    "deserialize",
    "get",
    "nadam",
    "optimizer_from_config",
    "rmsprop",
    "schedules",
    "serialize",
    "sgd",
]
