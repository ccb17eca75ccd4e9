"""The kernel of the short-time Fourier transform, against NumPy's FFT and recorded values."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import config, initializers

ROWS = json.loads((Path(__file__).parent / "golden" / "stft.json").read_text())
STFT: Any = initializers.STFT


@pytest.mark.parametrize(("arguments", "shape", "values"), ROWS)
def test_values_are_those_of_the_release(arguments, shape, values):
    kernel = STFT(**arguments)(shape)
    assert kernel.shape == tuple(shape)
    np.testing.assert_allclose(np.ravel(kernel), values, atol=2e-6)


@pytest.mark.parametrize("periodic", [False, True])
def test_kernel_is_the_fft_of_a_windowed_frame(periodic):
    length, bins = 6, 5
    frame = np.random.default_rng(0).normal(size=length)
    size = length if periodic else length - 1
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / size)
    expected = np.fft.rfft(frame * window, 2 * (bins - 1)) / np.sqrt((window**2).sum())
    for side in ("real", "imag"):
        kernel = np.asarray(STFT(side, periodic=periodic)((length, 1, bins)))
        np.testing.assert_allclose(frame @ kernel[:, 0], getattr(expected, side), atol=1e-6)


def test_long_frames_are_exact():
    kernel = np.asarray(STFT(window=None)((5000, 1, 513)))[:, 0]
    np.testing.assert_allclose(kernel[4096:], kernel[: 5000 - 4096], atol=0)


@pytest.mark.parametrize("arguments", [row[0] for row in ROWS])
def test_config_round_trip(arguments):
    made = STFT(**arguments)
    back = initializers.deserialize(json.loads(json.dumps(initializers.serialize(made))))
    assert type(back) is STFT
    assert back.get_config() == made.get_config()
    assert set(made.get_config()) == {"side", "window", "scaling", "periodic"}
    np.testing.assert_array_equal(back((4, 1, 3)), made((4, 1, 3)))


def test_config_of_a_window_given_by_its_values():
    made = STFT(window=np.array([1.0, 2.0]))
    assert made.get_config()["window"] == [1.0, 2.0]
    stored = {"class_name": "__numpy__", "config": {"value": [1.0, 2.0], "dtype": "float64"}}
    back = STFT.from_config({"window": stored})
    np.testing.assert_array_equal(back((2, 1, 3)), made((2, 1, 3)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtypes(dtype, monkeypatch):
    monkeypatch.setattr(config.settings, "floatx", dtype)
    assert STFT()((4, 1, 3)).dtype == jnp.dtype(dtype)
    assert STFT()((4, 1, 3), dtype).dtype == jnp.dtype(dtype)
    traced = jax.jit(lambda: STFT()((4, 1, 3)))()
    np.testing.assert_array_equal(traced.astype("float32"), STFT()((4, 1, 3)).astype("float32"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: STFT("left"), "side must be 'real' or 'imag', got 'left'"),
        (lambda: STFT(scaling="power"), "scaling must be 'density'.* got 'power'"),
        (lambda: STFT(periodic="yes"), "periodic must be True or False, got 'yes'"),
        (lambda: STFT(window="hannn"), "window must name a window .* got 'hannn'"),
        (lambda: STFT(window="kaiser"), "needs no parameters.* got 'kaiser'"),
        (lambda: STFT(window=[[1.0]]), "row of finite numbers or None"),
        (lambda: STFT(window=["a"]), "row of finite numbers or None"),
        (lambda: STFT(window=[1.0, np.nan]), "row of finite numbers or None"),
        (lambda: STFT()((4, 3)), r"shape must be .* got \(4, 3\)"),
        (lambda: STFT()((4, 2, 3)), r"shape must be .* got \(4, 2, 3\)"),
        (lambda: STFT()((4, 1, 1)), r"at least 2 bins, got \(4, 1, 1\)"),
        (lambda: STFT(window=[1.0, 2.0])((4, 1, 3)), "window has 2 values, but .* has 4"),
        (lambda: STFT()((2, 1, 3)), "window 'hann' is 0 at all of 2 steps"),
        (lambda: STFT()((4, 1, 3), "int32"), "dtype must be a float type, got int32"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match="STFT: .*" + message):
        make()
