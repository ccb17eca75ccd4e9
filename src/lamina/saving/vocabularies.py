"""Vocabularies that stand in an archive beside the config: as texts, one token on each line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.layers.vocabulary import lines_of
from lamina.layers.vocabulary_layer import FILE, VocabularyLayer
from lamina.saving.h5_checks import OTHER_NAME
from lamina.saving.h5_file import Dataset, Group
from lamina.saving.keras3_weights import places


def fill(model: Any, root: Group, asset: Callable[[str], bytes | None], label: str) -> None:
    """Give the layers whose config holds no vocabulary those of the archive.

    A member is looked up by the name that the place of the layer in the model gives it. It is
    read as text in memory; no file is opened.

    Args:
        model: the model, as its config says it.
        root: the group of the weights, which has the weights of tokens.
        asset: gives a member of the archive, or ``None``.
        label: how messages call the archive.

    Raises:
        ValueError: a vocabulary is damaged, or does not fit its layer or the weights.
    """
    for path, layer in places(model).items():
        if not isinstance(layer, VocabularyLayer) or layer.filled:
            continue
        for place in (path, path.replace("layers", OTHER_NAME)):
            name = f"assets/{place}/{FILE}"
            data = asset(name)
            if data is not None:
                what = f"{label}: {name!r}"
                lines = lines_of(data, "utf-8", what, layer.stated_size)
                tokens = layer.of_lines(lines, what)
                weights = _weights(root, place, layer, len(tokens), what)
                layer.set_vocabulary(tokens, weights)
                break


def _weights(root: Group, place: str, layer: VocabularyLayer, count: int, what: str) -> Any:
    """The weights of tokens that the file has for a layer that multiplies with them."""
    if layer.output_mode != "tf_idf":
        return None
    array = root.find(f"{place}/vars/idf_weights")
    size = layer.max_tokens if layer.pad_to_max_tokens else count
    if not isinstance(array, Dataset) or array.shape != (size,) or (size or 0) < count:
        found = array.shape if isinstance(array, Dataset) else "none"
        raise ValueError(
            f"{what} has {count} tokens, but {layer} needs idf_weights of shape ({size},) beside "
            f"it; there are {found}."
        )
    return np.asarray(array.read())[:count]
