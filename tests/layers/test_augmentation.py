"""Layers that move pixels at random: values, draws, what belongs to images, configs, errors."""

# Many calls here are wrong on purpose.
# pyright: reportArgumentType=false, reportCallIssue=false

import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.layers import Input
from lamina.models import Sequential
from lamina.ops import projections
from lamina.utils import set_random_seed

pytestmark = pytest.mark.usefixtures("unset")

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tools" / "golden_augmentation.py"))
IMAGES, SIZE = TABLE["IMAGES"], TABLE["SIZE"]
X = TABLE["image"]("drawn", IMAGES)
MANY = np.broadcast_to(np.arange(35, dtype="f").reshape(1, 5, 7, 1), (400, 5, 7, 1))


@pytest.fixture(scope="module")
def golden():
    with np.load(ROOT / "tests" / "golden" / "augmentation_keras3.npz") as stored:
        return dict(stored)


EIGHT = np.concatenate([X, X * 2, 3 - X, X / 2])


def eager(layer):
    """The layer, run operation by operation: that compiles less than a program a layer."""
    layer.run_eagerly = True
    return layer


def near(found, right, tolerance=1e-4):
    np.testing.assert_allclose(np.asarray(found), right, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", TABLE["PINNED"])
def test_values_are_those_of_keras(kind, golden):
    wrong = []
    for place, (name, arguments, shape) in enumerate(TABLE["pinned"]()):
        if name == kind:
            layer = eager(getattr(layers, name)(**arguments))
            found = layer(TABLE["image"](place, shape), training=True)
            if not np.allclose(found, golden[f"pinned_{place}"], rtol=1e-4, atol=1e-4):
                wrong.append((arguments, np.abs(found - golden[f"pinned_{place}"]).max()))
    assert wrong == []


@pytest.mark.parametrize("word", ["bilinear", "nearest"])
def test_values_of_given_draws_are_those_of_keras(word, golden):
    columns, rows = jnp.asarray(TABLE["slants"]()).T
    layer = layers.RandomShear(0.3, interpolation=word)
    near(
        layer.change(jnp.asarray(X), {"matrix": projections.shear(columns, rows)}),
        golden[f"shear_{word}"],
    )
    layer = layers.RandomPerspective(interpolation=word, fill_value=0.5)
    start, end = map(jnp.asarray, TABLE["corners"]())
    drawn = layer.projected(start, end, jnp.array([True, True]))
    near(layer.change(jnp.asarray(X), drawn), golden[f"perspective_{word}"], 1e-3)
    drawn = layer.projected(start, end, jnp.array([True, False]))
    near(layer.change(jnp.asarray(X), drawn)[1], X[1], 1e-6)


def test_bent_images_are_those_of_keras(golden):
    noise = np.stack([TABLE["noise"](word, IMAGES[:3]) for word in ("columns", "rows")], -1)
    drawn = {"noise": jnp.asarray(noise), "scale": jnp.float32(0.9)}
    layer = layers.RandomElasticTransform(value_range=(-2, 3.5))
    found = layer.change(jnp.asarray(X), drawn | {"applied": jnp.array([True, True])})
    near(found, golden["bent"])
    assert np.abs(golden["bent"] - X).max() > 0.02
    found = layer.change(jnp.asarray(X), drawn | {"applied": jnp.array([False, True])})
    near(found[0], np.clip(X[0], -2, 3.5), 1e-6)
    near(found[1], golden["bent"][1])


def reading(x, degrees):
    """Turn one image of one channel counterclockwise, slowly; zeros outside."""
    angle, (high, wide) = np.deg2rad(degrees), x.shape
    found = np.zeros_like(x)
    for row in range(high):
        for column in range(wide):
            right, up = column - (wide - 1) / 2, (high - 1) / 2 - row
            turned = complex(right, up) * np.exp(-1j * angle)  # where it was before
            r, c = (high - 1) / 2 - turned.imag, turned.real + (wide - 1) / 2
            for i in (int(np.floor(r)), int(np.floor(r)) + 1):
                for j in (int(np.floor(c)), int(np.floor(c)) + 1):
                    if 0 <= i < high and 0 <= j < wide:
                        found[row, column] += (1 - abs(r - i)) * (1 - abs(c - j)) * x[i, j]
    return found


def test_images_turn_counterclockwise():
    layer = layers.RandomRotation((1 / 9, 1 / 9), "constant")
    near(layer(X[..., :1], training=True)[0, ..., 0], reading(X[0, ..., 0], 40))


def test_directions():
    x = jnp.asarray(MANY[0])
    down = layers.RandomTranslation((0.2, 0.2), (0, 0), "constant")(x, training=True)
    near(down[1:], MANY[0][:-1])
    right = layers.RandomTranslation((0, 0), (3 / 7, 3 / 7), "wrap")(x, training=True)
    near(right, np.roll(MANY[0], 3, 1))
    out = layers.RandomZoom((1.0, 1.0), fill_mode="constant")(jnp.ones((8, 12, 1)), training=True)
    assert float(out.sum()) == pytest.approx(24)


# ---- draws ----------------------------------------------------------------------------------


def shifts_of(images):
    """By how many columns each image was rolled."""
    return (np.asarray(images)[:, 0, 0, 0].round() * -1 % 7).astype(int)


def test_flips_are_of_half_of_the_images_each_by_itself():
    counts = {}
    for mode, axes in (("horizontal", 2), ("vertical", 1), ("horizontal_and_vertical", (1, 2))):
        found = np.asarray(layers.RandomFlip(mode, seed=1)(MANY, training=True))
        flipped = (found == np.flip(MANY, axes)).all((1, 2, 3))
        np.testing.assert_array_equal(found[~flipped], MANY[~flipped])
        counts[mode] = flipped.mean()
        assert 0.4 < (flipped[1:] == flipped[:-1]).mean() < 0.6
    assert all(0.43 < part < 0.57 for part in counts.values()), counts


@pytest.mark.parametrize("kind", ["RandomTranslation", "RandomZoom", "RandomRotation"])
def test_draws_are_even_and_independent(kind):
    layer = getattr(layers, kind)(
        *([(-0.2, 0.4)] if kind == "RandomRotation" else [(-0.2, 0.4), 0.3])
    )
    matrix = np.asarray(layer.draw(jax.random.key(0), (4000, 5, 7, 1))["matrix"])
    drawn = {
        "RandomTranslation": lambda m: (m[:, 5] / -5, m[:, 2] / -7),
        "RandomZoom": lambda m: (m[:, 4] - 1, m[:, 0] - 1),
        "RandomRotation": lambda m: (np.arctan2(m[:, 3], m[:, 0]) / 2 / np.pi,),
    }[kind](matrix)
    for values, (low, high) in zip(drawn, [(-0.2, 0.4), (-0.3, 0.3)], strict=False):
        assert low <= values.min() < low + 0.01
        assert high - 0.01 < values.max() <= high + 1e-6
        counts = np.histogram(values, 6, (low, high))[0]
        assert (np.abs(counts - 4000 / 6) < 5 * np.sqrt(4000 / 6)).all()
        assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.06
    if len(drawn) == 2:
        assert abs(np.corrcoef(*drawn)[0, 1]) < 0.06


def test_ratio_stays_where_only_the_height_is_zoomed():
    matrix = layers.RandomZoom(0.3).draw(jax.random.key(0), (9, 5, 7, 1))["matrix"]
    np.testing.assert_array_equal(matrix[:, 0], matrix[:, 4])
    assert np.unique(np.asarray(matrix[:, 0])).size == 9


def test_slants_are_turned_around_in_half_of_the_images():
    layer = layers.RandomShear((0.1, 0.3), (0.2, 0.2))
    matrix = np.asarray(layer.draw(jax.random.key(0), (1000, 5, 7, 1))["matrix"])
    np.testing.assert_array_equal(np.sign(matrix[:, 1]), np.sign(matrix[:, 3]))
    assert 0.1 <= np.abs(matrix[:, 1]).min() < np.abs(matrix[:, 1]).max() <= 0.3
    assert 0.45 < (matrix[:, 1] > 0).mean() < 0.55
    near(np.abs(matrix[:, 3]), np.full(1000, 0.2))


def test_corners_move_with_the_stated_probability_and_scale():
    layer = layers.RandomPerspective((0.2, 0.4), scale=0.5)
    matrix = np.asarray(layer.draw(jax.random.key(0), (2000, 5, 7, 1))["matrix"])
    still = (matrix == [1, 0, 0, 0, 1, 0, 0, 0]).all(1)
    assert 0.66 < still.mean() < 0.74
    whole = np.concatenate([matrix, np.ones((2000, 1))], 1).reshape(-1, 3, 3)[~still]
    ends = np.linalg.inv(whole) @ np.array([6, 4, 1.0])
    parts = ends[:, :2] / ends[:, 2:] / [6, 4]
    assert 0.75 <= parts.min() < 0.77
    assert 1.23 < parts.max() <= 1.25 + 1e-3
    near((np.linalg.inv(whole) @ np.array([0, 0, 1.0]))[:, :2], np.zeros((len(whole), 2)))


def test_crops_are_pieces_at_all_places_the_same_for_a_batch():
    layer, seen = layers.RandomCrop(3, 5, seed=2), set()
    for _ in range(60):
        found = np.asarray(layer(MANY[:2], training=True))
        first = int(found[0, 0, 0, 0])
        row, column = divmod(first, 7)
        np.testing.assert_array_equal(found, MANY[:2, row : row + 3, column : column + 5])
        seen.add((row, column))
    assert seen == {(row, column) for row in range(3) for column in range(3)}


def test_crop_of_what_is_too_small_or_not_training_is_of_the_middle():
    for height, width in ((8, 7), (4, 9), (2, 3)):
        right = layers.Resizing(height, width, crop_to_aspect_ratio=True)(X)
        layer = eager(layers.RandomCrop(height, width))
        near(layer(X, training=False), right)
        if height > 5 or width > 7:
            near(layer(X, training=True), right)
    near(layers.RandomCrop(5, 7)(X, training=True), X, 0)


def test_erased_windows():
    shape = (2000, 9, 13, 2)
    layer = layers.RandomErasing(0.6, (0.04, 0.25), fill_value=[0.5, 300.0])
    drawn = layer.draw(jax.random.key(0), shape)
    inside = np.asarray(drawn["inside"])[..., 0]
    assert 0.25 < np.asarray(drawn["applied"]).mean() < 0.35  # the mean of what lies in (0, 0.6)
    rows, columns = inside.any(2).sum(1), inside.any(1).sum(1)
    np.testing.assert_array_equal(rows * columns, inside.sum((1, 2)))  # rectangles
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 5, 2, 7)
    middle = inside.mean(0)
    near(middle, middle[::-1, ::-1], 0.05)  # as often above as below
    found = np.asarray(layer.change(jnp.zeros(shape), drawn))
    erased = inside & np.asarray(drawn["applied"])[:, None, None]
    np.testing.assert_array_equal(found[erased], [[0.5, 255.0]] * erased.sum())
    assert (found[~erased] == 0).all()
    noise = layers.RandomErasing((1, 1), (1, 1), value_range=(0, 10))(MANY[:9], training=True)
    assert float(noise.min()) == 0
    assert 3 < float(noise.std()) < 5
    assert 2 < float(jnp.median(noise[noise > 0])) < 10


