"""`Discretization`: numbers of bins in the place of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.core.layer import Layer
from lamina.layers import checks
from lamina.layers.category_encoding import (
    Numbers,
    check_dense,
    checked_mode,
    encoded,
    encoded_shape,
)
from lamina.ops import quantiles
from lamina.typing import Config, LayerOptions, Shape

if TYPE_CHECKING:
    from lamina.typing import Array

MOST_BINS = 2**20


@registry.register("layer")
class Discretization(Layer):
    """Give each number that of the bin in which it falls.

    Bins lie between boundaries that are given, or that `adapt` takes from data, so that about as
    many numbers of the data fall into each. A boundary belongs to the bin above it.

    Args:
        bin_boundaries: numbers in ascending order, one less than there are bins.
        num_bins: how many bins `adapt` makes; instead of boundaries.
        epsilon: how exact `adapt` is: the share of all data that one value of its summary has.
        output_mode: ``"int"``, or vectors: ``"one_hot"``, ``"multi_hot"``, ``"count"``, as
            `CategoryEncoding` has them.
        sparse: not supported.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument; or a call before `adapt`.

    >>> Discretization([0.0, 1.0, 2.0])(np.array([[-0.2, 0.0, 1.5, 7.0]])).tolist()
    [[0, 1, 2, 3]]
    >>> layer = Discretization(num_bins=4)
    >>> layer.adapt(np.arange(8.0))
    >>> layer.bin_boundaries
    [1.0, 3.0, 5.0]
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: Numbers = "int",
        sparse: bool = False,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(
                f"{self}: either bin_boundaries or num_bins must be given, got {bin_boundaries!r} "
                f"and {num_bins!r}."
            )
        if num_bins is not None and not (checks.is_int(num_bins) and 0 < num_bins <= MOST_BINS):
            raise ValueError(f"{self}: num_bins must be a positive int, got {num_bins!r}.")
        if not checks.is_number(epsilon) or not 0 < epsilon <= 1:
            raise ValueError(f"{self}: epsilon must be above 0 and at most 1, got {epsilon!r}.")
        self.num_bins = None if num_bins is None else int(num_bins)
        self.epsilon = float(epsilon)
        self.output_mode = checked_mode(output_mode, Numbers, self)
        self.sparse = check_dense(self, sparse)
        self.bin_boundaries: list[float] | None = None
        self._summary = np.zeros((2, 0), "float32")
        if bin_boundaries is not None:
            self._set(bin_boundaries)

    def _set(self, boundaries: Any) -> None:
        found = np.asarray(boundaries)
        if found.dtype.kind not in "iuf" or found.ndim != 1 or not np.isfinite(found).all():
            raise ValueError(
                f"{self}: bin_boundaries must be a list of finite numbers, got {boundaries!r}."
            )
        if (np.diff(found) < 0).any():
            raise ValueError(f"{self}: bin_boundaries must ascend, got {boundaries!r}.")
        self.bin_boundaries = [float(number) for number in found]
        self.constants = self.bin_boundaries

    def _depth(self) -> int:
        boundaries = self.bin_boundaries
        return (self.num_bins or 0) if boundaries is None else len(boundaries) + 1

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return encoded_shape(self, input_shape, self.output_mode, self._depth())

    def output_dtype(self, inputs: Any) -> Any:
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def call(self, inputs: Array) -> Array:
        if self.bin_boundaries is None:
            raise ValueError(
                f"{self}: there are no boundaries yet. Call adapt(data) first, or pass "
                "bin_boundaries."
            )
        values = jnp.asarray(inputs)
        if not jnp.issubdtype(values.dtype, jnp.floating):
            values = values.astype(self.compute_dtype)
        edges = jnp.asarray(self.bin_boundaries, values.dtype)
        bins = jnp.searchsorted(edges, values, side="right").astype(jnp.int32)
        return encoded(self, bins, self.output_mode, self._depth(), self.compute_dtype)

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Take the boundaries from data; what was seen before is forgotten.

        Args:
            data: an array, or batches of one: a list of arrays, a generator.
            steps: how many batches to take, of a source that does not end.

        Raises:
            ValueError: the layer was given its boundaries, or there is no data.
        """
        batches: Iterable[Any] = [data] if hasattr(data, "shape") else data
        self.reset_state()
        for batch in itertools.islice(batches, steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take one batch into account.

        Args:
            data: an array.

        Raises:
            ValueError: the layer was given its boundaries.
        """
        if self.num_bins is None:
            raise ValueError(
                f"{self}: bin_boundaries were given, so there is nothing to adapt; pass num_bins "
                "instead."
            )
        values = np.asarray(data[0] if isinstance(data, tuple) else data, "float32")
        if not np.isfinite(values).all():
            raise ValueError(f"{self}: adapt needs finite numbers, got NaN or infinity.")
        if values.size:
            summary = quantiles.summarized(values, self.epsilon)
            self._summary = quantiles.joined(summary, self._summary, self.epsilon)

    def reset_state(self) -> None:
        """Forget what was seen."""
        self._summary = np.zeros((2, 0), "float32")

    def finalize_state(self) -> None:
        """Make the boundaries of what was seen.

        Raises:
            ValueError: nothing was seen.
        """
        if self.num_bins is None:
            return
        if not self._summary.size:
            raise ValueError(f"{self}: adapt got no data.")
        self._set(quantiles.boundaries(self._summary, self.num_bins))

    def get_config(self) -> Config:
        found = super().get_config() | {"bin_boundaries": self.bin_boundaries}
        del found["trainable"]  # Keras has no such argument here
        return found

    @classmethod
    def from_config(cls, config: Config) -> Any:
        """Make the layer from what ``get_config`` of any release gave: both, after `adapt`."""
        boundaries = config.get("bin_boundaries")
        if boundaries is None or config.get("num_bins") is None:
            return cls(**config)
        rest: Config = {**config, "bin_boundaries": None}
        made = cls(**rest)
        made._set(boundaries)
        return made
