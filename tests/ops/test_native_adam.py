"""A step of Adam by the kernel for CPUs, against NumPy in float64 and XLA's own operations."""

import ctypes
import importlib
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from lamina import layers, optimizers
from lamina.core import programs
from lamina.core.variable import Variable
from lamina.models import Sequential
from lamina.ops import library, native_adam

rng = np.random.default_rng(31)

pytestmark = pytest.mark.skipif(not library.fewest(), reason="lamina was built without kernels")

NUMBERS = 0.02, 1e-3, 0.1, 0.01

# Several tasks and a rest, exactly one, fewer numbers than a vector has, no axes.
SHAPES = [(3, 11_003), (2, 8192), (5,), (), (7, 6, 5)]


def noise(*shape: int) -> Any:
    return rng.standard_normal(shape, "float32")


def columns(*shapes: Any) -> list[list[Any]]:
    """Gradients, values, means and squares."""
    made = [[noise(*shape) for shape in shapes] for _ in range(4)]
    made[3] = [np.abs(one) for one in made[3]]
    return made


def step(*arrays: Any, numbers: Any = NUMBERS) -> Any:
    return native_adam.adam(*arrays, numbers=numbers)


def slow(gradient, value, mean, square, numbers=NUMBERS):
    rate, epsilon, to_mean, to_square = numbers
    gradient = gradient.astype("float64")
    mean = (1 - to_mean) * mean + to_mean * gradient
    square = (1 - to_square) * square + to_square * gradient**2
    return value - rate * mean / (np.sqrt(square) + epsilon), mean, square


def calls(function: Any, *arrays: Any) -> int:
    return jax.jit(function).lower(*arrays).as_text().count("custom_call @lamina_adam(")


def check(*shapes: Any) -> None:
    given = columns(*shapes)
    found = jax.jit(step)(*given)
    for place, one in enumerate(zip(*given, strict=True)):
        for new, expected in zip(found, slow(*one), strict=True):
            assert new[place].shape == shapes[place]
            np.testing.assert_allclose(new[place], expected, rtol=1e-5, atol=1e-6)


def test_each_number_of_each_weight():
    assert calls(step, *columns(*SHAPES)) == 1
    check(*SHAPES)
    for shape in SHAPES:
        check(shape)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_narrower_vectors(width):
    kernels = ctypes.CDLL(str(Path(library.__file__).parents[1] / "native" / library.LIBRARY))
    try:
        if kernels.lamina_conv_use_widest(width) < width:
            pytest.skip(f"this processor has no vectors of {width}")
        check((37,), (3, 50))
    finally:
        kernels.lamina_conv_use_widest(16)


