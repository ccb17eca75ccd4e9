"""Dtypes: of outputs and weights by ``floatx``, by a layer's `dtype`, and by mixed policies."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina import config, layers, mixed_precision
from lamina.layers import Input

CONTRACT = runpy.run_path(str(Path(__file__).with_name("test_contract.py")))
CASES, calm = CONTRACT["CASES"], CONTRACT["calm"]
HALVES = {"float16": 2e-2, "bfloat16": 1.5e-1}


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def case(request):
    kind, options, shape, _ = request.param
    rng = np.random.default_rng(0)
    sizes = shape if isinstance(shape, list) else [shape]
    values = [rng.uniform(0.1, 2.0, size).astype("float32") for size in sizes]
    if kind == "Embedding":
        values = [rng.integers(0, 9, shape)]
    return getattr(layers, kind), options, values if isinstance(shape, list) else values[0]


@pytest.fixture
def default():
    """Set ``floatx`` for one test."""
    before = config.floatx()
    yield config.set_floatx
    config.set_floatx(before)
    mixed_precision.set_global_policy(None)


def symbolic(values):
    if isinstance(values, list):
        return [symbolic(value) for value in values]
    return Input(values.shape[1:], dtype=str(values.dtype))


def built(layer, values):
    """The abstract output; weights exist then."""
    return jax.eval_shape(layer, values)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_floatx_is_the_dtype_of_outputs_and_weights(case, default, dtype):
    cls, options, values = case
    default(dtype)
    layer = cls(**options)
    assert built(layer, values).dtype == dtype
    assert layer(symbolic(values)).dtype == dtype
    assert {weight.dtype for weight in layer.weights} <= {jnp.dtype(dtype)}


def test_floatx_of_64_bits(case, default):
    cls, options, values = case
    default("float64")
    with jax.enable_x64(True):
        layer = cls(**options)
        assert built(layer, values).dtype == jnp.float64
        assert {weight.dtype for weight in layer.weights} <= {jnp.dtype("float64")}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtype_of_a_layer_goes_before_floatx(case, dtype):
    cls, options, values = case
    with jax.enable_x64(dtype == "float64"):
        layer = cls(dtype=dtype, **options)
        assert (layer.dtype, built(layer, values).dtype) == (dtype, jnp.dtype(dtype))
        assert {weight.dtype for weight in layer.weights} <= {jnp.dtype(dtype)}


@pytest.mark.parametrize("half", list(HALVES))
def test_mixed_policy_keeps_weights_in_32_bits(case, default, half):
    cls, options, values = case
    del default
    mixed_precision.set_global_policy(f"mixed_{half}")
    layer = cls(**options)
    assert built(layer, values).dtype == half
    assert layer(symbolic(values)).dtype == half
    assert {weight.dtype for weight in layer.weights} <= {jnp.dtype("float32")}
    assert layer.get_config()["dtype"] == f"mixed_{half}"


@pytest.mark.parametrize("half", list(HALVES))
def test_half_precision_gives_near_values(case, half):
    cls, options, values = case
    wide, narrow = cls(**options), cls(dtype=f"mixed_{half}", **options)
    built(wide, values)
    built(narrow, values)
    rng = np.random.default_rng(1)
    weights = [rng.uniform(0.1, 1.0, w.shape).astype("float32") for w in wide.weights]
    wide.set_weights(weights)
    narrow.set_weights(weights)
    right = np.asarray(calm(wide, values))
    found = np.asarray(calm(narrow, values)).astype("float32")
    scale = max(1.0, float(np.abs(right).max()))
    assert np.abs(found - right).max() <= HALVES[half] * scale


@pytest.mark.parametrize(
    "name", ["batch_norm", "dense", "conv_2d", "softmax", "average_pooling_2d"]
)
@pytest.mark.parametrize("half", list(HALVES))
def test_large_values_of_half_precision_stay_finite(name, half):
    """Sums of 16 bits are made in 32: 4000 values of 100 are too much for float16."""
    kind, options, shape, _ = CASES[name]
    layer = getattr(layers, kind)(dtype=half, **options)
    x = np.full((4000, *shape[1:]), 100.0, "float32")
    layer(x)
    weights = [np.full(w.shape, 0.01) for w in layer.weights]
    layer.set_weights(weights)
    output = layer(x, training=True) if name == "batch_norm" else layer(x)
    assert np.isfinite(np.asarray(output).astype("float32")).all()
    assert all(np.isfinite(np.asarray(w.value).astype("float32")).all() for w in layer.weights)


def test_unknown_dtype_is_named():
    with pytest.raises(ValueError, match=r"dtype must be a dtype such as 'float32', .* 'float23'"):
        layers.Dense(2, dtype="float23")


def test_16_bits_are_kept_apart_from_other_layers():
    x = Input((4,))
    hidden = layers.Dense(3, dtype="float16")(x)
    output = layers.Dense(2)(hidden)
    assert [hidden.dtype, output.dtype] == ["float16", "float32"]


@pytest.mark.skipif(jax.config.jax_enable_x64, reason="64-bit types are on")  # type: ignore[attr-defined]
@pytest.mark.parametrize("name", ["Activation", "Dense", "Dropout", "Flatten"])
def test_float64_without_64_bits_is_refused_by_name(name):
    options = {"Activation": ("tanh",), "Dense": (2,), "Dropout": (0.5,)}.get(name, ())
    layer = getattr(layers, name)(*options, dtype="float64", name="me")
    for inputs in (np.ones((2, 3), "f"), Input((3,))):
        with pytest.raises(ValueError, match=rf"{name} 'me': dtype float64 needs .*set_floatx"):
            layer(inputs)


def test_weights_of_whole_numbers_are_refused_by_name():
    with pytest.raises(ValueError, match=r"Dense 'me', weight 'kernel': .* must be a float type"):
        layers.Dense(2, dtype="int32", name="me")(np.ones((2, 3), "f"))
