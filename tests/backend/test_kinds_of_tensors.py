"""The functions of K on arrays, variables and symbolic tensors, against NumPy."""

import numpy as np
import pytest

from lamina import backend as K

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4)).astype("f")
POSITIVE = np.abs(X) + 0.5
PICTURE = RNG.normal(size=(2, 4, 5, 3)).astype("f")
VOLUME = RNG.normal(size=(2, 3, 4, 5, 2)).astype("f")
MATRIX = RNG.normal(size=(4, 5)).astype("f")
OTHER = RNG.normal(size=(2, 3, 4)).astype("f")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def blocks(x, window, how):
    """Windows side by side over the axes between the first and the last."""
    sizes = [n // w for n, w in zip(x.shape[1:-1], window, strict=True)]
    x = x[(slice(None), *(slice(0, n * w) for n, w in zip(sizes, window, strict=True)))]
    shape = [
        x.shape[0],
        *(p for pair in zip(sizes, window, strict=True) for p in pair),
        x.shape[-1],
    ]
    return how(x.reshape(shape), axis=tuple(range(2, 2 * len(window) + 1, 2)))


def padded(x, pairs):
    return np.pad(x, [(0, 0), *pairs, (0, 0)])


# What is computed, its value by NumPy, and the tensor that it is computed from.
CASES = {
    "abs": (K.abs, np.abs, X),
    "all": (lambda x: K.all(x > -1.5, axis=1), lambda x: (x > -1.5).all(1), X),
    "any": (lambda x: K.any(x > 1, axis=-1), lambda x: (x > 1).any(-1), X),
    "argmax": (lambda x: K.argmax(x, axis=1), lambda x: x.argmax(1), X),
    "argmin": (K.argmin, lambda x: x.argmin(-1), X),
    "batch_flatten": (K.batch_flatten, lambda x: x.reshape(2, -1), X),
    "bias_add": (lambda x: K.bias_add(x, OTHER[0, 0]), lambda x: x + OTHER[0, 0], X),
    "cast": (lambda x: K.cast(x, "int32"), lambda x: x.astype("int32"), X),
    "clip": (lambda x: K.clip(x, -0.5, 0.5), lambda x: np.clip(x, -0.5, 0.5), X),
    "concatenate": (lambda x: K.concatenate([x, x], 1), lambda x: np.concatenate([x, x], 1), X),
    "cos": (K.cos, np.cos, X),
    "cumprod": (lambda x: K.cumprod(x, axis=1), lambda x: np.cumprod(x, 1), X),
    "cumsum": (lambda x: K.cumsum(x, axis=2), lambda x: np.cumsum(x, 2), X),
    "dot": (lambda x: K.dot(x, MATRIX), lambda x: x @ MATRIX, X),
    "elu": (lambda x: K.elu(x, 0.5), lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)), X),
    "equal": (lambda x: K.equal(x, OTHER), lambda x: x == OTHER, X),
    "exp": (K.exp, np.exp, X),
    "expand_dims": (lambda x: K.expand_dims(x, 1), lambda x: x[:, None], X),
    "flatten": (K.flatten, np.ravel, X),
    "foldl": (
        lambda x: K.foldl(lambda a, b: 0.5 * a + b, x),
        lambda x: 0.5 * x[0] + x[1],
        X,
    ),
    "foldr": (
        lambda x: K.foldr(lambda a, b: 0.5 * a + b, x),
        lambda x: 0.5 * x[1] + x[0],
        X,
    ),
    "gather": (lambda x: K.gather(x, [1, 0, 1]), lambda x: x[[1, 0, 1]], X),
    "greater": (lambda x: K.greater(x, OTHER), lambda x: x > OTHER, X),
    "greater_equal": (lambda x: K.greater_equal(x, OTHER), lambda x: x >= OTHER, X),
    "hard_sigmoid": (K.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1), 3 * X),
    "identity": (K.identity, lambda x: x, X),
    "l2_normalize": (
        lambda x: K.l2_normalize(x, axis=1),
        lambda x: x / np.sqrt((x**2).sum(1, keepdims=True)),
        X,
    ),
    "less": (lambda x: K.less(x, OTHER), lambda x: x < OTHER, X),
    "lesser_equal": (lambda x: K.lesser_equal(x, OTHER), lambda x: x <= OTHER, X),
    "log": (K.log, np.log, POSITIVE),
    "logsumexp": (lambda x: K.logsumexp(x, axis=1), lambda x: np.log(np.exp(x).sum(1)), X),
    "map_fn": (lambda x: K.map_fn(lambda a: a * a, x), np.square, X),
    "max": (
        lambda x: K.max(x, axis=[1, 2], keepdims=True),
        lambda x: x.max((1, 2), keepdims=True),
        X,
    ),
    "maximum": (lambda x: K.maximum(x, OTHER), lambda x: np.maximum(x, OTHER), X),
    "mean": (lambda x: K.mean(x, axis=1), lambda x: x.mean(1), X),
    "min": (lambda x: K.min(x, axis=-1), lambda x: x.min(-1), X),
    "minimum": (lambda x: K.minimum(x, OTHER), lambda x: np.minimum(x, OTHER), X),
    "not_equal": (lambda x: K.not_equal(x, OTHER), lambda x: x != OTHER, X),
    "one_hot": (
        lambda x: K.one_hot(K.cast(x, "int32"), 4),
        lambda x: np.eye(4)[x.astype(int)],
        POSITIVE,
    ),
    "ones_like": (K.ones_like, np.ones_like, X),
    "permute_dimensions": (
        lambda x: K.permute_dimensions(x, (0, 2, 1)),
        lambda x: x.transpose(0, 2, 1),
        X,
    ),
    "pool2d_max": (
        lambda x: K.pool2d(x, (2, 2), (2, 2)),
        lambda x: blocks(x, (2, 2), np.max),
        PICTURE,
    ),
    "pool3d_avg": (
        lambda x: K.pool3d(x, (3, 2, 2), (3, 2, 2), pool_mode="avg"),
        lambda x: blocks(x, (3, 2, 2), np.mean),
        VOLUME,
    ),
    "pow": (lambda x: K.pow(x, 3), lambda x: x**3, X),
    "prod": (lambda x: K.prod(x, axis=1), lambda x: x.prod(1), X),
    "relu": (
        lambda x: K.relu(x, alpha=0.25, max_value=1.0),
        lambda x: np.minimum(np.where(x > 0, x, 0.25 * x), 1),
        X,
    ),
    "repeat": (
        lambda x: K.repeat(x[:, 0], 3),
        lambda x: np.repeat(x[:, :1], 3, axis=1),
        X,
    ),
    "repeat_elements": (lambda x: K.repeat_elements(x, 2, 1), lambda x: np.repeat(x, 2, 1), X),
    "reshape": (lambda x: K.reshape(x, (-1, 6)), lambda x: x.reshape(-1, 6), X),
    "resize_volumes": (
        lambda x: K.resize_volumes(x, 1, 2, 3, "channels_last"),
        lambda x: x.repeat(2, 2).repeat(3, 3),
        VOLUME,
    ),
    "reverse": (lambda x: K.reverse(x, 1), lambda x: x[:, ::-1], X),
    "round": (K.round, np.round, X),
    "sigmoid": (K.sigmoid, sigmoid, X),
    "sign": (K.sign, np.sign, X),
    "sin": (K.sin, np.sin, X),
    "slice": (lambda x: K.slice(x, [0, 1, 0], [2, 2, 3]), lambda x: x[:2, 1:3, :3], X),
    "softmax": (K.softmax, softmax, X),
    "softplus": (K.softplus, lambda x: np.log1p(np.exp(x)), X),
    "softsign": (K.softsign, lambda x: x / (1 + np.abs(x)), X),
    "spatial_2d_padding": (
        lambda x: K.spatial_2d_padding(x, ((1, 2), (0, 3))),
        lambda x: padded(x, [(1, 2), (0, 3)]),
        PICTURE,
    ),
    "spatial_3d_padding": (
        lambda x: K.spatial_3d_padding(x, ((1, 0), (0, 3), (2, 2))),
        lambda x: padded(x, [(1, 0), (0, 3), (2, 2)]),
        VOLUME,
    ),
    "sqrt": (K.sqrt, np.sqrt, POSITIVE),
    "square": (K.square, np.square, X),
    "squeeze": (lambda x: K.squeeze(x[:, :1], 1), lambda x: x[:, 0], X),
    "stack": (lambda x: K.stack([x, x], axis=1), lambda x: np.stack([x, x], 1), X),
    "std": (lambda x: K.std(x, axis=1), lambda x: x.std(1), X),
    "stop_gradient": (K.stop_gradient, lambda x: x, X),
    "sum": (lambda x: K.sum(x, axis=(0, 2)), lambda x: x.sum((0, 2)), X),
    "switch": (lambda x: K.switch(x > 0, x, 2 * x), lambda x: np.where(x > 0, x, 2 * x), X),
    "tanh": (K.tanh, np.tanh, X),
    "temporal_padding": (lambda x: K.temporal_padding(x, (2, 1)), lambda x: padded(x, [(2, 1)]), X),
    "tile": (lambda x: K.tile(x, (1, 2, 1)), lambda x: np.tile(x, (1, 2, 1)), X),
    "transpose": (lambda x: K.transpose(x[0]), lambda x: x[0].T, X),
    "var": (lambda x: K.var(x, axis=2), lambda x: x.var(2), X),
    "zeros_like": (K.zeros_like, np.zeros_like, X),
    "binary_crossentropy": (
        lambda x: K.binary_crossentropy(np.ones((2, 3, 4), "f"), x, from_logits=True),
        lambda x: np.log1p(np.exp(-x)),
        X,
    ),
    "categorical_crossentropy": (
        lambda x: K.categorical_crossentropy(
            np.eye(4, dtype="f")[[0, 3, 1]][None].repeat(2, 0), x, True
        ),
        lambda x: -np.log(softmax(x))[:, range(3), [0, 3, 1]],
        X,
    ),
    "batch_normalization": (
        lambda x: K.batch_normalization(
            x, OTHER[0, 0], POSITIVE[0, 0], OTHER[0, 1], OTHER[0, 2], epsilon=0.01
        ),
        lambda x: (x - OTHER[0, 0]) / np.sqrt(POSITIVE[0, 0] + 0.01) * OTHER[0, 2] + OTHER[0, 1],
        X,
    ),
    "conv1d": (
        lambda x: K.conv1d(x, MATRIX[None]),
        lambda x: x @ MATRIX,
        X,
    ),
    "conv3d": (
        lambda x: K.conv3d(x, MATRIX[None, None, None, :2]),
        lambda x: x @ MATRIX[:2],
        VOLUME,
    ),
    "depthwise_conv2d": (
        lambda x: K.depthwise_conv2d(x, MATRIX[None, None, :3, :1]),
        lambda x: x * MATRIX[:3, 0],
        PICTURE,
    ),
    "separable_conv1d": (
        lambda x: K.separable_conv1d(x, MATRIX[None, :, :1], MATRIX[None]),
        lambda x: (x * MATRIX[:, 0]) @ MATRIX,
        X,
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_function_takes_arrays_variables_and_symbolic_tensors(name):
    function, by_numpy, x = CASES[name]
    expected = by_numpy(x.astype("f8"))
    assert np.asarray(function(x)).shape == expected.shape
    np.testing.assert_allclose(function(x), expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(K.eval(function(K.variable(x))), expected, rtol=2e-5, atol=2e-5)
    placeholder = K.placeholder(x.shape)
    result = function(placeholder)
    assert K.int_shape(result) == expected.shape
    np.testing.assert_allclose(
        K.function([placeholder], [result])([x])[0], expected, rtol=2e-5, atol=2e-5
    )


@pytest.mark.parametrize("name", list(CASES))
def test_function_of_a_variable_follows_its_value(name):
    function, by_numpy, x = CASES[name]
    variable = K.variable(np.flip(x, -1) * 0.75)
    before = by_numpy(variable.numpy().astype("f8"))
    result = function(variable)
    np.testing.assert_allclose(result, before, rtol=2e-5, atol=2e-5)
    assert result.shape == before.shape
    K.set_value(variable, x)
    expected = by_numpy(x.astype("f8"))
    np.testing.assert_allclose(K.eval(result), expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(result, before, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    "name", [n for n in CASES if n not in ("foldl", "foldr", "gather", "slice")]
)
def test_function_takes_symbolic_tensors_of_an_unknown_batch(name):
    function, _, x = CASES[name]
    if name in (
        "equal",
        "greater",
        "greater_equal",
        "less",
        "lesser_equal",
        "maximum",
        "minimum",
        "not_equal",
        "binary_crossentropy",
        "categorical_crossentropy",
    ):
        pytest.skip("its second argument has a batch of 2")
    placeholder = K.placeholder((None, *x.shape[1:]))
    found = K.function([placeholder], [function(placeholder)])([x])[0]
    np.testing.assert_allclose(found, function(x), rtol=2e-5, atol=2e-5)
