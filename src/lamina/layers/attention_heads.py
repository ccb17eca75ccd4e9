"""The base of attention with several heads: projections, masks, the call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax
import jax.numpy as jnp

from lamina import constraints, initializers, regularizers
from lamina.core import dispatch, masks, shapes
from lamina.core.configurable import plain
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor
from lamina.layers import checks
from lamina.layers.attention_parts import Projection, fresh
from lamina.ops import attention
from lamina.typing import Config, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.core.graph import Node
    from lamina.typing import Array

ARGUMENTS = (
    "query",
    "value",
    "key",
    "query_mask",
    "value_mask",
    "key_mask",
    "attention_mask",
    "return_attention_scores",
    "training",
    "use_causal_mask",
)
"""The arguments of a call, in order."""


class HeadsAttention(Layer):
    """Attention of several heads on a query, a value and a key, with masks of each.

    Args:
        dropout: part of the weights that is dropped in training, from 0 to less than 1.
        use_bias: whether the projections add a learned bias.
        sliding_window: how far a query sees.
        flash_attention: whether the fused kernel of a GPU must compute it.
        kernel_initializer: first values of the kernels.
        bias_initializer: first values of the biases.
        kernel_regularizer: penalty on the kernels.
        bias_regularizer: penalty on the biases.
        activity_regularizer: penalty on the output of each projection, divided by the batch size.
        kernel_constraint: function applied to the kernels after each update.
        bias_constraint: function applied to the biases after each update.
        use_gate: whether the output of the heads is multiplied by a learned gate of the query.
        seed: seed of the layer's own; by default the seed of the run and the layer's place in it.
        options: what every layer takes, see `Layer`.
    """

    supports_masking = True
    query_heads: int
    _query_dense: Projection
    _key_dense: Projection
    _value_dense: Projection
    _output_dense: Projection
    _gate_dense: Projection

    def __init__(
        self,
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
        super().__init__(**options)
        self.dropout = checks.below_one(dropout, "dropout", self)
        self.use_bias = checks.flag(use_bias, "use_bias", self)
        window = sliding_window
        self.sliding_window = (
            None if window is None else checks.positive(window, "sliding_window", self)
        )
        flash = flash_attention
        self.flash_attention = (
            None if flash is None else checks.flag(flash, "flash_attention", self)
        )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        # The penalty is on the outputs of the projections, so the layer itself has none.
        self._parts_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.use_gate = checks.flag(use_gate, "use_gate", self)
        self.seed = checks.seed(seed, self)
        if self.flash_attention and self.dropout:
            raise ValueError(
                f"{self}: flash_attention=True computes no dropout, got dropout={dropout!r}. "
                "Leave one of them out."
            )

    def get_config(self) -> Config:
        found = super().get_config()
        return found | {"activity_regularizer": plain(self._parts_regularizer)}

    def projection(
        self,
        name: str,
        outputs: Sequence[Any],
        shape: Shape,
        count: int = 1,
        activation: Any = None,
    ) -> Projection:
        """A part of the layer, built for inputs of a shape."""
        part = Projection(
            outputs,
            count,
            activation,
            self.use_bias,
            fresh(self.kernel_initializer),
            fresh(self.bias_initializer),
            self.kernel_regularizer,
            self.bias_regularizer,
            self._parts_regularizer,
            self.kernel_constraint,
            self.bias_constraint,
            name=name,
            dtype=self.dtype_policy,
            trainable=self.trainable,
        )
        part.build(shape)
        for variable in part.weights:
            variable.path = f"{self.name}/{variable.path}"
        return part

    def three(self, query: Any, value: Any = None, key: Any = None) -> list[Shape]:
        """Shapes of query, value and key, which must fit together; also from a dict of them."""
        if isinstance(query, Mapping):
            return self.three(*(query.get(f"{name}_shape") for name in ARGUMENTS[:3]))
        if not shapes.is_shape(query) or not shapes.is_shape(value):
            raise ValueError(
                f"{self}: it needs a query and a value, each an array: layer(query, value), with a "
                f"key where it is not the value; got the shapes {query} and {value}."
            )
        query, value = tuple(query), tuple(value)
        key = value if key is None else tuple(key)
        if len(query) < 3 or not len(query) == len(value) == len(key):
            raise ValueError(
                f"{self}: query, value and key must be of one rank, 3 at least (batch, steps, "
                f"features), got the shapes {query}, {value} and {key}."
            )
        self._agree("value and key", value[1:-1], key[1:-1], 1)
        self._agree("query and value", query[:1], value[:1], 0)
        for axis in range(1, len(query) - 1):
            if axis not in self.axes_of(len(query)):
                self._agree("query and value", query[axis : axis + 1], value[axis : axis + 1], axis)
        for shape in (query, value, key):
            checks.known_size(shape, -1, self)
        return [query, value, key]

    def axes_of(self, rank: int) -> tuple[int, ...]:
        """The axes between whose places attention is paid, for inputs of a rank."""
        del rank
        return (1,)

    def _agree(self, names: str, some: Shape, others: Shape, first: int) -> None:
        for axis, (one, other) in enumerate(zip(some, others, strict=True), first):
            if one != other and None not in (one, other):
                raise ValueError(
                    f"{self}: {names} must have the same size on axis {axis}, got {one} and "
                    f"{other}."
                )

    def _shapes_to_build(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = dict(zip(ARGUMENTS, args, strict=False)) | kwargs
        found = {f"{name}_shape": given.get(name) for name in ARGUMENTS[:3]}
        found = {name: shapes.shapes_of(one) for name, one in found.items() if one is not None}
        return {"query_shape": None, "value_shape": None} | found

    def build_from_config(self, config: Config) -> None:
        """Build the layer for the shapes that ``get_build_config`` gave."""
        stated = config.get("shapes_dict") or config.get("input_shape")
        if stated is not None and not self.built:
            self.build(stated)

    def get_build_config(self) -> Config:
        """The shapes of query, value and key that the layer was built for."""
        return {"shapes_dict": self._build_shape}

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic outputs: two where the weights are asked for."""
        return dispatch.infer(self.name, self._inferred, args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the layer; the masks of query, value and key travel with them."""
        if len(args) > len(ARGUMENTS):
            raise TypeError(f"{self} takes {len(ARGUMENTS)} arguments at most, got {len(args)}.")
        # All but the query by name: so every format of files can hold the call.
        kwargs = dict(zip(ARGUMENTS[1:], args[1:], strict=False)) | kwargs
        args = args[:1] or (kwargs.pop("query", None),)
        found = {"query": masks.recall(args[0])} if masks.table else {}
        for name in ("value", "key") if found else ():
            found[name] = masks.recall(kwargs.get(name))
        return super().__call__(*args, **_with_masks(kwargs, found))

    def run(self, node: Node, values: dict[int, Any], found: dict[int, Any]) -> Any:
        """Compute a node of a graph, with the masks of query, value and key."""
        args, kwargs = dispatch.filled(node, values)
        given = {"query": node.args[0], **node.kwargs}
        arrived = {
            name: found.get(id(given[name]))
            for name in ARGUMENTS[:3]
            if isinstance(given.get(name), SymbolicTensor)
        }
        kwargs = _with_masks(kwargs, arrived)
        outputs, mask = self._computed(args, kwargs, arrived.get("query"))
        flat = shapes.flat(outputs)
        return flat, [mask] + [None] * (len(flat) - 1)

    def call(  # type: ignore[override]
        self,
        query: Array,
        value: Array,
        key: Array | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        if query is None or value is None:
            self.three(None)
        key = value if key is None else key
        query, value, key = (jnp.asarray(one) for one in (query, value, key))
        query_shape, value_shape, key_shape = self.three(query.shape, value.shape, key.shape)
        sizes = {"query": query_shape, "value": value_shape, "key": key_shape}
        given = {"query": query_mask, "value": value_mask, "key": key_mask}
        seen = [*self._masks_of_steps(sizes, given), *self._masks_of_places(sizes, use_causal_mask)]
        if attention_mask is not None:
            seen.append(jnp.asarray(attention_mask))
        mask = self._joined(seen, sizes) if seen else None
        gate = self._gate_dense(query) if self.use_gate else None
        projected = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        outputs, weights = self._weighted(projected, mask, training, return_attention_scores)
        outputs = self._output_dense(outputs if gate is None else outputs * gate)
        return (outputs, weights) if return_attention_scores else outputs

    def _masks_of_steps(self, sizes: dict[str, Shape], given: dict[str, Any]) -> Iterator[Array]:
        """The masks of query, value and key, each with an axis of size 1 for the other steps."""
        for name, mask in given.items():
            if mask is None:
                continue
            if self.axes_of(len(sizes[name])) != (1,):
                raise ValueError(
                    f"{self}: the mask of the {name} is one of axis 1, but attention is paid along "
                    f"{self.axes_of(len(sizes[name]))}. Pass what counts as attention_mask."
                )
            if tuple(mask.shape) != sizes[name][:2]:
                raise ValueError(
                    f"{self}: {name}_mask must have shape {sizes[name][:2]}, for a {name} of shape "
                    f"{sizes[name]}; got shape {tuple(mask.shape)}."
                )
            yield jnp.expand_dims(jnp.asarray(mask), 2 if name == "query" else 1)

    def _masks_of_places(self, sizes: dict[str, Shape], causal: bool) -> Iterator[Array]:
        """What a query may see because of its place."""
        axes = self.axes_of(len(sizes["query"]))
        if len(axes) > 1 and (causal or self.sliding_window):
            raise ValueError(
                f"{self}: use_causal_mask and sliding_window are for one axis of attention, and "
                f"attention is paid along {axes}. Pass an attention_mask."
            )
        first = axes[0] if axes else 1
        queries, keys = (sizes[name][first] or 0 for name in ("query", "key"))
        if causal:
            yield attention.causal_mask(queries, keys)
        if self.sliding_window:
            yield attention.window_mask(queries, keys, self.sliding_window)

    def _scores_shape(self, sizes: dict[str, Shape]) -> tuple[int, ...]:
        """The axes that are shared, the heads, then those of queries and of keys."""
        axes = self.axes_of(len(sizes["query"]))
        shared = [n for axis, n in enumerate(sizes["query"][:-1]) if axis not in axes]
        places = [sizes[name][axis] for name in ("query", "key") for axis in axes]
        return tuple(n or 0 for n in (*shared, self.query_heads, *places))

    def _joined(self, found: list[Array], sizes: dict[str, Shape]) -> Array | None:
        """One mask from several that spread to the shape of the scores."""
        axes, shape = self.axes_of(len(sizes["query"])), self._scores_shape(sizes)
        spread = [attention.spread_mask(mask, len(shape), axes) for mask in found]
        for mask, given in zip(spread, found, strict=True):
            pairs = zip(mask.shape, shape, strict=False)
            if mask.ndim != len(shape) or any(one not in (1, other) for one, other in pairs):
                raise ValueError(
                    f"{self}: attention_mask must spread to the scores of shape {shape}: (batch, "
                    f"queries, keys) does; got shape {given.shape}."
                )
        return attention.joined_mask(*spread)

    def _weighted(
        self, projected: tuple[Array, Array, Array], mask: Any, training: Any, wanted: bool
    ) -> tuple[Array, Any]:
        """Means of the projected values, and their weights."""
        query, key, value = projected
        if self.flash_attention:
            return self._fused(projected, mask, wanted), None
        repeats = query.shape[-2] // key.shape[-2]
        if repeats > 1:
            key, value = (jnp.repeat(one, repeats, axis=-2) for one in (key, value))
        axes = self.axes_of(query.ndim - 1)
        return attention.heads_attend(
            attention.heads_scores(query, key, axes),
            value,
            mask,
            axes=axes,
            # As Keras does, which takes another road without weights to show or to drop.
            empty=bool(self.dropout or wanted or query.ndim != 4),
            rate=self.dropout,
            random_key=self.random_key(self.seed) if training and self.dropout else None,
        )

    def _fused(self, projected: tuple[Array, Array, Array], mask: Any, wanted: bool) -> Array:
        """The means by the fused kernel of a GPU."""
        if wanted or projected[0].ndim != 4:
            raise ValueError(
                f"{self}: flash_attention=True gives no weights and takes inputs of rank 3; leave "
                "it out for return_attention_scores=True and for other ranks."
            )
        if jax.default_backend() != "gpu":
            raise ValueError(
                f"{self}: flash_attention=True needs a GPU, and this is {jax.default_backend()}. "
                "Leave it out: the results are the same."
            )
        return jax.nn.dot_product_attention(
            *(projected[place] for place in (0, 1, 2)), mask=mask, implementation="cudnn"
        )


def _with_masks(kwargs: dict[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of a call with the masks that came along, where none was passed."""
    arrived = {
        f"{name}_mask": mask
        for name, mask in found.items()
        if mask is not None and kwargs.get(f"{name}_mask") is None
    }
    return kwargs | arrived