def test_cut_and_mixed_images():
    """One shape for all draws: those of beta distributions take long to compile."""
    count = 2000
    labels = np.eye(7)[np.arange(count) % 7].astype("f")
    x = TABLE["noise"]("mixed", (count, 6, 9, 1))
    for layer in (layers.CutMix((0.5, 1.0)), layers.MixUp(0.4)):
        drawn = layer.draw(jax.random.key(1), x.shape)
        weight, order = np.asarray(drawn["weight"]), np.asarray(drawn["order"])
        assert sorted(order) == list(range(count))
        assert (order != np.arange(count)).mean() > 0.9
        assert np.unique(weight).size > count / 2
        found = np.asarray(layer.change(jnp.asarray(x), drawn))
        if isinstance(layer, layers.CutMix):
            inside = np.asarray(drawn["inside"])
            np.testing.assert_array_equal(found, np.where(inside, x[order], x))
            part = inside.mean((1, 2, 3))
            assert np.abs(1 - weight - part).max() < 1 / 6 + 1 / 9
            assert np.abs(1 - weight - part).mean() < 0.05
        else:
            share = weight[:, None, None, None]
            near(found, share * x + (1 - share) * x[order])
            assert abs(weight.var() - 1 / 4 / 1.8) < 0.01  # of a beta distribution
        assert abs(weight.mean() - 0.5) < 0.03
        mixed = labels * weight[:, None] + labels[order] * (1 - weight[:, None])
        near(layer.change_labels(jnp.asarray(labels), drawn), mixed)
        near(layer.change_labels(jnp.asarray(labels.astype("int32")), drawn), mixed)


