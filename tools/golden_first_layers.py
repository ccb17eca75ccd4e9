"""Layers for images and numbers that come in: what Keras 3.15 gives for the cases of this table.

    KERAS_BACKEND=jax python tools/golden_first_layers.py

One flat array a case goes to ``tests/golden/first_layers_keras3.npz``, ``<layer>_<number>``.
"""

import os
import zlib

import numpy as np

FIRST = {"data_format": "channels_first"}
IMAGES, PLAIN = (2, 6, 9, 3), (5, 7, 2)


def _resizing():
    sizes = [(3, 4), (9, 5), (12, 13), (6, 9)]
    words = ["bilinear", "nearest", "bicubic", "lanczos3"]
    cases = [({"height": h, "width": w}, IMAGES) for h, w in sizes]
    cases += [({"height": 4, "width": 11, "interpolation": word}, IMAGES) for word in words]
    cases += [({"height": 4, "width": 3, "antialias": True}, IMAGES)]
    cases += [
        ({"height": h, "width": w, "crop_to_aspect_ratio": True}, IMAGES) for h, w in sizes[:3]
    ]
    cases += [
        ({"height": h, "width": w, "pad_to_aspect_ratio": True, "fill_value": 0.5}, IMAGES)
        for h, w in sizes[:3]
    ]
    return [
        *cases,
        (dict(height=4, width=5, **FIRST), (2, 3, 6, 9)),
        ({"height": 4, "width": 5}, PLAIN),
    ]


def cases():
    """``{layer: [(arguments, shape of the input), ...]}``."""
    crops = [(3, 4), (5, 9), (6, 2), (7, 3), (4, 12), (8, 10), (1, 1), (6, 9)]
    scales = [0.5, 2, -1.5, [0.5, 2.0, 3.0], [[1.0], [2.0]]]
    normal = [
        ({}, (4, 3)),
        ({"axis": None}, (4, 3)),
        ({"axis": 1}, (4, 3, 5)),
        ({"axis": (1, 2)}, (4, 3, 5)),
        ({"axis": (-1, 1)}, (4, 3, 2, 5)),
        ({"invert": True}, (4, 3)),
        ({"axis": None, "mean": 1.5, "variance": 4.0}, (4, 3)),
        ({"mean": [1.0, 2.0, -1.0], "variance": [0.5, 2.0, 3.0]}, (4, 5, 3)),
        ({"mean": 2.0, "variance": 0.0, "invert": True}, (4, 3)),
        ({"axis": (1, 2), "mean": [[1.0, 2.0]] * 3, "variance": [[3.0, 0.5]] * 3}, (4, 3, 2)),
    ]
    return {
        "CenterCrop": [
            *[({"height": h, "width": w}, IMAGES) for h, w in crops],
            (dict(height=3, width=4, **FIRST), (2, 3, 6, 9)),
            ({"height": 3, "width": 2}, PLAIN),
        ],
        "Normalization": normal,
        "Rescaling": [
            ({"scale": scale, "offset": offset}, (4, 2, 3))
            for scale in scales
            for offset in (0.0, -0.5, [1.0, 2.0, 3.0])
        ],
        "Resizing": _resizing(),
    }


def made(kind, place, shape):
    """Input of a case, and data to adapt to."""
    rng = np.random.RandomState(zlib.crc32(f"{kind} {place}".encode()))
    return [(rng.normal(size=shape) * 3 + 1).astype("float32") for _ in range(2)]


def main():
    import keras

    arrays = {}
    for kind, listed in cases().items():
        for place, (arguments, shape) in enumerate(listed):
            inputs, data = made(kind, place, shape)
            layer = getattr(keras.layers, kind)(**arguments)
            if kind == "Normalization" and "mean" not in arguments:
                layer.adapt(data)
            arrays[f"{kind}_{place}"] = np.asarray(layer(inputs))
    folder = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")
    np.savez_compressed(os.path.join(folder, "first_layers_keras3.npz"), **arrays)


if __name__ == "__main__":
    main()
