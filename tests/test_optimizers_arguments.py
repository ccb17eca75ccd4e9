"""Arguments of optimizers in the orders of all releases, configs, and wrong values."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lamina import config, optimizers, registry
from lamina.core.variable import Variable
from lamina.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Nadam, RMSprop, schedules

# (positional call, what it means by name): orders of Keras 1 and 2, then of Keras 3.
ORDERS = {
    "sgd-2": (
        lambda: SGD(0.1, 0.9, 0.01, True),
        {"momentum": 0.9, "decay": 0.01, "nesterov": True},
    ),
    "sgd-3": (lambda: SGD(0.1, 0.9, True), {"momentum": 0.9, "decay": 0.0, "nesterov": True}),
    "adam-2": (
        lambda: Adam(0.1, 0.8, 0.9, 1e-5, 0.01, True),
        {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-5, "decay": 0.01, "amsgrad": True},
    ),
    "adam-3": (
        lambda: Adam(0.1, 0.8, 0.9, 1e-5, True),
        {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-5, "decay": 0.0, "amsgrad": True},
    ),
    "adamw-3": (
        lambda: AdamW(0.1, 0.2, 0.8, 0.9, 1e-5, True),
        {"weight_decay": 0.2, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-5, "amsgrad": True},
    ),
    "adamax-2": (lambda: Adamax(0.1, 0.8, 0.9, None, 0.01), {"epsilon": 1e-7, "decay": 0.01}),
    "nadam-2": (lambda: Nadam(0.1, 0.8, 0.9, None, 0.004), {"schedule_decay": 0.004}),
    "adadelta-2": (lambda: Adadelta(0.1, 0.8, 1e-5, 0.01), {"epsilon": 1e-5, "decay": 0.01}),
    "rmsprop-2": (
        lambda: RMSprop(0.1, 0.8, 1e-5, 0.01),
        {"rho": 0.8, "epsilon": 1e-5, "decay": 0.01, "momentum": 0.0},
    ),
    "rmsprop-2-none": (lambda: RMSprop(0.1, 0.8, None, 0.01), {"epsilon": 1e-7, "decay": 0.01}),
    "rmsprop-3": (
        lambda: RMSprop(0.1, 0.8, 0.7, 1e-5, True),
        {"rho": 0.8, "epsilon": 1e-5, "momentum": 0.7, "centered": True, "decay": 0.0},
    ),
    "rmsprop-3-zero": (lambda: RMSprop(0.1, 0.8, 0.0, 1e-5), {"epsilon": 1e-5, "momentum": 0.0}),
    "rmsprop-name": (lambda: RMSprop(0.1, epsilon=1.0), {"epsilon": 1.0, "momentum": 0.0}),
    "adagrad-2": (
        lambda: Adagrad(0.1, 1e-5, 0.01),
        {"epsilon": 1e-5, "decay": 0.01, "initial_accumulator_value": 0.1},
    ),
    "adagrad-3": (
        lambda: Adagrad(0.1, 0.3, 1e-5),
        {"epsilon": 1e-5, "decay": 0.0, "initial_accumulator_value": 0.3},
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_positions_of_all_releases(name):
    make, expected = ORDERS[name]
    optimizer = make()
    assert {key: getattr(optimizer, key) for key in expected} == expected
    assert float(optimizer.learning_rate) == pytest.approx(0.1)


def test_old_names():
    assert float(SGD(lr=0.25).learning_rate) == 0.25
    assert optimizers.sgd is SGD
    assert optimizers.adam(decay=0.5).decay == 0.5
    before = config.epsilon()
    try:
        config.set_epsilon(1e-3)
        assert Adam(epsilon=None).epsilon == 1e-3
    finally:
        config.set_epsilon(before)


CONFIGS = [
    SGD(0.1, 0.9, 0.01, True, weight_decay=0.1, name="mine"),
    RMSprop(0.003, 0.8, momentum=0.7, epsilon=1e-5, centered=True, clipnorm=1.0),
    Adagrad(0.1, initial_accumulator_value=0.3),
    Adadelta(0.1, 0.8, 1e-5, global_clipnorm=2.0),
    Adam(0.1, 0.8, 0.9, 1e-5, 0.0, True, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=3),
    AdamW(0.1, 0.2, 0.8, 0.9, 1e-5, True, gradient_accumulation_steps=4, decay=0.5),
    Adamax(0.1, 0.8, 0.9, 1e-5, loss_scale_factor=2.0),
    Nadam(0.1, 0.8, 0.9, 1e-5, 0.004, clipvalue=0.5),
    optimizers.Ftrl(0.1, -0.6, 0.2, 0.3, 0.4, 0.5, 0.6),
    optimizers.Lion(0.1, 0.8, 0.9),
    optimizers.Lamb(0.1, 0.8, 0.9, 1e-5),
    optimizers.Adafactor(0.1, -0.7, 1e-20, 1e-2, 2.0, False),
    optimizers.Muon(0.1, 0.8, 0.95, None, 1e-5, 0.1, exclude_layers=["out"], rms_rate=None),
    optimizers.ScheduleFreeAdamW(0.1, 0.8, 0.9, 1e-5, 7),
    optimizers.LossScaleOptimizer(Adam(0.1), 64.0, 5, name="scaled"),
    optimizers.MultiOptimizer(optimizers.OptimizerMap(Adam(), {"a/.*": SGD(0.3)}), 2.0),
    SGD(schedules.CosineDecay(0.3, 10, alpha=0.1)),
]


@pytest.mark.parametrize("optimizer", CONFIGS, ids=lambda one: one.name)
def test_config_comes_back(optimizer):
    written = optimizers.serialize(optimizer)
    assert written["class_name"] == type(optimizer).__name__
    copy = optimizers.get(written)
    assert type(copy) is type(optimizer)
    assert copy.get_config() == optimizer.get_config()
    # Nothing but plain values, and all arguments that a constructor has are in it.
    assert registry.serialize(written) is written
    own = set(optimizer.own_arguments()) - {"optimizer_map", "inner_optimizer"}
    assert own - {"schedule_decay"} <= set(written["config"])


def test_configs_of_old_releases_load():
    keras2 = {"lr": 0.003, "momentum": 0.9, "decay": 0.01, "nesterov": True}
    found = optimizers.deserialize({"class_name": "SGD", "config": keras2})
    assert found.get_config() == SGD(0.003, 0.9, 0.01, True).get_config()
    tf_keras = {
        "name": "Adam",
        "weight_decay": None,
        "jit_compile": True,
        "is_legacy_optimizer": False,
        "learning_rate": {
            "module": "keras.optimizers.schedules",
            "class_name": "ExponentialDecay",
            "config": {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.5},
            "registered_name": None,
        },
        "beta_1": 0.8,
    }
    found = optimizers.get({"class_name": "Adam", "config": tf_keras})
    assert (found.beta_1, found.name) == (0.8, "Adam")
    assert float(found.learning_rate) == pytest.approx(0.1)
    assert optimizers.optimizer_from_config({"class_name": "adam", "config": {}}).name == "adam"


def test_get_takes_all_forms():
    assert optimizers.get(None) is None
    made = SGD()
    assert optimizers.get(made) is made
    assert isinstance(optimizers.get(Adam), Adam)
    assert isinstance(optimizers.get("RMSProp"), RMSprop)
    assert isinstance(optimizers.get(optax.sgd(0.1)), optimizers.OptaxOptimizer)


def variable():
    return Variable(np.zeros(3), name="bias")


def used(optimizer):
    optimizer.apply([jnp.ones(3)], [variable()])
    return optimizer


ANYTHING: list[Any] = [{}, "sgd", {"learning_rat": 0.1}, {"beta1": 0.9}]

MISTAKES = [
    (
        lambda: SGD(**ANYTHING[2]),
        TypeError,
        "SGD has no argument 'learning_rat'. Did you mean ",
    ),
    (
        lambda: Adam(**ANYTHING[3]),
        TypeError,
        "Adam has no argument 'beta1'. Did you mean 'beta_1'",
    ),
    (lambda: RMSprop(0.1, 0.9, None, 0.0, 1), TypeError, "RMSprop takes 4 arguments by position"),
    (lambda: RMSprop(0.1, 0.9, rho=0.8), TypeError, "RMSprop got 'rho' twice"),
    (lambda: SGD(-0.1), ValueError, "SGD: learning_rate must be a number of at least 0, got -0.1"),
    (lambda: SGD("0.1"), ValueError, "SGD: learning_rate must be .*, got '0.1'"),
    (lambda: SGD(float("nan")), ValueError, "SGD: learning_rate must be .*, got nan"),
    (lambda: SGD(Variable(np.zeros(2))), ValueError, "learning_rate must be a scalar"),
    (lambda: SGD(0.1, momentum=1.5), ValueError, "SGD: momentum must be a number from 0 to 1, got"),
    (lambda: SGD(0.1, decay=-1), ValueError, "SGD: decay must be a number of at least 0, got -1"),
    (lambda: SGD(clipnorm=0), ValueError, "SGD: clipnorm must be a number above 0, got 0"),
    (lambda: SGD(clipvalue=-1), ValueError, "SGD: clipvalue must be a number above 0, got -1"),
    (lambda: SGD(clipvalue=1, clipnorm=2), ValueError, "got clipnorm=2.0, clipvalue=1.0"),
    (lambda: SGD(weight_decay=-1), ValueError, "SGD: weight_decay must be .* at least 0, got -1"),
    (lambda: SGD(ema_momentum=2), ValueError, "SGD: ema_momentum must be .* 0 to 1, got 2"),
    (lambda: SGD(ema_overwrite_frequency=0), ValueError, "an int of at least 1, got 0"),
    (lambda: SGD(gradient_accumulation_steps=1), ValueError, "an int of at least 2, got 1"),
    (lambda: SGD(loss_scale_factor=0), ValueError, "loss_scale_factor must be a number above 0"),
    (lambda: Adam(beta_1=1.0), ValueError, "Adam: beta_1 must be .* below 1, got 1.0"),
    (lambda: Adam(epsilon=-1), ValueError, "Adam: epsilon must be .* at least 0, got -1"),
    (lambda: optimizers.Ftrl(learning_rate_power=1), ValueError, "learning_rate_power must be at"),
    (lambda: optimizers.Muon(ns_steps=0), ValueError, "Muon: ns_steps must be an int of at least"),
    (
        lambda: optimizers.LossScaleOptimizer(SGD(), clipnorm=1.0),
        ValueError,
        "argument of the inner",
    ),
    (lambda: optimizers.LossScaleOptimizer(SGD(), 0), ValueError, "initial_scale must be a number"),
    (
        lambda: optimizers.MultiOptimizer(ANYTHING[0]),
        TypeError,
        "must be an OptimizerMap or a function",
    ),
    (
        lambda: optimizers.OptimizerMap(ANYTHING[1]),
        TypeError,
        "default_optimizer must have an optimizer",
    ),
    (lambda: optimizers.get("adamm"), ValueError, "Unknown optimizer 'adamm'. Did you mean 'Adam'"),
    (lambda: optimizers.get(3), TypeError, "An optimizer is given as a name"),
    (lambda: optimizers.get("TFOptimizer"), TypeError, "Use the optimizer of the same name"),
    (lambda: optimizers.OptaxOptimizer(optax.sgd(1.0), lr=0.1), ValueError, "lr belongs into"),
    (lambda: SGD(lambda: 0.1).get_config(), ValueError, "cannot be written into a config"),
    (lambda: optimizers.Optimizer().build([variable()]), NotImplementedError, "transformation"),
    (lambda: SGD().apply([jnp.ones(3)]), ValueError, "does not know the variables yet"),
    (lambda: SGD().apply([jnp.ones(2)], [variable()]), ValueError, r"shape \(3,\), got \(2,\)"),
    (lambda: SGD().apply([], [variable()]), ValueError, "got 0 gradients and 1 variables"),
    (lambda: SGD().apply([None], [variable()]), ValueError, "no gradient for any variable"),
    (lambda: used(SGD()).apply([jnp.ones(3)], [variable()]), ValueError, "does not know 'bias'"),
    (lambda: SGD().set_weights([]), ValueError, "has no weights yet"),
    (lambda: used(SGD()).set_weights([1]), ValueError, r"has 2 weights \(iteration, learning_rate"),
    (lambda: used(Adam()).set_weights([1, 0.1, np.ones(3), 2]), ValueError, "velocity' has shape"),
    (lambda: SGD().iterations.assign(1), ValueError, "has no state yet"),
]


@pytest.mark.parametrize(("make", "kind", "message"), MISTAKES)
def test_mistakes_are_named(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
