"""Distributions, fans, names and configs of initializers, against NumPy and recorded releases."""

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from lamina import config, initializers, registry, seeds

GOLDEN = json.loads((Path(__file__).parent / "golden" / "named.json").read_text())

untyped: Any = initializers

NAMES = {
    "Zeros": ["Zeros", "zeros", "zero"],
    "Ones": ["Ones", "ones", "one"],
    "Constant": ["Constant", "constant"],
    "Identity": ["Identity", "identity", "IdentityInitializer"],
    "RandomNormal": ["RandomNormal", "random_normal", "normal"],
    "RandomUniform": ["RandomUniform", "random_uniform", "uniform"],
    "TruncatedNormal": ["TruncatedNormal", "truncated_normal"],
    "VarianceScaling": ["VarianceScaling", "variance_scaling"],
    "Orthogonal": ["Orthogonal", "orthogonal", "OrthogonalInitializer"],
    "GlorotNormal": ["GlorotNormal", "glorot_normal"],
    "GlorotUniform": ["GlorotUniform", "glorot_uniform"],
    "HeNormal": ["HeNormal", "he_normal"],
    "HeUniform": ["HeUniform", "he_uniform"],
    "LecunNormal": ["LecunNormal", "lecun_normal"],
    "LecunUniform": ["LecunUniform", "lecun_uniform"],
    "STFT": ["STFT", "stft", "STFTInitializer"],
}
ALIASES = [(name, cls) for cls, names in NAMES.items() for name in names]

OBJECTS = [
    initializers.Zeros(),
    initializers.Ones(),
    initializers.Constant(2.5),
    initializers.Constant([[1.0, 2.0, 3.0]]),
    initializers.Identity(0.3),
    initializers.RandomNormal(0.2, 0.7, seed=3),
    initializers.RandomUniform(-0.3, 0.9, seed=4),
    initializers.TruncatedNormal(0.1, 0.6, seed=5),
    initializers.VarianceScaling(0.7, "fan_out", "untruncated_normal", seed=6),
    initializers.VarianceScaling(0.7, "fan_avg", "uniform", 7, (0,), 1),
    initializers.Orthogonal(1.3, seed=8),
    initializers.GlorotNormal(9),
    initializers.GlorotUniform(10),
    initializers.HeNormal(11),
    initializers.HeUniform(12),
    initializers.LecunNormal(13),
    initializers.LecunUniform(14),
]


def numbers(array):
    return np.asarray(array, dtype="float64").ravel()


def follows(draws, distribution):
    """The draws pass a Kolmogorov-Smirnov test; the seed is fixed, so the result is too."""
    return stats.kstest(numbers(draws), distribution.cdf).pvalue > 0.01


# Names and configs


@pytest.mark.parametrize(("name", "cls"), ALIASES)
def test_every_name_is_known(name, cls):
    assert type(initializers.get(name)) is getattr(initializers, cls)
    assert getattr(initializers, name) is getattr(initializers, cls)


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_config_round_trip_keeps_values(made):
    stored = json.loads(json.dumps(initializers.serialize(made)))
    back = initializers.deserialize(stored)
    assert type(back) is type(made)
    assert back.get_config() == made.get_config()
    np.testing.assert_array_equal(back((4, 3)), made((4, 3)))


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))]
)
def test_copies_and_pickles(duplicate):
    made = initializers.RandomUniform(1.0, 2.0, seed=4)
    assert duplicate(made).get_config() == made.get_config()
    assert made.clone().get_config() == made.get_config()


def test_unknown_name_gets_a_suggestion():
    with pytest.raises(
        ValueError, match=r"Unknown initializer 'gloro_uniform'\. Did you mean 'glorot_u"
    ):
        initializers.get("gloro_uniform")


def test_get_takes_none_classes_objects_and_arrays():
    made = initializers.Ones()
    assert initializers.get(None) is None
    assert initializers.get(made) is made
    assert isinstance(initializers.get(initializers.he_normal), initializers.HeNormal)
    np.testing.assert_array_equal(
        initializers.get(np.arange(6.0).reshape(2, 3))((2, 3)), np.arange(6.0).reshape(2, 3)
    )
    with pytest.raises(TypeError, match="initializer is given as a name"):
        initializers.get(3)


