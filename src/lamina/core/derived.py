"""`Derived`: what was computed of variables outside of any run, and how to compute it again."""

from __future__ import annotations

import copy
import itertools
import operator
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core import context, faulty, shapes
from lamina.core.expression import Expression, Part, ordered
from lamina.core.graph import Graph, replace
from lamina.core.operators import Operators
from lamina.core.symbolic import METHODS, SymbolicTensor, _getitem, _method, is_symbolic
from lamina.typing import Nested

BINARY = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
COMPARE = ("lt", "le", "gt", "ge")
UNARY = ("neg", "pos", "abs", "invert")


class Valued(Operators):
    """Base of what has a value of its own, and another one in each run: variables and `Derived`.

    Outside of a run its operators give `Derived` values.
    """

    __slots__ = ()

    # Arrays of NumPy on the left leave the work to our operators.
    __array_priority__ = 1000
    _deferring = frozenset(f"_operator_{name}" for name in (*BINARY, *COMPARE))

    if TYPE_CHECKING:

        @property
        def value(self) -> jax.Array: ...

    def __jax_array__(self) -> Any:
        # JAX's own operators ask for it before ours are asked, and would compute with the value
        # of now; where they get no array they leave the work to ours.
        if context.current() is None and sys._getframe(1).f_code.co_name in self._deferring:
            return NotImplemented
        return self.value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype=dtype)

    def __getattr__(self, attribute: str) -> Any:
        # The methods of arrays: sum, reshape, astype, T, at...
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if context.current() is None:
            if attribute in METHODS:
                return lambda *args, **kwargs: derive(_method(attribute), (self, *args), kwargs)
            if attribute == "T":
                return derive(_method("transpose"), (self,), {})
        return getattr(self.value, attribute)

    def __getitem__(self, index: Any) -> Any:
        if context.current() is None:
            return derive(_getitem, (self, index), {})
        return self.value[index]

    def __iter__(self) -> Iterator[Any]:
        if context.current() is None:
            return (self[place] for place in range(len(self)))
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)


class Derived(Valued):
    """What a function of ``K`` or an operator makes of variables outside of any run.

    It is used as the array that was computed, and wherever a graph is recorded or run it is
    computed again: in ``K.function``, ``K.gradients``, ``K.eval``, ``add_loss``, and in layers
    and losses, with the variables' values of that run.

    Args:
        value: what was computed.
        part: how to compute it again.

    >>> from lamina import backend as K
    >>> w = K.variable([1.0, 2.0])
    >>> total = K.sum(K.square(w))
    >>> total, isinstance(total, Derived)
    (Array(5., dtype=float32), True)
    >>> K.set_value(w, [3.0, 4.0])
    >>> K.eval(total).item(), K.eval(K.gradients(total, [w])[0]).tolist()
    (25.0, [6.0, 8.0])
    """

    __slots__ = ("__weakref__", "_part", "_value")

    _deferring = Valued._deferring | {"_operator_eq", "_operator_ne"}
    __hash__ = object.__hash__

    def __init__(self, value: jax.Array, part: Part) -> None:
        self._value = value
        self._part = part

    @property
    def value(self) -> jax.Array:
        """The array: computed with the values of the run that is going on, else what it was."""
        return self._value if context.current() is None else self.computed()

    @property
    def tensor(self) -> SymbolicTensor:
        """It in a graph, always the same tensor."""
        return self._part.tensor

    def computed(self) -> jax.Array:
        """The value that the variables' values of now give, in a run and outside of one.

        >>> from lamina import backend as K
        >>> v = K.variable(2.0)
        >>> double = 2 * v
        >>> K.set_value(v, 5.0)
        >>> float(double), float(double.computed())
        (4.0, 10.0)
        """
        from lamina.core.dispatch import plain

        tensor = self.tensor
        return plain(Graph([], [tensor], tensor.name).run([], [])[0][0])

    def again(self) -> Any:
        """The same with the value of now; in a run, the value alone."""
        value = self.computed()
        return Derived(value, self._part) if context.current() is None else value

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.shape

    @property
    def dtype(self) -> Any:
        return self._value.dtype

    @property
    def ndim(self) -> int:
        return self._value.ndim

    @property
    def size(self) -> int:
        return self._value.size

    def __index__(self) -> int:
        return operator.index(self.value)

    def __complex__(self) -> complex:
        return complex(self.value)

    def __round__(self, digits: int | None = None) -> Any:
        return self.value.__round__(digits)

    def __repr__(self) -> str:
        return repr(self.value)

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, form: str) -> str:
        return format(self.value, form)

    def with_variables(self, change: Callable[[Any], Any]) -> Derived:
        """What the same calls make of other variables; the value stays.

        Args:
            change: gives the variable in the place of one.
        """
        made: dict[int, Expression] = {}

        def moved(part: Part) -> Part:
            return Part(made[id(part.expression)], part.place)

        for one in ordered(self._part.expression, all=True):
            args, kwargs = replace((one.args, one.kwargs), moved, Part)
            args, kwargs = replace((args, kwargs), change, Valued)
            made[id(one)] = Expression(one.function, args, kwargs, one.spec)
        return Derived(self._value, moved(self._part))

    def __copy__(self) -> Derived:
        return Derived(self._value, self._part)

    def __deepcopy__(self, memo: dict[int, Any]) -> Derived:
        """A copy that follows the copies of the variables."""
        twin = memo[id(self)] = self.with_variables(lambda one: copy.deepcopy(one, memo))
        return twin

    def __reduce__(self) -> Any:
        """In a pickle it is the array: where that is read there are other variables."""
        return _array, (np.asarray(self._value),)


