"""Images read at other places, by the names of ``keras.ops.image``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.ndimage

from lamina import random
from lamina.backend.create import own_seed
from lamina.backend.keras3.filters import blurred
from lamina.backend.keras3.images import as_floats, as_given
from lamina.backend.keras3.names import own, spatial, unspatial
from lamina.backend.old_names import normalize_data_format
from lamina.core.dispatch import at_once
from lamina.ops import arithmetic, projections

FILLS = ("constant", "nearest", "wrap", "mirror", "reflect")
ORDERS = {"nearest": 0, "bilinear": 1}


def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Any:
    """Values between those of an array.

    Args:
        inputs: array.
        coordinates: where to read: along the first axis, one index for each axis of `inputs`.
        order: 0 for the nearest value, 1 to interpolate linearly.
        fill_mode: what lies outside: ``constant``, ``nearest``, ``wrap``, ``mirror`` (the value
            at the edge once) or ``reflect`` (twice).
        fill_value: the constant.

    Raises:
        ValueError: an argument has a wrong value.

    >>> map_coordinates(jnp.array([1.0, 2.0, 4.0]), jnp.array([[0.5, 1.5]]), 1).tolist()
    [1.5, 3.0]
    """
    who = "ops.image.map_coordinates"
    x, places = jnp.asarray(inputs), jnp.asarray(coordinates)
    places = places if jnp.issubdtype(places.dtype, jnp.integer) else as_floats(places)
    if places.ndim < 1 or places.shape[0] != x.ndim:
        raise ValueError(
            f"{who}: coordinates must have an index for each of {x.ndim} axes first, got shape "
            f"{places.shape}."
        )
    if order not in (0, 1) or fill_mode not in FILLS:
        raise ValueError(
            f"{who}: order must be 0 or 1, and fill_mode one of {', '.join(map(repr, FILLS))}; got "
            f"{order!r} and {fill_mode!r}."
        )
    return _read(x, list(places), order, (fill_mode, fill_value))


def _read(x: Any, places: list[Any], order: int, fill: tuple[str, Any]) -> Any:
    wide = as_floats(x)
    mode, value = fill
    found = jax.scipy.ndimage.map_coordinates(wide, places, order, mode, cval=value)
    return as_given(found, x.dtype)


def _sampled(x: Any, rows: Any, columns: Any, order: int, fill: tuple[str, Any]) -> Any:
    """Each channel of each image of a batch, read at its rows and columns."""

    def channel(plane: Any, row: Any, column: Any) -> Any:
        return _read(plane, [row, column], order, fill)

    image = jax.vmap(channel, (-1, None, None), -1)
    return jax.vmap(image)(x, rows, columns)


def _moved(who: str, images: Any, given: tuple[Any, ...], places: Callable[..., Any]) -> Any:
    """Images, or one, read at the rows and columns that a function of a batch gives."""
    interpolation, mode, value, data_format = given
    place = normalize_data_format(data_format)
    if interpolation not in ORDERS or mode not in FILLS:
        raise ValueError(
            f"ops.{who}: interpolation must be 'nearest' or 'bilinear', and fill_mode one of "
            f"{', '.join(map(repr, FILLS))}; got {interpolation!r} and {mode!r}."
        )
    x = spatial(who, images, place)
    batch = x if x.ndim == 4 else x[None]
    rows, columns = places(batch)
    found = _sampled(batch, rows, columns, ORDERS[interpolation], (mode, value))
    return unspatial(found if x.ndim == 4 else found[0], place, 4)


def _grid(batch: Any, kind: Any) -> tuple[Any, Any]:
    shape = batch.shape[:3]
    return tuple(jax.lax.broadcasted_iota(kind, shape, axis) for axis in (1, 2))  # type: ignore[return-value]


def _projected(batch: Any, transform: Any) -> tuple[Any, Any]:
    rows, columns = _grid(batch, transform.dtype)
    transform = jnp.broadcast_to(transform, (len(batch), 8))
    a0, a1, a2, b0, b1, b2, c0, c1 = (
        jnp.broadcast_to(part[:, None, None], rows.shape) for part in transform.T
    )
    depth = c0 * columns + c1 * rows + 1
    return (b0 * columns + b1 * rows + b2) / depth, (a0 * columns + a1 * rows + a2) / depth


def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Read images at places that a matrix gives.

    The pixel at column ``x`` and row ``y`` of the result is that of the input at column
    ``(a0 x + a1 y + a2) / k`` and row ``(b0 x + b1 y + b2) / k``, ``k = c0 x + c1 y + 1``.

    Args:
        images: one image or a batch.
        transform: the numbers ``a0, a1, a2, b0, b1, b2, c0, c1``, or a row of them for each image.
        interpolation: ``bilinear`` or ``nearest``.
        fill_mode: what lies outside: see `map_coordinates`.
        fill_value: the constant.
        data_format: where the channels are.

    >>> image = jnp.arange(4.0).reshape(1, 4, 1)
    >>> affine_transform(image, jnp.array([1.0, 0, 1, 0, 1, 0, 0, 0])).ravel().tolist()
    [1.0, 2.0, 3.0, 0.0]
    """
    who = "image.affine_transform"
    matrix = as_floats(jnp.asarray(transform))
    if matrix.shape[-1:] != (8,) or matrix.ndim > 2:
        raise ValueError(
            f"ops.{who}: transform must have shape (8,) or (batch, 8), got {matrix.shape}."
        )
    matrix = matrix if matrix.ndim == 2 else matrix[None]
    given = (interpolation, fill_mode, fill_value, data_format)
    return _moved(who, images, given, lambda batch: _projected(batch, matrix))


