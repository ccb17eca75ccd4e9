"""Fourier transforms, frames, windows and complex numbers, by Keras 3's names.

Complex arrays are given and returned as pairs: real part, imaginary part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina import config
from lamina.backend.keras3.names import own, whole
from lamina.ops import arithmetic, elementwise


def _complex(who: str, x: Any) -> Any:
    if not isinstance(x, list | tuple) or len(x) != 2:
        raise ValueError(
            f"ops.{who}: x must be a pair (real part, imaginary part), got "
            f"{type(x).__name__}{getattr(x, 'shape', '')}."
        )
    real, imaginary = arithmetic.same_dtype(*map(elementwise.as_float, x))
    if real.shape != imaginary.shape:
        raise ValueError(
            f"ops.{who}: both parts of x must have one shape, got {real.shape} and "
            f"{imaginary.shape}."
        )
    return lax.complex(real, imaginary)


def _parts(x: Any) -> tuple[Any, Any]:
    return jnp.real(x), jnp.imag(x)


def fft(x: tuple[Any, Any]) -> tuple[Any, Any]:
    """Discrete Fourier transform along the last axis.

    Args:
        x: pair of real and imaginary parts, of one shape.

    Returns:
        The same pair of the result.

    >>> [part.tolist() for part in fft((jnp.array([1.0, 3.0]), jnp.zeros(2)))]
    [[4.0, -2.0], [0.0, 0.0]]
    """
    return _parts(jnp.fft.fft(_complex("fft", x)))


def fft2(x: tuple[Any, Any]) -> tuple[Any, Any]:
    """Discrete Fourier transform along the last two axes; see `fft`.

    >>> [part.tolist() for part in fft2((jnp.ones((2, 2)), jnp.zeros((2, 2))))][0]
    [[4.0, 0.0], [0.0, 0.0]]
    """
    return _parts(jnp.fft.fft2(_planes("fft2", x)))


def ifft2(x: tuple[Any, Any]) -> tuple[Any, Any]:
    """Inverse of `fft2`.

    >>> ifft2((jnp.array([[4.0, 0.0], [0.0, 0.0]]), jnp.zeros((2, 2))))[0].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return _parts(jnp.fft.ifft2(_planes("ifft2", x)))


def _planes(who: str, x: Any) -> Any:
    x = _complex(who, x)
    if x.ndim < 2:
        raise ValueError(f"ops.{who}: expected at least two axes, got shape {x.shape}.")
    return x


def rfft(x: Any, fft_length: int | None = None) -> tuple[Any, Any]:
    """Discrete Fourier transform of real values along the last axis: the frequencies from 0.

    Args:
        x: real values.
        fft_length: number of values that are taken; those that lack are 0. All by default.

    Returns:
        Real and imaginary parts of ``fft_length // 2 + 1`` frequencies.

    >>> [part.tolist() for part in rfft(jnp.array([1.0, 2.0, 4.0]), 2)]
    [[3.0, -1.0], [0.0, 0.0]]
    """
    length = None if fft_length is None else whole("ops.rfft", "fft_length", fft_length)
    return _parts(jnp.fft.rfft(elementwise.as_float(x), length))


def irfft(x: tuple[Any, Any], fft_length: int | None = None) -> Any:
    """Inverse of `rfft`.

    Args:
        x: pair of real and imaginary parts.
        fft_length: number of values; by default twice the number of frequencies, less 2.

    >>> irfft((jnp.array([3.0, -1.0]), jnp.zeros(2))).tolist()
    [1.0, 2.0]
    """
    length = None if fft_length is None else whole("ops.irfft", "fft_length", fft_length)
    return jnp.fft.irfft(_complex("irfft", x), length)


