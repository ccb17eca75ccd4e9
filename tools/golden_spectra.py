"""Spectrograms and spectral normalization: what Keras 3.15 gives for the cases of these tables.

    KERAS_BACKEND=tensorflow python tools/golden_spectra.py

On JAX Keras forgets the normalized kernel after a step of training, so TensorFlow it is. All goes
to ``tests/golden/spectra_keras3.npz``: outputs as ``<layer>_<number>``; of `SpectralNormalization`
``..._before`` (the output outside of training), ``..._during`` (in training), ``..._loss`` of two
steps of SGD, and ``..._weight_0`` and so on behind them, in the order of ``weights``.
"""

import os
import zlib

import numpy as np

WAVES, FIRST = (2, 50, 3), {"data_format": "channels_first"}
SMALL = {"fft_length": 32, "sequence_stride": 9, "sampling_rate": 8000, "num_mel_bins": 5}
RATE = 0.1


def cases():
    """``{layer: [(arguments, shape of the input), ...]}``."""
    frames = {"frame_length": 12, "frame_step": 5}
    modes = ["log", "magnitude", "psd", "real", "imag", "angle", "stft"]
    return {
        "STFTSpectrogram": [
            *[(dict(frames, mode=mode), WAVES) for mode in modes],
            (dict(frames, mode="stft", expand_dims=True), WAVES),
            (dict(frames, mode="stft", **FIRST), (2, 3, 50)),
            (dict(frames, mode="magnitude", expand_dims=True, **FIRST), (2, 3, 50)),
            (dict(frames, mode="stft", padding="same"), WAVES),
            ({"mode": "psd", "frame_length": 9, "fft_length": 32, "window": "hamming"}, WAVES),
            (dict(frames, mode="real", scaling="spectrum", periodic=True), WAVES),
            (dict(frames, mode="stft", scaling=None, window=None), WAVES),
        ],
        "MelSpectrogram": [
            (SMALL, (2, 70)),
            (SMALL, (70,)),
            (dict(SMALL, power_to_db=False), (2, 70)),
            (dict(SMALL, power_to_db=False, mag_exp=1.0, sequence_length=20), (2, 3, 70)),
            (dict(SMALL, window="hamming", min_freq=300.0, max_freq=3000), (2, 75)),
            (dict(SMALL, top_db=10.0, ref_power=0.25, min_power=0.01), (2, 70)),
            (dict(SMALL, fft_length=27, window=None), (2, 71)),
        ],
    }


def normalized():
    """``[(layer, its arguments, power_iterations, shape of the input), ...]``."""
    return [
        ("Dense", {"units": 4}, 1, (5, 3)),
        ("Dense", {"units": 4, "use_bias": False}, 3, (5, 3)),
        ("Conv2D", {"filters": 4, "kernel_size": (2, 3)}, 2, (2, 5, 6, 3)),
        ("Dense", {"units": 4, "kernel_initializer": "zeros"}, 1, (5, 3)),
    ]


def noise(kind, place, number, shape):
    rng = np.random.RandomState(zlib.crc32(f"{kind} {place} {number}".encode()))
    return rng.normal(size=shape).astype("float32")


def started(layers, place):
    """The layer of a case of `normalized`, with noise in its weights; and its input."""
    kind, arguments, rounds, shape = normalized()[place]
    layer = layers.SpectralNormalization(getattr(layers, kind)(**arguments), rounds)
    inputs = noise(kind, place, "x", shape)
    layer(inputs)
    for number, weight in enumerate(layer.weights):
        # Zeros stay: the layer leaves them alone.
        if arguments.get("kernel_initializer") != "zeros" or weight.name != "kernel":
            weight.assign(noise(kind, place, number, weight.shape))
    return layer, inputs


def trained(keras, layer, inputs, targets):
    """Losses of two steps."""
    model = keras.Sequential([layer])
    model.compile(keras.optimizers.SGD(RATE), "mse")
    return [float(model.train_on_batch(inputs, targets)) for _ in range(2)]


def main():
    import keras

    arrays = {}
    for kind, listed in cases().items():
        for place, (arguments, shape) in enumerate(listed):
            layer = getattr(keras.layers, kind)(**arguments)
            arrays[f"{kind}_{place}"] = np.asarray(layer(noise(kind, place, "x", shape)))
            print(kind, place, [(weight.name, weight.trainable) for weight in layer.weights])
    for place, (kind, *_) in enumerate(normalized()):
        layer, inputs = started(keras.layers, place)
        print([weight.path for weight in layer.weights])
        start = f"SpectralNormalization_{place}"
        arrays[f"{start}_before"] = output = np.asarray(layer(inputs))
        arrays[f"{start}_during"] = np.asarray(layer(inputs, training=True))
        targets = noise(kind, place, "y", output.shape)
        arrays[f"{start}_loss"] = np.array(trained(keras, layer, inputs, targets))
        for number, weight in enumerate(layer.get_weights()):
            arrays[f"{start}_weight_{number}"] = weight
    folder = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")
    np.savez_compressed(os.path.join(folder, "spectra_keras3.npz"), **arrays)


if __name__ == "__main__":
    main()
