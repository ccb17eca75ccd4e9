"""25,000 film reviews to train on and 25,000 to test on, as lists of word numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.datasets.arrays import ORIGIN, Pair, read_npz
from lamina.datasets.sequences import (
    WordOptions,
    hide,
    keep_short,
    largest,
    read_word_index,
    shift,
    words_argument,
)
from lamina.utils.files import get_file

# The file of Keras 3, and that of Keras 2, which holds the same reviews.
_HASHES = (
    "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
    "599dadb1135973df5b59232a0e9a887c",
)
_INDEX_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[Pair, Pair]:
    """Load the reviews; the label is 1 for praise and 0 for the contrary.

    Args:
        path: name of the file in the cache's folder ``datasets``.
        num_words: numbers from here on count as unknown (rare words have large numbers).
        skip_top: so do numbers below this.
        maxlen: only reviews shorter than this are kept.
        seed: of the order.
        start_char: number put before each review, or ``None``.
        oov_char: number of an unknown word; ``None`` drops them.
        index_from: added to the number of each word.
        kwargs: ``nb_words``, the first name of `num_words`.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``; `x` is an array of lists.

    Raises:
        FileNotFoundError: the file is not there and cannot be fetched.
        ValueError: no review is short enough.

    >>> (x_train, y_train), (x_test, y_test) = load_data(num_words=10000)  # doctest: +SKIP
    """
    options = WordOptions(
        words_argument(num_words, kwargs), skip_top, maxlen, start_char, oov_char, index_from
    )
    file = get_file(path, ORIGIN + "imdb.npz", file_hash=_HASHES)
    parts = []
    arrays = read_npz(file, "x_train", "y_train", "x_test", "y_test")
    random = _orders(len(arrays[0]), len(arrays[2]), seed)
    for x, y, order in zip(arrays[::2], arrays[1::2], random, strict=True):
        parts.append(keep_short(shift(list(x[order]), options), y[order], options))
    limit = options.num_words or max(largest(rows) for rows, _ in parts)
    train, test = ((hide(rows, limit, options), labels) for rows, labels in parts)
    return train, test


def _orders(train: int, test: int, seed: int) -> tuple[Any, Any]:
    """Both orders come from one stream of random numbers, as in Keras."""
    random = np.random.RandomState(seed)
    first, second = np.arange(train), np.arange(test)
    random.shuffle(first)
    random.shuffle(second)
    return first, second


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The table from words to numbers, before ``index_from`` is added.

    Args:
        path: name of the file in the cache's folder ``datasets``.

    >>> get_word_index()["the"]  # doctest: +SKIP
    1
    """
    return read_word_index(get_file(path, ORIGIN + "imdb_word_index.json", file_hash=_INDEX_HASH))
