"""`Hashing` and `HashedCrossing`: bins for texts and integers of which nobody made a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.core.symbolic import SymbolicTensor
from lamina.layers import checks
from lamina.layers.category_encoding import (
    Numbers,
    check_dense,
    checked_mode,
    encoded,
    encoded_shape,
)
from lamina.layers.host import HostLayer, as_integers, as_texts
from lamina.layers.integer_lookup import hashed_in_program
from lamina.layers.vocabulary_layer import checked_salt
from lamina.ops import hashing
from lamina.typing import Config, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array


def _values(layer: Any, inputs: Any) -> np.ndarray:
    """Texts as objects, numbers as integers."""
    array = np.asarray(inputs, None if hasattr(inputs, "dtype") else object)
    texts = array.dtype.kind in "UST" or any(
        isinstance(one, str | bytes) for one in array.reshape(-1)[:1].tolist()
    )
    if texts:
        return as_texts(layer, array)
    return as_integers(layer, np.asarray(array.tolist()) if array.dtype.kind == "O" else array)


@registry.register("layer")
class Hashing(HostLayer):
    """Put texts or integers into bins by their hash, without a vocabulary.

    The hash is FarmHash's fingerprint, or SipHash-2-4 with a salt; integers are hashed as the text
    of their decimal digits, floats are cut to integers first. Texts are read outside of compiled
    programs only, as `StringLookup` reads them; within these, integers are hashed on the host.

    Args:
        num_bins: how many bins there are, that of the mask included.
        mask_value: value that goes to bin 0, which nothing else goes to then.
        salt: an int or two, the key of the hash.
        output_mode: ``"int"``, ``"one_hot"``, ``"multi_hot"`` or ``"count"``, as
            `CategoryEncoding` has them.
        sparse: not supported.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument.
        TypeError: an input that holds neither texts nor numbers.

    >>> Hashing(5)([["a", "b"], ["c", "a"]]).tolist()
    [[4, 2], [2, 4]]
    >>> Hashing(5, mask_value=7, output_mode="count")(np.array([[7, 8, 7]])).tolist()
    [[2.0, 0.0, 0.0, 0.0, 1.0]]
    """

    takes_texts = True

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: int | Sequence[int] | None = None,
        output_mode: Numbers = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        if options.get("dtype") in ("int32", "int64"):
            options.pop("dtype")
        super().__init__(**options)
        self.num_bins = checks.positive(num_bins, "num_bins", self)
        self.mask_value = mask_value
        self.salt = checked_salt(self, salt)
        self.output_mode = checked_mode(output_mode, Numbers, self)
        self.sparse = check_dense(self, sparse)

    def check_symbolic(self, tensor: SymbolicTensor) -> None:
        """Texts and numbers are read."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return encoded_shape(self, input_shape, self.output_mode, self.num_bins)

    def output_dtype(self, inputs: Any) -> Any:
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def _free_bins(self) -> int:
        """How many bins the hash chooses from: that of the mask is none of them."""
        masks = self.mask_value is not None and self.num_bins > 1
        return self.num_bins - 1 if masks else self.num_bins

    def _in_form(self, bins: Any) -> Array:
        if self.output_mode == "int":
            return jnp.asarray(bins).astype(jnp.int32)
        return encoded(self, bins, self.output_mode, self.num_bins, self.compute_dtype)

    def on_host(self, inputs: Any) -> Array:
        values = _values(self, inputs)
        key = None if self.salt is None else (self.salt[0], self.salt[1])
        hashed = hashing.text_bins if values.dtype == object else hashing.number_bins
        free = self._free_bins()
        bins = hashed(values, free, key)
        if free < self.num_bins:
            bins = np.where(values == self.mask_value, 0, bins + 1)
        return self._in_form(bins)

    def traced(self, inputs: Any) -> Array:
        numbers, key = jnp.asarray(inputs), None
        if not jnp.issubdtype(numbers.dtype, jnp.integer):
            numbers = numbers.astype(jnp.int32)
        if self.salt is not None:
            key = (self.salt[0], self.salt[1])
        free = self._free_bins()
        bins = hashed_in_program(numbers, free, key)
        if free < self.num_bins:
            limits = np.iinfo(numbers.dtype)
            bins = bins + 1
            if checks.is_int(self.mask_value) and limits.min <= self.mask_value <= limits.max:
                bins = jnp.where(numbers == self.mask_value, 0, bins)
        return self._in_form(bins)

    def get_config(self) -> Config:
        found = super().get_config()
        return found | {"dtype": "int64" if self.output_mode == "int" else found["dtype"]}


