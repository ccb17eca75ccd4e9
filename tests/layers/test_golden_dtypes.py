"""Outputs, gradients and one SGD step of all layers in other dtypes than float32, as in Keras.

The cases are those of `dtypes` in ``tools/layer_cases.py``, the recording script is
``tools/golden_dtypes.py``: float64 by ``floatx`` from Keras 2.2.4; float64 and both mixed policies
by the layer's `dtype` from Keras 3.15.
"""

import json
import runpy
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

from lamina import config

FOLDER = Path(__file__).parents[1] / "golden"
STEPS = runpy.run_path(str(Path(__file__).with_name("test_golden_steps.py")))
TABLE = STEPS["TABLE"]
CASES = {release: TABLE["dtypes"](release) for release in ("keras2", "keras3")}
KINDS = [(release, kind) for release, table in CASES.items() for kind in sorted(table)]

# Several roundings of the dtype of the computations; the largest number of an array counts.
ROUNDINGS = {"float64": 2.0**-44, "mixed_float16": 2.0**-8, "mixed_bfloat16": 2.0**-5}
# What the release itself computes in 32 bits: TensorFlow 1 the slope, Keras 3 means of float64.
SINGLE = {
    ("keras2", "LeakyReLU"),
    ("keras3", "BatchNormalization"),
    ("keras3", "BatchNormalization/idle"),
    *(("keras3", f"GlobalAveragePooling{rank}D") for rank in (1, 2, 3)),
}


def numbers(dtype):
    """The dtype in which a case is recorded."""
    return "float64" if dtype == "float64" else "float32"


@cache
def recorded(release):
    """Of each case of each layer: what is known of it, and its arrays."""
    facts = json.loads((FOLDER / f"dtypes_{release}.json").read_text())
    with np.load(FOLDER / f"dtypes_{release}.npz") as arrays:
        stored = dict(arrays)
    found, start = {}, dict.fromkeys(stored, 0)
    for kind in sorted(facts):
        found[kind] = []
        for (dtype, _, _), fact in zip(CASES[release][kind], facts[kind], strict=True):
            name, parts = numbers(dtype), []
            for shape in fact["shapes"]:
                end = start[name] + int(np.prod(shape))
                parts.append(stored[name][start[name] : end].reshape(shape))
                start[name] = end
            found[kind].append((fact, parts))
    assert start == {name: values.size for name, values in stored.items()}
    return found


def ours(release, kind, place):
    """Names of what a case gives, the values, and the dtype of the output."""
    dtype, arguments, specs = CASES[release][kind][place]
    fact, _ = recorded(release)[kind][place]
    if release == "keras2":
        config.set_floatx(dtype)
    else:
        arguments = arguments | {"dtype": dtype}
    with jax.enable_x64(dtype == "float64"):
        case = STEPS["Case"](kind, place, arguments, specs, fact, dtype)
        program = jax.jit(case, compiler_options=STEPS["QUICK"])
        found = program([w.value for w in case.layer.weights], case.inputs, case.target)
        return STEPS["parts"](case), found, {w.dtype.name for w in case.layer.weights}


@pytest.mark.parametrize(("release", "kind"), KINDS, ids=["-".join(pair) for pair in KINDS])
def test_step_is_that_of_keras(release, kind):
    wrong, single = [], 0
    for place, (described, (fact, expected)) in enumerate(
        zip(CASES[release][kind], recorded(release)[kind], strict=True)
    ):
        dtype = described[0]
        names, found, kept = ours(release, kind, place)
        assert (found[0].dtype.name, kept - {numbers(dtype)}) == (fact["output"], set())
        for name, right, result in zip(names, expected, found, strict=True):
            assert result.shape == right.shape
            distance = np.abs(np.asarray(result).astype(right.dtype) - right).max(initial=0.0)
            largest = np.abs(right).max(initial=1.0)
            if (release, kind) in SINGLE and dtype == "float64":
                single += distance > ROUNDINGS[dtype] * largest
                distance = max(0.0, distance - 2.0**-20 * largest)
            if not distance <= ROUNDINGS[dtype] * largest:
                wrong.append(f"{described}: {name} is {distance} away, of {largest}")
    assert wrong == []
    assert bool(single) is ((release, kind) in SINGLE)
