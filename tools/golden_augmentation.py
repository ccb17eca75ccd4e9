"""Layers that move pixels: what Keras 3.15 gives for the cases of this table, and files with them.

    KERAS_BACKEND=jax python tools/golden_augmentation.py keras3
    python tools/golden_augmentation.py tf2.15          # with the TensorFlow of that number

The first writes ``augmentation_keras3.npz`` (one array a case), ``augmentation_keras3.json``
(configs) and ``augmentation/keras3.keras`` to ``tests/golden``, the second
``augmentation/tf2.15.h5`` and ``.keras``. Beside each model there is an ``.npz`` with inputs and
predictions.

Where the draw of a layer cannot be pinned by its arguments, what was drawn is handed to it.
"""

import json
import os
import sys
import zlib

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
IMAGES, PLAIN, FIRST = (2, 5, 7, 2), (5, 7, 2), (2, 2, 5, 7)
SIZE = (5, 7)
FILLS = ("constant", "nearest", "wrap", "reflect")

PINNED = {
    "RandomRotation": [{"factor": (0.1, 0.1)}, {"factor": (-0.3, -0.3)}],
    "RandomZoom": [
        {"height_factor": (0.3, 0.3)},
        {"height_factor": (-0.4, -0.4), "width_factor": (0.25, 0.25)},
    ],
    "RandomTranslation": [{"height_factor": (0.25, 0.25), "width_factor": (-0.3, -0.3)}],
}


def pinned():
    """``[(layer, arguments, shape of the input), ...]`` whose arguments leave nothing to chance."""
    cases = []
    for kind, listed in PINNED.items():
        for fill in FILLS:
            for word in ("bilinear", "nearest"):
                options = {"fill_mode": fill, "interpolation": word, "fill_value": 0.5}
                cases.append((kind, {**listed[-1], **options}, IMAGES))
        cases.append((kind, listed[0], IMAGES))
        cases.append((kind, {**listed[-1], "data_format": "channels_first"}, FIRST))
        cases.append((kind, listed[-1], PLAIN))
    return cases


def slants():
    """Amounts of `RandomShear`, for each image columns and rows."""
    return np.array([[0.3, -0.2], [-0.15, 0.4]], "float32")


def corners():
    """Corners of the images, and where they come to lie."""
    right, bottom = SIZE[1] - 1.0, SIZE[0] - 1.0
    start = np.array([[[0, 0], [right, 0], [0, bottom], [right, bottom]]] * 2, "float32")
    far = noise("corners", (2, 4, 2)) * 0.15
    return start, (start * (1 + far)).astype("float32")


def noise(name, shape):
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    return rng.uniform(-1, 1, size=shape).astype("float32")


def image(place, shape):
    return noise(f"image {place}", shape) * 3 + 1


BOXES = np.array(
    [
        [[1.0, 1.0, 4.0, 3.0], [2.5, 0.5, 6.0, 4.5], [0.0, 4.0, 1.0, 5.0]],
        [[3.0, 2.0, 5.0, 4.0], [0.5, 0.25, 1.5, 1.0], [6.0, 0.0, 7.0, 2.0]],
    ],
    "float32",
)
LABELS = np.array([[4, 5, 6], [7, 8, 9]], "int32")

CONFIGS = [
    ("RandomFlip", {}),
    ("RandomFlip", {"mode": "vertical", "seed": 3, "bounding_box_format": "xywh"}),
    ("RandomRotation", {"factor": 0.2}),
    ("RandomRotation", {"factor": (0.3, -0.1), "fill_mode": "wrap", "fill_value": 1.0}),
    ("RandomZoom", {"height_factor": 0.2}),
    ("RandomZoom", {"height_factor": (-0.2, 0.1), "width_factor": 0.3}),
    ("RandomTranslation", {"height_factor": 0.2, "width_factor": [0.1, 0.3]}),
    ("RandomCrop", {"height": 3, "width": 4, "seed": 5, "data_format": "channels_first"}),
    ("RandomShear", {"x_factor": (0.1, 0.2)}),
    ("RandomPerspective", {"factor": 0.5, "scale": 0.25}),
    ("RandomElasticTransform", {"scale": (0.2, 0.5), "value_range": (0, 1)}),
    ("RandomErasing", {"fill_value": [1.0, 2.0, 3.0]}),
    ("CutMix", {"factor": 0.5, "seed": 7}),
    ("MixUp", {"alpha": 0.5}),
    ("MaxNumBoundingBoxes", {"max_number": 4}),
]


def drawn(keras):
    """Results of layers to which the draw is handed."""
    layers, found = keras.layers, {}
    x = image("drawn", IMAGES)
    for word in ("bilinear", "nearest"):
        layer = layers.RandomShear(0.3, interpolation=word)
        given = {"shear_factor": slants(), "input_shape": x.shape}
        found[f"shear_{word}"] = layer.transform_images(x, given)
        layer = layers.RandomPerspective(interpolation=word, fill_value=0.5)
        start, end = corners()
        given = {"apply_perspective": np.array([True, True]), "start_points": start}
        found[f"perspective_{word}"] = layer.transform_images(x, {**given, "end_points": end})
    return found


