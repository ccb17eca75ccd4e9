"""Digests of traced programs: which are equal, which are not, and what has none."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.experimental.xla_metadata
import jax.extend.random as prng
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import Primitive

from lamina.core.programs import digest

SHAPE = (3, 5)


def digest_of(function, *args, **options):
    args = args or (jnp.ones(SHAPE),)
    return digest(jax.make_jaxpr(function)(*args, **options))


def halved(x):
    return jax.jit(lambda x: x / 2)(x)


@jax.custom_jvp
def bent(x):
    return jnp.sin(x)


bent.defjvp(lambda x, dx: (bent(x[0]), 2 * dx[0]))


@jax.custom_jvp
def straight(x):
    return jnp.cos(x)


straight.defjvp(lambda x, dx: (straight(x[0]), 2 * dx[0]))

TABLE = np.arange(15.0, dtype="float32").reshape(SHAPE)

PROGRAMS = {
    "times two": lambda x: 2 * x,
    "times three": lambda x: 3 * x,
    "times nearly two": lambda x: np.nextafter(np.float32(2), np.float32(3)) * x,
    "plus two": lambda x: 2 + x,
    "two minus": lambda x: 2 - x,
    "minus two": lambda x: x - 2,
    "plus zero": lambda x: x + 0.0,
    "plus minus zero": lambda x: x + (-0.0),
    "twice the same": lambda x: (x, 2 * x),
    "the other way": lambda x: (2 * x, x),
    "the first": lambda x: (x + 1, x + 2)[0],
    "sums over one axis": lambda x: x.sum(0),
    "sums over the other": lambda x: x.sum(1),
    "sums over both": lambda x: x.sum(),
    "product": lambda x: lax.dot_general(x, x, (((1,), (1,)), ((), ()))),
    "exact product": lambda x: lax.dot_general(
        x, x, (((1,), (1,)), ((), ())), precision=lax.Precision.HIGHEST
    ),
    "product along the other axis": lambda x: lax.dot_general(x, x, (((0,), (0,)), ((), ()))),
    "to half": lambda x: x.astype("bfloat16"),
    "to whole": lambda x: x.astype("int32"),
    "halved within": halved,
    "one of two": lambda x: lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x),
    "one of two, the other way": lambda x: lax.cond(x[0, 0] > 0, jnp.cos, jnp.sin, x),
    "three times": lambda x: lax.fori_loop(0, 3, lambda _, x: x * x, x),
    "four times": lambda x: lax.fori_loop(0, 4, lambda _, x: x * x, x),
    "scanned": lambda x: lax.scan(lambda c, row: (c + row, c), x[0], x),
    "scanned backwards": lambda x: lax.scan(lambda c, row: (c + row, c), x[0], x, reverse=True),
    "own gradient, sine": bent,
    "own gradient, cosine": straight,
    "its gradient": jax.grad(lambda x: bent(x).sum()),
    "a table": lambda x: x + TABLE,
    "another table": lambda x: x + (TABLE + 1),
    "a table within": jax.jit(lambda x: x + TABLE),
    "another table within": jax.jit(lambda x: x + (TABLE + 1)),
    "a table of whole numbers": lambda x: (x, jnp.square(TABLE.view("int32"))),
    "a table of the same bytes": lambda x: (x, jnp.square(TABLE.view("uint32"))),
    "a table of another shape": lambda x: x.reshape(5, 3) + TABLE.reshape(5, 3),
    "drawn in the other way": jax.threefry_partitionable(False)(
        lambda x: x + jax.random.uniform(jax.random.key(1), SHAPE)
    ),
    "a gathered row": lambda x: x.at[jnp.array([1, 0])].get(mode="clip"),
    "a gathered row or nothing": lambda x: x.at[jnp.array([1, 0])].get(mode="fill"),
    "drawn": lambda x: x + jax.random.uniform(jax.random.key(1), SHAPE),
    "drawn from bits": lambda x: x + jax.random.uniform(jax.random.key(1, impl="rbg"), SHAPE),
    "drawn from another seed": lambda x: x + jax.random.uniform(jax.random.key(2), SHAPE),
    "convolved": lambda x: jnp.convolve(x[0], x[1], "full"),
    "convolved by dilation": lambda x: lax.conv_general_dilated(
        x[None, None], x[None, None, :2, :2], (1, 1), "VALID", rhs_dilation=(1, 2)
    ),
    "convolved by steps": lambda x: lax.conv_general_dilated(
        x[None, None], x[None, None, :2, :2], (1, 2), "VALID"
    ),
}


def test_programs_that_differ_have_different_digests():
    found = {name: digest_of(program) for name, program in PROGRAMS.items()}
    assert None not in found.values()
    # Each alone: a program that equals another one is told by name.
    other = {}
    for name, one in found.items():
        assert one not in other, (name, other[one])
        other[one] = name


@pytest.mark.parametrize(
    "x",
    [
        jnp.ones((5, 3)),
        jnp.ones(SHAPE, "bfloat16"),
        jnp.ones(SHAPE, "int32"),
        jnp.ones((1, *SHAPE)),
        np.zeros(SHAPE, "complex64"),
    ],
)
def test_inputs_are_part_of_a_program(x):
    assert digest_of(lambda x: x + x, x) != digest_of(lambda x: x + x)


def test_so_is_whether_a_number_has_a_dtype_of_its_own():
    weak, strong = 1.0, np.float32(1)
    assert digest_of(lambda x: x + x, weak) != digest_of(lambda x: x + x, strong)


def test_what_is_told_beside_the_program_counts():
    program = jax.make_jaxpr(lambda x: x + 1)(1.0)
    told = [(), ("a",), ("a", "b"), (("a", "b"),), (1,), (True,), (1.0,), ({"a": 1},), ({"b": 1},)]
    assert len({digest(program, *further) for further in told}) == len(told)
    assert digest(program, object()) is None


def test_names_and_lines_do_not():
    def first(x):
        return jnp.sin(x) * 2

    def second(number):
        found = jnp.sin(number)
        return found * 2

    assert digest_of(first) == digest_of(second)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (jax.debug.print("{}", x), x)[1],
        lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct(SHAPE, "float32"), x),
        lambda x: lax.cond(
            x[0, 0] > 0,
            lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct(SHAPE, "float32"), x),
            jnp.cos,
            x,
        ),
    ],
    ids=["effect", "python", "python within"],
)
def test_programs_that_call_python_have_none(function):
    assert digest_of(function) is None


def of_our_own():
    """An operation that JAX does not know."""
    primitive = Primitive("sin")
    primitive.def_abstract_eval(lambda x: x)
    return primitive.bind


@pytest.mark.parametrize(
    "function",
    [
        of_our_own(),
        jnp.linalg.cholesky,
        jnp.linalg.svd,
        lambda x: jnp.linalg.solve(x, x),
        jax.ffi.ffi_call("none", jax.ShapeDtypeStruct((3, 3), "float32")),
    ],
    ids=["ours", "cholesky", "svd", "solve", "foreign"],
)
def test_code_that_is_not_xlas_has_none(function):
    """What runs is not in the program; LAPACK is only there once a program was lowered with it."""
    assert digest_of(lambda x: x @ x.T, jnp.ones((3, 3))) is not None
    assert digest_of(function, jnp.ones((3, 3))) is None


@jax.tree_util.register_pytree_node_class
class Holder:
    """A structure of a user's own."""

    def tree_flatten(self):
        return (), "what repr gives"

    @classmethod
    def tree_unflatten(cls, _, __):
        return cls()


