"""Reading npz files, without unpickling, and dividing what they hold."""

from __future__ import annotations

import io
import os
import zipfile
from typing import Any

import numpy as np

from lamina.datasets.pickles import read_pickle

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
Pair = tuple[Any, Any]
"""Inputs and labels."""


def read_npz(path: str | os.PathLike[str], *names: str) -> list[np.ndarray]:
    """The named arrays of an npz file; arrays of objects are lists of integers.

    Args:
        path: the file.
        names: which arrays.

    Raises:
        ValueError: the file is no npz file, lacks one of them, or holds something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [_read_npy(archive.read(f"{name}.npy")) for name in names]
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ValueError(
            f"{os.fspath(path)} is not the expected npz file with the arrays "
            f"{', '.join(names)} ({error}). Delete it, and it is fetched again."
        ) from error


def _read_npy(data: bytes) -> np.ndarray:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    if not dtype.hasobject:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    values = read_pickle(stream.read())
    if not isinstance(values, np.ndarray) or values.shape != shape:
        raise ValueError(f"The file holds no array of the shape {shape} that its header gives.")
    return values


def divide(x: Any, y: Any, test_split: float, seed: int) -> tuple[Pair, Pair]:
    """Shuffle with a seed, and divide into what to train on and what to test on.

    The order is that of Keras: a permutation by NumPy's ``RandomState``.

    >>> divide(np.arange(5), np.arange(5), 0.4, seed=113)[1][0].shape
    (2,)
    """
    check_split(test_split)
    order = permutation(len(x), seed)
    x, y = x[order], y[order]
    count = int(len(x) * (1 - test_split))
    return (x[:count], y[:count]), (x[count:], y[count:])


def check_split(test_split: float) -> None:
    """Raise a ``ValueError`` for a part that is not from 0 to below 1."""
    if not 0 <= test_split < 1:
        raise ValueError(f"load_data: test_split must be from 0 to below 1, got {test_split!r}.")


def permutation(count: int, seed: int) -> np.ndarray:
    """The numbers below `count` in the order in which Keras shuffles them."""
    order = np.arange(count)
    np.random.RandomState(seed).shuffle(order)
    return order
