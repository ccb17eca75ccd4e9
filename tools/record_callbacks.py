"""Record what the callbacks of a Keras release do with given series of monitored values.

Run once with Keras 3 and once with Keras 2.2.4; each run adds its part to
``tests/golden/callbacks.json``::

    KERAS_BACKEND=jax python tools/record_callbacks.py keras3
    python tools/record_callbacks.py keras2
"""

import io
import json
import math
import os
import sys
import tempfile

OUTPUT = os.path.join(os.path.dirname(__file__), "..", "tests", "golden", "callbacks.json")
NAN = float("nan")

STOPPING = {
    "patience0": ({"patience": 0}, [1.0, 0.9, 0.95, 0.5, 0.4]),
    "patience1": ({"patience": 1}, [1.0, 0.9, 0.95, 0.96, 0.4]),
    "patience2": ({"patience": 2}, [1.0, 0.9, 0.95, 0.85, 0.9, 0.85, 0.86, 0.1]),
    "equal_is_not_better": ({"patience": 2}, [1.0, 1.0, 1.0, 0.5]),
    "min_delta": ({"patience": 2, "min_delta": 0.1}, [1.0, 0.95, 0.92, 0.5, 0.45]),
    "min_delta_exact": ({"patience": 1, "min_delta": 0.5}, [1.0, 0.5, 0.25, 0.0]),
    "min_delta_negative": ({"patience": 2, "min_delta": -0.1}, [1.0, 1.05, 1.04, 1.2, 1.3]),
    "max": ({"patience": 1, "mode": "max"}, [0.1, 0.3, 0.2, 0.2, 0.9]),
    "max_delta": ({"patience": 2, "mode": "max", "min_delta": 0.2}, [0.1, 0.2, 0.25, 0.9]),
    "auto_accuracy": ({"patience": 1, "monitor": "val_accuracy"}, [0.1, 0.3, 0.2, 0.9]),
    "auto_acc": ({"patience": 1, "monitor": "acc"}, [0.1, 0.3, 0.2, 0.9]),
    "baseline_never": ({"patience": 2, "baseline": 0.5}, [1.0, 0.9, 0.8, 0.7, 0.2]),
    "baseline_reached": ({"patience": 2, "baseline": 0.5}, [0.6, 0.4, 0.45, 0.42, 0.41]),
    "baseline_lost": ({"patience": 3, "baseline": 0.5}, [0.4, 0.7, 0.6, 0.55, 0.3]),
    "baseline_first": ({"patience": 0, "baseline": 0.5}, [1.0, 0.9, 0.8]),
    "start_from": ({"patience": 1, "start_from_epoch": 3}, [0.1, 0.5, 0.6, 0.7, 0.6, 0.8, 0.9]),
    "restore_stopped": ({"patience": 2, "restore_best_weights": True}, [1.0, 0.5, 0.6, 0.7, 0.8]),
    "restore_not_stopped": (
        {"patience": 5, "restore_best_weights": True},
        [1.0, 0.5, 0.6, 0.7],
    ),
    "restore_baseline": (
        {"patience": 2, "baseline": 0.1, "restore_best_weights": True},
        [1.0, 0.5, 0.4, 0.7],
    ),
    "restore_start_from": (
        {"patience": 1, "start_from_epoch": 2, "restore_best_weights": True},
        [0.1, 0.2, 0.5, 0.6, 0.7],
    ),
    "nan_later": ({"patience": 2}, [1.0, NAN, 0.5, NAN, NAN, 0.1]),
    "nan_first": ({"patience": 3}, [NAN, 1.0, 0.9, 0.8, 0.7]),
    "missing": ({"patience": 1, "monitor": "val_loss"}, [1.0, None, None, 0.5, 0.6, 0.7]),
}

PLATEAU = {
    "patience2": ({"factor": 0.5, "patience": 2}, [1.0, 0.9, 0.9, 0.9, 0.8, 0.9, 0.9, 0.9, 0.9]),
    "patience0": ({"factor": 0.5, "patience": 0}, [1.0, 0.9, 0.9, 0.9]),
    "patience1": ({"factor": 0.5, "patience": 1}, [1.0, 0.9, 0.9, 0.9]),
    "cooldown": ({"factor": 0.5, "patience": 2, "cooldown": 3}, [1.0] * 14),
    "cooldown_better": (
        {"factor": 0.5, "patience": 1, "cooldown": 2},
        [1.0, 1.0, 0.5, 0.6, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6],
    ),
    "cooldown1_patience1": ({"factor": 0.5, "patience": 1, "cooldown": 1}, [1.0] * 7),
    "min_lr": ({"factor": 0.1, "patience": 1, "min_lr": 0.003}, [1.0] * 6),
    "min_delta": (
        {"factor": 0.5, "patience": 2, "min_delta": 0.1},
        [1.0, 0.95, 0.91, 0.85, 0.8, 0.76, 0.5],
    ),
    "default_delta": ({"factor": 0.5, "patience": 1}, [1.0, 0.99995, 0.9999, 0.9998, 0.5]),
    "max": ({"factor": 0.5, "patience": 2, "mode": "max"}, [0.1, 0.2, 0.2, 0.1, 0.3, 0.3, 0.3]),
    "auto_acc": ({"factor": 0.5, "patience": 1, "monitor": "acc"}, [0.1, 0.2, 0.2, 0.3, 0.1]),
    "nan": ({"factor": 0.5, "patience": 2}, [NAN, 1.0, NAN, NAN, 0.5, NAN]),
    "missing": ({"factor": 0.5, "patience": 1}, [1.0, None, 1.0, None, 1.0]),
}

