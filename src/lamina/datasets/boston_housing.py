"""Prices of houses in 506 places around Boston in the 1970s, and 13 numbers about each.

The data set is kept for old scripts. One of its columns is built on the share of Black
inhabitants; `california_housing` is the better choice for anything new.
"""

from __future__ import annotations

from lamina.datasets.arrays import ORIGIN, Pair, check_split, divide, read_npz
from lamina.utils.files import get_file

_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Pair, Pair]:
    """Load the numbers and the prices, in thousands of dollars.

    Args:
        path: name of the file in the cache's folder ``datasets``.
        test_split: the part to test on, from 0 to below 1.
        seed: of the order.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``; `x` has the shape ``(n, 13)``.

    Raises:
        FileNotFoundError: the file is not there and cannot be fetched.
        ValueError: a wrong `test_split`.

    >>> (x_train, y_train), (x_test, y_test) = load_data()  # doctest: +SKIP
    """
    check_split(test_split)
    file = get_file(path, ORIGIN + "boston_housing.npz", file_hash=_HASH)
    x, y = read_npz(file, "x", "y")
    return divide(x, y, test_split, seed)
