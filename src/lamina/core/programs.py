"""Traced programs as data: what is in them, and evaluating them with other values put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import lax


def has_convolution(program: Any) -> bool:
    """Whether a jaxpr, or one inside of it, convolves."""
    # Only models that are compiled pay for this import: it brings Pallas with it.
    from jax.extend.core import jaxprs_in_params

    for equation in program.eqns:
        if equation.primitive.name == "conv_general_dilated":
            return True
        for inner in jaxprs_in_params(equation.params):
            if has_convolution(inner):
                return True
    return False


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
    of the time of a small training step.

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
        options = primitive.get_bind_params(equation.params)
        # JAX 0.10.0 gives the functions of an equation apart from its options.
        functions, options = options if isinstance(options, tuple) else ((), options)
        results = primitive.bind(*functions, *inputs, **options)
        results = results if primitive.multiple_results else [results]
        for one, result in zip(equation.outvars, results, strict=True):
            known[one] = lax.select(failed, olds[one], result) if one in olds else result
