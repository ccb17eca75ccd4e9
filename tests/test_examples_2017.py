"""Examples written as in 2016 to 2018: they learn, and their gradients are the right ones."""

import importlib.util
import types
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples" / "keras2017"

pytestmark = pytest.mark.slow


def example(name):
    """The example's module."""
    spec = importlib.util.spec_from_file_location(f"keras2017_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def slopes(function, x, places, step):
    """Central differences of a number along some entries of an array."""
    found = []
    for place in places:
        shift = np.zeros_like(x)
        shift.flat[place] = step
        found.append((float(function(x + shift)) - float(function(x - shift))) / (2 * step))
    return np.array(found)


# Class activation maps


@pytest.fixture(scope="module")
def cam():
    module = example("class_activation_map")
    model, results = module.main()
    return types.SimpleNamespace(module=module, model=model, results=results)


def test_maps_are_hottest_on_the_shape(cam):
    assert cam.results["right"] >= 0.9
    assert cam.results["maps on the shape"] >= 0.8
    assert cam.results["Grad-CAM on the shape"] >= 0.5  # a tenth of all places would be chance


@pytest.mark.parametrize("label", [0, 2])
def test_gradients_of_the_class_are_those_of_a_softmax_of_means(cam, label):
    images, *_ = cam.module.pictures(1, seed=5)
    weights, maps = cam.module.gradient_weights(cam.model, label)([images, 0])
    kernel, bias = cam.model.layers[-1].get_weights()
    scores = maps.mean(axis=(0, 1)) @ kernel + bias
    chance = np.exp(scores - scores.max())
    chance /= chance.sum()
    expected = chance[label] * (kernel[:, label] - kernel @ chance) / (16 * 16)
    np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-9)


# Ascent


@pytest.fixture(scope="module")
def dreams():
    module = example("deep_dream")
    model, answers, losses = module.main()
    return types.SimpleNamespace(module=module, model=model, answers=answers, losses=losses)


def test_ascent_raises_what_filters_answer(dreams):
    for answers in dreams.answers:
        assert answers[-1] > 5 * abs(answers[0])
        assert np.mean(np.diff(answers) > 0) > 0.9
    assert (np.diff(dreams.losses) > 0).all()
    assert dreams.losses[-1] > 1.5 * dreams.losses[0]


def test_direction_of_ascent_is_the_gradient(dreams):
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype("f")
    iterate = dreams.module.filter_function(dreams.model, "conv_1", 3)
    _, gradient = iterate([x, 0])
    found = slopes(lambda image: iterate([image, 0])[0], x, range(64), 1e-2)
    scaled = found / np.sqrt((found**2).mean())
    np.testing.assert_allclose(gradient.ravel(), scaled, atol=2e-2)


def test_a_better_image_makes_the_layer_answer_more(dreams):
    image, answers = dreams.module.favourite(dreams.model, "conv_2", 1, steps=10)
    answer = dreams.module.filter_function(dreams.model, "conv_2", 1)([image, 0])[0]
    assert answer > answers[-1] > answers[0]


# Style


@pytest.fixture(scope="module")
def style():
    pytest.importorskip("scipy")
    module = example("style_transfer")
    function, found, picture = module.main()
    return types.SimpleNamespace(module=module, function=function, found=found, picture=picture)


def test_losses_of_style_fall(style):
    content, styles, _, whole = style.found.T
    assert (np.diff(whole) < 0).all()
    assert whole[-1] < 0.5 * whole[0]
    assert styles[-1] < 0.5 * styles[0]
    parts = np.dot(style.found[:, :3], list(style.module.WEIGHTS.values()))
    np.testing.assert_allclose(whole, parts, rtol=1e-4)
    assert (content > 0).all()


def test_gradient_of_the_picture_equals_finite_differences(style):
    x = np.random.default_rng(1).uniform(0.2, 0.8, size=(1, 16, 16, 3)).astype("f")
    gradient = style.function([x])[4]
    places = np.argsort(-np.abs(gradient.ravel()))[:12]
    found = slopes(lambda picture: style.function([picture])[3], x, places, 1e-2)
    np.testing.assert_allclose(gradient.ravel()[places], found, rtol=3e-2)


def test_gram_matrix(style):
    x = np.random.default_rng(2).normal(size=(3, 4, 5)).astype("f")
    rows = x.reshape(12, 5)
    np.testing.assert_allclose(style.module.gram_matrix(x), rows.T @ rows, rtol=1e-5, atol=1e-5)


# Codes


@pytest.mark.parametrize("kind", ["model", "layer"])
def test_autoencoder_learns_to_draw_digits(kind):
    losses, (encoder, generator), error = example("variational_autoencoder").main(["--loss", kind])
    assert losses["loss"][-1] < 0.7 * losses["loss"][0]
    assert losses["val_loss"][-1] < 0.8 * losses["val_loss"][0]
    assert error < 0.17
    mean, log_variance = encoder.predict(np.full((2, 64), 0.5))
    assert mean.shape == log_variance.shape == (2, 4)
    drawn = generator.predict(np.zeros((1, 4)))
    assert drawn.shape == (1, 64)
    assert ((drawn > 0) & (drawn < 1)).all()


def test_lower_bound_is_that_of_the_formula():
    module = example("variational_autoencoder")
    rng = np.random.default_rng(0)
    x, decoded = rng.uniform(0.1, 0.9, size=(2, 3, 64)).astype("f")
    mean, log_variance = rng.normal(size=(2, 3, 4)).astype("f")
    crossentropy = -(x * np.log(decoded) + (1 - x) * np.log(1 - decoded)).sum(-1)
    divergence = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).sum(-1)
    found = module.lower_bound(x, decoded, mean, log_variance)
    np.testing.assert_allclose(found, crossentropy + divergence, rtol=1e-4)


# Pairs


def test_branches_share_their_layers_and_learn_what_is_the_same():
    module = example("siamese")
    model, history, accuracy, pairs = module.main()
    assert accuracy > 0.9
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["val_close"][-1] == pytest.approx(accuracy, abs=2e-3)
    (network,) = [layer for layer in model.layers if layer.name.startswith("sequential")]
    assert model.count_params() == network.count_params() == 64 * 65 + 65 * 64 + 65 * 32
    left, right = network.predict(pairs[:7, 0]), network.predict(pairs[:7, 1])
    expected = np.linalg.norm(left - right, axis=1)
    found = model.predict([pairs[:7, 0], pairs[:7, 1]])
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4, atol=4e-4)


# A layer of one's own


@pytest.mark.parametrize("name", ["Antirectifier", "OldAntirectifier"])
def test_antirectifier_learns(name):
    module = example("antirectifier")
    model, history = module.main(getattr(module, name))
    assert history["val_acc"][-1] > 0.9
    assert model.layers[1].output_shape == (None, 128)
    x = np.random.default_rng(3).normal(size=(5, 7)).astype("f")
    centred = x - x.mean(1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    expected = np.concatenate([np.maximum(centred, 0), np.maximum(-centred, 0)], 1)
    np.testing.assert_allclose(getattr(module, name)()(x), expected, rtol=1e-4, atol=1e-6)
