"""Products against NumPy, and the table of `batch_dot`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops import linear

rng = np.random.default_rng(0)


def noise(*shape):
    return rng.normal(size=shape).astype("f")


def close(ours, expected):
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (2, 3, 4), (2, 3, 5, 4)])
def test_dot_last(shape):
    x, kernel = noise(*shape), noise(4, 6)
    close(linear.dot_last(x, kernel), x @ kernel)


def test_dot_last_names_the_shapes():
    with pytest.raises(ValueError, match=r"last axis of \(2, 3\) must have the size of the first"):
        linear.dot_last(noise(2, 3), noise(4, 5))


@pytest.mark.parametrize("axis", [1, 2, -1, -3])
def test_bias_along_an_axis(axis):
    x = noise(2, 3, 4, 5)
    bias = noise(x.shape[axis])
    shape = [1] * 4
    shape[axis] = -1
    close(linear.bias_add(x, bias, axis), x + bias.reshape(shape))


def test_bias_for_every_place():
    x, bias = noise(2, 3, 4, 5), noise(3, 4, 5)
    close(linear.bias_add(x, bias), x + bias)
    close(linear.bias_add(x, bias[:1]), x + bias[:1])
    first = np.moveaxis(x, -1, 1)
    close(linear.bias_add(first, bias, 1), np.moveaxis(x + bias, -1, 1))
    for wrong in bias[0], bias[:2], bias[0, 0, :4], bias[0, 0, :1]:
        with pytest.raises(ValueError, match=r"a bias of shape \(.*\) does not fit axis -1"):
            linear.bias_add(x, wrong)


def test_numpy_products():
    x, y = noise(7, 2, 3), noise(7, 3, 4)
    close(linear.matmul(x, y), x @ y)
    close(linear.tensordot(x, y, [[0, 2], [0, 1]]), np.tensordot(x, y, ((0, 2), (0, 1))))
    close(linear.einsum("bij,bjk->ki", x, y), np.einsum("bij,bjk->ki", x, y))
    close(linear.dot(x[0], y), np.einsum("ij,bjk->ibk", x[0], y))
    close(linear.dot(x, y), np.einsum("aij,bjk->aibk", x, y))


# Shapes of the results as Keras 2.2.4 gives them.
BATCH_DOT = [
    ((6, 3), (6, 3), 1, "bi,bi->b", (6, 1)),
    ((6, 3), (6, 3), None, "bi,bi->b", (6, 1)),
    ((6, 2, 3), (6, 3, 4), None, "bij,bjk->bik", (6, 2, 4)),
    ((6, 2, 3), (6, 4, 3), 2, "bij,bkj->bik", (6, 2, 4)),
    ((6, 3, 2), (6, 3, 4), (1, 1), "bji,bjk->bik", (6, 2, 4)),
    ((6, 3, 2), (6, 4, 3), (1, 2), "bji,bkj->bik", (6, 2, 4)),
    ((6, 2, 3), (6, 3), (2, 1), "bij,bj->bi", (6, 2)),
    ((6, 2, 3), (6, 3), (-1, -1), "bij,bj->bi", (6, 2)),
    ((6, 3), (6, 3, 4), (1, 1), "bj,bjk->bk", (6, 4)),
    ((6, 5, 2, 3), (6, 5, 3, 4), None, "bhij,bhjk->bhik", (6, 5, 2, 4)),
    ((6, 5, 2, 3), (6, 5, 4, 3), (3, 3), "bhij,bhkj->bhik", (6, 5, 2, 4)),
]


@pytest.mark.parametrize(("first", "second", "axes", "rule", "shape"), BATCH_DOT)
def test_batch_dot(first, second, axes, rule, shape):
    x, y = noise(*first), noise(*second)
    close(linear.batch_dot(x, y, axes), np.einsum(rule, x, y).reshape(shape))


@pytest.mark.parametrize(
    ("first", "second", "axes", "message"),
    [
        ((6,), (6, 2), None, "ranks must be at least 2"),
        ((6, 2), (6, 2), 0, "axis 0 of an array of shape"),
        ((6, 2), (6, 2), 2, "axis 2 of an array of shape"),
        ((6, 2), (6, 3), 1, "differ in size"),
        ((6, 2), (6, 2), (1,), "axes must be an int or two"),
        ((6, 5, 2, 3), (6, 5, 3, 4), (1, 1), "use einsum"),
    ],
)
def test_batch_dot_refuses(first, second, axes, message):
    with pytest.raises(ValueError, match=message):
        linear.batch_dot(noise(*first), noise(*second), axes)


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5), (2, 3, 4, 2, 5), (0, 3, 5)])
def test_the_gradient_of_a_bias_is_the_sum_over_the_other_axes(shape):
    rng = np.random.default_rng(0)
    x, bias, out = rng.normal(size=shape), rng.normal(size=5), rng.normal(size=shape)
    with jax.enable_x64(True):
        x, bias, out = jnp.asarray(x), jnp.asarray(bias), jnp.asarray(out)
        _, pull = jax.vjp(linear.bias_add, x, bias)
        to_x, to_bias = pull(out)
        np.testing.assert_array_equal(to_x, out)
        expected = np.sum(np.asarray(out), axis=tuple(range(len(shape) - 1)))
        np.testing.assert_allclose(to_bias, expected, rtol=1e-12)
        # Forward, over vmap, and twice.
        value, slope = jax.jvp(lambda b: linear.bias_add(x, b), (bias,), (2 * bias,))
        np.testing.assert_allclose(slope, np.broadcast_to(2 * np.asarray(bias), shape))
        np.testing.assert_array_equal(value, np.asarray(x) + np.asarray(bias))
        per_row = jax.vmap(jax.grad(lambda b, row: (linear.bias_add(row[None], b) ** 2).sum()))
        several = jnp.stack([bias] * shape[0]) if shape[0] else jnp.zeros((0, 5))
        wanted = 2 * (np.asarray(x) + np.asarray(bias)).sum(tuple(range(1, len(shape) - 1)))
        np.testing.assert_allclose(per_row(several, x), wanted, rtol=1e-10)
        curve = jax.hessian(lambda b: (linear.bias_add(x, b) ** 3).sum())(bias)
        diagonal = 6 * (np.asarray(x) + np.asarray(bias)).sum(tuple(range(len(shape) - 1)))
        np.testing.assert_allclose(curve, np.diag(diagonal), rtol=1e-10, atol=1e-12)
