"""``merge`` of Keras 1: every mode against NumPy."""

import numpy as np
import pytest

from lamina.layers import Input, merge
from lamina.models import Model

RNG = np.random.default_rng(5)
A, B = RNG.normal(size=(2, 4)).astype("f"), RNG.normal(size=(2, 4)).astype("f")


def merged(mode, *arrays, **options):
    """What a model of one merge computes."""
    inputs = [Input(array.shape[1:]) for array in arrays]
    return Model(input=inputs, output=merge(inputs, mode=mode, **options)).predict(list(arrays))


def length(x):
    return np.sqrt((x**2).sum(1, keepdims=True))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("sum", A + B),
        ("mul", A * B),
        ("ave", (A + B) / 2),
        ("max", np.maximum(A, B)),
        ("concat", np.concatenate([A, B], 1)),
        ("dot", (A * B).sum(1, keepdims=True)),
        ("cos", (A * B).sum(1, keepdims=True) / length(A) / length(B)),
        (lambda pair: pair[0] - 2 * pair[1], A - 2 * B),
    ],
)
def test_mode(mode, expected):
    np.testing.assert_allclose(merged(mode, A, B), expected, rtol=1e-5, atol=1e-6)


def test_axes():
    x, y = RNG.normal(size=(2, 3, 4)).astype("f"), RNG.normal(size=(2, 5, 4)).astype("f")
    joined = merged("concat", x, y, concat_axis=1)
    np.testing.assert_array_equal(joined, np.concatenate([x, y], 1))
    product = merged("dot", x, y, dot_axes=[2, 2])
    np.testing.assert_allclose(product, np.einsum("bik,bjk->bij", x, y), rtol=1e-4, atol=1e-5)


def test_function_with_arguments_and_shape():
    found = merged(
        lambda pair, scale: scale * pair[0][:, :2],
        A,
        B,
        output_shape=lambda shapes: (shapes[0][0], 2),
        arguments={"scale": 3.0},
        name="scaled",
    )
    np.testing.assert_allclose(found, 3 * A[:, :2], rtol=1e-6)


def test_unknown_mode_is_named():
    with pytest.raises(ValueError, match=r"got 'concatt'.*'concat'"):
        merge([Input((3,)), Input((3,))], mode="concatt")
