"""Dtype policies: in which dtype a layer computes and in which it keeps its weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina import config

MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


class DTypePolicy:
    """Two dtypes under one name: that of the computations and that of the weights.

    Args:
        name: a dtype such as ``"float32"``, or ``"mixed_float16"`` or ``"mixed_bfloat16"``,
            which compute in half precision and keep weights in float32.

    >>> DTypePolicy("mixed_bfloat16").variable_dtype
    'float32'
    """

    def __init__(self, name: str) -> None:
        if name in MIXED:
            self.compute_dtype, self.variable_dtype = MIXED[name], "float32"
        else:
            try:
                self.compute_dtype = self.variable_dtype = name_of_dtype(name)
            except TypeError:
                raise ValueError(_expected(name)) from None
        self.name = name if name in MIXED else self.compute_dtype

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<DTypePolicy {self.name!r}>"


def check_wide(layer: Any) -> None:
    """Refuse a layer of float64 where JAX would compute with float32 without a word.

    Raises:
        ValueError: JAX's 64-bit types are off.
    """
    if layer.dtype_policy.compute_dtype == "float64" and not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise ValueError(
            f"{layer}: dtype float64 needs JAX's 64-bit types: call set_floatx('float64') or "
            "jax.config.update('jax_enable_x64', True) first."
        )


_state: dict[str, DTypePolicy | None] = {"policy": None}


def dtype_policy() -> DTypePolicy:
    """The policy of layers that name no dtype: ``floatx`` unless one was set."""
    return _state["policy"] or DTypePolicy(config.floatx())


def set_dtype_policy(policy: str | DTypePolicy | None) -> None:
    """Set the policy of layers made from now on; ``None`` goes back to ``floatx``."""
    _state["policy"] = None if policy is None else get(policy)


def get(policy: Any) -> DTypePolicy:
    """The policy that a dtype, a name, a config or ``None`` stands for."""
    if policy is None:
        return dtype_policy()
    if isinstance(policy, DTypePolicy):
        return policy
    if isinstance(policy, dict):
        found = policy.get("config", policy)
        if not isinstance(found, dict) or not isinstance(found.get("name"), str):
            raise ValueError(_expected(policy))
        return DTypePolicy(found["name"])
    if isinstance(policy, str):
        return DTypePolicy(policy)
    try:
        return DTypePolicy(name_of_dtype(policy))
    except TypeError:
        raise TypeError(_expected(policy)) from None


def name_of_dtype(value: Any) -> str:
    """The name of a dtype of numbers or flags.

    Raises:
        TypeError: it is none, or holds something else: objects, texts, dates, records.

    >>> name_of_dtype("f4"), name_of_dtype(bool)
    ('float32', 'bool')
    """
    try:
        found = jnp.dtype(value)
    except ValueError as error:  # of a list of fields that is malformed
        raise TypeError(str(error)) from None
    if not (jnp.issubdtype(found, jnp.number) or jnp.issubdtype(found, jnp.bool_)):
        raise TypeError(f"{found} holds no numbers")
    return found.name


def _expected(given: Any) -> str:
    words = ", ".join(MIXED)
    return f"dtype must be a dtype such as 'float32', or one of {words}, got {given!r}."


NARROW = {np.dtype("int64"): np.dtype("int32"), np.dtype("uint64"): np.dtype("uint32")}
"""What 64-bit integers become where JAX's 64-bit types are off."""


def check_range(array: np.ndarray, target: np.dtype, name: str) -> None:
    """Raise a ``ValueError`` if whole numbers do not fit a narrower dtype.

    >>> check_range(np.array([1, 2**40]), np.dtype("int32"), "fit: x")
    Traceback (most recent call last):
    ValueError: fit: x holds 1099511627776 in row 1, beyond the range of int32...
    """
    limits = np.iinfo(target)
    if not array.size or (array.min() >= limits.min and array.max() <= limits.max):
        return
    wrong = np.argwhere((array < limits.min) | (array > limits.max))[0]
    where = f" in row {wrong[0]}" if wrong.size else ""
    raise ValueError(
        f"{name} holds {array[tuple(wrong)]}{where}, beyond the range of {target}. Pass floats, or "
        "renumber the values."
    )