KEY = 956888297470
"""The key with which TensorFlow begins crosses of features."""

Crossed = Literal["int", "one_hot"]


@registry.register("layer")
class HashedCrossing(HostLayer):
    """Put pairs of features, or more, into bins by the hash of all of them together.

    The hash of a text is FarmHash's fingerprint, that of an integer is itself; they are put
    together one after the other. Texts are read outside of compiled programs only, as
    `StringLookup` reads them; within these, integers are hashed on the host.

    Args:
        num_bins: how many bins there are.
        output_mode: ``"int"``, or ``"one_hot"`` for vectors.
        sparse: not supported.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument; less than two inputs; inputs that have not the same shape, of
            ``()``, ``(batch,)`` and ``(batch, 1)``.

    >>> HashedCrossing(5)((["A", "B", "A"], np.array([101, 101, 102]))).tolist()
    [1, 4, 3]
    """

    takes_texts = True

    def __init__(
        self,
        num_bins: int,
        output_mode: Crossed = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        if options.get("dtype") in ("int32", "int64"):
            options.pop("dtype")
        super().__init__(**options)
        self.num_bins = checks.positive(num_bins, "num_bins", self)
        self.output_mode = checks.one_of(output_mode, Crossed, "output_mode", self)
        self.sparse = check_dense(self, sparse)

    def check_symbolic(self, tensor: SymbolicTensor) -> None:
        """Texts and numbers are read."""

    def _checked(self, shapes: Any) -> Shape:
        """The one shape of all inputs."""
        found = [tuple(shape) for shape in shapes]
        if len(found) < 2:
            raise ValueError(f"{self}: crosses two inputs or more, got {len(found)}.")
        first = found[0]
        if any(one != first for one in found) or len(first) > 2 or first[1:] not in ((), (1,)):
            raise ValueError(
                f"{self}: the inputs must have one shape, of (), (batch,) and (batch, 1), got "
                f"{', '.join(map(str, found))}."
            )
        return first

    def _several(self, inputs: Any) -> list[Any]:
        if not isinstance(inputs, list | tuple):
            raise ValueError(f"{self}: takes a list of inputs, got {type(inputs).__name__}.")
        return list(inputs)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return encoded_shape(self, self._checked(input_shape), self.output_mode, self.num_bins)

    def output_dtype(self, inputs: Any) -> Any:
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def _words(self, values: np.ndarray) -> np.ndarray:
        """Each value as a word of 64 bits."""
        flat = values.reshape(-1)
        if values.dtype == object:
            return hashing.fingerprint64([text.encode() for text in flat])
        return flat.astype(np.int64).view(np.uint64)

    def _crossed(self, columns: list[np.ndarray]) -> np.ndarray:
        crossed = np.full(columns[0].size, KEY, np.uint64)
        for column in columns:
            crossed = hashing.fingerprint_cat64(crossed, self._words(column))
        bins = (crossed % np.uint64(self.num_bins)).astype(np.int64)
        return bins.reshape(columns[0].shape)

    def _in_form(self, bins: Any) -> Array:
        if self.output_mode == "int":
            return jnp.asarray(bins).astype(jnp.int32)
        return encoded(self, bins, self.output_mode, self.num_bins, self.compute_dtype)

    def on_host(self, inputs: Any) -> Array:
        columns = [_values(self, one) for one in self._several(inputs)]
        self._checked([column.shape for column in columns])
        return self._in_form(self._crossed(columns))

    def traced(self, inputs: Any) -> Array:
        columns = [jnp.asarray(one) for one in self._several(inputs)]
        shape = self._checked([column.shape for column in columns])

        def host(*values: Any) -> np.ndarray:
            return self._crossed([np.asarray(one) for one in values]).astype(np.int32)

        whole = [one.astype(jnp.int32) for one in columns]
        kind = jax.ShapeDtypeStruct(shape, jnp.int32)
        return self._in_form(jax.pure_callback(host, kind, *whole, vmap_method="expand_dims"))

    def get_config(self) -> Config:
        found = super().get_config()
        del found["trainable"]  # Keras has no such argument here
        return found | {"dtype": "int64" if self.output_mode == "int" else found["dtype"]}
