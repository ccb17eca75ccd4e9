"""`StringLookup`: texts to their places in a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from lamina import registry
from lamina.core.symbolic import SymbolicTensor
from lamina.layers.category_encoding import Weighted
from lamina.layers.host import as_integers, as_texts
from lamina.layers.lookup import NOT_FOUND, IndexLookup
from lamina.typing import LayerOptions


@registry.register("layer")
class StringLookup(IndexLookup):
    """Give texts the numbers of their places in a vocabulary, which `adapt` takes from data.

    It reads texts, which compiled programs do not have. Call it on lists or arrays of NumPy, as a
    step of the data's way to the model; or make it the first layer of a model with
    ``Input((1,), dtype="string")``, which predicts, operation by operation, and does not train.

    Args:
        max_tokens: most places, those of the mask and of unknown texts included.
        num_oov_indices: places for unknown texts: with none they are an error, with several
            each goes to the place that its hash says.
        mask_token: text that stands for nothing: it goes to place 0, or into no vector.
        oov_token: what an inverse lookup gives for places of no text.
        vocabulary: the texts, or the path of a file with one on each line.
        idf_weights: weight of each text, for ``"tf_idf"``.
        invert: whether places become texts: an array of NumPy.
        output_mode: ``"int"``, ``"one_hot"``, ``"multi_hot"``, ``"count"`` as `CategoryEncoding`
            has them, or ``"tf_idf"``: counts times the weights.
        pad_to_max_tokens: whether vectors have `max_tokens` places in any case.
        sparse: not supported.
        encoding: that of a file with the vocabulary.
        salt: an int or two, the key of the hash, which is then SipHash-2-4 instead of FarmHash.
        vocabulary_size: places of a vocabulary that comes later, as files say it.
        options: what every layer takes, see `Layer`; `dtype` says nothing here.

    Raises:
        ValueError: a bad argument; a call without a vocabulary; an unknown text without a place.
        TypeError: an input that holds no texts.

    >>> layer = StringLookup(vocabulary=["a", "b"])
    >>> layer([["b", "z"], ["a", "a"]]).tolist()
    [[2, 0], [1, 1]]
    >>> StringLookup(vocabulary=["a", "b"], invert=True)([1, 0]).tolist()
    ['a', '[UNK]']
    """

    takes_texts = True

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str | None = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: Weighted = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        salt: int | Sequence[int] | None = None,
        *,
        vocabulary_size: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            max_tokens,
            num_oov_indices,
            mask_token,
            oov_token,
            invert,
            output_mode,
            sparse,
            pad_to_max_tokens,
            salt,
            vocabulary_size,
            **options,
        )
        for name, token in (("mask_token", mask_token), ("oov_token", oov_token)):
            if token is not None and not isinstance(token, str):
                raise ValueError(f"{self}: {name} must be a text, got {token!r}.")
        self.encoding = self._encoding = checked_encoding(self, encoding)
        self._start_with(vocabulary, idf_weights)

    @property
    def input_dtype_of_first(self) -> str:
        return "string"

    def as_tokens(self, values: Any) -> np.ndarray:
        return as_texts(self, values)

    def make_table(self, tokens: list[Any]) -> None:
        self._places = {token: self._start() + place for place, token in enumerate(tokens)}

    def in_table(self, tokens: np.ndarray) -> np.ndarray:
        places = [self._places.get(token, NOT_FOUND) for token in tokens.reshape(-1).tolist()]
        return np.array(places, np.int64).reshape(tokens.shape)

    def check_symbolic(self, tensor: SymbolicTensor) -> None:
        if self.invert:
            raise TypeError(
                f"{self} gives texts, and no compiled model does. Leave it out of the model and "
                "call it on the predictions."
            )
        super().check_symbolic(tensor)

    def tokens_at(self, places: Any) -> np.ndarray:
        places = as_integers(self, places)
        unknown = "" if self.oov_token is None else self.oov_token
        table = np.array([unknown, *(one or "" for one in self.get_vocabulary())])
        inside = (places >= 0) & (places < len(table) - 1)
        return table[np.where(inside, places + 1, 0)]


ENCODINGS = ("utf-8", "utf8", "ascii", "latin-1", "latin1", "iso-8859-1", "utf-16", "utf-32")


def checked_encoding(layer: Any, encoding: Any) -> str:
    """The name of an encoding, one of a closed set, or a ``ValueError``."""
    if isinstance(encoding, str) and encoding.lower() in ENCODINGS:
        return encoding
    raise ValueError(
        f"{layer}: encoding must be one of {', '.join(ENCODINGS)}, got {encoding!r}. Read the file "
        "in your own code, and pass the tokens."
    )
