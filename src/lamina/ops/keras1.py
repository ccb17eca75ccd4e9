"""What the layers that only Keras 1 had compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina.ops.linear import bias_add, dot_last

if TYPE_CHECKING:
    from lamina.typing import Array


def highway(
    x: Array,
    kernel: Array,
    carry_kernel: Array,
    biases: tuple[Array, Array] | None,
    activation: Callable[[Array], Any],
) -> Array:
    """``t * activation(x W + b) + (1 - t) * x`` with the gate ``t = sigmoid(x V + c)``.

    Args:
        x: array of shape ``(batch, size)``.
        kernel: `W`, of shape ``(size, size)``.
        carry_kernel: `V`, of the same shape.
        biases: `b` and `c`, of shape ``(size,)``, or ``None``.
        activation: function of the transformed values.

    >>> zeros = jnp.zeros((2, 2))
    >>> highway(jnp.array([[2.0, 4.0]]), zeros, zeros, None, jnp.tanh).tolist()
    [[1.0, 2.0]]
    """
    gate, made = dot_last(x, carry_kernel), dot_last(x, kernel)
    if biases is not None:
        made, gate = bias_add(made, biases[0]), bias_add(gate, biases[1])
    gate = jax.nn.sigmoid(gate)
    return activation(made) * gate + (1 - gate) * x


def maxout(x: Array, kernel: Array, bias: Array | None) -> Array:
    """The largest of several products with matrices, each with a bias of its own.

    Args:
        x: array of shape ``(batch, size)``.
        kernel: array of shape ``(matrices, size, outputs)``.
        bias: array of shape ``(matrices, outputs)``, or ``None``.

    >>> maxout(jnp.ones((1, 2)), jnp.arange(12.0).reshape(2, 2, 3), None).tolist()
    [[15.0, 17.0, 19.0]]
    """
    products = jnp.einsum("bi,kio->bko", x, kernel)
    if bias is not None:
        products = products + jnp.broadcast_to(bias[None], products.shape)
    return jnp.max(products, axis=1)


def s_relu(x: Array, t_left: Array, a_left: Array, t_right: Array, a_right: Array) -> Array:
    """Two learned bends: slope 1 between them, slopes of their own to the left and the right.

    The right bend is at ``t_left + abs(t_right)``. Jin and others (2015). Arguments are arrays of
    the same shape.

    >>> x = jnp.array([-2.0, 0.5, 3.0])
    >>> s_relu(x, *(jnp.full(3, value) for value in (0.0, 0.5, 1.0, 2.0))).tolist()
    [-1.0, 0.5, 5.0]
    """
    width = jnp.abs(t_right)
    away = x - t_left
    middle = jnp.clip(away, 0, width)
    return t_left + middle + a_left * jnp.minimum(away, 0) + a_right * jax.nn.relu(away - width)


def parametric_softplus(x: Array, alphas: Array, betas: Array) -> Array:
    """``alphas * log(1 + exp(betas * x))``, all of one shape.

    >>> float(parametric_softplus(jnp.zeros(()), jnp.ones(()), jnp.ones(()))) == float(jnp.log(2.0))
    True
    """
    return alphas * jax.nn.softplus(betas * x)


__all__ = ["highway", "maxout", "parametric_softplus", "s_relu"]
