"""The library of kernels for CPUs, written in C (`lamina/native`).

It is compiled when lamina is installed. XLA calls it where a program runs on one CPU. On
accelerators, in programs that are split over devices, and where lamina was installed without it,
the same operations are XLA's own.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache, partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.interpreters import ad, mlir, xla

from lamina import warning

if TYPE_CHECKING:
    from lamina.typing import Array


@cache
def fewest() -> int:
    """The fewest numbers along the last axis of a result that is computed; 0 where there are none.

    There are none where lamina was built or is run with ``LAMINA_NATIVE=0``, and on processors
    without vectors of four numbers and fused multiplication and addition.
    """
    path = Path(__file__).parents[1] / "native" / LIBRARY
    if os.environ.get("LAMINA_NATIVE") == "0" or not path.is_file():
        return 0
    try:
        jax.local_devices(backend="cpu")  # before, XLA only notes what is registered
        library = ctypes.CDLL(str(path))
        for name in TARGETS:
            target = jax.ffi.pycapsule(getattr(library, name))
            jax.ffi.register_ffi_target(name, target, platform="cpu")
        # Of its own threads Python knows a state; XLA's threads have none.
        library.lamina_know_callers(ctypes.pythonapi.PyGILState_GetThisThreadState)
    except Exception as error:  # whatever comes of a library for another system, or of another XLA
        warning.warn(
            f"lamina's kernels for CPUs cannot be used, so XLA's own operations are, which are "
            f"slower: {error} Install lamina again, or set LAMINA_NATIVE=0 to leave them out."
        )
        return 0
    return library.lamina_conv_fewest()


LIBRARY = {"darwin": "kernels.dylib", "win32": "kernels.dll"}.get(sys.platform, "kernels.so")
TARGETS = (
    "lamina_conv",
    "lamina_conv_gradient",
    "lamina_dot",
    "lamina_take",
    "lamina_pool",
    "lamina_search",
    "lamina_adam",
    "lamina_each",
)
CONVENTION = 5
"""Goes up when the library takes other options: programs on disk call it."""


def takes(*arrays: Array) -> bool:
    """Whether there is a library, and arrays of such dtypes and sizes may be given to it here."""
    plain = jax.config.jax_default_matmul_precision in _PRECISIONS  # type: ignore[attr-defined]
    # Within `jax.shard_map` it is XLA's operations that know over which devices values vary.
    if not plain or jax.sharding.get_abstract_mesh().manual_axes or not fewest():
        return False
    for array in arrays:  # each step of a generator would be one more function
        # Of an array with a symbolic axis, which is about to be exported, the size is no int.
        if array.dtype != jnp.float32 or not isinstance(array.size, int) or not array.size:
            return False
    return True


def wants_exact_sums() -> bool:
    """Whether JAX is set to the highest precision of products.

    >>> with jax.default_matmul_precision("highest"):
    ...     print(wants_exact_sums())
    True
    """
    now = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return now in _PRECISIONS[2:]


_PRECISIONS = (None, "default", "highest", "float32")
"""The settings of JAX's that mean the same here."""


def tangent(value: Array, terms: list[Array], relu: bool) -> Array:
    """The sum of the tangents of a sum of products, which was rectified or not."""
    total = reduce(lax.add, (jnp.broadcast_to(term, value.shape) for term in terms))
    if not relu:
        return total
    return lax.select(lax.gt(value, value.dtype.type(0)), total, lax.full_like(total, 0))


def transposed(by_xla: Callable[..., Array]) -> Callable[..., Any]:
    """The rule that leads from gradients of a linear operation back to those of its arrays.

    Args:
        by_xla: the operation by XLA's own operations.
    """

    def rule(gradient: Any, *arrays: Any, **options: Any) -> list[Any]:
        wanted = [ad.is_undefined_primal(array) for array in arrays]

        def linear(*values: Any) -> Array:
            left = iter(values)
            given = zip(arrays, wanted, strict=True)
            return by_xla(*(next(left) if one else array for array, one in given), **options)

        avals = [array.aval for array, one in zip(arrays, wanted, strict=True) if one]
        found = iter(jax.linear_transpose(linear, *avals)(gradient))
        return [next(found) if one else None for one in wanted]

    return rule


def vectorized(by_xla: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of `jax.vmap` for an operation: XLA's own operations, vectorized.

    Args:
        by_xla: the operation by these.
    """

    def rule(arrays: Any, axes: Any, **options: Any) -> tuple[Any, int]:
        return jax.vmap(partial(by_xla, **options), tuple(axes))(*arrays), 0

    return rule


def primitive(
    name: str,
    by_kernels: Callable[..., Any],
    by_xla: Callable[..., Any],
    several: bool = False,
) -> Any:
    """A primitive that the library computes where it can, and XLA's operations elsewhere.

    Args:
        name: of the primitive.
        by_kernels: the operation by the library.
        by_xla: the same by XLA's own operations.
        several: whether it has a list of results.
    """
    # ``jax.extend.core`` exports the class, too, but brings Pallas with it: slow to import.
    made: Any = type(lax.conv_general_dilated_p)(name)
    made.multiple_results = several

    def impl(*arrays: Any, **options: Any) -> Any:
        return xla.apply_primitive(made, *arrays, **options)

    def lower(context: Any, *arrays: Any, **options: Any) -> Any:
        # XLA cannot split a call over devices, and who reads an export may not have the library.
        module = context.module_context
        alone = getattr(module.axis_context, "num_devices", None) == 1
        here = alone and not getattr(module.lowering_parameters, "for_export", True)
        form = by_kernels if here and fewest() else by_xla
        return mlir.lower_fun(form, multiple_results=several)(context, *arrays, **options)

    made.def_impl(impl)
    mlir.register_lowering(made, mlir.lower_fun(by_xla, multiple_results=several))
    mlir.register_lowering(made, lower, platform="cpu")
    return made
