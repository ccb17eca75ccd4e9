"""The layers of `lamina.layers.merge` as functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import jax.numpy as jnp  # noqa: F401  (the examples)

from lamina.layers.merge import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
)
from lamina.typing import LayerOptions, Nested


def add(inputs: Nested, **options: Unpack[LayerOptions]) -> Any:
    """`Add` as a function.

    >>> add([jnp.ones((1, 2)), jnp.ones((1, 2))])
    Array([[2., 2.]], dtype=float32)
    """
    return Add(**options)(inputs)


def subtract(inputs: Nested, **options: Unpack[LayerOptions]) -> Any:
    """`Subtract` as a function.

    >>> subtract([jnp.ones((1, 2)), jnp.ones((1, 2))])
    Array([[0., 0.]], dtype=float32)
    """
    return Subtract(**options)(inputs)


def multiply(inputs: Nested, **options: Unpack[LayerOptions]) -> Any:
    """`Multiply` as a function.

    >>> multiply([jnp.ones((1, 2)), jnp.ones((1, 2))])
    Array([[1., 1.]], dtype=float32)
    """
    return Multiply(**options)(inputs)


def average(inputs: Nested, **options: Unpack[LayerOptions]) -> Any:
    """`Average` as a function.

    >>> average([jnp.ones((1, 2)), jnp.zeros((1, 2))])
    Array([[0.5, 0.5]], dtype=float32)
    """
    return Average(**options)(inputs)


def maximum(inputs: Nested, **options: Unpack[LayerOptions]) -> Any:
    """`Maximum` as a function.

    >>> maximum([jnp.ones((1, 2)), jnp.zeros((1, 2))])
    Array([[1., 1.]], dtype=float32)
    """
    return Maximum(**options)(inputs)


def minimum(inputs: Nested, **options: Unpack[LayerOptions]) -> Any:
    """`Minimum` as a function.

    >>> minimum([jnp.ones((1, 2)), jnp.zeros((1, 2))])
    Array([[0., 0.]], dtype=float32)
    """
    return Minimum(**options)(inputs)


def concatenate(inputs: Nested, axis: int = -1, **options: Unpack[LayerOptions]) -> Any:
    """`Concatenate` as a function.

    >>> concatenate([jnp.ones((1, 2)), jnp.zeros((1, 1))])
    Array([[1., 1., 0.]], dtype=float32)
    """
    return Concatenate(axis, **options)(inputs)


def dot(
    inputs: Nested,
    axes: int | Sequence[int],
    normalize: bool = False,
    **options: Unpack[LayerOptions],
) -> Any:
    """`Dot` as a function.

    >>> dot([jnp.ones((1, 2)), jnp.ones((1, 2))], axes=1)
    Array([[2.]], dtype=float32)
    """
    return Dot(axes, normalize, **options)(inputs)
