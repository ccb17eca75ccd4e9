"""`Embedding`: a table of vectors, looked up by index."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina import constraints, initializers, registry, regularizers
from lamina.core import shapes
from lamina.core.layer import Layer
from lamina.layers.checks import flag, is_int, positive
from lamina.layers.elementwise import is_float
from lamina.ops.embedding import first_bad, first_bad_row, take_rows
from lamina.typing import Shape

if TYPE_CHECKING:
    from lamina.typing import Array


@registry.register("layer")
class Embedding(Layer):
    """Turn indices into vectors: ``[[4], [20]] -> [[[0.25, 0.1]], [[0.6, -0.2]]]``.

    Inputs are whole numbers from 0 to ``input_dim - 1``; floats lose their fraction. An index
    outside of the table is an error that names its row, in training too.

    Args:
        input_dim: number of rows of the table: the largest index, plus 1.
        output_dim: size of each vector.
        embeddings_initializer: first values of the table, of shape ``(input_dim, output_dim)``.
        embeddings_regularizer: penalty on the table.
        activity_regularizer: penalty on the output, divided by the batch size.
        embeddings_constraint: function applied to the table after each update.
        mask_zero: whether the index 0 is padding: the output then carries a mask, and the
            layers behind must support masking.
        input_length: length of the input sequences, where it is fixed; a tuple for inputs of
            more axes. `Flatten` and `Dense` behind need it.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a size is no positive int, the input has another length than
            `input_length`, or an index is not in the table.

    >>> Embedding(1000, 64, input_length=10).compute_output_shape((None, 10))
    (None, 10, 64)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: initializers.Like = "uniform",
        embeddings_regularizer: regularizers.Like = None,
        activity_regularizer: regularizers.Like = None,
        embeddings_constraint: constraints.Like = None,
        mask_zero: bool = False,
        input_length: int | Sequence[int | None] | None = None,
        **options: Any,
    ) -> None:
        stated = options.keys() & {"input_shape", "batch_input_shape", "batch_shape"}
        if isinstance(input_length, Sequence) and "batch_input_shape" in options:
            # Keras 2 wrote the lengths as one entry: (None, (3, 2)).
            options["batch_input_shape"] = shapes.flat(options["batch_input_shape"])
        super().__init__(activity_regularizer=activity_regularizer, **options)
        self.input_dim = positive(input_dim, "input_dim", self)
        self.output_dim = positive(output_dim, "output_dim", self)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = flag(mask_zero, "mask_zero", self)
        self.input_length = self._lengths(input_length)
        # Floats of 16 bits hold no large indices.
        self.autocast = False
        if not stated:
            lengths = self.input_length
            lengths = lengths if isinstance(lengths, tuple) else (lengths,)
            self.batch_input_shape = (options.get("batch_size"), *lengths)
        # A Sequential opens with sequences of any length, unless a layer behind needs theirs.
        unknown = self.batch_input_shape is not None and self.batch_input_shape[1:] == (None,)
        self._entry_guessed = self.input_length is None and unknown

    def _lengths(self, value: Any) -> int | tuple[int | None, ...] | None:
        """One length, or one for each axis of the input behind the batch."""
        if value is None or is_int(value):
            return None if value is None else positive(value, "input_length", self)
        if isinstance(value, Sequence) and value and not isinstance(value, str):
            return tuple(n if n is None else positive(n, "input_length", self) for n in value)
        raise ValueError(
            f"{self}: input_length must be a positive int, a tuple of them or None, got {value!r}."
        )

    @property
    def input_dtype_of_first(self) -> str:
        return self._input_dtype or "int32"

    def build(self, input_shape: Shape) -> None:
        self.embeddings = self.add_weight("embeddings", (self.input_dim, self.output_dim))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.input_length is None:
            return (*input_shape, self.output_dim)
        lengths = self.input_length if isinstance(self.input_length, tuple) else None
        stated = lengths or (self.input_length, *input_shape[2:])
        pairs = list(zip(stated, input_shape[1:], strict=False))
        differ = any(None not in pair and pair[0] != pair[1] for pair in pairs)
        if len(stated) != len(input_shape) - 1 or differ:
            raise ValueError(
                f"{self}: input_length is {self.input_length}, but the input has shape "
                f"{input_shape}. Pad or cut the sequences to that length, or leave it out."
            )
        filled: Any = (size if own is None else own for own, size in pairs)
        return (input_shape[0], *filled, self.output_dim)

    def call(self, inputs: Array) -> Array:
        inputs = jnp.asarray(inputs)
        self.compute_output_shape(inputs.shape)
        if jnp.issubdtype(inputs.dtype, jnp.complexfloating):
            raise TypeError(f"{self}: indices cannot be complex numbers, got {inputs.dtype}.")
        given = inputs
        if is_float(inputs):
            inputs = jnp.where(jnp.isfinite(inputs), inputs, -1.0)
        if is_float(inputs) or inputs.dtype == bool:
            inputs = inputs.astype(jnp.int32)
        row, value = first_bad_row(inputs, self.input_dim)
        if is_float(given):  # show what came
            row, value = first_bad((inputs < 0) | (inputs >= self.input_dim), given)
        self.report(row, value.astype(jnp.float32), self._explain)
        return take_rows(self.embeddings.value.astype(self.compute_dtype), inputs)

    def _explain(self, row: int, value: float) -> str:
        shown = int(value) if isfinite(value) else value
        return (
            f"{self}: index {shown} in row {row} of the input is not in the table of "
            f"{self.input_dim} rows (0 to {self.input_dim - 1}). Set input_dim to the largest "
            "index plus 1."
        )

    def compute_mask(self, inputs: Array, mask: Any = None) -> Any:
        if mask is not None:
            super().compute_mask(inputs, mask)
        return jnp.asarray(inputs) != 0 if self.mask_zero else None
