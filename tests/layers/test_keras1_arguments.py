"""Every argument that a layer of Keras 1.2.2 had is known by that name."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamina import layers
from lamina.core import dialects
from lamina.core.layer import OPTIONS

RECORDED = json.loads(
    (Path(__file__).parent.parent / "golden" / "keras1_arguments.json").read_text()
)
PAIRS = [(name, argument) for name, found in RECORDED.items() for argument in found]
TOGETHER = {"nb_row": ("nb_row", "nb_col"), "nb_col": ("nb_row", "nb_col")} | {
    f"kernel_dim{i}": ("kernel_dim1", "kernel_dim2", "kernel_dim3") for i in (1, 2, 3)
}


@pytest.mark.parametrize(("name", "argument"), PAIRS)
def test_argument_is_known(name, argument):
    if (name, argument) in dialects.GONE:
        return
    made = getattr(layers, name)
    if not isinstance(made, type):
        pytest.skip("a function of Keras 1's own arguments")
    given = dict.fromkeys(TOGETHER.get(argument, (argument,)), 0)
    _, kwargs = dialects.translate(made, (), given)
    known = {*dialects.parameters(made), *OPTIONS, "name", "trainable", "dtype"}
    assert set(kwargs) <= known


def test_dropout_of_an_embedding_is_left_out_with_a_warning():
    with pytest.warns(UserWarning, match="Embedding: dropout of Keras 1.*SpatialDropout1D"):
        layer = layers.Embedding(7, 3, dropout=0.2)
    assert layer(np.array([[1, 2]])).shape == (1, 2, 3)