def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Move four points of images to others, and all between them by the same perspective.

    Args:
        images: one image or a batch.
        start_points: four points ``(column, row)`` of the images, ``(4, 2)`` or ``(batch, 4, 2)``.
        end_points: where they come to lie.
        interpolation: ``bilinear`` or ``nearest``.
        fill_value: value of what lies outside.
        data_format: where the channels are.

    >>> corners = jnp.array([[0.0, 0], [0, 3], [3, 0], [3, 3]])
    >>> image = jnp.arange(16.0).reshape(4, 4, 1)
    >>> bool(jnp.allclose(perspective_transform(image, corners, corners), image, atol=1e-3))
    True
    """
    who = "image.perspective_transform"
    start, end = (as_floats(jnp.asarray(points)) for points in (start_points, end_points))
    if start.shape != end.shape or start.shape[-2:] != (4, 2) or start.ndim > 3:
        raise ValueError(
            f"ops.{who}: points must have shape (4, 2) or (batch, 4, 2), got {start.shape} and "
            f"{end.shape}."
        )
    start, end = arithmetic.same_dtype(*(p if p.ndim == 3 else p[None] for p in (start, end)))
    matrix = jax.vmap(projections.perspective)(start, end)
    given = (interpolation, "constant", fill_value, data_format)
    return _moved(who, images, given, lambda batch: _projected(batch, matrix))


def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Move pixels by smooth random distances. Simard et al. (2003).

    Args:
        images: one image or a batch.
        alpha: scale of the distances: well within an image they have a standard deviation of
            about ``0.28 * alpha`` pixels along each axis.
        sigma: standard deviation of the Gaussian window that smooths them, in pixels: the noise
            below it is normal with that standard deviation, times `alpha`.
        interpolation: ``bilinear`` or ``nearest``.
        fill_mode: what lies outside: see `map_coordinates`.
        fill_value: the constant.
        seed: int, `lamina.random.SeedGenerator`, or None.
        data_format: where the channels are.

    >>> image = jnp.arange(9.0).reshape(3, 3, 1)
    >>> bool((elastic_transform(image, alpha=0.0) == image).all())
    True
    """
    rest = (alpha, sigma, interpolation, fill_mode, fill_value)
    return at_once(_elastic, images, *rest, own_seed(None) if seed is None else seed, data_format)


def _elastic(images: Any, alpha: float, sigma: float, *rest: Any) -> Any:
    interpolation, mode, value, seed, data_format = rest

    def places(batch: Any) -> tuple[Any, Any]:
        shape = (*batch.shape[:3], 2)
        size = 2 * round(3 * sigma) + 1
        shifts = random.normal(shape, 0.0, sigma, "float32", seed)
        shifts = alpha * blurred(shifts, (size, size), (sigma, sigma), "same")
        rows, columns = _grid(batch, jnp.float32)
        return rows + shifts[..., 0], columns + shifts[..., 1]

    given = (interpolation, mode, value, data_format)
    return _moved("image.elastic_transform", images, given, places)


_elastic.__name__ = "elastic_transform"


def scale_and_translate(
    images: Any,
    output_shape: Sequence[int],
    scale: Any,
    translation: Any,
    spatial_dims: Sequence[int],
    method: str,
    antialias: bool = True,
) -> Any:
    """Scale and shift: what lies at ``x`` comes to lie at ``x * scale + translation``.

    Args:
        images: array.
        output_shape: shape of the result.
        scale: factor along each of the axes.
        translation: shift along each of the axes.
        spatial_dims: the axes.
        method: ``linear``, ``cubic``, ``lanczos3``, ``lanczos5``; ``bilinear``, ``trilinear``,
            ``triangle``, ``bicubic`` and ``tricubic`` are other words for the first two.
        antialias: take the mean of more values where images get smaller.

    >>> images = jnp.arange(4.0)
    >>> scale_and_translate(images, (4,), jnp.ones(1), jnp.ones(1), (0,), "linear").tolist()
    [0.0, 0.0, 1.0, 2.0]
    """
    words = dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), "linear")
    words |= dict.fromkeys(("cubic", "bicubic", "tricubic"), "cubic")
    words |= {name: name for name in ("lanczos3", "lanczos5")}
    if method not in words:
        raise ValueError(
            f"ops.image.scale_and_translate: method must be one of {', '.join(map(repr, words))}, "
            f"got {method!r}."
        )
    x = as_floats(jnp.asarray(images))
    factors, shifts = (jnp.asarray(part).astype(x.dtype) for part in (scale, translation))
    return jax.image.scale_and_translate(
        x, tuple(output_shape), tuple(spatial_dims), factors, shifts, words[method], antialias
    )


def table() -> dict[str, Callable[..., Any]]:
    """Name to function, of this module; `elastic_transform` takes symbolic tensors already."""
    return own(globals())
