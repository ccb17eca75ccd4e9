"""Weights of classes, turned into weights of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import jax
import numpy as np

from lamina import config
from lamina.registry import did_you_mean
from lamina.training.data.rows import LazyRows
from lamina.typing import Nested


def weigh(
    y: Nested,
    sample_weight: Nested,
    class_weight: Mapping[Any, Any],
    where: str,
    names: Sequence[str] | None = None,
) -> Nested:
    """Weights of the rows from weights of their classes, times `sample_weight`.

    Args:
        y: classes as ints ``(rows,)`` or ``(rows, 1)``, or one-hot ``(rows, classes)``; or a list
            or dict of such arrays.
        sample_weight: ``None``, an array, or a list or dict like `y`.
        class_weight: class to weight; classes left out weigh 1. With several outputs, output
            to such a dict; outputs left out are not weighed.
        where: who asks, for the messages.
        names: names of the outputs, when `y` is a list.

    Raises:
        ValueError: a class that cannot be, a weight that is no finite number, or targets that
            are no classes.

    >>> weigh(np.array([0, 2, 1]), None, {2: 5.0}, "fit")
    array([1., 5., 1.], dtype=float32)
    """
    if y is None:
        raise ValueError(f"{where}: class_weight needs targets, and there are none.")
    if not isinstance(class_weight, Mapping):
        raise TypeError(
            f"{where}: class_weight must be a dict of class to weight, got "
            f"{type(class_weight).__name__}."
        )
    if not isinstance(y, list | dict):
        table = _checked_table(class_weight, f"{where}: class_weight")
        return _weigh_one(y, sample_weight, table, f"{where}: class_weight", "y")
    return _weigh_several(y, sample_weight, class_weight, where, names)


def _weigh_several(
    y: list[Any] | dict[Any, Any],
    sample_weight: Nested,
    class_weight: Mapping[Any, Any],
    where: str,
    names: Sequence[str] | None,
) -> Nested:
    keys = list(y) if isinstance(y, dict) else list(names or range(len(y)))
    if not all(isinstance(value, Mapping) for value in class_weight.values()):
        raise ValueError(
            f"{where}: class_weight with several outputs must be a dict of output to a dict of "
            f"class to weight; the outputs are {keys}."
        )
    for key in class_weight:
        if key not in keys:
            hint = did_you_mean(str(key), [str(known) for known in keys])
            raise ValueError(
                f"{where}: class_weight names the output {key!r}; the outputs are {keys}.{hint}"
            )
    weighed = {}
    for place, key in zip(y if isinstance(y, dict) else range(len(y)), keys, strict=True):
        before = _part(sample_weight, place, key)
        if key in class_weight and class_weight[key] is not None:
            name = f"{where}: class_weight[{key!r}]"
            table = _checked_table(class_weight[key], name)
            weighed[place] = _weigh_one(y[place], before, table, name, f"y[{place!r}]")
        else:
            weighed[place] = before
    return weighed if isinstance(y, dict) else list(weighed.values())


def _part(sample_weight: Nested, place: Any, key: Any) -> Any:
    if isinstance(sample_weight, dict):
        return sample_weight.get(key)
    return sample_weight[place] if isinstance(sample_weight, list) else sample_weight


def _checked_table(class_weight: Mapping[Any, Any], name: str) -> dict[int, float]:
    table = {}
    for key, value in class_weight.items():
        whole = isinstance(key, Real) and float(key).is_integer()
        if not whole or key < 0:
            raise ValueError(f"{name}: classes are ints from 0 on, got the key {key!r}.")
        if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(float(value)):
            raise ValueError(f"{name}[{key!r}] must be a finite number, got {value!r}.")
        table[int(float(key))] = float(value)
    return table


def _weigh_one(
    y: Any, sample_weight: Any, table: dict[int, float], name: str, target: str
) -> np.ndarray:
    labels = _labels(y, table, name, target)
    known = np.asarray(sorted(table), np.int64)
    factors = np.asarray([table[int(key)] for key in known] + [1.0], config.floatx())
    at = np.searchsorted(known, labels)
    found = (at < len(known)) & (np.append(known, -1)[at] == labels)
    weights = factors[np.where(found, at, len(known))]
    if sample_weight is None:
        return weights
    before = _host(sample_weight).astype("float64")
    return (before * weights.reshape(-1, *[1] * (before.ndim - 1))).astype(config.floatx())


def _host(value: Any) -> np.ndarray:
    if isinstance(value, LazyRows):
        return value.read()
    return np.asarray(value) if isinstance(value, jax.Array) else value


def _labels(y: Any, table: dict[int, float], name: str, target: str) -> np.ndarray:
    if len(y.shape) > 2:
        raise ValueError(
            f"{name} needs one class per row, but {target} has shape {tuple(y.shape)}; pass "
            "sample_weight with a weight for each entry instead."
        )
    y = _host(y)
    if y.ndim == 2 and y.shape[1] > 1:
        return _from_one_hot(y, table, name, target)
    flat = y.reshape(-1)
    with np.errstate(invalid="ignore"):  # NaN is no class: found below
        labels = flat.astype(np.int64)
    wrong = np.flatnonzero(labels.astype(flat.dtype) != flat)
    if wrong.size:
        raise ValueError(
            f"{name} needs classes, but {target} holds {flat[wrong[0]]} in row {wrong[0]}."
        )
    return labels


def _from_one_hot(y: np.ndarray, table: dict[int, float], name: str, target: str) -> np.ndarray:
    for key in table:
        if key >= y.shape[1]:
            raise ValueError(
                f"{name} has the class {key}, but {target} has {y.shape[1]} classes (0 to "
                f"{y.shape[1] - 1})."
            )
    peaks = (y == y.max(axis=1, keepdims=True)).sum(axis=1)
    wrong = np.flatnonzero(peaks != 1)
    if wrong.size:
        raise ValueError(
            f"{name} needs one class per row, but row {wrong[0]} of {target} has {peaks[wrong[0]]} "
            "equal largest entries; pass sample_weight instead."
        )
    return y.argmax(axis=1)
