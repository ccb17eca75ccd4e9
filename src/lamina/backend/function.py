"""``K.function``, ``K.eval`` and ``K.gradients``: computing what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.backend.session import phase_tensor
from lamina.backend.state import later
from lamina.core import context, jit, pure
from lamina.core.derived import Derived, Valued, recorded
from lamina.core.graph import Graph, Node, _constant, _Free
from lamina.core.pure import first_failure, raise_noted
from lamina.core.readers import readers
from lamina.core.sizes import PROBES
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable
from lamina.seeds import next_run_seed


def sources(outputs: Sequence[SymbolicTensor]) -> list[SymbolicTensor]:
    """The symbolic tensors that must be fed to compute the outputs."""
    found: dict[int, SymbolicTensor] = {}
    seen: set[int] = set()
    stack = list(reversed(outputs))
    while stack:
        tensor = stack.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        node = tensor.node
        if node is None or (not node.input_tensors and not _constant(node)):
            found[id(tensor)] = tensor
        else:
            stack.extend(reversed(node.input_tensors))
    return list(found.values())


def _listed(who: str, argument: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, SymbolicTensor | Valued | jax.Array):
        return [value]
    if not isinstance(value, list | tuple):
        raise TypeError(f"{who}: {argument} must be a list of tensors, got {value!r}.")
    return list(value)


class Function:
    """Compute symbolic tensors from values of others; `function` makes one.

    Attributes:
        inputs: symbolic tensors that are fed.
        outputs: what is computed: symbolic tensors, variables or arrays.
        updates: pairs of variables and their new values.
        name: name, for messages.

    >>> from lamina import backend as K
    >>> x = K.placeholder((None, 2))
    >>> double = K.function([x], [2 * x])
    >>> isinstance(double, Function), double([[[1.0, 2.0]]])[0].tolist()
    (True, [[2.0, 4.0]])
    """

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        updates: Any = None,
        name: str | None = None,
        **session_kwargs: Any,
    ) -> None:
        if session_kwargs:
            raise ValueError(
                f"K.function: unknown arguments {', '.join(sorted(session_kwargs))}; there is no "
                "session that could take them."
            )
        self.name = name or "function"
        self.inputs = recorded(_listed("K.function", "inputs", inputs))
        self.outputs = recorded(_listed("K.function", "outputs", outputs))
        self.updates = [_pair(update) for update in _listed("K.function", "updates", updates)]
        self._single = isinstance(outputs, SymbolicTensor | Derived)
        phase = phase_tensor()
        strange = [t for t in self.inputs if not isinstance(t, SymbolicTensor | int)]
        if strange:
            raise TypeError(f"K.function: inputs must be symbolic tensors, got {strange[0]!r}.")
        # A phase that is fixed by set_learning_phase is a number here; its value is not read.
        self._phases = [t is phase or isinstance(t, int) for t in self.inputs]
        self._fed = [t for t in self.inputs if isinstance(t, SymbolicTensor) and t is not phase]
        wanted = [*self.outputs, *(value for _, value in self.updates)]
        self._graph = Graph(
            self._fed, [t for t in wanted if isinstance(t, SymbolicTensor)], self.name
        )
        self._variables: dict[bool, list[Variable]] = {}
        self._faults: list[Any] = []
        self._calls = np.uint32(0)
        self._compiled = jit.compile(self._run, static=(0,))

    def _forward(self, *arrays: Any) -> list[Any]:
        return self._graph.run(arrays, [None] * len(arrays))[0]

    def _run(
        self, training: bool, values: list[Any], seed: Any, calls: Any, arrays: list[Any]
    ) -> Any:
        """The pure function."""
        key = context.key_of_call(seed, calls)
        outcome = pure.run(
            self._forward, self._variables[training], values, *arrays, training=training, key=key
        )
        self._faults = list(outcome.call.faults)
        return outcome.result, first_failure(self._faults) if self._faults else None

    def __call__(self, inputs: Any = ()) -> Any:
        """Compute the outputs.

        Args:
            inputs: one value for each input.

        Returns:
            A list of NumPy arrays, one for each output; one array if the function was made
            with one output that was not in a list.

        Raises:
            ValueError: number or shapes of the inputs are wrong.
        """
        arrays, training = self._arrays(inputs)
        if training not in self._variables:
            self._variables[training] = pure.reads(self._forward, *arrays, training=training)
        with readers:
            values = [variable._value for variable in self._variables[training]]
            found, noted = self._compiled(training, values, next_run_seed(), self._calls, arrays)
            self._calls += np.uint32(1)
        if noted is not None:
            raise_noted(self._faults, noted)
        computed = iter(found)
        outputs = [_next(computed, one) for one in self.outputs]
        news = [(variable, _next(computed, value)) for variable, value in self.updates]
        for variable, new in news:
            variable.assign(new)
        return outputs[0] if self._single else outputs

    def _arrays(self, inputs: Any) -> tuple[list[Any], bool]:
        """The values to feed, and the phase."""
        if not isinstance(inputs, list | tuple):
            inputs = [inputs]
        if len(inputs) != len(self.inputs):
            raise ValueError(
                f"K.function {self.name!r}: expected {len(self.inputs)} inputs, got {len(inputs)}."
            )
        arrays, training = [], False
        for tensor, phase, value in zip(self.inputs, self._phases, inputs, strict=True):
            if phase:
                training = bool(value)
            else:
                arrays.append(_fed(self.name, tensor, value))
        return arrays, training


def _pair(update: Any) -> tuple[Variable, Any]:
    """A variable and its new value, or a function that gives the value."""
    if isinstance(update, Variable):
        again = later(update)
        if again is not None:
            new = again()
            return update, recorded(new) if isinstance(new, Derived) else again
    if isinstance(update, tuple) and len(update) == 2 and isinstance(update[0], Variable):
        if isinstance(update[1], jax.Array):
            raise TypeError(
                f"K.function: the new value of {update[0]!r} is an array, the same at each call: "
                "what jax.numpy and lamina.ops compute of variables is computed at once. Compute "
                "it with functions of K, or pass a NumPy array if it is the same at each call."
            )
        return update[0], recorded(update[1])
    raise TypeError(
        f"K.function: an update is a pair (variable, new value) or what K.update gives, "
        f"got {update!r}."
    )


def _next(computed: Any, one: Any) -> Any:
    if isinstance(one, SymbolicTensor):
        return np.asarray(next(computed))
    if callable(one):
        return one()
    return one.numpy() if isinstance(one, Variable) else np.asarray(one)


def _fed(name: str, tensor: SymbolicTensor, value: Any) -> Any:
    """A value as an array of the dtype of its input."""
    if isinstance(value, SymbolicTensor):
        raise TypeError(f"K.function {name!r}: {value!r} is symbolic and cannot be fed.")
    if hasattr(value, "toarray"):
        value = value.toarray()
    array = jnp.asarray(value.value if isinstance(value, Variable) else value).astype(tensor.dtype)
    fits = array.ndim == len(tensor.shape) and all(
        wanted in (None, size) for wanted, size in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"K.function {name!r}: input {tensor.name!r} has shape {tensor.shape}, "
            f"got a value of shape {array.shape}."
        )
    return array


def function(inputs: Any, outputs: Any, updates: Any = None, **kwargs: Any) -> Function:
    """Make a compiled function that computes symbolic tensors from values of others.

    Weights are read when it is called. Its phase is 0 unless ``K.learning_phase()`` is among
    the inputs. What layers assign while they run, such as moving averages, is not kept.

    Args:
        inputs: list of symbolic tensors that will be fed: inputs, placeholders, or any others.
        outputs: list of tensors to compute.
        updates: pairs ``(variable, new value)``, or what ``K.update``, ``K.update_add`` and the
            like return; they are done after each call, with values computed before it.
        kwargs: ``name``.

    Raises:
        TypeError: something is no symbolic tensor where one is needed, or a new value is an
            array of JAX.
        ValueError: an output depends on an input that is not fed.

    >>> from lamina import backend as K
    >>> x = K.placeholder((None, 2))
    >>> f = K.function([x], [K.sum(x, axis=1)])
    >>> f([np.ones((3, 2))])
    [array([2., 2., 2.], dtype=float32)]
    """
    return Function(inputs, outputs, updates, **kwargs)


def eval(x: Any) -> Any:
    """The value of a tensor as a NumPy array.

    Raises:
        ValueError: it depends on inputs that would have to be fed.

    >>> from lamina import backend as K
    >>> eval(K.variable([1.0, 2.0]) * 2)
    array([2., 4.], dtype=float32)
    """
    if isinstance(x, Derived):
        return np.asarray(x.computed())
    if not isinstance(x, SymbolicTensor):
        return x.numpy() if isinstance(x, Variable) else np.asarray(x)
    needed = sources([x])
    if needed:
        raise ValueError(
            f"K.eval: {x!r} depends on {needed[0].name!r}, which has no value; use "
            "K.function([...], [...]) and feed it."
        )
    return function([], [x])([])[0]


class Gradients(_Free):
    """The gradients of a sum of symbolic tensors, as an operation of a graph."""

    def __init__(self, losses: list[SymbolicTensor], wanted: list[Any]) -> None:
        self.name = "gradients"
        self.inbound_nodes: list[Node] = []
        self.outbound_nodes: list[Node] = []
        self.fed = sources(losses)
        self.graph = Graph(self.fed, losses, self.name)
        self.wanted = wanted
        empty = [jax.ShapeDtypeStruct(_probed(t.shape, self.graph), t.dtype) for t in self.fed]
        read = [
            pure.reads(lambda *arrays: self._loss(arrays, {}), *empty, training=training)
            for training in (False, True)
        ]
        self.variables = list(dict.fromkeys([*read[0], *read[1]]))

    def depends_on(self, one: Any) -> bool:
        """Whether the loss has anything to do with a tensor or variable."""
        if isinstance(one, Variable):
            return one in self.variables
        found = {id(t) for node in self.graph.nodes for t in node.output_tensors}
        return id(one) in found | {id(t) for t in self.fed}

    def _loss(self, arrays: Sequence[Any], shifts: dict[int, Any]) -> Any:
        """The loss, when some tensors on the way to it are shifted by small amounts."""
        values = {id(t): a for t, a in zip(self.fed, arrays, strict=True)}
        for key in values.keys() & shifts.keys():
            values[key] = values[key] + shifts[key]
        masks: dict[int, Any] = {id(t): None for t in self.fed}
        for node in self.graph.nodes:
            outputs, found = node.operation.run(node, values, masks)
            for tensor, value, mask in zip(node.output_tensors, outputs, found, strict=True):
                shift = shifts.get(id(tensor))
                values[id(tensor)] = value if shift is None else value + shift
                masks[id(tensor)] = mask
        total = [jnp.sum(jnp.asarray(values[id(t)], jnp.float32)) for t in self.graph.outputs]
        return sum(total[1:], total[0])

    def run(self, node: Node, values: dict[int, Any], masks: dict[int, Any]) -> Any:
        """Compute the gradients at the values of the inputs."""
        del masks
        call = context.current()
        assert call is not None
        arrays = [values[id(t)] for t in self.fed]
        table = {**call.values, **{variable: variable.value for variable in self.variables}}
        tensors = [one for one in self.wanted if isinstance(one, SymbolicTensor)]
        owned = [one for one in self.wanted if isinstance(one, Variable)]

        def loss(shifts: list[Any], weights: list[Any]) -> Any:
            inner = {**table, **dict(zip(owned, weights, strict=True))}
            places = {id(t): shift for t, shift in zip(tensors, shifts, strict=True)}
            outcome = pure.run(
                self._loss,
                list(inner),
                list(inner.values()),
                arrays,
                places,
                training=call.training,
                key=call.key,
            )
            call.drawn |= outcome.call.drawn
            return outcome.result

        start = [jnp.zeros(shape, dtype) for shape, dtype in self._shapes(arrays, tensors)]
        of_tensors, of_weights = jax.grad(loss, (0, 1))(start, [table[v] for v in owned])
        parts = iter(of_tensors), iter(of_weights)
        found = [next(parts[isinstance(one, Variable)]) for one in self.wanted]
        return found, [None] * len(found)

    def _shapes(
        self, arrays: list[Any], tensors: list[SymbolicTensor]
    ) -> list[tuple[tuple[int, ...], Any]]:
        """Shapes and dtypes that tensors have for given inputs."""
        inner = Graph(self.fed, tensors, self.name)
        found = jax.eval_shape(
            lambda *given: pure.trial(inner.run, (given, [None] * len(given)), {})[0], *arrays
        )
        return [(one.shape, one.dtype) for one in found]


def _probed(shape: Sequence[int | None], graph: Graph) -> tuple[int, ...]:
    """A shape with sizes in the place of unknown ones, such as the constants of a graph need."""
    fixed = {a: n for node in graph.nodes for t in node.output_tensors for a, n in t.fixed.items()}
    return tuple(
        fixed.get(axis, PROBES[0]) if size is None else size for axis, size in enumerate(shape)
    )


def gradients(loss: Any, variables: Any) -> list[Any]:
    """Symbolic gradients of a loss.

    Args:
        loss: tensor computed from inputs or variables, or several, whose values are summed.
        variables: variables that the loss or layers of its graph use, or tensors on the way to
            the loss: inputs, results of layers, and what ``K`` computed of variables.

    Returns:
        For each of them a symbolic tensor of its shape, or None if the loss does not depend
        on it.

    Raises:
        TypeError: the loss is an array or a variable, or something has no gradient.

    >>> from lamina import backend as K
    >>> x = K.placeholder((3,))
    >>> K.function([x], K.gradients(K.sum(x ** 2), [x]))([np.array([1.0, 2.0, 3.0])])
    [array([2., 4., 6.], dtype=float32)]
    """
    losses = recorded(list(loss) if isinstance(loss, list | tuple) else [loss])
    if not losses or not all(isinstance(one, SymbolicTensor) for one in losses):
        raise TypeError(
            "K.gradients: the loss must be computed from an Input or a variable by functions of "
            f"K, got {loss!r}. Of arrays, jax.grad differentiates a function."
        )
    asked = recorded(_listed("K.gradients", "variables", variables))
    for one in asked:
        if not isinstance(one, SymbolicTensor | Variable) or not _is_float(one):
            raise TypeError(
                "K.gradients: gradients are taken with respect to variables and symbolic tensors "
                f"of a float dtype, got {one!r}."
            )
    wanted = list({id(one): one for one in asked}.values())
    operation = Gradients(losses, wanted)
    operation.wanted = wanted = [one for one in wanted if operation.depends_on(one)]
    made = [SymbolicTensor(tuple(one.shape), one.dtype, "gradients") for one in wanted]
    if made:
        Node(operation, (list(operation.fed),), {}, made)
    table = {id(one): tensor for one, tensor in zip(wanted, made, strict=True)}
    return [table.get(id(one)) for one in asked]


def _is_float(x: Any) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.floating))
