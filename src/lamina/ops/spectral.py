"""Spectra: the largest singular value of a matrix, and frequencies as the ear tells them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from lamina.typing import Array


def power_iteration(matrix: Any, start: Any, rounds: int) -> tuple[Array, Array]:
    """Approach the largest singular value of a matrix, and its right singular vector.

    Each round is ``v = |u W^T|, u = |v W|``, where the bars bring a vector to length 1; the value
    is ``v W u^T``. Miyato and others (2018), "Spectral Normalization for Generative Adversarial
    Networks".

    Args:
        matrix: ``W`` of shape ``(m, n)``.
        start: ``u`` of shape ``(1, n)``.
        rounds: how often.

    Returns:
        The value, of shape ``()``, and the vector ``u``.

    >>> value, vector = power_iteration(jnp.diag(jnp.array([3.0, 1.0])), jnp.ones((1, 2)), 8)
    >>> round(float(value), 3), vector.round(3)
    (3.0, Array([[1., 0.]], dtype=float32))
    """
    matrix, right = jnp.asarray(matrix), jnp.asarray(start)
    left = jnp.zeros((1, matrix.shape[0]), matrix.dtype)
    for _ in range(rounds):
        left = _unit(right @ matrix.T)
        right = _unit(left @ matrix)
    return (left @ matrix @ right.T)[0, 0], right


def _unit(vector: Array) -> Array:
    length = jnp.sqrt(jnp.sum(jnp.square(vector)))
    return vector / jnp.maximum(length, 1e-7)


def mel_weights(
    bands: int, frequencies: int, sampling_rate: float, lowest: float, highest: float
) -> np.ndarray:
    """What each frequency of a spectrum adds to each band of the mel scale.

    The mel scale has ``1127 ln(1 + f / 700)`` for ``f`` hertz. Each band is a triangle there, of
    height 1, whose corners are the middles of the bands beside it; the frequency 0 adds nothing.
    These are the conventions of the Hidden Markov Model Toolkit.

    Args:
        bands: how many there are.
        frequencies: how many the spectrum has, evenly from 0 to half of the sampling rate.
        sampling_rate: samples in a second.
        lowest: lower end of the first band, in hertz.
        highest: upper end of the last one.

    Returns:
        Weights of shape ``(frequencies, bands)``.

    >>> mel_weights(2, 5, 8000, 0.0, 4000.0).round(2).tolist()
    [[0.0, 0.0], [0.6, 0.4], [0.0, 0.87], [0.0, 0.38], [0.0, 0.0]]
    """
    places = _mel(np.linspace(0.0, sampling_rate / 2, frequencies))[:, None]
    corners = np.linspace(_mel(np.asarray(lowest)), _mel(np.asarray(highest)), bands + 2)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (places - left) / (middle - left), (right - places) / (right - middle)
    return np.clip(np.minimum(rising, falling), 0.0, None)


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 1127.0 * np.log1p(hertz / 700.0)


def decibels(power: Any, reference: float, least: float, below: float) -> Array:
    """Powers as decibels: ``10 log10(power / reference)``.

    Args:
        power: values of 0 or more.
        reference: the power that has 0 decibels.
        least: less power counts as this one.
        below: lower than so far below the highest value of all there is nothing.

    >>> decibels(jnp.array([1.0, 100.0, 0.0]), 10.0, 1e-10, 80.0)
    Array([-10.,  10., -70.], dtype=float32)
    """
    level = 10.0 * jnp.log10(jnp.maximum(jnp.asarray(power), least))
    level = level - 10.0 * float(np.log10(max(abs(reference), least)))
    return jnp.maximum(level, jnp.max(level) - below)
