"""What is done number by number with one or two rows, by the kernels for CPUs, against NumPy."""

import ctypes
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import layers
from lamina.models import Model, Sequential
from lamina.ops import library, native_each
from lamina.ops.arithmetic import add
from lamina.ops.elementwise import relu
from lamina.ops.norm import batch_norm

rng = np.random.default_rng(31)

pytestmark = pytest.mark.skipif(not library.fewest(), reason="lamina was built without kernels")

# Within one task and many, of whole vectors and of others, and as many numbers as are taken.
SHAPES = [(1, 5, 7, 37), (2, 3, 41), (1, 130), (1, 32, 33, 16), (2, 1, 4, 70), (1, 2**17)]


def noise(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, "float32")


def moments(size: int) -> list[np.ndarray]:
    """Mean, variance, shift and factor."""
    return [noise(size), np.square(noise(size)) + np.float32(0.01), noise(size), noise(size)]


def calls(function: Any, *arrays: Any) -> int:
    return jax.jit(function).lower(*arrays).as_text().count("custom_call @lamina_each(")


def slow_norm(x, mean, variance, beta=None, gamma=None, epsilon=1e-3):
    x, mean, variance = (np.asarray(one, "float64") for one in (x, mean, variance))
    y = (x - mean) / np.sqrt(variance + epsilon) * (1 if gamma is None else gamma)
    return y + (0 if beta is None else beta)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("given", ["", "beta", "gamma", "beta gamma"])
def test_normalization(shape, given):
    x, (mean, variance, beta, gamma) = noise(*shape), moments(shape[-1])
    further: Any = {name: {"beta": beta, "gamma": gamma}[name] for name in given.split()}
    found = batch_norm(x, mean, variance, **further, epsilon=0.02)
    assert calls(lambda x: batch_norm(x, mean, variance, **further), x) == 1
    expected = slow_norm(x, mean, variance, **further, epsilon=0.02)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_and_rectification(shape):
    x, other = noise(*shape), noise(*shape)
    np.testing.assert_array_equal(add(x, other), x + other)
    np.testing.assert_array_equal(relu(x), np.maximum(x, 0))
    np.testing.assert_array_equal(relu(x, max_value=0.5), np.clip(x, 0, 0.5))
    assert calls(add, x, other) == calls(relu, x) == 1


@pytest.mark.parametrize("width", [4, 8, 16])
def test_narrower_vectors(width):
    kernels = ctypes.CDLL(str(Path(library.__file__).parents[1] / "native" / library.LIBRARY))
    x, (mean, variance, beta, gamma) = noise(1, 5, 7, 37), moments(37)
    try:
        if kernels.lamina_conv_use_widest(width) < width:
            pytest.skip(f"this processor has no vectors of {width}")
        found = batch_norm(x, mean, variance, beta, gamma)
        expected = slow_norm(x, mean, variance, beta, gamma)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    finally:
        kernels.lamina_conv_use_widest(16)


def test_what_is_no_number_stays_so():
    x = noise(1, 40, 5)
    x[0, 3, 2], x[0, 7, 1], x[0, 7, 2] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(relu(x), np.where(np.isnan(x), x, np.maximum(x, 0)))
    np.testing.assert_array_equal(add(x, x), 2 * x)


def test_gradients_are_those_of_the_definition():
    x, (mean, variance, beta, gamma) = noise(2, 7, 11), moments(11)
    weights, step = noise(2, 7, 11), 1e-4

    def total(x, mean, variance, beta, gamma):
        return (relu(add(batch_norm(x, mean, variance, beta, gamma), x)) * weights).sum()

    def slow(*arrays):
        y = slow_norm(*arrays) + arrays[0]
        return (np.maximum(y, 0) * weights.astype("float64")).sum()

    arrays = [one.astype("float64") for one in (x, mean, variance, beta, gamma)]
    found = jax.jit(jax.grad(total, range(5)))(x, mean, variance, beta, gamma)
    for number, gradient in enumerate(found):
        for place in list(np.ndindex(*gradient.shape))[::7]:
            ends = []
            for side in (step, -step):
                moved = [one.copy() for one in arrays]
                moved[number][place] += side
                ends.append(slow(*moved))
            expected = (ends[0] - ends[1]) / (2 * step)
            np.testing.assert_allclose(gradient[place], expected, rtol=2e-3, atol=2e-3)
    assert jax.grad(lambda x: relu(x).sum())(jnp.zeros((1, 200))).sum() == 0


