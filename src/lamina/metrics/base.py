"""`Metric`: sums that are carried from batch to batch, and the number made of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from lamina import config
from lamina.core import allowance, context, naming, policy, pure
from lamina.core.packed import Scalar, clear
from lamina.core.variable import Variable
from lamina.metrics import arrays

if TYPE_CHECKING:
    from lamina.typing import Array, Config


def _dtype_name(dtype: Any) -> str:
    """The name of a dtype, of the dtype that a policy computes in, or of ``floatx``."""
    if dtype is None:
        return config.floatx()
    if isinstance(dtype, str):
        dtype = {"int": "int32", "float": "float32"}.get(dtype, dtype)
    try:
        return policy.get(dtype).compute_dtype
    except (TypeError, KeyError):
        raise ValueError(f"A metric's dtype must name a number type, got {dtype!r}.") from None


class Metric:
    """Keep sums over batches, and make a number of them.

    A metric of your own makes its sums with `add_weight`, changes them in `update_state` with
    ``assign`` and ``assign_add``, and makes its number in `result`. Both run compiled in
    training, so they may not branch on values.

    Sums that lamina's own metrics keep are pairs of floats (a sum and what rounding left out of
    it): counts stay exact up to 2**48, and an epoch's mean does not drift. They are kept in
    float32 or more, whatever `dtype` is.

    Args:
        name: key in the logs; by default made from the class's name, with a number from the
            second on.
        dtype: dtype of the result; by default ``floatx``.

    >>> class Largest(Metric):
    ...     def __init__(self, name="largest", **options):
    ...         super().__init__(name=name, **options)
    ...         self.seen = self.add_weight(name="seen", initializer="zeros")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.seen.assign(jnp.maximum(self.seen, jnp.max(y_pred)))
    ...     def result(self):
    ...         return self.seen.value
    >>> largest = Largest()
    >>> print(largest([0.0], jnp.array([3.0])), largest([0.0], jnp.array([2.0])))
    3.0 3.0
    """

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: name must be a str, got {name!r}.")
        self.name: str = name or naming.unique(naming.snake_case(type(self).__name__))
        self.dtype: str = _dtype_name(dtype)
        self.built = True
        self._variables: list[Variable] = []
        self._first: dict[Variable, np.ndarray] = {}
        self._rests: dict[Variable, Variable] = {}
        self._from_zero = True

    # --- variables

    def add_weight(self, *arguments: Any, **options: Any) -> Variable:
        """Make a variable that `reset_state` sets back to its first value.

        Args:
            arguments: ``name, shape`` as in ``tf.keras``, or ``shape, initializer, dtype, name``
                as in Keras 3; all may be keywords.
            options: ``name``; ``shape``, by default a scalar; ``initializer``, by default zeros;
                ``dtype``, by default the metric's, but no smaller float than float32. Keras'
                ``aggregation`` and ``synchronization`` have no meaning here.

        Raises:
            TypeError: unknown keywords.
            RuntimeError: the metric's ``__init__`` did not call ``super().__init__``.

        >>> Metric("m").add_weight(name="total", initializer="zeros")
        <Variable 'm/total' shape=() dtype=float32 value=0.0>
        """
        if "_variables" not in vars(self):
            raise RuntimeError(
                f"{type(self).__name__}: call super().__init__() before adding weights."
            )
        order = ("shape", "initializer", "dtype", "name")
        if arguments and isinstance(arguments[0], str):
            order = ("name", "shape", "aggregation", "synchronization", "initializer", "dtype")
        given = dict(zip(order, arguments, strict=False))
        unknown = set(options) - {*order, "aggregation", "synchronization", "trainable"}
        if unknown or len(arguments) > len(order) or given.keys() & options.keys():
            raise TypeError(
                f"{self._who}: add_weight takes name, shape, initializer and dtype, each once, "
                f"got {arguments!r} and {options!r}."
            )
        return self._add_variable(**{**given, **options})

    def add_variable(
        self,
        shape: Any = (),
        initializer: Any = None,
        dtype: Any = None,
        aggregation: Any = None,
        name: str | None = None,
    ) -> Variable:
        """`add_weight` with the order of arguments of Keras 3's ``add_variable``."""
        del aggregation  # sums are made over the whole batch, however it is split
        return self.add_weight(shape=shape, initializer=initializer, dtype=dtype, name=name)

    def _add_variable(
        self,
        name: str | None = None,
        shape: Any = (),
        initializer: Any = None,
        dtype: Any = None,
        **_: Any,
    ) -> Variable:
        shape = (shape,) if isinstance(shape, int) else tuple(shape or ())
        kind = jnp.dtype(_dtype_name(dtype)) if dtype is not None else self._state_dtype
        allowance.take(f"{self.name}/{name}", shape)
        variable = (Variable if shape else Scalar)(
            _first_value(initializer, shape, kind),
            dtype=kind,
            trainable=False,
            name=name or f"variable_{len(self._variables)}",
        )
        variable.path = f"{self.name}/{variable.name}"
        self._variables.append(variable)
        self._first[variable] = first = np.array(variable._value)
        self._from_zero = self._from_zero and not np.any(first)
        return variable

    @property
    def _state_dtype(self) -> Any:
        return jnp.dtype("float64" if self.dtype == "float64" else "float32")

    def add_sum(self, name: str, shape: Sequence[int] = ()) -> Variable:
        """Make a variable for `accumulate`, beside one for what rounding leaves out."""
        total = self.add_weight(name=name, shape=shape, dtype=self._state_dtype)
        self._rests[total] = self.add_weight(
            name=f"{name}_rest", shape=shape, dtype=self._state_dtype
        )
        return total

    def accumulate(self, total: Variable, value: Any) -> None:
        """Add floats, or int32 counts, to a variable made by `add_sum`, without losing any."""
        rest = self._rests[total]
        large, small = arrays.added(total.value, rest.value, arrays.as_array(value))
        total.assign(large)
        rest.assign(small)

    @property
    def variables(self) -> list[Variable]:
        """All variables: its own, and those of metrics that it holds."""
        found = dict.fromkeys(self._variables)
        for value in vars(self).values():
            if isinstance(value, _HOLDERS) and value is not self._variables:
                found.update(dict.fromkeys(_variables_in(value)))
        return list(found)

    @property
    def weights(self) -> list[Variable]:
        """The same as `variables`."""
        return self.variables

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The same as `variables`: optimizers change none of them."""
        return self.variables

    @property
    def trainable_variables(self) -> list[Variable]:
        """Empty."""
        return []

    # --- the three things that a metric does

    def build(self, y_true_shape: Sequence[int], y_pred_shape: Sequence[int]) -> None:
        """Make the variables whose shapes depend on the data's.

        Called with the first batch; a compiled step calls it before it is traced.
        """
        self.built = True

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take a batch in."""
        raise NotImplementedError(f"{type(self).__name__} must define update_state.")

    def result(self) -> Any:
        """The number for all that was taken in since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} must define result.")

    def reset_state(self) -> None:
        """Set all variables back to their first values."""
        for variable in self._variables:
            variable.assign(self._first[variable])
        for metric in _metrics_in(self):
            metric.reset_state()

    def reset_states(self) -> None:
        """`reset_state`, as older code calls it."""
        self.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take a batch in and return `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    # --- the same as pure functions

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any):
        """The values of `variables` after a batch; the metric itself stays as it is.

        Values of a batch that no metric can count (a label out of range) raise at once; within
        a ``jax.jit`` of your own, where nothing can be raised, they make the state NaN.

        Args:
            metric_variables: values, one for each of `variables`.
            args: arguments of `update_state`.
            kwargs: arguments of `update_state`.

        >>> from lamina.metrics import Sum
        >>> metric = Sum()
        >>> state = metric.stateless_reset_state()
        >>> state = metric.stateless_update_state(state, [1.0, 2.0])
        >>> float(metric.stateless_result(state)), float(metric.result())
        (3.0, 0.0)
        """
        _, values, faults = self._pure(self.update_state, metric_variables, *args, **kwargs)
        for fault in faults:
            values = [_spoiled(value, fault.row >= 0) for value in values]
        return values

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """`result` for given values of `variables`."""
        return self._pure(self.result, metric_variables)[0]

    def stateless_reset_state(self) -> list[Any]:
        """The values of `variables` after a reset; the metric itself stays as it is."""
        now = [variable.value for variable in self.variables]
        return self._pure(self.reset_state, now)[1]

    def _pure(
        self, method: Callable[..., Any], values: Sequence[Any], *args: Any, **kwargs: Any
    ) -> tuple[Any, list[Any], list[context.Fault]]:
        """Result, new values, and what could be reported to nobody."""
        own = self.variables
        if len(values) != len(own):
            raise ValueError(
                f"{self._who}: metric_variables must be {len(own)} values, one for each of its "
                f"variables, got {len(values)}."
            )
        outer = context.current()
        table = {} if outer is None else dict(outer.values)
        table.update(zip(own, map(jnp.asarray, values), strict=True))
        outcome = pure.run(method, list(table), list(table.values()), *args, **kwargs)
        changed = [outcome.call.values[variable] for variable in own]
        if outer is None:
            return outcome.result, changed, outcome.call.faults
        outer.faults.extend(outcome.call.faults)
        return outcome.result, changed, []

    # --- configs

    def get_config(self) -> Config:
        """The arguments of the constructor that are kept under their own names."""
        parameters = inspect.signature(type(self).__init__).parameters
        kinds = {parameter.kind for parameter in parameters.values()}
        names = [name for name in parameters if name in vars(self)]
        if inspect.Parameter.VAR_KEYWORD in kinds:
            names += ["name", "dtype"]
        return {name: getattr(self, name) for name in dict.fromkeys(names)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """A new metric with these arguments."""
        return cls(**config)

    @property
    def _who(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    def _finished(self, value: Array) -> Array:
        """The result in the metric's dtype."""
        dtype = jnp.dtype(self.dtype)
        return value.astype(dtype) if jnp.issubdtype(dtype, jnp.floating) else value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r}>"


