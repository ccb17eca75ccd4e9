"""`Attention` and `AdditiveAttention`: means of values, weighted by how keys fit queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax.numpy as jnp

from lamina import registry
from lamina.core import shapes
from lamina.core.layer import Layer
from lamina.layers import checks
from lamina.layers.elementwise import as_float
from lamina.ops import attention
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.variable import Variable
    from lamina.typing import Array

ScoreMode = Literal["dot", "concat"]


class ScoredAttention(Layer):
    """Attention on a list ``[query, value]`` or ``[query, value, key]``.

    A subclass says which scores a query and a key get.

    Args:
        use_scale: whether there is a learned scale.
        dropout: part of the weights that is dropped in training, from 0 to less than 1.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.
    """

    supports_masking = True
    takes_any_mask = True

    def __init__(
        self,
        use_scale: bool,
        dropout: float = 0.0,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.use_scale = checks.flag(use_scale, "use_scale", self)
        self.dropout = checks.below_one(dropout, "dropout", self)
        self.seed = checks.seed(seed, self)

    def scores(self, query: Array, key: Array) -> Array:
        """Scores of shape ``(batch, queries, keys)``."""
        raise NotImplementedError

    def _sizes(self, input_shape: Any) -> list[Shape]:
        """Shapes of query, value and key, which must fit together."""
        listed = isinstance(input_shape, list | tuple) and not shapes.is_shape(input_shape)
        if not listed or len(input_shape) not in (2, 3):
            raise ValueError(
                f"{self}: call it on a list [query, value] or [query, value, key], got "
                + (f"{len(input_shape)} inputs." if listed else f"one of shape {input_shape}.")
            )
        query, value = tuple(input_shape[0]), tuple(input_shape[1])
        key = tuple(input_shape[2]) if len(input_shape) == 3 else value
        if any(len(shape) != len(query) or len(shape) < 3 for shape in (query, value, key)):
            raise ValueError(
                f"{self}: query, value and key must be of one rank, 3 at least (batch, steps, "
                f"features), got the shapes {query}, {value} and {key}."
            )
        _agree(self, "query and key", "last size", query[-1], key[-1])
        _agree(self, "value and key", "number of steps", value[-2], key[-2])
        for axis in range(len(query) - 2):
            for name, other in (("query and value", value), ("query and key", key)):
                _agree(self, name, f"size on axis {axis}", query[axis], other[axis])
        return [query, value, key]

    def compute_output_shape(self, input_shape: Any) -> Shape:
        query, value, _ = self._sizes(input_shape)
        return (*query[:-1], value[-1])

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic outputs: two where the weights are asked for."""
        return self._inferred_spec(args, kwargs, args[0])

    def call(
        self,
        inputs: list[Array],
        mask: Any = None,
        training: Any = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        self._sizes(shapes.shapes_of(inputs))
        query, value, *others = (as_float(one, self) for one in inputs)
        query_mask, value_mask = self._masks(mask, query, value)
        scores = self.scores(query, others[0] if others else value)
        rows = None if value_mask is None else value_mask[..., None, :]
        causal = attention.causal_mask(*scores.shape[-2:]) if use_causal_mask else None
        draw = self.random_key(self.seed) if training and self.dropout else None
        seen = attention.joined_mask(rows, causal)
        outputs, weights = attention.attend(scores, value, seen, self.dropout, draw)
        if query_mask is not None:
            counted = jnp.broadcast_to(query_mask[..., None], outputs.shape)
            outputs = jnp.where(counted, outputs, 0.0)
        return (outputs, weights) if return_attention_scores else outputs

    def _masks(self, mask: Any, query: Array, value: Array) -> list[Any]:
        """The masks of query and value."""
        if mask is None:
            return [None, None]
        if not isinstance(mask, list | tuple) or len(mask) not in (2, 3):
            raise ValueError(
                f"{self}: mask must be a list [query_mask, value_mask], either of them None or of "
                f"shape (batch, steps), got {_described(mask)}."
            )
        found = []
        for name, one, values in (("query", mask[0], query), ("value", mask[1], value)):
            counts = None if one is None else jnp.asarray(one)
            if counts is not None and counts.shape != values.shape[:-1]:
                raise ValueError(
                    f"{self}: the mask of the {name} must have shape {values.shape[:-1]}, for a "
                    f"{name} of shape {values.shape}; got shape {counts.shape}."
                )
            found.append(None if counts is None else counts.astype(bool))
        return found

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask[0] if isinstance(mask, list | tuple) else None


def _described(mask: Any) -> str:
    if isinstance(mask, list | tuple):
        return f"a list of {len(mask)}"
    return f"one of shape {tuple(mask.shape)}" if hasattr(mask, "shape") else repr(mask)


def _agree(layer: Layer, names: str, what: str, one: int | None, other: int | None) -> None:
    """Raise a ``ValueError`` if two sizes are known and differ."""
    if one != other and None not in (one, other):
        raise ValueError(f"{layer}: {names} must have the same {what}, got {one} and {other}.")


@registry.register("layer")
class Attention(ScoredAttention):
    """Means of the values, weighted by the softmax of the products of queries and keys.

    The input is a list: a query of shape ``(batch, queries, features)``, a value of shape ``(batch,
    steps, size)`` and, if it is not the value, a key of shape ``(batch, steps, features)``. The
    output has shape ``(batch, queries, size)``. Luong, Pham and Manning (2015), "Effective
    Approaches to Attention-based Neural Machine Translation".

    Called with ``return_attention_scores=True`` it also gives the weights, of shape ``(batch,
    queries, steps)``; with ``use_causal_mask=True`` no query sees a later step. The mask of the
    value says which steps count, that of the query which outputs are 0.

    Args:
        use_scale: whether to multiply the scores by a learned `scale`.
        score_mode: the score of a query and a key: ``"dot"``, their product, or ``"concat"``, the
            sum of ``tanh(query + key)`` times a learned weight.
        dropout: part of the weights that is dropped in training, from 0 to less than 1.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, no list of two or three inputs, or shapes that do not fit.

    >>> query, value = jnp.zeros((1, 1, 2)), jnp.array([[[1.0, 2.0], [3.0, 6.0]]])
    >>> Attention()([query, value])
    Array([[[2., 4.]]], dtype=float32)
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: ScoreMode = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(use_scale, dropout, seed, **options)
        self.score_mode: ScoreMode = checks.one_of(score_mode, ScoreMode, "score_mode", self)

    def build(self, input_shape: Any) -> None:
        self._sizes(input_shape)
        self.scale = self._scalar("scale", self.use_scale)
        self.concat_score_weight = self._scalar("concat_score_weight", self.score_mode == "concat")

    def _scalar(self, name: str, wanted: bool) -> Variable | None:
        return self.add_weight(name, (), initializer="ones") if wanted else None

    def scores(self, query: Array, key: Array) -> Array:
        scale = None if self.scale is None else self.scale.value
        if self.concat_score_weight is None:
            return attention.dot_scores(query, key, scale)
        found = attention.additive_scores(query, key, None, scale)
        return found * self.concat_score_weight.value.astype(found.dtype)


@registry.register("layer")
class AdditiveAttention(ScoredAttention):
    """Means of the values, weighted by the softmax of ``sum(scale * tanh(query + key))``.

    Inputs, masks, outputs and the arguments of a call are those of `Attention`. Bahdanau, Cho and
    Bengio (2015), "Neural Machine Translation by Jointly Learning to Align and Translate".

    Args:
        use_scale: whether each feature has a learned weight in the sum, its `scale`.
        dropout: part of the weights that is dropped in training, from 0 to less than 1.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, no list of two or three inputs, or shapes that do not fit.

    >>> query, value = jnp.zeros((1, 1, 2)), jnp.array([[[1.0, 1.0], [1.0, 1.0]]])
    >>> AdditiveAttention()([query, value])
    Array([[[1., 1.]]], dtype=float32)
    """

    def __init__(
        self,
        use_scale: bool = True,
        dropout: float = 0.0,
        *,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(use_scale, dropout, seed, **options)

    def build(self, input_shape: Any) -> None:
        query = self._sizes(input_shape)[0]
        self.scale: Variable | None = None
        if self.use_scale:
            size = checks.known_size(query, -1, self)
            self.scale = self.add_weight("scale", (size,), initializer="glorot_uniform")

    def scores(self, query: Array, key: Array) -> Array:
        return attention.additive_scores(
            query, key, None if self.scale is None else self.scale.value
        )
