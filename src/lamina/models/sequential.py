"""`Sequential`: layers one after another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina import registry
from lamina.core import faulty, sharing
from lamina.core.graph import tensors
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor
from lamina.layers.input import Input, InputLayer
from lamina.models import branches, functional
from lamina.models.model import Model
from lamina.typing import Config


@registry.register("layer")
class Sequential(Model):
    """Apply layers one after another.

    The model is built when its input shape is known: from an `Input` or the ``input_shape`` of
    the first layer, else at the first call.

    Args:
        layers: the layers, in their order.
        name: unique name of the model.
        trainable: whether training changes the weights.

    >>> from lamina.layers import Dense
    >>> Sequential([Dense(4, input_shape=(3,)), Dense(2)]).output_shape
    (None, 2)
    """

    def __init__(
        self,
        layers: Iterable[Any] | None = None,
        name: str | None = None,
        trainable: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(name=name, trainable=trainable, **options)
        self._stack: list[Layer] = []
        self._tensors: list[Any] = []
        self._entry: InputLayer | None = None
        self._entry_guessed = False
        self._sees_values = False
        if layers is not None and not isinstance(layers, Iterable):
            raise TypeError(f"{self}: layers must be a list of layers, got {layers!r}.")
        for layer in layers or ():
            self.add(layer)
        if not trainable:
            self.trainable = False  # also that of the layers

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input; those of branches, too, if it begins with such."""
        return self.sublayers()

    def sublayers(self) -> list[Layer]:
        return super().sublayers() if self.branched else list(self._stack)

    @property
    def branched(self) -> bool:
        """Whether the first layer joins branches, so that the graph is more than a stack."""
        return bool(self._tensors) and isinstance(self._tensors[0], list)

    def by_branches(self) -> list[Layer]:
        """The layers of a model with branches, branch by branch, as Keras 1 had them."""
        return branches.layers_before(self._tensors[-1])

    def add(self, layer: Any) -> None:
        """Put a layer at the end.

        Args:
            layer: a layer, a model, or an `Input` as the first.

        Raises:
            TypeError: it is no layer.
            ValueError: its name is taken, it has several outputs, or an input comes late.
        """
        layer = self._checked(layer)
        if isinstance(layer, InputLayer):
            self._enter(layer)
            return
        entered = self._stack or self._entry is not None
        if not entered and self._begins_with(layer):
            return
        try:
            if not entered:
                self._enter_from(layer)
            if self._tensors:
                self._extend(layer)
        except Exception:
            if not entered:
                self._entry, self._tensors = None, []
            raise
        self._stack.append(layer)
        self._forget_graph()

    def _begins_with(self, layer: Layer) -> bool:
        """Begin with a layer that joins branches, as Keras 1 can; whether it does."""
        call = branches.joined(layer)
        if call is None:
            return False
        self._tensors = [branches.sources(call), call.output_tensors[0]]
        self._stack.append(layer)
        self._forget_graph()
        return True

    def _checked(self, layer: Any) -> Layer:
        """What may be added: a layer whose name is free, or that of an `Input`."""
        if isinstance(layer, SymbolicTensor) and isinstance(layer.op, InputLayer):
            return layer.op
        if not isinstance(layer, Layer):
            hint = " Did you forget the parentheses?" if isinstance(layer, type) else ""
            if hasattr(layer, "shape") and not hint:
                hint = " Put layers in, not what they return: Dense(3) instead of Dense(3)(x)."
            raise TypeError(f"{self}: add takes a layer, got {functional.described(layer)}.{hint}")
        if any(other.name == layer.name for other in self._stack):
            raise ValueError(
                f"{self}: a layer named {layer.name!r} is in the model already; all names must be "
                "unique."
            )
        return layer

    def _extend(self, layer: Layer) -> None:
        """Call one more layer; if it needs sizes that are only guessed, wait for the data."""
        try:
            self._tensors.append(self._extended(layer, self._tensors[-1]))
        except (TypeError, ValueError):
            if not (self._entry_guessed and self._stack):
                raise
            for before, tensor in zip(self._stack, self._tensors[1:], strict=True):
                before.inbound_nodes[:] = [n for n in before.inbound_nodes if n is not tensor.node]
            self._entry, self._tensors, self._entry_guessed = None, [], False
            self.built = False

    def _extended(self, layer: Layer, tensor: Any) -> SymbolicTensor:
        output = layer(tensor)
        if len(list(tensors(output))) != 1:
            raise ValueError(
                f"{self}: {layer} has several outputs; in a Sequential each layer has one. Build "
                "the model with Model(inputs, outputs)."
            )
        return next(tensors(output))

    def _enter(self, layer: InputLayer) -> None:
        if self._stack or self._entry is not None:
            raise ValueError(f"{self}: an input can only be the first layer.")
        self._entry = layer
        self._tensors = [layer.output]
        self._forget_graph()

    def _enter_from(self, layer: Layer) -> None:
        """Open the model with the input that the first layer states, or a model as first has."""
        shape, dtype = layer.batch_input_shape, None
        if isinstance(layer, Model) and layer.graph is not None:
            shape, dtype = layer.inputs[0].shape, layer.inputs[0].dtype
        if shape is not None:
            stated = dtype or layer.input_dtype_of_first
            entry = Input(batch_shape=shape, dtype=stated, name=_entry_name(layer))
            self._enter(entry.op)
            self._entry_guessed = bool(getattr(layer, "_entry_guessed", False))

    def pop(self) -> Layer | None:
        """Take the last layer away.

        Raises:
            TypeError: there is none.
        """
        if not self._stack:
            raise TypeError(f"{self}: there is no layer to take away.")
        layer = self._stack.pop()
        if self._tensors:
            gone = self._tensors.pop()
            layer.inbound_nodes[:] = [n for n in layer.inbound_nodes if n is not gone.node]
        own = self._entry is not None and self._entry.name == _entry_name(layer)
        if not self._stack and (own or self.branched):
            self._entry, self._tensors = None, []
        self._forget_graph()
        return layer

    def _forget_graph(self) -> None:
        self._reset_graph()
        if self._tensors and self._stack:
            self._set_graph(self._tensors[0], self._tensors[-1])

    def build(self, input_shape: Any = None) -> None:
        """Build all layers for inputs of a shape, batch axis included."""
        if self.graph is None:
            if not self._stack:
                raise ValueError(f"{self}: a model without layers cannot be built; add some.")
            functional.check_shape(self, input_shape)
            first = self._stack[0]
            shape = (None, *tuple(input_shape)[1:])
            dtype = first.input_dtype_of_first
            try:
                self._replay(Input(batch_shape=shape, dtype=dtype, name=_entry_name(first)))
            except faulty.ValuesNeededError:
                if not self._sees_values:
                    raise
                # Without a graph the layers are run one after another.
        self.built = True

    def _replay(self, entry: SymbolicTensor) -> None:
        """Call the layers one after another on an input."""
        self._entry, self._tensors = entry.op, [entry]
        try:
            for layer in self._stack:
                self._tensors.append(self._extended(layer, self._tensors[-1]))
        except Exception:
            self._entry, self._tensors = None, []
            raise
        self._forget_graph()

    def _prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.built:
            self._sees_values = self._runs_eagerly(args, kwargs)
        super()._prepare(args, kwargs)

    def _built_by_call(self) -> bool:
        return False

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not self._stack:
            return inputs
        if self.graph is None:
            for layer in self._stack:
                inputs = layer(inputs) if mask is None else layer(inputs, mask=mask)
                mask = None
            return inputs
        return super().call(inputs, training=training, mask=mask)

    def get_config(self) -> Config:
        """Name and layers; the input comes first where the model has one."""
        if self.branched:
            from lamina.saving.graph_writing import graph_config

            return graph_config(self)
        first = [] if self._entry is None else [self._entry]
        with sharing.numbered(self):
            layers = [sharing.serialize(layer) for layer in (*first, *self._stack)]
        return {"name": self.name, "layers": layers}

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        """Make a model from what ``get_config`` of any release gave; in Keras 1 it is a list.

        Returns:
            A `Sequential`; a `Model` for one of Keras 1 that begins with a ``Merge`` of branches.
        """
        with registry.custom_object_scope(custom_objects or {}):
            from lamina.saving import config as reader
            from lamina.saving.graphs import model_from_graph

            found = reader.translated_body("Sequential", config)
            if "input_layers" in found:
                return model_from_graph(Model, found, None)
            with sharing.kept():
                layers = [sharing.deserialize(entry) for entry in found["layers"]]
            model = cls(layers, name=found.get("name"), trainable=found.get("trainable", True))
            shape = found.get("build_input_shape")
            if shape is not None and not model.built:
                model.build(tuple(shape))
            return model

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: Any = 0) -> Any:
        """The class of each row: the largest output, or whether the single one is over 0.5."""
        outputs = self.predict(x, batch_size=batch_size, verbose=verbose)
        if outputs.shape[-1] > 1:
            return outputs.argmax(axis=-1)
        return (outputs > 0.5).astype("int32")

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: Any = 0) -> Any:
        """The same as ``predict``."""
        return self.predict(x, batch_size=batch_size, verbose=verbose)


def _entry_name(layer: Layer) -> str:
    """Name of the input that opens a model with a layer."""
    return f"{layer.name}_input"
