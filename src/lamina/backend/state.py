"""Variables, what is known about tensors, names and the session of ``K``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.backend.old_names import renamed
from lamina.core import context
from lamina.core.derived import Derived, Valued
from lamina.core.dispatch import dispatch
from lamina.core.symbolic import SymbolicTensor, is_symbolic
from lamina.core.variable import Variable


class Update(NamedTuple):
    """A variable and its new symbolic value, for ``updates`` of ``K.function``.

    >>> from lamina import backend as K
    >>> total, x = K.variable(1.0), K.placeholder(())
    >>> _ = K.function([x], [x], updates=[Update(total, 2.0 * x)])([4.0])
    >>> K.get_value(total).item()
    8.0
    """

    variable: Variable
    value: Any


class _Done(NamedTuple):
    """An update that was done at once: the values around it, and what gives the new one."""

    before: Any
    after: Any
    again: Callable[[], Any]


_done: WeakKeyDictionary[Variable, _Done] = WeakKeyDictionary()


def later(variable: Variable) -> Callable[[], Any] | None:
    """Undo the update that was just done of a variable; what `K.function` does in its place.

    ``updates=[K.update_add(steps, 1)]`` means an update at each call, and none before.
    """
    done = _done.pop(variable, None)
    if done is None or variable._value is not done.after:
        return None
    variable.assign(done.before)
    return done.again


def _updated(variable: Variable, again: Callable[[], Any]) -> Any:
    """Do an update at once, or leave it to ``K.function`` if its value is symbolic."""
    new = again()
    if is_symbolic(new):
        return Update(variable, new)
    if isinstance(new, Derived):
        new = new.computed()
    before = variable._value
    variable.assign(new)
    if context.current() is None and not isinstance(variable._value, Tracer):
        _done[variable] = _Done(before, variable._value, again)
    return variable


def _checked(who: str, x: Any) -> Variable:
    if not isinstance(x, Variable):
        raise TypeError(f"K.{who}: expected a variable, got {x!r}.")
    return x


def update(x: Any, new_x: Any) -> Any:
    """Give a variable a new value.

    Args:
        x: variable.
        new_x: arrays are assigned at once; a symbolic value gives an update that
            ``K.function(..., updates=[...])`` does. An update of arrays that is handed to
            ``K.function`` is undone, and done at each of its calls.

    Raises:
        TypeError: `x` is no variable.
        ValueError: the shapes differ.

    >>> from lamina.backend import get_value, variable
    >>> v = variable(1.0)
    >>> get_value(update(v, 3.0))
    array(3., dtype=float32)
    """
    variable = _checked("update", x)
    return _updated(variable, lambda: new_x.value if isinstance(new_x, Variable) else new_x)


def update_add(x: Any, increment: Any) -> Any:
    """Add to a variable; see `update`.

    >>> from lamina.backend import get_value, variable
    >>> get_value(update_add(variable(1.0), 3.0))
    array(4., dtype=float32)
    """
    variable = _checked("update_add", x)
    return _updated(variable, lambda: dispatch(_plus, variable, increment, 1))


def update_sub(x: Any, decrement: Any) -> Any:
    """Subtract from a variable; see `update`.

    >>> from lamina.backend import get_value, variable
    >>> get_value(update_sub(variable(1.0), 3.0))
    array(-2., dtype=float32)
    """
    variable = _checked("update_sub", x)
    return _updated(variable, lambda: dispatch(_plus, variable, decrement, -1))


def _plus(x: Any, y: Any, sign: int) -> Any:
    x = jnp.asarray(x)
    return x + sign * jnp.asarray(y).astype(x.dtype)


def _average(x: Any, value: Any, momentum: Any) -> Any:
    x = jnp.asarray(x)
    momentum = jnp.asarray(momentum).astype(x.dtype)
    return x * momentum + jnp.asarray(value).astype(x.dtype) * (1 - momentum)


@renamed(variable="x")
def moving_average_update(x: Any, value: Any, momentum: Any) -> Any:
    """Move a variable towards a value: ``x * momentum + value * (1 - momentum)``.

    >>> from lamina.backend import get_value, variable
    >>> get_value(moving_average_update(variable(1.0), 5.0, 0.75))
    array(2., dtype=float32)
    """
    variable = _checked("moving_average_update", x)
    return _updated(variable, lambda: dispatch(_average, variable, value, momentum))


def get_value(x: Any) -> Any:
    """The value of a variable as a NumPy array.

    Raises:
        TypeError: `x` is symbolic and has no value.

    >>> from lamina.backend import variable
    >>> get_value(variable([1.0, 2.0]))
    array([1., 2.], dtype=float32)
    """
    if isinstance(x, SymbolicTensor):
        raise TypeError(f"K.get_value: {x!r} is symbolic; K.function computes it from its inputs.")
    if isinstance(x, Variable):
        return x.numpy()
    return np.asarray(x.computed() if isinstance(x, Derived) else x)


def batch_get_value(ops: Sequence[Any]) -> list[Any]:
    """The values of several variables as NumPy arrays.

    >>> from lamina.backend import variable
    >>> batch_get_value([variable([1.0])])
    [array([1.], dtype=float32)]
    """
    return [get_value(x) for x in ops]


def set_value(x: Any, value: Any) -> None:
    """Give a variable the value of a NumPy array or a number.

    Raises:
        TypeError: `x` is no variable.
        ValueError: the shapes differ.

    >>> from lamina.backend import variable
    >>> v = variable([1.0]); set_value(v, [5.0]); get_value(v)
    array([5.], dtype=float32)
    """
    _checked("set_value", x).assign(np.asarray(value))


def batch_set_value(tuples: Sequence[tuple[Any, Any]]) -> None:
    """Give several variables values; nothing is changed if one does not fit.

    >>> from lamina.backend import variable
    >>> v = variable([1.0]); batch_set_value([(v, [5.0])]); get_value(v)
    array([5.], dtype=float32)
    """
    pairs = [(_checked("batch_set_value", x), np.asarray(value)) for x, value in tuples]
    for x, value in pairs:
        if x.shape != value.shape:
            raise ValueError(
                f"K.batch_set_value: variable {x.path!r} has shape {x.shape}, but its value has "
                f"shape {value.shape}."
            )
    for x, value in pairs:
        x.assign(value)


def count_params(x: Any) -> int:
    """Number of values of a variable.

    >>> count_params(jnp.ones((2, 3)))
    6
    """
    return int(np.prod(int_shape(x), dtype=np.int64))


def int_shape(x: Any) -> Any:
    """Shape as a tuple, with None for unknown sizes; None for what has no shape.

    >>> from lamina.backend import placeholder
    >>> int_shape(placeholder((None, 3)))
    (None, 3)
    """
    found = getattr(x, "shape", None)
    if found is None:
        return () if isinstance(x, int | float) else None
    return tuple(found)


def _sizes(x: Any) -> Any:
    return jnp.asarray(x.shape, jnp.int32)


def shape(x: Any) -> Any:
    """Shape of an array as a tuple; of a symbolic tensor, as a symbolic vector.

    >>> shape(jnp.ones((2, 3)))
    (2, 3)
    """
    return dispatch(_sizes, x) if isinstance(x, SymbolicTensor) else tuple(np.shape(x))


def get_variable_shape(x: Any) -> Any:
    """Shape of a variable, as Keras 1 spelled `int_shape`.

    >>> get_variable_shape(jnp.ones((2, 3)))
    (2, 3)
    """
    return int_shape(x)


def ndim(x: Any) -> int:
    """Number of axes.

    >>> ndim(jnp.ones((2, 3)))
    2
    """
    return len(x.shape) if hasattr(x, "shape") else np.ndim(x)


def dtype(x: Any) -> str:
    """Name of the dtype.

    >>> dtype(jnp.ones(2))
    'float32'
    """
    return jnp.dtype(x.dtype).name if hasattr(x, "dtype") else jnp.asarray(x).dtype.name


def is_tensor(x: Any) -> bool:
    """Whether something is an array of JAX, a variable or a symbolic tensor.

    >>> is_tensor(jnp.ones(2)), is_tensor(np.ones(2))
    (True, False)
    """
    return isinstance(x, jax.Array | Valued | SymbolicTensor)


def is_variable(x: Any) -> bool:
    """Whether something is a variable.

    >>> is_variable(jnp.ones(2))
    False
    """
    return isinstance(x, Variable)


def is_keras_tensor(x: Any) -> bool:
    """Whether something is a symbolic tensor that an `Input` or a layer made.

    Raises:
        ValueError: it is no tensor at all.

    >>> from lamina.backend import placeholder
    >>> is_keras_tensor(placeholder((2,)))
    False
    """
    if not is_tensor(x):
        raise ValueError(f"K.is_keras_tensor: expected a tensor, got {type(x).__name__}.")
    return isinstance(x, SymbolicTensor) and x._keras_history is not None


def is_placeholder(x: Any) -> bool:
    """Whether something is a symbolic tensor that has to be fed.

    >>> from lamina.backend import placeholder
    >>> is_placeholder(placeholder((2,)))
    True
    """
    if not isinstance(x, SymbolicTensor) or x.value is not None:
        return False
    return x.node is None or (not x.node.input_tensors and hasattr(x.node.operation, "call"))


def is_sparse(tensor: Any) -> bool:
    """Whether a tensor is sparse: a matrix of SciPy or JAX, or a symbolic tensor fed with one.

    >>> is_sparse(np.ones(2))
    False
    """
    return bool(getattr(tensor, "sparse", False)) or hasattr(tensor, "todense")


def to_dense(tensor: Any) -> Any:
    """A sparse matrix as an array; anything else as it is.

    >>> to_dense(np.ones(2))
    array([1., 1.])
    """
    if hasattr(tensor, "toarray"):
        return tensor.toarray()
    return tensor.todense() if hasattr(tensor, "todense") else tensor


def _printed(x: Any, message: str) -> Any:
    jax.debug.print("{message}{x}", message=message, x=x)
    return x


def print_tensor(x: Any, message: str = "") -> Any:
    """Print a tensor whenever it is computed, and hand it on.

    >>> _ = print_tensor(np.array([1, 2]), "x = ")
    x = [1 2]
    """
    return dispatch(_printed, x, message)
