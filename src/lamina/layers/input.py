"""`Input` and `InputLayer`: where data enters a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import registry
from lamina.core import naming, policy
from lamina.core.derived import recorded
from lamina.core.graph import Node
from lamina.core.layer import Layer
from lamina.core.shapes import is_shape
from lamina.core.symbolic import TEXT, SymbolicTensor
from lamina.core.variable import Variable
from lamina.layers import checks
from lamina.typing import Shape


@registry.register("layer")
class InputLayer(Layer):
    """The place where data enters a model; `Input` makes one.

    Args:
        input_shape: shape of one sample, without the batch axis.
        batch_size: number of samples in a batch, if it is fixed.
        batch_input_shape: shape with the batch axis.
        dtype: dtype of the data; ``floatx`` by default; ``"string"`` for texts.
        input_tensor: array, variable or symbolic tensor to wrap; nothing is fed then.
        sparse: whether sparse matrices are fed.
        name: unique name; ``input_1`` and so on by default.
        batch_shape: the same as `batch_input_shape`.
        shape: the same as `input_shape`.
        ragged: not supported.
        optional: not supported.
        input_dtype: the same as `dtype`, by the name of Keras 1.

    >>> InputLayer((3,), name="words").output.shape
    (None, 3)
    """

    def __init__(
        self,
        input_shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
        dtype: Any = None,
        input_tensor: Any = None,
        sparse: bool = False,
        name: str | None = None,
        *,
        batch_shape: Sequence[int | None] | None = None,
        shape: Sequence[int | None] | None = None,
        ragged: bool = False,
        optional: bool = False,
        input_dtype: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name or naming.unique("input", first=1), trainable=trainable)
        if ragged or optional:
            word = "ragged" if ragged else "optional"
            raise ValueError(f"{self}: {word}=True is not supported; pad the data and use a mask.")
        whole = batch_input_shape if batch_input_shape is not None else batch_shape
        sample = input_shape if input_shape is not None else shape
        self.batch_input_shape = self._stated(sample, batch_size, whole, input_tensor)
        self._agreeing(sample, batch_size, whole)
        self.input_dtype = _dtype_name(self, dtype or input_dtype, input_tensor)
        self.sparse = checks.flag(sparse, "sparse", self)
        self.built = True
        kind = TEXT if self.input_dtype == "string" else self.input_dtype
        tensor = SymbolicTensor(self.batch_input_shape, kind, self.name, self.sparse)
        input_tensor = recorded(input_tensor)
        computed = isinstance(input_tensor, SymbolicTensor)
        tensor.value = None if input_tensor is None or computed else _wrapped(input_tensor)
        self.wraps = input_tensor is not None
        Node(self, (input_tensor,) if computed else (), {}, tensor)

    def _stated(self, sample: Any, batch_size: int | None, whole: Any, tensor: Any) -> Shape:
        if tensor is not None:
            return tuple(tensor.shape if hasattr(tensor, "shape") else np.shape(tensor))
        if whole is None and sample is None:
            raise ValueError(
                f"{self}: Input needs a shape, such as Input(shape=(32,)), without the batch "
                "axis, or a batch_shape with it."
            )
        stated = whole if whole is not None else sample
        if isinstance(stated, int | np.integer):
            stated = (stated,)
        if not is_shape(stated) or any(size is not None and size < 0 for size in stated):
            argument = "batch_shape" if whole is not None else "shape"
            raise ValueError(
                f"{self}: {argument} must be a tuple of sizes or None, such as (28, 28, 1), "
                f"got {stated!r}."
            )
        if batch_size is not None and whole is None:
            batch_size = checks.positive(batch_size, "batch_size", self)
        sizes = tuple(None if size is None else int(size) for size in stated)
        return sizes if whole is not None else (batch_size, *sizes)

    def _agreeing(self, sample: Any, batch_size: int | None, whole: Any) -> None:
        """Raise an error if two arguments state different shapes."""
        found = self.batch_input_shape
        sample = (sample,) if isinstance(sample, int | np.integer) else sample
        stated = {
            "batch_size": (batch_size, found[0] if found else None),
            "shape": (sample if sample is None else tuple(sample), found[1:]),
            "batch_shape": (whole if whole is None else tuple(whole), found),
        }
        for argument, (given, real) in stated.items():
            if given is not None and not _alike(given, real):
                raise ValueError(
                    f"{self}: {argument} is {given!r}, but the other arguments state the shape "
                    f"{found}, batch included. Leave one of them out."
                )

    @property
    def input(self) -> Any:
        return self.output

    @property
    def input_shape(self) -> Any:
        return self.output.shape

    @property
    def dtype(self) -> str:
        return self.input_dtype

    def call(self, inputs: Any) -> Any:
        return inputs

    def run(self, node: Node, values: dict[int, Any], found: dict[int, Any]) -> Any:
        """The wrapped tensor, where nothing is fed."""
        if node.args:
            return [values[id(node.args[0])]], [found.get(id(node.args[0]))]
        return [_plain(node.output_tensors[0].value)], [None]

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_input_shape": self.batch_input_shape,
            "dtype": self.input_dtype,
            "sparse": self.sparse,
            "name": self.name,
        }


def Input(
    shape: Any = None,
    batch_shape: Any = None,
    name: str | None = None,
    dtype: Any = None,
    sparse: bool = False,
    tensor: Any = None,
    *,
    batch_size: int | None = None,
    ragged: bool = False,
    optional: bool = False,
) -> SymbolicTensor:
    """Make a symbolic tensor where data will be fed.

    Args:
        shape: shape of one sample, without the batch axis; ``None`` for unknown sizes.
        batch_shape: shape with the batch axis.
        name: unique name of the input.
        dtype: dtype of the data; ``floatx`` by default; ``"string"`` for texts, which layers such
            as `StringLookup` read; such a model runs operation by operation.
        sparse: whether sparse matrices are fed (``scipy.sparse`` or ``BCOO``).
        tensor: array, variable or symbolic tensor to wrap; nothing is fed for it then. A model
            on a symbolic one is a part of the graph that the tensor comes from, as in
            ``VGG16(input_tensor=x)``; `predict` feeds its input as that of any model.
        batch_size: size of the batch axis, if it is fixed.
        ragged: not supported.
        optional: not supported.

    Raises:
        ValueError: neither `shape`, `batch_shape` nor `tensor` is given, or one is no shape.

    >>> Input(shape=(32,)).shape
    (None, 32)
    """
    if isinstance(batch_shape, int | np.integer):
        # Keras 3 has the batch size in the second place.
        batch_size, batch_shape = int(batch_shape), None
    layer = InputLayer(
        shape,
        batch_size,
        batch_shape,
        dtype,
        tensor,
        sparse,
        name,
        ragged=ragged,
        optional=optional,
    )
    return layer.output


def _alike(given: Any, real: Any) -> bool:
    """Whether a stated size or shape may be the real one; ``None`` stands for any size."""
    if not isinstance(given, tuple):
        return real in (None, given)
    sizes = zip(given, real, strict=False)
    return len(given) == len(real) and all(None in pair or pair[0] == pair[1] for pair in sizes)


def _plain(tensor: Any) -> Any:
    return tensor.value if isinstance(tensor, Variable) else tensor


def _wrapped(tensor: Any) -> Any:
    return tensor if isinstance(tensor, Variable | jax.Array) else jnp.asarray(tensor)


def _dtype_name(layer: Any, dtype: Any, tensor: Any) -> str:
    if dtype is not None:
        texts = isinstance(dtype, np.dtype) and dtype == TEXT
        if texts or (isinstance(dtype, str) and dtype == "string"):
            return "string"
        try:
            return policy.name_of_dtype(dtype)
        except TypeError:
            raise ValueError(
                f"{layer}: dtype must be a dtype such as 'float32' or 'int32', got {dtype!r}."
            ) from None
    if isinstance(tensor, SymbolicTensor):
        return tensor.dtype.name
    if tensor is not None:
        return jnp.dtype(_wrapped(tensor).dtype).name
    return policy.dtype_policy().compute_dtype
