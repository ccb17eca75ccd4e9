"""``get_updates`` and ``get_gradients`` of Keras 1 and 2: a step of an optimizer in a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina.core.dispatch import dispatch
from lamina.core.graph import Node, _Free
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable

if TYPE_CHECKING:
    from lamina.optimizers.base import Optimizer


class Leaf(Variable):
    """One array of what an optimizer keeps, read and assigned where it is kept.

    Attributes:
        source: gives the pytree of which it is a leaf.
        place: number of the leaf.
        put: takes a new pytree, or ``None`` where the leaf is only read.
    """

    __slots__ = ("place", "put", "source")

    def __init__(self, source: Any, place: int, put: Any, name: str) -> None:
        self.source, self.place, self.put = source, place, None
        array = self._value
        super().__init__(array, dtype=array.dtype, trainable=False, name=name)
        self.put = put

    @property
    def _value(self) -> jax.Array:  # type: ignore[override]
        return jnp.asarray(jax.tree.leaves(self.source())[self.place])

    @_value.setter
    def _value(self, value: jax.Array) -> None:  # type: ignore[override]
        if self.put is not None:
            leaves, structure = jax.tree.flatten(self.source())
            leaves[self.place] = value
            self.put(jax.tree.unflatten(structure, leaves))


def _bare(_: None, children: Any) -> Any:
    return children[0]


jax.tree_util.register_pytree_node(Leaf, lambda variable: ((variable.value,), None), _bare)


class Stepping(_Free):
    """One step of an optimizer as an operation of a graph: gradients to all new values."""

    def __init__(
        self, optimizer: Optimizer, variables: list[Variable], constraints: Mapping[int, Any]
    ) -> None:
        self.name = f"{optimizer.name}_step"
        self.inbound_nodes: list[Node] = []
        self.outbound_nodes: list[Node] = []
        self.optimizer = optimizer
        self.variables = variables
        self.constraints = constraints
        self.state, self.structure = _leaves(
            lambda: optimizer.state, lambda state: setattr(optimizer, "state", state), "state"
        )
        self.rates, self.rate_structure = _leaves(optimizer.hyperparameters, None, "rate")

    def run(self, node: Node, values: dict[int, Any], masks: dict[int, Any]) -> Any:
        """Compute the values after the step from the gradients, and the optimizer's state."""
        del masks
        optimizer = self.optimizer
        state = jax.tree.unflatten(self.structure, [leaf.value for leaf in self.state])
        rates = jax.tree.unflatten(self.rate_structure, [leaf.value for leaf in self.rates])
        factor = optimizer.scale_loss(jnp.float32(1), state)
        places = {id(one): place for place, one in enumerate(optimizer._variables)}
        row: list[Any] = [None] * len(places)
        for variable, tensor in zip(self.variables, node.input_tensors, strict=True):
            gradient = values[id(tensor)]
            row[places[id(variable)]] = gradient * factor.astype(gradient.dtype)
        before = [variable.value for variable in optimizer._variables]
        new, state = optimizer.update(row, state, before, rates)
        outputs = [self._constrained(one, new[places[id(one)]]) for one in self.variables]
        outputs += jax.tree.leaves(state)
        return outputs, [None] * len(outputs)

    def _constrained(self, variable: Variable, value: Any) -> Any:
        for constraint in (variable.constraint, self.constraints.get(id(variable))):
            value = value if constraint is None else constraint(value)
        return value


def _leaves(source: Callable[[], Any], put: Any, name: str) -> tuple[list[Leaf], Any]:
    count, structure = len(jax.tree.leaves(source())), jax.tree.structure(source())
    return [Leaf(source, place, put, f"{name}_{place}") for place in range(count)], structure