@pytest.mark.parametrize(
    "stored",
    [
        {"class_name": "VarianceScaling", "config": {"scale": 2.0, "mode": "fan_in",
         "distribution": "normal", "seed": None}},
        {"module": "keras.initializers", "class_name": "HeNormal", "config": {"seed": None},
         "registered_name": None},
    ],
    ids=["keras 2", "keras 3"],
)  # fmt: skip
def test_configs_of_real_files(stored):
    made = initializers.deserialize(stored)
    assert (made.scale, made.mode, made.distribution) == (2.0, "fan_in", "truncated_normal")


def test_array_constant_of_a_keras_3_file():
    stored = {"value": {"class_name": "__numpy__", "config": {"value": [0, 1], "dtype": "int64"}}}
    made = initializers.deserialize({"class_name": "Constant", "config": stored})
    np.testing.assert_array_equal(made((3, 2)), [[0, 1]] * 3)


def test_seed_generator_of_a_keras_3_file():
    stored = {"class_name": "SeedGenerator", "config": {"seed": 5, "name": "g"}}
    assert initializers.RandomNormal.from_config({"seed": stored}).seed == 5


# Functions of the caller


def with_dtype(shape, dtype=None):
    return np.full(shape, 2.0, dtype)


def without_dtype(shape):
    return np.full(shape, 2.0)


def with_name(shape, name=None):
    return jnp.full(shape, 2.0)


def with_required_name(shape, name):
    return untyped.normal(shape, scale=0.0, name=name) + 2.0


@pytest.mark.parametrize("function", [with_dtype, without_dtype, with_name, with_required_name])
def test_functions_of_the_caller(function):
    made = initializers.get(function)
    result = made((2, 3), dtype=np.dtype("float32"))
    np.testing.assert_array_equal(result, np.full((2, 3), 2.0))
    assert result.dtype == np.float32
    assert initializers.serialize(made) == function.__name__


def test_function_that_takes_dtype_is_kept():
    assert initializers.get(with_dtype) is with_dtype


def test_registered_function_keeps_its_package():
    function = registry.register_keras_serializable("mine")(without_dtype)
    try:
        made = initializers.get(function)
        assert initializers.serialize(made) == "mine>without_dtype"
        assert initializers.deserialize("mine>without_dtype")((2,)).shape == (2,)
    finally:
        registry.get_custom_objects().pop("mine>without_dtype")


def test_subclass_of_the_caller_may_take_a_list():
    class Rows(initializers.RandomNormal):
        def __init__(self, rows):
            super().__init__()
            self.rows = rows

    assert Rows([1, 2]).rows == [1, 2]


def test_base_class_has_no_values():
    with pytest.raises(NotImplementedError, match="Initializer must override __call__"):
        initializers.Initializer()((2,))


# Keras 1: a shape at once


@pytest.mark.parametrize(("name", "cls"), ALIASES)
def test_shape_as_first_argument_gives_the_values(name, cls):
    if cls in ("Constant", "VarianceScaling", "STFT"):
        return
    values = getattr(initializers, name)((3, 4), name="W")
    assert isinstance(values, jax.Array)
    assert values.shape == (3, 4)
    assert getattr(initializers, name)(shape=[3, 4], dim_ordering="tf").shape == (3, 4)


def test_scale_of_keras_1():
    assert float(abs(untyped.uniform((30, 40), 0.5)).max()) > 0.4
    assert float(abs(untyped.uniform((30, 40), scale=0.5, name="W")).max()) > 0.4
    assert 0.4 < float(untyped.normal((30, 40), 0.5).std()) < 0.6
    np.testing.assert_array_equal(untyped.identity((2, 2), 3), 3 * np.eye(2))
    values = untyped.orthogonal((3, 3), scale=2.0)
    np.testing.assert_allclose(values @ values.T, 4 * np.eye(3), atol=1e-5)


def test_other_order_of_axes_is_refused_not_ignored():
    with pytest.raises(ValueError, match=r"GlorotUniform: dim_ordering must be 'tf', got 'th'"):
        untyped.glorot_uniform((5, 4, 3, 2), dim_ordering="th")


