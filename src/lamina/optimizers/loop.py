"""Optimizers in loops written by hand: on variables, or on lists of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from lamina.core import jit
from lamina.core.variable import Variable
from lamina.optimizers import weights

if TYPE_CHECKING:
    from lamina.optimizers.base import Optimizer


def apply(optimizer: Optimizer, gradients: list[Any], variables: Sequence[Variable] | None) -> None:
    """Change the variables along the gradients; see `Optimizer.apply`."""
    chosen = _chosen(optimizer, gradients, variables)
    state = optimizer.init(chosen) if optimizer.state is None else optimizer.state
    known = optimizer._variables
    row = _in_order(optimizer, gradients, chosen)
    if optimizer._compiled is None:
        optimizer._compiled = jit.compile(optimizer.update)
    values = [variable.value for variable in known]
    new, state = optimizer._compiled(row, state, values, optimizer.hyperparameters())
    for variable, gradient, value in zip(known, row, new, strict=True):
        if gradient is not None or optimizer.use_ema:
            constraint = variable.constraint
            variable.assign(value if constraint is None else constraint(value))
    optimizer.state = state


def _chosen(
    optimizer: Optimizer, gradients: list[Any], variables: Sequence[Variable] | None
) -> list[Variable]:
    if variables is None:
        if not optimizer._variables:
            raise ValueError(
                f"{optimizer!r} does not know the variables yet: call "
                "apply(gradients, variables), or build(variables) first."
            )
        variables = optimizer._variables
    if len(gradients) != len(variables):
        raise ValueError(
            f"{optimizer!r} needs one gradient for each variable, got {len(gradients)} "
            f"gradients and {len(variables)} variables."
        )
    if all(gradient is None for gradient in gradients):
        raise ValueError(f"{optimizer!r} got no gradient for any variable.")
    for gradient, variable in zip(gradients, variables, strict=True):
        if gradient is not None and tuple(gradient.shape) != variable.shape:
            raise ValueError(
                f"{optimizer!r}: the gradient of variable {variable.path!r} must have its shape "
                f"{variable.shape}, got {tuple(gradient.shape)}."
            )
    return list(variables)


def _in_order(optimizer: Optimizer, gradients: list[Any], variables: list[Variable]) -> list[Any]:
    """The gradients in the order of `init`; variables left out have ``None``."""
    places = {id(variable): i for i, variable in enumerate(optimizer._variables)}
    row: list[Any] = [None] * len(places)
    for gradient, variable in zip(gradients, variables, strict=True):
        place = places.get(id(variable))
        if place is None:
            raise ValueError(
                f"{optimizer!r} was made for other variables and does not know "
                f"{variable.path!r}; use one optimizer for each set of variables."
            )
        row[place] = None if gradient is None else jnp.asarray(gradient)
    return row


def stateless_apply(
    optimizer: Optimizer, own: Sequence[Any], gradients: Sequence[Any], values: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Pure form of `apply` over lists; see `Optimizer.stateless_apply`."""
    if optimizer.state is None:
        raise ValueError(f"{optimizer!r} has no state yet; call build(variables) first.")
    state, rates = weights.filled(optimizer, optimizer.state, own)
    hyperparameters = optimizer.hyperparameters()
    for variable, value in rates:
        if variable is optimizer._learning_rate:
            hyperparameters = {"learning_rate": value}
    new, state = optimizer.update(list(gradients), state, list(values), hyperparameters)
    leaves, _, rows, _ = weights.entries(optimizer, state)
    held = {id(variable): value for variable, value in rates}
    return new, [
        held[id(place)] if isinstance(place, Variable) else leaves[place] for _, place in rows
    ]
