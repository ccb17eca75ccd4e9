"""``lamina.ops`` and ``lamina.random`` on arrays and in graphs, against NumPy and SciPy."""

from typing import Any

import jax
import numpy as np
import pytest
import scipy.special

from lamina import backend as K
from lamina import ops as functions
from lamina import random
from lamina.backend import keras3
from lamina.backend.keras3 import elementwise

RNG = np.random.default_rng(3)
A = RNG.normal(size=(3, 4)).astype("f")
B = RNG.normal(size=(3, 4)).astype("f")
UNIT = RNG.uniform(0.1, 0.9, size=(3, 4)).astype("f")
INTS = RNG.integers(1, 9, size=(3, 4)).astype("int32")
BITS = "bitwise_and bitwise_or bitwise_xor gcd lcm bitwise_invert bitwise_not".split()  # noqa: SIM905


ops: Any = functions


def close(found, wanted):
    found = np.asarray(found)
    assert found.shape == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, rtol=3e-5, atol=2e-6)


def in_a_graph(calls: Any) -> Any:
    """The results of calls ``(name, inputs, rest)`` on symbolic tensors, all in one program."""
    fed, outputs, data = [], [], []
    for name, inputs, rest in calls:
        own = [K.placeholder((None, *x.shape[1:]), dtype=x.dtype) for x in inputs]
        outputs.append(getattr(ops, name)(*own, *rest))
        fed += own
        data += inputs
    return K.function(fed, outputs)(data)


def unary_input(name):
    return 1 + UNIT if name == "arccosh" else INTS if name in BITS else UNIT


def binary_inputs(name):
    if name in BITS:
        return [INTS, INTS[::-1]]
    positive = name in ("power", "floor_divide", "mod", "fmod")
    return [np.abs(A) if positive else A, np.abs(B) + 0.1]


def test_families_in_a_graph():
    calls: list[Any] = [(name, [unary_input(name)], ()) for name in elementwise.UNARY]
    calls += [(name, binary_inputs(name), ()) for name in elementwise.BINARY]
    calls += [(name, [A], (1,)) for name in elementwise.REDUCTIONS]
    calls += [(name, case[0], case[1]) for name, case in CASES.items()]
    for call, found in zip(calls, in_a_graph(calls), strict=True):
        name, inputs, rest = call
        close(found, np.asarray(getattr(ops, name)(*inputs, *rest)))


@pytest.mark.parametrize("name", elementwise.UNARY)
def test_unary(name):
    x = unary_input(name)
    close(getattr(ops, name)(x), getattr(np, name)(x))


@pytest.mark.parametrize("name", elementwise.BINARY)
def test_binary(name):
    x, y = binary_inputs(name)
    if name != "nextafter":
        close(getattr(ops, name)(x, y), getattr(np, name)(x, y))
        close(getattr(ops, name)(x, y[0]), getattr(np, name)(x, y[0]))


@pytest.mark.parametrize("name", elementwise.REDUCTIONS)
def test_reductions(name):
    x = A > 0 if name in ("any", "all") else A
    other = getattr(np, name)
    close(getattr(ops, name)(x, axis=1), other(x, axis=1))
    close(getattr(ops, name)(x, axis=0, keepdims=True), other(x, axis=0, keepdims=True))
    close(getattr(ops, name)(x), other(x))


