"""The table of a model: its layers, what comes out of each, how many weights it has."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina import registry
from lamina.core import shapes

if TYPE_CHECKING:
    from lamina.core.graph import Graph, Node

UNKNOWN = "?"
# Eight lines of a frame: rules above and below, under the head and between the rows.
FRAME = "____\n    \n====\n    \n    \n    \n    \n____\n"


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: name and class of the layer, indented as deep as it lies.
        shape: the shape that comes out.
        params: number of scalars in its weights.
        sources: what it is connected to.
        trainable: whether training changes it.
    """

    name: str
    shape: str
    params: str
    sources: str
    trainable: str


def table(
    model: Any,
    line_length: int | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> Iterator[str]:
    """Make the lines of the table of a model.

    Args:
        model: the model, built or not.
        line_length: width in characters; by default what the table needs, at most the terminal's.
        expand_nested: whether models inside are listed layer by layer.
        show_trainable: whether a column says which layers training changes.
        layer_range: names of the first and the last layer to list, or patterns for them.

    Raises:
        ValueError: a bad width, or a range that names no layer.
    """
    if line_length is not None and (not isinstance(line_length, int) or line_length < 20):
        raise ValueError(f"{model}: summary: line_length must be at least 20, got {line_length!r}.")
    connected = model.graph is not None and not _is_chain(model.graph)
    rows = list(_rows(model, _between(model, layer_range), connected, expand_nested))
    columns = ["Layer (type)", "Output shape", "Param #"]
    columns += ["Connected to"] * connected + ["Trainable"] * show_trainable
    cells = [
        (*row[:3], *([row.sources] * connected), *([row.trainable] * show_trainable))
        for row in rows
    ]
    yield f'Model: "{model.name}"'
    yield from _drawn(columns, cells, line_length)
    yield from _totals(model)


def _drawn(columns: list[str], rows: list[tuple[str, ...]], width: int | None) -> Iterator[str]:
    """The table as lines of plain text."""
    from rich.box import Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=Box(FRAME, ascii=True), show_edge=True, expand=width is not None)
    for column in columns:
        drawn.add_column(column, overflow="fold", justify="left")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    text = StringIO()
    limit = width or shutil.get_terminal_size((100, 24)).columns
    Console(file=text, width=max(limit, 20), color_system=None, force_jupyter=False).print(drawn)
    for line in text.getvalue().splitlines():
        yield line.rstrip()


