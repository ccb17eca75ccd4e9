"""Weights of old releases in today's form: kernels of Keras 1 and Theano, fused gates, CuDNN.

What is done is what Keras 2.2.4 does when it loads such a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.saving.stored import Made, Stored, flipped, joined, squeezed, transposed

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D", "ConvLSTM2DCell")
_GATES = {"LSTM": 4, "LSTMCell": 4, "ConvLSTM2D": 4, "ConvLSTM2DCell": 4, "GRU": 3, "GRUCell": 3}
# Keras 1 stores a kernel, a recurrent kernel and a bias for each gate: i, c, f, o and z, r, h.
_GATE_ORDER = {4: (0, 2, 1, 3), 3: (0, 1, 2)}


def is_a(layer: Layer, *names: str) -> bool:
    """Whether a layer is of one of these classes, by name.

    Args:
        layer: the layer.
        names: of classes of Keras.
    """
    return any(cls.__name__ in names for cls in type(layer).__mro__)


def gates(layer: Layer) -> int:
    """Number of gates whose arrays Keras 1 stores one by one; 0 for layers without.

    Args:
        layer: the layer that has the weights.
    """
    found = [count for name, count in _GATES.items() if is_a(layer, name)]
    return found[0] if found else 0


def stored_count(layer: Layer, trainable: int, old: bool) -> int:
    """Number of arrays that a file holds for the trainable weights of a layer.

    Args:
        layer: the layer that has the weights.
        trainable: how many it has.
        old: whether Keras 1 wrote the file.
    """
    return trainable * gates(layer) if old and trainable == 3 and gates(layer) else trainable


def converted(layer: Layer, arrays: Sequence[Stored], old: bool, turned: bool) -> list[Stored]:
    """The arrays of a layer in today's form.

    Args:
        layer: the layer that has the weights.
        arrays: what the file has for it.
        old: whether Keras 1 wrote the file.
        turned: whether the kernels of convolutions are turned around, as those of Theano.
    """
    found = list(arrays)
    if old:
        found = _fused(layer, found)
        if found:
            found = _old_kernels(layer, found)
    if turned and is_a(layer, *_CONVOLUTIONS):
        count = 2 if is_a(layer, "ConvLSTM2D", "ConvLSTM2DCell") else 1
        found = [flipped(array) for array in found[:count]] + found[count:]
    return _without_cudnn(layer, found)


def _fused(layer: Layer, arrays: list[Stored]) -> list[Stored]:
    """Gates side by side, where a file has them one by one."""
    count = gates(layer)
    if not count or len(arrays) != 3 * count:
        return arrays
    order = _GATE_ORDER[count]
    fused = [joined([arrays[3 * gate + kind] for gate in order]) for kind in range(3)]
    return arrays if any(array is None for array in fused) else [a for a in fused if a is not None]


def _old_kernels(layer: Layer, arrays: list[Stored]) -> list[Stored]:
    """Kernels of Keras 1 with the axes in today's order."""
    first = _channels_first(layer)
    kernel, rest = arrays[0], arrays[1:]
    rank = len(kernel.shape)
    if is_a(layer, "Conv1D") and rank == 4:
        size, filters = layer.kernel_size[0], layer.filters  # type: ignore[attr-defined]
        if kernel.shape[:2] != (size, 1) or kernel.shape[3] != filters:
            kernel = transposed(kernel, (2, 3, 1, 0))
        return [squeezed(kernel, 1) if kernel.shape[1] == 1 else kernel, *rest]
    if is_a(layer, "ConvLSTM2D", "ConvLSTM2DCell") and first:
        return [transposed(a, (2, 3, 1, 0)) if len(a.shape) == 4 else a for a in arrays]
    axes = _old_axes(layer, first)
    return [transposed(kernel, axes) if len(axes) == rank else kernel, *rest]


def _old_axes(layer: Layer, first: bool) -> tuple[int, ...]:
    """Where the axes of a kernel of Keras 1 go; empty if they stay."""
    if is_a(layer, "Conv2DTranspose"):
        return (2, 3, 0, 1) if first else (0, 1, 3, 2)
    if is_a(layer, "Conv2D") and first:
        return (2, 3, 1, 0)
    return (2, 3, 4, 1, 0) if is_a(layer, "Conv3D") and first else ()


def _channels_first(layer: Layer) -> bool:
    return getattr(layer, "data_format", None) == "channels_first"


def _without_cudnn(layer: Layer, arrays: list[Stored]) -> list[Stored]:
    """Weights of ``CuDNNLSTM`` and ``CuDNNGRU`` in the form of the layers without CuDNN."""
    count = gates(layer)
    if len(arrays) != 3 or not count or is_a(layer, "ConvLSTM2D", "ConvLSTM2DCell"):
        return arrays
    kernel, recurrent, bias = arrays
    if len(recurrent.shape) != 2 or len(kernel.shape) != 2 or len(bias.shape) != 1:
        return arrays
    units = recurrent.shape[0]
    if bias.shape != (2 * units * count,) or recurrent.shape[1] != units * count:
        return arrays
    return [
        Made(kernel.shape, kernel.place, (kernel,), lambda k: _each(k, count, _refilled)),
        Made(
            recurrent.shape, recurrent.place, (recurrent,), lambda k: _each(k, count, np.transpose)
        ),
        _bias(bias, count, units),
    ]


def _bias(bias: Stored, count: int, units: int) -> Stored:
    """CuDNN has two biases: an LSTM has their sum, a GRU both."""
    if count == 4:
        total = (units * count,)
        return Made(total, bias.place, (bias,), lambda b: b.reshape(2, -1).sum(axis=0))
    return Made((2, units * count), bias.place, (bias,), lambda b: b.reshape(2, -1))


def _each(kernel: np.ndarray, count: int, change: Any) -> np.ndarray:
    return np.hstack([change(part) for part in np.hsplit(kernel, count)])


def _refilled(kernel: np.ndarray) -> np.ndarray:
    return kernel.T.reshape(kernel.shape, order="F")
