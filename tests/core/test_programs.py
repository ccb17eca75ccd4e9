"""How many programs calls on arrays compile."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import lamina
from lamina import layers
from lamina.core import calls, jit, programs, pure


@pytest.fixture
def traces(monkeypatch):
    """Number of runs that were traced so far, as a function."""
    count = [0]
    usual = pure.run

    def counted(*args, **kwargs):
        count[0] += 1
        return usual(*args, **kwargs)

    monkeypatch.setattr(pure, "run", counted)
    return lambda: count[0]


def model():
    return lamina.Sequential([layers.Dense(4, input_shape=(3,)), layers.Dropout(0.5)])


def test_other_layers_do_not_make_a_call_compile_again(traces):
    built, x = model(), np.ones((2, 3), "float32")
    first = built(x)
    before = traces()
    layers.Dense(7)(np.ones((5, 6), "float32"))
    between = traces()
    assert between > before
    np.testing.assert_array_equal(built(x), first)
    assert traces() == between


def test_flags_and_new_parts_of_the_layer_do(traces):
    built, x = model(), np.ones((2, 3), "float32")
    built(x)
    before = traces()
    built.layers[0].trainable = False
    built(x)
    changed = traces()
    assert changed == before + 1
    built.add(layers.Dense(6))
    assert built(x).shape == (2, 6)
    assert traces() > changed


def test_flags_that_change_back_find_their_program(traces):
    built, x = model(), np.ones((2, 3), "float32")
    for flag in (True, False):
        built.trainable = flag
        built(x)
    before = traces()
    for flag in (True, False, True):
        built.trainable = flag
        built(x)
    assert traces() == before


def test_a_compiled_model_that_runs_eagerly_sees_values():
    seen = []

    class Look(layers.Layer):
        def call(self, inputs):
            if not hasattr(inputs, "aval") or not hasattr(inputs, "_trace"):
                seen.append(float(inputs.sum()))
            return inputs

    built = lamina.Sequential([Look(input_shape=(3,))])
    built.compile("sgd", "mse", run_eagerly=True)
    built(np.ones((2, 3), "float32"))
    assert seen == [6.0]


def convolved(x):
    return lax.conv_general_dilated(
        x, jnp.ones((3, 1, 1)), (1,), "SAME", None, None, ("NHC", "HIO", "NHC")
    )


NESTED = {
    "bare": convolved,
    "jit": jax.jit(convolved),
    "cond": lambda x: lax.cond(x.sum() > 0, convolved, lambda x: x, x),
    "while": lambda x: lax.while_loop(lambda x: x.sum() < 1, convolved, x),
    "scan": lambda x: lax.scan(lambda x, _: (convolved(x), None), x, length=2)[0],
    "remat": jax.checkpoint(convolved),
    "gradient": jax.grad(lambda x: convolved(x).sum()),
}


@pytest.mark.parametrize("function", NESTED.values(), ids=list(NESTED))
def test_convolutions_are_found_at_any_depth(function):
    x = np.ones((2, 5, 1), "f")
    assert programs.has_convolution(jax.make_jaxpr(function)(x).jaxpr)


def test_products_in_loops_are_no_convolutions():
    def work(x):
        return lax.scan(lambda x, _: (jnp.tanh(x @ x), None), x, length=2)[0]

    assert not programs.has_convolution(jax.make_jaxpr(jax.jit(work))(np.ones((3, 3), "f")).jaxpr)


def test_predictions_with_convolutions_are_compiled_otherwise(monkeypatch):
    asked = []
    usual = jit.compile

    def noted(function, **options):
        asked.append(options["sums"])
        return usual(function, **options)

    monkeypatch.setattr(jit, "compile", noted)
    x = np.ones((2, 8, 3), "f")
    layers.Dense(4)(x)
    layers.Conv1D(4, 3)(x)
    lamina.Sequential([layers.Dense(4), layers.Conv1D(4, 3)])(x)
    layers.MaxPooling1D()(x)
    assert asked == [True, False, False, True]


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the options are those of CPUs")
def test_options_that_xla_does_not_know_are_left_out(monkeypatch):
    assert "REDUCE" in str(jit.compiler_options(sums=True))
    assert "REDUCE" not in str(jit.compiler_options(sums=False))
    assert jit.compiler_options(sums=False) == jit._PRODUCTS
    monkeypatch.setattr(jit, "_KNOWN", ())
    jit.compiler_options.cache_clear()
    assert jit.compiler_options(sums=False) == jit._PRODUCTS
    monkeypatch.setattr(jit, "_PRODUCTS", {"xla_there_is_no_such_option": True})
    jit.compiler_options.cache_clear()
    try:
        assert jit.compiler_options(sums=False) is None
    finally:
        jit.compiler_options.cache_clear()


def test_a_call_on_a_constant_within_somebody_s_jit_leaves_no_tracer_behind():
    layer, x = layers.Dense(5), np.ones((1, 4), "float32")
    expected = layer(x)
    calls._zero.cache_clear()
    with contextlib.suppress(ValueError):  # XLA takes options on CPUs only for a whole program
        jax.jit(lambda factor: factor * layer(x))(2.0)
    assert isinstance(calls._zero().item(), int)  # a tracer has no number
    np.testing.assert_array_equal(layer(x), expected)
