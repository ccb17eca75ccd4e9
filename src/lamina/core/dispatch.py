"""Functions on arrays and on symbolic tensors: run the first, record the second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from lamina.core import context, derived, faulty, graph, jit, pure, shapes, sizes
from lamina.core.derived import Valued
from lamina.core.graph import Node, _Free, replace
from lamina.core.masks import came_from
from lamina.core.symbolic import SymbolicTensor, is_symbolic, refuse_texts
from lamina.typing import Nested


class Function(_Free):
    """A function that was called on symbolic tensors, as an operation of a graph."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.inbound_nodes: list[Node] = []
        self.outbound_nodes: list[Node] = []

    def run(self, node: Node, values: dict[int, Any], masks: dict[int, Any]) -> Any:
        """Compute the node; a mask goes on where the outputs keep its axes."""
        args, kwargs = replace((node.args, node.kwargs), lambda t: values[id(t)])
        args, kwargs = plain((args, kwargs))
        try:
            outputs = shapes.flat(self.function(*args, **kwargs))
        except (TypeError, ValueError) as error:
            sizes.explain(error, node, (args, kwargs))
            raise
        mask = next((masks[id(t)] for t in node.input_tensors if _masked(t, masks)), None)
        return outputs, [_carried(mask, output) for output in outputs]


class MaskOf(_Free):
    """The mask of a tensor as an operation of a graph, for code that computes with it."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}_mask"
        self.inbound_nodes: list[Node] = []
        self.outbound_nodes: list[Node] = []

    def run(self, node: Node, values: dict[int, Any], masks: dict[int, Any]) -> Any:
        """Hand on the mask that travelled with the tensor."""
        del values
        return [masks[id(node.input_tensors[0])]], [None]


def _masked(tensor: SymbolicTensor, masks: dict[int, Any]) -> bool:
    return masks.get(id(tensor)) is not None


def _carried(mask: Any, output: Any) -> Any:
    if mask is None or tuple(output.shape[: mask.ndim]) != tuple(mask.shape):
        return None
    return mask


def filled(node: Node, values: dict[int, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a node with the values of its inputs."""
    args, kwargs = node.args, node.kwargs
    if not kwargs and len(args) == 1 and isinstance(args[0], SymbolicTensor):
        return (values[id(args[0])],), {}
    return replace((args, kwargs), lambda tensor: values[id(tensor)])


def gathered(inputs: Nested, masks: dict[int, Any]) -> Any:
    """The masks of inputs: one, or a list of them, or ``None`` if there is none."""
    if isinstance(inputs, SymbolicTensor):
        return masks.get(id(inputs))
    found = [masks.get(id(tensor)) for tensor in graph.tensors(inputs)]
    return found if any(mask is not None for mask in found) else None


def attach_masks(layer: Any, inputs: Nested, mask: Any, outputs: Nested) -> None:
    """Give the outputs of a symbolic call the masks that the layer's rule makes.

    A mask that is handed on stays the same tensor; a new one gets a node of its own, so that
    code may compute with it.
    """
    made = infer(layer.name, layer.compute_mask, (inputs, mask), {})
    for output, one in zip(list(graph.tensors(outputs)), shapes.listed(made), strict=False):
        if one is None:
            continue
        marker = SymbolicTensor(one.shape, one.dtype, f"{layer.name}_mask")
        marker.origin = _origin_of(layer, mask)
        Node(MaskOf(layer.name), (output,), {}, marker)
        output.mask = marker


def _origin_of(layer: Any, mask: Any) -> str:
    """The layer that first made the mask: this one, if nothing came in."""
    for one in shapes.listed(mask):
        if isinstance(one, SymbolicTensor):
            return one.origin or layer.name
    return layer.name


def plain(structure: Nested) -> Nested:
    """The same structure with values in the place of variables."""
    if isinstance(structure, Valued):
        return structure.value
    if isinstance(structure, list | tuple) and not hasattr(structure, "_fields"):
        return type(structure)(plain(part) for part in structure)
    if isinstance(structure, dict):
        return {key: plain(part) for key, part in structure.items()}
    return structure


