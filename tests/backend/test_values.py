"""Each function on NumPy arrays, on variables and inside of a graph, against plain NumPy."""

import numpy as np
import pytest

from lamina import backend as K

RNG = np.random.default_rng(0)
A = RNG.normal(size=(2, 3, 4)).astype("f")
B = RNG.normal(size=(2, 3, 4)).astype("f")
P = np.abs(A) + 0.1
ROW = RNG.normal(size=4).astype("f")
INTS = np.array([[0, 2, 1], [1, 0, 2]], "int32")
BOOLS = A > 0


def soft(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


CASES = {
    "square": (K.square, [A], A * A),
    "abs": (K.abs, [A], np.abs(A)),
    "sqrt": (K.sqrt, [P], np.sqrt(P)),
    "exp": (K.exp, [A], np.exp(A)),
    "exp_of_ints": (K.exp, [INTS], np.exp(INTS)),
    "log": (K.log, [P], np.log(P)),
    "round": (K.round, [3 * A], np.round(3 * A)),
    "sign": (K.sign, [A], np.sign(A)),
    "sin": (K.sin, [A], np.sin(A)),
    "cos": (K.cos, [A], np.cos(A)),
    "pow": (lambda x: K.pow(x, 3), [A], A**3),
    "pow_of_tensors": (K.pow, [P, ROW], P**ROW),
    "clip": (lambda x: K.clip(x, -0.5, 0.25), [A], np.clip(A, -0.5, 0.25)),
    "clip_above": (lambda x: K.clip(x, None, 0.25), [A], np.minimum(A, 0.25)),
    "equal": (lambda x: K.equal(x, 1), [INTS], INTS == 1),
    "not_equal": (lambda x: K.not_equal(x, 1), [INTS], INTS != 1),
    "greater": (K.greater, [A, ROW], A > ROW),
    "greater_equal": (
        K.greater_equal, [INTS, np.array([1, 0, 2], "int32")], np.array([1, 0, 2]) <= INTS),
    "less": (K.less, [A, ROW], A < ROW),
    "less_equal": (K.less_equal, [A, B], A <= B),
    "maximum": (K.maximum, [A, ROW], np.maximum(A, ROW)),
    "maximum_of_dtypes": (K.maximum, [A, INTS[0, :1]], np.maximum(A, 0)),
    "maximum_of_int_and_float": (lambda x: K.maximum(x, 0.5), [INTS], np.maximum(INTS, 0.5)),
    "minimum": (K.minimum, [A, B], np.minimum(A, B)),
    "sum": (lambda x: K.sum(x, axis=[0, 2]), [A], A.sum((0, 2))),
    "prod": (lambda x: K.prod(x, axis=1, keepdims=True), [A], A.prod(1, keepdims=True)),
    "mean": (lambda x: K.mean(x, axis=-1), [A], A.mean(-1)),
    "mean_of_bools": (K.mean, [BOOLS], BOOLS.mean()),
    "var": (lambda x: K.var(x, axis=1), [A], A.var(1)),
    "std": (lambda x: K.std(x, axis=0), [A], A.std(0)),
    "max": (lambda x: K.max(x, axis=2), [A], A.max(2)),
    "min": (K.min, [A], A.min()),
    "any": (lambda x: K.any(x, axis=1), [BOOLS], BOOLS.any(1)),
    "all": (lambda x: K.all(x, axis=-1), [BOOLS], BOOLS.all(-1)),
    "argmax": (K.argmax, [A], A.argmax(-1)),
    "argmin": (lambda x: K.argmin(x, axis=1), [A], A.argmin(1)),
    "cumsum": (lambda x: K.cumsum(x, axis=1), [A], A.cumsum(1)),
    "cumprod": (K.cumprod, [A], A.cumprod(0)),
    "logsumexp": (lambda x: K.logsumexp(x, axis=1), [A], np.log(np.exp(A).sum(1))),
    "stop_gradient": (K.stop_gradient, [A], A),
    "dot": (K.dot, [A[0], B[0].T], A[0] @ B[0].T),
    "dot_of_rank_3": (K.dot, [A, ROW[:, None]], A @ ROW[:, None]),
    "dot_of_dtypes": (K.dot, [INTS, A[0]], INTS @ A[0]),
    "transpose": (K.transpose, [A], A.T),
    "permute_dimensions": (
        lambda x: K.permute_dimensions(x, (0, 2, 1)), [A], A.transpose(0, 2, 1)),
    "gather": (K.gather, [A[0], INTS], A[0][INTS]),
    "concatenate": (lambda x, y: K.concatenate([x, y], axis=1), [A, B], np.concatenate([A, B], 1)),
    "concatenate_dtypes": (
        lambda x, y: K.concatenate([x, y]), [A[0, :2], INTS], np.concatenate([A[0, :2], INTS], -1)),
    "stack": (lambda x, y: K.stack([x, y], axis=1), [A, B], np.stack([A, B], 1)),
    "reshape": (lambda x: K.reshape(x, (-1, 2)), [A], A.reshape(-1, 2)),
    "flatten": (K.flatten, [A], A.ravel()),
    "batch_flatten": (K.batch_flatten, [A], A.reshape(2, 12)),
    "expand_dims": (lambda x: K.expand_dims(x, 1), [A], A[:, None]),
    "expand_dims_of_keras_1": (lambda x: K.expand_dims(x, dim=0), [A], A[None]),
    "squeeze": (lambda x: K.squeeze(x, 1), [A[:, :1]], A[:, 0]),
    "repeat": (lambda x: K.repeat(x, 5), [A[0]], np.repeat(A[0][:, None], 5, 1)),
    "repeat_elements": (lambda x: K.repeat_elements(x, 3, 1), [A], np.repeat(A, 3, 1)),
    "tile": (lambda x: K.tile(x, (1, 2, 3)), [A], np.tile(A, (1, 2, 3))),
    "one_hot": (lambda x: K.one_hot(x, 4), [INTS], np.eye(4)[INTS]),
    "reverse": (lambda x: K.reverse(x, (0, 2)), [A], A[::-1, :, ::-1]),
    "slice": (lambda x: K.slice(x, (0, 1, 1), (-1, 2, 1)), [A], A[:, 1:3, 1:2]),
    "cast": (lambda x: K.cast(x, "int32"), [3 * A], (3 * A).astype("int32")),
    "cast_to_floatx": (K.cast_to_floatx, [INTS], INTS.astype("f")),
    "zeros_like": (K.zeros_like, [A], np.zeros_like(A)),
    "ones_like": (lambda x: K.ones_like(x, dtype="int32"), [A], np.ones(A.shape, "int32")),
    "identity": (K.identity, [A], A),
    "relu": (
        lambda x: K.relu(x, 0.1, 0.5, 0.2), [A],
        np.where(A >= 0.5, 0.5, np.where(A >= 0.2, A, 0.1 * (A - 0.2)))),
    "elu": (lambda x: K.elu(x, 0.7), [A], np.where(A > 0, A, 0.7 * np.expm1(A))),
    "softmax": (lambda x: K.softmax(x, axis=1), [A], soft(A, 1)),
    "softplus": (K.softplus, [A], np.log1p(np.exp(A))),
    "softsign": (K.softsign, [A], A / (1 + np.abs(A))),
    "sigmoid": (K.sigmoid, [A], 1 / (1 + np.exp(-A))),
    "hard_sigmoid": (K.hard_sigmoid, [3 * A], np.clip(0.6 * A + 0.5, 0, 1)),
    "tanh": (K.tanh, [A], np.tanh(A)),
    "l2_normalize": (
        lambda x: K.l2_normalize(x, axis=1), [A], A / np.sqrt((A**2).sum(1, keepdims=True))),
    "bias_add": (K.bias_add, [A, ROW], A + ROW),
    "bias_add_first": (
        lambda x, b: K.bias_add(x, b, "channels_first"), [A, ROW[:3]], A + ROW[:3, None]),
    "bias_add_of_a_matrix": (
        lambda x, b: K.bias_add(x, b, "channels_first"), [A[0], ROW], A[0] + ROW),
    "batch_normalization": (
        lambda x, m, v: K.batch_normalization(x, m, v, None, None, axis=1, epsilon=0.1),
        [A, ROW[:3], P[0, :, 0]],
        (A - ROW[:3, None]) / np.sqrt(P[0, :, :1] + 0.1)),
    "batch_normalization_wide": (
        K.batch_normalization,
        [A, ROW[None, None], P[0, :1], ROW + 1, ROW - 1],
        (A - ROW) / np.sqrt(P[0, 0] + 1e-3) * (ROW - 1) + ROW + 1),
    "categorical_crossentropy": (
        lambda t, o: K.categorical_crossentropy(t, o, axis=1), [soft(A, 1), soft(B, 1)],
        -(soft(A, 1) * np.log(soft(B, 1))).sum(1)),
    "categorical_crossentropy_of_logits": (
        lambda t, o: K.categorical_crossentropy(t, o, from_logits=True), [soft(A), B],
        -(soft(A) * np.log(soft(B))).sum(-1)),
    "sparse_categorical_crossentropy": (
        K.sparse_categorical_crossentropy, [INTS[..., None], soft(A)],
        -np.log(np.take_along_axis(soft(A), INTS[..., None], -1))[..., 0]),
    "binary_crossentropy": (
        K.binary_crossentropy, [BOOLS.astype("f"), soft(B)],
        -np.where(BOOLS, np.log(soft(B)), np.log(1 - soft(B)))),
    "temporal_padding": (
        lambda x: K.temporal_padding(x, (2, 1)), [A], np.pad(A, ((0, 0), (2, 1), (0, 0)))),
    "spatial_2d_padding": (
        lambda x: K.spatial_2d_padding(x, ((1, 0), (2, 3)), "channels_first"), [A[None]],
        np.pad(A[None], ((0, 0), (0, 0), (1, 0), (2, 3)))),
    "spatial_3d_padding": (
        lambda x: K.spatial_3d_padding(x, (1, (0, 2), 1)), [A[None, ..., None]],
        np.pad(A[None, ..., None], ((0, 0), (1, 1), (0, 2), (1, 1), (0, 0)))),
    "switch": (
        lambda x, y: K.switch(K.greater(K.sum(x, axis=2), 0), x, y), [A, B],
        np.where(A.sum(2, keepdims=True) > 0, A, B)),
    "map_fn": (lambda x: K.map_fn(lambda row: K.sum(row * row, axis=0), x), [A], (A**2).sum(1)),
    "foldl": (lambda x: K.foldl(lambda t, v: 2 * t - v, x), [A.swapaxes(0, 1)],
              2 * (2 * A[:, 0] - A[:, 1]) - A[:, 2]),
    "foldr": (lambda x: K.foldr(lambda t, v: 2 * t - v, x), [A.swapaxes(0, 1)],
              2 * (2 * A[:, 2] - A[:, 1]) - A[:, 0]),
    "print_tensor": (K.print_tensor, [A], A),
}  # fmt: skip


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def case(request):
    return request.param


def close(found, wanted):
    found = np.asarray(found)
    assert found.shape == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)


