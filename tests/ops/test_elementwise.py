"""Activation functions against their formulas, recorded values and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from lamina.ops import elementwise as e

POINTS = np.array([-3, -1, -0.5, 0, 0.5, 1, 3], "f")

# Computed by Keras 3 at POINTS, except hard_sigmoid (Keras 2).
RECORDED = {
    "selu": [-1.670569, -1.111331, -0.691758, 0, 0.525351, 1.050701, 3.152103],
    "gelu": [-0.00405, -0.158655, -0.154269, 0, 0.345731, 0.841345, 2.99595],
    "mish": [-0.145647, -0.303401, -0.220744, 0, 0.375245, 0.865098, 2.986536],
    "leaky_relu": [-0.6, -0.2, -0.1, 0, 0.5, 1, 3],
    "log_softmax": [
        -6.276267,
        -4.276267,
        -3.776267,
        -3.276267,
        -2.776267,
        -2.276267,
        -0.276267,
    ],
    "hard_silu": [0, -0.333333, -0.208333, 0, 0.291667, 0.666667, 3],
    "hard_tanh": [-1, -1, -0.5, 0, 0.5, 1, 1],
    "hard_sigmoid": [0, 0.3, 0.4, 0.5, 0.6, 0.7, 1],
    "celu": [-0.950213, -0.632121, -0.393469, 0, 0.5, 1, 3],
    "elu": [-0.950213, -0.632121, -0.393469, 0, 0.5, 1, 3],
    "log_sigmoid": [
        -3.048587,
        -1.313262,
        -0.974077,
        -0.693147,
        -0.474077,
        -0.313262,
        -0.048587,
    ],
    "squareplus": [0.302776, 0.618034, 0.780776, 1, 1.280776, 1.618034, 3.302776],
    "softplus": [0.048587, 0.313262, 0.474077, 0.693147, 0.974077, 1.313262, 3.048587],
    "softsign": [-0.75, -0.5, -0.333333, 0, 0.333333, 0.5, 0.75],
    "silu": [-0.142278, -0.268941, -0.18877, 0, 0.31123, 0.731059, 2.857722],
    "relu6": [0, 0, 0, 0, 0.5, 1, 3],
    "softmax": [0.00188, 0.013894, 0.022908, 0.037769, 0.062271, 0.102667, 0.758611],
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_values(name):
    np.testing.assert_allclose(getattr(e, name)(POINTS), RECORDED[name], atol=2e-6)


def loop(function):
    return lambda x: np.array([function(float(value)) for value in x])


FORMULAS = {
    "linear": (e.linear, lambda x: x),
    "relu": (e.relu, loop(lambda v: v if v > 0 else 0)),
    "relu all": (
        lambda x: e.relu(x, 0.3, 2.1, 0.7),
        loop(lambda v: 2.1 if v >= 2.1 else v if v > 0.7 else 0.3 * (v - 0.7)),
    ),
    "relu threshold": (lambda x: e.relu(x, threshold=0.7), loop(lambda v: v if v > 0.7 else 0)),
    "relu6": (e.relu6, lambda x: np.clip(x, 0, 6)),
    "leaky_relu": (lambda x: e.leaky_relu(x, 0.3), lambda x: np.where(x > 0, x, 0.3 * x)),
    "elu": (lambda x: e.elu(x, 0.7), loop(lambda v: v if v > 0 else 0.7 * np.expm1(v))),
    "celu": (lambda x: e.celu(x, 0.7), loop(lambda v: v if v > 0 else 0.7 * np.expm1(v / 0.7))),
    "gelu": (e.gelu, lambda x: x * special.ndtr(x)),
    "gelu tanh": (
        lambda x: e.gelu(x, approximate=True),
        lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
    "sigmoid": (e.sigmoid, special.expit),
    "hard_sigmoid": (e.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    "hard_sigmoid 3": (lambda x: e.hard_sigmoid(x, 1 / 6), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "hard_silu": (e.hard_silu, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "hard_tanh": (e.hard_tanh, lambda x: np.clip(x, -1, 1)),
    "tanh": (e.tanh, np.tanh),
    "exponential": (e.exponential, np.exp),
    "softplus": (e.softplus, lambda x: np.log1p(np.exp(x))),
    "softsign": (e.softsign, lambda x: x / (1 + np.abs(x))),
    "silu": (e.silu, lambda x: x * special.expit(x)),
    "mish": (e.mish, lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    "log_sigmoid": (e.log_sigmoid, lambda x: np.log(special.expit(x))),
    "hard_shrink": (
        lambda x: e.hard_shrink(x, 0.8),
        loop(lambda v: v if v > 0.8 or v < -0.8 else 0),
    ),
    "soft_shrink": (
        lambda x: e.soft_shrink(x, 0.8),
        loop(lambda v: v - 0.8 if v > 0.8 else v + 0.8 if v < -0.8 else 0),
    ),
    "tanh_shrink": (e.tanh_shrink, lambda x: x - np.tanh(x)),
    "threshold": (lambda x: e.threshold(x, 0.4, -7.0), lambda x: np.where(x > 0.4, x, -7.0)),
    "squareplus": (lambda x: e.squareplus(x, 3), lambda x: (x + np.sqrt(x**2 + 3)) / 2),
    "sparse_plus": (
        e.sparse_plus,
        loop(lambda v: 0 if v <= -1 else v if v >= 1 else (v + 1) ** 2 / 4),
    ),
    "sparse_sigmoid": (
        e.sparse_sigmoid,
        loop(lambda v: 0 if v <= -1 else 1 if v >= 1 else (v + 1) / 2),
    ),
    "softmax": (e.softmax, special.softmax),
    "log_softmax": (e.log_softmax, special.log_softmax),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formula_and_gradient(name):
    ours, formula = FORMULAS[name]
    x = np.random.default_rng(5).normal(0, 2.5, 40)
    step = 1e-6
    with jax.enable_x64(True):
        y, pull = jax.vjp(ours, jnp.asarray(x))
        weights = np.random.default_rng(6).normal(size=40)
        (gradient,) = pull(jnp.asarray(weights))
    np.testing.assert_allclose(y, formula(x), rtol=1e-12, atol=1e-12)
    for place in range(0, 40, 3):
        move = np.zeros(40)
        move[place] = step
        slope = (formula(x + move) - formula(x - move)) / (2 * step)
        np.testing.assert_allclose(gradient[place], slope @ weights, rtol=1e-6, atol=1e-7)


KINKS = [
    (e.relu, 0.0, 0.0),
    (e.relu6, 6.0, 0.0),
    (lambda x: e.relu(x, 0.3, None, 0.7), 0.7, 0.3),
    (e.leaky_relu, 0.0, 0.2),
    (lambda x: e.elu(x, 0.7), 0.0, 0.7),
    (e.hard_tanh, 1.0, 1.0),
    (e.hard_sigmoid, -2.5, 0.2),
    (e.softsign, 0.0, 1.0),
    (lambda x: e.squareplus(x, 0), 0.0, 0.0),
]


@pytest.mark.parametrize(("function", "at", "slope"), KINKS)
def test_gradients_at_kinks(function, at, slope):
    np.testing.assert_allclose(jax.grad(function)(at), slope, rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in FORMULAS if n not in {"exponential", "softmax"}])
@pytest.mark.parametrize("at", [-300.0, 300.0])
def test_far_out_all_is_finite(name, at):
    value, slope = jax.value_and_grad(lambda x: FORMULAS[name][0](x).sum())(jnp.full((3,), at))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_squareplus_keeps_its_digits():
    np.testing.assert_allclose(e.squareplus(jnp.array(-1e4)), 1e-4, rtol=1e-5)


def test_softmax_over_several_axes():
    x = np.random.default_rng(1).normal(size=(2, 3, 4)).astype("f")
    np.testing.assert_allclose(e.softmax(x, [1, 2]), special.softmax(x, (1, 2)), rtol=1e-5)
    np.testing.assert_allclose(e.softmax(x, 1), special.softmax(x, 1), rtol=1e-5)
    np.testing.assert_allclose(
        e.log_softmax(x, (0, 2)), special.log_softmax(x, (0, 2)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sparsemax_is_the_nearest_point_of_the_simplex(axis):
    x = np.random.default_rng(2).normal(size=(3, 4, 5))
    with jax.enable_x64(True):
        y = np.asarray(e.sparsemax(x, axis))
    np.testing.assert_allclose(y.sum(axis), 1, rtol=1e-12)
    # Bisection on the level that is subtracted from every value.
    low, high = x.min(axis, keepdims=True) - 1, x.max(axis, keepdims=True)
    for _ in range(80):
        level = (low + high) / 2
        more = np.maximum(x - level, 0).sum(axis, keepdims=True) > 1
        low, high = np.where(more, level, low), np.where(more, high, level)
    np.testing.assert_allclose(y, np.maximum(x - low, 0), atol=1e-12)


def test_sparsemax_gradient():
    x = np.random.default_rng(4).normal(size=7)
    weights = np.random.default_rng(5).normal(size=7)
    with jax.enable_x64(True):
        gradient = jax.grad(lambda x: e.sparsemax(x) @ weights)(jnp.asarray(x))
        for place in range(7):
            move = np.zeros(7)
            move[place] = 1e-6
            slope = (e.sparsemax(x + move) - e.sparsemax(x - move)) @ weights / 2e-6
            np.testing.assert_allclose(gradient[place], slope, atol=1e-7)


def test_glu():
    x = np.random.default_rng(1).normal(size=(2, 6, 3)).astype("f")
    expected = x[:, :3] * special.expit(x[:, 3:])
    np.testing.assert_allclose(e.glu(x, axis=1), expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"glu: axis 2 must have an even size"):
        e.glu(x, axis=2)


def test_bad_parameters_are_named():
    with pytest.raises(ValueError, match=r"squareplus: b must not be negative, got -1"):
        e.squareplus(POINTS, -1)
    with pytest.raises(ValueError, match="alpha must not be 0"):
        e.celu(POINTS, 0)


@pytest.mark.parametrize("name", [n for n in e.__all__ if n not in {"threshold", "glu"}])
def test_dtypes(name):
    function = getattr(e, name)
    assert function(jnp.ones(3, jnp.bfloat16)).dtype == jnp.bfloat16
    if name not in {"linear", "relu", "relu6"}:
        assert function(jnp.arange(3)).dtype == jnp.float32
