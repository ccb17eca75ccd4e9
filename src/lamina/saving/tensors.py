"""Weights as safetensors: one array for each path of a weight."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from lamina.core.layer import Layer
from lamina.saving.h5_checks import refused
from lamina.saving.legacy_weights import layers_of, unique_names
from lamina.saving.stored import Found, Part, Stored

if TYPE_CHECKING:
    from lamina.core.variable import Variable

_LONGEST_HEADER = 100_000_000
_NUMBERS = ("F", "BF", "I", "U", "BOOL")


def library() -> Any:
    """The package ``safetensors``.

    Raises:
        ImportError: it is not installed; the message says how to get it.
    """
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "Files of safetensors need the package safetensors: pip install 'lamina[safetensors]'."
        ) from error
    return safetensors


def is_format(start: bytes) -> bool:
    """Whether the first bytes of a file are those of safetensors: a length, then JSON.

    Args:
        start: at least nine bytes.

    >>> is_format((16).to_bytes(8, "little") + b"{")
    True
    """
    if len(start) < 9 or start[8:9] != b"{":
        return False
    return 2 <= int.from_bytes(start[:8], "little") <= _LONGEST_HEADER


def named(owner: Layer) -> dict[str, tuple[Layer, Variable]]:
    """Name of each weight in the file, with the layer at the top of the model that has it.

    Args:
        owner: the model.

    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> list(named(Sequential([Dense(3, input_shape=(2,), name="out")])))
    ['out/kernel', 'out/bias']
    """
    pairs = []
    for layer in [*layers_of(owner), owner]:
        known = {id(variable) for _, variable in pairs}
        pairs += [(layer, v) for v in layer.weights if id(v) not in known]
    names = unique_names([variable.path for _, variable in pairs])
    return dict(zip(names, pairs, strict=True))


def write(file: IO[bytes], owner: Layer) -> None:
    """Write all weights of a model.

    Args:
        file: open for writing.
        owner: the model.
    """
    arrays = {
        name: np.ascontiguousarray(variable.numpy()) for name, (_, variable) in named(owner).items()
    }
    order = {"format": "lamina", "order": json.dumps(list(arrays))}
    file.write(library().numpy.save(arrays, metadata=order))


class Tensor:
    """An array of an open file.

    Args:
        file: of ``safetensors``.
        name: of the array.
        path: of the file.
    """

    def __init__(self, file: Any, name: str, path: str) -> None:
        found = file.get_slice(name)
        self._file, self._name = file, name
        self.place = f"{path}: {name}"
        self.shape = tuple(int(size) for size in found.get_shape())
        kind = str(found.get_dtype())
        if not kind.startswith(_NUMBERS) or kind.startswith("F8"):
            raise refused(self.place, f"holds numbers of the type {kind}, which are not read")

    def read(self) -> np.ndarray:
        """The values."""
        return np.asarray(self._file.get_tensor(self._name))


@contextlib.contextmanager
def found(path: str, owner: Layer, by_name: bool = False) -> Iterator[Found]:
    """What a file has for a model.

    The names decide. Where none of the model's layers has its name in the file and the file
    says in which order they were, as those of lamina do, the order decides.

    Args:
        path: the file.
        owner: the model.
        by_name: whether layers that the file does not have are left out.

    Raises:
        ValueError: the file is damaged.
    """
    with _opened(path) as file:
        arrays: dict[str, Stored] = {name: Tensor(file, name, path) for name in file.keys()}  # noqa: SIM118
        yield _matched(owner, arrays, _order(file.metadata(), arrays), by_name)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    package = library()
    try:
        file = package.safe_open(path, framework="numpy")
    except package.SafetensorError as error:
        raise ValueError(f"{path} is a file of safetensors that is damaged ({error}).") from error
    with file:
        yield file


def listed(path: str) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and type of all arrays of a file, of which no values are read.

    Args:
        path: the file.

    Raises:
        ValueError: the file is damaged.
    """
    found = []
    with _opened(path) as file:
        for name in file.keys():  # noqa: SIM118
            array = file.get_slice(name)
            found.append((name, tuple(array.get_shape()), str(array.get_dtype())))
    return found


def _order(metadata: Any, arrays: dict[str, Stored]) -> list[str]:
    """Names in the order of the model that was written, if the file says it."""
    try:
        order = json.loads((metadata or {}).get("order", "[]"))
    except (ValueError, RecursionError):
        return []
    known = isinstance(order, list) and all(isinstance(name, str) for name in order)
    return order if known and sorted(order) == sorted(arrays) else []


def _matched(owner: Layer, arrays: dict[str, Stored], order: list[str], by_name: bool) -> Found:
    wanted = named(owner)
    places = {name: name for name in wanted}
    if not by_name and not set(wanted) & set(arrays) and len(order) == len(wanted):
        places = dict(zip(wanted, order, strict=True))
    parts: dict[int, Part] = {}
    for name, (layer, variable) in wanted.items():
        part = parts.setdefault(id(layer), Part(f"layer {layer.name!r}"))
        if places[name] in arrays:
            part.pairs.append((variable, arrays[places[name]]))
        else:
            part.problem = f"the file has no array {name!r}"
    used = {id(array) for part in parts.values() for _, array in part.pairs}
    kept = [part for part in parts.values() if part.pairs or not by_name]
    return Found(kept, [name for name, array in arrays.items() if id(array) not in used])
