"""The models that are measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.layers import Dense
from lamina.models import Sequential


def mlp(sizes: Sequence[int]) -> Any:
    """A compiled net of dense layers: ``plain.start(sizes)`` in lamina."""
    first, *hidden, last = sizes
    model = Sequential()
    for place, units in enumerate(hidden):
        options = {"input_shape": (first,)} if place == 0 else {}
        model.add(Dense(units, activation="relu", **options))
    model.add(Dense(last, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