def test_objects_of_users_have_none():
    program = jax.make_jaxpr(lambda x: x + 1)(1.0)
    assert digest(program, Holder()) is None
    assert digest(program, np.array([1, "a"], object)) is None
    assert digest(program, type("Float", (float,), {})(1.0)) is None


def test_nor_do_large_constants():
    table = np.random.default_rng(0).normal(size=2**18 + 1).astype("float32")
    assert digest_of(lambda x: x + table[:-1], jnp.ones(2**18)) is not None
    assert digest_of(lambda x: x + table, jnp.ones(2**18 + 1)) is None


def test_what_surrounds_operations_counts():
    def function(x):
        with jax.experimental.xla_metadata.set_xla_metadata(place="here"):
            return x + 1

    assert digest_of(function) is None


@pytest.mark.parametrize("axis", ["x", None])
def test_devices_that_are_chosen_have_none(axis):
    mesh = jax.sharding.Mesh(jax.devices()[:1], "x")
    layout = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(axis))
    assert digest_of(lambda x: lax.with_sharding_constraint(x, layout)) is None


def test_nor_do_generators_of_users():
    def bits(key, bit_width, shape):
        return jnp.full(shape, 7, "uint32")

    own = prng.define_prng_impl(
        key_shape=(2,),
        seed=lambda seed: jnp.zeros(2, "uint32"),
        split=lambda key, shape: jnp.zeros((*shape, 2), "uint32"),
        random_bits=bits,
        fold_in=lambda key, data: key,
        name="threefry2x32",
        tag="fry",
    )
    assert digest_of(lambda x: x + jax.random.uniform(jax.random.key(1, impl=own), SHAPE)) is None


AGAIN = """
import sys, jax, jax.numpy as jnp
sys.path.insert(0, {folder!r})
import test_digests as tests
if {first!r}:
    tests.digest_of(tests.PROGRAMS[{first!r}])
for name, program in tests.PROGRAMS.items():
    print(tests.digest_of(program))
"""


@pytest.mark.parametrize(("first", "seed"), [(None, "1"), ("drawn", "2")])
def test_other_processes_find_the_same(first, seed):
    """Also with other hashes of strings, and where some of it was traced before."""
    code = AGAIN.format(folder=str(Path(__file__).parent), first=first)
    environment = os.environ | {"PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == [digest_of(program) for program in PROGRAMS.values()]