def bent(keras):
    """`RandomElasticTransform` with known noise in the place of that which it draws."""
    import jax

    parts = iter([noise("rows", IMAGES[:3]), noise("columns", IMAGES[:3])])
    real = jax.random.normal
    layer = keras.layers.RandomElasticTransform(value_range=(-2, 3.5))
    given = {"apply_transform": np.array([True, True]), "distortion_factor": 0.9, "seed": 1}
    jax.random.normal = lambda *_, **options: next(parts)
    try:
        return layer.transform_images(image("drawn", IMAGES), given)
    finally:
        jax.random.normal = real


def boxes(keras):
    """Boxes of the layers for which Keras 3.15 computes them without mistakes."""
    layers, found = keras.layers, {}
    options = {"bounding_box_format": "xyxy"}
    for mode in ("horizontal", "vertical", "horizontal_and_vertical"):
        layer = layers.RandomFlip(mode, **options)
        given = {"flips": np.array([[[[True]]], [[[False]]]]), "input_shape": (2, *SIZE, 3)}
        moved = layer.transform_bounding_boxes(
            {"boxes": BOXES.copy(), "labels": LABELS.copy()}, given
        )
        found[f"boxes_{mode}"] = moved["boxes"]
    layer = layers.RandomTranslation((0.4, 0.4), (-0.5, -0.5), **options)
    data = {"images": np.zeros((2, *SIZE, 3), "float32")}
    moved = layer(
        {**data, "bounding_boxes": {"boxes": BOXES.copy(), "labels": LABELS.copy()}}, training=True
    )["bounding_boxes"]
    return {**found, "boxes_shifted": moved["boxes"], "labels_shifted": moved["labels"]}


def model(keras, old=False):
    """A small model whose first layers move pixels."""
    layers = keras.layers
    crop = layers.RandomCrop(4, 3) if old else layers.RandomCrop(*SIZE, seed=1)
    return keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            layers.Rescaling(0.5, offset=-1.0),
            layers.RandomFlip("horizontal", seed=3),
            layers.RandomRotation(0.2, fill_mode="nearest"),
            layers.RandomZoom((-0.2, 0.1), 0.2),
            layers.RandomTranslation(0.1, (0.1, 0.2), fill_mode="constant", fill_value=1.0),
            crop,
            *([layers.RandomHeight(0.2), layers.RandomWidth((0.1, 0.3))] if old else more(layers)),
            layers.Conv2D(4, 2, activation="relu"),
            layers.GlobalAveragePooling2D() if old else layers.Flatten(),
            layers.Dense(2),
        ]
    )


def more(layers):
    """Layers that only Keras 3 has."""
    return [
        layers.RandomShear((0.1, 0.2), 0.3),
        layers.RandomPerspective(0.5),
        layers.RandomElasticTransform(0.5),
        layers.RandomErasing(0.5),
        layers.CutMix(),
        layers.MixUp(),
        layers.MaxNumBoundingBoxes(3),
        layers.Pipeline(
            [layers.RandomFlip(), layers.Conv2D(5, 1), layers.Dense(4), layers.Dense(3)],
            name="within",
        ),
    ]


def write_model(made, *files):
    rng = np.random.RandomState(0)
    made.set_weights([rng.normal(size=w.shape).astype("float32") for w in made.get_weights()])
    x = noise("inputs", (4, *SIZE, 3))
    for file in files:
        made.save(os.path.join(FOLDER, "augmentation", file))
    name = files[0].rpartition(".")[0]
    found = made.predict(x, verbose=0)
    np.savez_compressed(os.path.join(FOLDER, "augmentation", f"{name}.npz"), x=x, y=found)


def main():
    os.makedirs(os.path.join(FOLDER, "augmentation"), exist_ok=True)
    if sys.argv[1] == "tf2.15":
        import tensorflow as tf

        write_model(model(tf.keras, True), "tf2.15.h5", "tf2.15.keras")
        return
    import keras

    arrays = {}
    for place, (kind, arguments, shape) in enumerate(pinned()):
        layer = getattr(keras.layers, kind)(**arguments)
        arrays[f"pinned_{place}"] = layer(image(place, shape), training=True)
    arrays.update(drawn(keras), bent=bent(keras), **boxes(keras))
    arrays = {name: np.asarray(value) for name, value in arrays.items()}
    np.savez_compressed(os.path.join(FOLDER, "augmentation_keras3.npz"), **arrays)
    configs = []
    for kind, arguments in CONFIGS:
        config = getattr(keras.layers, kind)(name="a", **arguments).get_config()
        config["dtype"] = config["dtype"]["config"]["name"]
        configs.append(config)
    with open(os.path.join(FOLDER, "augmentation_keras3.json"), "w") as file:
        json.dump(configs, file, indent=1)
        file.write("\n")
    write_model(model(keras), "keras3.keras")


if __name__ == "__main__":
    main()
