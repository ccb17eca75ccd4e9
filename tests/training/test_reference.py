"""Training against the same computation written by hand with JAX and optax."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lamina
from lamina import constraints, optimizers, regularizers
from lamina.layers import Dense, Dropout, Input
from lamina.models import Model, Sequential

ROWS, FEATURES, HIDDEN, CLASSES = 23, 5, 7, 3
BATCH = 10


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, FEATURES)).astype("f")
    return x, rng.integers(0, CLASSES, ROWS).astype("i"), rng.uniform(0.2, 2, ROWS).astype("f")


def mlp(rate: float = 0.0, **hidden: Any) -> Sequential:
    lamina.utils.set_random_seed(11)
    layers: list[Any] = [Input(shape=(FEATURES,)), Dense(HIDDEN, activation="tanh", **hidden)]
    if rate:
        layers.append(Dropout(rate, seed=5))
    return Sequential([*layers, Dense(CLASSES, activation="softmax")])


def forward(weights: list[Any], x: Any, mask: Any = 1.0) -> Any:
    hidden = jnp.tanh(x @ weights[0] + weights[1][None]) * mask
    return jax.nn.log_softmax(hidden @ weights[2] + weights[3][None])


def cross_entropy(weights: list[Any], x: Any, y: Any, w: Any, mask: Any = 1.0) -> Any:
    picked = jnp.take_along_axis(forward(weights, x, mask), y[:, None], axis=1)[:, 0]
    return -jnp.sum(w * picked) / len(x)


def by_hand(
    weights: list[Any],
    data: Any,
    epochs: int,
    rule: optax.GradientTransformation,
    loss: Any = cross_entropy,
    project: Any = None,
    masks: Any = None,
) -> tuple[list[Any], list[float]]:
    """Weights after so many epochs in order, and the mean loss over the rows of each epoch."""
    state, history, step = rule.init(weights), [], 0
    gradient = jax.jit(jax.value_and_grad(loss))
    for _ in range(epochs):
        total = 0.0
        for start in range(0, ROWS, BATCH):
            part = [jnp.asarray(array[start : start + BATCH]) for array in data]
            extra = [] if masks is None else [masks(step, len(part[0]))]
            value, gradients = gradient(weights, *part, *extra)
            updates, state = rule.update(gradients, state, weights)
            weights = jax.tree.map(jnp.add, weights, updates)
            weights = weights if project is None else project(weights)
            total += float(value) * len(part[0])
            step += 1
        history.append(total / ROWS)
    return weights, history


def keras_adam(rate: float) -> optax.GradientTransformation:
    """Adam as Kingma and Ba put it in section 2: epsilon beside the uncorrected root."""

    def init(weights: Any) -> Any:
        zeros = jax.tree.map(jnp.zeros_like, weights)
        return 0, zeros, zeros

    def update(gradients: Any, state: Any, params: Any = None) -> Any:
        time, mean, square = state
        time += 1
        mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
        square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, gradients)
        now = rate * np.sqrt(1 - 0.999**time) / (1 - 0.9**time)
        step = jax.tree.map(lambda m, v: -float(now) * m / (jnp.sqrt(v) + 1e-7), mean, square)
        return step, (time, mean, square)

    return optax.GradientTransformation(init, update)  # pyright: ignore[reportArgumentType]


RULES = {
    "sgd": (partial(optimizers.SGD, 0.1), partial(optax.sgd, 0.1)),
    "momentum": (partial(optimizers.SGD, 0.1, momentum=0.9), partial(optax.sgd, 0.1, 0.9)),
    "adam": (partial(optimizers.Adam, 0.01), partial(keras_adam, 0.01)),
    "optax": (partial(optax.adamw, 0.01), partial(optax.adamw, 0.01)),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("rule", RULES)
def test_weights_and_losses_are_those_of_the_loop_by_hand(rule, weighted, data) -> None:
    ours, theirs = RULES[rule]
    x, y, w = data
    model = mlp()
    start = [jnp.asarray(array) for array in model.get_weights()]
    model.compile(ours(), "sparse_categorical_crossentropy")
    # optax.adamw raises a float to an int, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard" if rule == "optax" else "strict"):
        history = model.fit(
            x, y, BATCH, 3, 0, shuffle=False, sample_weight=w if weighted else None
        ).history
        weights, losses = by_hand(start, (x, y, w if weighted else np.ones_like(w)), 3, theirs())
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)


def test_shuffled_rows_all_come_in_each_epoch(data) -> None:
    x, y, _ = data
    model = mlp()
    start = [jnp.asarray(array) for array in model.get_weights()]
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(x, y, ROWS, 2, 0)
    weights = start
    for _ in range(2):
        gradients = jax.grad(cross_entropy)(weights, x, jnp.asarray(y), jnp.ones(ROWS))
        weights = [w - 0.1 * g for w, g in zip(weights, gradients, strict=True)]
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_regularizers_and_constraints(data) -> None:
    x, y, w = data
    model = mlp(
        kernel_regularizer=regularizers.l1_l2(0.02, 0.03),
        bias_regularizer="l2",
        activity_regularizer=regularizers.l2(0.05),
        kernel_constraint=constraints.MaxNorm(0.8),
        bias_constraint="non_neg",
    )
    start = [jnp.asarray(array) for array in model.get_weights()]
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    history = model.fit(x, y, BATCH, 3, 0, shuffle=False).history

    def loss(weights: list[Any], x: Any, y: Any, w: Any) -> Any:
        kernel, bias = weights[:2]
        hidden = jnp.tanh(x @ kernel + bias[None])
        activity = 0.05 * jnp.sum(hidden**2) / len(x)
        kernels = 0.02 * jnp.sum(jnp.abs(kernel)) + 0.03 * jnp.sum(kernel**2)
        return cross_entropy(weights, x, y, w) + kernels + 0.01 * jnp.sum(bias**2) + activity

    def project(weights: list[Any]) -> list[Any]:
        kernel, bias, *rest = weights
        norms = jnp.sqrt(jnp.sum(kernel**2, axis=0, keepdims=True))
        kernel = kernel * (jnp.clip(norms, 0, 0.8) / (1e-7 + norms))
        return [kernel, jnp.maximum(bias, 0), *rest]

    weights, losses = by_hand(
        start, (x, y, np.ones_like(w)), 3, optax.sgd(0.1), loss=loss, project=project
    )
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)


def kept_by_hand(words: np.ndarray, probability: float, rows: int) -> np.ndarray:
    """The mask of a dropout of hidden values, place by place, in Python's whole numbers."""

    def mixed(x: int) -> int:
        x = ((x ^ x >> 16) * 0x7FEB352D) % 2**32
        x = ((x ^ x >> 15) * 0x846CA68B) % 2**32
        return x ^ x >> 16

    first, second = (int(word) for word in words)
    drawn = [
        mixed((mixed((place + first) % 2**32) + second) % 2**32) for place in range(rows * HIDDEN)
    ]
    return (np.array(drawn) < probability * 2**32).reshape(rows, HIDDEN).astype("f")


