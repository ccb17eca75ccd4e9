"""The models that are measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.layers import Dense
from lamina.models import Sequential


def mlp(sizes: Sequence[int]) -> Any:
    """A compiled net of dense layers: ``plain.start(sizes)`` in lamina."""
    model = layers_of(sizes, "softmax")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def regression(sizes: Sequence[int]) -> Any:
    """The same net for the mean squared error: nothing in it checks values."""
    model = layers_of(sizes, None)
    model.compile("adam", "mse", metrics=["mae"])
    return model


def layers_of(sizes: Sequence[int], activation: str | None) -> Any:
    """Dense layers with relu between them."""
    first, *hidden, last = sizes
    model = Sequential()
    for place, units in enumerate(hidden):
        options = {"input_shape": (first,)} if place == 0 else {}
        model.add(Dense(units, activation="relu", **options))
    model.add(Dense(last, activation=activation))
    return model
