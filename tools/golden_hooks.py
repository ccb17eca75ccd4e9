"""Record the order in which Keras 3 calls the hooks of callbacks.

KERAS_BACKEND=jax python tools/golden_hooks.py > tests/golden/hooks.json
"""

import json
import sys

import keras
import numpy as np

HOOKS = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]


def recorder(calls):
    def hook(name):
        def call(self, *arguments, logs=None):
            numbered = "batch" in name or "epoch" in name
            logs = arguments[-1] if len(arguments) > numbered else logs
            number = arguments[0] if numbered else None
            calls.append([name, number, sorted(logs or {})])

        return call

    return type("Recorder", (keras.callbacks.Callback,), {name: hook(name) for name in HOOKS})()


def main():
    x, y = np.ones((5, 3), "f"), np.ones((5, 1), "f")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    calls = {"fit": [], "evaluate": [], "predict": []}
    model.fit(
        x,
        y,
        batch_size=2,
        epochs=2,
        verbose=0,
        validation_data=(x[:3], y[:3]),
        callbacks=[recorder(calls["fit"])],
    )
    model.evaluate(x, y, batch_size=2, verbose=0, callbacks=[recorder(calls["evaluate"])])
    model.predict(x, batch_size=2, verbose=0, callbacks=[recorder(calls["predict"])])
    json.dump({"version": keras.__version__, "hooks": HOOKS, "calls": calls}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
