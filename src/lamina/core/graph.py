"""`Node`, the order of nodes, and running a graph on arrays with their masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lamina.core.symbolic import History, SymbolicTensor
from lamina.typing import Nested, Shape

if TYPE_CHECKING:
    from lamina.core.layer import Layer


class Node:
    """One call of a layer or a function on symbolic tensors.

    Attributes:
        operation: the layer or function that was called.
        args: positional arguments, with symbolic tensors where values will be.
        kwargs: keyword arguments, likewise.
        outputs: what the call returned.
        index: number of this call among those of its operation.
    """

    def __init__(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Nested
    ) -> None:
        self.operation = operation
        self.args = args
        self.kwargs = kwargs
        self.outputs = outputs
        self.index = len(operation.inbound_nodes)
        self.input_tensors: list[SymbolicTensor] = list(tensors((args, kwargs)))
        self.output_tensors: list[SymbolicTensor] = list(tensors(outputs))
        for place, tensor in enumerate(self.output_tensors):
            tensor.node = self
            tensor._keras_history = History(operation, self.index, place)
        operation.inbound_nodes.append(self)
        for tensor in self.input_tensors:
            source = tensor.op
            if source is not None and hasattr(source, "outbound_nodes"):
                source.outbound_nodes.append(self)

    @property
    def outbound_layer(self) -> Any:
        """The operation, as Keras 2 named it."""
        return self.operation

    @property
    def inbound_layers(self) -> list[Any]:
        """The operations that made the inputs."""
        return [tensor.op for tensor in self.input_tensors]

    @property
    def node_indices(self) -> list[int]:
        """For each input, the number of the call that made it."""
        return [t._keras_history.node_index for t in self.input_tensors if t._keras_history]

    @property
    def tensor_indices(self) -> list[int]:
        """For each input, its place among the outputs of the call that made it."""
        return [t._keras_history.tensor_index for t in self.input_tensors if t._keras_history]

    @property
    def input_shapes(self) -> list[Shape]:
        """Shapes of the inputs."""
        return [tensor.shape for tensor in self.input_tensors]

    @property
    def output_shapes(self) -> list[Shape]:
        """Shapes of the outputs."""
        return [tensor.shape for tensor in self.output_tensors]

    @property
    def input_masks(self) -> list[Any]:
        """Symbolic masks of the inputs."""
        return [tensor.mask for tensor in self.input_tensors]

    @property
    def output_masks(self) -> list[Any]:
        """Symbolic masks of the outputs."""
        return [tensor.mask for tensor in self.output_tensors]


def tensors(structure: Nested) -> Iterator[SymbolicTensor]:
    """All symbolic tensors in lists, tuples and dicts, in order."""
    if isinstance(structure, SymbolicTensor):
        yield structure
    elif isinstance(structure, list | tuple):
        for part in structure:
            yield from tensors(part)
    elif isinstance(structure, dict):
        for part in structure.values():
            yield from tensors(part)


def replace(structure: Nested, change: Callable[[Any], Any], kind: type = SymbolicTensor) -> Nested:
    """The same structure with something else in the place of each symbolic tensor.

    Args:
        structure: lists, tuples and dicts of values.
        change: gives what stands there instead.
        kind: what is replaced, if it is something else.
    """
    if isinstance(structure, kind):
        return change(structure)
    if isinstance(structure, list | tuple):
        parts = [replace(part, change, kind) for part in structure]
        if isinstance(structure, tuple):
            return type(structure)(*parts) if hasattr(structure, "_fields") else tuple(parts)
        return parts
    if isinstance(structure, dict):
        return {key: replace(part, change, kind) for key, part in structure.items()}
    return structure


class Graph:
    """The nodes between given inputs and outputs, in the order in which they run.

    Args:
        inputs: symbolic tensors that will be fed.
        outputs: symbolic tensors to compute.
        owner: name of the model, for messages.

    Raises:
        ValueError: an output depends on a tensor that is not fed.
    """

    def __init__(
        self, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor], owner: str
    ) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.owner = owner
        self.nodes = self._ordered()
        self.layers = self._operations()
        self._keep = self._last_uses()

    def _ordered(self) -> list[Node]:
        """Nodes in topological order, sources first; without recursion, so of any depth."""
        fed = set(map(id, self.inputs))
        order: list[Node] = []
        done: set[int] = set()
        for output in self.outputs:
            stack: list[tuple[SymbolicTensor, bool]] = [(output, False)]
            while stack:
                tensor, ready = stack.pop()
                node = tensor.node
                if id(tensor) in fed or (node is not None and id(node) in done):
                    continue
                if node is None or (not node.input_tensors and not _constant(node)):
                    raise self._disconnected(tensor, output)
                if ready:
                    done.add(id(node))
                    order.append(node)
                    continue
                stack.append((tensor, True))
                stack.extend((source, False) for source in reversed(node.input_tensors))
        return order

    def _disconnected(self, tensor: SymbolicTensor, output: SymbolicTensor) -> ValueError:
        known = ", ".join(repr(t.name) for t in self.inputs) or "none"
        return ValueError(
            f"Model {self.owner!r}: output {output.name!r} depends on the input {tensor.name!r} "
            f"of shape {tensor.shape}, which is not among the model's inputs ({known}). "
            "Add it to `inputs`, or build the output from the model's own inputs."
        )

    def _operations(self) -> list[Any]:
        """Layers and functions by depth from the outputs, as Keras orders ``model.layers``."""
        depths: dict[int, int] = {}
        seen: dict[int, Any] = {}
        node_depths: dict[int, int] = {id(node): 0 for node in self.nodes}
        for node in reversed(self.nodes):
            depth = node_depths[id(node)]
            key = id(node.operation)
            seen.setdefault(key, node.operation)
            depths[key] = depth = max(depth, depths.get(key, 0))
            for source in node.input_tensors:
                if source.node is not None:
                    now = node_depths.get(id(source.node), 0)
                    node_depths[id(source.node)] = max(now, depth + 1)
        for tensor in self.inputs:
            if tensor.node is not None and not isinstance(tensor.op, _Free):
                key = id(tensor.op)
                seen.setdefault(key, tensor.op)
                depths[key] = max(depths.get(key, 0), node_depths.get(id(tensor.node), 0))
        found = self._visited(seen)
        return sorted(found, key=lambda operation: -depths[id(operation)])

    def _visited(self, seen: dict[int, Any]) -> list[Any]:
        """The operations in the order in which a walk from the outputs meets them."""
        fed = set(map(id, self.inputs))
        order: dict[int, Any] = {}
        nodes: set[int] = set()
        stack = [*reversed(self.outputs)]
        while stack:
            tensor = stack.pop()
            node = tensor.node
            if node is None or id(node) in nodes or id(node.operation) not in seen:
                continue
            nodes.add(id(node))
            order.setdefault(id(node.operation), node.operation)
            if id(tensor) not in fed:
                stack.extend(reversed(node.input_tensors))
        order.update({key: op for key, op in seen.items() if key not in order})
        return list(order.values())

    def _last_uses(self) -> list[list[int]]:
        """For each node the tensors that nothing needs after it, so that memory is freed."""
        kept = {id(tensor) for tensor in (*self.outputs, *self.inputs)}
        last: dict[int, int] = {}
        for place, node in enumerate(self.nodes):
            for tensor in (*node.output_tensors, *node.input_tensors):
                last[id(tensor)] = place
        unused: list[list[int]] = [[] for _ in self.nodes]
        for key, place in last.items():
            if key not in kept:
                unused[place].append(key)
        return unused

    def run(self, inputs: Sequence[Any], masks: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Compute the outputs and their masks from arrays.

        Args:
            inputs: one value for each input of the graph.
            masks: one mask, or ``None``, for each.
        """
        values = {id(t): value for t, value in zip(self.inputs, inputs, strict=True)}
        found = {id(t): mask for t, mask in zip(self.inputs, masks, strict=True)}
        for node, unused in zip(self.nodes, self._keep, strict=True):
            outputs, mask = node.operation.run(node, values, found)
            for tensor, value in zip(node.output_tensors, outputs, strict=True):
                values[id(tensor)] = value
            for tensor, value in zip(node.output_tensors, mask, strict=True):
                found[id(tensor)] = value
            for key in unused:
                values.pop(key, None)
                found.pop(key, None)
        return [values[id(t)] for t in self.outputs], [found.get(id(t)) for t in self.outputs]

    def layers_only(self) -> list[Layer]:
        """The layers, without free functions."""
        return [op for op in self.layers if not isinstance(op, _Free)]


class _Free:
    """Base of what is no layer: functions and masks in a graph."""

    name: str


def _constant(node: Node) -> bool:
    """Whether a node without inputs has its value already (a wrapped array, a function)."""
    return isinstance(node.operation, _Free) or any(
        tensor.value is not None for tensor in node.output_tensors
    )