def test_dropout_has_the_keys_of_its_seed_and_step(data) -> None:
    x, y, w = data
    model = mlp(rate=0.4)
    start = [jnp.asarray(array) for array in model.get_weights()]
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    seed = int(model._seed)
    history = model.fit(x, y, BATCH, 3, 0, shuffle=False).history

    def masks(step: int, rows: int) -> Any:
        key = jax.random.fold_in(jax.random.key(seed), step)
        key = jax.random.fold_in(jax.random.fold_in(key, 5), 0)
        return kept_by_hand(np.asarray(jax.random.bits(key, (2,))), 0.6, rows) / np.float32(0.6)

    weights, losses = by_hand(start, (x, y, np.ones_like(w)), 3, optax.sgd(0.1), masks=masks)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)


def test_several_outputs_with_loss_weights(data) -> None:
    x, y, w = data
    lamina.utils.set_random_seed(2)
    entry = Input(shape=(FEATURES,))
    hidden = Dense(HIDDEN, activation="tanh")(entry)
    classes = Dense(CLASSES, activation="softmax", name="classes")(hidden)
    size = Dense(1, name="size")(hidden)
    model = Model(entry, [classes, size])
    start = [jnp.asarray(array) for array in model.get_weights()]
    model.compile(
        optimizers.SGD(0.1),
        {"size": "mae", "classes": "sparse_categorical_crossentropy"},
        loss_weights={"classes": 0.7, "size": 0.3},
    )
    target = x.sum(axis=1)
    history = model.fit(
        x,
        [y, target],
        BATCH,
        3,
        0,
        shuffle=False,
        sample_weight={"classes": w},
    ).history

    def parts(weights: list[Any], x: Any, y: Any, w: Any, t: Any) -> tuple[Any, Any]:
        first = cross_entropy(weights[:4], x, y, w)
        hidden = jnp.tanh(x @ weights[0] + weights[1][None])
        guess = hidden @ weights[4] + weights[5][None]
        return first, jnp.mean(jnp.abs(guess[:, 0] - t))

    def loss(*arguments: Any) -> Any:
        first, second = parts(*arguments)
        return 0.7 * first + 0.3 * second

    weights, losses = by_hand(start, (x, y, w, target), 3, optax.sgd(0.1), loss=loss)
    for found, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)
    assert list(history) == ["loss", "classes_loss", "size_loss"]
    both = 0.7 * np.array(history["classes_loss"]) + 0.3 * np.array(history["size_loss"])
    np.testing.assert_allclose(both, losses, rtol=1e-6)