def reset_all(metrics: Iterable[Metric]) -> None:
    """Set metrics back to their start; all sums that begin at 0 together."""
    sums: list[Variable] = []
    for metric in metrics:
        plain = type(metric).reset_state is Metric.reset_state and metric._from_zero
        if plain and context.current() is None and next(_metrics_in(metric), None) is None:
            sums += metric._variables
        else:
            metric.reset_state()
    clear(sums)


def _first_value(initializer: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    if initializer is None or initializer == "zeros":
        return np.zeros(shape, dtype)
    if initializer == "ones":
        return np.ones(shape, dtype)
    from lamina import initializers

    with jax.ensure_compile_time_eval():
        return np.asarray(initializers.get(initializer)(shape, dtype=dtype))


def _spoiled(value: Any, wrong: Any) -> Any:
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return value
    return jnp.where(wrong, jnp.nan, value).astype(value.dtype)


def _metrics_in(value: Any) -> Iterator[Metric]:
    if isinstance(value, Metric):
        for inner in vars(value).values():
            yield from _held(inner)


def _held(value: Any) -> Iterator[Metric]:
    if isinstance(value, Metric):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            if isinstance(part, _HOLDERS):
                yield from _held(part)


def _variables_in(value: Any) -> Iterator[Variable]:
    if isinstance(value, Variable):
        yield value
    for metric in _held(value):
        yield from metric.variables


_HOLDERS = (Variable, Metric, list, tuple, dict)
