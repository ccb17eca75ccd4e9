"""Names to classes and functions and back: a closed set, and what callers add to it.

Nothing is ever imported because a name asks for it. A name resolves in the caller's custom
objects, then among lamina's own entries of the kind that is looked for.
"""

from __future__ import annotations

import copy
import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from lamina.typing import Config

Entry = TypeVar("Entry")

_entries: dict[str, dict[str, Any]] = {}
_folded: dict[str, dict[str, Any]] = {}
_custom: dict[str, Any] = {}
_packages: dict[Any, str] = {}
_scope: ContextVar[dict[str, Any] | None] = ContextVar("custom_objects", default=None)
_held: ContextVar[tuple[type, Callable[[Any], Any]] | None] = ContextVar("held", default=None)


FILLED_BY = {
    "layer": ("lamina.layers", "lamina.models"),
    "loss": ("lamina.losses",),
    "metric": ("lamina.metrics",),
    "optimizer": ("lamina.optimizers",),
    "schedule": ("lamina.schedules",),
}
"""The modules that enter names of a kind: imported, all of them, when one is first looked up."""

_filled: set[str] = set()


def _table(kind: str) -> dict[str, Any]:
    """The entries of a kind. Which modules are imported for it depends on no name."""
    if kind not in _filled:
        _filled.add(kind)
        for module in FILLED_BY.get(kind, ()):
            importlib.import_module(module)
    return _entries.get(kind, {})


def _fold(name: str) -> str:
    return name.replace("_", "").lower()


def register(kind: str, *names: str) -> Callable[[Entry], Entry]:
    """Enter a class or a function under its own name and the given ones.

    Args:
        kind: ``"layer"``, ``"activation"``, ``"initializer"``, ``"regularizer"``,
            ``"constraint"``, ``"loss"``, ``"metric"``, ``"optimizer"`` or ``"schedule"``.
        names: further names.
    """

    def enter(entry: Entry) -> Entry:
        for name in (getattr(entry, "__name__", None), *names):
            if name is not None:
                _entries.setdefault(kind, {})[name] = entry
                _folded.setdefault(kind, {}).setdefault(_fold(name), entry)
        return entry

    return enter


def names(kind: str) -> list[str]:
    """All names of a kind, sorted."""
    return sorted(_table(kind))


