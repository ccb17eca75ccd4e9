"""Base of layers that read texts, or integers of 64 bits: outside of compiled programs."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from lamina.core import context, shapes
from lamina.core.layer import Layer
from lamina.core.symbolic import TEXT, SymbolicTensor, is_symbolic


def as_texts(layer: Any, value: Any) -> np.ndarray:
    """Texts as an array of objects: from lists of them, arrays of NumPy, bytes in UTF-8.

    Raises:
        TypeError: something in it is no text.
        ValueError: lists of unequal lengths.
    """
    array = np.asarray(value, None if hasattr(value, "dtype") else object)
    if array.dtype.kind not in "OUST":
        raise TypeError(f"{layer}: the input must hold texts, got dtype {array.dtype}.")
    texts = array.reshape(-1).tolist()
    texts = [one.decode("utf-8") if isinstance(one, bytes) else one for one in texts]
    for one in texts:
        if not isinstance(one, str):
            if isinstance(one, list | tuple | np.ndarray):
                raise ValueError(
                    f"{layer}: the texts stand in lists of unequal lengths. Pad the lists."
                )
            raise TypeError(f"{layer}: the input must hold texts, got {one!r} among them.")
    found = np.empty(len(texts), object)
    found[:] = texts
    return found.reshape(array.shape)


def as_integers(layer: Any, value: Any) -> np.ndarray:
    """Whole numbers as an array of int64; floats are cut to whole numbers, as Keras does.

    Raises:
        TypeError: something in it is no number.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{layer}: the input must hold whole numbers, got dtype {array.dtype}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{layer}: the input must hold whole numbers, got NaN or infinity.")
    return array.astype(np.int64)


class HostLayer(Layer):
    """Base of layers that compute with NumPy where the values of their input are known.

    So they are when such a layer is called on data, and in models that read texts, which run
    operation by operation. In compiled programs `traced` runs instead.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.autocast = False  # texts are none, and floats of 16 bits hold no large integers

    def build(self, input_shape: Any) -> None:
        for layer in self.sublayers():
            layer.built = True

    def on_host(self, inputs: Any) -> Any:
        """The output for an array of NumPy, a list of texts, or several of these."""
        raise NotImplementedError

    def traced(self, inputs: Any) -> Any:
        """The output within a compiled program, for arrays of numbers.

        Raises:
            TypeError: the layer needs texts; there are none in a compiled program.
        """
        raise TypeError(
            f"{self} reads texts, and gets numbers within a compiled program, where there are "
            "no texts. Call it on the data, before the model; or make the model's input of texts: "
            'Input((1,), dtype="string").'
        )

    def check_symbolic(self, tensor: SymbolicTensor) -> None:
        """Raise a ``TypeError`` for a symbolic input of a kind that the layer does not read."""
        if tensor.dtype != TEXT:
            self.traced(tensor)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        running = context.current() is not None or is_symbolic((inputs, args, kwargs))
        if running or any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(inputs)):
            return super().__call__(inputs, *args, **kwargs)
        kwargs.pop("training", None)
        return self.call(inputs, *args, **kwargs)

    def call(self, inputs: Any) -> Any:
        known = not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(inputs))
        return self.on_host(inputs) if known else self.traced(inputs)

    def _output_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        for tensor in shapes.flat(inputs):
            if isinstance(tensor, SymbolicTensor):
                self.check_symbolic(tensor)
        return super()._output_spec(args, kwargs, inputs)
