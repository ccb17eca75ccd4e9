"""What imdb and reuters share: lists of word numbers, from common to rare."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Rows = list[list[int]]


@dataclass(frozen=True)
class WordOptions:
    """How the numbers of words are changed; the arguments of ``load_data``.

    Attributes:
        num_words: numbers from here on count as unknown; ``None`` keeps all but the largest.
        skip_top: so do numbers below this.
        maxlen: only sequences shorter than this are kept.
        start_char: a number put before each sequence, or ``None``.
        oov_char: what stands for an unknown word; ``None`` drops them.
        index_from: added to the number of each word.
    """

    num_words: int | None
    skip_top: int
    maxlen: int | None
    start_char: int | None
    oov_char: int | None
    index_from: int


def words_argument(num_words: int | None, others: dict[str, Any]) -> int | None:
    """`num_words`, also under its first name ``nb_words``."""
    if "nb_words" in others:
        num_words = others.pop("nb_words")
    if others:
        raise TypeError(f"load_data has no argument {', '.join(map(repr, others))}.")
    return num_words


def shift(rows: Sequence[list[int]], options: WordOptions) -> Rows:
    """Add `index_from` to each number, and put `start_char` before each sequence."""
    first = [] if options.start_char is None else [options.start_char]
    offset = options.index_from
    return [first + [word + offset for word in row] for row in rows]


def keep_short(rows: Rows, labels: np.ndarray, options: WordOptions) -> tuple[Rows, np.ndarray]:
    """Only the sequences shorter than `maxlen`, if one is given."""
    if not options.maxlen:
        return rows, labels
    kept = [index for index, row in enumerate(rows) if len(row) < options.maxlen]
    if not kept:
        raise ValueError(
            f"load_data: no sequence is shorter than maxlen={options.maxlen}; increase it."
        )
    return [rows[index] for index in kept], labels[kept]


def largest(rows: Rows) -> int:
    """The largest number of all."""
    return max((max(row) for row in rows if row), default=0)


def hide(rows: Rows, limit: int, options: WordOptions) -> np.ndarray:
    """Put `oov_char` for, or drop, numbers below `skip_top` and from `limit` on.

    Returns:
        An array of lists, one for each sequence.
    """
    low, unknown = options.skip_top, options.oov_char
    hidden = np.empty(len(rows), dtype=object)
    for index, row in enumerate(rows):
        if unknown is None:
            hidden[index] = [word for word in row if low <= word < limit]
        else:
            hidden[index] = [word if low <= word < limit else unknown for word in row]
    return hidden


def read_word_index(path: str | os.PathLike[str]) -> dict[str, int]:
    """The table from words to numbers, before ``index_from`` is added."""
    with open(path, encoding="utf-8") as file:
        return json.load(file)
