"""`ReversibleEmbedding`: a table of vectors that also turns vectors into scores of indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import constraints, initializers, registry, regularizers
from lamina.core import dispatch
from lamina.layers import checks
from lamina.layers.elementwise import is_float
from lamina.layers.embedding import Embedding
from lamina.ops.linear import dot_last
from lamina.typing import Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array


@registry.register("layer")
class ReversibleEmbedding(Embedding):
    """Turn indices into vectors, and with ``reverse=True`` vectors into scores of all indices.

    ``layer(indices)`` is `Embedding`; ``layer(vectors, reverse=True)`` is the product of vectors
    with the table, of shape ``(..., input_dim)``: the last layer of a language model, which shares
    its weights with the first. Press and Wolf (2017), "Using the Output Embedding to Improve
    Language Models".

    Args:
        input_dim: number of rows of the table: the largest index, plus 1.
        output_dim: size of each vector.
        tie_weights: whether the table serves both ways; else the way back has one of its own.
        embeddings_initializer: first values of the table, of shape ``(input_dim, output_dim)``.
        embeddings_regularizer: penalty on the table.
        embeddings_constraint: function applied to the table after each update.
        mask_zero: whether the index 0 is padding: the output then carries a mask, and the
            layers behind must support masking.
        reverse_dtype: dtype of the way back; that of the computations by default.
        logit_soft_cap: bound ``c`` of the scores: they become ``c * tanh(score / c)``.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, or an index that is not in the table.

    >>> layer = ReversibleEmbedding(9, 4)
    >>> vectors = layer(jnp.array([[1, 2, 3]]))
    >>> vectors.shape, layer(vectors, reverse=True).shape
    ((1, 3, 4), (1, 3, 9))
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: initializers.Like = "uniform",
        embeddings_regularizer: regularizers.Like = None,
        embeddings_constraint: constraints.Like = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **options,
        )
        self.tie_weights = checks.flag(tie_weights, "tie_weights", self)
        self.reverse_dtype = None if reverse_dtype is None else jnp.dtype(reverse_dtype).name
        cap = logit_soft_cap
        if cap is not None and not (checks.is_number(cap) and cap > 0):
            raise ValueError(
                f"{self}: logit_soft_cap must be a number above 0 or None, got {cap!r}."
            )
        self.logit_soft_cap = None if cap is None else float(cap)

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        back = (self.output_dim, self.input_dim)
        first = self.embeddings_initializer
        self.reverse_embeddings: Variable | None = (
            None
            if self.tie_weights
            else self.add_weight("reverse_embeddings", back, initializer=first)
        )

    def compute_output_shape(self, input_shape: Shape, reverse: bool = False) -> Shape:
        if not reverse:
            return super().compute_output_shape(input_shape)
        if input_shape[-1] not in (self.output_dim, None):
            raise ValueError(
                f"{self}: with reverse=True the last size of the input must be output_dim, "
                f"{self.output_dim}, got shape {tuple(input_shape)}."
            )
        return (*input_shape[:-1], self.input_dim)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic output, of the way that is gone."""
        return dispatch.infer(self.name, self._inferred, args, kwargs)

    def call(self, inputs: Array, reverse: bool = False) -> Array:
        if not reverse:
            return super().call(inputs)
        self.compute_output_shape(inputs.shape, reverse=True)
        dtype = self.reverse_dtype or self.compute_dtype
        back = self.reverse_embeddings
        kernel = self.embeddings.value.T if back is None else back.value
        scores = dot_last(jnp.asarray(inputs).astype(dtype), kernel.astype(dtype))
        cap = self.logit_soft_cap
        return scores if cap is None else jnp.tanh(scores / cap) * cap

    def compute_mask(self, inputs: Array, mask: Any = None) -> Any:
        return None if is_float(inputs) else super().compute_mask(inputs, mask)
