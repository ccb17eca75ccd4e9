"""Maps between the places of pixels: where in an image each pixel of a changed image is read.

A map is eight numbers ``a0, a1, a2, b0, b1, b2, c0, c1``, as in `lamina.ops.image`: the pixel at
column ``x`` and row ``y`` of the result is read at column ``(a0 x + a1 y + a2) / k`` and row
``(b0 x + b1 y + b2) / k``, where ``k = c0 x + c1 y + 1``. Here a batch has a row of them for each
image. Middles of pixels lie at whole numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from lamina.typing import Array


def affine(a: tuple[Array, Array, Array], b: tuple[Array, Array, Array]) -> Array:
    """Maps without perspective, from the first six numbers of each image.

    >>> zero, one = jnp.zeros(2), jnp.ones(2)
    >>> affine((one, zero, zero), (zero, one, zero)).shape
    (2, 8)
    """
    none = jnp.zeros_like(a[0])
    return jnp.stack([*a, *b, none, none], -1)


def rotation(angle: Array, size: tuple[int, int]) -> Array:
    """Turn images about their middle, counterclockwise by an angle.

    >>> matrix = rotation(jnp.array([jnp.pi / 2]), (3, 5))
    >>> (matrix.round(4) + 0.0).tolist()
    [[0.0, -1.0, 3.0, 1.0, 0.0, -1.0, 0.0, 0.0]]
    """
    row, column = (size[0] - 1) / 2, (size[1] - 1) / 2
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    first = (cosine, -sine, column - column * cosine + row * sine)
    return affine(first, (sine, cosine, row - column * sine - row * cosine))


def zoom(vertical: Array, horizontal: Array, size: tuple[int, int]) -> Array:
    """Read images around their middle, so many times as high and as wide.

    >>> zoom(jnp.array([2.0]), jnp.array([1.0]), (3, 5)).tolist()
    [[1.0, 0.0, 0.0, 0.0, 2.0, -1.0, 0.0, 0.0]]
    """
    none = jnp.zeros_like(vertical)
    column = (size[1] - 1) / 2 * (1 - horizontal)
    return affine((horizontal, none, column), (none, vertical, (size[0] - 1) / 2 * (1 - vertical)))


def translation(rows: Array, columns: Array) -> Array:
    """Shift images down and to the right.

    >>> translation(jnp.array([2.0]), jnp.array([1.0])).tolist()
    [[1.0, 0.0, -1.0, 0.0, 1.0, -2.0, 0.0, 0.0]]
    """
    one, none = jnp.ones_like(rows), jnp.zeros_like(rows)
    return affine((one, none, -columns), (none, one, -rows))


def shear(horizontal: Array, vertical: Array) -> Array:
    """Slant images: columns depend on rows, and rows on columns; the upper left corner stays.

    >>> shear(jnp.array([0.5]), jnp.array([0.25])).tolist()
    [[1.0, 0.5, 0.0, 0.25, 1.0, 0.0, 0.0, 0.0]]
    """
    one, none = jnp.ones_like(horizontal), jnp.zeros_like(horizontal)
    return affine((one, horizontal, none), (vertical, one, none))


def perspective(start: Array, end: Array) -> Array:
    """The map that takes four points of an image to four others.

    Args:
        start: points ``(column, row)`` of the image: ``(4, 2)``.
        end: where they come to lie.

    >>> corners = jnp.array([[0.0, 0], [0, 3], [3, 0], [3, 3]])
    >>> (perspective(corners, corners + 1).round(3) + 0.0).tolist()
    [1.0, 0.0, -1.0, 0.0, 1.0, -1.0, 0.0, 0.0]
    """
    x, y = end[:, 0], end[:, 1]
    one, none = jnp.ones_like(x), jnp.zeros_like(x)
    column, row = start[:, 0], start[:, 1]
    first = jnp.stack([x, y, one, none, none, none, -x * column, -y * column], 1)
    second = jnp.stack([none, none, none, x, y, one, -x * row, -y * row], 1)
    return jnp.linalg.solve(jnp.concatenate([first, second]), jnp.concatenate([column, row]))


def moved_boxes(corners: Array, matrix: Array) -> Array:
    """Where boxes come to lie: those around the four corners that they have then.

    Args:
        corners: left, top, right, bottom of edges of pixels: ``(batch, count, 4)``.
        matrix: a map for each image.

    >>> boxes = jnp.array([[[1.0, 1.0, 3.0, 2.0]]])
    >>> moved_boxes(boxes, translation(jnp.array([2.0]), jnp.array([1.0]))).tolist()
    [[[2.0, 3.0, 4.0, 4.0]]]
    """
    whole = jnp.concatenate([matrix, jnp.ones_like(matrix[:, :1])], 1).reshape(-1, 3, 3)
    back = jnp.linalg.inv(whole)
    left, top, right, bottom = jnp.moveaxis(corners - 0.5, -1, 0)
    columns = jnp.stack([left, right, left, right], -1)
    rows = jnp.stack([top, top, bottom, bottom], -1)
    points = jnp.stack([columns, rows, jnp.ones_like(rows)], -1)
    with jax.default_matmul_precision("highest"):
        found = jnp.einsum("bij,bnpj->bnpi", back, points)
    column, row = found[..., 0] / found[..., 2] + 0.5, found[..., 1] / found[..., 2] + 0.5
    sides = (column.min(-1), row.min(-1), column.max(-1), row.max(-1))
    return jnp.stack(sides, -1)


def smooth(noise: Array, width: Array, most: float) -> Array:
    """Noise under a Gaussian window along height and width; outside of it are zeros.

    Args:
        noise: ``(batch, height, width, channels)``.
        width: standard deviation of the window, which is cut off at three times as much; above 0.
        most: the largest value that `width` may have.

    >>> smooth(jnp.ones((1, 1, 1, 2)), jnp.array(0.1), 1.0).ravel().tolist()
    [1.0, 1.0]
    """
    with jax.default_matmul_precision("highest"):
        found = jnp.einsum("rh,bhwc->brwc", _window(noise.shape[1], width, most), noise)
        return jnp.einsum("rw,bhwc->bhrc", _window(noise.shape[2], width, most), found)


def _window(size: int, width: Array, most: float) -> Array:
    """The weight of each place of an axis for each place: a Gaussian, cut off."""

    def weights(distance: Array) -> Array:
        far = jnp.abs(distance)
        return jnp.where(far <= jnp.floor(3 * width), jnp.exp(-0.5 * (far / width) ** 2), 0.0)

    reach = int(3 * most) + 1
    total = weights(jnp.arange(-reach, reach + 1, dtype=width.dtype)).sum()
    place = jnp.arange(size, dtype=width.dtype)
    return weights(place[:, None] - place[None]) / total
