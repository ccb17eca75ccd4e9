"""Old kernels in today's form, against the rules written out by hand for tiny arrays."""

from typing import Any, ClassVar

import numpy as np
import pytest

from lamina.layers import Conv1D, Conv2D, Conv3D, Dense, Layer
from lamina.saving.legacy_kernels import converted, gates, stored_count
from lamina.saving.stored import held

UNITS, INPUTS = 3, 2


# Classes of the names that count; only names, sizes and variables matter here.


class LSTMCell(Layer):
    pass


class GRUCell(Layer):
    pass


class ConvLSTM2DCell(Layer):
    data_format = "channels_first"


class Conv2DTranspose(Layer):
    shape: ClassVar[tuple[int, ...]] = (2, 3, 4, 5)  # rows, columns, filters, channels

    def __init__(self, data_format: str, **options: Any) -> None:
        super().__init__(**options)
        self.data_format = data_format
        self.kernel = self.add_weight("kernel", self.shape)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def read(layer: Layer, arrays: list[np.ndarray], old: bool = True, turned: bool = False) -> Any:
    found = converted(layer, [held(array) for array in arrays], old, turned)
    values = [array.read() for array in found]
    assert [array.shape for array in values] == [tuple(array.shape) for array in found]
    return values


def test_gates_of_an_lstm_of_keras_1() -> None:
    # Keras 1: W, U, b of input, then of cell, forget and output gate. Today: i, f, c, o.
    names = ("i", "c", "f", "o")
    parts = {
        gate: [
            noise(INPUTS, UNITS) + n,
            noise(UNITS, UNITS) + 10 * n,
            noise(UNITS) + 100 * n,
        ]
        for n, gate in enumerate(names)
    }
    values = read(LSTMCell(), [array for gate in names for array in parts[gate]])
    for place, value in enumerate(values):
        expected = np.concatenate([parts[gate][place] for gate in ("i", "f", "c", "o")], axis=-1)
        np.testing.assert_array_equal(value, expected)
    assert (gates(LSTMCell()), stored_count(LSTMCell(), 3, True)) == (4, 12)
    assert stored_count(LSTMCell(), 3, False) == 3


def test_gates_of_a_gru_of_keras_1() -> None:
    parts = [
        [noise(INPUTS, UNITS) + n, noise(UNITS, UNITS) + n, noise(UNITS) + n] for n in range(3)
    ]
    values = read(GRUCell(), [array for part in parts for array in part])
    for place, value in enumerate(values):
        expected = np.concatenate([part[place] for part in parts], axis=-1)
        np.testing.assert_array_equal(value, expected)
    assert stored_count(GRUCell(), 3, True) == 9


def test_gates_of_a_convolutional_lstm_with_channels_first() -> None:
    parts = [[noise(5, 4, 2, 3) + n, noise(5, 5, 2, 3) + n, noise(5) + n] for n in range(4)]
    # The filters are the first axis of each part; they become the last one, side by side.
    kernel, recurrent, bias = read(ConvLSTM2DCell(), [array for part in parts for array in part])
    order = (0, 2, 1, 3)
    assert bias.shape == (20,)
    for value, place in ((kernel, 0), (recurrent, 1)):
        joined = np.concatenate([parts[g][place] for g in order], axis=-1)
        np.testing.assert_array_equal(value, joined.transpose(2, 3, 1, 0))


@pytest.mark.parametrize(
    ("data_format", "old", "back"),
    [
        ("channels_last", (2, 3, 5, 4), (0, 1, 3, 2)),
        ("channels_first", (4, 5, 2, 3), (2, 3, 0, 1)),
    ],
)
def test_kernels_of_deconvolutions(
    data_format: str, old: tuple[int, ...], back: tuple[int, ...]
) -> None:
    kernel = noise(*old)
    value = read(Conv2DTranspose(data_format), [kernel])[0]
    np.testing.assert_array_equal(value, kernel.transpose(back))
    assert value.shape == Conv2DTranspose.shape


def built(layer: Any, shape: tuple[int, ...]) -> Any:
    layer.build((None, *shape))
    return layer


def test_kernels_of_convolutions_with_channels_first() -> None:
    flat = built(Conv2D(4, (2, 3), data_format="channels_first"), (5, 9, 8))
    kernel = noise(4, 5, 2, 3)
    np.testing.assert_array_equal(read(flat, [kernel])[0], kernel.transpose(2, 3, 1, 0))
    solid = built(Conv3D(4, (2, 3, 1), data_format="channels_first"), (5, 9, 8, 7))
    kernel = noise(4, 5, 2, 3, 1)
    np.testing.assert_array_equal(read(solid, [kernel])[0], kernel.transpose(2, 3, 4, 1, 0))
    last = built(Conv2D(4, (2, 3)), (9, 8, 5))
    kernel = noise(2, 3, 5, 4)
    np.testing.assert_array_equal(read(last, [kernel])[0], kernel)


def test_kernels_of_one_dimension_have_four_axes_in_keras_1() -> None:
    layer = built(Conv1D(4, 3), (9, 5))
    kernel = noise(3, 1, 5, 4)
    np.testing.assert_array_equal(read(layer, [kernel])[0], kernel[:, 0])
    oldest = noise(4, 5, 3, 1)  # filters first, as Theano had it
    expected = oldest.transpose(2, 3, 1, 0)[:, 0]
    np.testing.assert_array_equal(read(layer, [oldest])[0], expected)


def test_theano_turns_kernels_around_but_no_other_arrays() -> None:
    layer = built(Conv2D(4, (2, 3)), (9, 8, 5))
    kernel, bias = noise(2, 3, 5, 4), noise(4)
    values = read(layer, [kernel, bias], old=False, turned=True)
    np.testing.assert_array_equal(values[0], kernel[::-1, ::-1])
    np.testing.assert_array_equal(values[1], bias)
    dense = built(Dense(4), (3,))
    matrix = noise(3, 4)
    np.testing.assert_array_equal(read(dense, [matrix], turned=True)[0], matrix)


def test_weights_of_cudnn() -> None:
    # CuDNN keeps each gate's matrices transposed, and two biases for each gate.
    kernel, recurrent = noise(INPUTS, 4 * UNITS), noise(UNITS, 4 * UNITS)
    bias = noise(8 * UNITS)
    values = read(LSTMCell(), [kernel, recurrent, bias], old=False)
    for gate in range(4):
        part = slice(gate * UNITS, (gate + 1) * UNITS)
        np.testing.assert_array_equal(values[1][:, part], recurrent[:, part].T)
        # The numbers of a gate as they lie in the file fill the kernel column by column.
        memory = iter(kernel[:, part].ravel())
        for unit in range(UNITS):
            for entry in range(INPUTS):
                assert values[0][entry, gate * UNITS + unit] == next(memory)
    np.testing.assert_allclose(values[2], bias[: 4 * UNITS] + bias[4 * UNITS :])
    gru = read(GRUCell(), [noise(INPUTS, 9), noise(UNITS, 9), bias[:18]], old=False)
    np.testing.assert_array_equal(gru[2], bias[:18].reshape(2, 9))


def test_arrays_that_fit_nothing_stay_as_they_are() -> None:
    odd = [noise(2, 3), noise(3, 4)]
    for layer in (LSTMCell(), GRUCell(), built(Dense(3), (2,))):
        for value, array in zip(read(layer, odd), odd, strict=True):
            np.testing.assert_array_equal(value, array)
    twelve = [noise(n + 1, 2) for n in range(12)]  # not side by side
    assert len(read(LSTMCell(), twelve)) == 12
