"""Files with recurrent layers that real releases wrote (``tools/golden_recurrent_files.py``)."""

from pathlib import Path

import numpy as np
import pytest

from lamina import models

FOLDER = Path(__file__).parents[1] / "golden" / "recurrent_files"
FILES = [path for path in sorted(FOLDER.glob("*/*")) if path.suffix in (".h5", ".keras")]
IDS = [f"{path.parent.name}-{path.name}" for path in FILES]


def recorded(path):
    """Inputs and predictions of the model in a file."""
    with np.load(path.with_suffix(".npz")) as arrays:
        inputs = [arrays[name] for name in sorted(arrays) if name.startswith("input")]
        outputs = [arrays[name] for name in sorted(arrays) if name.startswith("prediction")]
    return inputs if len(inputs) > 1 else inputs[0], outputs


def check(model, path):
    inputs, expected = recorded(path)
    found = model.predict(inputs, batch_size=4, verbose=0)
    for one, other in zip(found if len(expected) > 1 else [found], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_file_predicts_as_it_did(path):
    check(models.load_model(path), path)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_file_is_written_again(path, tmp_path):
    model = models.load_model(path)
    for ending in (".h5", ".keras"):
        model.save(tmp_path / f"again{ending}")
        check(models.load_model(tmp_path / f"again{ending}"), path)


def test_all_releases_are_here():
    releases = {path.parent.name for path in FILES}
    assert releases == {"keras1.2.2", "keras2.2.4", "tf2.15", "keras3.15"}
    assert len(FILES) >= 15
