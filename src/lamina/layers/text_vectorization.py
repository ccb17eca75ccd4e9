"""`TextVectorization`: texts to the places of their words."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast

import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.layers import checks, vocabulary
from lamina.layers.category_encoding import Weighted, checked_mode
from lamina.layers.host import HostLayer, as_texts
from lamina.layers.lookup import DROPPED
from lamina.layers.string_lookup import StringLookup
from lamina.typing import Config, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array

Standardize = Literal["lower_and_strip_punctuation", "lower", "strip_punctuation"]
Split = Literal["whitespace", "character"]

# As TensorFlow's functions of strings: letters and spaces of ASCII alone.
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_PUNCTUATION = str.maketrans("", "", "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'")
_SPACES = re.compile("[ \t\n\v\f\r]+")

Rows = list[list[str]]


@registry.register("layer")
class TextVectorization(HostLayer):
    """Turn texts into the places of their words in a vocabulary, or into vectors of counts.

    A text is standardized, split into words, and these are joined to n-grams; then each goes to its
    place, which `adapt` takes from data. Place 0 fills up short texts, place 1 is that of unknown
    words; vectors have no place 0.

    It reads texts, which compiled programs do not have. Call it on lists or arrays of NumPy, as a
    step of the data's way to the model; or make it the first layer of a model with
    ``Input((1,), dtype="string")``, which predicts, operation by operation, and does not train.

    Args:
        max_tokens: most places.
        standardize: ``"lower_and_strip_punctuation"``, ``"lower"``, ``"strip_punctuation"``,
            ``None``, or a function of an array of texts. Letters are those of ASCII.
        split: ``"whitespace"``, ``"character"``, ``None``, or a function of an array of texts that
            gives a list of words for each.
        ngrams: n for all n-grams up to n words, or a tuple of the numbers of words.
        output_mode: ``"int"``, or vectors: ``"multi_hot"``, ``"count"``, ``"tf_idf"``.
        output_sequence_length: length to which ``"int"`` is cut and filled up; by default that of
            the longest text.
        pad_to_max_tokens: whether vectors have `max_tokens` places in any case.
        vocabulary: the words, or the path of a file with one on each line.
        idf_weights: weight of each word, for ``"tf_idf"``.
        sparse: not supported.
        ragged: not supported.
        encoding: that of a file with the vocabulary.
        vocabulary_size: places of a vocabulary that comes later, as files say it.
        options: what every layer takes, see `Layer`; `dtype` says nothing here.

    Raises:
        ValueError: a bad argument; a call without a vocabulary; texts with more than one axis.
        TypeError: an input that holds no texts.

    >>> layer = TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["The cat sat.", "The cat!"])
    >>> layer.get_vocabulary(), layer(["A cat: the cat"]).tolist()
    (['', '[UNK]', 'the', 'cat', 'sat'], [[1, 3, 2, 3]])
    """

    takes_texts = True

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Standardize | Callable[..., Any] | None = "lower_and_strip_punctuation",
        split: Split | Callable[..., Any] | None = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: Weighted = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        *,
        vocabulary_size: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        options.pop("dtype", None)
        super().__init__(**options)
        self.output_mode = checked_mode(output_mode, Weighted, self)
        self.standardize = _step(standardize, Standardize, "standardize", self)
        self.split = _step(split, Split, "split", self)
        self.ngrams, self._widths = self._checked_ngrams(ngrams)
        self.output_sequence_length = self._checked_length(output_sequence_length)
        if checks.flag(ragged, "ragged", self):
            raise ValueError(
                f"{self}: ragged=True is not supported: texts are filled up to one length."
            )
        self.ragged = False
        self._lookup_layer = StringLookup(
            max_tokens,
            mask_token="",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            output_mode=self.output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            encoding=encoding,
            vocabulary_size=vocabulary_size,
            name=f"{self.name}_lookup",
        )
        self.max_tokens, self.encoding, self.sparse = max_tokens, encoding, False
        self.pad_to_max_tokens = self._lookup_layer.pad_to_max_tokens

    def _checked_ngrams(self, ngrams: Any) -> tuple[Any, tuple[int, ...] | None]:
        if ngrams is None:
            return None, None
        if checks.is_int(ngrams) and ngrams > 0:
            return int(ngrams), tuple(range(1, int(ngrams) + 1))
        widths = tuple(ngrams) if isinstance(ngrams, list | tuple) else ()
        if not widths or not all(checks.is_int(one) and one > 0 for one in widths):
            raise ValueError(
                f"{self}: ngrams must be a positive int or a tuple of them, got {ngrams!r}."
            )
        return widths, widths

    def _checked_length(self, length: Any) -> int | None:
        if length is None:
            return None
        if self.output_mode != "int":
            raise ValueError(
                f"{self}: output_sequence_length needs output_mode='int', got {self.output_mode!r}."
            )
        return checks.positive(length, "output_sequence_length", self)

    @property
    def input_dtype_of_first(self) -> str:
        return "string"

    # ---- the vocabulary -------------------------------------------------------------------

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The words in the order of their places.

        Args:
            include_special_tokens: whether what fills up and the unknown word lead.
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Number of places, those of what fills up and of unknown words included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Take words in the place of those that there are, as `StringLookup` does."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Take the vocabulary from texts, the most frequent words first.

        Args:
            data: a list or an array of texts; or any other iterable of batches of them.
            batch_size: accepted for old code; says nothing.
            steps: how many batches to take, of a source that does not end.

        Raises:
            ValueError: the layer was given its vocabulary, or there is no data.
        """
        del batch_size
        self.reset_state()
        if isinstance(data, list | tuple) or hasattr(data, "shape"):
            texts = as_texts(self, data)
            self.update_state(texts[:, None] if texts.ndim == 1 else texts)
        else:
            for batch in itertools.islice(data, steps):
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the words of one batch of texts.

        Args:
            data: a list or an array of texts.
        """
        texts = as_texts(self, data)
        if self.split is None and texts.ndim < 2:
            texts = texts.reshape(1, -1)
        self._lookup_layer.count(self._words(texts))

    def reset_state(self) -> None:
        """Forget what was counted; the vocabulary stays."""
        self._lookup_layer.reset_state()

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    # ---- calls ----------------------------------------------------------------------------

    def _standardized(self, texts: np.ndarray) -> np.ndarray:
        if self.standardize is None:
            return texts
        if callable(self.standardize):
            changed = self.standardize(texts.astype("U") if texts.size else texts)
            return as_texts(self, changed)
        lower, strip = "lower" in self.standardize, "punctuation" in self.standardize
        table = (_LOWER if lower else {}) | (_PUNCTUATION if strip else {})
        found = np.empty(texts.size, object)
        found[:] = [text.translate(table) for text in texts.reshape(-1).tolist()]
        return found.reshape(texts.shape)

    def _words(self, texts: np.ndarray) -> Rows:
        """The words of each text; of each row where nothing is split."""
        texts = self._standardized(texts)
        if self.split is None:
            rows = texts.reshape(-1, texts.shape[-1] if texts.ndim > 1 else 1).tolist()
        else:
            if texts.ndim > 1 and (texts.shape[-1] != 1 or texts.ndim > 2):
                raise ValueError(
                    f"{self}: texts that are split have the shape (batch,) or (batch, 1), got "
                    f"{texts.shape}."
                )
            rows = self._split(texts.reshape(-1))
        return rows if self._widths is None else [self._joined(row) for row in rows]

    def _split(self, texts: np.ndarray) -> Rows:
        if self.split == "whitespace":
            return [[word for word in _SPACES.split(text) if word] for text in texts]
        if self.split == "character":
            return [list(text) for text in texts]
        rows: list[Any] = [list(row) for row in cast(Any, self.split)(texts)]
        if len(rows) != len(texts):
            raise ValueError(
                f"{self}: split must give a list of words for each of {len(texts)} texts, got "
                f"{len(rows)}."
            )
        return [as_texts(self, row).tolist() for row in rows]

    def _joined(self, row: list[str]) -> list[str]:
        """The n-grams of one text, those of one width after the other."""
        widths = self._widths or ()
        return [
            " ".join(row[first : first + width])
            for width in widths
            for first in range(len(row) - width + 1)
        ]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.output_mode == "int":
            if self.split is None and self._widths is None and self.output_sequence_length is None:
                return shape
            return (*shape[:1], self.output_sequence_length)
        return self._lookup_layer.compute_output_shape((*shape[:1], None))

    def output_dtype(self, inputs: Any) -> Any:
        return self._lookup_layer.output_dtype(inputs)

    def on_host(self, inputs: Any) -> Array:
        lookup = self._lookup_layer
        lookup.check_filled()
        texts = as_texts(self, inputs)
        rows = self._words(texts)
        length = self.output_sequence_length or max(map(len, rows), default=0)
        fill = 0 if self.output_mode == "int" else DROPPED
        places = np.full((len(rows), length), fill, np.int64)
        kept = [row[:length] for row in rows]
        words = np.empty(sum(map(len, kept)), object)
        words[:] = list(itertools.chain.from_iterable(kept))
        inside = np.arange(length) < np.array([len(row) for row in kept], int).reshape(-1, 1)
        places[inside] = lookup.places_of(words)
        if self.output_mode == "int":
            single = self.split is None and self._widths is None and texts.ndim < 2
            shape = texts.shape if single and self.output_sequence_length is None else None
            return jnp.asarray(places.reshape(shape or (*texts.shape[:1], length)), jnp.int32)
        return lookup.in_form(places if texts.ndim else places.reshape(-1))

    # ---- configs and files ----------------------------------------------------------------

    def get_config(self) -> Config:
        inner = self._lookup_layer.get_config()
        words = ("vocabulary", "idf_weights", "vocabulary_size")
        found = super().get_config() | {word: inner[word] for word in words}
        del found["dtype"]
        return found

    def named_arrays(self) -> dict[str, Any]:
        return self._lookup_layer.named_arrays()

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Make the layer from what ``get_config`` gave; no path in it is opened."""
        if isinstance(config.get("vocabulary"), str | os.PathLike):
            raise vocabulary.path_in_config(
                f"{cls.__name__} {config.get('name')!r}", config["vocabulary"]
            )
        made = cls(**config)
        made._lookup_layer.allow_adapt()
        return made

    def save_assets(self, dir_path: str | os.PathLike[str]) -> None:
        """Write the vocabulary, one word on each line, into ``vocabulary.txt`` in a folder.

        Args:
            dir_path: a folder that is there.
        """
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: str | os.PathLike[str]) -> None:
        """Read what `save_assets` wrote.

        Args:
            dir_path: the folder.
        """
        self._lookup_layer.load_assets(dir_path)


def _step(value: Any, words: Any, argument: str, layer: Any) -> Any:
    """A step of the way from texts to words: a word, a function, its name in a config."""
    if isinstance(value, Mapping) and value.get("class_name") == "function":
        value = value.get("config")
    if isinstance(value, str):
        custom = registry.find_custom(value)
        value = value if custom is None else custom
    if value is None or callable(value):
        return value
    return checks.one_of(value, words, argument, layer)
