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


def advance(state: dict[str, Any], rate: Any, x: Any, y: Any) -> dict[str, Any]:
    """One step of training."""
    (value, outputs), gradients = jax.value_and_grad(loss, has_aux=True)(state["weights"], x, y)
    updates, optimizer = OPTIMIZER.update(gradients, state["optimizer"], state["weights"])
    updates = jax.tree.map(lambda update: update * -rate, updates)
    total, count, right = state["metrics"]
    correct = (jnp.argmax(outputs, -1) == y).sum().astype(jnp.float32)
    return {
        "weights": optax.apply_updates(state["weights"], updates),
        "optimizer": optimizer,
        "metrics": [total + value * len(x), count + len(x), right + correct],
        "step": state["step"] + 1,
    }


def logs(metrics: list[Any]) -> list[Any]:
    """Mean loss and accuracy."""
    total, count, right = metrics
    return [total / count, right / count]


@partial(jit, donate_argnums=0)
def step(state: Any, rate: Any, x: Any, y: Any) -> Any:
    """One compiled step on a batch."""
    state = advance(state, rate, x, y)
    return state, logs(state["metrics"])


@partial(jit, donate_argnums=0)
def epoch(state: Any, rate: Any, x: Any, y: Any, order: Any) -> Any:
    """An epoch as one compiled loop over batches of rows."""

    def body(state: Any, places: Any) -> Any:
        return advance(state, rate, x[places], y[places]), None

    state, _ = jax.lax.scan(body, state | {"metrics": fresh_metrics()}, order)
    return state, logs(state["metrics"])
