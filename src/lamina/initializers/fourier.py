"""The kernel of the short-time Fourier transform, for a convolution that computes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import jax.numpy as jnp
import numpy as np

from lamina.initializers.base import Initializer, named
from lamina.initializers.constants import stored_array

if TYPE_CHECKING:
    from lamina.typing import Array, Config

_SIDES = ("real", "imag")
_SCALINGS = ("density", "spectrum", None)


@named("stft", "STFTInitializer", classic=None)
class STFT(Initializer):
    r"""Make a kernel whose 1-D convolution is one part of the short-time Fourier transform.

    For a frame of ``T`` steps and ``N = 2 * (bins - 1)`` points the kernel of shape
    ``(T, 1, bins)`` holds ``w[t] / s * cos(2 * pi * t * k / N)`` at step ``t`` and bin ``k``, or
    ``-w[t] / s * sin(2 * pi * t * k / N)`` for the imaginary part. ``s`` is
    ``sqrt(sum(w ** 2))`` for the scaling ``density`` and ``sum(abs(w))`` for ``spectrum``.

    Args:
        side: ``"real"`` or ``"imag"``, the part.
        window: name of a window of `scipy.signal.windows` that needs no parameters, such as
            ``"hann"`` or ``"hamming"``; or its ``T`` values; or None for no window, then nothing
            is scaled.
        scaling: ``"density"``, ``"spectrum"`` or None.
        periodic: make a named window periodic rather than symmetric.

    Raises:
        ValueError: an argument is none of these; or (when called) the shape is not
            ``(T, 1, bins)`` with at least 2 bins, the window has another length than ``T`` or
            is 0 everywhere, or the dtype is not a float type.

    >>> print(STFT(window=None)((2, 1, 3)))
    [[[ 1.  1.  1.]]
    <BLANKLINE>
     [[ 1.  0. -1.]]]
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in _SIDES:
            raise ValueError(f"STFT: side must be 'real' or 'imag', got {side!r}.")
        if scaling is not None and scaling not in _SCALINGS:
            raise ValueError(
                f"STFT: scaling must be 'density', 'spectrum' or None, got {scaling!r}."
            )
        if not isinstance(periodic, bool | np.bool_):
            raise ValueError(f"STFT: periodic must be True or False, got {periodic!r}.")
        self.side, self.scaling, self.periodic = side, scaling, bool(periodic)
        self.window = _checked_window(window)

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        if not jnp.issubdtype(dtype, jnp.floating):
            raise ValueError(f"STFT: dtype must be a float type, got {dtype.name}.")
        if len(shape) != 3 or shape[1] != 1 or shape[2] < 2:
            raise ValueError(
                f"STFT: shape must be (frame length, 1, bins) with at least 2 bins, got {shape}."
            )
        length, _, bins = shape
        points = 2 * (bins - 1)
        # Whole turns are taken off before any rounding, so that long frames stay exact.
        turns = np.outer(np.arange(length), np.arange(bins)) % points
        angle = turns * (-2 * np.pi / points)
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        if self.window is not None:
            kernel = kernel * self._weights(length)[:, None]
        kernel = np.where(np.abs(kernel) < 1e-15, 0.0, kernel)
        return jnp.array(kernel[:, None, :].astype(dtype))

    def _weights(self, length: int) -> np.ndarray:
        """The window, scaled."""
        if isinstance(self.window, str):
            weights = _named_window(self.window, length, self.periodic)
        else:
            weights = np.asarray(self.window, np.float64)
        if weights.shape != (length,):
            raise ValueError(
                f"STFT: window has {len(weights)} values, but the frame of the kernel has {length}."
            )
        if self.scaling is None:
            return weights
        size = np.abs(weights).sum()
        if self.scaling == "density":
            size = np.sqrt(np.square(weights).sum())
        if size == 0:
            raise ValueError(
                f"STFT: window {self.window!r} is 0 at all of {length} steps and cannot be scaled; "
                "give scaling=None, a longer frame or another window."
            )
        return weights / size

    def get_config(self) -> Config:
        window = self.window
        if not isinstance(window, str | None):
            window = np.asarray(window).tolist()
        return {
            "side": self.side,
            "window": window,
            "scaling": self.scaling,
            "periodic": self.periodic,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        arguments = dict(config)
        if "window" in arguments:
            arguments["window"] = stored_array(arguments["window"])
        return cls(**arguments)


def _checked_window(window: Any) -> Any:
    """The window, if it is a known name, None, or a row of finite numbers."""
    if window is None:
        return None
    if isinstance(window, str):
        _named_window(window, 1, True)
        return window
    try:
        host = np.asarray(window, np.float64)
    except (TypeError, ValueError):
        host = np.asarray(np.nan)
    if host.ndim != 1 or not np.isfinite(host).all():
        raise ValueError(
            f"STFT: window must be a name, a row of finite numbers or None, got {window!r}."
        )
    return window


def _named_window(name: str, length: int, periodic: bool) -> np.ndarray:
    from scipy import signal

    try:
        return np.asarray(signal.get_window(name, length, fftbins=periodic), np.float64)
    except ValueError as error:
        raise ValueError(
            "STFT: window must name a window of scipy.signal.windows that needs no parameters, "
            f"such as 'hann' or 'hamming', got {name!r}; "
            "other windows can be given by their values."
        ) from error
