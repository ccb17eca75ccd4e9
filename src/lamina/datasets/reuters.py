"""11,228 newswires of 46 topics, as lists of word numbers."""

from __future__ import annotations

from typing import Any

from lamina.datasets.arrays import ORIGIN, Pair, check_split, permutation, read_npz
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

# The file of Keras 3, and that of Keras 2, which holds the same newswires.
_HASHES = (
    "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
    "87aedbeb0cb229e378797a632c1997b6",
)
_INDEX_HASH = "4d44cc38712099c9e383dc6e5f11a921"
_TOPICS = """
cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship
cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin
strategic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr
gas silver wpi hog lead
"""


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[Pair, Pair]:
    """Load the newswires; the labels are the numbers of `get_label_names`.

    Args:
        path: name of the file in the cache's folder ``datasets``.
        num_words: numbers from here on count as unknown (rare words have large numbers).
        skip_top: so do numbers below this.
        maxlen: only newswires shorter than this are kept.
        test_split: the part to test on.
        seed: of the order.
        start_char: number put before each newswire, or ``None``.
        oov_char: number of an unknown word; ``None`` drops them.
        index_from: added to the number of each word.
        kwargs: ``nb_words``, the first name of `num_words`.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``; `x` is an array of lists.

    Raises:
        FileNotFoundError: the file is not there and cannot be fetched.
        ValueError: no newswire is short enough, or a wrong `test_split`.

    >>> (x_train, y_train), (x_test, y_test) = load_data(num_words=10000)  # doctest: +SKIP
    """
    check_split(test_split)
    options = WordOptions(
        words_argument(num_words, kwargs), skip_top, maxlen, start_char, oov_char, index_from
    )
    file = get_file(path, ORIGIN + "reuters.npz", file_hash=_HASHES)
    x, y = read_npz(file, "x", "y")
    order = permutation(len(x), seed)
    rows, labels = keep_short(shift(list(x[order]), options), y[order], options)
    xs = hide(rows, options.num_words or largest(rows), options)
    count = int(len(xs) * (1 - test_split))
    return (xs[:count], labels[:count]), (xs[count:], labels[count:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The table from words to numbers, before ``index_from`` is added.

    Args:
        path: name of the file in the cache's folder ``datasets``.

    >>> get_word_index()["the"]  # doctest: +SKIP
    1
    """
    return read_word_index(
        get_file(path, ORIGIN + "reuters_word_index.json", file_hash=_INDEX_HASH)
    )


def get_label_names() -> tuple[str, ...]:
    """The names of the 46 topics, in the order of the labels.

    >>> get_label_names()[3]
    'earn'
    """
    return tuple(_TOPICS.split())
