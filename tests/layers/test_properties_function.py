"""`Lambda` against NumPy, on many shapes: inputs, outputs, stated shapes, arguments, masks."""

import math

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import backend as K
from lamina import ops
from lamina.layers import GlobalAveragePooling1D, Input, Lambda, Masking
from lamina.models import Model

quick = settings(max_examples=12, deadline=None)
sizes = st.integers(1, 4)
shapes = st.lists(sizes, min_size=2, max_size=4).map(tuple)


def noise(shape, seed=0):
    return np.random.default_rng(math.prod(shape) + seed).normal(size=shape).astype("float32")


ONE = {
    "squares": (jnp.square, np.square, lambda s: s),
    "sum of the last": (lambda x: K.sum(x, axis=-1), lambda x: x.sum(-1), lambda s: s[:-1]),
    "doubled": (
        lambda x: ops.concatenate([x, -x], axis=-1),
        lambda x: np.concatenate([x, -x], -1),
        lambda s: (*s[:-1], 2 * s[-1]),
    ),
    "turned": (
        lambda x: jnp.swapaxes(x, 1, -1),
        lambda x: np.swapaxes(x, 1, -1),
        lambda s: (s[0], s[-1], *s[2:-1], s[1]) if len(s) > 2 else s,
    ),
    "an axis more": (lambda x: x[:, None], lambda x: x[:, None], lambda s: (s[0], 1, *s[1:])),
}
"""Functions of arrays, of NumPy, and of the whole shape."""

STATED = {
    "inferred": lambda rule, shape: None,
    "function": lambda rule, shape: rule,
    "tuple": lambda rule, shape: rule(shape)[1:],
    "list": lambda rule, shape: list(rule(shape)[1:]),
    "unknown": lambda rule, shape: tuple(None for _ in rule(shape)[1:]),
}


@quick
@given(shapes, st.sampled_from(sorted(ONE)), st.sampled_from(sorted(STATED)))
def test_one_input_and_one_output(shape, name, stated):
    function, reading, rule = ONE[name]
    layer = Lambda(function, output_shape=STATED[stated](rule, shape))
    x, expected = noise(shape), reading(noise(shape))
    symbol = Input(shape[1:])
    output = layer(symbol)
    assert output.shape == (None, *expected.shape[1:])
    if stated != "unknown":
        assert layer.compute_output_shape((None, *shape[1:])) == (None, *expected.shape[1:])
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-6)
    found = Model(symbol, output).predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@quick
@given(shapes, st.sampled_from(sorted(ONE)), st.lists(st.booleans(), min_size=3, max_size=3))
def test_sizes_that_are_not_known(shape, name, hidden):
    """Two arrays that differ in the hidden sizes alone: what differs in NumPy is not known."""
    function, reading, _ = ONE[name]
    hidden = hidden[: len(shape) - 1]
    other = (9, *(n + 7 if h else n for n, h in zip(shape[1:], hidden, strict=True)))
    pairs = zip(reading(noise(shape)).shape, reading(noise(other)).shape, strict=True)
    expected = tuple(a if a == b else None for a, b in pairs)
    sample = tuple(None if h else n for n, h in zip(shape[1:], hidden, strict=True))
    layer = Lambda(function)
    assert layer(Input(sample)).shape == expected
    assert layer.compute_output_shape((None, *sample)) == expected


@quick
@given(shapes, st.integers(2, 4), st.booleans(), st.floats(-2, 2, width=32))
def test_several_inputs_and_outputs(shape, number, stated, factor):
    def function(tensors, factor, power=1):
        total = sum(tensors[1:], tensors[0])
        return [total * factor, *(t**power for t in tensors)]

    def rule(many):
        return [many[0], *many]

    layer = Lambda(
        function, output_shape=rule if stated else None, arguments={"factor": factor, "power": 3}
    )
    arrays = [noise(shape, place) for place in range(number)]
    expected = [np.sum(arrays, axis=0) * np.float32(factor), *(a**3 for a in arrays)]
    outputs = layer([Input(shape[1:]) for _ in arrays])
    assert [t.shape for t in outputs] == [(None, *shape[1:])] * (number + 1)
    found = layer(arrays)
    assert len(found) == number + 1
    for one, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-5)


@quick
@given(sizes, st.integers(2, 5), sizes, st.integers(1, 3))
def test_a_mask_function_says_the_mask_of_the_output(batch, steps, features, step):
    """Every so many steps: the mean of those that stay."""
    x = noise((batch, steps, features))
    x[:, -1:] = 0.0
    x[0, : steps // 2] = 0.0
    layer = Lambda(lambda t: t[:, ::step] * 2, mask=lambda _, mask: mask[:, ::step])
    symbol = Input((steps, features))
    masked = layer(Masking()(symbol))
    kept = (x != 0).any(-1)[:, ::step]
    assert masked._keras_mask.shape == (None, kept.shape[1])
    found = Model(symbol, GlobalAveragePooling1D()(masked)).predict(x, verbose=0)
    for row, (values, steps_kept) in enumerate(zip(x[:, ::step] * 2, kept, strict=True)):
        if steps_kept.any():
            np.testing.assert_allclose(found[row], values[steps_kept].mean(0), rtol=1e-5, atol=1e-6)
        else:
            assert np.isnan(found[row]).all()


@quick
@given(sizes, st.integers(1, 5), sizes)
def test_the_function_gets_the_mask_of_its_input(batch, steps, features):
    x = noise((batch, steps, features))
    x[0, 0] = 0.0

    def total(t, mask=None):
        return K.sum(t * K.cast(mask, "float32")[:, :, None] + 1.0, axis=1)

    symbol = Input((steps, features))
    found = Model(symbol, Lambda(total)(Masking()(symbol))).predict(x, verbose=0)
    np.testing.assert_allclose(found, x.sum(1) + steps, rtol=1e-4, atol=1e-5)
