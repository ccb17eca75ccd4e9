"""Writing HDF5 the way all releases of Keras read it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np

LIMIT = 64512
"""Bytes of the longest attribute that fits into the header of a group."""


@contextlib.contextmanager
def written(file: IO[bytes]) -> Iterator[Any]:
    """Fill an open binary file with HDF5.

    Args:
        file: open for writing and reading.

    Yields:
        The root group of ``h5py``.

    Raises:
        OSError: the disk is full, or the file cannot be written for another reason.

    >>> import io
    >>> buffer = io.BytesIO()
    >>> with written(buffer) as root:
    ...     put_array(root, "a/b", np.zeros(2))
    >>> buffer.getvalue()[1:4]
    b'HDF'
    """
    import h5py

    with h5py.File(file, "w") as root:
        yield root
        root.flush()


def put_texts(group: Any, name: str, texts: Sequence[str]) -> None:
    """Write a list of texts as an attribute, split into ``name0``, ``name1``, ... if it is long.

    Args:
        group: of ``h5py``.
        name: of the attribute.
        texts: the list.

    Raises:
        ValueError: a single text is too long.
    """
    raw = [text.encode("utf-8") for text in texts]
    for text in raw:
        if len(text) > LIMIT:
            raise ValueError(
                f"The name {text[:60].decode('utf-8', 'replace')!r}... has {len(text)} bytes; HDF5 "
                f"files hold names of at most {LIMIT} bytes."
            )
    array = np.array(raw, dtype="S") if raw else np.zeros(0, "S1")
    count = 1
    parts = [array]
    while any(part.nbytes > LIMIT for part in parts):
        count += 1
        parts = np.array_split(array, count)
    for number, part in enumerate(parts):
        group.attrs[name if count == 1 else f"{name}{number}"] = part


def put_array(group: Any, path: str, array: Any) -> None:
    """Write an array; bfloat16 as Keras 3 does.

    Args:
        group: of ``h5py``.
        path: place in the group; groups on the way are made.
        array: the values.
    """
    values = np.asarray(array)
    dataset = group.create_dataset(path, data=values)
    if values.dtype.name == "bfloat16":
        dataset.attrs["dtype"] = "bfloat16"


def put_text(group: Any, name: str, text: str) -> None:
    """Write a text as an attribute; it may be of any length.

    Args:
        group: of ``h5py``.
        name: of the attribute.
        text: the text.
    """
    group.attrs[name] = text.encode("utf-8")
