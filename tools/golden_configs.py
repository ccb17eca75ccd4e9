"""Record what ``get_config`` of the layers in ``tools/config_cases.py`` gives.

Run it in a Python that has the release in question:

    KERAS_BACKEND=tensorflow python3.7 tools/golden_configs.py keras2  # 2.2.4 on TensorFlow 1.15
    KERAS_BACKEND=jax python tools/golden_configs.py keras3            # Keras 3.15

With names of layers behind the release only those are recorded anew.

Goes to ``tests/golden/configs_<release>.json``: for each layer a list with the config of each
case. The first is whole; the others hold the entries that differ from it. A config holds
``{"tuple": [...]}`` where the release gave a tuple.
"""

import json
import os
import sys
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import config_cases as table

FOLDER = os.path.join(os.path.dirname(__file__), "..", "tests", "golden")


def plain(value):
    """Without what is another one at each run, and without types of NumPy."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in sorted(value.items()) if k != "shared_object_id"}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(part) for part in value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return value


def config_of(keras, kind, arguments):
    options = {key: table.built(value, keras) for key, value in arguments.items()}
    layer = getattr(keras.layers, kind)(name="layer", **options)
    config = dict(plain(layer.get_config()))
    if config.get("function_type") == "lambda":  # it holds bytecode, and the path of its source
        config["function"] = ("code", *config["function"][1:])
    return table.written(config)


def recorded(keras, kind, listed):
    """The config of the first case, and what differs from it in the others."""
    found = []
    for arguments in listed:
        try:
            found.append(config_of(keras, kind, arguments))
        except Exception as error:
            print("FAILED", kind, arguments, type(error).__name__, str(error)[:200])
            found.append(None)
    first = found[0]
    for config in found[1:]:
        if config is not None and set(first) - set(config):
            print("SHORTER", kind, sorted(set(first) - set(config)))
    changes = [
        config and {key: v for key, v in config.items() if key not in first or first[key] != v}
        for config in found[1:]
    ]
    return [first, *changes]


def record(release, only):
    import keras

    path = os.path.join(FOLDER, f"configs_{release}.json")
    found = {}
    if only:
        with open(path) as file:
            found = json.load(file)
    for kind, listed in table.cases(release).items():
        if not only or kind in only:
            found[kind] = recorded(keras, kind, listed)
    lines = []
    for kind, configs in sorted(found.items()):
        text = [json.dumps(one, separators=(",", ":")) for one in configs]
        lines.append(json.dumps(kind) + ": [\n" + ",\n".join(text) + "\n]")
    with open(path, "w") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    record(sys.argv[1], sys.argv[2:])
