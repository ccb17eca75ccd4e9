"""`MultiHeadAttention` and `GroupedQueryAttention`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from lamina import constraints, initializers, registry, regularizers
from lamina.layers import checks
from lamina.layers.attention_heads import HeadsAttention, Projection
from lamina.typing import Config, LayerOptions, Shape


@registry.register("layer")
class MultiHeadAttention(HeadsAttention):
    """Attention of several heads: each looks for something else. Vaswani and others (2017).

    ``layer(query, value, key)`` projects query, value and key (by default the value) for each head,
    takes the mean of the values weighted by ``softmax(query @ key / sqrt(key_dim))``, and projects
    the means of all heads to the output. Inputs have shape ``(batch, steps, features)``, or further
    axes; the output has the shape of the query. "Attention Is All You Need".

    Further arguments of a call are `query_mask`, `value_mask` and `key_mask`, of shape ``(batch,
    steps)``, which by default are the masks that travel with the inputs; `attention_mask`, true
    where a query may see a key, of shape ``(batch, queries, keys)``; `use_causal_mask`, to see no
    later steps; and `return_attention_scores`, to get the weights, too, of shape ``(batch, heads,
    queries, keys)``.

    Args:
        num_heads: number of heads.
        key_dim: size of the projected queries and keys of a head.
        value_dim: size of the projected values of a head; that of the keys by default.
        dropout: part of the weights that is dropped in training, from 0 to less than 1.
        use_bias: whether the projections add a learned bias.
        output_shape: size of the last axis of the output, or sizes of several that take its place;
            that of the query by default.
        attention_axes: axes between whose places attention is paid; all but batch and features by
            default.
        sliding_window: a query sees the keys that are less than so many steps away.
        flash_attention: whether the fused kernel of a GPU must compute it.
        kernel_initializer: first values of the kernels.
        bias_initializer: first values of the biases.
        kernel_regularizer: penalty on the kernels.
        bias_regularizer: penalty on the biases.
        activity_regularizer: penalty on the output of each projection, divided by the batch size.
        kernel_constraint: function applied to the kernels after each update.
        bias_constraint: function applied to the biases after each update.
        use_gate: whether what the heads give is multiplied by a learned gate of the query.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, or shapes of inputs or masks that do not fit.

    >>> import jax.numpy as jnp
    >>> layer = MultiHeadAttention(num_heads=2, key_dim=3)
    >>> layer(jnp.ones((1, 4, 5)), jnp.ones((1, 7, 6))).shape
    (1, 4, 5)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        kernel_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        use_gate: bool = False,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            dropout,
            use_bias,
            sliding_window,
            flash_attention,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            use_gate,
            seed,
            **options,
        )
        self.num_heads = self.query_heads = checks.positive(num_heads, "num_heads", self)
        self.key_dim = checks.positive(key_dim, "key_dim", self)
        value_dim = key_dim if value_dim is None else value_dim
        self.value_dim = checks.positive(value_dim, "value_dim", self)
        self._output_shape = _ints(output_shape, "output_shape", self, least=1)
        self.attention_axes = _ints(attention_axes, "attention_axes", self)

    def get_config(self) -> Config:
        return super().get_config() | {"output_shape": self._output_shape}

    @property
    def query_dense(self) -> Projection:
        """The projection of the query."""
        return self._query_dense

    @property
    def key_dense(self) -> Projection:
        """The projection of the key."""
        return self._key_dense

    @property
    def value_dense(self) -> Projection:
        """The projection of the value."""
        return self._value_dense

    @property
    def output_dense(self) -> Projection:
        """The projection of what the heads give."""
        return self._output_dense

    def axes_of(self, rank: int) -> tuple[int, ...]:
        if self.attention_axes is None:
            return tuple(range(1, rank - 1))
        axes = tuple(axis + rank if axis < 0 else axis for axis in self.attention_axes)
        if len(set(axes)) < len(axes) or not all(0 < axis < rank - 1 for axis in axes):
            raise ValueError(
                f"{self}: attention_axes must be axes of the input between batch and features, "
                f"each once: 1 to {rank - 2} for inputs of rank {rank}; got {self.attention_axes}."
            )
        return axes

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> None:
        query, value, key = self.three(query_shape, value_shape, key_shape)
        heads = (self.num_heads, self.value_dim)
        self._query_dense = self.projection("query", (self.num_heads, self.key_dim), query)
        self._key_dense = self.projection("key", (self.num_heads, self.key_dim), key)
        if self.use_gate:
            self._gate_dense = self.projection("gate", heads, query, activation="sigmoid")
        self._value_dense = self.projection("value", heads, value)
        outputs = self._output_shape or query[-1:]
        self._output_dense = self.projection("attention_output", outputs, heads, count=2)

    def compute_output_shape(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> Shape:
        query = self.three(query_shape, value_shape, key_shape)[0]
        return (*query[:-1], *(self._output_shape or query[-1:]))


@registry.register("layer", "GroupQueryAttention")
class GroupedQueryAttention(HeadsAttention):
    """Attention of heads that share keys and values in groups. Ainslie and others (2023), "GQA".

    `num_key_value_heads` projections of key and value serve `num_query_heads` projections of the
    query, each as many. A call, its masks and its output are those of `MultiHeadAttention`.

    Args:
        head_dim: size of the projected queries, keys and values of a head.
        num_query_heads: number of heads.
        num_key_value_heads: number of projections of key and value, which divides that of heads;
            1 is multi-query attention.
        dropout: part of the weights that is dropped in training, from 0 to less than 1.
        use_bias: whether the projections add a learned bias.
        sliding_window: a query sees the keys that are less than so many steps away.
        flash_attention: whether the fused kernel of a GPU must compute it.
        kernel_initializer: first values of the kernels.
        bias_initializer: first values of the biases.
        kernel_regularizer: penalty on the kernels.
        bias_regularizer: penalty on the biases.
        activity_regularizer: penalty on the output of each projection, divided by the batch size.
        kernel_constraint: function applied to the kernels after each update.
        bias_constraint: function applied to the biases after each update.
        use_gate: whether what the heads give is multiplied by a learned gate of the query.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, inputs of another rank than 3, or shapes of inputs or masks
            that do not fit.

    >>> import jax.numpy as jnp
    >>> from lamina.layers import GroupQueryAttention
    >>> layer = GroupQueryAttention(head_dim=3, num_query_heads=4, num_key_value_heads=2)
    >>> layer(jnp.ones((1, 4, 5)), jnp.ones((1, 7, 5))).shape
    (1, 4, 5)
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: initializers.Like = "glorot_uniform",
        bias_initializer: initializers.Like = "zeros",
        kernel_regularizer: regularizers.Like = None,
        bias_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        kernel_constraint: constraints.Like = None,
        bias_constraint: constraints.Like = None,
        use_gate: bool = False,
        seed: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(
            dropout,
            use_bias,
            sliding_window,
            flash_attention,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            use_gate,
            seed,
            **options,
        )
        self.head_dim = checks.positive(head_dim, "head_dim", self)
        self.num_query_heads = checks.positive(num_query_heads, "num_query_heads", self)
        self.query_heads = self.num_query_heads
        self.num_key_value_heads = checks.divides(
            num_key_value_heads,
            self.num_query_heads,
            "num_key_value_heads",
            "num_query_heads",
            self,
        )

    def three(self, query: Any, value: Any = None, key: Any = None) -> list[Shape]:
        found = super().three(query, value, key)
        if len(found[0]) != 3:
            raise ValueError(
                f"{self}: inputs must be of rank 3 (batch, steps, features), got the shape "
                f"{found[0]} of the query."
            )
        return found

    def build(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> None:
        query, value, key = self.three(query_shape, value_shape, key_shape)
        heads = (self.num_query_heads, self.head_dim)
        shared = (self.num_key_value_heads, self.head_dim)
        self._query_dense = self.projection("query", heads, query)
        self._key_dense = self.projection("key", shared, key)
        if self.use_gate:
            self._gate_dense = self.projection("gate", heads, query, activation="sigmoid")
        self._value_dense = self.projection("value", shared, value)
        self._output_dense = self.projection("attention_output", query[-1:], heads, count=2)

    def compute_output_shape(  # type: ignore[override]
        self, query_shape: Any, value_shape: Any = None, key_shape: Any = None
    ) -> Shape:
        return self.three(query_shape, value_shape, key_shape)[0]


def _ints(
    value: Any, argument: str, layer: Any, least: int | None = None
) -> tuple[int, ...] | None:
    """One int or several as a tuple, or None."""
    if value is None:
        return None
    found = (value,) if checks.is_int(value) else value
    whole = isinstance(found, list | tuple) and all(map(checks.is_int, found))
    if not whole or not found or (least is not None and min(found) < least):
        kind = "an int" if least is None else "a positive int"
        raise ValueError(
            f"{layer}: {argument} must be {kind}, several of them or None, got {value!r}."
        )
    return tuple(int(one) for one in found)
