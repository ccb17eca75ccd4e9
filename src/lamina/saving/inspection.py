"""What is in a model file, told without building the model.

Configs are only read, never resolved, so that files with unknown classes can be looked into, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lamina.saving import archive, checkpoint_file, h5_file, limits, loading, releases, tensors
from lamina.saving.h5_checks import SIGNATURE, kind_of
from lamina.saving.weights import existing

_ASIDE = ("optimizer/", "optimizer_weights/")
_WIDTH = 60


@dataclass(frozen=True)
class Array:
    """An array of a file.

    Args:
        name: path in the file.
        shape: its shape.
        dtype: its dtype.
        bytes: what it takes when it is read.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int


@dataclass
class Contents:
    """What is in a file.

    Args:
        path: the file.
        format: in words.
        release: which release wrote it, in words.
        model: class and name of the model, if there is one.
        layers: depth, name and class of each layer.
        weights: the arrays of the model.
        training: how the model was compiled, or where the training was: pairs of words.
        optimizer: the arrays of the optimizer.
        others: further arrays.
    """

    path: str
    format: str
    release: str = "not stated"
    model: str | None = None
    layers: list[tuple[int, str, str]] = field(default_factory=list)
    weights: list[Array] = field(default_factory=list)
    training: list[tuple[str, str]] = field(default_factory=list)
    optimizer: list[Array] = field(default_factory=list)
    others: list[Array] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The text for a terminal; what the file says cannot hold control characters in it.

        >>> found = Contents("a.h5", "weights", weights=[Array("k", (2, 3), "float32", 24)])
        >>> print("; ".join(found.lines()))
        a.h5: weights; release: not stated; weights: 1 array, 6 numbers, 24 bytes;   k  (2, 3) ...
        """
        yield f"{self.path}: {self.format}"
        yield f"release: {printable(self.release)}"
        if self.model is not None:
            yield f"model: {printable(self.model)}, {_count(len(self.layers), 'layer')}"
        for depth, name, kind in self.layers:
            yield f"  {'  ' * depth}{printable(name)}  ({printable(kind)})"
        for word, value in self.training:
            yield f"{word}: {printable(value, 400)}"
        yield from _table("weights", self.weights)
        yield from _table("optimizer state", self.optimizer)
        yield from _table("other arrays", self.others)


def inspect(path: str | os.PathLike[str]) -> Contents:
    """Tell what is in a file: a whole model, weights, a checkpoint, a config.

    Args:
        path: the file; or a folder of checkpoints, of which the newest is taken.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, refused, or of no known format.

    >>> import tempfile
    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Sequential([Dense(3, input_shape=(2,))]).save(folder + "/model.keras")
    ...     [array.shape for array in inspect(folder + "/model.keras").weights]
    [(2, 3), (3,)]
    """
    if os.path.isdir(path):
        found = checkpoint_file.listed(path)
        path = found[0] if found else path
    name = existing(path)
    with open(name, "rb") as file:
        start = file.read(4096)
    if start.startswith(SIGNATURE):
        return _of_h5(name)
    if archive.is_archive(start):
        return _of_archive(name)
    if tensors.is_format(start):
        return _of_safetensors(name)
    if start.lstrip().startswith((b"{", b"[")):
        return _of_json(name)
    kind = f"begins with {kind_of(start)}" if start else "is empty"
    raise ValueError(
        f"{name} {kind}; it is neither HDF5 nor a .keras archive, safetensors or a JSON config."
    )


def _of_h5(path: str) -> Contents:
    with h5_file.opened(path) as root:
        if {"text", "data"} <= set(root.members) and "sum" in root.attribute_names():
            return _of_checkpoint(path)
        if root.text("model_config") is None:
            return _of_weights(path, root)
    with loading.opened_model(path) as whole:
        return _of_whole(path, "a whole model (HDF5)", whole)


def _of_archive(path: str) -> Contents:
    with archive.opened(path) as members:
        whole = {one.filename for one in members.infolist()} >= {archive.CONFIG, archive.METADATA}
        weights = None if whole else archive.member(members, archive.WEIGHTS, path)
    if weights is not None:
        with h5_file.opened(weights, f"{path}: {archive.WEIGHTS}") as root:
            return _of_weights(path, root)
    with loading.opened_model(path) as opened:
        return _of_whole(path, "a whole model (.keras archive)", opened)


def _of_whole(path: str, kind: str, whole: loading.Whole) -> Contents:
    found = Contents(path, kind, _release(whole.version, whole.config))
    found.model, found.layers = _model(whole.config), list(_layers(whole.config))
    found.training = list(_training(whole.training))
    return _with_arrays(found, whole.root)


def _of_weights(path: str, root: h5_file.Group) -> Contents:
    group = root.find("model_weights")
    inner = group if isinstance(group, h5_file.Group) else root
    version = root.text("keras_version") or inner.text("keras_version")
    return _with_arrays(Contents(path, "weights (HDF5)", _release(version, {})), root)


def _with_arrays(found: Contents, root: h5_file.Group) -> Contents:
    for path, array in sorted(root.datasets(), key=_natural):
        size = array.size * array.dtype.itemsize
        one = Array(path, array.shape, array.dtype.name, size)
        (found.optimizer if path.startswith(_ASIDE) else found.weights).append(one)
    return found


def _natural(entry: tuple[str, Any]) -> list[tuple[int, str]]:
    """Order of paths in which ``vars/2`` comes before ``vars/10``."""
    parts = entry[0].split("/")
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _of_safetensors(path: str) -> Contents:
    found = Contents(path, "weights (safetensors)")
    for name, shape, kind in tensors.listed(path):
        bits = int("".join(one for one in kind.partition("_")[0] if one.isdigit()) or 8)
        found.weights.append(Array(name, shape, kind.lower(), _size(shape) * bits // 8))
    return found


def _of_checkpoint(path: str) -> Contents:
    document, arrays = checkpoint_file.read(path)
    stated = document.get("model")
    stated = stated if isinstance(stated, Mapping) else {}
    found = Contents(path, f"a checkpoint of a training, version {document['version']}", "lamina")
    found.model = f"{stated.get('class_name')} {stated.get('name')!r}"
    found.training = [("epochs trained", str(document.get("epochs_trained")))]
    parts = {"weights": found.weights, "optimizer": found.optimizer}
    for name, array in arrays.items():
        kind = parts.get(name.split("/", maxsplit=1)[0], found.others)
        kind.append(Array(name, array.shape, array.dtype.name, array.nbytes))
    return found


def _of_json(path: str) -> Contents:
    with open(path, "rb") as file:
        parsed = limits.parse(file.read(limits.TEXT + 1), path)
    if not isinstance(parsed, Mapping) or "class_name" not in parsed:
        raise ValueError(f"{path} is JSON, but no config of a model: it has no 'class_name'.")
    found = Contents(path, "a config without weights (JSON)", _release(None, parsed))
    found.model, found.layers = _model(parsed), list(_layers(parsed))
    return found


def _release(version: str | None, config: Any) -> str:
    stated = config.get("keras_version") if isinstance(config, Mapping) else None
    if version is not None or isinstance(stated, str):
        return f"Keras {version or stated}"
    dialect = releases.dialect_of(config) if config else None
    return "not stated" if dialect is None else f"not stated; it looks like Keras {dialect}"


def _model(config: Any) -> str:
    if not isinstance(config, Mapping):
        return "of no known kind"
    inner = config.get("config")
    name = inner.get("name") if isinstance(inner, Mapping) else None
    return f"{config.get('class_name')}" + (f" {name!r}" if name is not None else "")


def _layers(config: Any, depth: int = 0) -> Iterator[tuple[int, str, str]]:
    """The layers of a model's config, those of models in it after it."""
    inner = config.get("config") if isinstance(config, Mapping) else None
    entries = inner.get("layers") if isinstance(inner, Mapping) else inner
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping):
            continue
        own = entry.get("config")
        own = own if isinstance(own, Mapping) else {}
        wrapped = own.get("layer")
        kind = str(entry.get("class_name"))
        if isinstance(wrapped, Mapping):
            kind += f" of {wrapped.get('class_name')}"
        yield depth, str(entry.get("name") or own.get("name") or "without a name"), kind
        yield from _layers(entry, depth + 1)


