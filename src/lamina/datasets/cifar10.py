"""50,000 pictures of ten classes to train on and 10,000 to test on, 32x32 in colour."""

from __future__ import annotations

import numpy as np

from lamina.datasets.arrays import Pair
from lamina.datasets.cifar import arranged, folder, read_batch

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data() -> tuple[Pair, Pair]:
    """Load the pictures and their labels.

    The labels stand for: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: bytes; pictures of the shape
        ``(n, 32, 32, 3)``, or ``(n, 3, 32, 32)`` if ``keras.json`` asks for
        ``channels_first``, and labels of the shape ``(n, 1)``.

    Raises:
        FileNotFoundError: the files are not there and cannot be fetched.

    >>> (x_train, y_train), (x_test, y_test) = load_data()  # doctest: +SKIP
    """
    batches = folder("cifar-10-batches-py-target", "cifar-10-batches-py", _ORIGIN, _HASH)
    parts = [read_batch(batches / f"data_batch_{number}", "labels") for number in range(1, 6)]
    pictures, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    x_test, y_test = read_batch(batches / "test_batch", "labels")
    return (arranged(pictures), labels), (arranged(x_test), y_test)
