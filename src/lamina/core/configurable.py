"""Configs read off constructors: what ``get_config`` and ``from_config`` inherit."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lamina import registry
from lamina.core import dialects, sharing
from lamina.typing import Config, LayerOptions

# `autocast` is written down only where it is stated.
OPTIONS = frozenset(LayerOptions.__annotations__) - {"autocast"}


class Configurable(type):
    """Class of layer classes: translates old arguments before a constructor sees them."""

    if not TYPE_CHECKING:

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            args, kwargs = dialects.translate(cls, args, kwargs)
            try:
                made = super().__call__(*args, **kwargs)
            except (TypeError, ValueError) as error:
                misnamed = isinstance(error, TypeError) and dialects.misnamed(
                    cls, args, kwargs, error
                )
                better = misnamed or unresolved(cls, args, kwargs, error)
                if not better:
                    raise
                raise better from None
            own = dialects.parameters(cls)
            further = [name for name in kwargs if name not in own and name not in OPTIONS]
            if further:  # what a subclass hands on to the constructor of its base
                vars(made)["_further_arguments"] = tuple(further)
            if isinstance(made, cls) and "inbound_nodes" not in vars(made):
                raise TypeError(
                    f"{cls.__name__}.__init__ must call super().__init__(), with its **kwargs."
                )
            return made

    @property
    def __signature__(cls) -> inspect.Signature:
        """The signature of the constructor, for ``help`` and editors."""
        signature = inspect.signature(cls.__init__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


KINDS = ("activation", "initializer", "regularizer", "constraint")
"""What arguments whose names end so are taken by: a name, a config, an object, a function."""


def unresolved(cls: type, args: Any, kwargs: Any, error: Exception) -> Exception | None:
    """The error of an argument that stands for nothing, with the layer and the argument."""
    given = dict(zip(dialects.parameters(cls), args, strict=False)) | kwargs
    for argument, value in given.items():
        kind = argument.rpartition("_")[2]
        kind = "initializer" if kind == "init" else kind
        if kind in KINDS and value is not None:
            try:
                registry.resolve(kind, value)
            except (TypeError, ValueError) as found:
                if str(found) == str(error):
                    name = f" {given['name']!r}" if given.get("name") else ""
                    return type(error)(f"{cls.__name__}{name}: {argument}: {error}")
    return None


def arguments_of(thing: Any) -> Config:
    """The constructor's arguments as the object keeps them, each under its own name.

    Raises:
        NotImplementedError: an argument is not kept and the class has no ``get_config``.
    """
    cls = type(thing)
    found: Config = {}
    missing = []
    overridden = cls.get_config is not base_get_config(cls)
    for name in (*dialects.parameters(cls), *vars(thing).get("_further_arguments", ())):
        if not hasattr(thing, name):
            missing.append(name)
            continue
        try:
            found[name] = plain(getattr(thing, name))
        except TypeError:
            if not overridden:
                raise
    if missing and not overridden:
        raise NotImplementedError(
            f"{thing}: the argument {missing[0]!r} of {cls.__name__} is kept under no attribute of "
            f"that name. Set self.{missing[0]} in __init__, or define get_config."
        )
    return found


def base_get_config(cls: type) -> Any:
    """The inherited ``get_config``, which reads the constructor."""
    for parent in reversed(cls.__mro__):
        if "get_config" in vars(parent):
            return vars(parent)["get_config"]
    return None


def plain(value: Any) -> Any:
    """A value as JSON can hold it: numbers, names, lists, configs."""
    if isinstance(value, np.ndarray):
        return value if registry.is_held(value) else value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return type(value)(plain(part) for part in value)
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return sharing.serialize(value)


class FromConfig:
    """``from_config`` for classes whose constructor takes what ``get_config`` gives."""

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make an object from what ``get_config`` returned."""
        return cls(**config)
