"""60,000 handwritten digits to train on and 10,000 to test on, 28x28 bytes each."""

from __future__ import annotations

from lamina.datasets.arrays import ORIGIN, Pair, read_npz
from lamina.utils.files import get_file

_HASHES = (
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    "8a61469f7ea1b51cbae51d4f78837e45",
)


def load_data(path: str = "mnist.npz") -> tuple[Pair, Pair]:
    """Load the images and their digits.

    Args:
        path: name of the file in the cache's folder ``datasets``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: bytes of the shapes ``(60000, 28, 28)``,
        ``(60000,)``, ``(10000, 28, 28)`` and ``(10000,)``.

    Raises:
        FileNotFoundError: the file is not there and cannot be fetched.

    >>> (x_train, y_train), (x_test, y_test) = load_data()  # doctest: +SKIP
    """
    file = get_file(path, ORIGIN + "mnist.npz", file_hash=_HASHES)
    x_train, y_train, x_test, y_test = read_npz(file, "x_train", "y_train", "x_test", "y_test")
    return (x_train, y_train), (x_test, y_test)