# Seeds


RANDOM = [made for made in OBJECTS if isinstance(made, initializers.RandomInitializer)]


@pytest.mark.parametrize("made", RANDOM, ids=repr)
def test_same_seed_same_values(made):
    np.testing.assert_array_equal(made((4, 3)), made((4, 3)))
    other = type(made).from_config(made.get_config() | {"seed": 99})
    assert not np.array_equal(other((4, 3)), made((4, 3)))


@pytest.mark.parametrize("made", RANDOM, ids=repr)
def test_without_seed_each_call_is_new_and_follows_the_global_seed(made):
    free = type(made).from_config(made.get_config() | {"seed": None})
    try:
        seeds.set_random_seed(7)
        first, second = free((4, 3)), free((4, 3))
        seeds.set_random_seed(7)
        np.testing.assert_array_equal(free((4, 3)), first)
        assert not np.array_equal(first, second)
    finally:
        seeds._state.update(seed=None, drawn=0)
    assert free.seed is None


@pytest.mark.parametrize("seed", [-1, 0, 2**31, 2**40, 2**63])
def test_any_int_is_a_seed(seed):
    values = initializers.RandomNormal(seed=seed)((5,))
    assert not np.array_equal(values, initializers.RandomNormal(seed=seed + 1)((5,)))


def test_high_bits_of_a_seed_count():
    low, high = (initializers.RandomNormal(seed=s)((5,)) for s in (3, 3 + 2**32))
    assert not np.array_equal(low, high)


def test_values_do_not_change():
    """The bits of Philox with the seed as its key, 24 of them for each number."""
    words = np.random.Philox(key=3).random_raw(3)
    halves = np.stack([words & 0xFFFFFFFF, words >> np.uint64(32)], axis=1).reshape(2, 3)
    values = initializers.RandomUniform(0.0, 1.0, seed=3)((2, 3))
    np.testing.assert_array_equal(values, (halves >> np.uint64(8)).astype("float32") / 2**24)


def test_a_larger_weight_begins_like_a_smaller_one():
    for name in ("RandomNormal", "RandomUniform"):
        made = getattr(initializers, name)(seed=3)
        np.testing.assert_array_equal(made((7, 5))[:2], made((2, 5)))


def test_drawing_compiles_nothing():
    compiled = []

    def note(event: str, duration_secs: float, **_: object) -> None:
        compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        for name in ("GlorotUniform", "HeNormal", "TruncatedNormal", "Orthogonal", "Zeros", "Ones"):
            getattr(initializers, name)()((6, 11))
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
    assert not [event for event in compiled if "compile" in event]


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_works_within_jit(made):
    traced = jax.jit(lambda: made((4, 3)))()
    np.testing.assert_allclose(traced, made((4, 3)), rtol=1e-6)


# Distributions


def test_random_normal():
    draws = initializers.RandomNormal(0.5, 2.0, seed=1)((60, 70))
    assert follows(draws, stats.norm(0.5, 2.0))


def test_random_uniform():
    draws = initializers.RandomUniform(-1.5, 0.5, seed=1)((60, 70))
    assert follows(draws, stats.uniform(-1.5, 2.0))


def test_truncated_normal_is_cut_at_two_standard_deviations():
    draws = initializers.TruncatedNormal(0.5, 2.0, seed=1)((60, 70))
    assert follows(draws, stats.truncnorm(-2, 2, 0.5, 2.0))
    assert numbers(draws).min() >= -3.5
    assert numbers(draws).max() <= 4.5


FANS = {
    (): (1, 1),
    (7,): (7, 7),
    (3, 4): (3, 4),
    (3, 4, 5): (12, 15),
    (2, 3, 4, 5): (24, 30),
    (2, 3, 4, 5, 6): (120, 144),
}


@pytest.mark.parametrize("shape", FANS)
def test_fans(shape):
    assert initializers.compute_fans(shape) == FANS[shape]


