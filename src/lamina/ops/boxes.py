"""Boxes around things in images: their formats, and what happens to them when pixels move.

Positions are those of edges: a box around the whole of an image 5 pixels wide reaches from 0 to
5, and the middle of the first pixel lies at 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

if TYPE_CHECKING:
    from lamina.typing import Array

FORMATS = (
    *("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw"),
    *("rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh"),
)
"""What the four numbers of a box are: corners, or a corner or the centre, and the sizes.

Those that begin with ``rel`` are parts of the width and the height of the image.
"""


def as_corners(boxes: Array, word: str, size: tuple[int, int]) -> Array:
    """Boxes of a format as left, top, right, bottom in pixels.

    Args:
        boxes: the four numbers are on the last axis.
        word: one of `FORMATS`.
        size: height and width of the image.

    >>> as_corners(jnp.array([0.5, 0.5, 0.5, 0.25]), "rel_center_xywh", (8, 4)).tolist()
    [1.0, 3.0, 3.0, 5.0]
    """
    relative, centred, order = _parts(word)
    a, b, c, d = jnp.moveaxis(boxes, -1, 0)
    if order[0] == "y":
        a, b, c, d = b, a, d, c
    if order in ("xywh", "yxhw"):
        left, top = (a - c / 2, b - d / 2) if centred else (a, b)
        a, b, c, d = left, top, left + c, top + d
    if relative:
        a, b, c, d = a * size[1], b * size[0], c * size[1], d * size[0]
    return jnp.stack([a, b, c, d], -1)


def from_corners(corners: Array, word: str, size: tuple[int, int]) -> Array:
    """Undo `as_corners`.

    >>> from_corners(jnp.array([1.0, 3.0, 3.0, 5.0]), "center_yxhw", (8, 4)).tolist()
    [4.0, 2.0, 2.0, 2.0]
    """
    relative, centred, order = _parts(word)
    a, b, c, d = jnp.moveaxis(corners, -1, 0)
    if relative:
        a, b, c, d = a / size[1], b / size[0], c / size[1], d / size[0]
    if order in ("xywh", "yxhw"):
        wide, high = c - a, d - b
        a, b = (a + wide / 2, b + high / 2) if centred else (a, b)
        c, d = wide, high
    if order[0] == "y":
        a, b, c, d = b, a, d, c
    return jnp.stack([a, b, c, d], -1)


def _parts(word: str) -> tuple[bool, bool, str]:
    """Whether a format is relative, whether it names centres, and the order of its numbers."""
    return word.startswith("rel_"), "center" in word, word.rpartition("_")[2]


def clipped(corners: Array, labels: Any, size: tuple[int, int]) -> tuple[Array, Array]:
    """Boxes within an image, and their labels: -1 where nothing of a box is left.

    Args:
        corners: left, top, right, bottom: ``(batch, count, 4)``.
        labels: ``(batch, count)`` or ``(batch, count, classes)``.
        size: height and width of the image.

    >>> boxes = jnp.array([[[-1.0, 1.0, 2.0, 9.0], [5.0, 0.0, 6.0, 1.0]]])
    >>> found, labels = clipped(boxes, jnp.array([[7, 8]]), (3, 4))
    >>> found[0, 0].tolist(), labels.tolist()
    ([0.0, 1.0, 2.0, 3.0], [[7, -1]])
    """
    left, top, right, bottom = jnp.moveaxis(corners, -1, 0)
    left, right = (jnp.clip(one, 0.0, size[1]) for one in (left, right))
    top, bottom = (jnp.clip(one, 0.0, size[0]) for one in (top, bottom))
    seen = (right > left) & (bottom > top)
    seen = seen if labels.ndim == seen.ndim else seen[..., None]
    kept = jnp.where(jnp.broadcast_to(seen, labels.shape), labels, jnp.full_like(labels, -1))
    return jnp.stack([left, top, right, bottom], -1), kept
