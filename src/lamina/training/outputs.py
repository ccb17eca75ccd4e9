"""One entry for each output: losses, metrics, targets and weights as users nest them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lamina import registry
from lamina.core.variable import Variable


def is_config(value: Any) -> bool:
    """Whether a dict describes one object, rather than one entry an output."""
    return isinstance(value, Mapping) and "class_name" in value


def is_nested(value: Any) -> bool:
    """Whether a value holds entries rather than being one."""
    return isinstance(value, list | tuple) or (isinstance(value, Mapping) and not is_config(value))


def leaves(value: Any) -> list[Any]:
    """All entries of lists, tuples and dicts, but those that are ``None``.

    >>> leaves({"a": ["mse", None], "b": "mae"})
    ['mse', 'mae']
    """
    if value is None:
        return []
    if not is_nested(value):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value
    return [leaf for part in parts for leaf in leaves(part)]


def check_names(argument: str, given: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise `ValueError` if a dict has a key that names no output."""
    for key in given:
        if key not in names:
            hint = registry.did_you_mean(str(key), list(names))
            raise ValueError(
                f"{argument} has an entry for {key!r}, but the outputs of the model are "
                f"{listed(names)}.{hint}"
            )


def listed(names: Sequence[str]) -> str:
    """Names for a message: ``'a' and 'b'``."""
    return " and ".join(map(repr, names)) if len(names) < 4 else ", ".join(map(repr, names))


def aligned(argument: str, given: Any, names: Sequence[str], what: str) -> list[Any]:
    """A list or dict with one entry for each output, in the order of the outputs.

    Args:
        argument: name of the argument, for messages.
        given: list or tuple of the outputs' length, or dict by output; what a dict lacks is
            ``None``.
        names: names of the outputs.
        what: what an entry is, for messages.

    Raises:
        ValueError: a wrong length, or a name that no output has.

    >>> aligned("loss", {"b": "mse"}, ["a", "b"], "loss")
    [None, 'mse']
    """
    if isinstance(given, Mapping):
        check_names(argument, given, names)
        return [given.get(name) for name in names]
    if len(given) != len(names):
        raise ValueError(
            f"{argument} is a list of {len(given)}, but the model has {len(names)} output"
            f"{'s' if len(names) > 1 else ''} ({listed(names)}). Give one {what} for each, or a "
            "dict by name."
        )
    return list(given)


def losses(given: Any, names: Sequence[str]) -> list[Any]:
    """The loss of each output as given, or ``None``; one for all if it is not nested."""
    if not is_nested(given):
        return [given] * len(names)
    return aligned("loss", given, names, "loss")


def loss_weights(given: Any, names: Sequence[str]) -> list[Any]:
    """The weight of each output's loss, 1.0 where none is given.

    Raises:
        TypeError: a weight is no number.
        ValueError: a wrong length or name.
    """
    if given is None:
        return [1.0] * len(names)
    if not is_nested(given):
        if len(names) > 1:
            raise ValueError(
                f"loss_weights is one number, {given!r}, but the model has {len(names)} outputs "
                f"({listed(names)}). Give a list, or a dict by name."
            )
        given = [given]
    found = aligned("loss_weights", given, names, "number")
    for weight in found:
        if weight is not None and not _is_number(weight):
            raise TypeError(f"loss_weights must hold numbers, got {weight!r}.")
    return [1.0 if weight is None else weight for weight in found]


def _is_number(value: Any) -> bool:
    if isinstance(value, Variable):
        return value.shape == ()
    return not isinstance(value, bool | str) and (
        isinstance(value, int | float) or getattr(value, "shape", None) == ()
    )


def metrics(
    argument: str, given: Any, names: Sequence[str], is_object: Callable[[Any], bool]
) -> list[list[Any]]:
    """The metrics of each output.

    A flat list counts for every output, a list with lists in it has one entry an output. Metrics
    that have a state cannot serve two outputs: a flat list of them has one for each.

    Args:
        argument: ``"metrics"`` or ``"weighted_metrics"``.
        given: what the user gave.
        names: names of the outputs.
        is_object: whether an entry has a state.

    Raises:
        ValueError: a wrong length or name, or one object for several outputs.

    >>> metrics("metrics", ["mae", "mse"], ["a", "b"], lambda entry: False)
    [['mae', 'mse'], ['mae', 'mse']]
    >>> metrics("metrics", ["mae", ["mse"]], ["a", "b"], lambda entry: False)
    [['mae'], ['mse']]
    """
    if given is None:
        return [[] for _ in names]
    if not is_nested(given):
        given = [given]
    if isinstance(given, Mapping):
        return [leaves(entry) for entry in aligned(argument, given, names, "entry")]
    if len(names) == 1:
        return [leaves(given)]
    if any(is_nested(entry) or entry is None for entry in given):
        return [leaves(entry) for entry in aligned(argument, given, names, "list of metrics")]
    if not any(is_object(entry) for entry in given):
        return [list(given) for _ in names]
    if len(given) != len(names):
        raise ValueError(
            f"{argument} holds metric objects, which keep the sums of one output, but does not "
            f"say for which of {listed(names)}. Give a dict by name, or a list of lists."
        )
    return [[entry] for entry in given]


def targets(
    given: Any, names: Sequence[str], wanted: Sequence[bool], method: str = "fit"
) -> list[Any]:
    """The targets of each output, ``None`` where there are none.

    Args:
        given: an array, a list or tuple of arrays, or a dict by output. A list may have one
            entry for each output, or one for each that has a loss.
        names: names of the outputs.
        wanted: which outputs have a loss.
        method: what the user called, for messages.

    Raises:
        ValueError: too many or too few, or a name that no output has.
    """
    count = len(names)
    if given is None:
        found: list[Any] = [None] * count
    elif isinstance(given, Mapping):
        check_names("y", given, names)
        found = [given.get(name) for name in names]
    elif isinstance(given, list | tuple):
        found = _spread(list(given), names, wanted, method)
    else:
        found = _spread([given], names, wanted, method)
    for name, target, needed in zip(names, found, wanted, strict=True):
        if needed and target is None:
            raise ValueError(
                f"{method}: there are no targets for output {name!r}, which has a loss. Give y"
                + (f" as a list or as a dict with the keys {listed(names)}." if count > 1 else ".")
            )
    return found


def _spread(
    given: list[Any], names: Sequence[str], wanted: Sequence[bool], method: str
) -> list[Any]:
    if len(given) == len(names):
        return given
    if len(given) == sum(wanted):
        rest = iter(given)
        return [next(rest) if needed else None for needed in wanted]
    outputs = f"{len(names)} output{'s' if len(names) > 1 else ''} ({listed(names)})"
    raise ValueError(
        f"{method}: y holds {len(given)} array{'s' if len(given) != 1 else ''}, but the model has "
        f"{outputs}. Give one array of targets for each, as a list or as a dict by name."
    )


def weights(given: Any, names: Sequence[str]) -> list[Any]:
    """The sample weights of each output, ``None`` where there are none.

    Args:
        given: ``None``; one array, which counts for all outputs; or a list or dict of arrays.
        names: names of the outputs.

    Raises:
        ValueError: a wrong length, or a name that no output has.
    """
    if given is None or not isinstance(given, list | tuple | Mapping):
        return [given] * len(names)
    return aligned("sample_weight", given, names, "array of weights")
