"""Spectrograms: which frequencies a wave has at which time. `STFTSpectrogram`, `MelSpectrogram`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

import jax.numpy as jnp
import numpy as np

from lamina import config, initializers, registry
from lamina.core.layer import Layer
from lamina.layers import checks
from lamina.layers.elementwise import as_float
from lamina.ops import conv, spectral
from lamina.ops.geometry import conv_output_size
from lamina.typing import DataFormat, LayerOptions, Padding, Shape

if TYPE_CHECKING:
    from lamina.typing import Array

Mode = Literal["log", "magnitude", "psd", "real", "imag", "angle", "stft"]
Scaling = Literal["density", "spectrum"]
Window = Literal["hann", "hamming"]


@registry.register("layer")
class STFTSpectrogram(Layer):
    """Fourier transforms of windows that slide over waves, as a convolution that may learn.

    The kernels ``real_kernel`` and ``imag_kernel`` begin as those of the short-time Fourier
    transform (`lamina.initializers.STFT`) and are trained; ``trainable=False`` keeps them. For
    the outputs ``r`` and ``i`` of the two convolutions the layer gives, by its mode: ``"real"``:
    ``r``; ``"imag"``: ``i``; ``"stft"``: both, one after the other; ``"angle"``: ``atan2(i, r)``;
    ``"psd"``: ``r^2 + i^2``, doubled but for the first and the last frequency; ``"magnitude"``:
    ``sqrt(r^2 + i^2)``; ``"log"``: the logarithm of that.

    Inputs are ``(batch, steps, channels)``, outputs ``(batch, windows, channels * frequencies)``,
    or ``(batch, windows, frequencies, channels)`` with `expand_dims`. With ``"channels_first"``
    they are ``(batch, channels, steps)``, ``(batch, channels * frequencies, windows)`` and
    ``(batch, channels, windows, frequencies)``. There are ``fft_length // 2 + 1`` frequencies.

    Args:
        mode: what comes out, see above.
        frame_length: size of a window.
        frame_step: step from window to window; half of the size by default.
        fft_length: points of a transform, at least `frame_length`; by default the next power of 2.
        window: weights of the steps of a window: a name of `scipy.signal.windows`, the values, or
            ``None``.
        periodic: whether a window given by name is periodic, and not symmetric.
        scaling: ``"density"``, ``"spectrum"`` or ``None``: what the weights are divided by.
        padding: ``"valid"``, or ``"same"``: zeros at both ends, so that there are
            ``steps / frame_step`` windows, rounded up.
        expand_dims: whether frequencies and channels are two axes.
        data_format: where the channels are.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, or an input that is not of rank 3.

    >>> STFTSpectrogram(frame_length=64).compute_output_shape((None, 1000, 2))
    (None, 30, 66)
    >>> STFTSpectrogram("stft", 64, 16, expand_dims=True).compute_output_shape((None, 1000, 2))
    (None, 59, 66, 2)
    """

    def __init__(
        self,
        mode: Mode = "log",
        frame_length: int = 256,
        frame_step: int | None = None,
        fft_length: int | None = None,
        window: Any = "hann",
        periodic: bool = False,
        scaling: Scaling | None = "density",
        padding: Padding = "valid",
        expand_dims: bool = False,
        data_format: DataFormat | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.mode: Mode = checks.one_of(mode, Mode, "mode", self)
        self.frame_length = checks.positive(frame_length, "frame_length", self)
        self.frame_step = _size(frame_step, "frame_step", self)
        self.fft_length = _size(fft_length, "fft_length", self)
        if self._step > self.frame_length:
            raise ValueError(
                f"{self}: frame_step must not be more than frame_length, so that no steps are "
                f"left out, got {self.frame_step} and {self.frame_length}."
            )
        if self._points < self.frame_length:
            raise ValueError(
                f"{self}: fft_length must not be less than frame_length, got {self.fft_length} "
                f"and {self.frame_length}."
            )
        self.window = window
        self.periodic = checks.flag(periodic, "periodic", self)
        self.scaling = None if scaling is None else checks.one_of(scaling, Scaling, "scaling", self)
        self._kernels = [self._kernel(side) for side in ("real", "imag")]
        self.padding: Padding = checks.one_of(padding, Padding, "padding", self)
        self.expand_dims = checks.flag(expand_dims, "expand_dims", self)
        self.data_format: DataFormat = checks.data_format(data_format, self)

    def _kernel(self, side: str) -> Any:
        try:
            return initializers.STFT(side, self.window, self.scaling, self.periodic)
        except ValueError as error:
            raise ValueError(str(error).replace("STFT", str(self), 1)) from None

    @property
    def _step(self) -> int:
        return self.frame_step or max(1, self.frame_length // 2)

    @property
    def _points(self) -> int:
        return self.fft_length or max(2, 1 << (self.frame_length - 1).bit_length())

    def _sizes(self, shape: Shape) -> tuple[int | None, int | None, int | None]:
        """Rows, steps and channels of an input."""
        if len(shape) != 3:
            axes = "(batch, steps, channels)"
            if self.data_format == "channels_first":
                axes = "(batch, channels, steps)"
            raise ValueError(f"{self}: the input must have the axes {axes}, got shape {shape}.")
        rows, first, second = shape
        last = self.data_format == "channels_last"
        return (rows, first, second) if last else (rows, second, first)

    def build(self, input_shape: Shape) -> None:
        self._sizes(input_shape)
        shape = (self.frame_length, 1, self._points // 2 + 1)
        real, imaginary = self._kernels
        if self.mode != "imag":
            self.real_kernel = self.add_weight("real_kernel", shape, initializer=real)
        if self.mode != "real":
            self.imag_kernel = self.add_weight("imag_kernel", shape, initializer=imaginary)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        rows, steps, channels = self._sizes(input_shape)
        count = conv_output_size(steps, self.frame_length, self._step, padding=self.padding)
        if count is not None and count < 1:
            raise ValueError(
                f"{self}: windows of {self.frame_length} steps do not fit into {steps} steps; "
                "give longer waves, a smaller frame_length or padding='same'."
            )
        frequencies = (self._points // 2 + 1) * (2 if self.mode == "stft" else 1)
        last = self.data_format == "channels_last"
        if self.expand_dims:
            sizes = (count, frequencies, channels) if last else (channels, count, frequencies)
        else:
            all_of_them = None if channels is None else channels * frequencies
            sizes = (count, all_of_them) if last else (all_of_them, count)
        return (rows, *sizes)

    def call(self, inputs: Array) -> Array:
        inputs = as_float(inputs, self)
        shape = self.compute_output_shape(inputs.shape)
        waves = inputs if self.data_format == "channels_first" else jnp.swapaxes(inputs, 1, 2)
        found = self._spectrum(waves)  # rows, channels, windows, frequencies
        if self.data_format == "channels_first":
            axes = (0, 1, 2, 3) if self.expand_dims else (0, 1, 3, 2)
        else:
            axes = (0, 2, 3, 1) if self.expand_dims else (0, 2, 1, 3)
        return found.transpose(axes).reshape([int(size or 0) for size in shape])

    def _convolved(self, waves: Array, kernel: Any) -> Array:
        rows, channels, steps = waves.shape
        found = conv.conv(
            waves.reshape(rows * channels, steps, 1),
            kernel.value.astype(waves.dtype),
            strides=(self._step,),
            dilation=(1,),
            padding=self.padding,
        )
        return found.reshape(rows, channels, *found.shape[1:])

    def _spectrum(self, waves: Array) -> Array:
        if self.mode == "real":
            return self._convolved(waves, self.real_kernel)
        imaginary = self._convolved(waves, self.imag_kernel)
        if self.mode == "imag":
            return imaginary
        real = self._convolved(waves, self.real_kernel)
        if self.mode == "angle":
            return jnp.arctan2(imaginary, real)
        if self.mode == "stft":
            return jnp.concatenate([real, imaginary], -1)
        power = jnp.square(real) + jnp.square(imaginary)
        if self.mode == "psd":
            return power.at[..., 1:-1].multiply(2.0)
        size = jnp.sqrt(jnp.maximum(power, config.epsilon()))
        return size if self.mode == "magnitude" else jnp.log(jnp.maximum(size, config.epsilon()))


@registry.register("layer")
class MelSpectrogram(Layer):
    """How strong the bands of the mel scale are in windows that slide over waves.

    Each window goes through a Fourier transform, the sizes of its numbers are taken to the power
    `mag_exp` and summed up in triangular bands (`lamina.ops.spectral.mel_weights`); with
    `power_to_db` the sums are told in decibels. The waves are mirrored at their ends, so that
    window ``t`` has its middle at step ``t * sequence_stride``.

    Inputs are ``(..., steps)``, outputs ``(..., num_mel_bins, windows)``, with a window for each
    `sequence_stride` steps and one more. Nothing is trained.

    Args:
        fft_length: points of a transform.
        sequence_stride: step from window to window.
        sequence_length: size of a window; `fft_length` by default.
        window: weights of the steps of a window: ``"hann"``, ``"hamming"``, the values, or
            ``None``.
        sampling_rate: samples in a second.
        num_mel_bins: number of the bands.
        min_freq: lower end of the first band, in hertz.
        max_freq: upper end of the last one; half of `sampling_rate` by default.
        power_to_db: whether decibels come out.
        top_db: what lies so far below the highest value of all is raised to there.
        mag_exp: exponent of the sizes: 2 for the power, 1 for the magnitude.
        min_power: less power than this counts as this.
        ref_power: the power that has 0 decibels.
        options: what every layer takes, see `Layer`.

    Raises:
        ValueError: a bad argument, or fewer steps than half of a transform.

    >>> layer = MelSpectrogram(64, 16, sampling_rate=8000, num_mel_bins=10)
    >>> layer.compute_output_shape((None, 1000))
    (None, 10, 63)
    """

    def __init__(
        self,
        fft_length: int = 2048,
        sequence_stride: int = 512,
        sequence_length: int | None = None,
        window: Any = "hann",
        sampling_rate: int = 16000,
        num_mel_bins: int = 128,
        min_freq: float = 20.0,
        max_freq: float | None = None,
        power_to_db: bool = True,
        top_db: float = 80.0,
        mag_exp: float = 2.0,
        min_power: float = 1e-10,
        ref_power: float = 1.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.fft_length = checks.positive(fft_length, "fft_length", self)
        self.sequence_stride = checks.positive(sequence_stride, "sequence_stride", self)
        length = _size(sequence_length, "sequence_length", self)
        self.sequence_length = self.fft_length if length is None else length
        if self.sequence_length > self.fft_length:
            raise ValueError(
                f"{self}: sequence_length must not be more than fft_length, got "
                f"{self.sequence_length} and {self.fft_length}."
            )
        self.window = checks.one_of(window, Window, "window", self) if _word(window) else window
        self.sampling_rate = _positive_number(sampling_rate, "sampling_rate", self)
        self.num_mel_bins = checks.positive(num_mel_bins, "num_mel_bins", self)
        self.min_freq = checks.not_negative(min_freq, "min_freq", self)
        highest = int(self.sampling_rate / 2) if max_freq is None else max_freq
        self.max_freq = _positive_number(highest, "max_freq", self)
        if self.min_freq >= self.max_freq:
            raise ValueError(
                f"{self}: min_freq must be less than max_freq, got {self.min_freq} and "
                f"{self.max_freq}."
            )
        self.power_to_db = checks.flag(power_to_db, "power_to_db", self)
        self.top_db = checks.not_negative(top_db, "top_db", self)
        self.mag_exp = _positive_number(mag_exp, "mag_exp", self)
        self.min_power = _positive_number(min_power, "min_power", self)
        self.ref_power = checks.number(ref_power, "ref_power", self)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ValueError(f"{self}: the input must have an axis of steps, got shape ().")
        steps, half = input_shape[-1], self.fft_length // 2
        if steps is not None and steps <= half:
            raise ValueError(
                f"{self}: {half} steps (half of fft_length) cannot be mirrored at the ends of "
                f"{steps} steps; give longer waves or a smaller fft_length."
            )
        count = None
        if steps is not None:
            count = 1 + (steps + 2 * half - self.fft_length) // self.sequence_stride
        return (*input_shape[:-1], self.num_mel_bins, count)

    def call(self, inputs: Array) -> Array:
        from lamina.backend.keras3.signal import stft

        inputs = jnp.asarray(inputs)
        self.compute_output_shape(inputs.shape)
        if inputs.dtype != jnp.float64:
            inputs = inputs.astype(jnp.float32)
        sizes = (self.sequence_length, self.sequence_stride, self.fft_length)
        real, imaginary = stft(inputs, *sizes, window=self.window)
        # A power of the power, which has a gradient at 0 where the root has none.
        power = jnp.square(real) + jnp.square(imaginary)
        spectrum = power if self.mag_exp == 2 else jnp.sqrt(power) ** self.mag_exp
        ends = (float(self.sampling_rate), float(self.min_freq), float(self.max_freq))
        weights = spectral.mel_weights(self.num_mel_bins, spectrum.shape[-1], *ends)
        found = spectrum @ jnp.asarray(weights, spectrum.dtype)
        if self.power_to_db:
            found = spectral.decibels(found, self.ref_power, self.min_power, self.top_db)
        return jnp.swapaxes(found, -1, -2).astype(self.compute_dtype)


def _word(value: Any) -> bool:
    return isinstance(value, str)


def _size(value: Any, argument: str, layer: Any) -> int | None:
    return None if value is None else checks.positive(value, argument, layer)


def _positive_number(value: Any, argument: str, layer: Any) -> Any:
    """A number above 0; a whole one stays an int."""
    if not checks.is_number(value) or value <= 0:
        raise ValueError(f"{layer}: {argument} must be a number above 0, got {value!r}.")
    return int(value) if checks.is_int(value) else float(np.float64(value))