def _training(section: Any) -> Iterator[tuple[str, str]]:
    """How a model was compiled, as far as the file says it."""
    if not isinstance(section, Mapping):
        return
    named = section.get("optimizer_config", section.get("optimizer"))
    yield "optimizer", _word(named)
    for word in ("loss", "loss_weights", "metrics", "weighted_metrics", "sample_weight_mode"):
        if section.get(word):
            yield word, _word(section[word])


def _word(value: Any) -> str:
    """A value of a config in short: the name of an object, a list of names."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "function":
            return str(value.get("config"))
        if "class_name" in value:
            return str(value["class_name"])
        return ", ".join(f"{name}: {_word(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(_word(part) for part in value)
    return str(value)


def _table(title: str, arrays: Iterable[Array]) -> Iterator[str]:
    rows = list(arrays)
    if not rows:
        return
    numbers = sum(_size(row.shape) for row in rows)
    total = sum(row.bytes for row in rows)
    yield f"{title}: {_count(len(rows), 'array')}, {numbers:,} numbers, {total:,} bytes"
    names = [printable(row.name) for row in rows]
    width = max(map(len, names))
    shape = max(len(str(row.shape)) for row in rows)
    for name, row in zip(names, rows, strict=True):
        yield f"  {name:{width}}  {row.shape!s:{shape}}  {row.dtype} {row.bytes:,}"


def _size(shape: tuple[int, ...]) -> int:
    found = 1
    for size in shape:
        found *= size
    return found


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def printable(text: str, width: int = _WIDTH * 2) -> str:
    r"""A text of a file for a terminal: no control characters, and not endless.

    Args:
        text: the text.
        width: most characters.

    >>> printable("dense\x1b[2J")
    'dense\\x1b[2J'
    """
    found = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text[: width + 1])
    return found if len(found) <= width else f"{found[: width - 3]}..."