def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Windows that slide along the last axis.

    Args:
        x: array of shape ``(..., steps)``.
        sequence_length: size of a window.
        sequence_stride: its step.

    Returns:
        Array of shape ``(..., 1 + (steps - sequence_length) // sequence_stride,
        sequence_length)``.

    Raises:
        ValueError: a size is not positive, or there are fewer steps than a window has.

    >>> extract_sequences(jnp.arange(6), 3, 2).tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    x, who = jnp.asarray(x), "ops.extract_sequences"
    length = whole(who, "sequence_length", sequence_length)
    stride = whole(who, "sequence_stride", sequence_stride)
    if x.ndim < 1 or x.shape[-1] < length:
        raise ValueError(
            f"{who}: windows of {length} values do not fit into an array of shape {x.shape}."
        )
    starts = np.arange(0, x.shape[-1] - length + 1, stride)
    return x[..., starts[:, None] + np.arange(length)]


def _window(who: str, window: Any, length: int, points: int, dtype: Any) -> Any:
    """The weights of a frame, in the middle of the points of the transform."""
    if points < length:
        raise ValueError(
            f"{who}: fft_length must not be less than sequence_length, got {points} and {length}."
        )
    if window is None:
        values = jnp.ones(length, dtype)
    elif isinstance(window, str):
        mix = {"hann": 0.5, "hamming": 0.54}
        if window not in mix:
            raise ValueError(
                f"{who}: window must be 'hann', 'hamming', an array or None, got {window!r}."
            )
        turn = np.cos(2 * np.pi * np.arange(length) / length)
        values = jnp.asarray(mix[window] - (1 - mix[window]) * turn, dtype)
    else:
        values = jnp.asarray(window).astype(dtype)
        if values.shape != (length,):
            raise ValueError(
                f"{who}: window must have {length} values (sequence_length), got shape "
                f"{values.shape}."
            )
    before = (points - length) // 2
    return jnp.pad(values, (before, points - length - before))


def _sizes(who: str, *given: Any) -> tuple[int, ...]:
    names = ("sequence_length", "sequence_stride", "fft_length")
    return tuple(whole(who, name, n) for name, n in zip(names, given, strict=True))


def stft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: Any = "hann",
    center: bool = True,
) -> tuple[Any, Any]:
    """Fourier transforms of windows that slide along the last axis.

    Args:
        x: real values of shape ``(..., steps)``.
        sequence_length: size of the window.
        sequence_stride: its step.
        fft_length: number of points of a transform; the window lies in their middle.
        window: weights of the steps: ``hann``, ``hamming``, an array, or None for all alike.
        center: mirror half a transform at both ends, so that window ``t`` has its middle at
            step ``t * sequence_stride``.

    Returns:
        Real and imaginary parts, of shape ``(..., windows, fft_length // 2 + 1)``.

    Raises:
        ValueError: a size is wrong, or there are too few steps.

    >>> real, imaginary = stft(jnp.arange(5.0), 2, 2, 2, window=None, center=False)
    >>> real.tolist()
    [[1.0, -1.0], [5.0, -1.0]]
    """
    x, who = elementwise.as_float(x), "ops.stft"
    length, stride, points = _sizes(who, sequence_length, sequence_stride, fft_length)
    weights = _window(who, window, length, points, x.dtype)
    if center:
        half = points // 2
        if x.shape[-1] <= half:
            raise ValueError(
                f"{who}: {half} steps (half of fft_length) cannot be mirrored at the ends of "
                f"{x.shape[-1]} steps; give more of them, or center=False."
            )
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(half, half)], "reflect")
    frames = extract_sequences(x, points, stride)
    return _parts(jnp.fft.rfft(frames * jnp.broadcast_to(weights, frames.shape)))


