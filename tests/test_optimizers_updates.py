"""``get_updates`` and ``get_gradients``: steps of optimizers in graphs, as in Keras 1 and 2."""

# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

import copy
import importlib.util
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lamina import backend as K
from lamina import constraints, optimizers, schedules
from lamina.core.variable import Variable
from lamina.layers import Dense
from lamina.models import Sequential

ROOT = Path(__file__).parent
GOLDEN = json.loads((ROOT / "golden" / "optimizers_keras2.json").read_text())["optimizers"]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(8, 3)).astype("f")
Y = RNG.normal(size=(8, 2)).astype("f")


def problem():
    """The variables and gradients with which the trajectories were recorded."""
    path = ROOT.parent / "tools" / "golden_optimizers.py"
    spec = importlib.util.spec_from_file_location("golden_optimizers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    values, gradients = module.problem()
    pairs = zip(module.SHAPES, values, strict=True)
    return [Variable(value, name=path.rsplit("/", 1)[-1]) for path, value in pairs], gradients


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_the_trajectory_is_that_of_keras_2(case):
    optimizer = optimizers.deserialize(
        {"class_name": case["name"], "config": copy.deepcopy(case["config"])}
    )
    variables, gradients = problem()
    slopes = [K.placeholder(v.shape) for v in variables]
    loss = sum(K.sum(v * slope) for v, slope in zip(variables, slopes, strict=True))
    step = K.function(slopes, [loss], updates=optimizer.get_updates(loss, variables))
    for number, row in enumerate(gradients, 1):
        step(list(row))
        for variable, flat in zip(variables, case["steps"].get(str(number), ()), strict=False):
            np.testing.assert_allclose(variable.numpy().ravel(), flat, rtol=1e-5, atol=4e-6)
    assert int(optimizer.iterations) == len(gradients)


class Halves(optimizers.Optimizer):
    """A rule in the manner of Keras 3, with a slot."""

    def build(self, variables):
        super().build(variables)
        self.sums = [self.add_variable_from_reference(v, "sum") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        total = self.sums[self._get_variable_index(variable)]
        total.assign(total / 2 + gradient)
        variable.assign(variable - learning_rate * total)


MAKERS = {
    "Adam": lambda: optimizers.Adam(0.05, amsgrad=True),
    "clipped": lambda: optimizers.SGD(0.5, clipnorm=0.1),
    "averaged": lambda: optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
    "accumulated": lambda: optimizers.Adam(0.1, gradient_accumulation_steps=2),
    "schedule": lambda: optimizers.SGD(schedules.ExponentialDecay(0.5, 1, 0.5)),
    "scaled by itself": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.1), 8.0, 2),
    "of optax": lambda: optimizers.get(optax.sgd(0.05, momentum=0.9)),
    "custom": lambda: Halves(0.1),
}


def net(weights=None):
    model = Sequential([Dense(2, activation="tanh", input_shape=(3,))])
    if weights is not None:
        model.set_weights(weights)
    return model


def stepping(model, optimizer, **options):
    target = K.placeholder((None, 2))
    loss = K.mean(K.square(model.output - target))
    updates = optimizer.get_updates(loss=loss, params=model.trainable_weights, **options)
    return K.function([model.input, target], [loss], updates=updates)


@pytest.mark.parametrize("name", MAKERS)
def test_steps_are_those_of_fit(name):
    model = net()
    other, optimizer = net(model.get_weights()), MAKERS[name]()
    model.compile(MAKERS[name](), "mse")
    step = stepping(other, optimizer)
    for _ in range(3):
        expected = model.train_on_batch(X, Y)
        np.testing.assert_allclose(step([X, Y])[0], expected, rtol=1e-5)
    for mine, wanted in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=2e-5, atol=2e-6)
    assert int(optimizer.iterations) == int(model.optimizer.iterations)
    for mine, wanted in zip(optimizer.get_weights(), model.optimizer.get_weights(), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=2e-4, atol=2e-6)


def test_the_rate_is_read_at_each_step():
    model, optimizer = net(), optimizers.SGD(0.1)
    step = stepping(model, optimizer)
    step([X, Y])
    before = model.get_weights()
    K.set_value(optimizer.lr, 0.0)
    step([X, Y])
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_compiled_model_goes_on_with_the_same_state():
    model = net()
    other = net(model.get_weights())
    for one in (model, other):
        one.compile(optimizers.Adam(0.1), "mse")
        one.train_on_batch(X, Y)
    step = stepping(other, other.optimizer)
    model.train_on_batch(X, Y)
    step([X, Y])
    assert model.train_on_batch(X, Y) == pytest.approx(other.train_on_batch(X, Y), rel=1e-6)
    assert int(other.optimizer.iterations) == 3


