"""Configs of recurrent layers, their cells and wrappers, as recorded from Keras 2.2.4 and 3.15.

Cases and recording: ``tools/golden_configs_recurrent.py``. `DIFFERENCES` is the whole of what
lamina writes otherwise, and `test_config_is_that_of_keras` sees that all of it is needed.
"""

import json
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import lamina
from lamina import layers
from lamina.saving.config import deserialize_keras_object

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tools" / "golden_configs_recurrent.py"))
RELEASES = ("keras2", "keras3")
KINDS = sorted(TABLE["cases"]("keras3"))

# Release, entry, what lamina writes, what the release writes; "-" where it is not there.
DIFFERENCES = {
    # Arguments that came after 2.2.4, and the dtype, which 2.2.4 tells of first layers alone.
    ("keras2", "seed", None, "-"),
    *(("keras2", "zero_output_for_mask", one, "-") for one in (False, True)),
    *(("keras2", "dtype", one, "-") for one in ("float32", "float16")),
    ("keras2", "groups", 1, "-"),
    # Defaults that changed since 2.2.4; configs of 2.2.4 state them, and so they are kept.
    ("keras2", "recurrent_activation", "sigmoid", "hard_sigmoid"),
    ("keras2", "implementation", 2, 1),
    ("keras2", "reset_after", True, False),
    # A wrapper that is not trained does not freeze what it holds before it is built.
    ("keras2", "trainable", True, False),
    # 3.15 leaves out what does not change its outputs.
    *(("keras3", "implementation", one, "-") for one in (1, 2)),
    *(("keras3", "seed", one, "-") for one in (None, 4)),
    ("keras3", "gain", 1.0, "-"),
    # 3.15 loses the penalty of SimpleRNN.
    ("keras3", "activity_regularizer", "L2", None),
    *((release, "activity_regularizer", None, "-") for release in RELEASES),
    # See test_configs.py: layers are not quantized, and a plain backward layer follows from the
    # forward one, whose name is the one that was given.
    ("keras3", "quantization_config", "-", None),
    ("keras3", "backward_layer", "-", "layer"),
    ("keras3", "name", "within", "forward_within"),
}

READ = {
    *(one for one in DIFFERENCES if one[1] in ("quantization_config", "name", "backward_layer")),
    ("keras2", "trainable", True, False),
    # Keras 3 means something else by the name, and penalties on outputs of 2.2.4 are no means.
    ("keras3", "recurrent_activation", "hard_sigmoid_keras3", "hard_sigmoid"),
    *(("keras2", "class_name", "SummedOverBatch", "L2"), ("keras2", "l2", "-", 0.5)),
}
"""What the config of a layer that was read has otherwise than the config that it was read from."""


@cache
def recorded(release: str) -> Any:
    path = ROOT / "tests" / "golden" / f"configs_recurrent_{release}.json"
    return json.loads(path.read_text("utf-8"))


def normal(value: Any) -> Any:
    """A config without modules, and with one name for one initializer, penalty and policy."""
    if isinstance(value, list):
        return [normal(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {key: normal(part) for key, part in value.items()}
    name, config = value["class_name"], value["config"]
    if name == "DTypePolicy":
        return config["name"]
    if name == "L1L2" and not config["l1"]:
        return {"class_name": "L2", "config": {"l2": config["l2"]}}
    rule = [config.get(key) for key in ("scale", "mode", "distribution")]
    for mode, glorot in (("fan_avg", "GlorotUniform"), ("fan_in", "HeUniform")):
        if name == "VarianceScaling" and rule == [2.0 - (mode == "fan_avg"), mode, "uniform"]:
            name, config = glorot, {"seed": config["seed"]}
    config = {k: v for k, v in config.items() if k not in ("input_axes", "output_axes")}
    return {"class_name": name, "config": normal(config)}


def shown(value: Any) -> Any:
    """A value as the table of differences has it."""
    if isinstance(value, dict) and "class_name" in value:
        return "layer" if "name" in value["config"] else value["class_name"]
    return json.dumps(value) if isinstance(value, dict | list) else value


def differences(release: str, ours: Any, theirs: Any, key: str = "") -> Iterator[Any]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted({*ours, *theirs}):
            yield from differences(release, ours.get(name, "-"), theirs.get(name, "-"), name)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for one, other in zip(ours, theirs, strict=True):
            yield from differences(release, one, other, key)
    elif ours != theirs:
        yield release, key, shown(ours), shown(theirs)


def made(release: str, kind: str) -> list[Any]:
    cases = TABLE["cases"](release)[kind]
    return [TABLE["made"](lamina, layers, kind, arguments) for arguments in cases]


def test_config_is_that_of_keras():
    found = set()
    for release in RELEASES:
        for kind in KINDS:
            pairs = zip(made(release, kind), recorded(release)[kind], strict=True)
            for layer, config in pairs:
                ours = normal(TABLE["plain"](layer.get_config()))
                found |= set(differences(release, ours, normal(config)))
    assert found == DIFFERENCES


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("release", RELEASES)
def test_config_of_keras_is_read(release, kind):
    """The layer that is read has what the config of the release says."""
    for config in recorded(release)[kind]:
        entry: dict[str, Any] = {"class_name": kind, "config": config}
        if release == "keras2":
            entry["keras_version"] = "2.2.4"
        else:
            entry |= {"module": "keras.layers", "registered_name": None}
        read = deserialize_keras_object(json.loads(json.dumps(entry)))
        ours = normal(TABLE["plain"](read.get_config()))
        theirs = normal(config)
        assert {one for one in differences(release, ours, theirs) if one[3] != "-"} <= READ


@pytest.mark.parametrize("kind", KINDS)
def test_own_config_makes_the_same_layer(kind):
    for layer in made("keras3", kind):
        config = layer.get_config()
        again = type(layer).from_config(json.loads(json.dumps(config)))
        assert TABLE["plain"](again.get_config()) == TABLE["plain"](config)
