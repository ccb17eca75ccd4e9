"""Sums and means of values, and of what a function makes of targets and predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

import jax.numpy as jnp

from lamina import registry
from lamina.core import faulty
from lamina.metrics import arrays
from lamina.metrics.base import Metric

if TYPE_CHECKING:
    from lamina.typing import Array, Config

Function = TypeVar("Function", bound=Callable[..., Any])

_elementwise: set[Any] = set()


def elementwise(function: Function) -> Function:
    """Mark a function whose targets and predictions have one shape and whose rows are reduced.

    `MeanMetricWrapper` evens out their shapes, and makes a vector a column, so that the mean over
    the last axis is not one over the batch.
    """
    _elementwise.add(function)
    return function


def _rows(values: Array, reduce: Callable[..., Array]) -> Array:
    return reduce(values, axis=tuple(range(1, values.ndim))) if values.ndim > 1 else values


def _fitted(values: Array, weights: Any, reduce: Any, who: str) -> tuple[Array, Array]:
    """Values times weights, and the weights, each one number a row."""
    weights = arrays.as_array(weights)
    if values.ndim > weights.ndim > 0 and not (weights.ndim == 1 and values.shape[1:] == (1,)):
        values = reduce(values, axis=tuple(range(weights.ndim, values.ndim)))
    full = arrays.weights_like(weights, values.shape, values.dtype, who)
    return _rows(arrays.weighted(values, full), reduce), _rows(full, reduce)


@registry.register("metric")
class Sum(Metric):
    """Add up values, each times its weight.

    Args:
        name: key in the logs.
        dtype: dtype of the result.

    >>> total = Sum()
    >>> total.update_state([1.0, 3.0, 5.0], sample_weight=[1, 1, 0])
    >>> float(total.result())
    4.0
    """

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_sum("total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values = arrays.as_floats(values, self._state_dtype)
        if sample_weight is not None:
            values, _ = _fitted(values, sample_weight, jnp.sum, self._who)
        self.accumulate(self.total, jnp.sum(values))

    def result(self) -> Array:
        return self._finished(self.total.value)


@registry.register("metric")
class Mean(Metric):
    """Average values, each times its weight, over rows.

    What a row holds beyond one number is averaged first. Without any weight, or none but zeros,
    the mean is 0.

    Args:
        name: key in the logs.
        dtype: dtype of the result.

    >>> mean = Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state([8.0])
    >>> float(mean.result())
    4.0
    """

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_sum("total")
        self.count = self.add_sum("count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values = arrays.as_floats(values, self._state_dtype)
        if sample_weight is None:
            rows = values.shape[0] if values.ndim else 1
            self._take(jnp.sum(_rows(values, jnp.mean)), jnp.int32(rows))
            return
        values, weights = _fitted(values, sample_weight, jnp.mean, self._who)
        self._take(jnp.sum(values), jnp.sum(weights))

    def _take(self, total: Array, count: Array) -> None:
        self.accumulate(self.total, total)
        self.accumulate(self.count, count)

    def result(self) -> Array:
        return self._finished(arrays.quotient(self.total.value, self.count.value))


@registry.register("metric")
class MeanMetricWrapper(Mean):
    """Average what a function makes of targets and predictions.

    A function that returns one number for the whole batch counts with the batch's rows (or the
    sum of their weights), so that the smaller last batch does not count like a full one.

    Args:
        fn: function ``(y_true, y_pred, **kwargs)`` to values, one a row or more.
        name: key in the logs; by default the function's.
        dtype: dtype of the result.
        kwargs: further arguments of the function.

    >>> def error(y_true, y_pred):
    ...     return abs(y_true - y_pred)
    >>> metric = MeanMetricWrapper(error)
    >>> float(metric(jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0]))), metric.name
    (1.5, 'error')
    """

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        if not callable(fn):
            raise TypeError(f"{type(self).__name__}: fn must be a function, got {fn!r}.")
        name = name or getattr(fn, "__name__", None) or getattr(fn, "name", None)
        super().__init__(name or "mean_metric_wrapper", dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        if self._fn in _elementwise:
            y_true, y_pred = arrays.paired(y_true, y_pred, self._who)
            if y_pred.ndim == 1:
                y_true, y_pred = y_true[:, None], y_pred[:, None]
        else:
            y_true, y_pred = arrays.as_array(y_true), arrays.as_array(y_pred)
        values = arrays.as_floats(self._values(y_true, y_pred), self._state_dtype)
        if values.ndim:
            super().update_state(values, sample_weight)
        else:
            self._take_batch(values, y_pred, sample_weight)

    def _values(self, y_true: Any, y_pred: Any) -> Any:
        """What the function gives; an error in it says which metric it is and on what shapes."""
        try:
            found = self._fn(y_true, y_pred, **self._fn_kwargs)
        except Exception as error:
            if faulty.is_foreign(self._fn):
                faulty.explain_measure(f"metric {self.name!r}", error, y_true, y_pred)
            raise
        if found is None:
            raise faulty.no_measure(f"metric {self.name!r}", y_true, y_pred)
        return found

    def _take_batch(self, value: Array, y_pred: Array, sample_weight: Any) -> None:
        rows = y_pred.shape[0] if y_pred.ndim else 1
        if sample_weight is None:
            self._take(value * rows, jnp.int32(rows))
            return
        weights = arrays.as_floats(sample_weight, self._state_dtype)
        weights = _rows(weights, jnp.mean) if weights.ndim else jnp.full((rows,), weights)
        self._take(value * jnp.sum(weights), jnp.sum(weights))

    def get_config(self) -> Config:
        config = super().get_config()
        if type(self) is MeanMetricWrapper:
            arguments = {key: registry.serialize(value) for key, value in self._fn_kwargs.items()}
            config.update(fn=registry.serialize(self._fn), **arguments)
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        arguments = dict(config)
        if "fn" in arguments and not callable(arguments["fn"]):
            arguments["fn"] = _function(arguments["fn"], custom_objects)
        return cls(**arguments)


def _function(identifier: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    name = identifier.get("config") if isinstance(identifier, Mapping) else identifier
    if isinstance(name, str):
        for kind in ("metric", "loss"):
            found = registry.find(kind, name, custom_objects)
            if found is not None:
                return found
        return registry.lookup("metric", name, custom_objects)
    return registry.deserialize("loss", identifier, custom_objects)
