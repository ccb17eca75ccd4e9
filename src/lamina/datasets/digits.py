"""1,797 handwritten digits of 8x8 pixels, which come with the package.

They are the test set of the UCI data set "Optical Recognition of Handwritten Digits" by
E. Alpaydin and C. Kaynak (1998, doi 10.24432/C50P49), licensed under CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path

from lamina.datasets.arrays import Pair, divide, read_npz

_FILE = Path(__file__).parent / "data" / "digits.npz"


def load_data(test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """Load the images and their digits.

    Args:
        test_split: the part to test on, from 0 to below 1.
        seed: of the order.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: bytes; images of the shape ``(n, 8, 8)`` with
        pixels from 0 to 16, and labels of the shape ``(n,)``.

    Raises:
        ValueError: a wrong `test_split`.

    >>> (x_train, y_train), (x_test, y_test) = load_data()
    >>> x_train.shape, y_test.shape
    ((1437, 8, 8), (360,))
    """
    x, y = read_npz(_FILE, "x", "y")
    return divide(x, y, test_split, seed)
