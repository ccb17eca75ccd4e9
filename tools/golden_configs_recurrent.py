"""Record what ``get_config`` of recurrent layers and of those that hold a layer gives.

Run it in a Python that has the release in question:

    KERAS_BACKEND=tensorflow python3.7 tools/golden_configs_recurrent.py keras2  # 2.2.4
    KERAS_BACKEND=jax python tools/golden_configs_recurrent.py keras3            # 3.15

Goes to ``tests/golden/configs_recurrent_<release>.json``: the config of each of `cases`, which the
test compares with those of lamina.
"""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import config_cases as table

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")


def within(kind, *args, **options):
    """A layer that another one holds."""
    return table.made("layers." + kind, *args, **dict({"name": "within"}, **options))


def _cell_options(release, gates, cell):
    """Everything set, by name and by object, and what a layer takes beside its cell."""
    by_name = {
        "activation": "relu",
        "use_bias": False,
        "kernel_initializer": "he_uniform",
        "recurrent_initializer": "identity",
        "bias_initializer": "ones",
        "kernel_regularizer": table.reg(l2=0.5),
        "recurrent_constraint": "max_norm",
        "dropout": 0.25,
        "recurrent_dropout": 0.5,
    }
    by_object = {
        "recurrent_initializer": table.init("Orthogonal", gain=0.5, seed=3),
        "recurrent_regularizer": table.reg(l1=0.25, l2=0.125),
        "bias_regularizer": table.reg(l1=0.5),
        "kernel_constraint": table.con("UnitNorm", axis=1),
        "bias_constraint": table.con("NonNeg"),
    }
    options = [{}, by_name, by_object, {"trainable": False, "dtype": "float16"}]
    if gates:
        options.append({"recurrent_activation": "hard_sigmoid"})
        options.append({"recurrent_activation": "tanh", "implementation": 1})
    if release == "keras3":
        options.append({"dropout": 0.5, "seed": 4})
    if cell:
        return options
    options += [
        {"return_sequences": True, "return_state": True, "go_backwards": True},
        {"unroll": True, "activity_regularizer": table.reg(l2=0.5)},
    ]
    if release == "keras3":
        options.append({"zero_output_for_mask": True, "stateful": True})
    else:
        options.append({"stateful": True, "batch_input_shape": (2, 5, 3)})
    return options


def cases(release):
    """Arguments of each case, by layer."""
    found = {}
    for kind in ("SimpleRNN", "LSTM", "GRU"):
        for cell in (False, True):
            options = _cell_options(release, kind != "SimpleRNN", cell)
            found[kind + ("Cell" if cell else "")] = [dict(units=4, **one) for one in options]
    for kind in ("LSTM", "LSTMCell"):
        found[kind].append({"units": 4, "unit_forget_bias": False})
    for kind in ("GRU", "GRUCell"):
        found[kind].append({"units": 4, "reset_after": True})
        found[kind].append({"units": 4, "reset_after": False})
    images = [
        {"kernel_size": 3},
        {"kernel_size": (3, 2), "strides": 2, "padding": "same", "data_format": "channels_first"},
        {"kernel_size": 2, "dilation_rate": (1, 2), "return_sequences": True, "use_bias": False},
        {"kernel_size": 2, "recurrent_activation": "sigmoid", "dropout": 0.25},
    ]
    found["ConvLSTM2D"] = [dict(filters=4, **one) for one in images]
    dense, lstm = within("Dense", 3), within("LSTM", 4, return_sequences=True)
    found["TimeDistributed"] = [
        {"layer": dense},
        {"layer": within("Conv2D", 3, 2, padding="same"), "trainable": False},
    ]
    found["Bidirectional"] = [
        {"layer": lstm},
        {"layer": within("GRU", 3, go_backwards=False), "merge_mode": "sum"},
        {"layer": within("SimpleRNN", 3), "merge_mode": None},
    ]
    found["RNN"] = [
        {"cell": within("LSTMCell", 4)},
        {"cell": within("GRUCell", 4), "return_sequences": True, "go_backwards": True},
    ]
    found["StackedRNNCells"] = [
        {"cells": {"list": [within("GRUCell", 3), within("LSTMCell", 4, name="other")]}}
    ]
    return found


def made(release, layers, kind, arguments):
    """A layer of a case.

    Args:
        release: a module with ``layers``, ``initializers`` and so on.
        layers: its module of layers.
        kind: name of the class.
        arguments: of the case.
    """
    options = {key: _built(value, release) for key, value in arguments.items()}
    return getattr(layers, kind)(name="layer", **options)


def _built(value, release):
    if isinstance(value, dict) and "list" in value:
        return [table.built(one, release) for one in value["list"]]
    return table.built(value, release)


def plain(value):
    """A config as JSON, without what is another one at each run."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in sorted(value.items()) if k != "shared_object_id"}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value.tolist() if hasattr(value, "tolist") else value


if __name__ == "__main__":
    import keras  # pyright: ignore[reportMissingImports]

    found = {
        kind: [plain(made(keras, keras.layers, kind, one).get_config()) for one in listed]
        for kind, listed in cases(sys.argv[1]).items()
    }
    with open(os.path.join(FOLDER, "configs_recurrent_%s.json" % sys.argv[1]), "w") as file:  # noqa: UP031
        rows = [json.dumps(kind) + ": " + json.dumps(found[kind]) for kind in sorted(found)]
        file.write("{\n" + ",\n".join(rows) + "\n}\n")