PROGBAR = {
    "means": (
        {"target": 10},
        [
            ("update", 1, [("a", 1.0), ("b", 5.0)]),
            ("update", 4, [("a", 3.0)]),
            ("add", 2, [("a", 7.0), ("b", 1.0)]),
        ],
    ),
    "stateful": (
        {"target": 10, "stateful_metrics": ["b"]},
        [("update", 3, [("a", 1.0), ("b", 5.0)]), ("update", 4, [("a", 3.0), ("b", 2.0)])],
    ),
    "same_step": (
        {"target": 10},
        [("update", 2, [("a", 1.0)]), ("update", 2, [("a", 3.0)]), ("update", 3, [("a", 9.0)])],
    ),
    "from_zero": ({"target": 40}, [("update", 0, [("a", 6.0)]), ("update", 4, [("a", 2.0)])]),
}


class Optimizer:
    pass


class Model:
    def __init__(self):
        self.stop_training = False
        self.weights = [0.0]
        self.optimizer = Optimizer()
        self.metrics = []
        self.layers = []

    def get_weights(self):
        return list(self.weights)

    def set_weights(self, weights):
        self.weights = list(weights)


def run(callback, model, monitor, values, after):
    """Drive a callback as ``fit`` does and note what `after` sees at the end of each epoch."""
    callback.set_model(model)
    callback.set_params({"epochs": len(values), "steps": 3, "verbose": 0})
    callback.on_train_begin({})
    seen = []
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        model.weights = [float(epoch)]
        logs = {"other": 1.0} if value is None else {monitor: value}
        callback.on_epoch_end(epoch, logs)
        seen.append(after(logs))
        if model.stop_training:
            break
    callback.on_train_end({})
    return seen


def plain(value):
    if value is None:
        return None
    value = float(value)
    return value if math.isfinite(value) else str(value)


def record_stopping(callbacks):
    found = {}
    for name, (given, values) in STOPPING.items():
        options = {"monitor": "loss", **given}
        if "start_from_epoch" in options and KIND == "keras2":
            continue
        if name.startswith("auto") and KIND == "keras3":  # asks the metric objects
            continue
        callback = callbacks.EarlyStopping(**options)
        model = Model()
        waits = []

        def after(logs, callback=callback, waits=waits):
            waits.append(callback.wait)

        try:
            run(callback, model, options["monitor"], values, after)
        except Exception as error:
            found[name] = {"options": options, "error": type(error).__name__}
            continue
        found[name] = {
            "options": options,
            "values": [plain(v) for v in values],
            "epochs": len(waits),
            "stopped": model.stop_training,
            "stopped_epoch": callback.stopped_epoch,
            "waits": waits,
            "best": plain(callback.best),
            "weights": model.weights[0],
        }
    return found


def record_plateau(callbacks, variable):
    found = {}
    for name, (given, values) in PLATEAU.items():
        options = {"monitor": "loss", **given}
        if name.startswith("auto") and KIND == "keras3":  # asks the metric objects
            continue
        callback = callbacks.ReduceLROnPlateau(**options)
        model = Model()
        read = variable(model.optimizer, 0.1)

        def after(logs, callback=callback, read=read):
            key = "learning_rate" if "learning_rate" in logs else "lr"
            return [float(read()), float(logs[key]), callback.wait, callback.cooldown_counter]

        rows = run(callback, model, options["monitor"], values, after)
        found[name] = {"options": options, "values": [plain(v) for v in values], "rows": rows}
    return found


def record_progbar(make):
    found = {}
    stdout = sys.stdout
    for name, (options, calls) in PROGBAR.items():
        sys.stdout = io.StringIO()
        bar = make(**options)
        for method, number, values in calls:
            getattr(bar, method)(number, values)
        sys.stdout = stdout
        means = {
            key: (v[0] / max(1, v[1]) if isinstance(v, list) else v)
            for key, v in bar._values.items()
        }
        found[name] = {"options": options, "calls": calls, "means": means}
    return found


def record_csv(callbacks):
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "log.csv")
    for append in (False, True):
        callback = callbacks.CSVLogger(path, append=append, separator=";")
        callback.set_model(Model())
        callback.on_train_begin({})
        callback.on_epoch_end(0, {"loss": 0.5, "acc": 0.25, "v": [1, 2]})
        callback.on_epoch_end(1, {"loss": 0.125, "acc": 0.75, "v": [3, 4]})
        callback.model.stop_training = True
        callback.on_epoch_end(2, {"loss": 0.0625})
        callback.on_train_end({})
    with open(path, "rb") as file:
        return file.read().decode()


def keras3_rate(optimizer, value):
    import keras

    optimizer.learning_rate = keras.Variable(value, dtype="float32")
    return lambda: float(optimizer.learning_rate)


def keras2_rate(optimizer, value):
    from keras import backend

    optimizer.lr = backend.variable(value)
    return lambda: backend.get_value(optimizer.lr)


def main():
    import keras
    from keras import callbacks

    progbar = keras.utils.Progbar
    variable = keras3_rate if KIND == "keras3" else keras2_rate
    part = {
        "release": keras.__version__,
        "stopping": record_stopping(callbacks),
        "plateau": record_plateau(callbacks, variable),
        "progbar": record_progbar(progbar),
        "csv": record_csv(callbacks),
    }
    stored = {}
    if os.path.exists(OUTPUT):
        with open(OUTPUT) as file:
            stored = json.load(file)
    stored[KIND] = part
    with open(OUTPUT, "w") as file:
        json.dump(stored, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    KIND = sys.argv[1]
    main()
