"""The layout of Keras 3's ``.weights.h5``: groups by class and attribute, arrays by number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lamina.core import sharing
from lamina.core.layer import Layer
from lamina.core.naming import snake_case
from lamina.saving.h5_checks import OTHER_NAME
from lamina.saving.h5_file import Dataset, Group
from lamina.saving.h5_writing import put_array, put_text
from lamina.saving.stored import Found, Part, Stored, paired

if TYPE_CHECKING:
    from lamina.core.variable import Variable

_NOT_WALKED = frozenset(
    {"inbound_nodes", "outbound_nodes", "optimizer", "_compilation", "_entry", "_stack", "_tensors"}
)


def is_layout(root: Group) -> bool:
    """Whether a file has this layout.

    Args:
        root: its root group.
    """
    if root.has_texts("layer_names"):
        return False
    return any(name in root.members for name in ("layers", "vars", OTHER_NAME))


def places(owner: Layer) -> dict[str, Layer]:
    """The layers of a model by their paths in the file; the model itself is at ``""``.

    The layers of a graph or of a `Sequential` are in ``layers``, under the name of their class
    in snake case, with a number from the second on. Layers in layers are under the names of the
    attributes that hold them; those that begin with an underscore come last.

    Args:
        owner: the model or the layer.

    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> list(places(Sequential([Dense(3, input_shape=(2,)), Dense(2)])))
    ['', 'layers/dense', 'layers/dense_1']
    """
    found: dict[str, Layer] = {}
    _walk(owner, "", found, {})
    return found


def _stored_places(root: Group, owner: Layer) -> dict[str, Layer]:
    """`places`, as the writer of a file counted: ``tf.keras`` leaves out layers seen before."""
    found = places(owner)
    lacking = any(one.own_variables() and _vars(root, path) is None for path, one in found.items())
    if not lacking or not sharing.shared(owner):
        return found
    counted: dict[str, Layer] = {}
    _walk(owner, "", counted, {}, None)
    return counted


def all_places(owner: Layer) -> dict[str, Layer]:
    """As `places`, with each place of a layer that stands in several models.

    Readers that make a layer of each place, as Keras 3 does, find weights for all of them.

    Args:
        owner: the model or the layer.
    """
    found: dict[str, Layer] = {}
    _walk(owner, "", found, {}, sharing.shared(owner))
    return found


def _walk(
    layer: Layer,
    path: str,
    found: dict[str, Layer],
    seen: dict[int, Any],
    again: Mapping[int, int] | None = MappingProxyType({}),
) -> None:
    if id(layer) in seen:
        if again and id(layer) in again and layer.weights:
            found.update(_below(layer, path))
        return
    seen[id(layer)] = layer
    found[path] = layer
    for name, value in _children(layer):
        _enter(value, f"{path}/{name}" if path else name, found, seen, again)


def _below(layer: Layer, path: str) -> dict[str, Layer]:
    """The places of a layer and of those in it, under a path."""
    return {f"{path}/{end}" if end else path: one for end, one in all_places(layer).items()}


def _enter(
    value: Any,
    path: str,
    found: dict[str, Layer],
    seen: dict[int, Any],
    again: Mapping[int, int] | None,
) -> None:
    if isinstance(value, Layer):
        _walk(value, path, found, seen, again)
    elif isinstance(value, list | tuple | dict):
        if id(value) in seen:
            return
        seen[id(value)] = value  # kept, so that no other list gets its id
        counts: Counter[str] = Counter()
        for entry in value.values() if isinstance(value, dict) else value:
            if again is None and id(entry) in seen:
                continue
            if isinstance(entry, Layer | list | tuple | dict):
                word = _word(entry) if isinstance(entry, Layer) else "container"
                number, counts[word] = counts[word], counts[word] + 1
                below = f"{path}/{word}_{number}" if number else f"{path}/{word}"
                _enter(entry, below, found, seen, again)


_WRITTEN = {"Deconvolution2D": "Conv2DTranspose"}
"""Classes that are written as another one, see `lamina.saving.writing.renamed`."""


def _word(layer: Layer) -> str:
    """The class in snake case; a model with a graph is a ``Functional`` in Keras 3."""
    name = _WRITTEN.get(type(layer).__name__, type(layer).__name__)
    plain = name == "Model" and getattr(layer, "graph", None) is not None
    plain = plain or getattr(layer, "branched", False)
    return "functional" if plain else snake_case(name)


def _children(layer: Layer) -> Iterator[tuple[str, Any]]:
    """Attributes that may hold layers, in the order of Keras 3."""
    held = {_public(layer, name): value for name, value in vars(layer).items()}
    held = {name: value for name, value in held.items() if name not in _NOT_WALKED}
    is_model = hasattr(type(layer), "get_layer")
    layers = list(layer.sublayers()) if is_model else []
    if is_model and (getattr(layer, "graph", None) is not None or hasattr(layer, "add")):
        yield "layers", layers
    elif is_model:
        held["layers"] = layers
    for name in sorted(held, key=lambda name: (name.startswith("_"), name)):
        yield name, held[name]


def _public(layer: Layer, name: str) -> str:
    """Name of the property that shows a private attribute, if there is one."""
    word = name.lstrip("_")
    return word if isinstance(getattr(type(layer), word, None), property) else name


def own_variables(layer: Layer) -> list[Variable]:
    """The variables of a layer itself: those made as trainable first.

    States that a stateful layer keeps from batch to batch are none: no release writes them.

    Args:
        layer: the layer.
    """
    passing = set(map(id, layer._passing()))
    own = [variable for variable in layer.own_variables() if id(variable) not in passing]
    learning = [variable for variable in own if learns(layer, variable)]
    kept = set(map(id, learning))
    return learning + [variable for variable in own if id(variable) not in kept]


def learns(layer: Layer, variable: Variable) -> bool:
    """Whether a variable of a layer was made as one that is trained.

    Args:
        layer: the layer.
        variable: one of its own.
    """
    listed = any(variable is one for one in layer._trainable_weights)
    frozen = any(variable is one for one in layer._non_trainable_weights)
    return listed or (variable.trainable and not frozen)


def write(
    root: Any,
    owner: Layer,
    optimizer: tuple[str, Sequence[Any]] | None = None,
    linked: bool = False,
) -> None:
    """Write all weights of a model, and the state of an optimizer.

    Args:
        root: group of ``h5py``.
        owner: the model.
        optimizer: name and arrays of the optimizer, in Keras 3's order.
        linked: whether the groups ``layers`` have a second name, under which `tf.keras` looks.
    """
    found = all_places(owner)
    for path, layer in found.items():
        arrays = [variable.numpy() for variable in own_variables(layer)]
        _write_group(root, path, layer.name, arrays)
        for name, array in layer.named_arrays().items():
            put_array(root[f"{path}/vars" if path else "vars"], name, array)
    for path in found if linked else ():
        group = root[path] if path else root
        if hasattr(type(found[path]), "get_layer") and "layers" in group:
            group[OTHER_NAME] = group["layers"]
    if optimizer is not None:
        _write_group(root, "optimizer", *optimizer)


def _write_group(root: Any, path: str, name: str, arrays: Sequence[Any]) -> None:
    group = root.require_group(f"{path}/vars" if path else "vars")
    put_text(group, "name", name)
    for number, array in enumerate(arrays):
        put_array(group, str(number), array)


def found(root: Group, owner: Layer, by_name: bool = False) -> Found:
    """What a file has for a model.

    Args:
        root: root group of the file.
        owner: the model.
        by_name: whether layers are looked for by the names that the file has for them.
    """
    named = _stored_by_name(root) if by_name else None
    parts, used = [], set()
    own = _stored_places(root, owner)
    for path, layer in own.items():
        variables = own_variables(layer)
        where = path if named is None else _named_path(path, layer, named, own)
        where = where and _as_stored(root, where)
        arrays = None if where is None else _arrays(root, where)
        if arrays is not None:
            used.add(where)
        if not variables and (not arrays or not path):
            continue
        label = f"layer {layer.name!r}" if path else f"the model {layer.name!r} itself"
        if arrays is not None:
            parts.append(paired(label, variables, arrays))
        elif not by_name:
            parts.append(Part(label, problem=_missing(root, path)))
    if not by_name:
        used |= all_places(owner).keys() - own.keys()
    unused = [path for path in _stored_paths(root) if path not in used]
    return Found(parts, unused, optimizer_arrays(root))


def _as_stored(root: Group, path: str) -> str:
    """The path of a layer in a file: `tf.keras` shows no parts of attention, it hides them."""
    head, _, last = path.rpartition("/")
    hidden = f"{head}/_{last}"
    return hidden if head and _vars(root, path) is None and _vars(root, hidden) else path


def _missing(root: Group, path: str) -> str:
    folder = path.rpartition("/")[0]
    beside = root.find(folder)
    there = ", ".join(beside.members) if isinstance(beside, Group) else ""
    return f"{root.place} has no group {path!r}" + (
        f"; in {folder!r} there are {there}" if there else ""
    )


def _arrays(root: Group, path: str) -> list[Stored] | None:
    """The arrays of a layer in their order, or ``None`` if the file does not have it."""
    group = _vars(root, path)
    return None if group is None else numbered(group)


def _vars(root: Group, path: str) -> Group | None:
    group = root.find(f"{path}/vars")
    if group is None and OTHER_NAME in root.members:  # files of tf.keras 2.12
        group = root.find(f"{path.replace('layers', OTHER_NAME)}/vars")
    return group if isinstance(group, Group) else None


def numbered(group: Group) -> list[Stored]:
    """The arrays ``0``, ``1``, ... of a group.

    Args:
        group: one that is called ``vars``.
    """
    arrays: list[Stored] = []
    while isinstance(array := group.members.get(str(len(arrays))), Dataset):
        arrays.append(array)
    return arrays


def _stored_paths(root: Group, path: str = "") -> list[str]:
    """Paths of all groups that hold arrays of layers."""
    paths = []
    for name, member in root.members.items():
        if isinstance(member, Group) and not (not path and name in ("optimizer", "metrics")):
            below = f"{path}/{name}" if path else name
            if name == "vars":
                paths += [path] if numbered(member) else []
            else:
                paths += _stored_paths(member, below)
    return paths


def _stored_by_name(root: Group) -> dict[str, str]:
    """Paths of the layers at the top by the names that the file has for them."""
    layers = root.find("layers")
    found: dict[str, str] = {}
    for word, member in layers.members.items() if isinstance(layers, Group) else ():
        own = member.find("vars") if isinstance(member, Group) else None
        name = own.text("name") if isinstance(own, Group) else None
        if name is not None:
            found[name] = f"layers/{word}"
    if not found:
        raise ValueError(
            f"{root.place} does not hold the names of its layers, so that by_name=True finds "
            "nothing. Load it by the order of the layers."
        )
    return found


def _named_path(
    path: str, layer: Layer, named: dict[str, str], all_places: dict[str, Layer]
) -> str | None:
    """Where a layer's arrays are: in the group of the layer at the top that has its name."""
    top = "/".join(path.split("/")[:2])
    if not path or top not in all_places:
        return None
    stored = named.get(all_places[top].name)
    return None if stored is None else stored + path[len(top) :]


def optimizer_arrays(root: Group) -> list[Stored] | None:
    """The arrays of the optimizer in their order, or ``None`` if the file has none.

    Args:
        root: root group of the file.
    """
    group = root.find("optimizer/vars")
    return numbered(group) if isinstance(group, Group) and group.members else None


def optimizer_name(root: Group) -> list[str]:
    """The name of the optimizer whose arrays a file has, if it says it: Keras 3.0 does not.

    Args:
        root: root group of the file.
    """
    group = root.find("optimizer/vars")
    name = group.text("name") if isinstance(group, Group) else None
    return [] if name is None else [name]
