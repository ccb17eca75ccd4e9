"""Updates that are undone when a check failed."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lamina.core import programs

RNG = np.random.default_rng(0)
OLD = {"a": jnp.asarray(RNG.normal(size=(3, 2)), "float32"), "b": jnp.float32(0.25)}


def noise(*shape):
    return jnp.asarray(RNG.normal(size=shape), "float32")


def both(update, *values):
    """Results with nothing wrong and with something wrong, compiled."""
    run = jax.jit(lambda failed, *values: programs.kept_if(failed, update, *values))
    return run(False, *values), run(True, *values)


def same(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


@pytest.mark.parametrize(
    "update",
    [
        pytest.param(lambda x, y: (x * 2, y + x.sum()), id="each from its own"),
        pytest.param(lambda x, y: (x, y * 3), id="one as it was"),
        pytest.param(lambda x, y: (x + y, x.sum()), id="each from the other"),
        pytest.param(lambda x, y: (jnp.zeros_like(x), jnp.float32(1)), id="constants"),
        pytest.param(lambda x, y: (jax.jit(jnp.tanh)(x) * y, jax.nn.relu(y)), id="nested"),
        pytest.param(
            lambda x, y: (jax.lax.fori_loop(0, 3, lambda i, x: x * 2, x), y - 1), id="loop"
        ),
    ],
)
def test_all_or_nothing(update):
    x, y = OLD["a"], OLD["b"]
    good, bad = both(update, x, y)
    same(good, jax.jit(update)(x, y))
    same(bad, (x, y))


def test_outputs_that_are_one_value_keep_their_own_old_ones():
    def update(x, y, z):
        new = x * 2 + y
        return new, new, y

    values = noise(4), noise(4), noise(4)
    good, bad = both(update, *values)
    same(good, update(*values))
    same(bad, values)


@pytest.mark.parametrize(
    "optimizer",
    [optax.adam(0.1), optax.adamw(0.1), optax.sgd(0.1, 0.9, nesterov=True), optax.adafactor(0.1)],
)
def test_optimizers(optimizer):
    gradients = {"a": noise(3, 2), "b": jnp.float32(0.5)}
    state = optimizer.init(OLD)

    def update(values, state):
        changes, state = optimizer.update(gradients, state, values)
        return optax.apply_updates(values, changes), state

    with jax.numpy_dtype_promotion("standard"):
        good, bad = both(update, OLD, state)
        same(good, jax.jit(update)(OLD, state))
    same(bad, (OLD, state))


def test_nothing_is_copied():
    """The choice costs no copy of what is updated in place."""

    def update(weights, moments):
        moments = [0.9 * m + 0.1 * g for m, g in zip(moments, gradients, strict=True)]
        return [w - m for w, m in zip(weights, moments, strict=True)], moments

    gradients = [noise(8, 8) for _ in range(6)]
    values = [noise(8, 8) for _ in range(6)], [noise(8, 8) for _ in range(6)]

    def copies(function, *args):
        run = jax.jit(function, donate_argnums=tuple(range(1, len(args))))
        return str(run.lower(*args).compile().as_text()).count(" copy(")

    def late(failed, *values):
        return jax.tree.map(lambda old, new: jnp.where(failed, old, new), values, update(*values))

    def early(failed, *values):
        return programs.kept_if(failed, update, *values)

    assert copies(early, False, *values) == 0
    assert copies(late, False, *values) >= 6