def _is_chain(graph: Graph) -> bool:
    """Whether each operation runs once and takes what the one before it made."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return False
    operations = [id(node.operation) for node in graph.nodes]
    before = graph.inputs[0]
    for node in graph.nodes:
        if len(node.output_tensors) != 1 or [*node.input_tensors] != [before]:
            return False
        before = node.output_tensors[0]
    return len(set(operations)) == len(operations)


def _between(model: Any, layer_range: Sequence[str] | None) -> list[Any]:
    """The layers and functions from the first to the last that the range names."""
    parts = model.layers
    if model.graph is not None and parts and not hasattr(model, "add"):
        known = set(map(id, parts))
        drawn = [op for op in model.graph.layers if id(op) in known or not hasattr(op, "weights")]
        inside = set(map(id, drawn))
        parts = drawn + [layer for layer in parts if id(layer) not in inside]
    if layer_range is None:
        return parts
    if len(layer_range) != 2:
        raise ValueError(
            f"{model}: summary: layer_range must be the names of the first and the last layer, "
            f"got {layer_range!r}."
        )
    names = [part.name for part in parts]
    places = []
    for wanted in layer_range:
        found = [place for place, name in enumerate(names) if re.fullmatch(wanted, name)]
        if not found:
            raise ValueError(
                f"{model}: summary: layer_range names {wanted!r}, but there is no such layer."
                f"{registry.did_you_mean(wanted, names)}"
            )
        places.append(found)
    first, last = places[0][0], places[1][-1]
    return parts[min(first, last) : max(first, last) + 1]


def _rows(
    model: Any, parts: list[Any], connected: bool, expand: bool, depth: int = 0
) -> Iterator[Row]:
    inside = [] if model.graph is None else _nodes(model.graph)
    for part in parts:
        nodes = [node for node in inside if node.operation is part]
        kind = type(part).__name__ if hasattr(part, "weights") else "function"
        yield Row(
            f"{'|  ' * depth}{part.name} ({kind})",
            _shape(part, nodes),
            _count(part),
            _sources(nodes) if connected else "",
            ("Y" if part.trainable else "N") if getattr(part, "weights", None) else "-",
        )
        if expand and hasattr(part, "_input_structure"):
            yield from _rows(part, _between(part, None), connected, expand, depth + 1)


def _nodes(graph: Graph) -> list[Node]:
    """All nodes of a graph, those of its inputs too."""
    fed = {id(t.node): t.node for t in graph.inputs if t.node is not None}
    fed.update((id(node), node) for node in graph.nodes)
    return list(fed.values())


def _shape(part: Any, nodes: list[Node]) -> str:
    """The shape of the output: of its calls in the graph, else what its rule makes of its input."""
    if nodes:
        found = [_one(node.output_shapes) for node in nodes]
        return str(found[0]) if all(shape == found[0] for shape in found) else "multiple"
    if getattr(part, "graph", None) is not None:
        return str(part.output_shape)
    if getattr(part, "built", False) and part._build_shape is not None:
        return _promised(part)
    return UNKNOWN


def _promised(layer: Any) -> str:
    try:
        promised = layer.compute_output_shape(_any_batch(layer._build_shape))
    except Exception:  # the rule of a layer of the user's may need what is not known here
        return UNKNOWN
    return str(promised)


def _any_batch(shape: Any) -> Any:
    if shapes.is_shape(shape):
        return (None, *shape[1:]) if shape else shape
    if isinstance(shape, dict):
        return {key: _any_batch(part) for key, part in shape.items()}
    return [_any_batch(part) for part in shape]


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _count(part: Any) -> str:
    if not hasattr(part, "weights"):
        return "0"
    unbuilt = not all(layer.built for layer in part.all_layers())
    return UNKNOWN if unbuilt else f"{sum(variable.size for variable in part.lasting_weights()):,}"


def _sources(nodes: list[Node]) -> str:
    found = []
    for node in nodes:
        for tensor in node.input_tensors:
            history = tensor._keras_history
            name = history.layer.name if history else tensor.name
            place = f"[{history.node_index}][{history.tensor_index}]" if history else ""
            found.append(name + place)
    return "\n".join(found) or "-"


def _totals(model: Any) -> Iterator[str]:
    unbuilt = [layer.name for layer in model.all_layers() if not layer.built]
    known = " in the layers that are built" if unbuilt else ""
    lasting = model.lasting_weights()
    kept = set(map(id, lasting))
    for word, variables in (
        ("Total", lasting),
        ("Trainable", model.trainable_weights),
        ("Non-trainable", [one for one in model.non_trainable_weights if id(one) in kept]),
    ):
        yield f"{word} params{known}: {_amount(variables)}"
    if unbuilt:
        yield (
            f"Not built yet: {', '.join(unbuilt)}. Sizes marked {UNKNOWN} are known once the model "
            "has seen data or an input shape: call it on data, call build(input_shape), or give "
            "the first layer an input_shape."
        )


def _amount(variables: Sequence[Any]) -> str:
    """Number of scalars and the memory that they take."""
    scalars = sum(variable.size for variable in variables)
    memory = float(sum(variable.size * variable.dtype.itemsize for variable in variables))
    for unit in ("B", "KB", "MB", "GB"):
        if memory < 1024 or unit == "GB":
            break
        memory /= 1024
    return f"{scalars:,} ({memory:.2f} {unit})"