@pytest.mark.parametrize(
    ("shape", "inputs", "outputs", "expected"),
    [
        ((2, 3, 5, 7), (0, 1), (2, 3), (6, 35)),
        ((2, 3, 5, 7), (1,), None, (30, 70)),
        ((2, 3, 5, 7), 1, 0, (105, 70)),
        ((2, 3, 5), None, -3, (15, 10)),
    ],
)
def test_fans_with_other_axes(shape, inputs, outputs, expected):
    assert initializers.compute_fans(shape, inputs, outputs) == expected


def test_fans_of_keras_1():
    assert initializers.get_fans((5, 4, 2, 3)) == (24, 30)
    assert initializers.get_fans((2, 3, 4, 5), "tf") == (24, 30)
    assert initializers.get_fans((3, 4)) == (3, 4)
    with pytest.raises(ValueError, match="dim_ordering must be 'th' or 'tf'"):
        initializers.get_fans((3, 4), "channels_last")


RULES = {
    "GlorotUniform": (1, "avg", "uniform"),
    "GlorotNormal": (1, "avg", "truncated"),
    "HeUniform": (2, "in", "uniform"),
    "HeNormal": (2, "in", "truncated"),
    "LecunUniform": (1, "in", "uniform"),
    "LecunNormal": (1, "in", "truncated"),
}


@pytest.mark.parametrize("shape", [(3500,), (40, 70), (5, 20, 30), (3, 4, 20, 30), (2, 3, 4, 8, 9)])
@pytest.mark.parametrize("name", RULES)
def test_scaled_distributions(name, shape):
    scale, mode, kind = RULES[name]
    window = math.prod(shape[:-2])
    fan_in, fan_out = (window * shape[-2], window * shape[-1]) if len(shape) > 1 else shape * 2
    fan = fan_in if mode == "in" else (fan_in + fan_out) / 2
    deviation = math.sqrt(scale / fan)
    if kind == "uniform":
        limit = math.sqrt(3) * deviation
        expected = stats.uniform(-limit, 2 * limit)
    else:
        width = deviation / stats.truncnorm(-2, 2).std()
        expected = stats.truncnorm(-2, 2, 0, width)
    assert follows(getattr(initializers, name)(seed=2)(shape), expected)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["normal", "untruncated_normal", "uniform"])
def test_variance_scaling(mode, distribution):
    draws = initializers.VarianceScaling(0.6, mode, distribution, seed=3)((3, 25, 45))
    fan = {"fan_in": 75, "fan_out": 135, "fan_avg": 105}[mode]
    assert numbers(draws).std() == pytest.approx(math.sqrt(0.6 / fan), rel=0.03)
    beyond = np.abs(numbers(draws)).max() / math.sqrt(0.6 / fan)
    low, high = {"normal": (2.1, 2.28), "untruncated_normal": (3, 6), "uniform": (1.7, 1.7321)}[
        distribution
    ]
    assert low < beyond < high


def test_no_inputs_count_as_one():
    assert initializers.HeNormal(seed=1)((0, 4)).shape == (0, 4)


@pytest.mark.parametrize("row", GOLDEN["keras2"]["spread"] + GOLDEN["keras3"]["spread"], ids=str)
def test_spread_is_that_of_the_releases(row):
    name, shape, (deviation, largest) = row
    draws = numbers(initializers.get({"class_name": name, "config": {"seed": 1}})(shape))
    assert draws.std() == pytest.approx(deviation, rel=0.06)
    assert np.abs(draws).max() == pytest.approx(largest, rel=0.02)


# Fixed values


@pytest.mark.parametrize("row", GOLDEN["keras2"]["fixed"] + GOLDEN["keras3"]["fixed"], ids=str)
def test_fixed_values_are_those_of_the_releases(row):
    name, arguments, shape, values = row
    made = initializers.deserialize({"class_name": name, "config": arguments})
    np.testing.assert_allclose(numbers(made(shape)), values, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (2, 3, 4), (2, 1, 7)])
def test_orthogonal(shape):
    matrix = np.asarray(initializers.Orthogonal(1.5, seed=1)(shape)).reshape(-1, shape[-1])
    product = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 2.25 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_matrices_have_no_preferred_sign():
    firsts = [float(initializers.Orthogonal(seed=s)((3, 3))[0, 0]) for s in range(60)]
    assert 15 < sum(first > 0 for first in firsts) < 45


