"""The HDF5 layout of Keras 1 and 2, ``tf.keras``, and Keras 3's ``.h5``: a group for each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lamina.core.layer import Layer
from lamina.saving import keras3_weights
from lamina.saving.h5_file import Dataset, Group
from lamina.saving.h5_writing import put_array, put_text, put_texts
from lamina.saving.legacy_kernels import converted, stored_count
from lamina.saving.stored import Found, Part, Stored, paired

if TYPE_CHECKING:
    from lamina.core.variable import Variable

TOP_LEVEL = "top_level_model_weights"
VERSION = "2.15.0"
"""The release whose layout is written; Keras 1 to 3 read it."""


def weights_group(root: Group) -> Group | None:
    """The group of the layers: the root of a file of weights, or ``model_weights``.

    Args:
        root: root group of the file.
    """
    for group in (root, root.find("model_weights")):
        if isinstance(group, Group) and group.has_texts("layer_names"):
            return group
    return None


@dataclass(frozen=True)
class Writer:
    """Who wrote a file.

    Args:
        version: of Keras; "1" where the file does not say.
        backend: name of the backend, if the file says.
    """

    version: str
    backend: str | None

    @property
    def old(self) -> bool:
        """Whether it was Keras 1."""
        return self.version.split(".")[0] in ("0", "1")

    @property
    def turned(self) -> bool:
        """Whether kernels of convolutions are turned around: Theano convolves, others correlate."""
        return self.backend == "theano"


def writer_of(group: Group, root: Group) -> Writer:
    """Who wrote a file.

    Keras 1 does not say which backend it ran on; but names that TensorFlow gives end in ``:0``.

    Args:
        group: that of the layers.
        root: root group of the file.
    """
    version = group.text("keras_version") or root.text("keras_version") or "1"
    backend = group.text("backend") or root.text("backend")
    writer = Writer(version, backend)
    if backend is None and writer.old:
        names = [name for layer in stored_layers(group) for name in layer.names]
        plain = bool(names) and not any(":" in name or name.startswith("param_") for name in names)
        return Writer(version, "theano" if plain else "tensorflow")
    return writer


@dataclass(frozen=True)
class StoredLayer:
    """What a file has for one layer: its name, and names and arrays in order."""

    name: str
    names: list[str]
    arrays: list[Dataset]


def stored_layers(group: Group) -> list[StoredLayer]:
    """What a file has, layer by layer.

    Args:
        group: that of the layers.
    """
    return [_stored_layer(group, name) for name in group.texts("layer_names")]


def _stored_layer(group: Group, name: str) -> StoredLayer:
    own = group.group(name)
    names = own.texts("weight_names")
    return StoredLayer(name, names, [own.dataset(path) for path in names])


def found(root: Group, owner: Layer, by_name: bool = False) -> Found:
    """What a file has for a model.

    Args:
        root: root group of the file.
        owner: the model.
        by_name: whether names of layers count, not their order.

    Raises:
        ValueError: the file has another number of layers with weights.
    """
    group = weights_group(root)
    if group is None:
        raise ValueError(f"{root.place} holds no weights: it has no attribute 'layer_names'.")
    writer = writer_of(group, root)
    stored = stored_layers(group)
    result = _by_name(owner, stored, writer) if by_name else _by_order(group, owner, stored, writer)
    top = group.find(TOP_LEVEL)
    own = keras3_weights.own_variables(owner) if hasattr(type(owner), "get_layer") else []
    if isinstance(top, Group) and top.has_texts("weight_names"):
        arrays = _stored_layer(group, TOP_LEVEL).arrays
        if own or arrays:
            result.parts.append(paired(f"the model {owner.name!r} itself", own, arrays))
    return result


def _by_order(group: Group, owner: Layer, stored: list[StoredLayer], writer: Writer) -> Found:
    there = [entry for entry in stored if entry.arrays]
    layers = [layer for layer in layers_of(owner) if layer.weights]
    if writer.old:
        layers = _as_keras_1(owner, layers, [entry.name for entry in there])
    if len(layers) != len(there):
        flat = [leaf for layer in layers for leaf in _flattened(layer) if leaf.weights]
        if len(flat) == len(there):  # Keras 1 writes a Sequential in a Sequential layer by layer
            layers = flat
        else:
            raise ValueError(_other_number(group, owner, layers, there))
    return Found([_part(layer, entry, writer) for layer, entry in zip(layers, there, strict=True)])


def _as_keras_1(owner: Layer, layers: list[Layer], names: list[str]) -> list[Layer]:
    """The layers in the order of Keras 1, which had those of branches branch by branch."""
    own = {layer.name: layer for layer in layers}
    if len(own) == len(layers) and sorted(own) == sorted(names):
        return [own[name] for name in names]
    if not getattr(owner, "branched", False):
        return layers
    return [layer for layer in owner.by_branches() if layer.weights]  # type: ignore[attr-defined]


def _other_number(group: Group, owner: Layer, layers: list[Layer], there: list[StoredLayer]) -> str:
    return (
        f"{owner} has {len(layers)} layers with weights "
        f"({', '.join(layer.name for layer in layers)}), but {group.place} has {len(there)} "
        f"({', '.join(entry.name for entry in there)}). The model is as it was. Pass by_name=True "
        "to load the layers whose names are in the file."
    )


def _by_name(owner: Layer, stored: list[StoredLayer], writer: Writer) -> Found:
    there = {entry.name: entry for entry in stored}
    result = Found([])
    used = set()
    for layer in layers_of(owner):
        if layer.name in there and (layer.weights or there[layer.name].arrays):
            used.add(layer.name)
            result.parts.append(_part(layer, there[layer.name], writer))
    result.unused = [entry.name for entry in stored if entry.arrays and entry.name not in used]
    return result


def layers_of(owner: Layer) -> list[Layer]:
    """The layers of a model; a layer that is no model stands for itself.

    Args:
        owner: the model.
    """
    if not hasattr(type(owner), "get_layer"):
        return [owner]
    return list(owner.layers)  # type: ignore[attr-defined]


def _flattened(layer: Layer) -> list[Layer]:
    if not hasattr(type(layer), "get_layer"):
        return [layer]
    return [leaf for inner in layers_of(layer) for leaf in _flattened(inner)]


def _part(layer: Layer, entry: StoredLayer, writer: Writer) -> Part:
    """The weights of one layer: by their names where these are the same, else by their order.

    Files have the weights of nested layers as they were trainable when they were written: those
    that learn first. What is frozen now may have learned then; the first order counts of which
    names and shapes fit.
    """
    label = f"layer {layer.name!r}"
    if entry.name != layer.name:
        label += f" (stored as {entry.name!r})"
    own = [_short(variable.path) for variable in weights_in_order(layer)]
    there = {_short(name): array for name, array in zip(entry.names, entry.arrays, strict=True)}
    if len(there) == len(entry.arrays) and sorted(own) == sorted(there):
        return _fitted(label, _learning_now(layer), [there[name] for name in own], writer)
    parts = [
        _fitted(label, order(layer), entry.arrays, writer)
        for order in (_learning_now, _learning_all, _one_by_one)
    ]
    fits = [part for part in parts if not part.problem and all(map(_same_shape, part.pairs))]
    ends = [_short(name).rpartition("/")[2] for name in entry.names]
    named = [part for part in fits if [variable.name for variable, _ in part.pairs] == ends]
    return (named or fits or parts)[0]


def _fitted(label: str, slots: list[Slot], arrays: Sequence[Dataset], writer: Writer) -> Part:
    variables = [variable for slot in slots for variable in slot.variables]
    return paired(label, variables, _arrays(slots, arrays, writer))


def _same_shape(pair: tuple[Variable, Stored]) -> bool:
    return pair[0].shape == tuple(pair[1].shape)


def _short(name: str) -> str:
    """Layer and weight in a name: ``dense/kernel`` of ``model/dense/kernel:0``."""
    return "/".join(name.partition(":")[0].split("/")[-2:])


@dataclass(frozen=True)
class Slot:
    """Some of the weights of a layer that has no layers in it, or only of itself."""

    layer: Layer
    variables: list[Variable]
    learning: bool


def _split(layer: Layer) -> tuple[list[Variable], list[Variable]]:
    own = keras3_weights.own_variables(layer)
    learning = [v for v in own if keras3_weights.learns(layer, v)]
    return learning, own[len(learning) :]


def _learning_now(layer: Layer) -> list[Slot]:
    """Weights that learn at present, layer by layer, then all others."""
    learning = {id(one) for one in layer.all_layers(learning=True)}
    return _two_passes(layer, lambda one: id(one) in learning)


def _learning_all(layer: Layer) -> list[Slot]:
    """The same if no layer was frozen."""
    return _two_passes(layer, lambda one: True)


def _two_passes(layer: Layer, learns: Callable[[Layer], bool]) -> list[Slot]:
    first, second = [], []
    for one in layer.all_layers():
        learning, others = _split(one)
        (first if learns(one) else second).append(Slot(one, learning, True))
        second.append(Slot(one, others, False))
    return _each_once(first + second)


def _one_by_one(layer: Layer) -> list[Slot]:
    """Layer by layer, as if all were frozen."""
    return _each_once(
        slot
        for one in layer.all_layers()
        for slot in (Slot(one, _split(one)[0], True), Slot(one, _split(one)[1], False))
    )


def _each_once(slots: Iterable[Slot]) -> list[Slot]:
    """The slots without weights that an earlier one has: a wrapper may show its layer's."""
    found: list[Slot] = []
    seen: set[int] = set()
    for slot in slots:
        new = [one for one in slot.variables if id(one) not in seen]
        seen.update(map(id, new))
        found.append(replace(slot, variables=new))
    return found


