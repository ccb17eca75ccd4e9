"""`CategoryEncoding`, and what the layers that give numbers of categories share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.core.layer import Layer
from lamina.layers import checks
from lamina.ops import categories
from lamina.ops.embedding import first_bad
from lamina.typing import LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array

Vectors = Literal["one_hot", "multi_hot", "count"]
Numbers = Literal["int", "one_hot", "multi_hot", "count"]
Weighted = Literal["int", "one_hot", "multi_hot", "count", "tf_idf"]

_OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}


def checked_mode(value: Any, words: Any, layer: Any) -> Any:
    """An output mode by its name or by its old one, or a ``ValueError``."""
    return checks.one_of(_OLD_MODES.get(value, value), words, "output_mode", layer)


def check_dense(layer: Any, sparse: Any) -> bool:
    """``False``, or a ``ValueError`` that says what to do instead of ``sparse=True``."""
    if checks.flag(sparse, "sparse", layer):
        raise ValueError(
            f"{layer}: sparse=True is not supported: the layer gives dense arrays. Leave it out; "
            "for many categories take output_mode='int' and an Embedding."
        )
    return False


def encoded_shape(layer: Any, shape: Shape, mode: str, depth: int | None) -> Shape:
    """The shape of `encoded`, from that of its input.

    Raises:
        ValueError: samples of more than one axis are to be counted.
    """
    shape = tuple(shape)
    if mode == "int":
        return shape
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    if len(shape) > 2:
        raise ValueError(
            f"{layer}: output_mode {mode!r} takes inputs of shape (batch, length), or one sample, "
            f"got {shape}. Put the axes between into the batch, or use TimeDistributed."
        )
    return (*shape[:-1], depth)


def encoded(
    layer: Any, numbers: Any, mode: str, depth: int, dtype: Any, weights: Any = None
) -> Any:
    """Numbers of categories in the form of an output mode.

    Args:
        layer: for messages.
        numbers: integers; an array of NumPy is encoded on the host.
        mode: ``"int"``, ``"one_hot"``, ``"multi_hot"`` or ``"count"``.
        depth: how many categories there are; other numbers leave no trace.
        dtype: that of vectors.
        weights: what each entry counts, for ``"count"``.
    """
    if mode == "int":
        return numbers
    shape = encoded_shape(layer, numbers.shape, mode, depth)
    if mode == "one_hot":
        return categories.one_hot(jnp.asarray(numbers.reshape(shape[:-1])), depth, dtype)
    numbers = numbers if numbers.ndim else numbers.reshape(1)
    if isinstance(numbers, np.ndarray) and weights is None:
        table = categories.counts_on_host(numbers, depth)
        return jnp.asarray(table > 0 if mode == "multi_hot" else table, dtype)
    table = categories.counts(jnp.asarray(numbers), depth, dtype, weights)
    return (table > 0).astype(dtype) if mode == "multi_hot" else table


@registry.register("layer")
class CategoryEncoding(Layer):
    """Turn numbers of categories into vectors of zeros and ones, or of counts.

    ``"multi_hot"`` has a one for each category that is in a sample ``(batch, length)``;
    ``"count"`` says how often it is there; ``"one_hot"`` gives each entry a vector of its own, on
    the last axis if that has size 1, else on a new one.

    Args:
        num_tokens: how many categories there are: the inputs are 0 to ``num_tokens - 1``.
        output_mode: ``"multi_hot"``, ``"one_hot"`` or ``"count"``.
        sparse: not supported.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, an input of more than two axes that is no ``"one_hot"``, or an
            entry that is none of the categories.

    >>> CategoryEncoding(4)(np.array([[0, 2, 2], [1, 3, 3]])).tolist()
    [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: Vectors = "multi_hot",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if num_tokens is None:
            raise ValueError(
                f"{self}: num_tokens must say how many categories there are. Where it is not "
                "known, IntegerLookup finds the categories in the data."
            )
        self.num_tokens = checks.positive(num_tokens, "num_tokens", self)
        self.output_mode = checked_mode(output_mode, Vectors, self)
        self.sparse = check_dense(self, sparse)
        self.autocast = False  # floats of 16 bits hold no large numbers

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return encoded_shape(self, input_shape, self.output_mode, self.num_tokens)

    def call(self, inputs: Array, count_weights: Any = None) -> Array:
        given = jnp.asarray(inputs)
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"{self}: count_weights need output_mode='count', got {self.output_mode!r}."
            )
        if jnp.issubdtype(given.dtype, jnp.complexfloating):
            raise TypeError(f"{self}: categories cannot be complex numbers, got {given.dtype}.")
        numbers = given.astype(jnp.int32)
        outside = (numbers < 0) | (numbers >= self.num_tokens)
        outside |= numbers.astype(given.dtype) != given  # 2.5, or no number
        rows = (outside, given) if given.ndim else (outside.reshape(1), given.reshape(1))
        row, value = first_bad(*rows)
        self.report(row, value.astype(jnp.float32), self._explain)
        weights = None
        if count_weights is not None:
            weights = jnp.asarray(count_weights).astype(self.compute_dtype)
            if weights.shape != numbers.shape:
                raise ValueError(
                    f"{self}: count_weights must have the shape {numbers.shape} of the input, got "
                    f"{weights.shape}."
                )
        return encoded(
            self, numbers, self.output_mode, self.num_tokens, self.compute_dtype, weights
        )

    def _explain(self, row: int, value: float) -> str:
        return (
            f"{self}: the entry {value:g} in row {row} of the input is none of the "
            f"{self.num_tokens} categories (0 to {self.num_tokens - 1}). Set num_tokens to the "
            "largest entry plus 1."
        )