def istft(
    x: tuple[Any, Any],
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """Inverse of `stft`, by least squares where windows overlap. Griffin and Lim (1984).

    It is that without a window, too, where Keras 3 only adds up what overlaps.

    Args:
        x: pair of real and imaginary parts, of shape ``(..., windows, fft_length // 2 + 1)``.
        sequence_length: size of the window.
        sequence_stride: its step.
        fft_length: number of points of a transform.
        length: number of steps of the result; all by default.
        window: weights of the steps, as in `stft`.
        center: as in `stft`.

    Returns:
        Real values of shape ``(..., steps)``.

    >>> waves = jnp.array([0.0, 1.0, 3.0, 2.0, 5.0, 4.0])
    >>> istft(stft(waves, 4, 2, 4), 4, 2, 4).round(4).tolist()
    [0.0, 1.0, 3.0, 2.0, 5.0, 4.0]
    """
    who = "ops.istft"
    size, stride, points = _sizes(who, sequence_length, sequence_stride, fft_length)
    frames = jnp.fft.irfft(_complex("istft", x), points)
    if frames.ndim < 2:
        raise ValueError(f"{who}: x must have the axes (..., windows, frequencies).")
    weights = _window(who, window, size, points, frames.dtype)
    weights = jnp.broadcast_to(weights, frames.shape)
    total = _overlapped(frames * weights, stride)
    share = _overlapped(jnp.square(weights), stride)
    # Where no window weighs anything, nothing is known.
    values = jnp.where(share > 1e-10, total / jnp.where(share > 1e-10, share, 1.0), total)
    start = points // 2 if center else 0
    end = values.shape[-1] - start if length is None else start + length
    values = values[..., start:end]
    lacking = 0 if length is None else length - values.shape[-1]
    return jnp.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, lacking)])


def _overlapped(frames: Any, stride: int) -> Any:
    """Sum of frames, each laid one step after the one before."""
    count, points = frames.shape[-2:]
    steps = stride * (count - 1) + points
    places = stride * np.arange(count)[:, None] + np.arange(points)
    return jnp.zeros((*frames.shape[:-2], steps), frames.dtype).at[..., places].add(frames)


def _points(who: str, x: Any) -> int:
    return whole(f"ops.{who}", "x", x, least=0)


def _as_float(values: Any) -> Any:
    return values.astype(config.floatx())


def bartlett(x: int) -> Any:
    """Triangular window of `x` points.

    >>> bartlett(5).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return _as_float(jnp.bartlett(_points("bartlett", x)))


def blackman(x: int) -> Any:
    """Window of Blackman, of `x` points.

    >>> blackman(3).round(2).tolist()
    [-0.0, 1.0, -0.0]
    """
    return _as_float(jnp.blackman(_points("blackman", x)))


def hamming(x: int) -> Any:
    """Window of Hamming, of `x` points.

    >>> hamming(3).round(2).tolist()
    [0.0799999..., 1.0, 0.0799999...]
    """
    return _as_float(jnp.hamming(_points("hamming", x)))


def hanning(x: int) -> Any:
    """Window of von Hann, of `x` points.

    >>> hanning(5).round(2).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    return _as_float(jnp.hanning(_points("hanning", x)))


def kaiser(x: int, beta: float) -> Any:
    """Window of Kaiser, of `x` points; a larger `beta` makes it narrower.

    >>> kaiser(3, 0.0).tolist()
    [1.0, 1.0, 1.0]
    """
    return _as_float(jnp.kaiser(_points("kaiser", x), beta))


def polar(abs_: Any, angle: Any) -> Any:
    """Complex numbers of given size and angle.

    >>> polar(jnp.array([2.0]), jnp.array([0.0])).tolist()
    [(2+0j)]
    """
    size, angle = arithmetic.broadcast(elementwise.as_float(abs_), elementwise.as_float(angle))
    return lax.complex(size * jnp.cos(angle), size * jnp.sin(angle))


def view_as_complex(x: Any) -> Any:
    """Complex numbers, from their parts in the last axis.

    Raises:
        ValueError: the last axis has not two values.

    >>> view_as_complex(jnp.array([[1.0, 2.0]])).tolist()
    [(1+2j)]
    """
    x = elementwise.as_float(x)
    if x.ndim < 1 or x.shape[-1] != 2:
        raise ValueError(
            "ops.view_as_complex: the last axis must have 2 values, real and imaginary part, got "
            f"shape {x.shape}."
        )
    return lax.complex(x[..., 0], x[..., 1])


def view_as_real(x: Any) -> Any:
    """Real and imaginary parts in a new last axis.

    >>> view_as_real(jnp.array([1 + 2j])).tolist()
    [[1.0, 2.0]]
    """
    return jnp.stack(_parts(jnp.asarray(x)), -1)


def table() -> dict[str, Callable[..., Any]]:
    """Name to function of arrays, of this module."""
    return own(globals())
