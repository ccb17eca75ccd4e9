"""Whether a traced program keeps the rows of a batch apart: no row of a result sees another row.

If it does, a batch may be filled up with further rows, and the results of the first ones stay what
they are. The rows are followed through the equations of a jaxpr. Where they cannot be followed (a
sum over the batch, a primitive that is not known here) the answer is no.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

Mark = int | frozenset[int]
"""The axis along which a value has the rows; or, if it has none, the axes along which all of its
numbers are the same."""

ELEMENTWISE = frozenset(
    """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil
    clamp conj convert_element_type copy cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1
    floor ge gt imag integer_pow is_finite le lgamma log log1p logistic lt max min mul ne neg
    nextafter not optimization_barrier or polygamma pow real reduce_precision rem round rsqrt
    select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt square
    stop_gradient sub tan tanh xor
    """.split()  # noqa: SIM905
)
CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "remat2": "jaxpr"}
CALLS |= {"checkpoint": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}


class _MixedError(Exception):
    """Rows meet, or nobody knows whether they do."""


def stay_apart(trace: Callable[[int], Any], rows: int, more: int) -> bool:
    """Whether the first rows of results stay the same when a batch gets further rows.

    Args:
        trace: gives the closed jaxpr for a number of rows; all of its arguments, and all of its
            results, have the rows on axis 0.
        rows: number of rows at first.
        more: number of rows of the larger batch.

    >>> import jax, jax.numpy as jnp
    >>> def for_rows(function):
    ...     return lambda rows: jax.make_jaxpr(function)(np.ones((rows, 2)))
    >>> stay_apart(for_rows(lambda x: jnp.tanh(x).sum(1)), 3, 5)
    True
    >>> stay_apart(for_rows(lambda x: x[::-1]), 3, 5)
    False
    """
    program, larger = trace(rows), trace(more)
    try:
        for one in (program, larger):
            found = _followed(one, [0] * len(one.jaxpr.invars))
            _need(all(type(mark) is int and mark == 0 for mark in found))
    except _MixedError:
        return False
    # A number of rows that was written into the program, as in x / len(x).
    return _numbers(program) == _numbers(larger)


def _numbers(program: Any) -> list[Any]:
    """The constants of a jaxpr and of those inside of it."""
    jaxpr = getattr(program, "jaxpr", program)
    found = [(np.shape(one), np.asarray(one).tobytes()) for one in getattr(program, "consts", ())]
    for equation in _live(jaxpr):
        found += [np.asarray(atom.val).tolist() for atom in equation.invars if hasattr(atom, "val")]
        for leaf in jax.tree.leaves(tuple(equation.params.values()), is_leaf=_is_program):
            if _is_program(leaf):
                found += _numbers(leaf)
    return found


def _live(jaxpr: Any) -> list[Any]:
    """The equations that a result depends on: neither checks of values nor unused keys."""
    wanted = {atom for atom in jaxpr.outvars if not hasattr(atom, "val")}
    found = []
    for equation in reversed(jaxpr.eqns):
        if wanted.intersection(equation.outvars):
            found.append(equation)
            wanted.update(atom for atom in equation.invars if not hasattr(atom, "val"))
    return found[::-1]


def _is_program(value: Any) -> bool:
    return hasattr(value, "eqns")


def _followed(program: Any, marks: Sequence[Mark]) -> list[Mark]:
    """Marks of a program's results from those of its arguments."""
    jaxpr = getattr(program, "jaxpr", program)
    known: dict[Any, Mark] = dict.fromkeys(jaxpr.constvars, frozenset())
    known.update(zip(jaxpr.invars, marks, strict=True))

    def mark_of(atom: Any) -> Mark:
        return frozenset(range(atom.aval.ndim)) if hasattr(atom, "val") else known[atom]

    for equation in _live(jaxpr):
        found = _result(equation, [mark_of(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, found, strict=True))
    return [mark_of(atom) for atom in jaxpr.outvars]


def _result(equation: Any, marks: list[Mark]) -> list[Mark]:
    name, params = equation.primitive.name, equation.params
    shapes = [atom.aval.shape for atom in equation.invars]
    outputs = [atom.aval.shape for atom in equation.outvars]
    if name in ELEMENTWISE:
        return [_joined(marks, shapes)] * len(outputs)
    if name in CALLS:
        _need(CALLS[name] in params)
        return _followed(params[CALLS[name]], marks)
    if name == "broadcast_in_dim":
        return [_broadcast(marks[0], params, shapes[0], outputs[0])]
    rule = RULES.get(name)
    if any(type(mark) is int for mark in marks):
        if rule is None:
            raise _MixedError(name)
        found = rule(marks, params, shapes, outputs)
        return found if isinstance(found, list) else [found] * len(outputs)
    if rule is None or len(outputs) > 1:
        return [frozenset()] * len(outputs)
    return [_alike(marks, lambda marks: rule(marks, params, shapes, outputs))]


def _alike(marks: list[Mark], rule: Callable[[list[Mark]], Any]) -> Mark:
    """Axes of a result along which all is the same, as it is in what it is made of."""
    found: set[int] = set()
    for place, mark in enumerate(marks):
        for axis in mark:  # type: ignore[union-attr]
            try:
                result = rule([*marks[:place], axis, *marks[place + 1 :]])
            except _MixedError:
                continue
            found.add(result[0] if isinstance(result, list) else result)
    return frozenset(found)


def _need(right: bool) -> None:
    if not right:
        raise _MixedError


def _joined(marks: Sequence[Mark], shapes: Sequence[Any]) -> Mark:
    """The mark of what is made element by element of values of one shape, and of scalars."""
    full = [mark for mark, shape in zip(marks, shapes, strict=True) if shape]
    axes = {mark for mark in full if type(mark) is int}
    if not axes:
        return frozenset.intersection(*full) if full else frozenset()  # type: ignore[arg-type]
    _need(len(axes) == 1)
    (axis,) = axes
    _need(all(type(mark) is int or axis in mark for mark in full))  # type: ignore[operator]
    return axis


def _broadcast(mark: Mark, params: Any, shape: Any, output: Any) -> Mark:
    places = params["broadcast_dimensions"]
    if type(mark) is int:
        return places[mark]
    kept = {places[axis] for axis in mark}  # type: ignore[union-attr]
    grown = {place for axis, place in enumerate(places) if shape[axis] != output[place]}
    return frozenset({*range(len(output))} - {*places} | kept | grown)


def _reshaped(marks: list[Mark], params: Any, shapes: Any, outputs: Any) -> Mark:
    del params
    axis, shape, output = marks[0], shapes[0], outputs[0]
    assert type(axis) is int
    before = int(np.prod(shape[:axis]))
    for place, size in enumerate(output):
        if size == shape[axis] and int(np.prod(output[:place])) == before:
            return place
    raise _MixedError


def _transposed(marks: list[Mark], params: Any, *_: Any) -> Mark:
    return params["permutation"].index(marks[0])


def _reduced(marks: list[Mark], params: Any, *_: Any) -> Mark:
    """Without some axes: sums and the like, and `squeeze`."""
    axis = marks[0]
    axes = params["axes"] if "axes" in params else params["dimensions"]
    _need(axis not in axes)
    return axis - sum(other < axis for other in axes)  # type: ignore[operator]


def _along(marks: list[Mark], params: Any, *_: Any) -> Mark:
    """Work along one axis or some, which the result keeps."""
    along: Any = next(params[key] for key in ("axis", "dimension", "dimensions") if key in params)
    axes = {mark for mark in marks if type(mark) is int}
    _need(len(axes) == 1 and not axes & {*(along if isinstance(along, tuple) else (along,))})
    return axes.pop()


def _windowed(marks: list[Mark], params: Any, *_: Any) -> Mark:
    axis = marks[0]
    assert type(axis) is int
    _need(params["window_dimensions"][axis] == params["window_strides"][axis] == 1)
    _need(tuple(params["padding"][axis]) == (0, 0))
    return axis


def _product(marks: list[Mark], params: Any, shapes: Any, outputs: Any) -> Mark:
    del outputs
    contracted, batches = params["dimension_numbers"]
    for side, other in ((0, 1), (1, 0)):
        axis = marks[side]
        if type(axis) is not int:
            continue
        _need(axis not in contracted[side])
        if axis in batches[side]:
            place = batches[side].index(axis)
            beside, partner = marks[other], batches[other][place]
            _need(beside == partner if type(beside) is int else partner in beside)  # type: ignore
            return place
        _need(type(marks[other]) is not int)
        taken = {*contracted[side], *batches[side]}
        place = len(batches[0]) + sum(one not in taken for one in range(axis))
        if side:  # those of the left side come first
            place += len(shapes[0]) - len(contracted[0]) - len(batches[0])
        return place
    raise _MixedError


def _convolved(marks: list[Mark], params: Any, *_: Any) -> Mark:
    numbers = params["dimension_numbers"]
    _need(marks[0] == numbers.lhs_spec[0] and type(marks[1]) is not int)
    _need(params["batch_group_count"] == 1)
    return numbers.out_spec[0]


def _convolved_by_kernels(marks: list[Mark], params: Any, shapes: Any, *_: Any) -> Mark:
    axis = len(shapes[0]) - len(params["windows"].strides) - 2
    _need(marks[0] == axis and all(type(mark) is not int for mark in marks[1:]))
    return axis


def _multiplied_by_kernels(marks: list[Mark], params: Any, shapes: Any, *_: Any) -> Mark:
    _need(type(marks[0]) is int and all(type(mark) is not int for mark in marks[1:]))
    _need(marks[0] != len(shapes[0]) - 1)
    return marks[0]


def _taken_by_kernels(marks: list[Mark], *_: Any) -> Mark:
    _need(type(marks[0]) is not int)
    return marks[1]


def _pooled_by_kernels(marks: list[Mark], *_: Any) -> Mark:
    _need(marks[0] == 0)
    return 0


def _concatenated(marks: list[Mark], params: Any, shapes: Any, outputs: Any) -> Mark:
    del outputs
    axis = _joined(marks, shapes)
    _need(axis != params["dimension"])
    return axis


def _padded(marks: list[Mark], params: Any, *_: Any) -> Mark:
    axis = marks[0]
    _need(type(axis) is int and type(marks[1]) is not int)
    _need(tuple(params["padding_config"][axis]) == (0, 0, 0))
    return axis


def _sliced(marks: list[Mark], params: Any, shapes: Any, outputs: Any) -> Mark:
    """`slice` and `dynamic_slice`, whole along the rows."""
    del params
    axis = marks[0]
    _need(type(axis) is int and not any(type(mark) is int for mark in marks[1:]))
    _need(shapes[0][axis] == outputs[0][axis])
    return axis


def _gathered(marks: list[Mark], params: Any, shapes: Any, outputs: Any) -> Mark:
    numbers, (source, indices) = params["dimension_numbers"], marks
    outside = [one for one in range(len(outputs[0])) if one not in numbers.offset_dims]
    if type(indices) is int:
        _need(indices < len(outside))
        if type(source) is int:
            pairs = zip(
                numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True
            )
            _need((source, indices) in pairs)
        return outside[indices]
    assert type(source) is int
    away = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    _need(source not in away and params["slice_sizes"][source] == shapes[0][source])
    return numbers.offset_dims[sum(one not in away for one in range(source))]


def _chosen(marks: list[Mark], params: Any, *_: Any) -> list[Mark]:
    _need(type(marks[0]) is not int)
    found = [_followed(branch, marks[1:]) for branch in params["branches"]]
    _need(all(one == found[0] for one in found))
    return found[0]


def _scanned(marks: list[Mark], params: Any, *_: Any) -> list[Mark]:
    fixed, carried = params["num_consts"], params["num_consts"] + params["num_carry"]
    rows: list[Mark] = []
    carry: list[Mark]
    for mark in marks[carried:]:
        _need(mark != 0 or type(mark) is not int)
        rows.append(mark - 1 if type(mark) is int else frozenset())
    carry = marks[fixed:carried]
    for _turn in range(len(carry) + 2):
        found = _followed(params["jaxpr"], [*marks[:fixed], *carry, *rows])
        new = [_met(*pair) for pair in zip(carry, found, strict=False)]
        if new == carry:
            ends = [m + 1 if type(m) is int else frozenset() for m in found[len(carry) :]]
            return [*carry, *ends]
        carry = new
    raise _MixedError


def _met(one: Mark, other: Mark) -> Mark:
    """What a value is that is the one at first and the other later."""
    if type(one) is not int and type(other) is not int:
        return one & other  # type: ignore[operator]
    axis, beside = (one, other) if type(one) is int else (other, one)
    _need(axis == beside if type(beside) is int else axis in beside)  # type: ignore[operator]
    return axis


RULES: dict[str, Callable[..., Mark | list[Mark]]] = {
    "reshape": _reshaped,
    "transpose": _transposed,
    "squeeze": _reduced,
    **dict.fromkeys(("reduce_sum", "reduce_max", "reduce_min", "reduce_prod"), _reduced),
    **dict.fromkeys(("reduce_and", "reduce_or", "argmax", "argmin"), _reduced),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"), _along),
    **dict.fromkeys(("rev", "sort", "split"), _along),
    **dict.fromkeys(("reduce_window_max", "reduce_window_min", "reduce_window_sum"), _windowed),
    "dot_general": _product,
    "conv_general_dilated": _convolved,
    "lamina_conv": _convolved_by_kernels,
    "lamina_dot": _multiplied_by_kernels,
    "lamina_take": _taken_by_kernels,
    "lamina_pool": _pooled_by_kernels,
    "concatenate": _concatenated,
    "pad": _padded,
    "slice": _sliced,
    "dynamic_slice": _sliced,
    "gather": _gathered,
    "cond": _chosen,
    "scan": _scanned,
}