def _arrays(slots: list[Slot], arrays: Sequence[Dataset], writer: Writer) -> list[Stored]:
    """The arrays in today's form, in the order of the slots; as they are if numbers differ."""
    counts = [
        stored_count(slot.layer, len(slot.variables), writer.old)
        if slot.learning
        else len(slot.variables)
        for slot in slots
    ]
    if sum(counts) != len(arrays):
        return list(arrays)
    result: list[Stored] = []
    place = 0
    for slot, count in zip(slots, counts, strict=True):
        own = arrays[place : place + count]
        place += count
        result += converted(slot.layer, own, writer.old, writer.turned) if slot.learning else own
    return result


def weights_in_order(layer: Layer) -> list[Variable]:
    """The weights of a layer in the order of the file: those that learn first.

    Args:
        layer: the layer, or a nested model.
    """
    return [variable for slot in _learning_now(layer) for variable in slot.variables]


def write(group: Any, owner: Layer) -> None:
    """Write the weights of a model into a group: the root, or ``model_weights``.

    Args:
        group: of ``h5py``.
        owner: the model.
    """
    put_text(group, "backend", "tensorflow")
    put_text(group, "keras_version", VERSION)
    layers = layers_of(owner)
    put_texts(group, "layer_names", [layer.name for layer in layers])
    for layer in layers:
        _write_layer(group.create_group(layer.name), weights_in_order(layer))
    own = keras3_weights.own_variables(owner) if hasattr(type(owner), "get_layer") else []
    _write_layer(group.create_group(TOP_LEVEL), own)


def _write_layer(group: Any, variables: Sequence[Variable]) -> None:
    names = unique_names([f"{variable.path}:0" for variable in variables])
    put_texts(group, "weight_names", names)
    for name, variable in zip(names, variables, strict=True):
        put_array(group, name, variable.numpy())


def unique_names(names: Sequence[str]) -> list[str]:
    """Names of arrays, each once: a group holds no two of the same name.

    Args:
        names: those that are wanted.

    >>> unique_names(["a/kernel:0", "a/kernel:0"])
    ['a/kernel:0', 'a/kernel_1:0']
    """
    taken: set[str] = set()
    result = []
    for name in names:
        stem, colon, end = name.partition(":")
        free, number = name, 0
        while free in taken:
            number += 1
            free = f"{stem}_{number}{colon}{end}"
        taken.add(free)
        result.append(free)
    return result
