"""The weights of a layer and of the layers in it: making, finding, reading, writing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import jax.numpy as jnp
import numpy as np

from lamina import constraints, initializers, regularizers
from lamina.core import context, faulty, policy
from lamina.core.derived import derive
from lamina.core.variable import Variable

if TYPE_CHECKING:
    from lamina.core.layer import Layer

structure = [0]
"""Counts changes of attributes of layers: whoever keeps a list of weights compares it."""


class WeightOwner:
    """What `Layer` knows about weights."""

    name: str
    built: bool
    dtype_policy: policy.DTypePolicy
    _trainable_weights: list[Variable]
    _non_trainable_weights: list[Variable]
    _trainable: bool

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, _PARTS) or isinstance(vars(self).get(name), _PARTS):
            structure[0] += 1
        object.__setattr__(self, name, value)

    def add_weight(self, *args: Any, **kwargs: Any) -> Variable:
        """Create a weight of this layer.

        Takes the argument orders of all dialects: ``add_weight(name, shape, dtype, initializer,
        regularizer, trainable, constraint)``, and ``add_weight(shape, initializer, ...)`` of Keras
        1 and 3. Where no initializer, regularizer or constraint is given, the layer's attribute
        ``<name>_initializer`` and so on is taken if it has one.

        Args:
            args: name and shape, or shape and initializer.
            kwargs: name, shape, dtype, initializer, regularizer, trainable, constraint.

        Raises:
            ValueError: the shape holds an unknown or a negative size.
            TypeError: an unknown argument.
        """
        options = _weight_options(self, args, kwargs)
        name = options.pop("name", None) or "weight"
        shape = _checked_shape(self, name, options.pop("shape", None) or ())
        dtype = options.pop("dtype", None) or self.dtype_policy.variable_dtype
        trainable = options.pop("trainable", True)
        initializer = options.pop("initializer", None)
        if initializer is None:
            initializer = getattr(self, f"{name}_initializer", None) or _default(dtype)
        regularizer = options.pop("regularizer", None) or getattr(self, f"{name}_regularizer", None)
        constraint = options.pop("constraint", None) or getattr(self, f"{name}_constraint", None)
        try:
            variable = Variable(
                initializers.get(initializer),
                shape,
                dtype,
                trainable=bool(trainable),
                name=name,
                regularizer=regularizers.get(regularizer),
                constraint=constraints.get(constraint),
            )
        except (TypeError, ValueError) as error:
            faulty.within(f"{self}, weight {name!r}", error)
            raise
        variable.path = f"{self.name}/{name}"
        keep = self._trainable_weights if trainable else self._non_trainable_weights
        keep.append(variable)
        structure[0] += 1
        return variable

    add_variable = add_weight

    def sublayers(self) -> list[Layer]:
        """The layers that this one holds in its attributes, in lists and dicts too."""
        found: dict[int, Layer] = {}
        for name, value in vars(self).items():
            if isinstance(value, _PARTS) and name not in _NOT_PARTS:
                _collect(value, found)
        return list(found.values())

    def own_variables(self) -> list[Variable]:
        """The variables of this layer itself: of ``add_weight``, and those in attributes.

        Lists, tuples and dicts are searched too, however deep.
        """
        found: dict[Variable, None] = dict.fromkeys(self._trainable_weights)
        found.update(dict.fromkeys(self._non_trainable_weights))
        for name, value in vars(self).items():
            if isinstance(value, Variable):
                found[value] = None
            elif isinstance(value, list | tuple | dict) and value and name not in _NOT_PARTS:
                found.update(dict.fromkeys(_variables_in(value)))
        return list(found)

    def all_layers(self, learning: bool = False) -> Iterator[Layer]:
        """This layer and all layers in it, each once.

        Args:
            learning: whether to stay out of layers that are frozen.
        """
        seen: set[int] = set()
        stack = [cast("Layer", self)]
        while stack:
            layer = stack.pop()
            if id(layer) not in seen and (layer._trainable or not learning):
                seen.add(id(layer))
                yield layer
                stack.extend(reversed(layer.sublayers()))

    def _gather(self, trainable: bool) -> list[Variable]:
        """Trainable weights, or the others, of this layer and those in it, in Keras' order."""
        found: dict[Variable, None] = {}
        learning = set(map(id, self.all_layers(learning=True)))
        for layer in self.all_layers():
            for variable in layer.own_variables():
                if (_learns(layer, variable) and id(layer) in learning) is trainable:
                    found[variable] = None
        return list(found)

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights of this layer; setting it reaches those in it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.all_layers():
            vars(layer)["_trainable"] = bool(value)
        structure[0] += 1

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return self._gather(trainable=True)

    @trainable_weights.setter
    def trainable_weights(self, variables: Iterable[Any]) -> None:
        self._trainable_weights = self._adopted(variables, trainable=True)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves alone, or that the layer changes itself."""
        return self._gather(trainable=False)

    @non_trainable_weights.setter
    def non_trainable_weights(self, variables: Iterable[Any]) -> None:
        self._non_trainable_weights = self._adopted(variables, trainable=False)

    def _adopted(self, variables: Iterable[Any], trainable: bool) -> list[Variable]:
        """Variables for what a layer of Keras 1 made itself: arrays become variables.

        The attributes that hold such an array get the variable, so that ``call`` reads it.
        """
        found = []
        for place, value in enumerate(variables):
            if isinstance(value, Variable):
                if "/" not in value.path:
                    value.path = f"{self.name}/{value.name}"
                found.append(value)
                continue
            names = [name for name, held in vars(self).items() if held is value]
            if not hasattr(value, "shape"):
                raise TypeError(
                    f"{self}: weights must be variables or arrays, got {type(value).__name__} "
                    f"{value!r}."
                )
            name = names[0] if names else f"weight_{place}"
            variable = Variable(value, trainable=trainable, name=name)
            variable.path = f"{self.name}/{name}"
            for attribute in names:
                setattr(self, attribute, variable)
            found.append(variable)
        structure[0] += 1
        return found

    @property
    def weights(self) -> list[Variable]:
        """All weights, layer by layer: those made as trainable, then the others."""
        found: dict[Variable, None] = {}
        for layer in self.all_layers():
            found.update(dict.fromkeys(layer.own_variables()))
        return list(found)

    @property
    def variables(self) -> list[Variable]:
        """All weights."""
        return self.weights

    @property
    def trainable_variables(self) -> list[Variable]:
        """The weights that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The weights that training leaves alone."""
        return self.non_trainable_weights

    def _passing(self) -> Sequence[Variable]:
        """Variables that are no weights: what the layer remembers from batch to batch."""
        return ()

    def lasting_weights(self) -> list[Variable]:
        """The weights without the states that stateful layers keep between batches."""
        passing = {id(one) for layer in self.all_layers() for one in layer._passing()}
        return [one for one in self.weights if id(one) not in passing]

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights as NumPy arrays, in the order of ``weights``."""
        return [variable.numpy() for variable in self.lasting_weights()]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights; nothing changes unless all of them fit.

        Args:
            weights: arrays in the order of ``weights``.

        Raises:
            ValueError: their number or a shape is not that of the layer's weights.
        """
        own = self.lasting_weights()
        if len(weights) != len(own):
            raise ValueError(
                f"{self}: set_weights got {len(weights)} arrays, but the layer has {len(own)} "
                f"weights: {', '.join(f'{v.path} {v.shape}' for v in own) or 'none'}."
                + ("" if self.built else " The layer is not built yet: call it on data first.")
            )
        for variable, array in zip(own, weights, strict=True):
            if tuple(np.shape(array)) != variable.shape:
                raise ValueError(
                    f"{self}: set_weights: {variable.path!r} has shape {variable.shape}, "
                    f"got an array of shape {tuple(np.shape(array))}."
                )
        for variable, array in zip(own, weights, strict=True):
            variable.assign(np.asarray(array))

    def count_params(self) -> int:
        """Number of scalars in all weights.

        Raises:
            ValueError: the layer has no weights yet because it never saw an input.
        """
        if not self.built:
            raise ValueError(
                f"{self}: count_params needs weights, and these are made at the first call. "
                "Call the layer on data, call build(input_shape), or give the first layer an "
                "input_shape."
            )
        return sum(variable.size for variable in self.lasting_weights())


_PARTS = (WeightOwner, Variable, list, tuple, dict)
_NOT_PARTS = frozenset(
    {"inbound_nodes", "outbound_nodes", "_compiled_calls", "_call_token", "_compilation"}
)


def _learns(layer: Any, variable: Variable) -> bool:
    if variable in layer._trainable_weights:
        return True
    return variable.trainable and variable not in layer._non_trainable_weights


def _collect(value: Any, found: dict[int, Any]) -> None:
    if isinstance(value, WeightOwner):
        found[id(value)] = value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            if isinstance(part, _PARTS):
                _collect(part, found)


def _variables_in(value: Any) -> Iterator[Variable]:
    """The variables in lists and dicts, however deep."""
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, Variable):
            yield part
        elif isinstance(part, list | tuple | dict):
            yield from _variables_in(part)


_ORDERS = {
    "name": ("name", "shape", "dtype", "initializer", "regularizer", "trainable", "constraint"),
    "shape": ("shape", "initializer", "dtype", "trainable"),
    "keras 1": ("shape", "initializer", "name", "trainable", "regularizer", "constraint"),
}


def _weight_options(owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of ``add_weight`` by name, whichever order they came in."""
    order = "shape"
    if args and (isinstance(args[0], str) or (args[0] is None and len(args) > 1)):
        order = "name"
    elif len(args) > 4 or (len(args) > 2 and isinstance(args[2], str) and not _is_dtype(args[2])):
        order = "keras 1"
    if len(args) > len(_ORDERS[order]):
        raise TypeError(
            f"{owner}: add_weight takes at most {len(_ORDERS[order])} arguments without a name "
            f"({', '.join(_ORDERS[order])}), got {len(args)}."
        )
    options = dict(zip(_ORDERS[order], args, strict=False))
    for name in kwargs:
        if name in options:
            raise TypeError(f"{owner}: add_weight: {name!r} is given twice.")
    options |= kwargs
    known = {*_ORDERS["name"], "autocast", "aggregation", "synchronization", "use_resource"}
    known |= {"overwrite_with_gradient", "partitioner", "getter", "experimental_autocast"}
    for name in options:
        if name not in known:
            from lamina import registry

            raise TypeError(
                f"{owner}: add_weight: unknown argument {name!r}."
                f"{registry.did_you_mean(name, sorted(known))}"
            )
    return {name: options[name] for name in _ORDERS["name"] if name in options}


def _is_dtype(value: str) -> bool:
    if len(value) == 1:  # "b" names a weight, not bytes
        return False
    try:
        np.dtype(value)
    except TypeError:
        return value == "bfloat16"
    return True


def _checked_shape(owner: Any, name: str, shape: Any) -> tuple[int, ...]:
    sizes: tuple[Any, ...] = (shape,)
    if not isinstance(shape, int | np.integer | str) and shape is not None:
        sizes = tuple(shape)
    for size in sizes:
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 0:
            raise ValueError(
                f"{owner}: weight {name!r} needs known sizes, got shape {sizes}. "
                "A size is None where the input shape does not say it: name it in the Input."
            )
    return tuple(int(size) for size in sizes)


def _default(dtype: Any) -> str:
    return "glorot_uniform" if jnp.issubdtype(jnp.dtype(dtype), jnp.floating) else "zeros"


def regularization(variables: Iterable[Variable]) -> list[Any]:
    """The penalty of each regularized weight, as scalars."""
    regularized = [(v.regularizer, v) for v in variables if v.regularizer is not None]
    if context.current() is None:
        return [derive(penalty, (v,), {}) for penalty, v in regularized]
    return [penalty(v.value) for penalty, v in regularized]
