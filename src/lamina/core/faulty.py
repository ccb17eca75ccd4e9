"""Errors out of a layer's ``call``: say which layer, and translate those of the tracer."""

from __future__ import annotations

from typing import Any

import jax

from lamina.core import shapes

_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
"""What JAX raises where code asks for values while a program is traced."""


def explain(layer: Any, error: Exception, args: tuple[Any, ...]) -> None:
    """Note on an error which layer it came from, and on what inputs.

    Raises:
        TypeError: in the place of JAX's own, if ``call`` asked for values of traced arrays.
    """
    if isinstance(error, _VALUES):
        raise TypeError(
            f"{layer}: call needs values that are not known while it is compiled: it computes with "
            "NumPy, or with Python's if, int, float or bool. Use the same functions of "
            "lamina.ops, K or jax.numpy, and jnp.where in the place of if; or run it step by step "
            f"with run_eagerly=True. JAX said: {str(error).splitlines()[0]}"
        ) from None
    if str(layer) in str(error) or getattr(error, "__notes__", None):
        return
    found = [tuple(x.shape) for x in shapes.flat(args) if hasattr(x, "shape")]
    where = f" on inputs of shapes {', '.join(map(str, found))}" if found else ""
    error.add_note(f"This happened in the call of {layer}{where}.")
