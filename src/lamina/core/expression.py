"""`Expression`: a call of a function on variables, and its place in a graph."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import jax

from lamina.core import shapes
from lamina.core.graph import Node, replace
from lamina.core.symbolic import SymbolicTensor
from lamina.typing import Nested


class Expression:
    """A call of a function on variables.

    It points to what it was computed from, never to what was computed from it, so that it lives
    no longer than the last `Derived` that needs it.

    Attributes:
        function: function of arrays.
        args: positional arguments, with a `Part` in the place of each `Derived`.
        kwargs: keyword arguments, likewise.
        spec: shapes and dtypes of the results.
        tensors: symbolic tensors of the results, once a graph needs them.
    """

    __slots__ = ("args", "function", "kwargs", "spec", "tensors")

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any, spec: Nested) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.spec = spec
        self.tensors: list[SymbolicTensor] | None = None

    def sources(self) -> list[Expression]:
        """The expressions whose results it takes."""
        leaves = shapes.flat((self.args, self.kwargs))
        return [leaf.expression for leaf in leaves if isinstance(leaf, Part)]

    def record(self) -> None:
        """Make the symbolic tensors, when the sources have theirs."""
        from lamina.core.dispatch import Function

        operation = Function(self.function)
        # A value that lives long keeps no graphs alive in which it was used.
        del operation.outbound_nodes
        name = operation.name
        outputs = replace(self.spec, lambda one: SymbolicTensor(one.shape, one.dtype, name), _SPEC)
        args, kwargs = replace((self.args, self.kwargs), lambda part: part.tensor, Part)
        self.tensors = Node(operation, args, kwargs, outputs).output_tensors


_SPEC: Any = jax.ShapeDtypeStruct
_recording = threading.Lock()


class Part:
    """One result of an expression."""

    __slots__ = ("expression", "place")

    def __init__(self, expression: Any, place: int) -> None:
        self.expression = expression
        self.place = place

    @property
    def tensor(self) -> SymbolicTensor:
        """The result in a graph, always the same tensor."""
        whole: Expression = self.expression
        if whole.tensors is None:
            with _recording:
                for expression in ordered(whole):
                    expression.record()
        assert whole.tensors is not None
        return whole.tensors[self.place]


def ordered(root: Expression, all: bool = False) -> list[Expression]:
    """An expression after all those that it needs; without recursion, so of any depth.

    Args:
        root: the expression.
        all: whether those that have tensors are among them.
    """
    order: dict[int, Expression] = {}
    stack = [(root, False)]
    while stack:
        expression, ready = stack.pop()
        if id(expression) in order or (expression.tensors is not None and not all):
            continue
        if ready:
            order[id(expression)] = expression
        else:
            stack.append((expression, True))
            stack.extend((source, False) for source in expression.sources())
    return list(order.values())