CASES = {
    "erf": ([A], (), scipy.special.erf(A)),
    "erfc": ([A], (), scipy.special.erfc(A)),
    "erfinv": ([UNIT], (), scipy.special.erfinv(UNIT)),
    "rsqrt": ([UNIT], (), 1 / np.sqrt(UNIT)),
    "gelu": ([A], (False,), A * (1 + scipy.special.erf(A / np.sqrt(2))) / 2),
    "hard_sigmoid": ([3 * A], (), np.clip(A / 2 + 0.5, 0, 1)),
    "clip": ([A], (-0.5, 0.25), np.clip(A, -0.5, 0.25)),
    "divide_no_nan": ([A, (INTS > 4).astype("f")], (), np.where(INTS > 4, A, 0)),
    "left_shift": ([INTS, INTS], (), INTS << INTS),
    "where": ([A > 0, A, B], (), np.where(A > 0, A, B)),
    "logsumexp": ([A], (1,), scipy.special.logsumexp(A, 1)),
    "quantile": ([A], (0.3, 1), np.quantile(A, 0.3, 1)),
    "cumsum": ([A], (1,), A.cumsum(1)),
    "reshape": ([A], ((-1, 2),), A.reshape(-1, 2)),
    "transpose": ([A], (), A.T),
    "swapaxes": ([A], (0, 1), A.T),
    "moveaxis": ([A], (0, 1), A.T),
    "expand_dims": ([A], (1,), A[:, None]),
    "repeat": ([A], (2, 1), np.repeat(A, 2, 1)),
    "tile": ([A], ((1, 2),), np.tile(A, (1, 2))),
    "flip": ([A], (1,), A[:, ::-1]),
    "roll": ([A], (2, 1), np.roll(A, 2, 1)),
    "pad": ([A], (((0, 0), (1, 2)),), np.pad(A, ((0, 0), (1, 2)))),
    "take": ([A], ([2, 0], 1), A[:, [2, 0]]),
    "take_along_axis": ([A, INTS % 4], (1,), np.take_along_axis(A, INTS % 4, 1)),
    "argsort": ([A], (), A.argsort(-1)),
    "sort": ([A], (1,), np.sort(A, 1)),
    "diff": ([A], (), np.diff(A)),
    "tril": ([A], (), np.tril(A)),
    "triu": ([A], (1,), np.triu(A, 1)),
    "vdot": ([A, B], (), np.vdot(A, B)),
    "one_hot": ([INTS], (9,), np.eye(9)[INTS]),
    "normalize": ([A], (), A / np.linalg.norm(A, axis=-1, keepdims=True)),
    "norm": ([A], (None, 1), np.linalg.norm(A, axis=1)),
    "zeros_like": ([A], (), np.zeros((3, 4))),
    "full_like": ([A], (7,), np.full((3, 4), 7)),
    "cast": ([A], ("int32",), A.astype("int32")),
    "layer_normalization": (
        [A], (), (A - A.mean(1, keepdims=True)) / np.sqrt(A.var(1, keepdims=True) + 1e-7)),
    "rms_normalization": ([A], (), A / np.sqrt((A**2).mean(1, keepdims=True) + 1e-7)),
    "nan_to_num": ([np.where(A > 0, np.nan, A)], (), np.where(A > 0, 0, A)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_others(name):
    inputs, rest, wanted = CASES[name]
    close(getattr(ops, name)(*inputs, *rest), wanted)


def test_products():
    stacks = RNG.normal(size=(2, 3, 4)).astype("f")
    square = RNG.normal(size=(4, 4)).astype("f")
    close(ops.matmul(stacks, square), stacks @ square)
    close(ops.matmul(stacks, np.stack([square] * 2)), stacks @ square)
    close(ops.einsum("bij,jk->bki", stacks, square), np.einsum("bij,jk->bki", stacks, square))
    close(ops.tensordot(stacks, square, axes=[[2], [0]]), stacks @ square)
    close(ops.outer(A[0], B[0]), np.outer(A[0], B[0]))


def test_lists_of_tensors():
    x, y = K.placeholder((3, 4)), K.placeholder((3, 4))
    outputs = [ops.concatenate([x, y], axis=1), ops.stack([x, y], axis=1)]
    found = K.function([x, y], [*outputs, *ops.split(x, 2, axis=1), *ops.unstack(x, axis=0)])(
        [A, B]
    )
    wanted = [np.concatenate([A, B], 1), np.stack([A, B], 1), A[:, :2], A[:, 2:], *A]
    for one, other in zip(found, wanted, strict=True):
        close(one, other)
    with pytest.raises(ValueError, match="cannot be cut into 3 equal parts"):
        ops.split(A, 3, axis=1)


def test_scatter_and_slices():
    close(ops.scatter([[0], [2]], A[:2], (4, 4)), np.stack([A[0], 0 * A[0], A[1], 0 * A[0]]))
    close(ops.scatter_update(A, [[1, 2]], [9.0])[1, 2], 9.0)
    close(ops.slice(A, (1, 1), (2, 2)), A[1:3, 1:3])
    changed = A.copy()
    changed[1:, 2:] = 0
    close(ops.slice_update(A, (1, 2), np.zeros((2, 2))), changed)
    close(ops.segment_sum(A, np.array([0, 1, 0]), 2), np.stack([A[0] + A[2], A[1]]))
    values, places = ops.top_k(A, 2)
    close(values, -np.sort(-A, 1)[:, :2])
    close(places, np.argsort(-A, 1)[:, :2])


def test_modules_that_are_functions_too():
    x, kernel = RNG.normal(size=(1, 5, 6, 4)).astype("f"), RNG.normal(size=(2, 2, 2, 6)).astype("f")
    assert ops.shape(K.placeholder((None, 3))) == (None, 3)
    grouped = ops.conv(x, kernel, padding="same")
    one = K.conv2d(x[..., :2], kernel[..., :3], padding="same")
    close(grouped[..., :3], np.asarray(one))
    assert ops.conv.conv_output_size(5, 2, padding="valid") == 4
    assert ops.max_pool(x, 2).shape == (1, 2, 3, 4)


def test_loops():
    close(ops.scan(lambda total, x: (total + x, total), np.float32(0), A[0])[0], A[0].sum())
    close(ops.fori_loop(0, 5, lambda i, v: v + i, 0), 10)
    close(ops.while_loop(lambda v: v < 40, lambda v: v * 3, np.float32(1)), 81)
    close(ops.while_loop(lambda v, w: True, lambda v, w: (v + 1, w), (0, 1), 4)[0], 4)
    close(ops.map(lambda row: row.sum(), A), A.sum(1))
    close(ops.vectorized_map(lambda row: row.sum(), A), A.sum(1))
    assert ops.cond(True, lambda: 1, lambda: 2) == 1
    close(jax.jit(lambda x: ops.cond(x > 0, lambda: x, lambda: -x))(np.float32(-3)), 3)


def test_attention_is_a_weighted_mean():
    q, k, v = RNG.normal(size=(3, 2, 5, 3, 4)).astype("f")
    weights = scipy.special.softmax(np.einsum("bqhd,bkhd->bhqk", q, k) / 2, -1)
    close(ops.dot_product_attention(q, k, v), np.einsum("bhqk,bkhd->bqhd", weights, v))


def test_unknown_names_are_named():
    with pytest.raises(AttributeError, match=r"no attribute 'matmull'\. Did you mean 'matmul'"):
        ops.matmull  # noqa: B018
    assert {"matmul", "conv", "linear"} <= set(dir(ops))
    assert len(keras3.table()) > 250


def test_random_seeds():
    close(random.normal((2, 3), seed=1), np.asarray(random.normal((2, 3), seed=1)))
    numbers = random.SeedGenerator(4)
    first, second = random.uniform((9,), seed=numbers), random.uniform((9,), seed=numbers)
    assert not np.array_equal(first, second)
    again = random.SeedGenerator(**numbers.get_config())
    close(random.uniform((9,), seed=again), np.asarray(first))
    with pytest.raises(ValueError, match="seed must be an int, a SeedGenerator or None, got 'x'"):
        random.normal((2,), seed="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="seed must be an int"):
        random.SeedGenerator(1.5)  # type: ignore[arg-type]


def test_random_distributions():
    size = (2000,)
    close_to = [
        (random.normal(size, 2.0, 3.0, seed=1), 2, 3),
        (random.uniform(size, 1.0, 5.0, seed=1), 3, 4 / np.sqrt(12)),
        (random.randint(size, 0, 4, seed=1), 1.5, np.sqrt(15 / 12)),
        (random.binomial(size, 10.0, 0.3, seed=1), 3, np.sqrt(2.1)),
        (random.gamma(size, 4.0, seed=1), 4, 2),
        (random.beta(size, 2.0, 2.0, seed=1), 0.5, np.sqrt(0.05)),
        (random.categorical(np.log([[0.25, 0.75]]), 2000, seed=1), 0.75, np.sqrt(3) / 4),
    ]
    for drawn, mean, deviation in close_to:
        np.testing.assert_allclose(np.mean(drawn), mean, rtol=0.08)
        np.testing.assert_allclose(np.std(drawn), deviation, rtol=0.08)
    assert np.abs(random.truncated_normal(size)).max() <= 2
    assert sorted(np.asarray(random.shuffle(np.arange(9), seed=2)).tolist()) == list(range(9))


def test_random_in_a_graph_draws_anew():
    x = K.placeholder((60,))
    f = K.function([x], [random.dropout(x, 0.5)])
    assert not np.array_equal(f([np.ones(60)])[0], f([np.ones(60)])[0])