def _array(value: np.ndarray) -> jax.Array:
    return jnp.asarray(value)


def arrives_as_array(kind: type[Any]) -> None:
    """Let the objects of a class arrive as the arrays that they stand for in jitted functions."""
    jax.tree_util.register_pytree_node(
        kind, lambda valued: ((valued.value,), None), lambda _, children: children[0]
    )


arrives_as_array(Derived)


def derive(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function of arrays on variables, outside of any run.

    Args:
        function: the function.
        args: its arguments, with variables and `Derived` values in the place of arrays.
        kwargs: likewise.

    Returns:
        What the function returns, with a `Derived` in the place of each array; under a trace of
        the user's own, the arrays.
    """
    from lamina.core.dispatch import plain

    given_args, given_kwargs = plain((args, kwargs))
    try:
        result = plain(function(*given_args, **given_kwargs))
    except (TypeError, ValueError) as error:
        faulty.explain_function(function, error, args)
        raise
    leaves = shapes.flat(result)
    if not all(isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer) for leaf in leaves):
        return result
    spec = replace(result, lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), jax.Array)
    args, kwargs = replace((args, kwargs), _part_of, Derived)
    expression = Expression(function, args, kwargs, spec)
    places = itertools.count()
    return replace(result, lambda array: Derived(array, Part(expression, next(places))), jax.Array)


def _part_of(derived: Derived) -> Part:
    return derived._part


def follows(structure: Nested) -> bool:
    """Whether there is a variable or a `Derived` in lists, tuples and dicts of values."""
    return any(isinstance(leaf, Valued) for leaf in shapes.flat(structure))


def waits(structure: Nested) -> bool:
    """Whether a function of these values is one to compute later: now, or again.

    So it is of symbolic tensors, and outside of runs of variables.
    """
    return is_symbolic(structure) or (context.current() is None and follows(structure))


def recorded(structure: Nested) -> Any:
    """The same structure with symbolic tensors in the place of `Derived` values."""
    if any(isinstance(leaf, Derived) for leaf in shapes.flat(structure)):
        return replace(structure, lambda derived: derived.tensor, Derived)
    return structure


_OPERANDS = (Valued, jax.Array, np.ndarray, np.generic, int, float, complex)


def _binary(name: str, reverse: bool = False) -> Callable[[Valued, Any], Any]:
    function = getattr(operator, f"{name}_" if name in ("and", "or") else name)
    method = f"__{'r' if reverse else ''}{name}__"

    def operate(self: Valued, other: Any) -> Any:
        if context.current() is None and isinstance(other, _OPERANDS):
            return derive(function, (other, self) if reverse else (self, other), {})
        if isinstance(other, Valued):
            other = other.value
        return getattr(self.value, method)(other)

    operate.__name__ = method
    return operate


def _unary(name: str) -> Callable[[Valued], Any]:
    function = getattr(operator, name)

    def operate(self: Valued) -> Any:
        if context.current() is None:
            return derive(function, (self,), {})
        return getattr(self.value, f"__{name}__")()

    operate.__name__ = f"__{name}__"
    return operate


for _name in BINARY:
    setattr(Valued, f"__{_name}__", _binary(_name))
    setattr(Valued, f"__r{_name}__", _binary(_name, reverse=True))
for _name in COMPARE:
    setattr(Valued, f"__{_name}__", _binary(_name))
for _name in ("eq", "ne"):  # variables are compared by identity
    setattr(Derived, f"__{_name}__", _binary(_name))
for _name in UNARY:
    setattr(Valued, f"__{_name}__", _unary(_name))
