"""``lamina.ops`` has the names, the signatures and the values of ``keras.ops`` of Keras 3.15.1."""

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamina import backend as K
from lamina import ops as functions
from lamina.backend import keras3

ops: Any = functions
GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = json.loads((GOLDEN / "ops_keras3.json").read_text("utf-8"))
with np.load(GOLDEN / "ops_keras3.npz") as file:
    ARRAYS = {name: file[name] for name in file.files}
CALLS = json.loads(str(ARRAYS.pop("index")))

# Arguments that lamina has beyond those of Keras 3, behind them.
MORE = {
    "count_nonzero": ["keepdims"],
    "relu": ["negative_slope", "max_value", "threshold"],
}


def test_the_names_are_those_of_keras3():
    assert sorted(keras3.table()) == sorted(NAMES[""])


MODULES = pytest.mark.parametrize("module", [name for name in NAMES if name])


@MODULES
def test_the_names_of_modules_are_those_of_keras3(module):
    assert dir(getattr(ops, module)) == sorted(NAMES[module])


@MODULES
def test_functions_of_modules_are_those_of_ops(module):
    for name, wanted in NAMES[module].items():
        found = getattr(getattr(ops, module), name)
        if wanted == "the same":
            assert found is keras3.table()[name]
        else:
            assert arguments(found) == wanted


def arguments(function: Any) -> list[list[str | None]]:
    found = []
    for one in inspect.signature(function).parameters.values():
        default = None if one.default is one.empty else repr(one.default)
        found.append([one.kind.name, one.name, default])
    return found


@pytest.mark.parametrize("name", NAMES[""])
def test_signatures_are_those_of_keras3(name):
    found, wanted = arguments(keras3.table()[name]), NAMES[""][name]
    assert found[: len(wanted)] == wanted
    assert [row[1] for row in found[len(wanted) :]] == MORE.get(name, [])


def read(stored: dict[str, Any]) -> Any:
    ((kind, value),) = stored.items()
    if kind == "array":
        return ARRAYS[value]
    if kind == "plain":
        return value
    return [list, tuple][kind == "tuple"](map(read, value))


def leaves(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def find(path: str) -> Any:
    function = ops
    for part in path.split("."):
        function = getattr(function, part)
    return function


CASES = pytest.mark.parametrize("call", CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(CALLS)])


@CASES
def test_values_are_those_of_keras3(call):
    path, args, kwargs, result = call
    found = find(path)(*map(read, args), **{name: read(one) for name, one in kwargs.items()})
    wanted = read(result)
    assert isinstance(found, list | tuple) == isinstance(wanted, list | tuple)
    for one, other in zip(leaves(found), leaves(wanted), strict=True):
        assert (np.shape(one), np.asarray(one).dtype) == (np.shape(other), other.dtype)
        # Pixels of whole numbers may be rounded to the other side of a half.
        whole = path.startswith("image.") and other.dtype.kind in "iu"
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1 if whole else 2e-5)


# Their shapes depend on values.
VALUES = {"nonzero", "bincount", "unique"}


def symbolic(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(symbolic, value))
    if not isinstance(value, np.ndarray):
        return value
    return K.placeholder(value.shape, dtype=value.dtype)


@CASES
def test_symbolic_shapes_are_those_of_the_arrays(call):
    path, args, kwargs, result = call
    if path in VALUES and not read(kwargs.get("size", {"plain": None})):
        return
    first = symbolic(read(args[0])) if path != "einsum" else read(args[0])
    rest = [symbolic(read(a)) if path == "einsum" else read(a) for a in args[1:]]
    found = find(path)(first, *rest, **{name: read(one) for name, one in kwargs.items()})
    for one, other in zip(leaves(found), leaves(read(result)), strict=True):
        if K.is_keras_tensor(one):
            assert (one.shape, one.dtype) == (other.shape, other.dtype)