def test_constant_repeats_arrays_and_refuses_others():
    np.testing.assert_array_equal(initializers.Constant([1, 2])((3, 2)), [[1, 2]] * 3)
    with pytest.raises(ValueError, match=r"value of shape \(3,\) does not fit .* shape \(3, 2\)"):
        initializers.Constant([1, 2, 3])((3, 2))


# dtypes


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_dtype(made, dtype):
    values = made((4, 3), dtype)
    assert values.dtype == jnp.dtype(dtype)
    np.testing.assert_allclose(numbers(values), numbers(made((4, 3))), rtol=0.01)


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_default_dtype_is_floatx(made, monkeypatch):
    monkeypatch.setattr(config.settings, "floatx", "bfloat16")
    assert made((4, 3)).dtype == jnp.bfloat16


@pytest.mark.parametrize("made", OBJECTS, ids=repr)
def test_float64(made):
    with pytest.raises(ValueError, match=r"dtype float64 needs JAX's 64-bit types"):
        made((4, 3), "float64")
    with jax.enable_x64(True):
        values = made((4, 3), "float64")
        assert values.dtype == np.float64


def test_integers():
    assert initializers.Ones()((2,), "int32").dtype == np.int32
    assert initializers.Constant(3)((2,), "int32").dtype == np.int32
    with pytest.raises(ValueError, match="RandomNormal: dtype must be a float type, got int32"):
        initializers.RandomNormal()((2,), "int32")


# Errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: untyped.RandomNormal(stddev=-1), "RandomNormal: stddev .* least 0, got -1"),
        (lambda: untyped.TruncatedNormal(stddev=-1), "TruncatedNormal: stddev .* got -1"),
        (lambda: untyped.RandomNormal(mean="a"), "RandomNormal: mean must be .* got 'a'"),
        (lambda: untyped.RandomNormal(mean=math.nan), "RandomNormal: mean .* got nan"),
        (lambda: untyped.RandomNormal(seed=1.5), "seed must be an int or None, got 1.5"),
        (lambda: untyped.RandomNormal(seed=True), "seed must be an int or None, got True"),
        (lambda: untyped.RandomUniform(1, 0), "RandomUniform: minval .* got 1 and 0"),
        (lambda: untyped.RandomUniform(scale=-1), "RandomUniform: scale .* got -1"),
        (lambda: untyped.VarianceScaling(0), "VarianceScaling: scale .* above 0, got 0"),
        (lambda: untyped.VarianceScaling(1, "in"), "mode must be one of fan_in.* got 'in'"),
        (
            lambda: untyped.VarianceScaling(distribution="gamma"),
            "distribution must be one of truncated_normal.* got 'gamma'",
        ),
        (lambda: untyped.Orthogonal("a"), "Orthogonal: gain must be a number, got 'a'"),
        (lambda: untyped.Orthogonal()((3,)), r"Orthogonal: shape .* 2 axes, got \(3,\)"),
        (lambda: untyped.Identity(None), "Identity: gain must be a number, got None"),
        (lambda: untyped.Identity()((2, 3, 4)), r"Identity: shape .* got \(2, 3, 4\)"),
        (lambda: untyped.Constant("a"), "Constant: value .* got 'a'"),
        (lambda: untyped.Zeros()((2, None)), r"Zeros: shape .* got \(2, None\)"),
        (lambda: untyped.Zeros()((2, -1)), r"Zeros: shape .* got \(2, -1\)"),
        (lambda: untyped.Zeros()((2, 1.5)), r"Zeros: shape .* got \(2, 1.5\)"),
        (lambda: untyped.Zeros()(None), "Zeros: shape .* got None"),
        (lambda: untyped.Zeros()((2,), "flat32"), "Zeros: dtype .* got 'flat32'"),
        (lambda: untyped.compute_fans((2, 3), 5), r"input_axes must be axes .* got 5"),
        (lambda: untyped.compute_fans((2, 3), 1), "input_axes and output_axes .* differ"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_argument_is_named():
    with pytest.raises(TypeError, match="RandomNormal has no argument 'sigma'"):
        untyped.RandomNormal(sigma=1)
