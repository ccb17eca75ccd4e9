"""`Model`: layers with a graph or a ``call`` of their own, and the training of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lamina import registry
from lamina.core import context, dispatch, masks, pure, shapes
from lamina.core.derived import recorded
from lamina.core.graph import Graph, tensors
from lamina.core.layer import Layer
from lamina.core.symbolic import TEXT, SymbolicTensor, is_symbolic
from lamina.models import functional
from lamina.models.batchwise import BatchMethods
from lamina.models.old_names import OldNames
from lamina.models.saving import Saves
from lamina.models.trainer import Trainer
from lamina.typing import Config, Nested


@registry.register("layer", "Functional", "Network", "Container")
class Model(OldNames, BatchMethods, Saves, Trainer, Layer):
    """Group layers into something that can be trained.

    Three ways to make one: from symbolic inputs and outputs, ``Model(inputs, outputs)``; as a
    subclass with a ``call`` of its own; or layer by layer, as a `Sequential`.

    Args:
        inputs: symbolic tensor, or a list, tuple or dict of them.
        outputs: what was computed from them.
        name: unique name of the model.
        options: what every layer takes.

    Raises:
        TypeError: inputs or outputs are no symbolic tensors.
        ValueError: an output depends on an input that is not given; two layers share a name.

    >>> from lamina.layers import Dense, Input
    >>> x = Input(shape=(32,))
    >>> Model(x, Dense(16, activation="softmax")(x)).count_params()
    528
    """

    supports_masking = True

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name=name, **options)
        self._reset_graph()
        self._start_training_state()
        if inputs is not None or outputs is not None:
            self._set_graph(inputs, outputs)
            if not self.trainable:
                self.trainable = False  # also that of the layers

    def _reset_graph(self) -> None:
        self.graph: Graph | None = None
        self._symbolic_losses: list[SymbolicTensor] = []
        self._input_structure: Nested = None
        self._output_structure: Nested = None
        self.input_names: list[str] = []
        self.output_names: list[str] = []
        self.takes_texts = False

    def _set_graph(self, inputs: Nested, outputs: Nested) -> None:
        """Make the graph between the given tensors the body of the model."""
        outputs = functional.in_order(outputs)
        ins = functional.checked_tensors(self.name, "inputs", inputs)
        outs = functional.checked_tensors(self.name, "outputs", outputs)
        repeated = {tensor.name for tensor in ins if sum(tensor is t for t in ins) > 1}
        if repeated:
            raise ValueError(f"{self}: input {min(repeated)!r} is listed more than once.")
        inputs, outputs = functional.unwrapped(inputs), functional.unwrapped(outputs)
        graph = Graph(ins, [*outs, *self._symbolic_losses], self.name)
        functional.check_names(self.name, graph.layers_only())
        self.graph = graph
        self._input_structure, self._output_structure = inputs, outputs
        self.input_names = functional.names_of(ins)
        self.output_names = functional.names_of(outs, outputs)
        self.takes_texts = any(tensor.dtype == TEXT for tensor in ins)
        self.built = True

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic inputs of the graph."""
        return list(self.graph.inputs) if self.graph else []

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic outputs of the graph."""
        return list(tensors(self._output_structure)) if self.graph else []

    def _known(self, what: str) -> None:
        if self.graph is None:
            raise AttributeError(
                f"{self}: {what} is not known before the model saw data. Give the first layer an "
                "input_shape, or call the model on data first."
            )

    @property
    def input(self) -> Any:
        self._known("input")
        return self._input_structure

    @property
    def output(self) -> Any:
        self._known("output")
        return self._output_structure

    @property
    def input_shape(self) -> Any:
        self._known("input_shape")
        return _one([tensor.shape for tensor in self.inputs])

    @property
    def output_shape(self) -> Any:
        self._known("output_shape")
        return _one([tensor.shape for tensor in self.outputs])

    @property
    def layers(self) -> list[Layer]:
        """The layers in the order of the graph, or in that of the attributes."""
        return self.sublayers()

    def sublayers(self) -> list[Layer]:
        if self.graph is None:
            return super().sublayers()
        found = {id(layer): layer for layer in self.graph.layers_only()}
        found.update((id(layer), layer) for layer in super().sublayers())
        return list(found.values())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or by index.

        Raises:
            ValueError: there is none of that name or index.
        """
        layers = self.layers
        if (index is None) == (name is None):
            raise ValueError(f"{self}: get_layer takes either a name or an index.")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"{self} has {len(layers)} layers; index {index} is none of them.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in layers]
        raise ValueError(
            f"{self} has no layer {name!r}.{registry.did_you_mean(str(name), names)} "
            f"Its layers are {', '.join(names) or 'none yet'}."
        )

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add scalars to the loss; symbolic ones are computed from the graph at each step."""
        given = losses if isinstance(losses, list | tuple) else [losses]
        if not is_symbolic(given):
            super().add_loss(losses, inputs)
            return
        self._known("a symbolic loss")
        self._symbolic_losses.extend(
            functional.checked_tensors(self.name, "losses", recorded(given))
        )
        self._set_graph(self._input_structure, self._output_structure)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Run the graph on arrays; a subclass says here what happens instead."""
        if self.graph is None:
            raise NotImplementedError(
                f"{self} has neither inputs and outputs nor a method call: pass them to Model(), "
                "or define call(self, inputs)."
            )
        graph, record = self.graph, context.current()
        if record is None:
            raise RuntimeError(
                f"{self}: call is for use within a run. Call the model itself, model(x), instead "
                "of its method call."
            )
        values = functional.aligned(self, inputs, self.input_names, graph.inputs)
        found = [None] * len(values) if mask is None else shapes.listed(mask)
        outputs, out_masks = graph.run(values, found)
        count = len(outputs) - len(self._symbolic_losses)
        for output, one in zip(outputs, out_masks, strict=True):
            if one is not None:
                masks.remember(output, one, self.name)
        record = context.current()
        assert record is not None
        record.losses.extend((self, loss.mean()) for loss in outputs[count:])
        places = {id(tensor): value for tensor, value in zip(self.outputs, outputs, strict=False)}
        return dispatch.replace(self._output_structure, lambda tensor: places[id(tensor)])

    def _output_mask(self, inputs: Any, outputs: Any, mask: Any) -> Any:
        if type(self).compute_mask is not Model.compute_mask:
            return self.compute_mask(inputs, mask)
        found = [masks.recall(output) for output in shapes.flat(outputs)]
        return found if any(one is not None for one in found) else None

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The masks of the outputs: those that the layers inside make."""
        if context.current() is None:
            return pure.trial(self._computed, ((inputs,), {}, mask), {})[1]
        return self._computed((inputs,), {}, mask)[1]

    def build(self, input_shape: Any = None) -> None:
        """Create all weights for inputs of a shape, batch axis included.

        Raises:
            ValueError: the shape is missing or no shape.
        """
        if self.graph is None:
            functional.check_shape(self, input_shape)
            inputs = shapes.symbolic_inputs(input_shape, self.compute_dtype)
            dispatch.infer(self.name, self._inferred, (inputs,), {})
        self.built = True

    def _built_by_call(self) -> bool:
        return type(self).build is Model.build

    def _output_spec(self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Any) -> Any:
        same = self.graph is not None and [t.shape for t in self.inputs] == [
            getattr(t, "shape", None) for t in shapes.flat(inputs)
        ]
        if not same or isinstance(inputs, dict) or kwargs:
            return super()._output_spec(args, kwargs, inputs)
        return dispatch.replace(
            self._output_structure, lambda t: SymbolicTensor(t.shape, t.dtype, self.name)
        )

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Print a table of the layers, their output shapes and numbers of weights.

        Args:
            line_length: width in characters; that of the terminal by default.
            positions: accepted for old code; the table finds its own columns.
            print_fn: gets the lines one by one; ``print`` by default.
            expand_nested: whether models inside are listed layer by layer.
            show_trainable: whether a column says which layers training changes.
            layer_range: names of the first and the last layer to list.
        """
        from lamina.models.summary import table

        for line in table(self, line_length, expand_nested, show_trainable, layer_range):
            (print_fn or print)(line)

    def get_config(self) -> Config:
        """The layers and how they are connected; a subclass gives its own arguments."""
        if self.graph is None or type(self) is not Model:
            config = super().get_config()
            if type(self).get_config is Model.get_config:
                functional.check_arguments(self, config)
            return config
        from lamina.saving.graph_writing import graph_config

        return graph_config(self)

    @classmethod
    def from_config(cls, config: Config, custom_objects: Any = None) -> Any:
        """Make a model from what ``get_config`` of any release gave."""
        if cls is not Model and "input_layers" not in config:
            return cls(**config)
        from lamina.saving import config as reader
        from lamina.saving.graphs import model_from_graph

        with registry.custom_object_scope(custom_objects or {}):
            return model_from_graph(cls, reader.translated_body("Functional", config), None)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from lamina.models.copying import deep_copy

        return deep_copy(self, memo)

    def to_json(self, **options: Any) -> str:
        """The config as JSON text.

        Args:
            options: passed to ``json.dumps``.
        """
        from lamina import __version__

        content = {
            "class_name": registry.registered_name(type(self)),
            "config": self.get_config(),
            "keras_version": "2.2.4",
            "backend": "jax",
            "lamina_version": __version__,
        }
        return json.dumps(content, **options)


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