def gradients(optimizer: Optimizer, loss: Any, params: Any) -> list[Any]:
    """Symbolic gradients of a symbolic loss, one for each variable.

    Raises:
        TypeError: the loss is not symbolic, or `params` holds something else than variables.
        ValueError: the loss does not depend on a variable.
    """
    from lamina import backend

    who, variables = type(optimizer).__name__, _variables(optimizer, params)
    found = backend.gradients(loss, variables)
    for variable, gradient in zip(variables, found, strict=True):
        if gradient is None:
            raise ValueError(
                f"{who}: the loss does not depend on the variable {variable.path!r}, so it has no "
                "gradient. Leave it out, or use the layer that owns it in the loss."
            )
    return found


def _variables(optimizer: Optimizer, params: Any) -> list[Variable]:
    listed = [params] if isinstance(params, Variable) else params
    if not isinstance(listed, list | tuple) or not listed:
        raise TypeError(
            f"{type(optimizer).__name__}: params must be a list of variables, such as "
            f"model.trainable_weights, got {params!r}."
        )
    for one in listed:
        if not isinstance(one, Variable):
            raise TypeError(f"{type(optimizer).__name__}: params must hold variables, got {one!r}.")
    return list(listed)


def arranged(optimizer: Optimizer, given: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
    """Loss, variables and constraints from the arguments of either release.

    Keras 2 says ``(loss, params)``, Keras 1 ``(params, constraints, loss)``.

    Raises:
        TypeError: an argument is missing, unknown or given twice.
    """
    first = given[0] if given else None
    old = len(given) == 3 or isinstance(first, list | tuple) or "constraints" in named
    words = ["params", "constraints", "loss"] if old else ["loss", "params"]
    if len(given) == 2 and old and not isinstance(given[1], Mapping | list | tuple):
        words = ["params", "loss"]
    found = dict(zip(words, given, strict=False))
    known = {"loss", "params", "constraints"}
    wrong = [name for name in named if name in found or name not in known]
    missing = [name for name in ("loss", "params") if name not in {**found, **named}]
    if wrong or missing or len(given) > len(words):
        count = f"{len(given)} arguments" + (f" and {', '.join(named)}" if named else "")
        raise TypeError(
            f"{type(optimizer).__name__}: get_updates takes (loss, params), or (params, "
            f"constraints, loss) as in Keras 1; got {count}"
            + (f"; {missing[0]} is missing." if missing else ".")
        )
    found.update(named)
    return [found["loss"], found["params"], found.get("constraints")]


def updates(optimizer: Optimizer, loss: Any, params: Any, constraints: Any) -> list[Any]:
    """Pairs of variables and new values, for the ``updates`` of ``K.function``.

    Raises:
        TypeError: as for `gradients`.
        ValueError: as for `gradients`; or the optimizer was made for other variables.
    """
    from lamina.backend.state import Update

    slopes = gradients(optimizer, loss, params)
    variables = _variables(optimizer, params)
    optimizer.build(variables)
    if optimizer.state is None:
        optimizer.state = optimizer.init(variables)
    known = {id(one) for one in optimizer._variables}
    for one in variables:
        if id(one) not in known:
            raise ValueError(
                f"{optimizer!r} was made for other variables and does not know {one.path!r}; use "
                "one optimizer for each set of variables."
            )
    pairs = constraints.items() if isinstance(constraints, Mapping) else constraints or ()
    operation = Stepping(optimizer, variables, {id(one): change for one, change in pairs})
    targets = [*variables, *operation.state]
    made = [SymbolicTensor(one.shape, one.dtype, operation.name) for one in targets]
    Node(operation, tuple(slopes), {}, made)
    return [Update(target, new) for target, new in zip(targets, made, strict=True)]


def clipped(optimizer: Optimizer, slopes: list[Any]) -> list[Any]:
    """Gradients as the optimizer clips them, in a graph."""
    if optimizer.clipnorm is optimizer.clipvalue is optimizer.global_clipnorm is None:
        return slopes
    return list(dispatch(optimizer._clipped, slopes))