def test_evaluate_and_validation_are_the_mean_over_all_rows(data) -> None:
    x, y, w = data
    model = mlp(kernel_regularizer="l2")
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    weights = model.get_weights()
    logs = np.asarray(forward([jnp.asarray(array) for array in weights], jnp.asarray(x)))
    penalty = 0.01 * np.sum(weights[0].astype("d") ** 2)
    rows = -logs[np.arange(ROWS), y]
    right = logs.argmax(axis=1) == y
    for batch in (4, 7, ROWS, 50):
        loss, accuracy = model.evaluate(x, y, batch_size=batch, verbose=0)
        assert loss == pytest.approx(rows.mean() + penalty, rel=1e-6)
        assert accuracy == pytest.approx(right.mean(), rel=1e-6)
    loss, accuracy = model.evaluate(x, y, batch_size=4, verbose=0, sample_weight=w)
    assert loss == pytest.approx((w * rows).mean() + penalty, rel=1e-6)
    assert accuracy == pytest.approx(right.mean(), rel=1e-6)  # metrics are unweighted
    np.testing.assert_allclose(model.predict(x, batch_size=4), np.exp(logs), rtol=1e-6, atol=1e-6)
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy", weighted_metrics=["acc"])
    history = model.fit(x, y, 4, 1, 0, validation_data=(x, y, w)).history
    assert history["loss"][0] == pytest.approx(rows.mean() + penalty, rel=1e-6)
    assert history["val_loss"][0] == pytest.approx((w * rows).mean() + penalty, rel=1e-6)
    assert history["val_acc"][0] == pytest.approx((w * right).sum() / w.sum(), rel=1e-6)


OPTIONS = {
    "ema": {"use_ema": True, "ema_momentum": 0.8},
    "ema overwrite": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
    "accumulation": {"gradient_accumulation_steps": 2},
    "clipnorm": {"clipnorm": 0.05},
    "global_clipnorm": {"global_clipnorm": 0.05},
    "clipvalue": {"clipvalue": 0.01},
    "loss scale": {"loss_scale_factor": 512.0},
    "decay": {"decay": 0.1},
    "weight decay": {"weight_decay": 0.1},
}


@pytest.fixture(scope="module")
def plain(data) -> list[np.ndarray]:
    """Weights after training without any option."""
    model = mlp()
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(data[0][:20], data[1][:20], BATCH, 2, 0, shuffle=False)
    return model.get_weights()


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_optimizers_act_in_fit_as_in_apply(option, data, plain) -> None:
    """`fit` against the optimizer's own loop by hand, which has tests of its own."""
    x, y = data[0][:20], data[1][:20]
    model = mlp()
    start = model.get_weights()
    model.compile(optimizers.Adam(0.01, **OPTIONS[option]), "sparse_categorical_crossentropy")
    model.fit(x, y, BATCH, 2, 0, shuffle=False)
    optimizer = optimizers.Adam(0.01, **OPTIONS[option])
    variables = [lamina.core.variable.Variable(array) for array in start]
    factor = optimizer.loss_scale_factor or 1.0
    gradient = jax.jit(jax.grad(cross_entropy))
    for first in (0, BATCH, 0, BATCH):
        part = [jnp.asarray(array[first : first + BATCH]) for array in (x, y)]
        found = gradient([variable.value for variable in variables], *part, jnp.ones(BATCH))
        optimizer.apply([factor * one for one in found], variables)
    optimizer.finalize_variable_values(variables)
    for found, expected in zip(model.get_weights(), variables, strict=True):
        np.testing.assert_allclose(found, expected.numpy(), rtol=2e-6, atol=2e-6)
    same = np.allclose(plain[0], model.get_weights()[0], rtol=1e-6, atol=1e-7)
    assert same == (option in {"loss scale"})


def test_gradients_that_are_not_finite_change_nothing_under_loss_scaling(data) -> None:
    x, y, _ = data
    model = mlp()
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=2.0**127)
    model.compile(optimizer, lambda t, p: 1e30 * jnp.mean(p**2, axis=-1))
    before = model.get_weights()
    model.fit(x, y, ROWS, 1, 0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(optimizer.dynamic_scale) == 2.0**126
