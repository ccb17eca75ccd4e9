"""Labels and rows of numbers in the forms that models want."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_categorical(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Rows that are 1 at the place of a label and 0 elsewhere.

    Args:
        y: integer labels of any shape; a last axis of size 1 is taken away first.
        num_classes: length of a row; one more than the largest label if left out. Keras 1 called
            it ``nb_classes``; its place is the same.
        dtype: dtype of the result.

    Returns:
        Array of shape ``y.shape + (num_classes,)``.

    Raises:
        ValueError: a label is no whole number, is negative or is not below `num_classes`.

    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]], dtype=float32)
    """
    given = np.asarray(y)
    labels = given.astype(np.int64)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        given, labels = given[..., 0], labels[..., 0]
    broken = np.flatnonzero(np.ravel(given != labels))
    if broken.size:
        value = np.ravel(given)[broken[0]]
        raise ValueError(f"to_categorical: labels are whole numbers, got {value!r}.")
    count = (int(labels.max()) + 1 if labels.size else 0) if num_classes is None else num_classes
    outside = np.flatnonzero(np.ravel((labels < 0) | (labels >= count)))
    if outside.size:
        place = int(outside[0])
        raise ValueError(
            f"to_categorical: label {np.ravel(labels)[place]} at place {place} is not between 0 "
            f"and {count - 1}; num_classes is {count}."
        )
    rows = np.zeros((labels.size, count), dtype)
    rows[np.arange(labels.size), labels.ravel()] = 1
    return rows.reshape((*labels.shape, count))


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """Divide by the norm along an axis; what is zero stays zero.

    Args:
        x: array.
        axis: axis of the vectors.
        order: order of the norm, such as 2 for the length.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    length = np.linalg.norm(np.asarray(x), order, axis, keepdims=True)
    return np.asarray(x) / np.where(length == 0, np.ones_like(length), length)
