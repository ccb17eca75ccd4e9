"""What surrounds the rules: rates, clipping, decay, averages, accumulation, state."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lamina import backend as K
from lamina import optimizers, schedules
from lamina.core.variable import Variable

SHAPES = ((3, 4), (5,))
NAMES = ["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "AdamW", "Adamax", "Nadam"]
NAMES += ["Ftrl", "Lion", "Lamb", "Adafactor", "Muon", "ScheduleFreeAdamW"]


def noise(seed, shapes=SHAPES, dtype="float32"):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def vector(*values, **options):
    """A variable with these values."""
    return Variable(np.array(values, "float32"), **options)


def variables(dtype="float32"):
    made = []
    for name, value in zip(("kernel", "bias"), noise(0, dtype=dtype), strict=True):
        variable = Variable(value, dtype=dtype, name=name)
        variable.path = f"dense/{name}"
        made.append(variable)
    return made


def steps(optimizer, count, dtype="float32"):
    """Values after each of some updates with noisy gradients."""
    weights = variables(dtype)
    history = []
    for step in range(count):
        gradients = [jnp.asarray(g) for g in noise(step + 1, dtype=dtype)]
        optimizer.apply(gradients, weights)
        history.append([w.numpy() for w in weights])
    return history


def equal(found, expected, rtol=1e-6, atol=1e-7):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)


# The rules in float64, read slowly from their definitions.


def slow_sgd(value, gradients, rate, momentum):
    velocity = 0.0
    for gradient in gradients:
        velocity = momentum * velocity - rate * gradient
        value = value + momentum * velocity - rate * gradient
    return value


def slow_adam(value, gradients, rate, beta_1, beta_2, epsilon):
    mean = size = 0.0
    for time, gradient in enumerate(gradients, 1):
        mean = beta_1 * mean + (1 - beta_1) * gradient
        size = beta_2 * size + (1 - beta_2) * gradient**2
        scaled = rate * np.sqrt(1 - beta_2**time) / (1 - beta_1**time)
        value = value - scaled * mean / (np.sqrt(size) + epsilon)
    return value


def slow_rmsprop(value, gradients, rate, rho, momentum, epsilon):
    size = change = 0.0
    for gradient in gradients:
        size = rho * size + (1 - rho) * gradient**2
        change = momentum * change + rate * gradient / np.sqrt(size + epsilon)
        value = value - change
    return value


# Rates that float32 holds exactly, since the rate is a float32.
SLOW = {
    "sgd": (
        lambda: optimizers.SGD(0.125, momentum=0.9, nesterov=True),
        lambda value, gradients: slow_sgd(value, gradients, 0.125, 0.9),
    ),
    "adam": (
        lambda: optimizers.Adam(0.125, 0.8, 0.95, epsilon=1e-3),
        lambda value, gradients: slow_adam(value, gradients, 0.125, 0.8, 0.95, 1e-3),
    ),
    "rmsprop": (
        lambda: optimizers.RMSprop(0.125, 0.8, momentum=0.7, epsilon=1e-3),
        lambda value, gradients: slow_rmsprop(value, gradients, 0.125, 0.8, 0.7, 1e-3),
    ),
}


@pytest.mark.parametrize("name", SLOW)
def test_float64_is_the_definition(name):
    make, slow = SLOW[name]
    with jax.enable_x64(True):
        found = steps(make(), 4, "float64")[-1]
    rows = zip(*[noise(step + 1, dtype="float64") for step in range(4)], strict=True)
    expected = [slow(v, g) for v, g in zip(noise(0, dtype="float64"), rows, strict=True)]
    equal(found, expected, rtol=1e-12, atol=1e-12)


def test_compiled_with_donated_state_is_eager():
    optimizer = optimizers.SGD(
        0.1, momentum=0.9, clipnorm=1.0, use_ema=True, gradient_accumulation_steps=2
    )
    values = [jnp.asarray(value) for value in noise(0)]
    state = optimizer.init(variables())
    compiled = jax.jit(optimizer.update, donate_argnums=(1, 2))
    eager, eager_state = values, state
    donated, donated_state = jax.tree.map(jnp.copy, (values, state))
    for step in range(4):
        gradients = [jnp.asarray(g) for g in noise(step + 1)]
        rates = optimizer.hyperparameters()
        eager, eager_state = optimizer.update(gradients, eager_state, eager, rates)
        before = donated[0]
        donated, donated_state = compiled(gradients, donated_state, donated, rates)
        assert before.is_deleted()
    equal(donated, eager)
    equal(jax.tree.leaves(donated_state), jax.tree.leaves(eager_state))
    assert int(donated_state["step"]) == 4


@pytest.mark.parametrize("name", NAMES)
def test_state_is_donated_whole_and_half_precision_kept(name):
    optimizer = optimizers.get(name)
    state = optimizer.init(variables("bfloat16"))
    values = [jnp.asarray(v, jnp.bfloat16) for v in noise(0)]
    rates = optimizer.hyperparameters()
    shapes = jax.eval_shape(optimizer.update, values, state, values, rates)
    given = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (values, state))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), shapes) == given


# The learning rate.


def test_new_rate_is_used_and_compiles_nothing():
    traces = []
    optimizer = optimizers.SGD(0.5)

    def counted(*arguments):
        traces.append(1)
        return optimizer.update(*arguments)

    values = [jnp.ones(3)]
    state = optimizer.init([Variable(np.ones(3))])
    compiled = jax.jit(counted)
    rate = optimizer.learning_rate
    sets = [
        lambda: None,
        lambda: setattr(optimizer, "learning_rate", 0.25),
        lambda: setattr(optimizer, "lr", np.float32(2.0)),
        lambda: rate.assign(4.0),
        lambda: setattr(optimizer, "learning_rate", Variable(8.0)),
    ]
    for change, expected in zip(sets, (0.5, 0.25, 2.0, 4.0, 8.0), strict=True):
        change()
        new, state = compiled([jnp.ones(3)], state, values, optimizer.hyperparameters())
        np.testing.assert_array_equal(new[0], 1 - expected * np.ones(3))
        assert float(optimizer.lr) == float(optimizer.learning_rate) == expected
    assert len(traces) == 1


def test_function_and_schedule_are_rates():
    rates = iter([0.5, 0.25])
    weight = vector(1.0)
    optimizer = optimizers.SGD(lambda: next(rates))
    optimizer.apply([jnp.ones(1)], [weight])
    optimizer.apply([jnp.ones(1)], [weight])
    assert weight.numpy() == [0.25]
    optimizer.learning_rate = schedules.PiecewiseConstantDecay([2], [1.0, 0.125])
    optimizer.apply([jnp.ones(1)], [weight])
    assert weight.numpy() == [-0.75]
    assert float(optimizer.lr) == 0.125
    # Another schedule is not mistaken for the one that was compiled.
    optimizer.learning_rate = optax.constant_schedule(2.0)
    optimizer.apply([jnp.ones(1)], [weight])
    assert weight.numpy() == [-2.75]


def test_decay_divides_the_rate():
    history = steps(optimizers.SGD(0.5, decay=0.25), 3)
    value = noise(0)
    for step, found in enumerate(history):
        rate = 0.5 / (1 + 0.25 * step)
        value = [v - rate * g for v, g in zip(value, noise(step + 1), strict=True)]
        equal(found, value, rtol=1e-5, atol=1e-6)


# Clipping.


def norm_of(arrays):
    return np.sqrt(sum(np.sum(np.square(a.astype("float64"))) for a in arrays))


@pytest.mark.parametrize(
    ("option", "clip"),
    [
        ({"clipvalue": 0.4}, lambda gs: [np.clip(g, -0.4, 0.4) for g in gs]),
        ({"clipnorm": 2.0}, lambda gs: [g * min(1, 2.0 / norm_of([g])) for g in gs]),
        ({"global_clipnorm": 1.5}, lambda gs: [g * min(1, 1.5 / norm_of(gs)) for g in gs]),
    ],
)
def test_clipping_is_that_of_numpy(option, clip):
    gradients = noise(1)
    assert norm_of(gradients[1:]) < 2.0 < norm_of(gradients[:1])
    found = steps(optimizers.SGD(1.0, **option), 1)[0]
    equal(found, [v - g for v, g in zip(noise(0), clip(gradients), strict=True)], atol=1e-6)


def test_zero_gradient_is_clipped_to_zero():
    weight = Variable(np.ones(3))
    optimizers.SGD(1.0, clipnorm=1.0).apply([jnp.zeros(3)], [weight])
    np.testing.assert_array_equal(weight.numpy(), np.ones(3))


# Averages, accumulation, weight decay, gradients that are not there.


def test_average_replaces_values_at_the_end():
    optimizer = optimizers.SGD(0.5, use_ema=True, ema_momentum=0.75)
    weights = variables()
    average = None
    now = []
    for step in range(3):
        optimizer.apply([jnp.asarray(g) for g in noise(step + 1)], weights)
        now = [w.numpy() for w in weights]
        average = (
            now
            if average is None
            else [0.75 * a + 0.25 * v for a, v in zip(average, now, strict=True)]
        )
    assert average is not None
    equal(optimizer.finalize(now, optimizer.state), average)
    optimizer.finalize_variable_values(weights)
    equal([w.numpy() for w in weights], average)


def test_average_replaces_values_now_and_then():
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2)
    weight = vector(0.0)
    found = []
    for _ in range(4):
        optimizer.apply([-jnp.ones(1)], [weight])
        found.append(float(weight.numpy()[0]))
    # Averages: 1, 1.5 (replaces 2), 2 (of 1.5 and 2.5), 2.75 (replaces 3.5).
    assert found == [1.0, 1.5, 2.5, 2.75]


def test_accumulated_gradients_make_one_update_of_their_mean():
    optimizer = optimizers.Adam(0.1, gradient_accumulation_steps=3)
    history = steps(optimizer, 6)
    equal(history[1], noise(0))
    once, weights = optimizers.Adam(0.1), variables()
    for first in (1, 4):
        rows = zip(*[noise(first + i) for i in range(3)], strict=True)
        once.apply([jnp.asarray(np.mean(row, axis=0)) for row in rows], weights)
        equal(history[first + 1], [w.numpy() for w in weights], atol=1e-6)
    assert int(optimizer.iterations) == 2


@pytest.mark.parametrize("how", ["names", "variables"])
def test_weight_decay_leaves_out_what_is_excluded(how):
    optimizer = optimizers.SGD(0.5, weight_decay=0.25)
    weights = variables()
    if how == "names":
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    else:
        optimizer.exclude_from_weight_decay(var_list=[weights[1]])
    optimizer.apply([jnp.zeros(shape) for shape in SHAPES], weights)
    before = noise(0)
    expected = [before[0] * 0.875, before[1]]
    equal([w.numpy() for w in weights], expected)
    with pytest.raises(ValueError, match="must be called before"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "Muon", "Nadam"])
def test_variable_without_gradient_is_left_alone(name):
    optimizer, alone = optimizers.get(name), optimizers.get(name)
    weights, single = variables(), variables()[1:2]
    gradients = [jnp.asarray(noise(step + 1)[1]) for step in range(3)]
    for gradient in gradients:
        optimizer.apply([None, gradient], weights)
        alone.apply([gradient], single)
    equal([w.numpy() for w in weights], [noise(0)[0], single[0].numpy()])
    optimizer.apply([gradients[0]], [weights[1]])
    assert not np.allclose(weights[1].numpy(), single[0].numpy())


def test_constraint_is_applied_after_the_update():
    weight = vector(1, -1, constraint=lambda w: jnp.maximum(w, 0.0))
    optimizers.SGD(1.0).apply_gradients([(jnp.asarray([0.5, 0.5]), weight)])
    np.testing.assert_array_equal(weight.numpy(), [0.5, 0])


# State and weights.


@pytest.mark.parametrize("name", NAMES)
def test_weights_carry_everything_that_matters(name):
    first, second = optimizers.get(name), optimizers.get(name)
    weights = variables()
    first.apply([jnp.asarray(g) for g in noise(1)], weights)
    copies = [Variable(w.numpy(), name=w.name) for w in weights]
    second.build(copies)
    first.learning_rate = 0.02
    second.set_weights(first.get_weights())
    for one, other in ((first, weights), (second, copies)):
        one.apply([jnp.asarray(g) for g in noise(2)], other)
    equal([w.numpy() for w in copies], [w.numpy() for w in weights], rtol=0, atol=0)
    assert int(second.iterations) == 2
    assert float(second.learning_rate) == pytest.approx(0.02)


@pytest.mark.parametrize("name", ["Adam", "Lion", "SGD"])
def test_pure_form_is_apply(name):
    optimizer, pure = optimizers.get(name), optimizers.get(name)
    weights = variables()
    pure.build(weights)
    own, values = [v.value for v in pure.variables], [w.value for w in weights]
    for step in range(2):
        gradients = [jnp.asarray(g) for g in noise(step + 1)]
        values, own = jax.jit(pure.stateless_apply)(own, gradients, values)
        optimizer.apply(gradients, weights)
    equal(values, [w.numpy() for w in weights])
    equal(own, optimizer.get_weights())


def test_steps_are_read_and_set():
    optimizer = optimizers.SGD(0.5, decay=1.0)
    weight = vector(0.0)
    held = optimizer.iterations
    assert int(held) == 0
    optimizer.apply([jnp.ones(1)], [weight])
    assert int(held) == int(optimizer.iterations) == 1
    held.assign(4)
    optimizer.apply([jnp.ones(1)], [weight])
    assert weight.numpy() == pytest.approx([-0.5 - 0.5 / 5])
    assert int(jnp.add(held.value, 1)) == 6
    assert int(jnp.negative(held)) == -5  # type: ignore[arg-type]
    assert K.get_value(held) == held.numpy() == 5
    assert "value=5" in repr(held)
    assert "value=0.5" in repr(optimizer.lr)


# Transformations of optax, and rules of one's own.


def test_multi_steps_of_optax_are_taken_as_they_are():
    optimizer = optimizers.get(optax.MultiSteps(optax.sgd(1.0), every_k_schedule=2))
    weight = vector(0.0)
    with jax.numpy_dtype_promotion("standard"):
        optimizer.apply([jnp.full(1, 2.0)], [weight])
        assert weight.numpy() == pytest.approx([0.0])
        optimizer.apply([jnp.full(1, 4.0)], [weight])
    assert weight.numpy() == pytest.approx([-3.0])


def test_optax_is_bit_for_bit_itself():
    with jax.numpy_dtype_promotion("standard"):
        rule = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(3e-2, weight_decay=0.1))
        values = [jnp.asarray(v) for v in noise(0)]
        state = rule.init(values)

        @jax.jit
        def plain(gradients, state, values):
            changes, state = rule.update(gradients, state, values)
            return optax.apply_updates(values, changes), state

        optimizer = optimizers.get(rule)
        history = steps(optimizer, 4)
        for step, found in enumerate(history):
            values, state = plain([jnp.asarray(g) for g in noise(step + 1)], state, values)
            equal(found, values, rtol=0, atol=0)
    with pytest.raises(AttributeError, match=r"is within it\. .*inject_hyperparams"):
        _ = optimizer.learning_rate
    with pytest.raises(ValueError, match="cannot be written into a config"):
        optimizer.get_config()


def test_injected_rate_of_optax_is_read_and_set():
    optimizer = optimizers.get(optax.inject_hyperparams(optax.sgd)(learning_rate=0.5))
    weight = vector(0.0)
    optimizer.apply([jnp.ones(1)], [weight])
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 2.0
    optimizer.apply([jnp.ones(1)], [weight])
    assert weight.numpy() == [-2.5]


class Momentum(optimizers.Optimizer):
    """SGD with momentum, as somebody would write it for Keras 3."""

    def __init__(self, momentum=0.9, **options):
        super().__init__(**options)
        self.momentum = momentum

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.momenta = [
            self.add_variable_from_reference(reference_variable=v, name="momentum")
            for v in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        held = self.momenta[self._get_variable_index(variable)]
        self.assign(held, held.value * self.momentum - learning_rate * gradient)
        self.assign_add(variable, held)

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum}


def test_rule_of_a_subclass_with_update_step():
    own = Momentum(0.8, learning_rate=0.25, clipvalue=0.5)
    found = steps(own, 4)
    known = optimizers.SGD(0.25, momentum=0.8, clipvalue=0.5)
    for one, other in zip(found, steps(known, 4), strict=True):
        equal(one, other, atol=1e-6)
    assert len(own.get_weights()) == len(known.get_weights())
    assert Momentum.from_config(own.get_config()).get_config() == own.get_config()


def test_multi_optimizer_is_each_by_itself():
    table = optimizers.OptimizerMap(optimizers.Adam(0.1), {".*/bias": optimizers.SGD(0.5)})
    both = optimizers.MultiOptimizer(table)
    found = steps(both, 3)[-1]
    adam, sgd = steps(optimizers.Adam(0.1), 3)[-1], steps(optimizers.SGD(0.5), 3)[-1]
    equal(found, [adam[0], sgd[1]])
    assert [int(one.iterations) for one in both.optimizers] == [3, 3]
    copy = optimizers.deserialize(optimizers.serialize(both))
    assert copy.get_config() == both.get_config()
    with pytest.raises(AttributeError, match="no learning rate of its own"):
        both.learning_rate = 0.1


def test_loss_scale_keeps_small_gradients():
    optimizer = optimizers.LossScaleOptimizer("sgd", initial_scale=2.0**17)
    optimizer.learning_rate = 1.0
    weight = Variable(np.array([1.0]), dtype="float16")
    optimizer.build([weight])
    loss = optimizer.scale_loss(jnp.float16(1e-3))
    assert loss.dtype == jnp.float32
    assert float(loss) == pytest.approx(131.072, rel=1e-3)
    optimizer.apply([jnp.float16([2.0**15])], [weight])
    assert weight.numpy() == [0.75]
    optimizer.apply([jnp.float16([np.inf])], [weight])
    assert weight.numpy() == [0.75]
    assert float(optimizer.dynamic_scale) == 2.0**16
    assert [int(optimizer.state["step"]), int(optimizer.iterations)] == [2, 1]
