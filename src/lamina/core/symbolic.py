"""`SymbolicTensor`: shape, dtype and the node that it came from; no values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from lamina.core.operators import Operators
from lamina.ops.arithmetic import aligned
from lamina.typing import Shape

if TYPE_CHECKING:
    from lamina.core.graph import Node


TEXT = np.dtype("U")
"""Dtype of tensors of texts, which no compiled program holds: layers that read them run before."""


class History(NamedTuple):
    """Where a tensor came from: a layer or function, its call, the place in its outputs."""

    layer: Any
    node_index: int
    tensor_index: int


class SymbolicTensor(Operators):
    """Stand for a value that a graph will compute.

    Arithmetic and every function of `lamina.ops` and ``K`` take it and give another one.

    Attributes:
        shape: tuple with ``None`` where the size is not known.
        dtype: NumPy dtype.
        name: name of the layer or function that made it.
        sparse: whether sparse data is fed here.
        node: the node of the graph that computes it.
        mask: symbolic mask that travels with it, or ``None``.
        value: array that a wrapping input holds.
        origin: for a mask, the layer that made it.
        fixed: sizes that unknown axes of what it was computed from must have, by axis.

    >>> from lamina.layers import Dense, Input
    >>> tensor = Dense(3, name="wide")(Input((2,)))
    >>> isinstance(tensor, SymbolicTensor), tensor.shape, (2 * tensor).shape
    (True, (None, 3), (None, 3))
    """

    # Operators of NumPy arrays and JAX arrays leave the work to ours.
    __array_priority__ = 1000
    __array_ufunc__ = None

    def __init__(
        self, shape: Shape, dtype: Any = "float32", name: str | None = None, sparse: bool = False
    ) -> None:
        self.shape: Shape = tuple(shape)
        self.dtype = jax.numpy.dtype(dtype)
        self.name = name or "tensor"
        self.sparse = sparse
        self.node: Node | None = None
        self.mask: SymbolicTensor | None = None
        self.value: Any = None
        self.origin: str | None = None
        self.fixed: dict[int, int] = {}
        self._keras_history: History | None = None

    @property
    def _keras_shape(self) -> Shape:
        return self.shape

    @property
    def _keras_mask(self) -> SymbolicTensor | None:
        return self.mask

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def op(self) -> Any:
        """The layer or function that made it."""
        return self._keras_history.layer if self._keras_history else None

    def get_shape(self) -> Shape:
        """The shape, as TensorFlow spelled it."""
        return self.shape

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(
            f"{self!r} is symbolic: it has no values yet. NumPy and jax.numpy cannot compute "
            "with it; use functions of lamina.ops or lamina.backend, or a Lambda layer."
        )

    # No __jax_array__: an array of JAX on the left would call it instead of leaving us the work.

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} is symbolic: whether it is true is not known while a graph is built. "
            "Use K.switch, ops.where or a Lambda layer."
        )

    def __float__(self) -> float:
        raise TypeError(f"{self!r} is symbolic: it has no value that could become a number.")

    __int__ = __index__ = __float__  # type: ignore[assignment]

    def __iter__(self) -> Any:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"{self!r} cannot be iterated over: its first size is not known.")
        return (self[i] for i in range(self.shape[0]))

    def __len__(self) -> int:
        if not self.shape or self.shape[0] is None:
            raise TypeError(f"{self!r} has no length: its first size is not known.")
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        return _apply(_getitem, self, index)

    def __getattr__(self, attribute: str) -> Any:
        if attribute in METHODS:
            return lambda *args, **kwargs: _apply(_method(attribute), self, *args, **kwargs)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {attribute!r}")

    @property
    def T(self) -> Any:
        """The tensor with its axes reversed."""
        return _apply(_method("transpose"), self)

    def set_shape(self, shape: Shape) -> None:
        """State sizes that are not known, as TensorFlow did."""
        if len(shape) != len(self.shape):
            raise ValueError(f"{self!r}: set_shape got {tuple(shape)}, of another rank.")
        for axis, (old, new) in enumerate(zip(self.shape, shape, strict=True)):
            if None not in (old, new) and old != new:
                raise ValueError(
                    f"{self!r}: set_shape got {tuple(shape)}, of another size on axis {axis}."
                )
        pairs = zip(self.shape, shape, strict=True)
        self.shape = tuple(new if old is None else old for old, new in pairs)

    def __repr__(self) -> str:
        return f"<SymbolicTensor {self.name!r} shape={self.shape} dtype={self.dtype.name}>"


METHODS = frozenset(
    {"sum", "mean", "max", "min", "prod", "var", "std", "all", "any", "argmax", "argmin"}
    | {"reshape", "transpose", "astype", "clip", "cumsum", "squeeze", "flatten", "ravel"}
    | {"repeat", "swapaxes", "round", "dot"}
)

_functions: dict[str, Callable[..., Any]] = {}


def _method(name: str) -> Callable[..., Any]:
    """The function that calls one method of arrays; one object a name, named after it."""
    if name not in _functions:

        def call(x: Any, *args: Any, **kwargs: Any) -> Any:
            return getattr(x, name)(*args, **kwargs)

        call.__name__ = call.__qualname__ = name
        _functions[name] = call
    return _functions[name]


def _getitem(x: Any, index: Any) -> Any:
    return x[index]


_getitem.__name__ = "getitem"


def _apply(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    from lamina.core.dispatch import dispatch

    return dispatch(function, *args, **kwargs)


def _operator(symbol: str, reverse: bool = False) -> Callable[..., Any]:
    import operator

    function = getattr(operator, symbol)

    def compute(left: Any, right: Any) -> Any:
        left, right = aligned(left, right)
        return function(left, right)

    compute.__name__ = compute.__qualname__ = symbol.strip("_")

    def method(self: SymbolicTensor, other: Any) -> Any:
        return _apply(compute, other, self) if reverse else _apply(compute, self, other)

    method.__name__ = symbol
    return method


def _unary(symbol: str) -> Callable[..., Any]:
    import operator

    function = getattr(operator, symbol)

    def method(self: SymbolicTensor) -> Any:
        return _apply(function, self)

    method.__name__ = f"__{symbol}__"
    return method


def _install() -> None:
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        setattr(SymbolicTensor, f"__{name}__", _operator(name))
        setattr(SymbolicTensor, f"__r{name}__", _operator(name, reverse=True))
    for name in ("and_", "or_", "xor"):
        plain = name.strip("_")
        setattr(SymbolicTensor, f"__{plain}__", _operator(name))
        setattr(SymbolicTensor, f"__r{plain}__", _operator(name, reverse=True))
    for name in ("lt", "le", "gt", "ge"):
        setattr(SymbolicTensor, f"__{name}__", _operator(name))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(SymbolicTensor, f"__{name}__", _unary(name))

    def matmul(left: Any, right: Any) -> Any:
        return left @ right

    SymbolicTensor.__matmul__ = lambda self, other: _apply(matmul, self, other)  # type: ignore[attr-defined]
    SymbolicTensor.__rmatmul__ = lambda self, other: _apply(matmul, other, self)  # type: ignore[attr-defined]


_install()


def _refused(tensor: SymbolicTensor) -> Any:
    return tensor.__array__()


# Functions of jax.numpy take their arguments apart before they look at them.
jax.tree_util.register_pytree_node(SymbolicTensor, _refused, lambda _, children: children)


def is_symbolic(value: Any) -> bool:
    """Whether a value, or anything in lists, tuples and dicts of values, is symbolic."""
    if isinstance(value, SymbolicTensor):
        return True
    if isinstance(value, list | tuple):
        return any(map(is_symbolic, value))
    if isinstance(value, dict):
        return any(map(is_symbolic, value.values()))
    return False


def refuse_texts(owner: Any, tensors: Iterable[SymbolicTensor]) -> None:
    """Raise a ``TypeError`` if something is called on texts that computes with numbers."""
    for tensor in tensors:
        if tensor.dtype == TEXT:
            raise TypeError(
                f"{owner} computes with numbers, but {tensor.name!r} holds texts. Turn them into "
                "numbers first: StringLookup, TextVectorization and Hashing read texts."
            )


KerasTensor = SymbolicTensor
