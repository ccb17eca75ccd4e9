"""Vocabularies: the tokens that a lookup knows, counted in data or given."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core import context


class Seen:
    """How often tokens were seen, and in how many documents.

    Args:
        documents: whether documents are counted too.
    """

    def __init__(self, documents: bool) -> None:
        self.tokens: Counter[Any] = Counter()
        self.holding: Counter[Any] = Counter()
        self.documents = 0
        self._wanted = documents

    def add(self, rows: Any) -> None:
        """Count documents: lists of tokens, of any lengths."""
        for row in rows:
            self.tokens.update(row)
            if self._wanted:
                self.holding.update(set(row))
                self.documents += 1

    def most_frequent(self, without: Any, most: int | None) -> list[Any]:
        """Tokens by how often they were seen, and those of equal number by themselves, downwards.

        Args:
            without: tokens to leave out.
            most: how many at most.
        """
        kept = [token for token in self.tokens if token not in without]
        kept.sort(key=lambda token: (self.tokens[token], token), reverse=True)
        return kept[:most]

    def rareness(self, tokens: list[Any]) -> np.ndarray:
        """``log(1 + documents / (1 + documents with the token))`` of each token."""
        holding = np.array([self.holding[token] for token in tokens], np.float64)
        return np.log(1 + self.documents / (1 + holding)).astype(np.float32)


def read_file(layer: Any, path: str | os.PathLike[str], encoding: str) -> list[str]:
    """The lines of a file that the caller names; a config may name none.

    Raises:
        ValueError: a config is being read, or there is no such file.
    """
    if context.allowance.get() is not None:
        raise path_in_config(layer, path)
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"{layer}: there is no file {os.fspath(path)!r} with a vocabulary.")
    return lines_of(file.read_bytes(), encoding, f"{layer}: {os.fspath(path)}")


def path_in_config(layer: Any, path: Any) -> ValueError:
    """The error for a config whose vocabulary is the path of a file."""
    return ValueError(
        f"{layer}: the config names a file {os.fspath(path)!r} as the vocabulary. No config makes "
        "lamina open a file; make the layer in code, or call set_vocabulary with the tokens."
    )


def lines_of(data: bytes, encoding: str, what: str, count: int | None = None) -> list[str]:
    """The tokens of a text with one on each line; empty lines at its end are none.

    Args:
        data: the text.
        encoding: its encoding.
        what: begins the message.
        count: how many tokens there are, if that is known; an empty one at the end may count.

    Raises:
        ValueError: the text is not in that encoding.
    """
    try:
        lines = data.decode(encoding).replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{what} is not text in {encoding} ({error}).") from None
    while lines and not lines[-1] and len(lines) != count:
        lines.pop()
    return lines
