"""Layers that change colours: against Keras 3.15, statistics of their draws, files, errors."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalMemberAccess=false

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.saving.oracle import run_oracle

from lamina import layers
from lamina.layers import (
    AugMix,
    AutoContrast,
    Dense,
    Equalization,
    Flatten,
    Input,
    RandAugment,
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomGaussianBlur,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPosterization,
    RandomSaturation,
    Rescaling,
    Solarization,
)
from lamina.models import Sequential, load_model
from lamina.ops import colour
from lamina.utils import set_random_seed

pytestmark = pytest.mark.usefixtures("unset")

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tools" / "golden_colour.py"))
CASES = TABLE["cases"]()
IMAGES = np.random.default_rng(0).integers(20, 231, (2, 5, 7, 3)).astype("f")


@pytest.mark.parametrize("kind", CASES)
def test_images_are_those_of_keras(kind):
    wrong = []
    with np.load(ROOT / "tests" / "golden" / "colour_keras3.npz") as stored:
        for place, (arguments, _, drawn) in enumerate(CASES[kind]):
            layer = getattr(layers, kind)(**arguments)
            images, right = TABLE["images"](kind, place, arguments), stored[f"{kind}_{place}"]
            found = layer.unbatch(layer.change(layer.batch(images), drawn), False)
            near = 1e-6 * (255 if right.max() > 1 else 1)
            if found.shape != right.shape or not np.allclose(found, right, rtol=1e-5, atol=near):
                wrong.append((arguments, np.abs(found - right).max()))
    assert wrong == []


def drawn(layer, count=2000):
    """What a layer draws for so many images."""
    found = layer.draw(jax.random.key(1), (count, 2, 2, 3))
    return {name: np.asarray(value).ravel() for name, value in found.items()}


# What is drawn, where it lies, and its mean.
DRAWS = [
    (RandomBrightness(0.2), "added", (-51.0, 51.0), 0.0),
    (RandomBrightness((0.1, 0.3), value_range=(0, 1)), "added", (0.1, 0.3), 0.2),
    (RandomContrast(0.2), "contrast", (0.8, 1.2), 1.0),
    (RandomContrast((0.3, 0.1)), "contrast", (0.7, 1.1), 0.9),
    (RandomHue(0.4), "turn", (-0.2, 0.2), 0.0),
    (RandomHue((0.2, 0.2)), "turn", (-0.1, 0.1), 0.0),
    (RandomSaturation(0.5), "scale", (0.0, 1.0), 2 * np.log(2) - 1),
    (RandomSaturation((0.25, 0.25)), "scale", (1 / 3, 1 / 3), 1 / 3),
    (RandomColorDegeneration(0.5), "share", (0.0, 0.5), 0.25),
    (RandomColorDegeneration((-0.5, 0.5)), "share", (-0.5, 0.5), 0.0),
    (RandomGrayscale(0.25), "chosen", (0, 1), 0.25),
    (RandomInvert(0.5), "chosen", (0, 1), 0.25),
    (RandomInvert((0.5, 0.5)), "chosen", (0, 1), 0.5),
    (RandomPosterization(5), "bits", (5, 5), 5),
    (RandomPosterization((2, 5)), "bits", (2, 4), 3.0),
    (layers.RandomSharpness(0.5), "share", (0.0, 1.0), 0.5),
    (RandomGaussianBlur((0.5, 0.5), sigma=(0.5, 0.5)), "chosen", (0, 1), 0.5),
    (RandomGaussianBlur(sigma=(0.5, 0.5)), "sigma", (0.5, 0.5), 0.5),
    (Solarization((0.25, 0.5), 1.0), "addition", (63.75, 127.5), 95.625),
    (Solarization((0.25, 0.5), 1.0), "threshold", (0.0, 255.0), 127.5),
]


@pytest.mark.parametrize(("layer", "name", "ends", "mean"), DRAWS)
def test_draws_lie_evenly_between_the_limits(layer, name, ends, mean):
    found = drawn(layer)[name].astype("f")
    low, high = ends
    width = high - low
    assert low - 1e-5 <= found.min() <= low + 0.02 * width + 1e-5
    assert high - 0.02 * width - 1e-5 <= found.max() <= high + 1e-5
    assert abs(found.mean() - mean) <= 0.03 * width + 1e-5


def test_hues_turn_both_ways_alike():
    found = drawn(RandomHue((0.3, 0.3)))["turn"]
    assert set(np.abs(found).round(5)) == {np.float32(0.15)}
    assert 0.45 < (found > 0).mean() < 0.55


RANDOM = [
    *(RandomBrightness(0.9), RandomContrast(0.9), RandomHue(0.9), RandomSaturation(0.9)),
    *(RandomColorDegeneration(0.9), RandomGrayscale(), RandomInvert(), RandomPosterization(1)),
    *(layers.RandomSharpness(0.9), RandomGaussianBlur(), Solarization(), Equalization()),
    *(RandomColorJitter(hue_factor=0.9), RandAugment(), AugMix()),
]


@pytest.mark.parametrize("layer", RANDOM, ids=lambda layer: type(layer).__name__)
def test_nothing_changes_outside_of_training(layer):
    images = IMAGES.astype("uint8")
    found = layer(images, training=False)
    np.testing.assert_array_equal(found, images)
    assert found.dtype == jnp.float32


def test_images_of_bytes_and_single_ones_are_changed_alike():
    one, other, single = (RandomSaturation((0.3, 0.3), seed=3) for _ in range(3))
    right = one(IMAGES, training=True)
    np.testing.assert_array_equal(other(IMAGES.astype("uint8"), training=True), right)
    np.testing.assert_allclose(single(IMAGES[0], training=True), right[0], rtol=1e-6)
    assert not np.allclose(right, IMAGES, atol=1.0)


def test_seeds_give_the_same_draws_and_steps_others():
    first, second = (RandomBrightness(0.5, seed=7) for _ in range(2))
    other = RandomBrightness(0.5, seed=8)
    one = [np.asarray(first(IMAGES, training=True)) for _ in range(2)]
    two = [np.asarray(second(IMAGES, training=True)) for _ in range(2)]
    np.testing.assert_array_equal(one, two)
    assert (one[0] != one[1]).any()
    assert (one[0] != np.asarray(other(IMAGES, training=True))).any()
    change = one[0] - IMAGES
    assert abs(change[0].mean() - change[1].mean()) > 1.0  # each image has its own


def test_jitter_is_its_steps_in_their_order():
    factors = {"brightness_factor": (0.05, 0.05), "contrast_factor": 0.5}
    factors |= {"saturation_factor": (0.7, 0.7), "hue_factor": (0.3, 0.3)}
    layer = RandomColorJitter(**factors)
    numbers = layer.draw(jax.random.key(0), IMAGES.shape)
    right = jnp.asarray(IMAGES) + 12.75
    for kind, values in zip(
        (RandomContrast, RandomSaturation, RandomHue), list(numbers.values())[1:], strict=True
    ):
        right = kind(0.5).change(right, values)
    np.testing.assert_allclose(layer.change(IMAGES, numbers), right, rtol=1e-4, atol=1e-3)
    assert RandomColorJitter()._parts == []


def test_rand_augment_is_some_of_its_layers():
    layer = RandAugment(num_ops=2, factor=0.7, seed=1)
    shapes = IMAGES.shape
    numbers = layer.draw(jax.random.key(3), shapes)
    choices, keys = numbers["steps"]
    masks = jnp.asarray(IMAGES[..., :1])
    right, moved = jnp.asarray(IMAGES), masks
    for choice, key in zip(choices.tolist(), keys, strict=True):
        one = layer._choices[choice]
        given = one.draw(key, shapes)
        right, moved = one.change(right, given), one.change_masks(moved, given)
    change = jax.jit(lambda key: layer.change(jnp.asarray(IMAGES), layer.draw(key, shapes)))
    np.testing.assert_allclose(change(jax.random.key(3)), right, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(layer.change_masks(masks, numbers), moved, rtol=1e-5)
    many = [np.asarray(change(jax.random.key(n))) for n in range(12)]
    assert len({image.tobytes() for image in many}) > 8
    keys = jax.random.split(jax.random.key(1), 60)
    found = jax.jit(jax.vmap(lambda key: layer.draw(key, shapes)["steps"][0]))(keys)
    assert set(found.ravel().tolist()) == set(range(11))
    assert len({type(one) for one in layer._choices}) == 11


def test_rand_augment_moves_boxes_with_the_images():
    layer = RandAugment(num_ops=1, factor=(0.5, 0.5), bounding_box_format="xyxy", seed=2)
    key = next(
        jax.random.key(n)
        for n in range(99)
        if int(layer.draw(jax.random.key(n), IMAGES.shape)["steps"][0][0]) == 1
    )
    given = {
        "boxes": jnp.tile(jnp.array([[[1.0, 1, 3, 4]]]), (2, 1, 1)),
        "labels": jnp.ones((2, 1)),
    }
    numbers = layer.draw(key, IMAGES.shape)
    shift = layer._choices[1]
    assert isinstance(shift, layers.RandomTranslation)
    right = shift.change_boxes(given, shift.draw(numbers["steps"][1][0], IMAGES.shape), (5, 7))
    found = layer.change_boxes(given, numbers, (5, 7))
    np.testing.assert_allclose(found["boxes"], right["boxes"], rtol=1e-5)
    assert (found["boxes"] != given["boxes"]).any()


def test_aug_mix_mixes_chains():
    layer = AugMix(num_chains=2, chain_depth=2, factor=0.7)
    shapes = IMAGES.shape
    numbers = layer.draw(jax.random.key(5), shapes)
    weights, (choices, keys) = numbers["chains"]
    np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-6)
    mixed = jnp.zeros(shapes)
    for weight, row, own in zip(weights.tolist(), choices.tolist(), keys, strict=True):
        images = jnp.asarray(IMAGES)
        for choice, key in zip(row, own, strict=True):
            if choice < len(layer._choices):
                one = layer._choices[choice]
                images = one.change(images, one.draw(key, shapes))
        mixed = mixed + weight * images
    share = float(numbers["share"][0, 0, 0, 0])
    right = np.clip(share * IMAGES + (1 - share) * mixed, 0, 255)
    np.testing.assert_allclose(layer.change(IMAGES, numbers), right, rtol=1e-4, atol=1e-3)
    keys = jax.random.split(jax.random.key(1), 300)
    shares, weights, choices = jax.jit(jax.vmap(lambda key: mixed_by(layer, key)))(keys)
    assert set(choices.ravel().tolist()) == set(range(12))
    # Evenly spread, as a beta distribution with 1 and 1 is; and so is each of two weights.
    for spread in (np.ravel(shares), np.asarray(weights[:, 0])):
        assert abs(spread.mean() - 0.5) < 0.06
        assert abs(spread.std() - 12**-0.5) < 0.03


def mixed_by(layer, key):
    found = layer.draw(key, IMAGES.shape)
    return found["share"], found["chains"][0], found["chains"][1][0]


def test_ranks_are_those_of_sorted_values():
    """Equalization of different values gives their places, spread evenly."""
    values = np.random.default_rng(0).permutation(256)[:35].reshape(1, 5, 7, 1).astype("f")
    right = np.round(np.argsort(np.argsort(values.ravel())) * 255 / 34)
    np.testing.assert_array_equal(colour.equalized(jnp.asarray(values), 256).ravel(), right)
    parts = Equalization()(IMAGES, training=True)
    for one, image in zip(parts, IMAGES, strict=True):
        np.testing.assert_array_equal(Equalization()(image, training=True), one)


def test_contrast_is_stretched_in_both_formats_and_outside_of_training():
    right = AutoContrast()(IMAGES)
    np.testing.assert_allclose(
        [right.min((1, 2)), right.max((1, 2))], [[[0] * 3] * 2, [[255] * 3] * 2]
    )
    found = AutoContrast(data_format="channels_first")(IMAGES.transpose(0, 3, 1, 2), training=True)
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), right)
    flat = np.full((4, 4, 3), 9.0, "f")
    np.testing.assert_array_equal(AutoContrast()(flat), flat)


def test_inversion_and_saturation_stay_in_the_range():
    found = RandomInvert((1.0, 1.0), value_range=(-1, 1))(
        np.array([[[-1.0], [0.5]]]), training=True
    )
    np.testing.assert_allclose(found.ravel(), [1.0, -0.5])
    strong = RandomSaturation((0.95, 0.95))(IMAGES, training=True)
    assert 0 <= float(strong.min()) <= float(strong.max()) <= 255


def test_models_train_with_all_of_them():
    set_random_seed(1)
    changes = [RandomColorJitter((0, 255), 0.2, 0.2, 0.4, 0.1), RandomInvert(), Solarization()]
    changes += [
        RandomGaussianBlur(),
        RandomPosterization((2, 7)),
        Equalization(),
        RandomGrayscale(),
    ]
    changes += [Rescaling(1 / 255)]
    model = Sequential([Input((5, 7, 3)), *changes, Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    x = np.concatenate([IMAGES] * 3)
    history = model.fit(x, np.ones((6, 1), "f"), batch_size=2, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    plain = model.predict(x, verbose=0)
    right = x.reshape(6, -1) / 255 @ model.get_weights()[0] + model.get_weights()[1]
    np.testing.assert_allclose(plain, right, rtol=1e-3, atol=1e-2)


def test_dicts_with_labels_pass():
    data = {"images": IMAGES, "labels": np.arange(2), "segmentation_masks": IMAGES[..., :1]}
    found = RandomBrightness((0.1, 0.1))(data, training=True)
    np.testing.assert_allclose(found["images"], np.clip(IMAGES + 25.5, 0, 255), rtol=1e-6)
    np.testing.assert_array_equal(found["segmentation_masks"], IMAGES[..., :1])
    np.testing.assert_array_equal(found["labels"], [0, 1])


@pytest.mark.parametrize(
    ("ending", "which"),
    [("keras", "keras3"), ("keras", "tf_keras"), ("h5", "keras3"), ("h5", "tf_keras")],
)
def test_files_open_there_and_back(tmp_path, ending, which):
    stack = [RandomBrightness((0.1, 0.3), seed=3), RandomContrast(0.2)]
    if which == "keras3":
        stack += [RandomHue(0.1), RandomSaturation(0.5), Solarization(0.2, 0.5), AugMix()]
        stack += [RandomColorJitter(hue_factor=0.5), RandomPosterization(3), AutoContrast()]
    model = Sequential([Input((5, 7, 3)), *stack, Flatten(), Dense(2)])
    path, back = tmp_path / f"model.{ending}", tmp_path / f"back.{ending}"
    model.save(path)
    script = """
        model = keras.models.load_model(file, compile=False)
        result["prediction"] = model.predict(inputs, verbose=0)
        if save:
            model.save(back)
    """
    # Keras 3 cannot write `RandomHue` and its like into ".h5".
    save = (ending, which) != ("h5", "keras3")
    found = run_oracle(which, script, file=path, inputs=IMAGES, back=back, save=save)
    right = model.predict(IMAGES, verbose=0)
    np.testing.assert_allclose(found["prediction"], right, rtol=1e-4, atol=1e-3)
    again = load_model(path)
    for file in (path, back) if save else (path,):
        again = load_model(file)
        np.testing.assert_allclose(again.predict(IMAGES, verbose=0), right, rtol=1e-4, atol=1e-3)
        names = [type(layer).__name__ for layer in again.layers if "Input" not in repr(layer)]
        assert names == [type(layer).__name__ for layer in model.layers]
    contrast = next(one for one in again.layers if isinstance(one, RandomContrast))
    assert contrast.factor == (0.2, 0.2)


WRONG = [
    ("RandomBrightness", {"factor": 1.5}, "factor must be a number from -1 to 1, or two of them"),
    ("RandomBrightness", {"factor": "x"}, "factor must be a number from -1 to 1, or two of them"),
    ("RandomBrightness", {"factor": 0.5, "value_range": (1, 0)}, "value_range must be the lowest"),
    ("RandomBrightness", {"factor": 0.5, "seed": -1}, "seed must be an int from 0"),
    ("RandomContrast", {"factor": 1.5}, "factor must be a number from 0 to 1, or two: how far"),
    ("RandomContrast", {"factor": (-0.5, 1)}, "factor must be a number from 0 to 1, or two: how"),
    ("RandomContrast", {"factor": [0.5]}, "factor must be a number from 0 to 1, or two: how far"),
    ("RandomHue", {"factor": -0.5}, "factor must be a number from 0 to 1, or two of them, got -0"),
    ("RandomSaturation", {"factor": -0.5}, "factor must be a number from 0 to 1, or two of them"),
    ("RandomColorJitter", {"hue_factor": 2}, "hue_factor must be a number from 0 to 1, or two of"),
    ("RandomGrayscale", {"factor": 2}, "factor must be a number from 0 to 1, got 2"),
    ("RandomInvert", {"factor": (0, 2)}, r"factor must be a number from 0 to 1, .* got \(0, 2\)"),
    ("RandomPosterization", {"factor": 9}, "factor must be a number of bits, an int from 1 to 8"),
    ("RandomPosterization", {"factor": 2.5}, "factor must be a number of bits, an int from 1 to"),
    ("RandomGaussianBlur", {"kernel_size": 4}, "kernel_size must be odd, got 4"),
    ("RandomGaussianBlur", {"sigma": 2}, "sigma must be a number from 0 to 1, or two of them"),
    ("Solarization", {"threshold_factor": 2}, "threshold_factor must be a number from 0 to 1, or"),
    ("AutoContrast", {"value_range": 255}, "value_range must be the lowest and the highest value"),
    ("Equalization", {"bins": 0}, "bins must be a positive int, got 0"),
    ("AugMix", {"alpha": 0}, "alpha must be a number above 0, got 0"),
    ("AugMix", {"num_chains": 0}, "num_chains must be a positive int, got 0"),
    ("RandAugment", {"factor": 2}, "factor must be a number from 0 to 1, or two of them, got 2"),
    ("RandAugment", {"interpolation": "x"}, "interpolation must be 'bilinear' or 'nearest', got"),
    (
        "ContrastLimitedAdaptiveHistogramEqualization",
        {"tile_grid_size": 0},
        "tile_grid_size must be a positive int or 2 of them, got 0",
    ),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=f"{name} 'f': {message}"):
        getattr(layers, name)(name="f", **options)


def test_bad_inputs_are_named():
    with pytest.raises(ValueError, match=r"RandomHue 'f': images must have 3 channels .*, got 1"):
        RandomHue(0.5, name="f")(IMAGES[..., :1], training=True)
    with pytest.raises(ValueError, match=r"RandomHue 'f': the input must be an image of rank 3"):
        RandomHue(0.5, name="f")(IMAGES[0, 0])