def test_strength_of_bends_follows_the_scale():
    ramp = jnp.broadcast_to(jnp.arange(7.0)[None, None, :, None], IMAGES)
    moved = []
    for scale in (0.0, 0.4, 1.0):
        layer = eager(layers.RandomElasticTransform((1, 1), (scale, scale), seed=1))
        moved.append(float(jnp.abs(layer(ramp, training=True) - ramp).mean()))
    assert moved[0] < 1e-5
    assert 0.005 < moved[1] < moved[2] < 0.5


# ---- training, seeds, structures ------------------------------------------------------------

ALL = [
    layers.RandomFlip("horizontal"),
    layers.RandomRotation(0.2),
    layers.RandomZoom(0.3, (-0.2, 0.2)),
    layers.RandomTranslation(0.2, 0.1),
    layers.RandomCrop(4, 6),
    layers.RandomShear(0.2, 0.1),
    layers.RandomPerspective(),
    layers.RandomElasticTransform(),
    layers.RandomErasing(),
    layers.CutMix(),
    layers.MixUp(),
]


@pytest.mark.parametrize("made", ALL, ids=lambda layer: type(layer).__name__)
def test_what_is_so_of_all(made):
    def again(**options):
        return type(made).from_config({**made.get_config(), "name": None, **options})

    layer = again(seed=5)
    first = np.asarray(layer(EIGHT, training=True))
    assert not np.array_equal(first, layer(EIGHT, training=True))
    assert not np.array_equal(first, EIGHT)
    if not isinstance(made, layers.RandomCrop):
        np.testing.assert_array_equal(layer(EIGHT, training=False), EIGHT)
    # Whole numbers, single images, graphs: shapes and dtypes.
    whole, options = np.zeros(EIGHT.shape, "uint8"), {"training": True}
    for kind, images, dtype in (
        (again(), whole, jnp.float32),
        (again(dtype="uint8"), whole, jnp.uint8),
        (again(dtype="mixed_float16"), EIGHT, jnp.float16),
        (again(), EIGHT[0], jnp.float32),
    ):
        found = jax.eval_shape(lambda x, layer=kind: layer(x, **options), images)
        assert (found.dtype, found.shape[-3:]) == (dtype, first.shape[1:])
    first_axis = again(data_format="channels_first")(Input((2, 5, 7)))
    assert first_axis.shape == (None, first.shape[3], *first.shape[1:3])
    assert again()(Input(IMAGES[1:])).shape == (None, *first.shape[1:])