def find(kind: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The entry of that name, or ``None``.

    The exact spelling is tried first, then one that ignores case and underscores.
    """
    for table in (custom_objects or {}, _scope.get() or {}, _custom, _table(kind)):
        if name in table:
            return table[name]
    return _folded.get(kind, {}).get(_fold(name))


def exact(kind: str, name: str) -> Any:
    """Lamina's own entry of exactly that name, or ``None``."""
    return _table(kind).get(name)


def find_custom(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The entry of that name that is the caller's or was registered, or ``None``."""
    for table in (custom_objects or {}, _scope.get() or {}, _custom):
        if name in table:
            return table[name]
    return None


def lookup(kind: str, name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The entry of that name.

    Raises:
        ValueError: nothing is registered under it; the message has the nearest names.
    """
    found = find(kind, name, custom_objects)
    if found is None:
        raise ValueError(
            f"Unknown {kind} {name!r}.{did_you_mean(name, names(kind))} Your own {kind} is "
            f"passed as an object, or by name: custom_objects={{{name!r}: ...}} where a file or a "
            f"config is read, custom_object_scope({{{name!r}: ...}}) elsewhere."
        )
    return found


def _article(kind: str) -> str:
    return "An" if kind[0] in "aeiou" else "A"


def did_you_mean(name: str, candidates: list[str]) -> str:
    """A sentence with the nearest of the candidates, or nothing.

    >>> did_you_mean("rleu", ["relu", "tanh"])
    " Did you mean 'relu'?"
    """
    # Of two spellings of one name, the one in the style of the question.
    order = sorted(candidates, key=lambda candidate: candidate.islower() != name.islower())
    folded = {_fold(candidate): candidate for candidate in reversed(order)}
    close = difflib.get_close_matches(_fold(name), list(folded), n=3, cutoff=0.6)
    if not close:
        return ""
    return f" Did you mean {' or '.join(repr(folded[match]) for match in close)}?"


def resolve(kind: str, identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """What a name, a config, a class or an object stands for; classes become instances.

    Args:
        kind: as in `register`.
        identifier: a name, ``{"class_name": ..., "config": ...}``, a class or an object.
        custom_objects: further names.

    Raises:
        ValueError: an unknown name.
        TypeError: something that is none of these.
    """
    if isinstance(identifier, str):
        found = lookup(kind, identifier, custom_objects)
        return found() if inspect.isclass(found) else found
    if isinstance(identifier, Mapping):
        return deserialize(kind, identifier, custom_objects)
    if inspect.isclass(identifier):
        return identifier()
    if callable(identifier) or hasattr(identifier, "get_config"):
        return identifier
    raise TypeError(
        f"{_article(kind)} {kind} is given as a name, a function, an object or a config, "
        f"got {identifier!r}."
    )


def serialize(value: Any) -> Any:
    """The config of an object: a name for a function, else its class and arguments."""
    if value is None or isinstance(value, str | int | float | bool | Mapping):
        return value
    if is_held(value):
        return held(value)
    if hasattr(value, "get_config"):
        return {"class_name": registered_name(type(value)), "config": value.get_config()}
    if hasattr(value, "__name__"):
        return registered_name(value)
    raise TypeError(f"{value!r} has no get_config and no name, so it cannot be written down.")


def deserialize(
    kind: str, config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Any:
    """Make the object that `serialize` described.

    Raises:
        ValueError: the config is malformed or names something unknown.
    """
    if isinstance(config, str):
        return resolve(kind, config, custom_objects)
    if _held.get() is not None and not isinstance(config, Mapping):
        return config
    name, arguments = _described(kind, config)
    found = lookup(kind, name, custom_objects)
    if not inspect.isclass(found):
        return found
    if not hasattr(found, "from_config"):
        return found(**arguments)
    if "custom_objects" in inspect.signature(found.from_config).parameters:  # type: ignore[attr-defined]
        return found.from_config(arguments, custom_objects=custom_objects)  # type: ignore[attr-defined]
    return found.from_config(arguments)  # type: ignore[attr-defined]


def _described(kind: str, config: Mapping[str, Any]) -> tuple[str, Config]:
    found: Any = config.get("class_name")
    if found == "function":  # Keras 3 writes functions so
        found = config.get("config")
    if not isinstance(found, str):
        raise ValueError(f"The config of a {kind} needs a 'class_name', got {dict(config)!r}.")
    registered = config.get("registered_name")
    if isinstance(registered, str) and find_custom(registered) is not None:
        found = registered
    arguments = config.get("config")
    return str(found), copy.copy(arguments) if isinstance(arguments, dict) else {}


@contextmanager
def objects_in_configs(copied: type, copy: Callable[[Any], Any]) -> Iterator[None]:
    """Let configs hold, as they are, objects that no name here stands for.

    Only for configs that are made, read and forgotten within the block: those of a copy.

    Args:
        copied: class of the objects that are copied, whether they have a name or not.
        copy: copies one of them.

    >>> with objects_in_configs(list, list):
    ...     callable(serialize(lambda x: 2 * x))
    True
    """
    token = _held.set((copied, copy))
    try:
        yield
    finally:
        _held.reset(token)


def is_held(value: Any) -> bool:
    """Whether a config holds an object itself; see `objects_in_configs`."""
    found = _held.get()
    return found is not None and (isinstance(value, found[0]) or not _is_named(value))


def held(value: Any) -> Any:
    """What stands in such a config: the object, or a copy of it."""
    found = _held.get()
    return found[1](value) if found is not None and isinstance(value, found[0]) else value


def _is_named(value: Any) -> bool:
    """Whether the name in a config leads back to a function, or to the class of an object."""
    entry = value if inspect.isclass(value) or hasattr(value, "__name__") else type(value)
    name = registered_name(entry)
    return find_custom(name) is entry or any(exact(kind, name) is entry for kind in _entries)


def registered_name(entry: Any) -> str:
    """The name under which an entry is written into configs."""
    return _packages.get(entry) or str(entry.__name__)


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Entry], Entry]:
    """Let configs name a class or a function of your own as ``package>name``.

    >>> @register_keras_serializable("docs")
    ... def triple(x): return 3 * x
    >>> get_registered_name(triple)
    'docs>triple'
    """

    def enter(entry: Entry) -> Entry:
        full = f"{package}>{name or entry.__name__}"  # type: ignore[attr-defined]
        _custom[full] = entry
        _packages[entry] = full
        return entry

    return enter


def get_registered_name(entry: Any) -> str:
    """The name of an entry in configs: ``package>name`` if it was registered so.

    >>> from lamina.layers import Dense
    >>> get_registered_name(Dense)
    'Dense'
    """
    return registered_name(entry)


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The entry that was registered as ``package>name``, or ``None``.

    >>> get_registered_object("mine>Layer", {"mine>Layer": int})
    <class 'int'>
    """
    return find_custom(name, custom_objects)


def get_custom_objects() -> dict[str, Any]:
    """The dictionary of names that you add; write to it to add one.

    Within `custom_object_scope` it is that of the scope, and ends with it.

    >>> with custom_object_scope({"triple": lambda x: 3 * x}):
    ...     get_custom_objects()["triple"](2)
    6
    """
    scope = _scope.get()
    return _custom if scope is None else scope


@contextmanager
def custom_object_scope(*scopes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Add names for as long as the ``with`` block lasts, in this thread alone.

    >>> with custom_object_scope({"triple": lambda x: 3 * x}):
    ...     resolve("activation", "triple")(2)
    6
    """
    found = dict(get_custom_objects())
    for scope in scopes:
        if not isinstance(scope, Mapping):
            raise TypeError(
                "custom_objects must be a dict of names and classes or functions, got "
                f"{type(scope).__name__}."
            )
        found.update(scope)
    token = _scope.set(found)
    try:
        yield found
    finally:
        _scope.reset(token)


CustomObjectScope = custom_object_scope