ORDERS = {
    "Keras 2": lambda o, loss, params: o.get_updates(loss, params),
    "Keras 2 by name": lambda o, loss, params: o.get_updates(params=params, loss=loss),
    "Keras 1": lambda o, loss, params: o.get_updates(params, {}, loss),
    "Keras 1, a list": lambda o, loss, params: o.get_updates(params, [], loss),
    "Keras 1 by name": lambda o, loss, params: o.get_updates(
        params=params, constraints={}, loss=loss
    ),
    "Keras 1, the last by name": lambda o, loss, params: o.get_updates(params, {}, loss=loss),
    "the first two turned": lambda o, loss, params: o.get_updates(params, loss),
}


@pytest.mark.parametrize("order", ORDERS)
def test_arguments_come_in_either_order(order):
    x, weight = K.placeholder((2,)), K.variable([1.0, 2.0])
    loss = K.sum(x * weight)
    step = K.function([x], [loss], updates=ORDERS[order](optimizers.SGD(0.5), loss, [weight]))
    assert step([[1.0, -2.0]])[0] == -3.0
    np.testing.assert_allclose(K.get_value(weight), [0.5, 3.0])


def test_constraints_of_variables_and_of_keras_1():
    x = K.placeholder((2,))
    one = Variable(np.float32([0.1, 2.0]), constraint=constraints.NonNeg())
    two = K.variable([0.1, 2.0])
    loss = K.sum(x * one) + K.sum(x * two)
    kept = {two: lambda w: jnp.clip(w, 0.0, 1.0)}
    updates = optimizers.SGD(1.0).get_updates([one, two], kept, loss)
    K.function([x], [], updates=updates)([[1.0, -1.0]])
    np.testing.assert_allclose(K.get_value(one), [0.0, 3.0])
    np.testing.assert_allclose(K.get_value(two), [0.0, 1.0])


def test_a_deep_dream_on_a_variable():
    """The loss may be of variables alone."""
    picture = K.variable(np.full((2, 2), 3.0))
    loss = K.sum(K.square(picture))
    step = K.function([], [loss], updates=optimizers.SGD(0.25).get_updates(loss, [picture]))
    assert [step([])[0].item() for _ in range(3)] == [36.0, 9.0, 2.25]


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, [3.0, -4.0]), ({"clipnorm": 1.0}, [0.6, -0.8]), ({"clipvalue": 2.0}, [2.0, -2.0])],
)
def test_gradients_are_clipped(options, expected):
    x, weight = K.placeholder((2,)), K.variable([1.0, 2.0])
    (slope,) = optimizers.SGD(0.1, **options).get_gradients(K.sum(x * weight), [weight])
    np.testing.assert_allclose(K.function([x], [slope])([[3.0, -4.0]])[0], expected, rtol=1e-6)


def test_wrong_arguments_are_named():
    x, weight, other = K.placeholder((2,)), K.variable([1.0, 2.0]), K.variable([1.0])
    loss, optimizer = K.sum(x * weight), optimizers.SGD(0.1)
    wrong = [
        ((loss, [weight, other]), ValueError, "SGD: the loss does not depend on the variable"),
        ((loss, [3]), TypeError, "SGD: params must hold variables, got 3"),
        ((loss, []), TypeError, "SGD: params must be a list of variables"),
        ((np.float32(3), [weight]), TypeError, "the loss must be"),
        ((loss,), TypeError, "SGD: get_updates takes .* 1 arguments; params is missing"),
        (([weight], {}), TypeError, "loss is missing"),
        ((loss, [weight], {}, 1), TypeError, "got 4 arguments"),
    ]
    for arguments, error, message in wrong:
        with pytest.raises(error, match=message):
            optimizer.get_updates(*arguments)
    with pytest.raises(TypeError, match="and params, losses; loss is missing"):
        optimizer.get_updates(params=[weight], losses=loss)
    optimizer.get_updates(loss, [weight])
    with pytest.raises(ValueError, match="was made for other variables"):
        optimizer.get_updates(K.sum(x * other), [other])
