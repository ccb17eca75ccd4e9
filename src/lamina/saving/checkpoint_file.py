"""The file of a checkpoint: one JSON text and numbered arrays in an HDF5 file, with checksums."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.saving import limits
from lamina.saving.atomic import replacing
from lamina.saving.h5_file import Dataset, opened
from lamina.typing import Config

FORMAT, VERSION = "lamina checkpoint", 1
PIECE = 1 << 22
"""Bytes that are written at a time, so that the training goes on in between."""


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

    table = []
    with replacing(path) as target, h5py.File(target, "w") as file:
        group = file.create_group("arrays")
        for number, (name, array) in enumerate(arrays.items()):
            raw = _as_bytes(np.asarray(array))
            _write_pieces(group.create_dataset(str(number), raw.shape, np.uint8), raw)
            table.append(
                {
                    "name": name,
                    "dtype": array.dtype.name,
                    "shape": list(array.shape),
                    "sum": zlib.crc32(raw.data),
                }
            )
        whole = {"format": FORMAT, "version": VERSION, **document, "arrays": table}
        text = json.dumps(whole, allow_nan=False).encode()
        file["text"] = np.frombuffer(text, np.uint8)
        file.attrs["sum"] = zlib.crc32(text)


def _as_bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _write_pieces(dataset: Any, raw: np.ndarray) -> None:
    for start in range(0, len(raw), PIECE):
        dataset[start : start + PIECE] = raw[start : start + PIECE]


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
            size = os.path.getsize(path)
            arrays = {
                entry["name"]: _array(path, entry, root.dataset(f"arrays/{number}"), size)
                for number, entry in enumerate(document.pop("arrays"))
            }
    except (FileNotFoundError, DamagedError):
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path} is no checkpoint, or damaged: {error}") from error
    return document, arrays


def _check_kind(path: Any, document: Any) -> None:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DamagedError(f"{path} is no checkpoint of lamina.")
    if document.get("version") != VERSION:
        raise DamagedError(
            f"{path} is a checkpoint of version {document.get('version')!r}; this release of "
            f"lamina reads version {VERSION}."
        )


def _array(path: Any, entry: Mapping[str, Any], stored: Dataset, most: int) -> np.ndarray:
    """One array of at most so many bytes, once they are those that were written."""
    name, shape = entry["name"], tuple(int(size) for size in entry["shape"])
    dtype = np.dtype(_dtype(entry["dtype"]))
    count = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if stored.dtype != np.uint8 or stored.shape != (count,) or not 0 <= count <= most:
        raise DamagedError(f"{path}: the array {name!r} has another size than its shape says.")
    raw = stored.read((count,))
    if zlib.crc32(raw.data) != entry["sum"]:
        raise DamagedError(f"{path}: the array {name!r} is not as it was written.")
    return raw.view(dtype).reshape(shape)


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
