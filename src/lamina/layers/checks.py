"""Checks of arguments: each names the layer, the argument, what was expected and what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

import numpy as np

from lamina import config, registry
from lamina.typing import DataFormat, Shape

Word = TypeVar("Word", bound=str)


def is_int(value: Any) -> bool:
    """Whether a value is a whole number, and no bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def flag(value: Any, argument: str, layer: Any) -> bool:
    """True or False, or 1 or 0 for them, or a ``ValueError``: a word such as "no" is true."""
    if isinstance(value, bool | np.bool_) or (is_int(value) and value in (0, 1)):
        return bool(value)
    raise ValueError(f"{layer}: {argument} must be True or False, got {value!r}.")


def as_given(value: Any) -> Any:
    """An int, or a list or tuple of ints, as configs hold it: a list stays one, as in Keras."""
    if is_int(value):
        return int(value)
    ints = [int(one) for one in value]
    return ints if isinstance(value, list) else tuple(ints)


def positive(value: Any, argument: str, layer: Any) -> int:
    """A positive int, or a ``ValueError``."""
    if not is_int(value) or value <= 0:
        raise ValueError(f"{layer}: {argument} must be a positive int, got {value!r}.")
    return int(value)


def fraction(value: Any, argument: str, layer: Any) -> float:
    """A number from 0 to 1, or a ``ValueError``."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise ValueError(f"{layer}: {argument} must be a number from 0 to 1, got {value!r}.")
    return float(value)


def per_axis(value: Any, rank: int, argument: str, layer: Any, least: int = 1) -> tuple[int, ...]:
    """A positive int for each of `rank` axes, from one int or a sequence of them."""
    if is_int(value) and value >= least:
        return (int(value),) * rank
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        sizes = tuple(value)
        if len(sizes) == rank and all(is_int(size) and size >= least for size in sizes):
            return tuple(int(size) for size in sizes)
    kind = "a positive int" if least == 1 else f"an int of {least} or more"
    raise ValueError(f"{layer}: {argument} must be {kind} or {rank} of them, got {value!r}.")


def one_of(value: Any, words: Any, argument: str, layer: Any) -> Any:
    """One of the words of a ``Literal``; capital letters do not matter."""
    allowed = get_args(words)
    if isinstance(value, str) and value.lower() in allowed:
        return value.lower()
    hint = registry.did_you_mean(value, list(allowed)) if isinstance(value, str) else ""
    stated = " or ".join(repr(word) for word in allowed)
    raise ValueError(f"{layer}: {argument} must be {stated}, got {value!r}.{hint}")


def data_format(value: Any, layer: Any) -> DataFormat:
    """The stated data format, or that of ``keras.json``."""
    if value is None:
        return config.image_data_format()
    return one_of(value, DataFormat, "data_format", layer)


def divides(value: Any, total: int, argument: str, of: str, layer: Any) -> int:
    """A positive int that divides another one."""
    number = positive(value, argument, layer)
    if total % number:
        raise ValueError(f"{layer}: {argument} must divide {of}, got {number} and {total}.")
    return number


def known_size(shape: Shape, axis: int, layer: Any) -> int:
    """The size of an axis on which weights depend.

    Raises:
        ValueError: the input has too few axes, or the size is not known.
    """
    if len(shape) < 2 or not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"{layer}: expected an input of at least rank 2, batch included, got shape {shape}."
        )
    size = shape[axis]
    if size is None:
        raise ValueError(
            f"{layer}: the size of axis {axis} of the input must be known, because weights depend "
            f"on it, got shape {shape}. State it in the Input or in input_shape."
        )
    return int(size)


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and no bool."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return bool(number and np.isfinite(value))


def number(value: Any, argument: str, layer: Any) -> float:
    """A finite number, or a ``ValueError``."""
    if not is_number(value):
        raise ValueError(f"{layer}: {argument} must be a number, got {value!r}.")
    return float(value)


def not_negative(value: Any, argument: str, layer: Any) -> float:
    """A number of 0 or more, or a ``ValueError``."""
    if not is_number(value) or value < 0:
        raise ValueError(f"{layer}: {argument} must be a number of 0 or more, got {value!r}.")
    return float(value)


def seed(value: Any, layer: Any) -> int | None:
    """A seed of an object's own, or ``None``."""
    if value is not None and not (is_int(value) and 0 <= value < 2**32):
        raise ValueError(
            f"{layer}: seed must be an int from 0 to 2**32 - 1 or None, got {value!r}."
        )
    return None if value is None else int(value)


def below_one(value: Any, argument: str, layer: Any) -> float:
    """A number from 0 to less than 1, or a ``ValueError``."""
    if not is_number(value) or not 0 <= value < 1:
        raise ValueError(
            f"{layer}: {argument} must be a number from 0 to less than 1, got {value!r}."
        )
    return float(value)


def pairs(value: Any, rank: int, argument: str, layer: Any) -> tuple[tuple[int, int], ...]:
    """What happens before and after each of `rank` axes.

    Taken are one int for all, one for each axis, a pair for each axis, and over one axis a
    pair.
    """
    given = (value,) * rank if is_int(value) else value
    given = tuple(given) if isinstance(given, list | tuple) else ()
    if rank == 1 and len(given) == 2:
        given = (given,)
    found: Any = tuple((one, one) if is_int(one) else one for one in given)
    good = len(found) == rank and all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(is_int(size) and size >= 0 for size in pair)
        for pair in found
    )
    if not good:
        shape = "a pair" if rank == 1 else f"{rank} ints or {rank} pairs"
        raise ValueError(
            f"{layer}: {argument} must be an int of 0 or more or {shape} of them, got {value!r}."
        )
    return tuple((int(before), int(after)) for before, after in found)
