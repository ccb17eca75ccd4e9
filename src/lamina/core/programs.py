"""Traced programs as data: what is in them, digests, evaluating them with other values put in."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.core import ShapedArray

from lamina.ops import native_adam, native_back, native_conv, native_pool, native_rows

_OUR_CONVOLUTIONS = {native_conv.conv_p, native_back.back_p, native_back.gradient_p}
_CONVOLUTIONS = {lax.conv_general_dilated_p, *_OUR_CONVOLUTIONS}


def has_convolution(program: Any) -> bool:
    """Whether a jaxpr, or one inside of it, convolves."""
    for equation in program.eqns:
        if equation.primitive in _CONVOLUTIONS:
            return True
        if any(map(has_convolution, _inside(equation.params))):
            return True
    return False


def _inside(options: dict[str, Any]) -> Iterator[Any]:
    """The jaxprs in the options of an operation.

    ``jax.extend.core`` has this, but to import it takes a tenth of a first ``fit`` whose programs
    are on disk: it brings Pallas with it.
    """
    for option in options.values():
        for part in option if isinstance(option, tuple | list) else (option,):
            program = getattr(part, "jaxpr", part)
            if hasattr(program, "eqns"):
                yield program


def may_loop(program: Any) -> bool:
    """Whether a program may run many times in a compiled loop.

    XLA runs convolutions inside of a loop 20 to 30 times slower on a CPU.
    """
    return jax.default_backend() != "cpu" or not has_convolution(program)


def kept_if(failed: Any, update: Callable[..., Any], *values: Any) -> Any:
    """What a function makes of values, or these values as they are if something failed.

    Each new value is chosen as soon as it is there, and what is computed from it later takes the
    chosen one. So the old value of a moment is not read after the new one was written, and XLA
    writes all of them in place. A choice after the update needs a copy of each, which is a third
    of the time of a small training step. A step of Adam by the kernels makes the choice itself.

    Args:
        failed: bool scalar; traced.
        update: function of the values to new ones of the same structure.
        values: what to update.

    >>> rate = jax.jit(lambda failed, x: kept_if(failed, lambda x: (2 * x,), x))
    >>> float(rate(False, 3.0)[0]), float(rate(True, 3.0)[0])
    (6.0, 3.0)
    """
    program, shapes = jax.make_jaxpr(update, return_shape=True)(*values)
    jaxpr, olds = program.jaxpr, jax.tree.leaves(values)
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*program.consts, *olds], strict=True))
    early = _places_of_results(jaxpr)
    _evaluate(jaxpr.eqns, known, failed, {one: olds[place] for one, place in early.items()})
    outputs, chosen = [], set(early.values())
    for place, atom in enumerate(jaxpr.outvars):
        value = atom.val if hasattr(atom, "val") else known[atom]
        done = value is olds[place] or place in chosen
        outputs.append(value if done else lax.select(failed, olds[place], value))
    return jax.tree.unflatten(jax.tree.structure(shapes), outputs)


def _places_of_results(jaxpr: Any) -> dict[Any, int]:
    """Variables that an equation makes and that stand for one output, and the place of that."""
    made: set[Any] = set()
    for equation in jaxpr.eqns:
        made.update(equation.outvars)
    places: dict[Any, list[int]] = {}
    for place, atom in enumerate(jaxpr.outvars):
        if not hasattr(atom, "val") and atom in made:
            places.setdefault(atom, []).append(place)
    # A value that stands for two outputs cannot become the old value of both.
    return {atom: found[0] for atom, found in places.items() if len(found) == 1}


def _evaluate(
    equations: list[Any], known: dict[Any, Any], failed: Any, olds: dict[Any, Any]
) -> None:
    """Run equations, and enter their results, or the old values if something failed."""
    for equation in equations:
        primitive, inputs = equation.primitive, []
        for atom in equation.invars:
            inputs.append(atom.val if hasattr(atom, "val") else known[atom])
        chooses = primitive is native_adam.adam_p
        if chooses:
            inputs[0] = inputs[0] | failed
        options = primitive.get_bind_params(equation.params)
        # JAX 0.10.0 gives the functions of an equation apart from its options.
        functions, options = options if isinstance(options, tuple) else ((), options)
        results = primitive.bind(*functions, *inputs, **options)
        results = results if primitive.multiple_results else [results]
        for one, result in zip(equation.outvars, results, strict=True):
            choice = one in olds and not chooses
            known[one] = lax.select(failed, olds[one], result) if choice else result


class Indescribable(Exception):
    """A program has a part of which it is not known what it stands for."""


def digest(program: Any, *further: Any) -> str | None:
    """A number in hexadecimal for a traced program, the same in each process.

    It stands for operations, their options and what surrounds them, shapes, dtypes and constants,
    and not for names, lines or objects. Only operations of JAX's own are known that consist of
    XLA's: those of linear algebra, and what users define, are machine code of others.

    Args:
        program: a closed jaxpr.
        further: what else the program depends on: numbers, strings, and structures of them.

    Returns:
        The digest; ``None`` for a program that calls Python, has more than a mebibyte of constants
        or parts that are not known.

    >>> twice, thrice = (jax.make_jaxpr(lambda x, n=n: n * x)(1.0) for n in (2, 3))
    >>> digest(twice) == digest(jax.make_jaxpr(lambda x: 2 * x)(1.0))
    True
    >>> digest(twice) == digest(thrice) or digest(twice) == digest(twice, "float32")
    False
    """
    known: Known = {}
    try:
        return None if program.effects else _word((program, further), known)
    except Exception:  # whatever comes of objects that are not what they seem: they are not known
        return None


Known = dict[Any, str]
"""Words for what was met, which is much the same again and again."""

_EXACT = {bool, int, float, complex, str, bytes, type(None), *np.sctypeDict.values()}
_EXACT -= {np.object_, np.void}
"""Types whose values are told apart by how they are written."""

_FORWARD = {"custom_jvp_call", "custom_vjp_call"}
"""Operations of which only ``call_jaxpr`` is compiled; their gradients are other operations."""

_OWN = {primitive for name, primitive in vars(lax).items() if name.endswith("_p")}
_OWN |= {native_rows.dot_p, native_rows.take_p, native_rows.search_p}
_OWN |= {native_pool.pool_p, native_adam.adam_p, *_OUR_CONVOLUTIONS}
_NAMED = _FORWARD | {"jit", "checkpoint", "add_any", "empty2", "platform_index", "threefry2x32"}
_NAMED |= {f"random_{what}" for what in ("seed", "wrap", "unwrap", "bits", "fold_in", "split")}
"""Operations that are known: XLA's, some that become such, which JAX does not export, and ours."""

