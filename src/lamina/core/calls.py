"""A call on arrays, outside of any run: one compiled function for each kind of arguments."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lamina.core import context, faulty, jit, masks, pure, shapes, weights
from lamina.core.policy import NARROW, check_range
from lamina.core.readers import readers
from lamina.core.symbolic import SymbolicTensor, is_symbolic
from lamina.core.variable import Variable
from lamina.seeds import next_run_seed
from lamina.typing import Nested

if TYPE_CHECKING:
    from lamina.core.layer import Layer


def call(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a layer outside of any run: on arrays, or to record what symbolic tensors become.

    Under a trace of the user's own (``jax.jit``, ``jax.grad``) the layer runs in that trace.
    """
    key = _short_key(layer, args, kwargs)
    program = None if key is None else layer._compiled_calls.get(key)
    if program is not None:
        try:
            return program(layer, list(args), None)
        except Strays:  # traced anew; the long way makes another program
            pass
    elif is_symbolic((args, kwargs)):
        return layer._record(args, kwargs)
    return _called(layer, args, kwargs)


def _called(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call whose arguments are looked at one by one."""
    args = tuple(shapes.as_array(part) for part in args)
    if args and isinstance(args[0], str | bytes | set):
        raise _no_input(layer, args[0])
    mask = given_mask(layer, args, kwargs)
    leaves, structure = jax.tree.flatten((args, kwargs, mask))
    _check_range(layer, leaves)
    if any(isinstance(leaf, Tracer) for leaf in leaves):
        return _traced(layer, args, kwargs, mask)
    layer._prepare(args, kwargs)
    if getattr(layer, "run_eagerly", False):
        return _eager(layer, args, kwargs, mask)
    dynamic = [leaf for leaf in leaves if _is_array(leaf)]
    static = tuple(None if _is_array(leaf) else leaf for leaf in leaves)
    sizes = tuple([(leaf.shape, leaf.dtype) for leaf in dynamic])
    short = _short_key(layer, args, kwargs) if mask is None else None  # built by now
    key = short or (structure, static, sizes, parts_token(layer))
    program = layer._compiled_calls.get(key)
    origin = None if mask is None else masks.origin(shapes.listed(args[0]))
    if program is None:
        _check_numbers(layer, dynamic)
        if origin is not None and not layer.supports_masking:
            # Outside of the trace, where it is known who made the mask.
            layer.compute_mask(args[0], mask)
        program = Program(layer, structure, static)
        program.origin = origin
        keep(layer, key, program)
    try:
        return program(layer, dynamic, origin)
    except Strays as found:
        program = Program(layer, structure, static, found.variables)
        keep(layer, key, program)
        return program(layer, dynamic, origin)


def _short_key(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the program of a call depends on, if it has one array without a mask.

    There may be `training` beside the array, as in the calls of ``predict``.
    """
    if len(args) != 1 or masks.table:
        return None
    training = kwargs.get("training") if len(kwargs) == 1 else None
    if kwargs and type(training) is not bool:
        return None
    (x,) = args
    kind = _KINDS.get(type(x)) or _kind(x)
    # The numbers in arrays of 64 bits are looked at in each call.
    if kind == "other" or (kind == "host" and x.dtype in NARROW):
        return None
    if getattr(layer, "run_eagerly", False):
        return None
    return x.shape, x.dtype, training, parts_token(layer)


_KINDS: dict[type, str] = {}
"""Where arrays of a class are: to ask JAX takes longer than to look it up."""


def _kind(x: Any) -> str:
    """Whether an argument is an array on the device, one of the host, or another thing."""
    on_device = isinstance(x, jax.Array) and not isinstance(x, Tracer)
    found = "device" if on_device else "host" if isinstance(x, np.ndarray) else "other"
    return _KINDS.setdefault(type(x), found)


def _no_input(layer: Layer, value: Any) -> TypeError:
    """The error for an input that is no array."""
    return TypeError(
        f"{layer}: the input of a call is an array, or a list, tuple or dict of arrays; got "
        f"{type(value).__name__} {value!r}."
    )


def _check_numbers(layer: Layer, arrays: Sequence[Any]) -> None:
    """Raise a ``TypeError`` for arrays of strings, objects or dates."""
    for array in arrays:
        if np.dtype(array.dtype).kind in "OSUMm" and not isinstance(array, jax.Array):
            raise TypeError(
                f"{layer}: an input must hold numbers, got an array of dtype {array.dtype}. Turn "
                "words into indices, and lists of unequal lengths into padded arrays, first."
            )


def _check_range(layer: Layer, leaves: Sequence[Any]) -> None:
    """Raise a ``ValueError`` for whole numbers that JAX would cut to 32 bits without a word."""
    for leaf in leaves:
        if isinstance(leaf, np.ndarray) and leaf.dtype in NARROW:
            if jax.config.jax_enable_x64:  # type: ignore[attr-defined]
                return
            check_range(leaf, NARROW[leaf.dtype], f"{layer}: the input")


def readied(layer: Layer, args: tuple[Any, ...]) -> tuple[list[Any], Any]:
    """Check arrays and build the layer for them, as a call does before it compiles.

    Returns:
        The arrays, and the structure that `Program` takes.
    """
    leaves, structure = jax.tree.flatten((args, {}, None))
    layer._prepare(args, {})
    _check_numbers(layer, leaves)
    return leaves, structure


def keep(layer: Layer, key: Any, program: Any) -> None:
    """Keep the compiled call of a layer for arguments of a kind."""
    if len(layer._compiled_calls) >= MOST_PROGRAMS:
        layer._compiled_calls.pop(next(iter(layer._compiled_calls)), None)
    layer._compiled_calls[key] = program


def parts_token(layer: Layer) -> int:
    """A number for the layers, weights and flags as they are now.

    Looked up anew only when an attribute of some layer changed since the last call.
    """
    changes = weights.structure[0]
    seen, token, tokens = layer._call_token
    if seen == changes:
        return token
    tokens = {} if seen == -1 else tokens
    parts = [(id(part), part.trainable, id(part.constants)) for part in layer.all_layers()]
    signature = (id(getattr(layer, "graph", None)), *parts, *map(id, layer.weights))
    token = tokens.setdefault(signature, len(tokens))
    vars(layer)["_call_token"] = (changes, token, tokens)
    return token


NO_TOKEN: tuple[int, int, dict[Any, int]] = (-1, 0, {})
"""What `parts_token` keeps on a layer before its first call."""


def uncalled() -> dict[str, Any]:
    """What a layer keeps about its calls before the first one."""
    return {
        "inbound_nodes": [],
        "outbound_nodes": [],
        "_compiled_calls": {},
        "_call_token": NO_TOKEN,
        "_random_calls": 0,
    }


MOST_PROGRAMS = 256
"""Compiled calls that a layer keeps; the oldest makes room."""


class Strays(Exception):
    """A traced call read variables that belong to no layer in it, such as those of K.variable.

    Attributes:
        variables: those that were read.
    """

    def __init__(self, variables: Sequence[Variable]) -> None:
        super().__init__("variables of no layer were read")
        self.variables = list(variables)


def given_mask(layer: Layer, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The mask that was passed, else those that travel with the first argument."""
    if "mask" in kwargs:
        return masks.checked(layer, args[0] if args else None, kwargs.pop("mask"))
    if not args or not masks.table:
        return None
    if isinstance(args[0], list | tuple):
        found = [masks.recall(part) for part in args[0]]
        return found if any(mask is not None for mask in found) else None
    return masks.recall(args[0]) if id(args[0]) in masks.table else None


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray | np.generic)


def keep_masks(layer: Layer, outputs: Nested, found: Any, origin: str | None = None) -> None:
    """Let the masks of outputs travel with them."""
    if found is not None:
        for output, mask in zip(shapes.listed(outputs), shapes.listed(found), strict=False):
            if mask is not None:
                masks.remember(output, mask, origin or layer.name)


def _traced(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], mask: Any) -> Any:
    layer._prepare(args, kwargs)
    variables = layer.weights
    values = [variable.value for variable in variables]
    key = _next_key(layer)
    outcome = pure.run(layer._computed, variables, values, args, kwargs, mask, key=key)
    outputs, found = outcome.result
    keep_masks(layer, outputs, found)
    return outputs


def _eager(layer: Layer, args: tuple[Any, ...], kwargs: dict[str, Any], mask: Any) -> Any:
    """Run operation by operation, so that a debugger sees values."""
    variables = layer.weights
    values = [variable.value for variable in variables]
    key = _next_key(layer)
    outcome = pure.run(layer._computed, variables, values, args, kwargs, mask, key=key)
    for variable in outcome.call.updated:
        variable.assign(outcome.call.values[variable])
    checks = outcome.call.faults
    if checks:
        pure.raise_noted(checks, pure.first_failure(checks))
    outputs, found = outcome.result
    keep_masks(layer, outputs, found)
    return outputs


def _next_key(layer: Layer) -> context.Key:
    """The key of a call that is not compiled on its own."""
    calls = layer._random_calls
    vars(layer)["_random_calls"] = calls + 1
    return context.key_of_call(next_run_seed(), np.uint32(calls))


@cache
def _zero() -> jax.Array:
    """What stands for seeds that are not used: on the device, so that no call brings it there."""
    with jax.ensure_compile_time_eval():  # the first call may stand within somebody's `jax.jit`
        return jnp.zeros((), jnp.uint32)


class Program:
    """One compiled call: for a structure of arguments and values of those that are no arrays."""

    def __init__(
        self,
        layer: Layer,
        structure: Any,
        static: tuple[Any, ...],
        further: Sequence[Variable] = (),
    ) -> None:
        self.structure = structure
        self.static = static
        self.variables: list[Variable] = [*layer.weights, *further]
        self.strays: list[Variable] = []
        self._retried = bool(further)
        self.updated: list[int] = []
        self.faults: list[Any] = []
        self.owners: list[Any] = []
        self.draws = True
        self.origin: str | None = None
        # Nobody said; layers that change images act then, but where a model predicts.
        self.training: bool | None = None
        self._layer = layer
        # What the token of the program stands for must not be collected.
        parts = list(layer.all_layers())
        self.kept = (getattr(layer, "graph", None), parts, [part.constants for part in parts])
        self.convolves = any(part._convolves for part in self.kept[1])
        self._compiled = jit.compile(self.function, sums=not self.convolves)

    def function(self, values: list[Any], seed: Any, calls: Any, dynamic: list[Any]) -> Any:
        """The pure function; what it notes on the way is the same at each trace."""
        arrays = iter(dynamic)
        leaves = [next(arrays) if leaf is None else leaf for leaf in self.static]
        args, kwargs, mask = jax.tree.unflatten(self.structure, leaves)
        for one in shapes.listed(mask) if self.origin else ():
            if one is not None:
                masks.came_from(one, str(self.origin))
        key = context.key_of_call(seed, calls)
        outcome = pure.run(
            self._layer._computed,
            self.variables,
            values,
            args,
            kwargs,
            mask,
            training=self.training,
            key=key,
        )
        record = outcome.call
        self.strays = list(record.strays)
        self.updated = [i for i, v in enumerate(self.variables) if v in record.updated]
        self.faults = list(record.faults)
        self.owners = [owner for owner, _ in record.losses]
        self.draws = record.drawn
        noted = pure.first_failure(record.faults) if record.faults else None
        losses = [loss for _, loss in record.losses]
        return outcome.result, [outcome.values[i] for i in self.updated], noted, losses

    @property
    def repeats(self) -> bool:
        """Whether a call leaves nothing behind and is the same each time; known once traced."""
        return not (self.strays or self.updated or self.draws or self.owners)

    def __call__(self, layer: Layer, dynamic: list[Any], origin: str | None) -> Any:
        seed = next_run_seed() if self.draws else _zero()
        calls = np.uint32(layer._random_calls) if self.draws else seed
        with readers:
            values = [variable._value for variable in self.variables]
            try:
                result = self._compiled(values, seed, calls, dynamic)
            except Exception as error:
                faulty.without_note(error)
                raise
        if self.strays:
            self._stray(layer)
        if self.draws:
            vars(layer)["_random_calls"] += 1
        (outputs, found), updates, noted, losses = result
        if noted is not None:
            pure.raise_noted(self.faults, noted)
        for place, value in zip(self.updated, updates, strict=True):
            self.variables[place].assign(value)
        if losses or layer._call_losses:
            self._publish(layer, losses)
        if found is not None:
            keep_masks(layer, outputs, found, origin)
        return outputs

    def _stray(self, layer: Layer) -> None:
        """Ask for a program that takes the values of all variables, not constants."""
        if not self._retried:
            raise Strays(self.strays)
        raise ValueError(
            f"{layer}: the weight {self.strays[0].path!r} is made anew each time that call runs. "
            "Make layers and weights in __init__ or build, and keep them as attributes."
        )

    def _publish(self, layer: Layer, losses: list[Any]) -> None:
        for part in layer.all_layers():
            part._call_losses.clear()
        for owner, loss in zip(self.owners, losses, strict=True):
            if owner is not None:
                owner._call_losses.append(loss)


def symbolic_like(structure: Nested) -> Nested:
    """Symbolic tensors in the place of arrays."""
    if isinstance(structure, list | tuple) and not hasattr(structure, "_fields"):
        return type(structure)(symbolic_like(part) for part in structure)
    if isinstance(structure, dict):
        return {key: symbolic_like(part) for key, part in structure.items()}
    if isinstance(structure, jax.Array | np.ndarray | np.generic):
        return SymbolicTensor(structure.shape, structure.dtype, "input")
    return structure