def dispatch(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of arrays; on symbolic tensors, record the call instead.

    Args:
        function: pure function of arrays, from `lamina.ops` or of the user's.
        args: arrays, variables, symbolic tensors, and whatever else the function takes.
        kwargs: likewise.

    Returns:
        Arrays; symbolic tensors if any argument is symbolic; else `Derived` values if there is a
        variable among the arguments and nothing runs.
    """
    special = [a for a in (*args, *kwargs.values()) if isinstance(a, _NO_PLAIN_VALUES)]
    if special:
        if is_symbolic(special):
            return _recorded(function, args, kwargs)
        if context.current() is None and derived.follows(special):
            return derived.derive(function, args, kwargs)
        args, kwargs = plain((args, kwargs))
    try:
        return function(*args, **kwargs)
    except (TypeError, ValueError) as error:
        faulty.explain_function(function, error, args)
        raise


def dispatch_reading(function: Callable[..., Any], *args: Any) -> Any:
    """`dispatch` for a function that calls one of the user's, which may read variables by itself.

    Args:
        function: as for `dispatch`, with its random draws, if any, made within.
        args: its arguments.
    """
    if context.current() is None and not derived.waits(args):
        read = pure.reads(lambda: function(*args))
        return derived.derive(function, args, {}) if read else function(*args)
    return dispatch(function, *args)


def at_once(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function as `dispatch` does, but on variables give arrays outside of runs, too.

    So do the functions of Keras 3.

    Args:
        function: as for `dispatch`.
        args: likewise.
        kwargs: likewise.
    """
    special = [a for a in (*args, *kwargs.values()) if isinstance(a, _NO_PLAIN_VALUES)]
    if special:
        if is_symbolic(special):
            return _recorded(function, args, kwargs)
        args, kwargs = plain((args, kwargs))
    return function(*args, **kwargs)


def _recorded(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Nested:
    """The symbolic result of a call."""
    operation = Function(function)
    outputs = infer(operation.name, function, args, kwargs)
    args, kwargs = derived.recorded((args, kwargs))
    node = Node(operation, args, kwargs, outputs)
    mask = next((t.mask for t in node.input_tensors if t.mask is not None), None)
    for tensor in node.output_tensors:
        tensor.mask = mask if mask is not None and _carries(mask, tensor) else None
    return outputs


_NO_PLAIN_VALUES = (SymbolicTensor, Valued, list, tuple, dict)


def _carries(mask: SymbolicTensor, tensor: SymbolicTensor) -> bool:
    return tensor.shape[: mask.ndim] == mask.shape


def infer(
    name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Nested:
    """Shapes and dtypes of what a function returns, as new symbolic tensors.

    The function is traced twice, with two sizes in the place of the unknown ones; a size
    that comes out different is unknown. Nothing is computed. A constant with which no other
    size fits makes the size its own.
    """
    inputs = list(graph.tensors((args, kwargs)))
    refuse_texts(name, inputs)

    def trace(size: int, fixed: sizes.Fixed) -> Nested:
        return _traced(function, args, kwargs, inputs, size, fixed)

    first, second, fixed = sizes.traced(trace, inputs, function, (args, kwargs))

    def join(one: Any, two: Any) -> SymbolicTensor:
        pairs = zip(one.shape, two.shape, strict=True)
        made = SymbolicTensor(tuple(a if a == b else None for a, b in pairs), one.dtype, name)
        made.fixed = fixed
        return made

    return _joined(first, second, join)


def _joined(one: Nested, two: Nested, join: Callable[[Any, Any], Any]) -> Nested:
    if isinstance(one, list | tuple) and not hasattr(one, "_fields"):
        return type(one)(_joined(a, b, join) for a, b in zip(one, two, strict=True))
    if isinstance(one, dict):
        return {key: _joined(one[key], two[key], join) for key in one}
    if one is None:
        return None
    return join(one, two)


@jit.tidy
def _traced(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    inputs: list[SymbolicTensor],
    size: int,
    fixed: sizes.Fixed,
) -> Nested:
    """Abstract results for one choice of the unknown sizes."""
    probed = [tuple(_size(n, a, size, fixed) for a, n in enumerate(t.shape)) for t in inputs]
    shapes = [jax.ShapeDtypeStruct(shape, t.dtype) for shape, t in zip(probed, inputs, strict=True)]

    open_sizes = any(None in tensor.shape for tensor in inputs)

    def traced(arrays: list[Any]) -> Nested:
        pairs = zip(inputs, arrays, strict=True)
        table = {id(t): _sparse(array) if t.sparse else array for t, array in pairs}
        for tensor, array in zip(inputs, arrays, strict=True):
            if tensor.origin is not None:
                came_from(array, tensor.origin)
        a, k = replace((args, kwargs), lambda t: table[id(t)])
        a, k = plain((a, k))
        return pure.trial(function, a, k, size if open_sizes else None)

    return jax.eval_shape(traced, shapes)


def _size(known: int | None, axis: int, size: int, fixed: sizes.Fixed) -> int:
    return fixed.get(axis, size) if known is None else known


def _sparse(array: Any) -> Any:
    """A sparse matrix in the place of an array, for tracing."""
    from jax.experimental.sparse import BCOO

    return BCOO.fromdense(array, nse=1)
