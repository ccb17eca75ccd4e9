"""Copies of models: the graph called again, on other inputs and with other layers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from lamina import registry
from lamina.core import calls, dispatch
from lamina.core.derived import Derived, follows, recorded
from lamina.core.dispatch import Function, MaskOf
from lamina.core.graph import Graph, Node, replace, tensors
from lamina.core.layer import Layer
from lamina.core.naming import counted
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable
from lamina.layers.input import Input, InputLayer
from lamina.models.compiled import Compiled, without_state
from lamina.training.compile import Compilation

GRAPH = ("graph", "_input_structure", "_output_structure", "_symbolic_losses", "_tensors", "_entry")
"""Attributes of a model that a copy makes anew by calling its layers."""


def replayed(
    graph: Graph,
    inputs: Sequence[SymbolicTensor],
    change: Callable[[Layer], Layer],
    call: Callable[..., Any] | None = None,
) -> dict[int, SymbolicTensor]:
    """Call the layers of a graph again.

    Args:
        graph: the graph.
        inputs: tensors in the place of the graph's inputs.
        change: gives the layer that is called in the place of one.
        call: what calls it, with the layer before its arguments.

    Returns:
        For the identity of each tensor of the graph, the new tensor.
    """
    table = {id(old): new for old, new in zip(graph.inputs, inputs, strict=True)}
    parts = _Parts(graph, change)
    for node in graph.nodes:
        args, kwargs = replace((node.args, node.kwargs), lambda tensor: table[id(tensor)])
        operation = node.operation
        if isinstance(operation, MaskOf):
            outputs = args[0].mask
        elif isinstance(operation, Function):
            outputs = _function_again(node, *replace((args, kwargs), parts.weight, Variable))
        elif isinstance(operation, InputLayer):  # a wrapped array
            outputs = parts.layer(operation).output
        else:
            layer = parts.layer(operation)
            outputs = layer(*args, **kwargs) if call is None else call(layer, *args, **kwargs)
        table.update(zip(map(id, node.output_tensors), tensors(outputs), strict=True))
    return table


def _function_again(node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The symbolic result of a function for other arguments."""
    if not node.input_tensors and not follows((args, kwargs)):
        return node.outputs  # the learning phase
    return recorded(dispatch.dispatch(node.operation.function, *args, **kwargs))


class _Parts:
    """The layers and weights in the place of those of a graph."""

    def __init__(self, graph: Graph, change: Callable[[Layer], Layer]) -> None:
        self._change = change
        self._changed: dict[int, Layer] = {}
        self._owners = {
            variable: (layer, place)
            for layer in graph.layers_only()
            for place, variable in enumerate(layer.weights)
        }

    def layer(self, layer: Layer) -> Layer:
        if id(layer) not in self._changed:
            self._changed[id(layer)] = self._change(layer)
        return self._changed[id(layer)]

    def weight(self, variable: Variable) -> Variable:
        """The weight of the new layer; a variable of no layer stays.

        Raises:
            ValueError: the new layer has other weights.
        """
        if variable not in self._owners:
            return variable
        layer, place = self._owners[variable]
        twin = self.layer(layer)
        if not twin.built:
            twin.build(layer._build_shape)
        if len(twin.weights) != len(layer.weights):
            raise ValueError(
                f"{twin} has {counted(len(twin.weights), 'weight')} and {layer} "
                f"{len(layer.weights)}, so that it is not known which one takes the place of "
                f"{variable.path!r}, with which a function in the graph computes."
            )
        return twin.weights[place]


def new_input(tensor: SymbolicTensor, name: str | None = None) -> SymbolicTensor:
    """An `Input` of the same shape, dtype and name."""
    known = isinstance(tensor.op, InputLayer)
    return Input(
        batch_shape=tensor.shape,
        dtype=tensor.dtype,
        sparse=tensor.sparse,
        tensor=tensor.value,
        name=name or (tensor.op.name if known else None),
    )