def test_large_steps_are_left_to_the_pool():
    given = columns((1000, 1100), (31,))
    find = jax.jit(lambda *given: (found := step(*given), [one.sum() for one in found[0]]))
    (values, means, _), sums = find(*given)
    expected = slow(*(column[0] for column in given))
    np.testing.assert_allclose(values[0], expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(means[0], expected[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sums[0], expected[0].sum(), rtol=1e-3)


def test_one_array_in_several_places():
    x = np.abs(noise(40))
    found = jax.jit(lambda x: step([x], [x], [x], [x]))(x)
    for new, expected in zip(found, slow(x, x, x, x), strict=True):
        np.testing.assert_allclose(new[0], expected, rtol=1e-5, atol=1e-6)


def test_what_is_not_donated_stays():
    given = jax.tree.map(jnp.asarray, columns((40,)))
    before = jax.tree.map(np.array, given)
    found = jax.jit(lambda *given: (step(*given), given[1][0] * 2))(*given)
    jax.tree.map(np.testing.assert_array_equal, given, before)
    np.testing.assert_array_equal(found[1], before[1][0] * 2)


def test_loops_are_in_place():
    """Nothing is copied, though the gradient reads what is updated."""
    given = columns((70, 80), (80, 60))

    def run(x, values, means, squares):
        def body(_, carry):
            gradients = jax.grad(lambda w: ((x @ w[0]) @ w[1]).sum())(carry[0])
            return step(gradients, *carry)

        return jax.lax.fori_loop(0, 3, body, (values, means, squares))

    compiled = jax.jit(run, donate_argnums=(1, 2, 3)).lower(noise(9, 70), *given[1:]).compile()
    text = str(compiled.as_text())
    for shape in "f32[70,80]", "f32[80,60]":
        assert not [line for line in text.splitlines() if " copy(" in line and shape in line]


def test_switched_off_by_a_failed_check():
    gradients, *old = columns(*SHAPES)

    def update(values, means, squares):
        return step(gradients, values, means, squares)

    run = jax.jit(lambda failed: programs.kept_if(failed, update, *old))
    text = run.lower(True).as_text()
    assert "custom_call @lamina_adam(" in text
    assert "select" not in text
    jax.tree.map(np.testing.assert_array_equal, list(run(True)), old)
    jax.tree.map(np.testing.assert_array_equal, run(False), jax.jit(update)(*old))
    numbers = np.array(NUMBERS, "float32")
    flat = jax.tree.leaves((gradients, old))
    kept = native_adam.adam_p.bind(jnp.asarray(True), numbers, *flat)
    jax.tree.map(np.testing.assert_array_equal, kept, jax.tree.leaves(old))
    kept = jax.jit(native_adam._by_xla)(True, numbers, *flat)
    jax.tree.map(np.testing.assert_array_equal, kept, jax.tree.leaves(old))


def test_derivatives():
    given = columns((3, 5), (4,))
    weights = [noise(3, 5), noise(4)]

    def total(gradients):
        values = step(gradients, *given[1:])[0]
        return sum((one * w).sum() for one, w in zip(values, weights, strict=True))

    found = jax.grad(total)(given[0])
    direction = [noise(3, 5), noise(4)]
    ends = []
    for sign in 1, -1:
        moved = [g + sign * 1e-6 * d.astype("f8") for g, d in zip(given[0], direction, strict=True)]
        new = [slow(g, *rest)[0] for g, *rest in zip(moved, *given[1:], strict=True)]
        ends.append(sum((one * w).sum() for one, w in zip(new, weights, strict=True)))
    slope = sum(np.vdot(one, d) for one, d in zip(found, direction, strict=True))
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-6, rtol=1e-4)


def test_vectorization():
    given = columns((3, 5))
    found = jax.vmap(step)(*given)
    for new, expected in zip(found, slow(*(column[0] for column in given)), strict=True):
        np.testing.assert_allclose(new[0], expected, rtol=1e-5, atol=1e-6)


def changed(optimizer: Any, kind: Any = "float32", size: int = 20_000) -> tuple[list[Any], int]:
    """What three steps make of weights, and how often the kernel is called for one."""
    source = np.random.default_rng(5)
    starts = [source.standard_normal(shape) for shape in [(size // 100, 100), (7,)]]
    variables = [Variable(start.astype("float32"), dtype=kind) for start in starts]
    gradients = [jnp.asarray(source.standard_normal(v.shape), kind) for v in variables]
    optimizer.build(variables)
    values = [variable.value for variable in variables]
    state, rates = optimizer.state, optimizer.hyperparameters()
    update = jax.jit(optimizer.update)
    count = update.lower(gradients, state, values, rates).as_text().count("@lamina_adam(")
    for turn in range(3):
        scaled = [gradient * (turn - 0.7) for gradient in gradients]
        values, state = update(scaled, state, values, rates)
    return [np.asarray(value, "float32") for value in values], count


class Steeper(optimizers.Adam):
    """A rule of one's own."""

    def _rule(self, gradient, value, slots, moment):
        change, slots = super()._rule(gradient, value, slots, moment)
        return 2 * change, slots


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (partial(optimizers.Adam, 0.03, beta_1=0.8, beta_2=0.95, epsilon=1e-3), 1),
        (partial(optimizers.Adam, 0.03, decay=0.5, clipnorm=2.0), 1),
        (partial(optimizers.AdamW, 0.03, weight_decay=0.3), 1),
        (partial(optimizers.Adam, 0.03, use_ema=True, ema_overwrite_frequency=2), 1),
        (partial(optimizers.Adam, 0.03, gradient_accumulation_steps=2), 1),
        (partial(optimizers.Adam, 0.03, amsgrad=True), 0),
        (partial(Steeper, 0.03), 0),
    ],
)
def test_optimizers_are_the_same_with_and_without(make, count, monkeypatch):
    found, called = changed(make())
    assert called == count
    rules = importlib.import_module("lamina.optimizers.adam")  # the name is that of the class, too
    monkeypatch.setattr(rules, "FEWEST_NUMBERS", 10**9)
    expected, called = changed(make())
    assert called == 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_other_dtypes_few_numbers_and_several_devices_are_xla_s():
    assert changed(optimizers.Adam(), "bfloat16")[1] == 0
    assert changed(optimizers.Adam(), size=16_300)[1] == 0
    assert changed(optimizers.Adam(), size=16_400)[1] == 1
    mesh = jax.make_mesh((2,), ("rows",), axis_types=(AxisType.Auto,))
    given = columns((4, 5))
    parts = jax.device_put(given, NamedSharding(mesh, PartitionSpec("rows")))
    assert calls(step, *parts) == 0
    for one, other in zip(jax.jit(step)(*parts), jax.jit(step)(*given), strict=True):
        np.testing.assert_allclose(one[0], other[0], rtol=1e-5, atol=1e-6)


def test_a_failed_check_in_training_changes_no_weight():
    model = Sequential([layers.Embedding(300, 60), layers.Flatten(), layers.Dense(3)])
    model.compile("adam", "mse")
    x = rng.integers(0, 300, (64, 4))
    y = noise(64, 3)
    model.fit(x, y, batch_size=8, verbose=0)
    before = [np.array(value) for value in (*model.get_weights(), *model.optimizer.get_weights())]
    wrong = x.copy()
    wrong[:, 2] = 300
    with pytest.raises(ValueError, match="index 300 in row"):
        model.fit(wrong, y, batch_size=8, verbose=0)
    after = [*model.get_weights(), *model.optimizer.get_weights()]
    for one, other in zip(after, before, strict=True):
        np.testing.assert_array_equal(one, other)
    model.fit(x, y, batch_size=8, verbose=0)
    for one, other in zip(model.get_weights(), before[:3], strict=True):
        assert (one != other).any()


@pytest.mark.parametrize(
    ("off", "numbers", "shapes", "results", "places", "reason"),
    [
        (False, 4, [(3,)] * 4, 3, {3: 0, 4: 1, 5: 2}, None),
        (False, 4, [(3,)] * 4, 3, {}, "not in place"),
        (False, 4, [(3,)] * 4, 3, {3: 1, 4: 0, 5: 2}, "not in place"),
        (False, 4, [(4,), (3,), (3,), (3,)], 3, {3: 0, 4: 1, 5: 2}, "shapes"),
        (False, 5, [(3,)] * 4, 3, {3: 0, 4: 1, 5: 2}, "not four numbers"),
        (0.0, 4, [(3,)] * 4, 3, {3: 0, 4: 1, 5: 2}, "no switch"),
        (False, 4, [(3,)] * 3, 3, {3: 0, 4: 1}, "wrong number"),
        (False, 4, [(3,)] * 4, 2, {3: 0, 4: 1}, "wrong number"),
    ],
)
def test_wrong_calls_are_refused(off, numbers, shapes, results, places, reason):
    made = [jax.ShapeDtypeStruct((3,), jnp.float32)] * results
    call = jax.ffi.ffi_call("lamina_adam", made, input_output_aliases=places)
    arrays = [jnp.asarray(off), jnp.ones(numbers), *map(jnp.ones, shapes)]
    if reason is None:
        jax.block_until_ready(jax.jit(call)(*arrays))
        return
    with pytest.raises(Exception, match=f"lamina_adam: .*{reason}"):
        jax.block_until_ready(jax.jit(call)(*arrays))
