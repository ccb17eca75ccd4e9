"""Record what Keras 3 reports for two outputs with masks, weights and metrics.

KERAS_BACKEND=jax python tools/golden_compile.py tests/golden/compile.json
"""

import json
import sys

import keras
import numpy as np

OPTIONS = {
    "loss": ["mse", "sparse_categorical_crossentropy"],
    "metrics": {"p": ["mae"], "q": ["accuracy"]},
    "weighted_metrics": {"p": ["mae"], "q": ["accuracy"]},
    "loss_weights": [0.5, 2.0],
}


def main(path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 5, 3)).astype("f")
    x[2, 3:] = x[4, 1:] = 0
    targets = [rng.normal(size=(6, 5, 2)).round(3), rng.integers(0, 3, size=(6, 1))]
    weights = [rng.uniform(size=(6, 5)).round(3), rng.uniform(size=6).round(3)]
    inputs = keras.Input((5, 3))
    masked = keras.layers.Masking()(inputs)
    p = keras.layers.Dense(2, name="p")(masked)
    q = keras.layers.Dense(3, activation="softmax", name="q")(keras.layers.LSTM(4)(masked))
    model = keras.Model(inputs, [p, q])
    model.compile("sgd", **OPTIONS)
    logs = model.evaluate(x, targets, 6, sample_weight=weights, verbose=0, return_dict=True)
    outputs = model.predict(x, verbose=0)
    golden = {
        "options": OPTIONS,
        "targets": [target.tolist() for target in targets],
        "weights": [weight.tolist() for weight in weights],
        "mask": np.any(x != 0, axis=-1).tolist(),
        "outputs": [output.astype(float).round(7).tolist() for output in outputs],
        "logs": logs,
    }
    with open(path, "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


main(sys.argv[1])