class _Once:
    """Gives the layer in the place of each, one for each wherever it stands in models in models.

    Args:
        change: gives the layer in the place of one that is no model; by default one of its class
            with its config, in which what has no name is shared.
    """

    def __init__(self, change: Callable[[Layer], Any] | None = None) -> None:
        self._change = change
        self._made: dict[int, tuple[Layer, Any]] = {}

    def __call__(self, layer: Layer) -> Any:
        if id(layer) not in self._made:
            self._made[id(layer)] = layer, self._new(layer)
        return self._made[id(layer)][1]

    def _new(self, layer: Layer) -> Any:
        if hasattr(type(layer), "get_layer") and _is_copied_by_calls(layer):
            return _cloned(layer, None, self)
        if self._change is not None:
            return self._change(layer)
        with registry.objects_in_configs(Layer, self):
            return type(layer).from_config(layer.get_config())


def _is_copied_by_calls(model: Any) -> bool:
    return hasattr(model, "add") or model.graph is not None


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """Make a model of the same layers, with new weights.

    A layer that stands in several places, also in a model within the model, is one in the copy.
    Functions of your own (of a `Lambda`, of activations, initializers and the like) are shared
    with the model; nothing needs a name, as no file is written.

    Args:
        model: a model with a graph, or a `Sequential`.
        input_tensors: symbolic tensors, or arrays, to build it on, instead of new inputs: one, a
            list, or a dict by the names of the inputs.
        clone_function: gives the layer in the place of each layer; by default one of its class
            with its config.
        call_function: calls the layers of a graph, as ``call_function(layer, *args, **kwargs)``.
        recursive: whether `clone_function` also gets the layers of models in the model, not these
            models themselves.

    Raises:
        ValueError: the model is a subclass with a ``call`` of its own, the number of tensors
            is not that of the inputs, or a `Sequential` gets a `call_function`.

    >>> from lamina.layers import Dense
    >>> from lamina.models import Sequential
    >>> clone_model(Sequential([Dense(2, input_shape=(3,))])).output_shape
    (None, 2)
    """
    change = _Once(clone_function) if recursive or clone_function is None else clone_function
    return _cloned(model, input_tensors, change, call_function)


def _cloned(
    model: Any,
    input_tensors: Any,
    change: Callable[[Layer], Any],
    call_function: Callable[..., Any] | None = None,
) -> Any:
    """`clone_model` with what gives the layers."""
    branched = getattr(model, "branched", False)
    if hasattr(model, "add") and not branched:
        if call_function is not None:
            raise ValueError(
                f"{model}: clone_model: call_function is for graphs; a Sequential calls its layers "
                "one after the other."
            )
        return _cloned_stack(model, input_tensors, change)
    if getattr(model, "graph", None) is None:
        raise ValueError(
            f"{model}: clone_model needs a graph; a subclass is copied by "
            f"{type(model).__name__}.from_config(model.get_config())."
        )
    given = _given(model, input_tensors) or [new_input(tensor) for tensor in model.inputs]
    if len(given) != len(model.inputs):
        raise ValueError(
            f"{model}: clone_model got {counted(len(given), 'input tensor')} for "
            f"{counted(len(model.inputs), 'input')}."
        )
    table = replayed(model.graph, given, change, call_function)
    inputs, outputs = (
        replace(structure, lambda tensor: table[id(tensor)])
        for structure in (model._input_structure, model._output_structure)
    )
    cls = registry.lookup("layer", "Model") if branched else type(model)
    clone = cls(inputs, outputs, name=model.name)
    if model._symbolic_losses:
        clone.add_loss([table[id(tensor)] for tensor in model._symbolic_losses])
    _add_losses(model, clone)
    return clone


