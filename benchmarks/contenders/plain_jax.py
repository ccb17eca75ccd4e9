"""The floor: JAX and Optax by hand, with the same operations that lamina's layers call.

Without convolutions an epoch is one compiled loop; with them a call is one step, because XLA's
convolutions are slow inside of loops on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import workloads
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from workloads import Layer, Workload

from lamina.core.jit import compiler_options
from lamina.ops import conv, embedding, global_pool, linear, native_adam, norm, pool, random
from lamina.optimizers.adam import FEWEST_NUMBERS

RATE, KEEP, KEEP_SQUARES, EPSILON = 1e-3, 0.9, 0.999, 1e-7
jit = partial(jax.jit, compiler_options=compiler_options())
ACTIVATIONS = {"relu": jax.nn.relu, "linear": lambda x: x, None: lambda x: x}
# The last activation is part of the loss; predictions get it apart.
ACTIVATIONS |= {"softmax": lambda x: x, "sigmoid": lambda x: x}


class Contender:
    """One model and its loop."""

    def __init__(self, name: str) -> None:
        del name
        self._everywhere: Any = None
        self._rows: Any = None

    def versions(self) -> dict[str, str]:
        return {"jax": jax.__version__, "optax": optax.__version__}

    def distribute(self) -> None:
        """Split batches over all devices from now on; each of them has all data and weights."""
        mesh = Mesh(np.array(jax.devices()), ("batch",))
        self._everywhere = NamedSharding(mesh, PartitionSpec())
        self._rows = NamedSharding(mesh, PartitionSpec("batch"))

    def _split(self, places: np.ndarray) -> Any:
        """Numbers of rows, of one batch or of several, where these rows will be taken."""
        if self._rows is None:
            return places
        in_line = [None] * (places.ndim - 1)
        spec = PartitionSpec(*in_line, "batch")
        return jax.device_put(places, NamedSharding(self._rows.mesh, spec))

    def build(
        self, work: Workload, x: np.ndarray, y: np.ndarray, weights: dict[str, list[np.ndarray]]
    ) -> None:
        self._work, self._host, self._rng = work, x, np.random.default_rng(2)
        self._sample = jnp.asarray(x[:1])
        self._x, self._y = jax.device_put((x, y), self._everywhere)
        values = jax.tree.map(jnp.asarray, weights)
        self._state = {
            "weights": values,
            "means": jax.tree.map(jnp.zeros_like, values),
            "squares": jax.tree.map(jnp.zeros_like, values),
            "step": jnp.int32(0),
            "key": jax.random.key(0),
            "sums": jnp.zeros(2),
        }
        self._state = jax.device_put(self._state, self._everywhere)
        program = Program(work)
        self._step = jit(program.step, donate_argnums=0)
        self._epoch = jit(program.epoch, donate_argnums=0)
        self._outputs = jit(program.outputs)
        self._loops = not any(kind.startswith(("Conv", "Residual")) for kind, _ in work.layers)

    def fit(self, rows: int, epochs: int, shuffle: bool) -> tuple[float, float]:
        logs = np.zeros(2)
        for _ in range(epochs):
            order = self._rng.permutation(rows) if shuffle else np.arange(rows)
            places = order.astype("int32").reshape(-1, self._work.batch)
            state = self._state | {"sums": jax.device_put(np.zeros(2, "f"), self._everywhere)}
            if self._loops:
                state = self._epoch(state, self._x, self._y, self._split(places))
            else:
                for rows_of_one in places:
                    state = self._step(state, self._x, self._y, self._split(rows_of_one))
            self._state = state
            logs = np.asarray(state["sums"]) / rows
        return float(logs[0]), float(logs[1])

    def predict(self, rows: int) -> np.ndarray:
        size = self._work.batch
        there = self._host[:rows]
        batches = [there[start : start + size] for start in range(0, rows, size)]
        if self._rows is not None:
            batches = [jax.device_put(batch, self._rows) for batch in batches]
        found = [self._outputs(self._state["weights"], batch) for batch in batches]
        return np.concatenate([np.asarray(one) for one in found])

    def call(self) -> None:
        self._outputs(self._state["weights"], self._sample).block_until_ready()


class Program:
    """The pure functions of a model."""

    def __init__(self, work: Workload) -> None:
        self._work = work

    def epoch(self, state: Any, x: Any, y: Any, places: Any) -> Any:
        """Steps over all batches in one loop."""
        state, _ = jax.lax.scan(lambda s, rows: (self.step(s, x, y, rows), None), state, places)
        return state

    def step(self, state: Any, x: Any, y: Any, places: Any) -> Any:
        """One step on some rows of the data."""
        x = jax.tree.map(lambda leaf: leaf.at[places].get(mode="promise_in_bounds"), x)
        y = y.at[places].get(mode="promise_in_bounds")
        key, draw = jax.random.split(state["key"])
        (loss, (right, moments)), gradients = jax.value_and_grad(self.loss, has_aux=True)(
            state["weights"], x, y, draw
        )
        weights, rest = adam(state, gradients)
        for name, new in moments.items():
            weights[name] = [*weights[name][:2], *new]
        sums = state["sums"] + jnp.stack([loss * len(y), right])
        return rest | {"weights": weights, "key": key, "sums": sums}

    def loss(self, weights: Any, x: Any, y: Any, key: Any) -> Any:
        """Mean loss; and right answers and new moments beside it."""
        run = Run(weights, key)
        logits = run.chain(x, self._work.layers, "layer")
        if self._work.classes == 1:
            logits = logits[:, 0]
            losses = optax.sigmoid_binary_cross_entropy(logits, y.astype(jnp.float32))
            right = (logits > 0) == (y > 0)
        else:
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
            right = jnp.argmax(logits, -1) == y
        return losses.mean(), (right.sum().astype(jnp.float32), run.moments)

    def outputs(self, weights: Any, x: Any) -> Any:
        """Probabilities."""
        logits = Run(weights, None).chain(x, self._work.layers, "layer")
        return jax.nn.sigmoid(logits) if self._work.classes == 1 else jax.nn.softmax(logits)


def adam(state: Any, gradients: Any) -> tuple[Any, Any]:
    """New weights and state of Adam, with epsilon where Keras has it (Optax has it elsewhere)."""
    step = state["step"] + 1
    time = step.astype(jnp.float32)
    rate = RATE * jnp.sqrt(1 - KEEP_SQUARES**time) / (1 - KEEP**time)
    columns = gradients, state["weights"], state["means"], state["squares"]
    leaves = [jax.tree.leaves(column) for column in columns]
    if sum(leaf.size for leaf in leaves[0]) >= FEWEST_NUMBERS and native_adam.takes(*leaves):
        found = native_adam.adam(*leaves, numbers=(rate, EPSILON, 1 - KEEP, 1 - KEEP_SQUARES))
        structure = jax.tree.structure(gradients)
        weights, means, squares = (jax.tree.unflatten(structure, one) for one in found)
        return weights, {"means": means, "squares": squares, "step": step}
    means = jax.tree.map(lambda m, g: KEEP * m + (1 - KEEP) * g, state["means"], gradients)
    squares = jax.tree.map(
        lambda v, g: KEEP_SQUARES * v + (1 - KEEP_SQUARES) * g * g, state["squares"], gradients
    )
    weights = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) + EPSILON), state["weights"], means, squares
    )
    return weights, {"means": means, "squares": squares, "step": step}


class Run:
    """One run through the layers; with a key it is one of training.

    Attributes:
        moments: weights of batch normalization after the run.
    """

    def __init__(self, weights: Any, key: Any) -> None:
        self._weights, self._key = weights, key
        self.moments: dict[str, Any] = {}

    def chain(self, x: Any, layers: Sequence[Layer], prefix: str) -> Any:
        for name, kind, options in workloads.named(layers, prefix):
            if kind == "Residual":
                body = self.chain(x, options["body"], f"{name}_body")
                x = jax.nn.relu(body + self.chain(x, options["shortcut"], f"{name}_shortcut"))
            else:
                x = self.layer(x, name, kind, options)
        return x

    def layer(self, x: Any, name: str, kind: str, options: dict[str, Any]) -> Any:
        if kind in {"Dense", "Embedding"} or kind.startswith("Conv"):
            return product(x, self._weights[name], kind, options)
        if kind == "BatchNormalization":
            return self.normalized(x, name)
        if kind == "Dropout":
            return self.dropped(x, options["rate"])
        if kind == "Flatten":
            return x.reshape(len(x), -1)
        if kind == "Activation":
            return ACTIVATIONS[options["activation"]](x)
        if kind.startswith("MaxPooling"):
            window = (options["pool_size"],) * (x.ndim - 2)
            return pool.max_pool(x, window, window)
        whole = global_pool.global_max_pool if "Max" in kind else global_pool.global_average_pool
        return whole(x)

    def dropped(self, x: Any, rate: float) -> Any:
        if self._key is None or rate == 0:
            return x
        self._key, draw = jax.random.split(self._key)
        return random.dropout(x, rate, draw)

    def normalized(self, x: Any, name: str) -> Any:
        gamma, beta, mean, variance = self._weights[name]
        if self._key is not None:
            old = mean, variance
            mean, variance = norm.batch_moments(x, range(x.ndim - 1))
            new = [0.99 * a + 0.01 * b for a, b in zip(old, (mean, variance), strict=True)]
            self.moments[name] = new
        return norm.batch_norm(x, mean, variance, beta, gamma)


def product(x: Any, weights: Any, kind: str, options: dict[str, Any]) -> Any:
    """A layer with a kernel or a table."""
    if kind == "Embedding":
        return embedding.take_rows(weights[0], x)
    kernel, bias = weights
    activation = options.get("activation")
    if kind == "Dense":
        y = linear.dense(x, kernel, bias, relu=activation == "relu")
        return y if activation == "relu" else ACTIVATIONS[activation](y)
    rank = int(kind[4])
    relu = activation == "relu"
    y = conv.conv(
        x,
        kernel,
        strides=(1,) * rank,
        dilation=(options.get("dilation_rate", 1),) * rank,
        padding=options.get("padding", "valid"),
        bias=bias,
        relu=relu,
    )
    return y if relu else ACTIVATIONS[activation](y)
