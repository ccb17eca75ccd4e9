"""Layers for images, numbers and words that come in: against Keras 3.15, configs, errors."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.layers import CenterCrop, Input, Normalization, Rescaling, Resizing, ReversibleEmbedding
from lamina.models import Model

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tools" / "golden_first_layers.py"))
CASES = TABLE["cases"]()
IMAGE = np.arange(48.0, dtype="f").reshape(1, 4, 4, 3)


@pytest.mark.parametrize("kind", CASES)
def test_outputs_are_those_of_keras(kind):
    wrong = []
    with np.load(ROOT / "tests" / "golden" / "first_layers_keras3.npz") as stored:
        for place, (arguments, shape) in enumerate(CASES[kind]):
            inputs, data = TABLE["made"](kind, place, shape)
            layer = getattr(layers, kind)(**arguments)
            if kind == "Normalization" and "mean" not in arguments:
                layer.adapt(data)
            found, right = layer(inputs), stored[f"{kind}_{place}"]
            promised = layer.compute_output_shape((None, *shape[1:]))[1:]
            if found.shape != right.shape or (len(shape) != 3 and promised != found.shape[1:]):
                wrong.append(f"{arguments}: {found.shape}, {promised} and not {right.shape}")
            elif not np.allclose(found, right, rtol=1e-4, atol=1e-4):
                wrong.append(f"{arguments}: {np.abs(found - right).max()} away")
    assert wrong == []


@pytest.mark.parametrize("kind", CASES)
def test_config_round_trip(kind):
    for arguments, _ in CASES[kind]:
        layer = getattr(layers, kind)(**arguments)
        config = json.loads(json.dumps(layer.get_config()))
        assert json.dumps(type(layer).from_config(config).get_config()) == json.dumps(config)


def test_whole_numbers_stay_whole_where_images_are_resized():
    image = IMAGE.astype("uint8")
    assert Resizing(2, 3)(image).dtype == jnp.uint8
    assert Resizing(2, 3)(Input((4, 4, 3), dtype="uint8")).dtype == jnp.uint8
    assert CenterCrop(2, 3)(image).dtype == Rescaling(0.5)(image).dtype == jnp.float32
    assert Rescaling(0.5, dtype="float16")(image).dtype == jnp.float16


def test_adapt_takes_batches_and_forgets_what_was_before():
    data = np.random.default_rng(0).normal(5, 2, (10, 3)).astype("f")
    whole, parts = Normalization(), Normalization()
    whole.adapt(data)
    parts.adapt(data[:5] * 7)
    parts.adapt([data[:3], data[3:4], data[4:]])
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    np.testing.assert_allclose(whole(data), (data - data.mean(0)) / data.std(0), atol=1e-5)
    assert [weight.name for weight in whole.weights] == ["mean", "variance", "count"]
    assert whole.trainable_weights == []
    back = Normalization(invert=True)
    back.adapt(data)
    np.testing.assert_allclose(back(whole(data)), data, rtol=1e-4)


def test_words_and_back():
    layer = ReversibleEmbedding(9, 4, logit_soft_cap=2.0)
    words = np.array([[1, 2, 8]])
    vectors = layer(words)
    (table,) = layer.get_weights()
    np.testing.assert_allclose(vectors, table[words])
    expected = 2 * np.tanh(table[words] @ table.T / 2)
    np.testing.assert_allclose(layer(vectors, reverse=True), expected, rtol=1e-5, atol=1e-6)
    free = ReversibleEmbedding(9, 4, tie_weights=False, reverse_dtype="float16")
    assert free(free(words), reverse=True).dtype == jnp.float16
    assert [weight.shape for weight in free.weights] == [(9, 4), (4, 9)]
    assert [weight.name for weight in free.weights] == ["embeddings", "reverse_embeddings"]
    table, kernel = free.get_weights()
    scores = free(table[words], reverse=True)
    np.testing.assert_allclose(scores, table[words] @ kernel, rtol=1e-2, atol=1e-3)


def test_words_and_back_in_a_model():
    layer, words = ReversibleEmbedding(9, 4, mask_zero=True), Input((3,), dtype="int32")
    vectors = layer(words)
    scores = layer(vectors, reverse=True)
    assert (vectors.mask.shape, scores.mask, scores.shape) == ((None, 3), None, (None, 3, 9))
    found = Model(words, scores)(np.array([[1, 2, 0]]))
    table = layer.get_weights()[0]
    np.testing.assert_allclose(found[0], table[[1, 2, 0]] @ table.T, rtol=1e-5, atol=1e-6)
    gradient = jax.grad(lambda x: layer(x, reverse=True).sum())(jnp.ones((1, 4)))
    np.testing.assert_allclose(gradient[0], table.sum(0), rtol=1e-5)


ARGUMENTS = [
    ("Rescaling", {"scale": "x"}, "scale must be a number, or numbers along the last axes, got"),
    ("Rescaling", {"scale": 1.0, "offset": None}, "offset must be a number, or numbers"),
    ("Resizing", {"height": 0, "width": 2}, "height must be a positive int, got 0"),
    ("Resizing", {"height": 2, "width": 2, "interpolation": "area"}, "interpolation must be 'bili"),
    ("Resizing", {"height": 2, "width": 2, "fill_mode": "wrap"}, "fill_mode must be 'constant'"),
    ("Resizing", {"height": 2, "width": 2, "fill_value": "x"}, "fill_value must be a number"),
    (
        "Resizing",
        {"height": 2, "width": 2, "crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
        "images are cropped or padded to the ratio, not both",
    ),
    ("CenterCrop", {"height": 2, "width": 1.5}, "width must be a positive int, got 1.5"),
    ("Normalization", {"mean": 1.0}, "mean and variance are given both or not at all"),
    ("Normalization", {"mean": [1.0], "variance": 1.0}, "mean and variance must have the same sh"),
    (
        "Normalization",
        {"mean": 0.0, "variance": -1.0},
        "mean must be finite and variance 0 or more",
    ),
    ("Normalization", {"axis": "x"}, "axis must be an int or several of them, got 'x'"),
    (
        "ReversibleEmbedding",
        {"input_dim": 3, "output_dim": 2, "logit_soft_cap": 0},
        "logit_soft_cap",
    ),
]


@pytest.mark.parametrize(("name", "options", "message"), ARGUMENTS)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=f"{name} 'f': {message}"):
        getattr(layers, name)(name="f", **options)


def test_bad_inputs_are_named():
    with pytest.raises(ValueError, match="CenterCrop 'f': the input must be an image of rank 3"):
        CenterCrop(2, 2, name="f")(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="Rescaling 'f': scale and offset must spread to the last"):
        Rescaling([1.0, 2.0], name="f")(IMAGE)
    with pytest.raises(ValueError, match="Normalization 'f': axis 3 is none of an input"):
        Normalization(3, name="f")(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"must spread to the sizes \(4,\) of axis -1, got shape"):
        Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="Normalization 'f': adapt got no data"):
        Normalization(name="f").adapt([])
    with pytest.raises(ValueError, match="there is nothing to adapt"):
        Normalization(mean=1.0, variance=1.0).adapt(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="must be output_dim, 2, got shape"):
        ReversibleEmbedding(3, 2)(np.zeros((4, 4), "f"), reverse=True)