_MOST = 2**20
"""Bytes of constants up to which a program is described; JAX would write them out with it."""


def _word(value: Any, known: Known) -> str:
    """A word for tuples, lists and dicts and for what they hold."""
    leaves, structure = jax.tree.flatten(value)
    words = [str(structure)]
    if words[0].count("CustomNode(") != words[0].count("CustomNode(namedtuple["):
        raise Indescribable
    for leaf in leaves:
        kind = type(leaf)
        if kind in _EXACT:
            words.append(repr(leaf))
        else:
            key = kind, leaf
            if key not in known:
                known[key] = _rare(leaf, known)
            words.append(known[key])
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _rare(value: Any, known: Known) -> str:
    """A word for what is no plain number or string."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, ShapedArray) and value.sharding.mesh.empty:
        if not isinstance(value.dtype, np.dtype):
            _generator(value.dtype._impl)
        place = getattr(value, "memory_space", None)
        return f"{value.dtype}{value.shape}{value.weak_type}{place}"
    if hasattr(value, "eqns"):
        return _jaxpr(value, known)
    if isinstance(value, enum.Enum):
        return f"{name}.{value.name}"
    if isinstance(value, np.dtype) or name.endswith((".UnspecifiedValue", ".TypedInt")):
        return f"{name} {value!r}"
    return _nowhere(value)


def _nowhere(value: Any) -> str:
    """A word for what surrounds an operation, and for places that are no particular ones."""
    if hasattr(value, "threefry_partitionable"):
        if value.compute_type or value.xla_metadata or not value.cur_abstract_mesh.empty:
            raise Indescribable
        return f"{value.threefry_partitionable} {value.remove_size_one_mesh_axis}"
    if isinstance(value, jax.sharding.NamedSharding):
        if not value.mesh.empty or any(value.spec) or value.memory_kind is not None:
            raise Indescribable
        return f"nowhere {len(value.spec)}"
    if isinstance(value, jax.sharding.Mesh | jax.sharding.AbstractMesh) and value.empty:
        return "no mesh"
    raise Indescribable


def _constant(value: Any) -> tuple[Any, ...]:
    """Words for an array that a program was traced with."""
    array = np.asarray(value)
    if array.dtype.hasobject or array.nbytes > _MOST:
        raise Indescribable
    return array.dtype, array.shape, hashlib.sha256(array.tobytes()).hexdigest()


def _jaxpr(program: Any, known: Known) -> str:
    """A word for a list of operations; their values have the numbers in which they come up."""
    jaxpr = getattr(program, "jaxpr", program)
    constants = [_constant(constant) for constant in getattr(program, "consts", ())]
    takes = "takes", {}, [], [*jaxpr.constvars, *jaxpr.invars]
    gives = "gives", {}, jaxpr.outvars, []
    between = [(e.primitive, e.params, e.invars, e.outvars) for e in jaxpr.eqns]
    numbers: dict[Any, int] = {}
    parts: list[Any] = [constants, [equation.ctx for equation in jaxpr.eqns]]
    for primitive, given, read, made in [takes, *between, gives]:
        name = getattr(primitive, "name", primitive)
        if not (primitive in _OWN or name in _NAMED or primitive is name):
            raise Indescribable
        options = {"call_jaxpr": given["call_jaxpr"]} if name in _FORWARD else given
        if "impl" in options:
            options = options | {"impl": _generator(options["impl"])}
        # A number within the program stands for itself.
        values = [
            (atom.aval, np.asarray(atom.val, atom.aval.dtype).tobytes())
            if hasattr(atom, "val")
            else numbers[atom]
            for atom in read
        ]
        numbers.update(zip(made, range(len(numbers), len(numbers) + len(made)), strict=True))
        parts.append((name, options, values, [variable.aval for variable in made]))
    return _word(parts, known)


def _generator(keys: Any) -> str:
    """A word for one of JAX's generators of random numbers."""
    if not keys.random_bits.__module__.startswith("jax."):
        raise Indescribable
    return keys.name