def _add_losses(model: Any, clone: Any) -> None:
    """Add to a clone the losses of weights that were added to the model."""
    added = [getattr(function, "__self__", None) for function in model._loss_functions]
    added = [loss for loss in added if isinstance(loss, Derived)]
    if added and len(model.weights) != len(clone.weights):
        raise ValueError(
            f"{model}: clone_model cannot carry over the losses that were computed of its weights, "
            "since the clone does not have the same; add them with a function, add_loss(lambda: "
            "...), or in a layer's build."
        )
    table = dict(zip(model.weights, clone.weights, strict=False))
    for loss in added:
        clone.add_loss(loss.with_variables(lambda variable: table.get(variable, variable)))


def _given(model: Any, input_tensors: Any) -> list[SymbolicTensor]:
    """The tensors that a copy is built on; arrays become inputs that hold them."""
    if input_tensors is None:
        return []
    if isinstance(input_tensors, Mapping):
        names = list(getattr(model, "input_names", ())) or list(input_tensors)
        if set(names) != set(input_tensors):
            raise ValueError(
                f"{model}: clone_model: input_tensors has the keys {list(input_tensors)}, but the "
                f"inputs are {names}."
            )
        input_tensors = [input_tensors[name] for name in names]
    listed = input_tensors if isinstance(input_tensors, list | tuple) else [input_tensors]
    return [
        one if isinstance(one, SymbolicTensor) else Input(tensor=jnp.asarray(one)) for one in listed
    ]


def _cloned_stack(model: Any, input_tensors: Any, change: Callable[[Layer], Any]) -> Any:
    layers = [change(layer) for layer in model.layers]
    first = _given(model, input_tensors)
    if not first and model._entry is not None:
        first = [new_input(model._entry.output)]
    clone = type(model)([*first, *layers], name=model.name)
    _add_losses(model, clone)
    return clone


def deep_copy(model: Any, memo: dict[int, Any]) -> Any:
    """A model with copies of all layers and weights, compiled alike; training starts anew."""
    twin = object.__new__(type(model))
    memo[id(model)] = twin
    twin._reset_graph()
    twin._start_training_state()
    uncalled = calls.uncalled()
    known = {*vars(twin), *GRAPH, *uncalled}
    rest = {name: value for name, value in vars(model).items() if name not in known}
    vars(twin).update(uncalled)
    vars(twin).update(copy.deepcopy(rest, memo))
    if hasattr(model, "_stack") and not model.branched:
        twin._tensors, twin._entry = [], None
        if model._entry is not None:
            twin._replay(new_input(model._entry.output, model._entry.name))
    elif model.graph is not None:
        given = [new_input(tensor) for tensor in model.inputs]
        table = replayed(model.graph, given, lambda layer: copy.deepcopy(layer, memo))
        twin._symbolic_losses = [table[id(tensor)] for tensor in model._symbolic_losses]
        structures = (model._input_structure, model._output_structure)
        twin._set_graph(*(replace(s, lambda tensor: table[id(tensor)]) for s in structures))
        if hasattr(model, "_stack"):
            twin._tensors = replace(model._tensors, lambda tensor: table[id(tensor)])
            twin._entry = None
    if model._compilation is not None:
        _compile_alike(twin, model._compilation, memo)
    return twin


def _compile_alike(twin: Any, kept: Compilation, memo: dict[int, Any]) -> None:
    """Compile a copy as the model was, with an optimizer and metrics of its own."""
    names = ("loss", "loss_weights", "sample_weight_mode", "weighted_metrics", "run_eagerly")
    names = (*names, "steps_per_execution", "jit_compile", "auto_scale_loss")
    given = {name: copy.deepcopy(getattr(kept, name), memo) for name in names}
    metrics = copy.deepcopy(kept.user_metrics, memo)
    Compiled.compile(twin, own_optimizer(kept.optimizer), metrics=metrics, **given)


def own_optimizer(optimizer: Any) -> Any:
    """A copy of an optimizer with a learning rate of its own and without state."""
    twin = without_state(optimizer)
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        twin.inner_optimizer = own_optimizer(inner)
    if "_learning_rate" in vars(twin):
        twin._learning_rate = copy.deepcopy(twin._learning_rate)
    return twin
