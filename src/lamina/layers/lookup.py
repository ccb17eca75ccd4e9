"""`IndexLookup`: the base of the layers that give tokens the numbers of their places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.layers.category_encoding import encoded, encoded_shape
from lamina.layers.vocabulary_layer import VocabularyLayer
from lamina.ops import hashing
from lamina.typing import Shape

if TYPE_CHECKING:
    from lamina.typing import Array

NOT_FOUND, DROPPED = -1, -2
"""In the place of the places: of unknown tokens, and of those that go into no vector."""


class IndexLookup(VocabularyLayer):
    """Give tokens their places, and places in the form of the output."""

    def in_table(self, tokens: np.ndarray) -> np.ndarray:
        """The places of tokens, `NOT_FOUND` for those that have none."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        depth = self._depth()
        if self.output_mode != "int" and depth is None:
            raise self._needs_vocabulary()
        mode = "count" if self.output_mode == "tf_idf" else self.output_mode
        return encoded_shape(self, input_shape, mode, depth)

    def output_dtype(self, inputs: Any) -> Any:
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def on_host(self, inputs: Any) -> Any:
        self.check_filled()
        if self.invert:
            return self.tokens_at(inputs)
        return self.in_form(self.places_of(self.as_tokens(inputs)))

    def tokens_at(self, places: Any) -> Any:
        """The tokens at places: the inverse lookup."""
        raise NotImplementedError

    def places_of(self, tokens: np.ndarray) -> np.ndarray:
        """The places of an array of tokens."""
        places = self.in_table(tokens)
        if self.mask_token is not None:
            masked = 0 if self.output_mode == "int" else DROPPED
            places = np.where(tokens == self.mask_token, masked, places)
        unknown = places == NOT_FOUND
        if not unknown.any():
            return places
        if self.num_oov_indices == 0:
            found = tokens[unknown].reshape(-1)[:5].tolist()
            raise ValueError(
                f"{self}: tokens of the input are not in the vocabulary: {found!r}. Set "
                "num_oov_indices to 1 for a place of unknown tokens."
            )
        places = places.copy()
        places[unknown] = self._masks()
        if self.num_oov_indices > 1:
            places[unknown] += self.bins(tokens[unknown])
        return places

    def bins(self, tokens: np.ndarray) -> np.ndarray:
        """Which of several places for unknown tokens each of them has."""
        return hashing.text_bins(tokens, self.num_oov_indices, self._key())

    def in_form(self, places: Any) -> Array:
        """Places in the form of the output."""
        if self.output_mode == "int":
            return jnp.asarray(places).astype(jnp.int32)
        depth = self._depth()
        assert depth is not None
        if self.output_mode != "tf_idf":
            return encoded(self, places, self.output_mode, depth, self.compute_dtype)
        table = encoded(self, places, "count", depth, self.compute_dtype)
        weights = np.zeros(depth, np.float32)
        weights[: self.vocabulary_size()] = self._idf
        wide = jnp.asarray(weights, self.compute_dtype)
        return table * jax.lax.broadcast_in_dim(wide, table.shape, (table.ndim - 1,))
