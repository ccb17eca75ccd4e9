"""Record the kernels of the short-time Fourier transform of Keras 3 (``KERAS_BACKEND=jax``).

python tools/golden_stft.py tests/golden/stft.json
"""

import json
import os
import sys

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

CASES = [
    ({}, (6, 1, 5)),
    ({"side": "imag"}, (7, 1, 5)),
    ({"side": "imag", "window": None}, (5, 1, 4)),
    ({"window": "hamming", "scaling": "spectrum", "periodic": True}, (7, 1, 3)),
    ({"window": "blackman", "scaling": None}, (5, 1, 7)),
    ({"window": [0.5, -1.0, 2.0, 0.25], "scaling": "spectrum"}, (4, 1, 3)),
    ({"window": "tukey", "side": "imag", "periodic": True}, (8, 1, 2)),
]


def main(path):
    rows = []
    for arguments, shape in CASES:
        kernel = np.asarray(keras.initializers.STFT(**arguments)(shape), dtype="float64")
        rows.append([arguments, shape, [float(format(x, ".7g")) for x in kernel.ravel()]])
    with open(path, "w") as file:
        json.dump(rows, file)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
