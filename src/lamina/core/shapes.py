"""Shapes and structures of inputs and outputs: one tensor, or lists and dicts of them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.symbolic import SymbolicTensor
from lamina.typing import Nested


def listed(value: Any) -> list[Any]:
    """A list or tuple as a list, anything else as a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def flat(structure: Nested) -> list[Any]:
    """All leaves of lists, tuples and dicts, in order."""
    if isinstance(structure, list | tuple):
        return [leaf for part in structure for leaf in flat(part)]
    if isinstance(structure, dict):
        return [leaf for part in structure.values() for leaf in flat(part)]
    return [structure]


def shapes_of(inputs: Nested) -> Any:
    """The shape of a tensor, or a list or dict of shapes."""
    if isinstance(inputs, list | tuple):
        return [shapes_of(part) for part in inputs]
    if isinstance(inputs, dict):
        return {key: shapes_of(part) for key, part in inputs.items()}
    return tuple(inputs.shape) if hasattr(inputs, "shape") else np.shape(inputs)


def is_shape(value: Any) -> bool:
    """Whether a value is one shape, and not a list of shapes."""
    return isinstance(value, list | tuple) and all(
        size is None or isinstance(size, int | np.integer) for size in value
    )


def symbolic_inputs(shapes: Any, dtype: Any) -> Any:
    """Symbolic tensors of the given shapes."""
    if is_shape(shapes):
        return SymbolicTensor(tuple(shapes), dtype, "input")
    if isinstance(shapes, dict):
        return {key: symbolic_inputs(part, dtype) for key, part in shapes.items()}
    return [symbolic_inputs(part, dtype) for part in shapes]


def tensors_of(shapes: Any, dtype: Any, name: str) -> Any:
    """New symbolic tensors for the shapes that a layer's rule gave."""
    if is_shape(shapes):
        sizes = tuple(None if size is None else int(size) for size in shapes)
        return SymbolicTensor(sizes, dtype, name)
    if isinstance(shapes, dict):
        return {key: tensors_of(part, dtype, name) for key, part in shapes.items()}
    return [tensors_of(part, dtype, name) for part in shapes]


def cast_floats(structure: Nested, dtype: Any) -> Nested:
    """Float arrays in the given dtype; everything else as it is."""
    if isinstance(structure, list | tuple) and not hasattr(structure, "_fields"):
        return type(structure)([cast_floats(part, dtype) for part in structure])
    if isinstance(structure, dict):
        return {key: cast_floats(part, dtype) for key, part in structure.items()}
    if isinstance(structure, np.ndarray) and structure.dtype.kind not in "OUS":  # texts stay
        structure = jnp.asarray(structure)
    if isinstance(structure, jax.Array) and structure.dtype != dtype:
        if jnp.issubdtype(structure.dtype, jnp.floating):
            return structure.astype(dtype)
    elif is_sparse(structure):
        values: Any = structure
        if jnp.issubdtype(values.dtype, jnp.floating):
            return values.astype(dtype)
    return structure


def is_sparse(value: Any) -> bool:
    """Whether a value is a sparse matrix of JAX."""
    return hasattr(value, "todense") and hasattr(value, "indices") and hasattr(value, "data")


def as_array(value: Any) -> Any:
    """What stands for an array as one: lists of numbers, data frames, scipy's sparse matrices."""
    if isinstance(value, jax.Array | np.ndarray | SymbolicTensor):
        return value
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        leaf: Any = value
        while isinstance(leaf, list | tuple) and leaf:
            leaf = leaf[0]
        if isinstance(leaf, int | float):
            return np.asarray(value)
        return type(value)(as_array(part) for part in value)
    if isinstance(value, dict):
        return {key: as_array(part) for key, part in value.items()}
    if hasattr(value, "tocoo"):
        return _sparse(value)
    if hasattr(value, "__array__") and not isinstance(value, np.generic):
        return np.asarray(value)
    return value


def _sparse(matrix: Any) -> Any:
    """A matrix of scipy as one of JAX."""
    from jax.experimental.sparse import BCOO

    entries = matrix.tocoo()
    indices = np.stack([entries.row, entries.col], axis=1).astype(np.int32)
    values = jnp.asarray(np.asarray(entries.data))
    return BCOO((values, jnp.asarray(indices)), shape=tuple(entries.shape))
