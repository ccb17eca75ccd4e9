"""`SpectralNormalization`, `STFTSpectrogram`, `MelSpectrogram`: against Keras 3.15, and errors."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal
from tests.saving.oracle import run_oracle

import lamina
from lamina import layers
from lamina.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    EinsumDense,
    Embedding,
    Input,
    MelSpectrogram,
    SpectralNormalization,
    STFTSpectrogram,
)
from lamina.models import Sequential, load_model
from lamina.ops import spectral

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tools" / "golden_spectra.py"))
CASES = TABLE["cases"]()


def stored():
    with np.load(ROOT / "tests" / "golden" / "spectra_keras3.npz") as found:
        return dict(found)


@pytest.mark.parametrize("kind", CASES)
def test_spectrograms_are_those_of_keras(kind):
    right, wrong = stored(), []
    for place, (arguments, shape) in enumerate(CASES[kind]):
        layer = getattr(layers, kind)(**arguments)
        inputs, output = TABLE["noise"](kind, place, "x", shape), right[f"{kind}_{place}"]
        found = layer(inputs)
        if found.shape != output.shape or layer.compute_output_shape(shape) != output.shape:
            wrong.append(f"{arguments}: {found.shape} and not {output.shape}")
        elif not np.allclose(found, output, rtol=1e-4, atol=3e-4):
            wrong.append(f"{arguments}: {np.abs(found - output).max()} away")
    assert wrong == []


@pytest.mark.parametrize("place", range(len(TABLE["normalized"]())))
def test_normalized_kernels_are_those_of_keras(place):
    right = {
        name.removeprefix(f"SpectralNormalization_{place}_"): value
        for name, value in stored().items()
        if name.startswith(f"SpectralNormalization_{place}_")
    }
    layer, inputs = TABLE["started"](layers, place)
    close = {"rtol": 2e-5, "atol": 2e-6}
    np.testing.assert_allclose(layer(inputs), right["before"], **close)
    np.testing.assert_allclose(layer(inputs, training=True), right["during"], **close)
    kind = TABLE["normalized"]()[place][0]
    targets = TABLE["noise"](kind, place, "y", right["during"].shape)
    losses = TABLE["trained"](lamina_as_keras(), layer, inputs, targets)
    np.testing.assert_allclose(losses, right["loss"], rtol=2e-5)
    for number, weight in enumerate(layer.get_weights()):
        np.testing.assert_allclose(weight, right[f"weight_{number}"], **close)


def lamina_as_keras():
    class Names:
        Sequential = Sequential
        optimizers = lamina.optimizers

    return Names


def test_training_keeps_the_kernel_that_it_used_in_every_loop():
    """One batch a call, many a call, without compiled code; and `fit` leaves no other kernel."""
    x, y = TABLE["noise"]("fit", 0, "x", (12, 3)), TABLE["noise"]("fit", 0, "y", (12, 4))
    found = []
    for options in ({}, {"steps_per_execution": 3}, {"run_eagerly": True}):
        lamina.utils.set_random_seed(0)
        model = Sequential([Input((3,)), SpectralNormalization(Dense(4), 5)])
        model.compile("sgd", "mse", **options)
        model.fit(x, y, batch_size=4, epochs=4, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for one in found[1:]:
        for ours, first in zip(one, found[0], strict=True):
            np.testing.assert_allclose(ours, first, rtol=1e-4, atol=1e-5)
    assert abs(np.linalg.norm(found[0][0], 2) - 1) < 0.05


def test_iteration_comes_to_the_largest_singular_value():
    matrix = TABLE["noise"]("matrix", 0, "x", (7, 4))
    value, vector = spectral.power_iteration(matrix, np.ones((1, 4), "f"), 200)
    _, values, right = np.linalg.svd(matrix)
    np.testing.assert_allclose(value, values[0], rtol=1e-5)
    np.testing.assert_allclose(np.abs(vector[0]), np.abs(right[0]), atol=1e-4)


def test_embeddings_are_normalized_and_weights_have_their_names():
    layer = SpectralNormalization(Embedding(9, 4), power_iterations=50, name="n")
    words = np.array([[1, 2, 8]])
    table = layer(words, training=True)
    assert [weight.name for weight in layer.weights] == ["embeddings", "vector_u"]
    assert [weight.name for weight in layer.trainable_weights] == ["embeddings"]
    np.testing.assert_allclose(np.linalg.norm(layer.get_weights()[0], 2), 1, rtol=1e-3)
    np.testing.assert_allclose(table, layer.get_weights()[0][words])


def test_masks_are_those_of_the_layer_within():
    words = Embedding(9, 4, mask_zero=True)(Input((6,), dtype="int32"))
    assert SpectralNormalization(Dense(3))(words).mask.shape == (None, 6)
    with pytest.raises(TypeError, match="does not support masking"):
        SpectralNormalization(EinsumDense("abc,cd->ad", (3,)))(words)
    made = SpectralNormalization(Embedding(9, 4, mask_zero=True))(Input((6,), dtype="int32"))
    assert made.mask.shape == (None, 6)


def test_a_step_that_fails_leaves_the_kernel_alone():
    model = Sequential([Input((2,), dtype="int32"), SpectralNormalization(Embedding(9, 4))])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match="index"):
        model.fit(np.array([[1, 9]]), np.ones((1, 2, 4), "f"), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_frozen_layers_train_no_kernel():
    layer = SpectralNormalization(Dense(4), trainable=False)
    layer.trainable = False
    layer(np.ones((2, 3), "f"))
    assert layer.trainable_weights == []
    assert len(layer.weights) == 3


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_files_with_normalized_kernels_open_in_keras(tmp_path, ending):
    # Not in tf.keras, which does not find the layer in its own files either.
    model = Sequential([Input((5, 6, 3)), SpectralNormalization(Conv2D(4, 2, name="c"), 2)])
    weights = [TABLE["noise"]("file", 0, n, w.shape) for n, w in enumerate(model.weights)]
    model.set_weights(weights)
    inputs = TABLE["noise"]("file", 0, "x", (2, 5, 6, 3))
    path = tmp_path / f"model.{ending}"
    model.save(path)
    again = load_model(path)
    for ours, given in zip(again.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, given)
    script = """
        model = keras.models.load_model(file, compile=False)
        result["prediction"] = model.predict(inputs, verbose=0)
        result["during"] = np.asarray(model(inputs, training=True))
        model.save(back)
    """
    back = tmp_path / f"back.{ending}"
    found = run_oracle("keras3", script, file=path, inputs=inputs, back=back)
    np.testing.assert_allclose(found["prediction"], model.predict(inputs), rtol=2e-5, atol=2e-6)
    during = model(inputs, training=True)
    np.testing.assert_allclose(found["during"], during, rtol=2e-5, atol=2e-6)
    theirs = load_model(back)
    np.testing.assert_allclose(theirs.predict(inputs), during, rtol=2e-5, atol=2e-6)
    assert theirs.layers[-1].power_iterations == 2


def test_frequencies_are_those_of_scipy():
    wave = TABLE["noise"]("wave", 0, "x", (100,))
    layer = STFTSpectrogram("psd", 32, 8, 32, periodic=True)
    _, _, right = signal.spectrogram(
        wave, 1.0, "hann", 32, noverlap=24, detrend=False, scaling="density", mode="psd"
    )
    np.testing.assert_allclose(layer(wave[None, :, None])[0].T, right, rtol=1e-3, atol=1e-5)


def test_spectrograms_learn_within_models():
    waves = TABLE["noise"]("wave", 1, "x", (4, 40, 2))
    model = Sequential([Input((40, 2)), STFTSpectrogram("log", 8), Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(waves, np.ones((4, 9, 1), "f"), verbose=0)
    assert all((old != new).any() for old, new in zip(before, model.get_weights(), strict=True))
    steady = Sequential([Input((40,)), MelSpectrogram(16, 4, num_mel_bins=3, mag_exp=1.0)])
    assert steady.output_shape == (None, 3, 11)
    assert steady.predict(waves[..., 0]).shape == (4, 3, 11)
    assert Sequential([Input((None,)), MelSpectrogram(16, 4)]).output_shape == (None, 128, None)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("TFSMLayer", "a SavedModel of TensorFlow"),
        ("TorchModuleWrapper", "a module of PyTorch"),
        ("FlaxLayer", "a module of Flax"),
        ("JaxLayer", "a function of JAX"),
    ],
)
def test_layers_of_other_frameworks_are_told(kind, what):
    config = Sequential([Input((3,)), Dense(2, name="d")]).get_config()
    config["layers"][-1] = {"class_name": kind, "config": {"name": "other"}}
    with pytest.raises(
        ValueError, match=rf"'{kind}' \(layer 'other'\). {kind} runs {what}.* pass it"
    ):
        Sequential.from_config(config)


def test_mel_bands_have_a_gradient_in_silence():
    layer = MelSpectrogram(16, 4, num_mel_bins=3, power_to_db=False)
    gradient = jax.grad(lambda x: layer(x).sum())(jnp.zeros(20))
    np.testing.assert_array_equal(gradient, np.zeros(20))


WRONG = [
    ("STFTSpectrogram", {"mode": "magnitud"}, "mode must be .* Did you mean 'magnitude'"),
    ("STFTSpectrogram", {"frame_length": 0}, "frame_length must be a positive int, got 0"),
    ("STFTSpectrogram", {"frame_step": 257}, "frame_step must not be more than frame_length, .* 2"),
    ("STFTSpectrogram", {"fft_length": 255}, "fft_length must not be less than frame_length, got"),
    ("STFTSpectrogram", {"window": "hanx"}, "window must name a window of scipy.signal.windows"),
    ("STFTSpectrogram", {"scaling": "x"}, "scaling must be 'density' or 'spectrum', got 'x'"),
    ("STFTSpectrogram", {"padding": "causal"}, "padding must be 'valid' or 'same', got 'causal'"),
    ("STFTSpectrogram", {"expand_dims": 2}, "expand_dims must be True or False, got 2"),
    ("MelSpectrogram", {"fft_length": 2.5}, "fft_length must be a positive int, got 2.5"),
    ("MelSpectrogram", {"sequence_length": 4096}, "sequence_length must not be more than fft_len"),
    ("MelSpectrogram", {"window": "hamm"}, "window must be 'hann' or 'hamming', got 'hamm'"),
    ("MelSpectrogram", {"sampling_rate": 0}, "sampling_rate must be a number above 0, got 0"),
    ("MelSpectrogram", {"min_freq": 9000}, "min_freq must be less than max_freq, got 9000.0 and"),
    ("MelSpectrogram", {"top_db": -1}, "top_db must be a number of 0 or more, got -1"),
    ("MelSpectrogram", {"min_power": 0}, "min_power must be a number above 0, got 0"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=f"{name} 'f': {message}"):
        getattr(layers, name)(name="f", **options)


def test_bad_inputs_and_layers_are_named():
    with pytest.raises(ValueError, match=r"'f': power_iterations must be a positive int, got 0"):
        SpectralNormalization(Dense(2), 0, name="f")
    with pytest.raises(ValueError, match=r"'f': the layer within .* weights: gamma, beta"):
        SpectralNormalization(BatchNormalization(), name="f")(Input((4, 4, 3)))
    with pytest.raises(ValueError, match=r"'f': the input must have the axes \(batch, steps, cha"):
        STFTSpectrogram(name="f")(np.zeros((4, 400), "f"))
    with pytest.raises(ValueError, match=r"'f': windows of 256 steps do not fit into 100 steps"):
        STFTSpectrogram(name="f")(np.zeros((4, 100, 1), "f"))
    with pytest.raises(ValueError, match=r"'f': 1024 steps \(half of fft_length\) cannot be mirr"):
        MelSpectrogram(name="f")(np.zeros((4, 1024), "f"))
