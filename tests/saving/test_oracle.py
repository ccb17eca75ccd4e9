"""The oracles read the golden files of other releases: what they say can be trusted."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.saving import oracle
from tests.saving.oracle import run_oracle

FILES = Path(__file__).parents[1] / "golden" / "files"


def entries(release):
    """Entries of the index that belong to a release."""
    every = json.loads((FILES / "index.json").read_text())["models"]
    return {entry["model"]: entry for entry in every if entry["release"] == release}


@pytest.mark.parametrize(
    ("which", "release", "model", "form"),
    [
        ("keras3", "keras3.15", "two_by_two", "keras"),
        ("keras3", "keras3.15", "custom_layer", "h5"),
        ("keras3", "keras2.2.4", "two_by_two", "h5"),
        ("tf_keras", "keras2.2.4", "nested", "h5"),
    ],
)
def test_an_oracle_predicts_what_was_recorded(which, release, model, form):
    entry = entries(release)[model]
    with np.load(FILES / entry["arrays"]) as arrays:
        inputs = [arrays[f"input_{i}"] for i in range(entry["inputs"])]
        wanted = [arrays[f"prediction_{i}"] for i in range(entry["outputs"])]
    found = run_oracle(which, "predict", file=FILES / entry["files"][form], inputs=inputs)
    for i, prediction in enumerate(wanted):
        np.testing.assert_allclose(found[f"prediction_{i}"], prediction, rtol=1e-5, atol=1e-6)


def test_an_oracle_trains_on_as_was_recorded():
    entry = entries("keras3.15")["plain"]
    with np.load(FILES / entry["arrays"]) as arrays:
        found = run_oracle(
            "keras3",
            "train",
            file=FILES / entry["files"]["keras"],
            inputs=[arrays["input_0"]],
            targets=[arrays["target_0"]],
            steps=entry["steps"],
        )
        assert found["optimizer"] == "SGD"
        np.testing.assert_allclose(found["loss_1"], arrays["loss_1"], rtol=1e-5)
        for i in range(len(entry["weights"])):
            wanted = arrays[f"weight_{i}_after_{entry['steps']}"]
            np.testing.assert_allclose(found[f"weight_{i}"], wanted, rtol=1e-4, atol=1e-6)


def test_a_script_of_ones_own_and_its_error():
    found = run_oracle("keras3", "result['twice'] = x * 2; result['name'] = keras.__name__", x=3)
    assert found == {"twice": 6, "name": "keras"}
    with pytest.raises(AssertionError, match=r"keras3 could not:[^$]*no such thing"):
        run_oracle("keras3", "raise ValueError('no such thing')")


def test_an_oracle_that_runs_in_circles_is_ended(monkeypatch):
    run_oracle("keras3", "pass")
    monkeypatch.setattr(oracle, "SECONDS", 0.5)
    with pytest.raises(AssertionError, match=r"took over 0\.5 s"):
        run_oracle("keras3", "while True: pass")
    monkeypatch.undo()
    assert run_oracle("keras3", "result['again'] = 1") == {"again": 1}