def test_on_arrays(case):
    function, inputs, wanted = case
    close(function(*inputs), wanted)


def test_on_variables(case):
    function, inputs, wanted = case
    close(function(*(K.variable(x, dtype=x.dtype) for x in inputs)), wanted)


def test_in_a_graph(case):
    function, inputs, wanted = case
    fed = [
        K.placeholder((None if x.ndim > 2 else x.shape[0], *x.shape[1:]), dtype=x.dtype)
        for x in inputs
    ]
    output = function(*fed)
    close(K.function(fed, [output])(inputs)[0], wanted)
    known = [(own, real) for own, real in zip(output.shape, wanted.shape, strict=True) if own]
    assert all(own == real for own, real in known)


def test_operators_of_a_graph_follow_numpy():
    x = K.placeholder((None, 3, 4))
    row, steps = K.variable(ROW), np.arange(4, dtype="int32")
    outputs = [
        (x - ROW) * 2 / (1 + K.abs(x)),
        row * x,
        steps + x,
        K.constant(ROW) - x,
        2 // (x * x + 1),
        (x > row) & (x < 1),
    ]
    wanted = [
        (A - ROW) * 2 / (1 + np.abs(A)),
        ROW * A,
        steps + A,
        ROW - A,
        2 // (A * A + 1),
        (A > ROW) & (A < 1),
    ]
    found = K.function([x], outputs)([A])
    for one, other in zip(found, wanted, strict=True):
        close(one, other)
