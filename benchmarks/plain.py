"""The same training by hand: JAX and Optax, nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from lamina.core.jit import compiler_options

OPTIMIZER = optax.scale_by_adam(eps=1e-7)
jit = partial(jax.jit, compiler_options=compiler_options())


def data(rows: int, features: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise to train on."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features)).astype("float32")
    return x, rng.integers(0, classes, rows).astype("int32")


def start(sizes: Sequence[int]) -> dict[str, Any]:
    """The state of a training: weights, optimizer, sums of the metrics, number of steps."""
    keys = jax.random.split(jax.random.key(0), len(sizes) - 1)
    glorot = jax.nn.initializers.glorot_uniform()
    pairs = itertools.pairwise(sizes)
    weights = [(glorot(k, pair), jnp.zeros(pair[1])) for k, pair in zip(keys, pairs, strict=True)]
    return {
        "weights": weights,
        "optimizer": OPTIMIZER.init(weights),
        "metrics": fresh_metrics(),
        "step": jnp.int32(0),
    }


def fresh_metrics() -> list[Any]:
    """Sums of the loss, the rows, and the right answers."""
    return [jnp.zeros(()) for _ in range(3)]


def loss(weights: Any, x: Any, y: Any) -> Any:
    """Sparse categorical cross-entropy, and the outputs."""
    for kernel, bias in weights[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = weights[-1]
    logits = x @ kernel + bias
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
    return -chosen.mean(), logits


def squares(weights: Any, x: Any, y: Any) -> Any:
    """Mean squared error, and the outputs."""
    for kernel, bias in weights[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = weights[-1]
    outputs = x @ kernel + bias
    return jnp.square(outputs - y).mean(), outputs


def advance_squares(state: dict[str, Any], rate: Any, x: Any, y: Any) -> dict[str, Any]:
    """One step of training on the mean squared error, with the mean absolute one as metric."""
    found, gradients = jax.value_and_grad(squares, has_aux=True)(state["weights"], x, y)
    error = jnp.abs(found[1] - y).mean(-1).sum()
    return changed(state, rate, gradients, found[0], error, len(x))


def advance(state: dict[str, Any], rate: Any, x: Any, y: Any) -> dict[str, Any]:
    """One step of training on the cross-entropy, with the accuracy as metric."""
    found, gradients = jax.value_and_grad(loss, has_aux=True)(state["weights"], x, y)
    right = (jnp.argmax(found[1], -1) == y).sum().astype(jnp.float32)
    return changed(state, rate, gradients, found[0], right, len(x))


def changed(
    state: dict[str, Any], rate: Any, gradients: Any, value: Any, measured: Any, rows: int
) -> dict[str, Any]:
    """The state after an update."""
    updates, optimizer = OPTIMIZER.update(gradients, state["optimizer"], state["weights"])
    updates = jax.tree.map(lambda update: update * -rate, updates)
    total, count, measure = state["metrics"]
    return {
        "weights": optax.apply_updates(state["weights"], updates),
        "optimizer": optimizer,
        "metrics": [total + value * rows, count + rows, measure + measured],
        "step": state["step"] + 1,
    }


def logs(metrics: list[Any]) -> list[Any]:
    """Mean loss and mean of the metric."""
    total, count, measure = metrics
    return [total / count, measure / count]


@partial(jit, donate_argnums=0)
def step(state: Any, rate: Any, x: Any, y: Any) -> Any:
    """One compiled step on a batch."""
    state = advance(state, rate, x, y)
    return state, logs(state["metrics"])


@partial(jit, donate_argnums=0)
def step_squares(state: Any, rate: Any, x: Any, y: Any) -> Any:
    """One compiled step on a batch, on the mean squared error."""
    state = advance_squares(state, rate, x, y)
    return state, logs(state["metrics"])


@partial(jit, donate_argnums=0)
def epoch(state: Any, rate: Any, x: Any, y: Any, order: Any) -> Any:
    """An epoch as one compiled loop over batches of rows."""

    def body(state: Any, places: Any) -> Any:
        return advance(state, rate, x[places], y[places]), None

    state, _ = jax.lax.scan(body, state | {"metrics": fresh_metrics()}, order)
    return state, logs(state["metrics"])