def test_vectorization_forward_derivatives_and_export():
    x, (mean, variance, beta, gamma) = noise(3, 1, 13, 11), moments(11)

    def function(x):
        return relu(add(batch_norm(x, mean, variance, beta, gamma), x))

    expected = np.maximum(slow_norm(x, mean, variance, beta, gamma) + x, 0)
    np.testing.assert_allclose(jax.vmap(function)(x), expected, rtol=1e-5, atol=1e-5)
    along = jax.jvp(function, (x[0],), (x[1],))[1]
    slope = gamma / np.sqrt(variance + 1e-3) + 1
    np.testing.assert_allclose(along, (expected[0] > 0) * x[1] * slope, rtol=1e-4, atol=1e-4)
    exported = jax.export.export(jax.jit(function))(x[0])
    assert "custom_call" not in exported.mlir_module()
    np.testing.assert_allclose(exported.call(x[0]), expected[0], rtol=1e-5, atol=1e-5)


def test_transposes_of_sums():
    x, ct = noise(1, 13, 11), noise(1, 13, 11)
    (found,) = jax.linear_transpose(lambda x: add(add(x, x), x), x)(ct)
    np.testing.assert_allclose(found, 3 * ct, rtol=1e-6)


def test_what_the_kernels_do_not_take():
    x = noise(2, 9, 16)
    assert calls(relu, x) == 1
    wrong = [x.astype("float16"), x.astype("int32"), noise(3, 9, 16), noise(2, 7, 9), x[0, 0]]
    wrong += [noise(1, 2**12, 33), noise(2, 60, 3)]
    for other in wrong:
        assert calls(relu, other) == 0, other.shape
    assert calls(lambda x: relu(x, negative_slope=0.1), x) == 0
    assert calls(lambda x: relu(x, threshold=0.1), x) == 0
    assert calls(add, x, x[:1]) == 0
    assert calls(lambda x: add(x, 2.0), x) == 0
    vectors = moments(9)
    assert calls(lambda x: batch_norm(x, *vectors, axis=1), x) == 0
    half = [one.astype("float16") for one in moments(16)]
    assert calls(lambda x: batch_norm(x, *half), x) == 0
    assert calls(jax.grad(lambda x: relu(x).sum()), x) == 0


@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        ([(1, 40)], [0, 0, 0, 1, 0]),
        ([(1, 40), (1, 41)], [0, 0, 0, 1, 0]),
        ([(1, 40), (1, 40), (1, 40)], [0, 0, 0, 1, 0]),
        ([(1, 40), (40,), (39,), ()], [1, 0, 0, 0, 0]),
        ([(1, 40), (40,), (40,), (2,)], [1, 0, 0, 0, 0]),
        ([(1, 40), (40,), (40,)], [1, 0, 0, 0, 0]),
        ([(20, 2), (2,), (2,), ()], [1, 0, 0, 0, 0]),
        ([(1, 40)], [0, 0, 0, 0]),
        ([(1, 3)], [0, 0, 0, 0, 1]),
    ],
)
def test_wrong_calls_are_refused(shapes, options):
    arrays = [jnp.ones(shape) for shape in shapes]
    call = jax.ffi.ffi_call("lamina_each", jax.ShapeDtypeStruct(shapes[0], jnp.float32))
    with pytest.raises(Exception, match="lamina_each: "):
        call(*arrays, options=np.array(options, np.int64)).block_until_ready()


def residual() -> Model:
    x = layers.Input((8, 9, 5))
    y = layers.Conv2D(20, 3, padding="same")(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(y))
    z = layers.BatchNormalization(scale=False)(layers.Conv2D(20, 3, padding="same")(y))
    y = layers.ReLU()(layers.Add()([y, z]))
    return Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(y)))


def test_one_sample_of_a_residual_network_is_computed_by_calls():
    model, x = residual(), noise(5, 8, 9, 5)
    for layer in model.layers:
        layer.set_weights([np.abs(noise(*w.shape)) + 0.1 for w in layer.get_weights()])
    text = jax.jit(model).lower(x[:1]).as_text()
    assert text.count("custom_call @lamina_each(") == 5
    alone = [model.predict(x[i : i + 1], verbose=0)[0] for i in range(5)]
    np.testing.assert_allclose(alone, model.predict(x, verbose=0), rtol=1e-5, atol=1e-4)


def test_steps_on_one_row_are_those_on_xlas_operations(monkeypatch):
    x, y = noise(4, 40), noise(4, 3)
    found = []
    for taken in (True, False):
        if not taken:
            monkeypatch.setattr(native_each, "takes", lambda *_: False)
        model = Sequential([layers.Dense(150, input_shape=(40,), use_bias=False)])
        model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
        model.add(layers.Dense(3))
        state = np.random.default_rng(3)
        model.set_weights([state.uniform(0.1, 1, w.shape).astype("f") for w in model.get_weights()])
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=1, epochs=2, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
