"""50,000 pictures of 100 classes to train on and 10,000 to test on, 32x32 in colour."""

from __future__ import annotations

from typing import Literal

from lamina.datasets.arrays import Pair
from lamina.datasets.cifar import arranged, folder, read_batch

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
_HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: Literal["fine", "coarse"] = "fine") -> tuple[Pair, Pair]:
    """Load the pictures and their labels.

    Args:
        label_mode: ``"fine"`` for the 100 classes, ``"coarse"`` for their 20 groups.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: bytes; pictures of the shape
        ``(n, 32, 32, 3)``, or ``(n, 3, 32, 32)`` if ``keras.json`` asks for
        ``channels_first``, and labels of the shape ``(n, 1)``.

    Raises:
        FileNotFoundError: the files are not there and cannot be fetched.
        ValueError: another `label_mode`.

    >>> (x_train, y_train), (x_test, y_test) = load_data("coarse")  # doctest: +SKIP
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(
            f"cifar100.load_data: label_mode must be 'fine' or 'coarse', got {label_mode!r}."
        )
    batches = folder("cifar-100-python-target", "cifar-100-python", _ORIGIN, _HASH)
    x_train, y_train = read_batch(batches / "train", f"{label_mode}_labels")
    x_test, y_test = read_batch(batches / "test", f"{label_mode}_labels")
    return (arranged(x_train), y_train), (arranged(x_test), y_test)