def test_seeds_tell_the_draws():
    found = [
        np.asarray(layers.RandomCrop(1, 1, seed=seed)(MANY[:1], training=True)).item()
        for seed in (3, 3, 4, 5, 6)
    ]
    assert found[0] == found[1]
    assert len(set(found)) > 2


def test_they_act_unless_it_is_said_that_it_is_no_training():
    """As in Keras, ``augment(images)`` changes them, and ``predict`` does not."""
    layer = layers.RandomTranslation((0.4, 0.4), (0.2, 0.2))
    stack = Sequential([Input(IMAGES[1:]), layer, layers.Flatten()])
    stack.compile("sgd", "mse")
    flat = X.reshape(2, -1)
    moved = np.asarray(layer(X, training=True)).reshape(2, -1)
    near(layer(X).reshape(2, -1), moved)
    near(stack(X), moved)
    near(stack(X, training=False), flat)
    near(stack(X, training=True), moved)
    near(stack.predict(X, verbose=0), flat)
    near(stack.predict(X[:1], verbose=0), flat[:1])
    near(stack.predict_on_batch(X), flat)
    near(stack.predict(np.repeat(X, 3, 0), batch_size=2, verbose=0), np.repeat(flat, 3, 0))
    assert stack.evaluate(X, flat, verbose=0) == pytest.approx(0, abs=1e-10)
    history = stack.fit(X, moved, verbose=0)
    assert history.history["loss"][0] == pytest.approx(0, abs=1e-10)
    near(layer(X, False).reshape(2, -1), flat)


