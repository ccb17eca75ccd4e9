"""`IntegerLookup`: integers to their places in a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.core.symbolic import SymbolicTensor
from lamina.layers import checks
from lamina.layers.category_encoding import Weighted
from lamina.layers.host import as_integers
from lamina.layers.lookup import DROPPED, NOT_FOUND, IndexLookup
from lamina.ops import categories, hashing
from lamina.ops.embedding import first_bad
from lamina.typing import LayerOptions

if TYPE_CHECKING:
    from lamina.typing import Array

Method = Literal["floormod", "farmhash"]


@registry.register("layer")
class IntegerLookup(IndexLookup):
    """Give integers the numbers of their places in a vocabulary, which `adapt` takes from data.

    The first places are those of the mask, if there is one and the output is ``"int"``, and of
    unknown integers. Within compiled models integers have 32 bits; called on arrays of NumPy the
    layer takes 64.

    Args:
        max_tokens: most places, those of the mask and of unknown integers included.
        num_oov_indices: places for unknown integers: with none they are an error, with several
            each goes to the place that `oov_method` says.
        mask_token: integer that stands for nothing: it goes to place 0, or into no vector.
        oov_token: what an inverse lookup gives for places of no integer.
        vocabulary: the integers, or the path of a file with one on each line.
        vocabulary_dtype: ``"int64"``.
        idf_weights: weight of each integer, for ``"tf_idf"``.
        invert: whether places become integers.
        output_mode: ``"int"``, ``"one_hot"``, ``"multi_hot"``, ``"count"`` as `CategoryEncoding`
            has them, or ``"tf_idf"``: counts times the weights.
        sparse: not supported.
        pad_to_max_tokens: whether vectors have `max_tokens` places in any case.
        oov_method: ``"floormod"`` for the rest of the division by the number of places;
            ``"farmhash"`` for a hash of the decimal digits.
        salt: an int or two, the key of the hash, which is then SipHash-2-4.
        vocabulary_size: places of a vocabulary that comes later, as files say it.
        options: what every layer takes, see `Layer`; `dtype` says nothing here.

    Raises:
        ValueError: a bad argument; a call without a vocabulary; an unknown integer without a
            place.

    >>> layer = IntegerLookup()
    >>> layer.adapt(np.array([36, 12, 36]))
    >>> layer.get_vocabulary(), layer(np.array([[12, 7, 36]])).tolist()
    ([-1, 36, 12], [[2, 0, 1]])
    """

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int | None = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: Weighted = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: Method = "floormod",
        salt: int | Sequence[int] | None = None,
        *,
        vocabulary_size: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        self.oov_method = "floormod"
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
            if token is not None and not checks.is_int(token):
                raise ValueError(f"{self}: {name} must be an int, got {token!r}.")
        if vocabulary_dtype not in ("int64", "int32"):
            raise ValueError(f"{self}: vocabulary_dtype must be 'int64', got {vocabulary_dtype!r}.")
        self.vocabulary_dtype = vocabulary_dtype
        self.oov_method = checks.one_of(oov_method, Method, "oov_method", self)
        if salt is not None and self.oov_method != "farmhash":
            raise ValueError(f"{self}: salt needs oov_method='farmhash', got {oov_method!r}.")
        self._start_with(vocabulary, idf_weights)

    @property
    def input_dtype_of_first(self) -> str:
        return "int32"

    def as_tokens(self, values: Any) -> np.ndarray:
        return as_integers(self, values)

    def make_table(self, tokens: list[Any]) -> None:
        keys = np.array(tokens, np.int64)
        order = np.argsort(keys)
        self._keys, self._places = keys[order], order + self._start()

    def in_table(self, tokens: np.ndarray) -> np.ndarray:
        return categories.looked_up(np, tokens, self._keys, self._places, NOT_FOUND)

    def of_lines(self, lines: list[str], what: str) -> list[int]:
        try:
            return [int(line) for line in lines]
        except ValueError:
            raise ValueError(f"{self}: {what} has lines that are no integers.") from None

    def check_symbolic(self, tensor: SymbolicTensor) -> None:
        """Numbers are read."""

    def bins(self, tokens: np.ndarray) -> np.ndarray:
        if self.oov_method == "floormod":
            return np.mod(tokens, self.num_oov_indices)
        return hashing.number_bins(tokens, self.num_oov_indices, self._key())

    def tokens_at(self, places: Any) -> np.ndarray:
        places = as_integers(self, places)
        table = np.array([self._unknown(), *self._at_places()], np.int64)
        inside = (places >= 0) & (places < len(table) - 1)
        return table[np.where(inside, places + 1, 0)]

    def _unknown(self) -> int:
        return -1 if self.oov_token is None else int(self.oov_token)

    def _at_places(self) -> list[int]:
        return [self._unknown() if one is None else one for one in self.get_vocabulary()]

    def traced(self, inputs: Any) -> Array:
        self.check_filled()
        numbers = jnp.asarray(inputs)
        if not jnp.issubdtype(numbers.dtype, jnp.signedinteger):
            numbers = numbers.astype(jnp.int32)
        return self._inverse(numbers) if self.invert else self._forward(numbers)

    def _inverse(self, places: Array) -> Array:
        table = np.array([self._unknown(), *self._at_places()], np.int64)
        limits = np.iinfo(places.dtype)
        if table.min() < limits.min or table.max() > limits.max:
            raise ValueError(
                f"{self}: the vocabulary holds integers that {places.dtype} does not, so that no "
                "compiled model gives them. Call the layer on the model's predictions."
            )
        inside = (places >= 0) & (places < len(table) - 1)
        return jnp.asarray(table.astype(places.dtype))[jnp.where(inside, places + 1, 0)]

    def _forward(self, numbers: Array) -> Array:
        limits = np.iinfo(numbers.dtype)
        possible = (self._keys >= limits.min) & (self._keys <= limits.max)
        keys = jnp.asarray(self._keys[possible].astype(numbers.dtype))
        values = jnp.asarray(self._places[possible].astype(np.int32))
        places = categories.looked_up(jnp, numbers, keys, values, NOT_FOUND)
        if self.mask_token is not None and limits.min <= self.mask_token <= limits.max:
            masked = 0 if self.output_mode == "int" else DROPPED
            places = jnp.where(numbers == self.mask_token, masked, places)
        unknown = places == NOT_FOUND
        if self.num_oov_indices == 0:
            rows = (unknown, numbers) if numbers.ndim else (unknown[None], numbers[None])
            row, value = first_bad(*rows)
            self.report(row, value.astype(jnp.float32), self._explain)
            return self.in_form(places)
        return self.in_form(jnp.where(unknown, self._traced_bins(numbers), places))

    def _traced_bins(self, numbers: Array) -> Array:
        first, several = self._masks(), self.num_oov_indices
        if several == 1:
            return jnp.full(numbers.shape, first, jnp.int32)
        if self.oov_method == "floormod":
            return (jnp.mod(numbers, several) + first).astype(jnp.int32)
        return hashed_in_program(numbers, several, self._key()) + first

    def _explain(self, row: int, value: float) -> str:
        return (
            f"{self}: the integer {int(value)} in row {row} of the input is not in the vocabulary. "
            "Set num_oov_indices to 1 for a place of unknown integers."
        )


def hashed_in_program(numbers: Array, bins: int, key: tuple[int, int] | None) -> Array:
    """`lamina.ops.hashing.number_bins` within a compiled program, which asks the host for it."""

    def host(values: Any) -> np.ndarray:
        return hashing.number_bins(np.asarray(values), bins, key).astype(np.int32)

    kind = jax.ShapeDtypeStruct(numbers.shape, jnp.int32)
    return jax.pure_callback(host, kind, numbers, vmap_method="expand_dims")
