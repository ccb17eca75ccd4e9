"""`Variable`: an array with a name, that works wherever an array works."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina import config
from lamina.core import allowance, context
from lamina.core.derived import Valued, arrives_as_array
from lamina.core.readers import readers
from lamina.initializers.base import makes_anew

if TYPE_CHECKING:
    from lamina.typing import ArrayLike


class Variable(Valued):
    """Hold an array under a name; read it as an array, change it with `assign`.

    It may be passed to any function of ``jax.numpy``, ``jax.nn``, `lamina.ops` and ``K``, and
    takes part in arithmetic. While a model runs as a pure function it stands for the value of
    that run. Functions of ``jax.lax`` want ``variable.value``.

    Args:
        initializer: first value, or a function ``(shape, dtype=) -> array``.
        shape: shape, when `initializer` is a function.
        dtype: dtype; by default that of the value, floats as ``floatx``.
        trainable: whether optimizers change it.
        name: last part of its path.
        regularizer: function of the value to a scalar that is added to the loss.
        constraint: function applied to the value after each update.

    >>> v = Variable(np.ones((2, 3)), name="kernel")
    >>> (v * 2).sum(), v.shape
    (Array(12., dtype=float32), (2, 3))
    """

    __slots__ = (
        "__weakref__",
        "_value",
        "constraint",
        "dtype",
        "exposed",
        "initializer",
        "name",
        "path",
        "regularizer",
        "shape",
        "sharding",
        "trainable",
    )

    def __init__(
        self,
        initializer: Any,
        shape: tuple[int, ...] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str = "variable",
        *,
        regularizer: Callable[[Any], Any] | None = None,
        constraint: Callable[[Any], Any] | None = None,
    ) -> None:
        with jax.ensure_compile_time_eval():
            if callable(initializer):
                if shape is None:
                    raise ValueError(f"Variable {name!r}: an initializer needs a shape.")
                allowance.take(name, shape)
                value = jnp.asarray(initializer(shape, dtype=np.dtype(dtype or config.floatx())))
            else:
                value = _as_array(initializer, dtype)
        self._value: jax.Array = value
        self.shape: tuple[int, ...] = value.shape
        self.dtype = value.dtype
        self.name = name
        self.path = name
        self.trainable = trainable
        self.initializer = initializer if callable(initializer) else None
        self.regularizer = regularizer
        self.constraint = constraint
        self.sharding = None
        self.exposed = not makes_anew(initializer)

    @property
    def value(self) -> jax.Array:
        """The array: of the run that is going on, else the variable's own."""
        call = context.current()
        if call is not None:
            found = call.values.get(self)
            if found is not None:
                return found
            call.strays[self] = None
        # A step must not overwrite memory that somebody outside holds.
        with readers.lock:
            self.exposed = True
            return self._value

    def peek(self) -> jax.Array:
        """The value for one who keeps no hold of it: a later step may take over its memory.

        >>> float(Variable(2.5).peek())
        2.5
        """
        return self._value if context.current() is None else self.value

    def make_private(self) -> None:
        """Move the value into memory that nobody else holds."""
        value = self._value
        if jax.default_backend() == "cpu" and not value.committed:
            self._value = jax.device_put(np.array(value))  # compiles nothing
        else:
            self._value = jnp.array(value, copy=True)
        self.exposed = False

    def assign(self, value: Any) -> Variable:
        """Replace the value, keeping shape and dtype.

        Raises:
            ValueError: the shape differs.
        """
        if isinstance(value, Valued):
            value = value.value
        shape = np.shape(value)
        if shape != self.shape:
            raise ValueError(
                f"Variable {self.path!r} has shape {self.shape}, "
                f"but the value assigned to it has shape {shape}."
            )
        call = context.current()
        new = self._converted(value, outside=call is None)
        if call is not None:
            call.values[self] = new
            call.updated[self] = None
        else:
            if isinstance(new, Tracer):
                raise ValueError(
                    f"Variable {self.path!r} was assigned within jax.jit or jax.grad by code that "
                    "lamina does not run; do it in a layer's call, or return the value instead."
                )
            with readers.lock:  # not between the two ends of another thread's step
                self._value = new
                self.exposed = True
        return self

    def _converted(self, value: Any, outside: bool) -> jax.Array:
        """A new value in the variable's dtype; outside of a run nothing is compiled for numbers."""
        if outside and isinstance(value, np.ndarray) and value.dtype == self.dtype:
            return jax.device_put(np.array(value))
        return jnp.asarray(value).astype(self.dtype)

    def assign_add(self, value: Any) -> Variable:
        """Add a scalar, or an array of the same shape."""
        return self.assign(self.value + self._operand(value))

    def assign_sub(self, value: Any) -> Variable:
        """Subtract a scalar, or an array of the same shape."""
        return self.assign(self.value - self._operand(value))

    def _operand(self, value: Any) -> jax.Array:
        shape = np.shape(value)
        if shape not in ((), self.shape):
            raise ValueError(
                f"Variable {self.path!r} has shape {self.shape}, "
                f"but the value to add to it has shape {shape}."
            )
        return jnp.asarray(value).astype(self.dtype)

    def numpy(self) -> np.ndarray:
        """A copy of the value as a NumPy array."""
        if context.current() is not None:
            return np.array(self.value)
        with readers:  # no step of another thread takes the memory meanwhile
            return np.array(self._value)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def _keras_shape(self) -> tuple[int, ...]:
        return self.shape

    def get_shape(self) -> tuple[int, ...]:
        """The shape, as TensorFlow spelled it."""
        return self.shape

    def read_value(self) -> jax.Array:
        """The value, as TensorFlow spelled it."""
        return self.value

    def __len__(self) -> int:
        return self.shape[0]

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        twin = memo[id(self)] = type(self).__new__(type(self))
        twin._take(self)
        return twin

    def __copy__(self) -> Variable:
        return self.__deepcopy__({})

    def __reduce__(self) -> Any:
        options = (self.numpy(), self.path, self.trainable, self.regularizer, self.constraint)
        return _restored, (self.name, self.dtype.name, *options)

    def _take(self, other: Variable) -> None:
        """Become like another variable; arrays do not change, so that both may hold one."""
        self._value = other.value
        for name in ("shape", "dtype", "name", "path", "trainable", "initializer"):
            setattr(self, name, getattr(other, name))
        self.regularizer, self.constraint = other.regularizer, other.constraint
        self.sharding, self.exposed = other.sharding, True

    def __repr__(self) -> str:
        return f"<Variable {self.path!r} shape={self.shape} dtype={self.dtype.name}{self._shown()}>"

    def _shown(self) -> str:
        """The value, where it is one number that can be looked at."""
        if self.shape or context.current() is not None:
            return ""
        with readers:
            value = self.value
            hidden = isinstance(value, Tracer) or value.is_deleted()
            return "" if hidden else f" value={np.asarray(value)}"


def _as_array(value: ArrayLike | Any, dtype: Any) -> jax.Array:
    """A private copy of the value; floats become ``floatx`` unless a dtype is given."""
    host = np.asarray(value) if not isinstance(value, jax.Array) else value
    if dtype is None and jnp.issubdtype(host.dtype, jnp.floating):
        dtype = config.floatx()
    if dtype is not None and not isinstance(host, jax.Array):
        kind = jax.dtypes.canonicalize_dtype(dtype)
        return jax.device_put(np.array(host, kind))  # compiles nothing
    return jnp.array(host, dtype=dtype, copy=True)


def _restored(
    name: str, dtype: str, value: Any, path: str, trainable: bool, regularizer: Any, constraint: Any
) -> Variable:
    """A variable from what ``pickle`` kept."""
    variable = Variable(
        value, None, dtype, trainable, name, regularizer=regularizer, constraint=constraint
    )
    variable.path = path
    return variable


arrives_as_array(Variable)
