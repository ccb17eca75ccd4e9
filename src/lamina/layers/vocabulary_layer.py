"""Base of layers with a vocabulary: given, taken from data, or read from a file."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from lamina.layers import checks, vocabulary
from lamina.layers.category_encoding import (
    Weighted,
    check_dense,
    checked_mode,
)
from lamina.layers.host import HostLayer
from lamina.typing import Config, LayerOptions

if TYPE_CHECKING:
    pass

FILE = "vocabulary.txt"


class VocabularyLayer(HostLayer):
    """Base of `IntegerLookup` and `StringLookup`: a vocabulary, and what is known of it.

    Args:
        max_tokens: most places, those of the mask and of unknown tokens included.
        num_oov_indices: places for unknown tokens.
        mask_token: token that stands for nothing.
        oov_token: what an inverse lookup gives for places of no token.
        invert: whether places become tokens.
        output_mode: form of the output.
        sparse: not supported.
        pad_to_max_tokens: whether vectors have `max_tokens` places in any case.
        salt: key of the hash of unknown tokens.
        vocabulary_size: places of a vocabulary that comes later.
        options: what every layer takes; `dtype` says nothing here.
    """

    _encoding = "utf-8"

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        invert: bool,
        output_mode: Weighted,
        sparse: bool,
        pad_to_max_tokens: bool,
        salt: Any,
        vocabulary_size: int | None,
        **options: Unpack[LayerOptions],
    ) -> None:
        options.pop("dtype", None)
        super().__init__(**options)
        self.output_mode = checked_mode(output_mode, Weighted, self)
        self.invert = checks.flag(invert, "invert", self)
        self.sparse = check_dense(self, sparse)
        self.pad_to_max_tokens = checks.flag(pad_to_max_tokens, "pad_to_max_tokens", self)
        self.max_tokens = max_tokens
        self.num_oov_indices = num_oov_indices
        self.mask_token, self.oov_token = mask_token, oov_token
        self.salt = checked_salt(self, salt)
        self.stated_size = vocabulary_size
        self._check_sizes()
        self._tokens: list[Any] | None = None
        self._idf: np.ndarray | None = None
        self._given = False
        self._reset()

    def _start_with(self, tokens: Any, idf_weights: Any) -> None:
        """Take the vocabulary that the constructor got."""
        if idf_weights is not None and (tokens is None or self.output_mode != "tf_idf"):
            raise ValueError(
                f"{self}: idf_weights need a vocabulary that they belong to, and "
                f"output_mode='tf_idf', got {self.output_mode!r}."
            )
        if tokens is not None:
            self.set_vocabulary(tokens, idf_weights)
            self._given = True

    def _check_sizes(self) -> None:
        most, unknown = self.max_tokens, self.num_oov_indices
        if not checks.is_int(unknown) or unknown < 0:
            raise ValueError(f"{self}: num_oov_indices must be 0 or more, got {unknown!r}.")
        if most is not None and (not checks.is_int(most) or most <= max(1, self._start())):
            raise ValueError(
                f"{self}: max_tokens must be an int above 1 and above the "
                f"{self._start()} places of the mask and of unknown tokens, got {most!r}."
            )
        size = self.stated_size
        if size is not None and (not checks.is_int(size) or size < 0):
            raise ValueError(f"{self}: vocabulary_size must be an int or None, got {size!r}.")
        if self.pad_to_max_tokens and most is None:
            raise ValueError(f"{self}: pad_to_max_tokens needs max_tokens.")
        if self.invert and self.output_mode != "int":
            raise ValueError(
                f"{self}: invert=True needs output_mode='int', got {self.output_mode!r}."
            )

    def _reset(self) -> None:
        self._seen = vocabulary.Seen(self.output_mode == "tf_idf")

    # ---- the vocabulary -------------------------------------------------------------------

    def _masks(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    def _start(self) -> int:
        """The place of the first token."""
        return self._masks() + self.num_oov_indices

    def _special(self) -> list[Any]:
        return [self.mask_token] * self._masks() + [self.oov_token] * self.num_oov_indices

    def as_tokens(self, values: Any) -> np.ndarray:
        """Values as an array of tokens; a subclass says of which kind."""
        raise NotImplementedError

    def make_table(self, tokens: list[Any]) -> None:
        """Make what tokens are looked up in."""
        raise NotImplementedError

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens in the order of their places.

        Args:
            include_special_tokens: whether the mask and the unknown token lead, so that a token's
                place in the list is that of the lookup.
        """
        return (self._special() if include_special_tokens else []) + list(self._tokens or ())

    def vocabulary_size(self) -> int:
        """Number of places, those of the mask and of unknown tokens included."""
        return self._start() + len(self._tokens or ())

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Take tokens in the place of those that there are.

        Args:
            vocabulary: the tokens, with the special ones in front or without; or the path of a
                file with one on each line.
            idf_weights: weight of each token, for ``"tf_idf"``; without weights for the special
                ones these get the mean.

        Raises:
            ValueError: a token stands twice or there are too many; weights are missing or do not
                fit; there is no such file.
        """
        if (self.output_mode == "tf_idf") != (idf_weights is not None):
            raise ValueError(
                f"{self}: idf_weights are given if output_mode is 'tf_idf', and only then; it is "
                f"{self.output_mode!r}."
            )
        if isinstance(vocabulary, str | os.PathLike):
            vocabulary = self._of_file(vocabulary)
        tokens = self.as_tokens(vocabulary)
        if tokens.ndim != 1 or not tokens.size:
            raise ValueError(
                f"{self}: the vocabulary must be a list of tokens, and not empty, got an array of "
                f"shape {tokens.shape}."
            )
        found: list[Any] = tokens.tolist()
        special = self._special()
        leads = found[: len(special)] == special
        rest = found[len(special) :] if leads else found
        self._check_tokens(rest)
        weights = None
        if idf_weights is not None:
            weights = self._checked_weights(idf_weights, len(found))
            if not leads:
                mean = np.full(len(special), weights.mean(), np.float32)
                weights = np.concatenate([mean, weights])
        self._take(rest, weights)

    def _of_file(self, path: str | os.PathLike[str]) -> Any:
        lines = vocabulary.read_file(self, path, self._encoding)
        return self.of_lines(lines, os.fspath(path))

    def of_lines(self, lines: list[str], what: str) -> list[Any]:
        """The tokens that stand on the lines of a file."""
        return list(lines)

    def _check_tokens(self, tokens: list[Any]) -> None:
        twice = [repr(token) for token, count in Counter(tokens).items() if count > 1]
        if twice:
            raise ValueError(
                f"{self}: tokens stand more than once in the vocabulary: {', '.join(twice[:5])}."
            )
        for name, token in (("mask_token", self.mask_token), ("oov_token", self.oov_token)):
            if token is not None and token in tokens and (name == "mask_token" or self.invert):
                raise ValueError(
                    f"{self}: the {name} {token!r} is among the tokens. Leave the special tokens "
                    f"out, or begin with all of them: {self._special()!r}."
                )
        size = self._start() + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                f"{self}: the vocabulary needs {size} places, but max_tokens is {self.max_tokens}."
            )

    def _checked_weights(self, weights: Any, number: int) -> np.ndarray:
        found = np.asarray(weights)
        if found.dtype.kind not in "iuf" or found.shape != (number,):
            raise ValueError(
                f"{self}: idf_weights must be a list of {number} numbers, one for each token of "
                f"the vocabulary, got dtype {found.dtype} and shape {found.shape}."
            )
        return found.astype(np.float32)

    def _take(self, tokens: list[Any], weights: np.ndarray | None) -> None:
        """Make the table of tokens and of their places."""
        size, depth = self._start() + len(tokens), self._depth()
        fixed = self.output_mode != "int" and not self.pad_to_max_tokens and self.inbound_nodes
        if fixed and depth not in (None, size):
            raise ValueError(
                f"{self}: the vocabulary has {size} places now, but a model was built with vectors "
                f"of {depth}. Make the model anew, or set max_tokens and pad_to_max_tokens."
            )
        self.make_table(tokens)
        self._tokens, self._idf = tokens, weights
        self.constants = tokens  # programs with the old table are no longer those of this layer

    def _depth(self) -> int | None:
        if self.pad_to_max_tokens:
            return self.max_tokens
        return self.stated_size if self._tokens is None else self.vocabulary_size()

    def _needs_vocabulary(self) -> ValueError:
        return ValueError(
            f"{self}: there is no vocabulary yet. Call adapt(data) or set_vocabulary(tokens) "
            "first, or pass vocabulary."
        )

    @property
    def filled(self) -> bool:
        """Whether there is a vocabulary."""
        return self._tokens is not None

    def check_filled(self) -> None:
        """Raise a ``ValueError`` if there is no vocabulary."""
        if self._tokens is None:
            raise self._needs_vocabulary()

    def _key(self) -> tuple[int, int] | None:
        return None if self.salt is None else (self.salt[0], self.salt[1])

    # ---- adapt ----------------------------------------------------------------------------

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Take the vocabulary from data, the most frequent tokens first.

        Args:
            data: an array or a list; or any other iterable of batches.
            steps: how many batches to take, of a source that does not end.

        Raises:
            ValueError: the layer was given its vocabulary, or there is no data.
        """
        self.reset_state()
        if isinstance(data, list | tuple) or hasattr(data, "shape"):
            tokens = self.as_tokens(data)
            self.update_state(tokens[:, None] if tokens.ndim == 1 else tokens)
        else:
            for batch in itertools.islice(data, steps):
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of one batch, each row of which is a document; a list is one document.

        Args:
            data: an array or a list.

        Raises:
            ValueError: the layer was given its vocabulary.
        """
        tokens = self.as_tokens(data)
        rows = 1 if tokens.ndim < 2 else len(tokens)
        self.count(tokens.reshape(rows, tokens.size // max(rows, 1)).tolist())

    def count(self, rows: Any) -> None:
        """Count the tokens of documents of any lengths."""
        if self._given:
            raise ValueError(
                f"{self}: the vocabulary was given, so there is nothing to adapt. Make the layer "
                "without one."
            )
        self._seen.add(rows)

    def reset_state(self) -> None:
        """Forget what was counted; the vocabulary stays."""
        self._reset()

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted.

        Raises:
            ValueError: nothing was counted.
        """
        if self._given:
            return
        if not self._seen.tokens:
            raise ValueError(f"{self}: adapt got no data.")
        most = None if self.max_tokens is None else self.max_tokens - self._start()
        tokens = self._seen.most_frequent((self.mask_token, self.oov_token), most)
        weights = None
        if self.output_mode == "tf_idf":
            rare = self._seen.rareness(tokens)
            mean = rare.mean() if len(rare) else np.float32(0)
            weights = np.concatenate([np.full(self._start(), mean, np.float32), rare])
        self._take(tokens, weights)
        self._reset()

    # ---- configs and files ----------------------------------------------------------------

    def named_arrays(self) -> dict[str, Any]:
        if self._idf is None:
            return {}
        found = np.zeros(self._depth() or 0, np.float32)
        found[: len(self._idf)] = self._idf
        return {"idf_weights": found}

    def get_config(self) -> Config:
        tokens, weights = self.get_vocabulary(include_special_tokens=False), None
        if self._idf is not None:
            special = None not in self._special()
            tokens = self.get_vocabulary(include_special_tokens=special)
            weights = self._idf[0 if special else self._start() :].tolist()
        size = self.stated_size if self._tokens is None else self.vocabulary_size()
        own = {"vocabulary": tokens or None, "idf_weights": weights, "vocabulary_size": size}
        found = super().get_config() | own
        del found["dtype"]  # each release has another one, and none minds
        return found

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Make the layer from what ``get_config`` gave; no path in it is opened."""
        if isinstance(config.get("vocabulary"), str | os.PathLike):
            raise vocabulary.path_in_config(
                f"{cls.__name__} {config.get('name')!r}", config["vocabulary"]
            )
        made = cls(**config)
        made.allow_adapt()
        return made

    def allow_adapt(self) -> None:
        """Let `adapt` replace the vocabulary, whatever the constructor was given."""
        self._given = False

    def save_assets(self, dir_path: str | os.PathLike[str]) -> None:
        """Write the vocabulary, one token on each line, into ``vocabulary.txt`` in a folder.

        Args:
            dir_path: a folder that is there.
        """
        text = "\n".join(str(token) for token in self.get_vocabulary())
        Path(dir_path, FILE).write_bytes(text.encode(self._encoding))

    def load_assets(self, dir_path: str | os.PathLike[str]) -> None:
        """Read what `save_assets` wrote.

        Args:
            dir_path: the folder.
        """
        lines = vocabulary.read_file(self, Path(dir_path, FILE), self._encoding)
        weights = self._idf if self.output_mode == "tf_idf" else None
        self.set_vocabulary(self.of_lines(lines, str(dir_path)), weights)


def checked_salt(layer: Any, salt: Any) -> list[int] | None:
    """A key of two integers, from one or two, or a ``ValueError``."""
    if salt is None:
        return None
    pair: list[Any] = list(salt) if isinstance(salt, list | tuple) else [salt] * 2
    if len(pair) != 2 or not all(checks.is_int(one) and 0 <= one < 2**64 for one in pair):
        raise ValueError(f"{layer}: salt must be an int, or two of them, got {salt!r}.")
    return [int(one) for one in pair]
