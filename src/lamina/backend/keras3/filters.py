"""Filters of images, by the names of ``keras.ops.image``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.backend.keras3.images import as_floats, as_given
from lamina.backend.keras3.names import own, spatial, unspatial, whole, wholes
from lamina.backend.old_names import normalize_data_format
from lamina.ops import arithmetic, conv

_ONCE: Any = {"strides": (1, 1), "dilation": (1, 1)}


def _bell(size: int, sigma: float) -> np.ndarray:
    """Gaussian weights that add up to 1."""
    at = np.arange(size) - (size - 1) / 2
    weights = np.exp(-0.5 * np.square(at / sigma))
    return weights / weights.sum()


def blurred(x: Any, size: Any, sigma: Any, padding: Any) -> Any:
    """A batch under a Gaussian window, one axis after the other.

    >>> blurred(jnp.ones((1, 3, 3, 1)), (1, 1), (1.0, 1.0), "same").shape
    (1, 3, 3, 1)
    """
    for axis, (points, width) in enumerate(zip(size, sigma, strict=True)):
        kernel = _bell(points, width).reshape((points, 1) if axis == 0 else (1, points))
        x = _filtered(x, kernel[..., None], padding)
    return x


def _filtered(x: Any, kernel: np.ndarray, padding: Any) -> Any:
    """Each channel of a batch by itself under filters ``(height, width, filters)``."""
    wide = np.broadcast_to(kernel[:, :, None], (*kernel.shape[:2], x.shape[-1], kernel.shape[-1]))
    return conv.depthwise_conv(x, jnp.asarray(wide, x.dtype), padding=padding, **_ONCE)


def gaussian_blur(
    images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: str | None = None
) -> Any:
    """Blur images by a Gaussian window; outside of them is 0.

    Args:
        images: one image or a batch.
        kernel_size: height and width of the window.
        sigma: standard deviations along both axes.
        data_format: where the channels are.

    >>> gaussian_blur(jnp.ones((3, 3, 1)))[1, 1].round(4).tolist()
    [1.0]
    """
    who, place = "image.gaussian_blur", normalize_data_format(data_format)
    size = wholes(f"ops.{who}", "kernel_size", kernel_size, 2)
    widths = tuple(sigma) if isinstance(sigma, list | tuple) else (sigma, sigma)
    if len(widths) != 2 or min(widths) <= 0:
        raise ValueError(f"ops.{who}: sigma must be one or two positive numbers, got {sigma!r}.")
    x = spatial(who, images, place)
    batch = as_floats(x if x.ndim == 4 else x[None])
    found = blurred(batch, size, widths, "same")
    return unspatial(as_given(found if x.ndim == 4 else found[0], x.dtype), place, 4)


def sobel_edges(images: Any, data_format: str | None = None) -> Any:
    """Gradients of images by the operator of Sobel and Feldman (1968); outside of them is 0.

    Args:
        images: a batch of images.
        data_format: where the channels are.

    Returns:
        An array of the shape of `images` and a last axis for the change from row to row and from
        column to column.

    >>> ramp = jnp.tile(jnp.arange(3.0), (3, 1))[None, :, :, None]
    >>> sobel_edges(ramp)[0, 1, 1, 0].tolist()
    [0.0, 8.0]
    """
    who, place = "image.sobel_edges", normalize_data_format(data_format)
    x = as_floats(spatial(who, images, place, ranks=(4,)))
    across = np.outer([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0])
    found = _filtered(x, np.stack([across.T, across], -1), "same")
    found = found.reshape((*x.shape, 2))
    return found if place == "channels_last" else jnp.moveaxis(found, -2, 1)


def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> Any:
    """Structural similarity of images: 1 for equal ones. Wang et al. (2004).

    Args:
        image1: one image or a batch.
        image2: likewise, of the same shape.
        max_val: highest value that a pixel may have.
        filter_size: height and width of the Gaussian window, an odd number.
        filter_sigma: its standard deviation.
        k1: keeps the comparison of means stable.
        k2: keeps the comparison of variances stable.
        data_format: where the channels are.

    Returns:
        A number for each image.

    >>> ssim(jnp.ones((12, 12, 1)), jnp.ones((12, 12, 1))).round(3)
    Array(1., dtype=float32)
    """
    who, place = "image.ssim", normalize_data_format(data_format)
    one, other = (as_floats(spatial(who, image, place)) for image in (image1, image2))
    size = whole(f"ops.{who}", "filter_size", filter_size)
    if one.shape != other.shape or min(one.shape[-3:-1]) < size or size % 2 == 0:
        raise ValueError(
            f"ops.{who}: expected two images of one shape, not smaller than filter_size, an odd "
            f"number; got shapes {one.shape} and {other.shape} and {size}."
        )
    one, other = arithmetic.same_dtype(one, other)
    pair = [image if image.ndim == 4 else image[None] for image in (one, other)]
    window: tuple[Any, Any, str] = ((size, size), (filter_sigma, filter_sigma), "valid")
    steady = ((k1 * max_val) ** 2, (k2 * max_val) ** 2)
    found = jnp.mean(_similarity(pair[0], pair[1], window, steady), (1, 2, 3))
    return found if one.ndim == 4 else found[0]


def _similarity(x: Any, y: Any, window: Any, steady: tuple[float, float]) -> Any:
    mean_x, mean_y = blurred(x, *window), blurred(y, *window)
    spread_x = blurred(x * x, *window) - mean_x**2
    spread_y = blurred(y * y, *window) - mean_y**2
    together = blurred(x * y, *window) - mean_x * mean_y
    means = (2 * mean_x * mean_y + steady[0]) / (mean_x**2 + mean_y**2 + steady[0])
    return means * (2 * together + steady[1]) / (spread_x + spread_y + steady[1])


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    found = own(globals())
    del found["blurred"]
    return found
