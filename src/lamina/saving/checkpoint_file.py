"""The file of a checkpoint: a JSON text, and the bytes of all arrays, in an HDF5 file."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.saving import limits
from lamina.saving.atomic import replacing
from lamina.saving.h5_file import Group, opened
from lamina.typing import Config

FORMAT, VERSION = "lamina checkpoint", 1
PIECE = 1 << 22
"""Bytes that are written at a time, so that the training goes on in between."""

ALIGNMENT = 64
"""Arrays begin at multiples of this."""


class DamagedError(ValueError):
    """A checkpoint cannot be read: cut off, changed, or of another kind."""


def write(
    path: str | os.PathLike[str], document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Write a checkpoint; a crash leaves the file that was there, or none.

    Args:
        path: where to; a file that is there is replaced.
        document: what is no array, as JSON.
        arrays: arrays by name.
    """
    import h5py

    table, raws = [], [_as_bytes(np.asarray(array)) for array in arrays.values()]
    for (name, array), raw in zip(arrays.items(), raws, strict=True):
        kind = {"dtype": array.dtype.name, "shape": list(array.shape)}
        table.append({"name": name, **kind, "sum": zlib.crc32(raw.data)})
    whole = {"format": FORMAT, "version": VERSION, **document, "arrays": table}
    text = json.dumps(whole, allow_nan=False).encode()
    with replacing(path) as target, h5py.File(target, "w") as file:
        file["text"] = np.frombuffer(text, np.uint8)
        file.attrs["sum"] = zlib.crc32(text)
        data = file.create_dataset("data", (sum(map(_room, raws)),), np.uint8)
        place = 0
        for piece in _pieces(raws):
            data[place : place + len(piece)] = piece
            place += len(piece)


def _as_bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _room(raw: np.ndarray) -> int:
    """Bytes that an array takes: the next one begins at a multiple of `ALIGNMENT`."""
    return -(-raw.size // ALIGNMENT) * ALIGNMENT


def _pieces(raws: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """All arrays one after another, in pieces of about the same size."""
    waiting: list[np.ndarray] = []
    count = 0
    for raw in raws:
        for part in [*np.split(raw, range(PIECE, raw.size, PIECE)), _gap(raw)]:
            waiting.append(part)
            count += part.size
            if count >= PIECE:
                yield np.concatenate(waiting)
                waiting, count = [], 0
    if count:
        yield np.concatenate(waiting)


def _gap(raw: np.ndarray) -> np.ndarray:
    return np.zeros(_room(raw) - raw.size, np.uint8)


def read(path: str | os.PathLike[str]) -> tuple[Config, dict[str, np.ndarray]]:
    """The document and the arrays of a checkpoint.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedError: it is no checkpoint, or not as it was written.
    """
    try:
        with opened(path) as root:
            text = root.dataset("text").read().tobytes()
            if zlib.crc32(text) != root.attribute("sum"):
                raise DamagedError(f"{path}: its text is not as it was written.")
            document = limits.parse(text, os.fspath(path))
            _check_kind(path, document)
            data = root.dataset("data")
            if data.dtype != np.uint8 or data.size > os.path.getsize(path):
                raise DamagedError(f"{path}: its array of data is not one that was written.")
            arrays = _arrays(path, document.pop("arrays"), data.read())
    except (FileNotFoundError, DamagedError):
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path} is no checkpoint, or damaged: {error}") from error
    return document, arrays


def hint(root: Group) -> str:
    """What an error says further of a file that is a checkpoint, and nothing of others.

    Args:
        root: of an HDF5 file.
    """
    if set(root.members) != {"text", "data"} or "sum" not in root.attribute_names():
        return ""
    return (
        " It is a checkpoint of a training: make and compile the model, then call load_checkpoint."
    )


def _check_kind(path: Any, document: Any) -> None:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DamagedError(f"{path} is no checkpoint of lamina.")
    if document.get("version") != VERSION:
        raise DamagedError(
            f"{path} is a checkpoint of version {document.get('version')!r}; this release of "
            f"lamina reads version {VERSION}."
        )


def _arrays(path: Any, table: Any, data: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays, each once its bytes are those that were written."""
    found: dict[str, np.ndarray] = {}
    place = 0
    for entry in table:
        name, shape = entry["name"], tuple(int(size) for size in entry["shape"])
        dtype = np.dtype(_dtype(entry["dtype"]))
        count = int(np.prod(shape, dtype=object)) * dtype.itemsize
        raw = data[place : place + max(count, 0)]
        if raw.size != count or min(shape, default=0) < 0:
            raise DamagedError(f"{path}: the array {name!r} is larger than the file.")
        if zlib.crc32(raw.data) != entry["sum"]:
            raise DamagedError(f"{path}: the array {name!r} is not as it was written.")
        found[name] = raw.view(dtype).reshape(shape)
        place += _room(raw)
    return found


def _dtype(name: str) -> Any:
    known = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
    known += ("float16", "float32", "float64", "complex64", "complex128")
    if name in known:
        return name
    if name in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"):
        return getattr(jnp, name)
    raise ValueError(f"unknown dtype {name!r}")


PREFIX, SUFFIX = "checkpoint-", ".h5"


def name_of(number: int) -> str:
    """Name of the checkpoint of that number in its folder; numbers grow from one to the next.

    >>> name_of(42)
    'checkpoint-00000042.h5'
    """
    return f"{PREFIX}{number:08d}{SUFFIX}"


def listed(folder: str | os.PathLike[str]) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    found = Path(folder).glob(f"{PREFIX}*{SUFFIX}")
    numbered = [path for path in found if path.stem.removeprefix(PREFIX).isdigit()]
    return sorted(numbered, key=number_of, reverse=True)


def number_of(path: Path) -> int:
    """The number in the name of a checkpoint."""
    return int(path.stem.removeprefix(PREFIX))
