"""Prices of houses in 20,640 places in California in 1990, and eight numbers about each."""

from __future__ import annotations

from typing import Literal

from lamina.datasets.arrays import ORIGIN, Pair, check_split, divide, read_npz
from lamina.utils.files import get_file

_HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
_SMALL = 600


def load_data(
    version: Literal["large", "small"] = "large",
    path: str = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
) -> tuple[Pair, Pair]:
    """Load the numbers and the prices, in dollars.

    Args:
        version: ``"large"`` for all places, ``"small"`` for the first 600, around San Francisco.
        path: name of the file in the cache's folder ``datasets``.
        test_split: the part to test on, from 0 to below 1.
        seed: of the order.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``; `x` has the shape ``(n, 8)``.

    Raises:
        FileNotFoundError: the file is not there and cannot be fetched.
        ValueError: another `version`, or a wrong `test_split`.

    >>> (x_train, y_train), (x_test, y_test) = load_data("small")  # doctest: +SKIP
    """
    if version not in ("large", "small"):
        raise ValueError(
            f"california_housing.load_data: version must be 'large' or 'small', got {version!r}."
        )
    check_split(test_split)
    file = get_file(path, ORIGIN + "california_housing.npz", file_hash=_HASH)
    x, y = read_npz(file, "x", "y")
    count = _SMALL if version == "small" else len(x)
    return divide(x[:count], y[:count], test_split, seed)
