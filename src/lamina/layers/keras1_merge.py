"""``Merge`` and ``merge`` of Keras 1: one name for all the ways to join tensors, or branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamina import registry
from lamina.core.configurable import Configurable
from lamina.core.layer import Layer
from lamina.layers.function import Lambda
from lamina.layers.input import Input
from lamina.layers.merge import Add, Average, Concatenate, Dot, Maximum, Multiply
from lamina.layers.merge import Merge as Joining
from lamina.typing import Nested

MODES: dict[str, Callable[..., Any]] = {
    "sum": Add,
    "mul": Multiply,
    "ave": Average,
    "max": Maximum,
    "concat": Concatenate,
    "dot": Dot,
    "cos": Dot,
}


class Joiner(Configurable):
    """Class of `Merge`: calling it makes a layer of today's class for the mode."""

    if not TYPE_CHECKING:

        def __call__(cls, layers: Any = None, mode: Any = "sum", *args: Any, **options: Any) -> Any:
            return made(layers, mode, *args, **options)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Joining)


class Merge(Joining, metaclass=Joiner):
    """Join tensors, or the outputs of branches, as Keras 1 spelled it.

    It makes a layer of today's class: `Add`, `Multiply`, `Average`, `Maximum`, `Concatenate` or
    `Dot`, or a `Lambda` where the mode is a function. ``Merge(mode="sum")([a, b])`` joins tensors.
    ``Merge([left, right], mode="concat")`` joins what two models, or layers with an input shape,
    give: as the first layer of a `Sequential` it makes a model of several inputs, those of the
    branches in their order, and ``fit`` takes a list.

    The layers of such a `Sequential` are those of the branches, too; loaded from a file it is a
    `Model`. The cosine is ``(batch, 1)`` for vectors, as `Dot` gives it; Keras 1.2.2 says this
    shape and gives another one.

    Args:
        layers: the branches: models, or layers that state an input shape or were called.
        mode: ``"sum"``, ``"mul"``, ``"ave"``, ``"max"``, ``"concat"``, ``"dot"``, ``"cos"``, or a
            function of the list of tensors.
        concat_axis: axis to join along.
        dot_axes: axis, or pair of axes, of products.
        output_shape: shape, where `mode` is a function, as in `Lambda`.
        output_mask: mask, where `mode` is a function, as in `Lambda`.
        node_indices: which call of each branch is meant; the first by default.
        tensor_indices: which output of each branch is meant; the first by default.
        name: name of the layer.
        arguments: further arguments of the function.

    Raises:
        ValueError: no mode of that name, a branch without an output, or shapes that do not fit.
        TypeError: `layers` is no list of two branches at least.

    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> left, right = Sequential([Dense(3, input_dim=4)]), Sequential([Dense(2, input_dim=6)])
    >>> model = Sequential()
    >>> model.add(Merge([left, right], mode="concat"))
    >>> model.add(Dense(1))
    >>> model.input_shape, model.layers[-2].output_shape
    ([(None, 4), (None, 6)], (None, 5))
    """

    def __init__(  # the signature for readers and editors; see `Joiner`
        self,
        layers: Sequence[Layer] | None = None,
        mode: str | Callable[..., Any] = "sum",
        concat_axis: int = -1,
        dot_axes: Any = -1,
        output_shape: Any = None,
        output_mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        node_indices: Sequence[int] | None = None,
        tensor_indices: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        raise NotImplementedError


def made(
    layers: Sequence[Any] | None = None,
    mode: str | Callable[..., Any] = "sum",
    concat_axis: int = -1,
    dot_axes: Any = -1,
    output_shape: Any = None,
    output_mask: Any = None,
    arguments: Mapping[str, Any] | None = None,
    node_indices: Sequence[int] | None = None,
    tensor_indices: Sequence[int] | None = None,
    name: str | None = None,
    **options: Any,
) -> Layer:
    """The layer that a `Merge` stands for, called on its branches if there are some.

    The arguments are those of `Merge`.
    """
    layer = _joining(mode, concat_axis, dot_axes, name, options)
    if layer is None:
        layer = Lambda(mode, output_shape, output_mask, arguments, name=name, **options)  # type: ignore[arg-type]
    if layers is None:
        return layer
    if not isinstance(layers, list | tuple) or len(layers) < 2:
        raise TypeError(f"Merge: layers must be a list of at least two branches, got {layers!r}.")
    places = zip(
        node_indices or [0] * len(layers), tensor_indices or [0] * len(layers), strict=True
    )
    branches = zip(layers, places, strict=True)
    layer([_output(branch, *place) for branch, place in branches])
    return layer


def _joining(
    mode: Any, concat_axis: int, dot_axes: Any, name: str | None, options: Mapping[str, Any]
) -> Layer | None:
    """A layer of the mode, or ``None`` where the mode is a function."""
    if callable(mode):
        return None
    if mode not in MODES:
        raise ValueError(
            f"merge: mode must be a function or one of {', '.join(MODES)}, got {mode!r}."
            f"{registry.did_you_mean(str(mode), list(MODES))}"
        )
    given: dict[str, Any] = {"name": name, **options}
    if mode == "concat":
        given["axis"] = concat_axis
    if mode in ("dot", "cos"):
        given |= {"axes": dot_axes, "normalize": mode == "cos"}
    return MODES[mode](**given)


def _output(branch: Any, node: int, index: int) -> Any:
    """The tensor that a branch gives."""
    if not isinstance(branch, Layer):
        raise TypeError(
            f"Merge: a branch must be a model or a layer, got {branch!r}. Tensors are joined by a "
            "call: Merge(mode='sum')([a, b])."
        )
    if getattr(branch, "graph", None) is not None and node == 0:
        outputs = branch.outputs  # type: ignore[attr-defined]
    elif branch.inbound_nodes:
        calls = branch.inbound_nodes
        outputs = calls[node].output_tensors if -len(calls) <= node < len(calls) else []
    elif branch.batch_input_shape is not None and node == 0:
        shape, dtype = branch.batch_input_shape, branch.input_dtype_of_first
        outputs = [branch(Input(batch_shape=shape, dtype=dtype, name=f"{branch.name}_input"))]
    else:
        raise ValueError(
            f"Merge: the branch {branch} has no output yet. Give its first layer an input_shape."
        )
    if not -len(outputs) <= index < len(outputs):
        raise ValueError(
            f"Merge: the branch {branch} has no output {index} of call {node}, as node_indices and "
            "tensor_indices say."
        )
    return outputs[index]


def merge(
    inputs: Nested,
    mode: str | Callable[..., Any] = "sum",
    concat_axis: int = -1,
    dot_axes: Any = -1,
    output_shape: Any = None,
    output_mask: Any = None,
    arguments: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Any:
    """Combine several tensors, as Keras 1 spelled it.

    Args:
        inputs: list of tensors.
        mode: ``"sum"``, ``"mul"``, ``"ave"``, ``"max"``, ``"concat"``, ``"dot"``, ``"cos"``, or
            a function of the list.
        concat_axis: axis to join along.
        dot_axes: axis, or pair of axes, of products.
        output_shape: shape, where `mode` is a function, as in `Lambda`.
        output_mask: mask, where `mode` is a function, as in `Lambda`.
        arguments: further arguments of the function.
        name: name of the layer.

    Returns:
        The combined tensor.

    Raises:
        ValueError: no mode of that name.

    >>> from lamina.layers import Input
    >>> merge([Input((3,)), Input((4,))], mode="concat", concat_axis=1).shape
    (None, 7)
    """
    layer = made(None, mode, concat_axis, dot_axes, output_shape, output_mask, arguments, name=name)
    return layer(inputs)
