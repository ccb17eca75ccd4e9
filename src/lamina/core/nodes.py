"""What a layer knows about its calls on symbolic tensors: inputs, outputs, shapes, masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.core import graph
from lamina.core.graph import Node

if TYPE_CHECKING:
    from lamina.core.symbolic import SymbolicTensor


class NodeOwner:
    """The attributes of `Layer` that tell about its symbolic calls."""

    inbound_nodes: list[Node]
    outbound_nodes: list[Node]

    @property
    def _inbound_nodes(self) -> list[Node]:
        return self.inbound_nodes

    @property
    def _outbound_nodes(self) -> list[Node]:
        return self.outbound_nodes

    def _node(self, index: int, what: str) -> Node:
        if not self.inbound_nodes:
            raise AttributeError(
                f"{self}: {what} is known only after the layer was called on a symbolic tensor, "
                "such as an Input."
            )
        if not -len(self.inbound_nodes) <= index < len(self.inbound_nodes):
            raise ValueError(
                f"{self}: {what} of call {index} was asked for, but the layer was called "
                f"{len(self.inbound_nodes)} times."
            )
        return self.inbound_nodes[index]

    def _only_node(self, what: str) -> Node:
        if len(self.inbound_nodes) > 1:
            raise AttributeError(
                f"{self}: the layer was called {len(self.inbound_nodes)} times, so {what} is "
                f"ambiguous. Use get_{what}_at(call)."
            )
        return self._node(0, what)

    def get_input_at(self, node_index: int) -> Any:
        """The symbolic input of one call."""
        return _one(self._node(node_index, "input").input_tensors)

    def get_output_at(self, node_index: int) -> Any:
        """The symbolic output of one call."""
        return self._node(node_index, "output").outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        """The input shape of one call."""
        return _one(self._node(node_index, "input_shape").input_shapes)

    def get_output_shape_at(self, node_index: int) -> Any:
        """The output shape of one call."""
        return _one(self._node(node_index, "output_shape").output_shapes)

    def get_input_mask_at(self, node_index: int) -> Any:
        """The symbolic mask of the input of one call."""
        return _one(self._node(node_index, "input_mask").input_masks)

    def get_output_mask_at(self, node_index: int) -> Any:
        """The symbolic mask of the output of one call."""
        return _one(self._node(node_index, "output_mask").output_masks)

    @property
    def input(self) -> Any:
        """The symbolic input, of a layer that was called once."""
        return _one(self._only_node("input").input_tensors)

    @property
    def output(self) -> Any:
        """The symbolic output, of a layer that was called once."""
        return self._only_node("output").outputs

    @property
    def input_mask(self) -> Any:
        """The symbolic mask of the input, of a layer that was called once."""
        return _one(self._only_node("input_mask").input_masks)

    @property
    def output_mask(self) -> Any:
        """The symbolic mask of the output, of a layer that was called once."""
        return _one(self._only_node("output_mask").output_masks)

    @property
    def input_shape(self) -> Any:
        """The shape of the input; all calls must agree on it."""
        return self._agreed("input_shape", [node.input_shapes for node in self.inbound_nodes])

    @property
    def output_shape(self) -> Any:
        """The shape of the output; all calls must agree on it."""
        return self._agreed("output_shape", [node.output_shapes for node in self.inbound_nodes])

    def _agreed(self, what: str, shapes: list[list[Any]]) -> Any:
        self._node(0, what)
        if any(other != shapes[0] for other in shapes[1:]):
            raise AttributeError(
                f"{self}: its calls differ in {what}: {', '.join(str(_one(s)) for s in shapes)}. "
                f"Use get_{what}_at(call)."
            )
        return _one(shapes[0])


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def mask_structure(inputs: Any) -> Any:
    """The masks of symbolic inputs: one, or a list of them, or ``None`` if there is none."""
    if isinstance(inputs, list | tuple):
        found = [t.mask for t in graph.tensors(inputs)]
        return found if any(mask is not None for mask in found) else None
    first: SymbolicTensor | None = next(graph.tensors(inputs), None)
    return None if first is None else first.mask
