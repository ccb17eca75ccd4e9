"""What is in a file decides how it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lamina.saving import archive, checkpoint_file, keras3_weights, legacy_weights, tensors
from lamina.saving.h5_checks import SIGNATURE, kind_of
from lamina.saving.h5_file import Group, opened
from lamina.saving.stored import Found, Part

if TYPE_CHECKING:
    from lamina.core.layer import Layer


@contextlib.contextmanager
def found(path: str, model: Layer, by_name: bool = False) -> Iterator[Found]:
    """What a file of any known format has for a model.

    Args:
        path: the file.
        model: the model.
        by_name: whether names of layers count, not their order.

    Raises:
        ValueError: a format that is not known, or a damaged file.
    """
    with open(path, "rb") as file:
        start = file.read(16)
    if start.startswith(SIGNATURE):
        with opened(path) as root:
            yield in_h5(root, model, by_name)
    elif archive.is_archive(start):
        with archive.opened(path) as opened_archive:
            weights = archive.member(opened_archive, archive.WEIGHTS, path)
        with opened(weights, f"{path}: {archive.WEIGHTS}") as root:
            yield in_h5(root, model, by_name)
    elif tensors.is_format(start):
        with tensors.found(path, model, by_name) as result:
            yield _complete(result, model, by_name)
    else:
        raise ValueError(
            f"{path} is empty."
            if not start
            else f"{path} is neither HDF5 nor safetensors nor a .keras archive; it begins with "
            f"{kind_of(start)}."
        )


def in_h5(root: Group, model: Layer, by_name: bool = False) -> Found:
    """What an HDF5 file has for a model.

    Args:
        root: root group of the file.
        model: the model.
        by_name: whether names of layers count, not their order.

    Raises:
        ValueError: neither layout of Keras.
    """
    if keras3_weights.is_layout(root):
        return _complete(keras3_weights.found(root, model, by_name), model, by_name)
    if legacy_weights.weights_group(root) is not None:
        return _complete(legacy_weights.found(root, model, by_name), model, by_name)
    raise ValueError(
        f"{root.place} holds no weights of Keras: it has neither 'layer_names' nor a group "
        f"'layers'. In it are {', '.join(list(root.members)[:6]) or 'no groups'}."
        f"{checkpoint_file.hint(root)}"
    )


def _complete(result: Found, model: Layer, by_name: bool) -> Found:
    """The same, with a part for each weight that the file says nothing of."""
    named = {id(variable) for part in result.parts for variable, _ in part.pairs}
    whole = by_name or any(part.problem for part in result.parts)
    for variable in () if whole else model.lasting_weights():
        if id(variable) not in named:
            result.parts.append(
                Part(f"weight {variable.path!r}", problem="the file has none for it")
            )
    return result
