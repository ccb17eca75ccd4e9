"""60,000 pictures of clothing to train on and 10,000 to test on, 28x28 bytes each."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from lamina.datasets.arrays import ORIGIN, Pair
from lamina.utils.files import get_file

_FOLDER = "datasets/fashion-mnist"


def load_data() -> tuple[Pair, Pair]:
    """Load the pictures and their labels.

    The ten labels stand for: T-shirt or top, trouser, pullover, dress, coat, sandal, shirt,
    sneaker, bag, ankle boot.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: bytes of the shapes ``(60000, 28, 28)``,
        ``(60000,)``, ``(10000, 28, 28)`` and ``(10000,)``.

    Raises:
        FileNotFoundError: a file is not there and cannot be fetched.

    >>> (x_train, y_train), (x_test, y_test) = load_data()  # doctest: +SKIP
    """
    return _part("train"), _part("t10k")


def _part(name: str) -> Pair:
    labels = _fetched(f"{name}-labels-idx1-ubyte.gz", rank=1)
    images = _fetched(f"{name}-images-idx3-ubyte.gz", rank=3)
    return images, labels


def _fetched(name: str, rank: int) -> np.ndarray:
    return read_idx(get_file(name, ORIGIN + name, cache_subdir=_FOLDER), rank)


def read_idx(path: str | Path, rank: int) -> np.ndarray:
    """Read a compressed array of bytes in the format IDX.

    The header is two zeros, 8 for bytes, the rank, and each size in four bytes, the most
    significant first (the format of the MNIST files).

    Raises:
        ValueError: another header, or not as many bytes as it says.
    """
    try:
        data = gzip.decompress(Path(path).read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{path} cannot be unpacked ({error}). Delete it, and it is fetched again."
        ) from error
    start = 4 + 4 * rank
    shape = tuple(np.frombuffer(data[4:start], ">u4").tolist())
    if data[:4] != bytes([0, 0, 8, rank]) or len(data) != start + math.prod(shape):
        raise ValueError(f"{path} is no IDX file of bytes with {rank} axes. Delete it.")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()