def test_training_sees_other_images_each_time_and_the_seed_tells_which():
    def losses():
        set_random_seed(3)
        model = Sequential(
            [Input((5, 7, 1)), layers.RandomTranslation(0.0, 0.5, "wrap"), layers.Flatten()]
        )
        model.compile("sgd", "mse")
        return model.fit(MANY[:8], MANY[:8].reshape(8, -1), epochs=3, verbose=0).history["loss"]

    first = losses()
    assert len(set(first)) == 3
    assert first == losses()


def whole(images=X):
    """Images with all that may belong to them."""
    count = len(images)
    boxes = {"boxes": TABLE["BOXES"], "labels": TABLE["LABELS"]}
    boxes = {name: np.concatenate([part] * (count // 2)) for name, part in boxes.items()}
    masks = (np.arange(count * 35).reshape(count, 5, 7, 1) % 5).astype("uint8")
    return {
        "images": images,
        "labels": np.eye(9, dtype="f")[:count],
        "bounding_boxes": boxes,
        "segmentation_masks": masks,
        "names": np.arange(count),
    }


def test_boxes_are_those_of_keras(golden):
    data = whole()
    for mode in ("horizontal", "vertical", "horizontal_and_vertical"):
        layer = layers.RandomFlip(mode, bounding_box_format="xyxy")
        drawn = {"flipped": jnp.array([True, False])}
        found = layer.change_boxes({"boxes": jnp.asarray(TABLE["BOXES"])}, drawn, SIZE)
        near(found["boxes"], golden[f"boxes_{mode}"])
    layer = eager(layers.RandomTranslation((0.4, 0.4), (-0.5, -0.5), bounding_box_format="xyxy"))
    found = layer(data, training=True)["bounding_boxes"]
    near(found["boxes"], golden["boxes_shifted"])
    np.testing.assert_array_equal(found["labels"], golden["labels_shifted"])


@pytest.mark.parametrize("name", ["flip", "rotation", "zoom", "shear", "perspective", "crop"])
def test_boxes_and_masks_follow_the_pixels(name):
    """The box around what a filled box becomes is the box that the layer gives, to a pixel."""
    layer = {
        "flip": layers.RandomFlip(seed=1, bounding_box_format="xyxy"),
        "rotation": layers.RandomRotation((0.07, 0.07), "constant", bounding_box_format="xyxy"),
        "zoom": layers.RandomZoom((0.3, 0.3), (-0.2, -0.2), "constant", bounding_box_format="xyxy"),
        "shear": layers.RandomShear(
            (0.1, 0.1), (0.2, 0.2), fill_mode="constant", seed=3, bounding_box_format="xyxy"
        ),
        "perspective": layers.RandomPerspective((1, 1), 0.3, seed=7, bounding_box_format="xyxy"),
        "crop": layers.RandomCrop(40, 50, seed=1, bounding_box_format="xyxy"),
    }[name]
    images = np.zeros((2, 60, 80, 1), "f")
    images[0, 20:41, 24:45] = images[1, 10:21, 30:61] = 1
    boxes = np.array([[[24, 20, 45, 41]], [[30, 10, 61, 21]]], "f")
    data = {
        "images": images,
        "segmentation_masks": (images * 7).astype("int32"),
        "bounding_boxes": {"boxes": boxes, "labels": np.array([[1], [2]])},
    }
    found = eager(layer)(data, training=True)
    assert found["segmentation_masks"].dtype == jnp.int32
    assert set(np.unique(np.asarray(found["segmentation_masks"]))) == {0, 7}
    for place in range(2):
        rows, columns = np.nonzero(np.asarray(found["images"])[place, ..., 0] > 0.01)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        near(found["bounding_boxes"]["boxes"][place, 0], seen, 1.05)
        mask = np.asarray(found["segmentation_masks"])[place, ..., 0] > 0
        image = np.asarray(found["images"])[place, ..., 0] > 0.5
        assert (mask == image).mean() > 0.99
    assert not np.allclose(found["bounding_boxes"]["boxes"], boxes)


def test_formats_of_boxes_mean_the_same_box():
    from lamina.ops import boxes

    corners = jnp.asarray(TABLE["BOXES"])
    by_hand = {
        "yxyx": [1, 1, 3, 4],
        "xywh": [1, 1, 3, 2],
        "center_xywh": [2.5, 2, 3, 2],
        "center_yxhw": [2, 2.5, 2, 3],
        "rel_xyxy": [1 / 7, 1 / 5, 4 / 7, 3 / 5],
        "rel_yxyx": [1 / 5, 1 / 7, 3 / 5, 4 / 7],
        "rel_xywh": [1 / 7, 1 / 5, 3 / 7, 2 / 5],
        "rel_center_xywh": [2.5 / 7, 2 / 5, 3 / 7, 2 / 5],
    }
    assert set(boxes.FORMATS) == {"xyxy", *by_hand}
    layer = layers.RandomTranslation((0.2, 0.2), (0.1, 0.1), bounding_box_format="xyxy")
    right = eager(layer)(whole(), training=True)["bounding_boxes"]
    for word, expected in by_hand.items():
        given = boxes.from_corners(corners, word, SIZE)
        near(given[0, 0], expected, 1e-6)
        data = whole() | {"bounding_boxes": {"boxes": given, "labels": TABLE["LABELS"]}}
        layer = layers.RandomTranslation((0.2, 0.2), (0.1, 0.1), bounding_box_format=word)
        found = eager(layer)(data, training=True)["bounding_boxes"]
        near(boxes.as_corners(found["boxes"], word, SIZE), right["boxes"])
        np.testing.assert_array_equal(found["labels"], right["labels"])


def test_what_belongs_to_images_comes_along():
    data = whole(EIGHT)
    layer = layers.RandomFlip("horizontal", seed=4, bounding_box_format="xyxy")
    found = layer(data, training=True)
    flipped = (np.asarray(found["images"]) == data["images"][:, :, ::-1]).all((1, 2, 3))
    assert 0 < flipped.sum() < len(flipped)
    for place, turned in enumerate(flipped):
        mask = data["segmentation_masks"][place]
        np.testing.assert_array_equal(
            found["segmentation_masks"][place], mask[:, ::-1] if turned else mask
        )
    np.testing.assert_array_equal(found["labels"], data["labels"])
    np.testing.assert_array_equal(found["names"], data["names"])
    assert data["images"] is EIGHT
    still = layer(data, training=False)
    assert jax.tree.structure(still) == jax.tree.structure(found)
    jax.tree.map(np.testing.assert_array_equal, still, jax.tree.map(jnp.asarray, data))
    # Boxes and masks of RandomCrop change outside of training, too.
    crop = eager(layers.RandomCrop(5, 5, bounding_box_format="xyxy"))(data, training=False)
    near(crop["bounding_boxes"]["boxes"][0, 0], [0, 1, 3, 3])
    np.testing.assert_array_equal(crop["segmentation_masks"], data["segmentation_masks"][:, :, 1:6])
    one = jax.tree.map(lambda part: part[0], data)
    layer = eager(layers.RandomCrop(5, 5, bounding_box_format="xyxy"))
    jax.tree.map(near, layer(one, training=False), jax.tree.map(lambda part: part[0], crop))
    given = jax.tree.map(jnp.asarray, whole()["bounding_boxes"])
    narrow = layers.RandomCrop(7, 3)  # takes 5 rows and 2 columns
    found = narrow.change_boxes(given, narrow.rest(IMAGES), SIZE)
    near(found["boxes"][0, 0], [0, 1.4, 3, 4.2])
    np.testing.assert_array_equal(found["labels"], [[4, 5, -1], [7, -1, -1]])
    order = {"order": jnp.array([1, 0])}
    both = layers.MixUp(bounding_box_format="xyxy").change_boxes(given, order, SIZE)
    np.testing.assert_array_equal(both["boxes"][:, :3], TABLE["BOXES"])
    np.testing.assert_array_equal(both["boxes"][:, 3:], TABLE["BOXES"][::-1])
    np.testing.assert_array_equal(both["labels"][:, 3:], TABLE["LABELS"][::-1])


def test_number_of_boxes():
    for most in (2, 3, 5):
        layer = layers.MaxNumBoundingBoxes(most, -3, bounding_box_format="xyxy")
        found = eager(layer)(whole())["bounding_boxes"]
        boxes = np.full((2, 5, 4), -3.0)
        boxes[:, :3] = TABLE["BOXES"]
        labels = np.full((2, 5), -3)
        labels[:, :3] = TABLE["LABELS"]
        np.testing.assert_array_equal(found["boxes"], boxes[:, :most])
        np.testing.assert_array_equal(found["labels"], labels[:, :most])


def test_pipeline_is_its_layers_one_after_another():
    data = whole()
    made = [
        layers.RandomTranslation((0.2, 0.2), (0, 0), bounding_box_format="xyxy"),
        layers.RandomTranslation((0.0, 0.0), (1 / 7, 1 / 7), bounding_box_format="xyxy"),
    ]
    pipeline = eager(layers.Pipeline(made, name="p"))
    right = eager(made[1])(eager(made[0])(data, training=True), training=True)
    jax.tree.map(near, pipeline(data, training=True), right)
    near(pipeline(X, training=False), X)
    near(pipeline(X), right["images"])
    learning = layers.Pipeline(
        [layers.RandomCrop(4, 4), layers.Conv2D(3, 2), layers.Dense(5)], name="q"
    )
    assert learning.compute_output_shape((None, 5, 7, 2)) == (None, 3, 3, 5)
    assert learning(Input((5, 7, 2))).shape == (None, 3, 3, 5)
    paths = [weight.path for weight in learning.weights]
    assert [path.split("/")[0] for path in paths] == ["q"] * 4
    again = layers.Pipeline.from_config(json.loads(json.dumps(learning.get_config())))
    again.build((None, 5, 7, 2))
    again.set_weights(learning.get_weights())
    near(eager(again)(X, training=False), learning(X, training=False))
    model = Sequential([Input((5, 7, 2)), learning, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = learning.get_weights()[0]
    model.fit(X, np.ones((2, 1), "f"), verbose=0)
    assert not np.array_equal(before, learning.get_weights()[0])


def test_sizes_that_differ_from_step_to_step_are_refused_in_training():
    for kind, shape in (("RandomHeight", (None, None, 7, 2)), ("RandomWidth", (None, 5, None, 2))):
        layer = getattr(layers, kind)((0.2, 0.3), name="f")
        assert layer.compute_output_shape((None, 5, 7, 2)) == shape
        near(layer(X, training=False), X)
        with pytest.raises(ValueError, match=rf"{kind} 'f': in training .* Take RandomZoom"):
            layer(X, training=True)


# ---- configs and errors ---------------------------------------------------------------------


def test_configs_are_those_of_keras():
    configs = json.loads((ROOT / "tests" / "golden" / "augmentation_keras3.json").read_text())
    for (kind, arguments), right in zip(TABLE["CONFIGS"], configs, strict=True):
        layer = getattr(layers, kind)(name="a", **arguments)
        found = json.loads(json.dumps(layer.get_config()))
        if kind == "RandomShear":  # Keras writes (-0.0, 0.0) for 0.0, and cannot read (-f, f).
            right["y_factor"] = 0.0
        if kind == "MaxNumBoundingBoxes":  # Keras forgets it.
            right["fill_value"] = -1
            found.pop("seed", None)
        assert found == right
        assert json.loads(json.dumps(type(layer).from_config(found).get_config())) == found


ARGUMENTS = [
    ("RandomFlip", {"mode": "both"}, "mode must be 'horizontal' or 'vertical' or 'horiz"),
    ("RandomFlip", {"seed": 1.5}, "seed must be an int from 0"),
    ("RandomFlip", {"data_format": "last"}, "data_format must be 'channels_last' or"),
    ("RandomFlip", {"bounding_box_format": "xyx"}, "bounding_box_format must be one of 'xyxy'"),
    (
        "RandomRotation",
        {"factor": 1.5},
        "factor must be a number from -1 to 1, or two of them, got",
    ),
    ("RandomRotation", {"factor": (0.1, 0.2, 0.3)}, "factor must be a number from -1 to 1"),
    ("RandomRotation", {"factor": "x"}, "factor must be a number from -1 to 1"),
    ("RandomRotation", {"factor": 0.1, "fill_mode": "mirror"}, "fill_mode must be 'reflect' or"),
    ("RandomRotation", {"factor": 0.1, "interpolation": "bicubic"}, "interpolation must be 'bil"),
    ("RandomRotation", {"factor": 0.1, "fill_value": "x"}, "fill_value must be a number, got 'x'"),
    ("RandomZoom", {"height_factor": (-1, 0.5)}, "height_factor must be above -1"),
    ("RandomZoom", {"height_factor": 0.1, "width_factor": 2}, "width_factor must be a number from"),
    ("RandomTranslation", {"height_factor": -2, "width_factor": 0}, "height_factor must be a num"),
    ("RandomTranslation", {"height_factor": 0, "width_factor": None}, "width_factor must be a n"),
    ("RandomCrop", {"height": 0, "width": 2}, "height must be a positive int, got 0"),
    ("RandomShear", {"x_factor": (-0.1, 0.3)}, "x_factor must be a number from 0 to 1, or two"),
    ("RandomPerspective", {"factor": -0.1}, "factor must be a number from 0 to 1, or two"),
    ("RandomPerspective", {"scale": 1.1}, "scale must be a number from 0 to 1, got 1.1"),
    ("RandomElasticTransform", {"fill_mode": "x"}, "fill_mode must be 'constant' or"),
    ("RandomElasticTransform", {"value_range": (1, 0)}, "value_range must be the lowest and the"),
    ("RandomErasing", {"scale": (0.1, 2)}, "scale must be a number from 0 to 1, or two"),
    ("RandomErasing", {"fill_value": "x"}, "fill_value must be a number, a list with one for"),
    ("RandomErasing", {"value_range": 255}, "value_range must be the lowest and the highest"),
    ("CutMix", {"factor": 1.5}, "factor must be a number from 0 to 1, or two"),
    ("MixUp", {"alpha": 0}, "alpha must be a number above 0, got 0"),
    ("MaxNumBoundingBoxes", {"max_number": 0}, "max_number must be a positive int, got 0"),
    ("MaxNumBoundingBoxes", {"max_number": 2, "fill_value": 0.5}, "fill_value must be an int"),
    ("Pipeline", {"layers": []}, "layers must be a list of at least one layer"),
    ("Pipeline", {"layers": [1]}, "layers must be a list of at least one layer"),
    ("RandomHeight", {"factor": (-1, -1)}, "factor must be above -1"),
    ("RandomWidth", {"factor": 0.1, "interpolation": "x"}, "interpolation must be 'bilinear' or"),
]


@pytest.mark.parametrize(("name", "options", "message"), ARGUMENTS)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=f"{name} 'f': {message}"):
        getattr(layers, name)(name="f", **options)


def without(data, *names):
    return {name: part for name, part in data.items() if name not in names}


def test_bad_inputs_are_named():
    data, flip = whole(), layers.RandomFlip(name="f", bounding_box_format="xyxy")
    boxes = data["bounding_boxes"]
    integers = without(data, "bounding_boxes", "labels")
    wrong = [
        (flip, X[0, 0], "the input must be an image of rank 3, or a batch of rank 4"),
        (flip, without(data, "images"), "a dict must hold the images under 'images', got"),
        (layers.RandomFlip(name="f"), data, "state bounding_box_format, such as 'xyxy'"),
        (flip, data | {"bounding_boxes": boxes["boxes"]}, "must be a dict with the keys 'boxes'"),
        (flip, data | {"bounding_boxes": boxes | {"labels": np.ones((2, 4))}}, r"boxes must have "),
        (layers.RandomErasing(name="f", fill_value=[1, 2, 3]), X, "one for each of 2 channels"),
        (layers.MixUp(name="f"), integers, "segmentation masks are mixed as the images are"),
        (layers.MixUp(name="f"), {"images": X, "labels": np.ones(2, int)}, "must be vectors"),
        (layers.CutMix(name="f", bounding_box_format="xyxy"), data, "boxes are not supported"),
        (
            layers.RandomElasticTransform(name="f", bounding_box_format="xyxy"),
            data,
            "boxes have no shape of their own",
        ),
    ]
    for layer, inputs, message in wrong:
        with pytest.raises(ValueError, match=rf"{type(layer).__name__} 'f': .*{message}"):
            layer(inputs, training=True)
