"""What only Keras 1 had: the ``Merge`` layer, and a `Sequential` that begins with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.typing import Config

RENAMED = {"AtrousConvolution1D": "Conv1D", "AtrousConvolution2D": "Conv2D"}
"""Classes of Keras 1 whose arguments are those of another one today."""

_SILENT = frozenset(
    f"{kind}{rank}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for rank in (2, 3)
)
"""Classes that Keras 1 wrote without the ``dim_ordering`` that they have."""

_CLASSES = {
    "sum": "Add",
    "mul": "Multiply",
    "ave": "Average",
    "max": "Maximum",
    "concat": "Concatenate",
    "dot": "Dot",
    "cos": "Dot",
}


def ordering(config: Any) -> str | None:
    """The ``dim_ordering`` that all layers of a config state, or ``None`` where they differ."""
    found = set()
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            found.add(value.get("dim_ordering"))
            stack.extend(value.values())
        elif isinstance(value, list | tuple):
            stack.extend(value)
    stated = [one for one in found if isinstance(one, str)]
    return stated[0] if len(stated) == 1 else None


def summed(name: str, config: Mapping[str, Any]) -> Config:
    """The config of a layer of Keras 1 or 2, with a penalty on its output that sums over the batch.

    Args:
        name: class of the layer.
        config: its config.
    """
    found = dict(config)
    if name == "ActivityRegularization":
        factors = {key: found.get(key, 0.0) for key in ("l1", "l2")}
        found["activity_regularizer"] = {"class_name": "L1L2", "config": factors}
    penalty = found.get("activity_regularizer")
    if penalty is not None:
        config = {"regularizer": penalty}
        found["activity_regularizer"] = {"class_name": "SummedOverBatch", "config": config}
    return found


def completed(name: str, config: Mapping[str, Any], stated: str | None) -> Config:
    """The config of a layer of Keras 1 with what it left open.

    Args:
        name: class of the layer.
        config: its config.
        stated: the ``dim_ordering`` of the other layers.
    """
    found = dict(config)
    if name in _SILENT and "dim_ordering" not in found and "data_format" not in found:
        found["dim_ordering"] = stated or "tf"
    if str(found.get("input_dtype", "float")).startswith(("int", "uint", "bool")):
        found.setdefault("dtype", "float32")  # that of the input is not that of the weights
    if name == "Embedding" and not found.get("dropout"):
        found.pop("dropout", None)
    return found


def merge_layer(entry: Mapping[str, Any]) -> Config:
    """The entry of a ``Merge`` as that of the class which does the same today.

    Raises:
        ValueError: it has a mode that Keras 1 did not have.
    """
    given = entry.get("config")
    config: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    mode = config.get("mode", "sum")
    found: Config = {"name": config.get("name")}
    if config.get("mode_type", "raw") != "raw":
        found |= {
            "function": mode,
            "function_type": config["mode_type"],
            "arguments": config.get("arguments") or {},
        }
        if config.get("output_shape_type", "raw") == "raw":
            found["output_shape"] = config.get("output_shape")
        return {**entry, "class_name": "Lambda", "config": found}
    if mode not in _CLASSES:
        raise ValueError(
            f"Merge {config.get('name')!r}: mode must be one of {', '.join(_CLASSES)}, "
            f"got {mode!r}."
        )
    if mode == "concat":
        found["axis"] = config.get("concat_axis", -1)
    if mode in ("dot", "cos"):
        axes = config.get("dot_axes", -1)
        found |= {"axes": _pair(axes), "normalize": mode == "cos"}
    return {**entry, "class_name": _CLASSES[mode], "config": found}


def _pair(axes: Any) -> Any:
    """Axes as `Dot` takes them: Keras 1 wrote each of the two in a list of its own."""
    if isinstance(axes, Sequence) and not isinstance(axes, str):
        return [axis[0] if isinstance(axis, list | tuple) else axis for axis in axes]
    return axes


def begins_with_merge(entries: Any) -> bool:
    """Whether the layers of a `Sequential` begin with a ``Merge`` of branches."""
    first = entries[0] if isinstance(entries, list | tuple) and entries else None
    config = first.get("config") if isinstance(first, Mapping) else None
    return (
        isinstance(first, Mapping)
        and first.get("class_name") == "Merge"
        and isinstance(config, Mapping)
        and bool(config.get("layers"))
    )


def graph(entries: Sequence[Any]) -> Config:
    """The graph of a `Sequential` whose first layer merges branches.

    Raises:
        ValueError: a branch states no input shape.
    """
    layers: list[Config] = []
    inputs: list[list[Any]] = []
    ends = [_branch(branch, layers, inputs) for branch in entries[0]["config"]["layers"]]
    merged = dict(entries[0]["config"])
    del merged["layers"]
    merged.setdefault("name", "merge")
    last = _add(layers, {"class_name": "Merge", "config": merged}, ends)
    for entry in entries[1:]:
        last = _add(layers, entry, [last])
    return {"layers": layers, "input_layers": inputs, "output_layers": [last]}


def _branch(branch: Any, layers: list[Config], inputs: list[list[Any]]) -> list[Any]:
    """Put the layers of a branch into a graph; the place of its output comes back."""
    entries = _entries(branch)
    if begins_with_merge(entries):
        merged = dict(entries[0]["config"])
        ends = [_branch(inner, layers, inputs) for inner in merged.pop("layers")]
        last = _add(layers, {"class_name": "Merge", "config": merged}, ends)
    else:
        shape = _config(entries[0]).get("batch_input_shape")
        if not shape:
            raise ValueError("A branch of a Merge states no batch_input_shape.")
        name = f"{_config(entries[0]).get('name')}_input"
        dtype = _config(entries[0]).get("input_dtype")
        entry = {"batch_input_shape": shape, "input_dtype": dtype, "name": name}
        last = _add(layers, {"class_name": "InputLayer", "config": entry}, [])
        inputs.append(last)
        last = _add(layers, entries[0], [last])
    for entry in entries[1:]:
        last = _add(layers, entry, [last])
    return last


def _entries(branch: Any) -> list[Any]:
    config = branch.get("config") if isinstance(branch, Mapping) else None
    sequential = isinstance(branch, Mapping) and branch.get("class_name") == "Sequential"
    if sequential and isinstance(config, list) and config:
        return config
    if isinstance(config, Mapping) and not sequential:
        return [branch]
    raise ValueError("A branch of a Merge must be a layer or a Sequential with layers.")


def _config(entry: Any) -> Mapping[str, Any]:
    config = entry.get("config") if isinstance(entry, Mapping) else None
    if not isinstance(config, Mapping):
        raise ValueError("The config of a layer in a branch of a Merge must be a dict.")
    return config


def _add(layers: list[Config], entry: Mapping[str, Any], sources: list[list[Any]]) -> list[Any]:
    name = _config(entry).get("name")
    calls = [[[*source] for source in sources]] if sources else []
    layers.append({**entry, "name": name, "inbound_nodes": calls})
    return [name, 0, 0]
