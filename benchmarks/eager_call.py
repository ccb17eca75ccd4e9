"""Calling a model on an array: against one call of a compiled function."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import nets
import plain
from timing import Row, compare, rounds, timed

SIZES = (8, 16, 16, 16, 16, 16, 16, 3)
CALLS = 100


def measure() -> list[Row]:
    x, _ = plain.data(4, SIZES[0], SIZES[-1])
    array = jnp.asarray(x)
    model = nets.mlp(SIZES)
    weights = plain.start(SIZES)["weights"]

    @plain.jit
    def forward(weights: plain.Any, x: plain.Any) -> plain.Any:
        for kernel, bias in weights[:-1]:
            x = jax.nn.relu(x @ kernel + bias)
        kernel, bias = weights[-1]
        return jax.nn.softmax(x @ kernel + bias)

    def repeated(call: plain.Any) -> plain.Any:
        def run() -> None:
            for _ in range(CALLS):
                output = call()
            output.block_until_ready()

        return timed(run, 1e-6 * CALLS)

    contenders = {
        "model": repeated(lambda: model(array)),
        "compiled": repeated(lambda: forward(weights, array)),
    }
    taken = rounds(contenders, count=80)
    return [compare("model(x) / a compiled function", "us", taken["model"], taken["compiled"])]
