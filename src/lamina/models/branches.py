"""A `Sequential` whose first layer joins branches, as those of Keras 1 may."""

from __future__ import annotations

from lamina.core.graph import Node
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor


def joined(layer: Layer) -> Node | None:
    """The call of a layer on the outputs of branches, if it was made for one, as by ``Merge``.

    Args:
        layer: one that is to be the first of a model.
    """
    node = layer.inbound_nodes[0] if layer.inbound_nodes else None
    return node if node is not None and len(node.input_tensors) > 1 else None


def sources(node: Node) -> list[SymbolicTensor]:
    """The inputs that a call depends on, from left to right, each once.

    Args:
        node: the call.
    """
    found = [tensor for last in node.input_tensors for tensor in _before(last)]
    inputs = [t for t in found if t.node is None or not t.node.input_tensors]
    return list({id(tensor): tensor for tensor in inputs}.values())


def layers_before(output: SymbolicTensor) -> list[Layer]:
    """The layers that a tensor depends on, each after those before it, from left to right.

    Args:
        output: the tensor.
    """
    found = [tensor.op for tensor in _before(output)]
    return list({id(one): one for one in found if isinstance(one, Layer)}.values())


def _before(output: SymbolicTensor) -> list[SymbolicTensor]:
    """A tensor behind all those that it depends on, from left to right."""
    found: dict[int, SymbolicTensor] = {}
    stack = [(output, False)]
    while stack:
        tensor, done = stack.pop()
        if done:
            found.setdefault(id(tensor), tensor)
        elif id(tensor) not in found:
            before = tensor.node.input_tensors if tensor.node is not None else []
            stack += [(tensor, True), *((one, False) for one in reversed(before))]
    return list(found.values())
